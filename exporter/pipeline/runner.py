"""One source's polls: their timing, back-off, success and failure."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from exporter.face import SourceState
from exporter.ledger import StateError
from exporter.sources.base import PollError
from exporter.told import told

if TYPE_CHECKING:
    from exporter.metrics.instruments import Instruments
    from exporter.sources.base import Intake, Source, SourceSettings

logger = logging.getLogger(__name__)

#: The longest wait between polls that fail, unless the configured interval is longer.
_LONGEST_BACK_OFF = 300.0
#: An interval of 0 s is legal; it must not keep the event loop from answering scrapes.
_SHORTEST_WAIT = 0.05


def wait_seconds(interval: float, failures: int) -> float:
    """The time from the start of a poll to that of the next one, after so many failures in a row.

    The interval, doubling with each failure up to five minutes.
    """
    return min(interval * 2.0 ** min(failures, 32), max(interval, _LONGEST_BACK_OFF))


class SourceEvents:
    """Tells the instruments what a source does: `exporter.sources.base.Events`."""

    def __init__(self, source: str, instruments: Instruments) -> None:
        self._source = source
        self._instruments = instruments
        self.known_backlog = 0
        self._durations = instruments.histogram("http_request_duration_seconds", source=source)
        self._waits = instruments.counter("http_rate_limit_wait_seconds", source=source)
        self._objects = instruments.counter("objects_read", source=source)
        self._object_bytes = instruments.counter("object_bytes_read", source=source)
        self._quarantined = instruments.counter("objects_quarantined", source=source)
        self._backlog = instruments.gauge("source_backlog", source=source)
        self._listing_problems = instruments.gauge("source_listing_problems", source=source)

    def http_request(self, code: str, seconds: float) -> None:
        """Counts a request by its status or failure."""
        self._instruments.counter("http_requests", source=self._source, code=code).inc()
        self._durations.observe(seconds)

    def rate_limit_wait(self, seconds: float) -> None:
        """Adds to the time that requests waited for their turn."""
        self._waits.inc(seconds)

    def object_read(self, size: int) -> None:
        """Counts a file or object of `size` stored bytes."""
        self._objects.inc()
        self._object_bytes.inc(size)

    def listing_problems(self, count: int) -> None:
        """Shows how much could not be listed."""
        self._listing_problems.set(count)

    def object_quarantined(self) -> None:
        """Counts a file or object that is left until it changes."""
        self._quarantined.inc()

    def backlog(self, count: int) -> None:
        """Shows how many things are known and not yet ingested."""
        self.known_backlog = count
        self._backlog.set(count)


class Runner:
    """Polls one source again and again until it is cancelled."""

    def __init__(
        self,
        kind: str,
        settings: SourceSettings,
        source: Source,
        intake: Intake,
        events: SourceEvents,
        instruments: Instruments,
    ) -> None:
        self._kind = kind
        self._settings = settings
        self._source = source
        self._intake = intake
        self._events = events
        self._instruments = instruments
        #: Set when the first poll has ended, well or not.
        self.polled = asyncio.Event()
        self._up: bool | None = None
        self._last_success: float | None = None
        self._last_attempt: float | None = None
        self._problem = ""
        self._failures = 0
        instruments.gauge("source_info", source=settings.name, type=kind).set(1)
        instruments.counter("source_polls", source=settings.name)

    @property
    def state(self) -> SourceState:
        """The source as the landing page shows it."""
        return SourceState(
            name=self._settings.name,
            type=self._kind,
            up=self._up,
            last_success=self._last_success,
            last_attempt=self._last_attempt,
            backlog=self._events.known_backlog,
            problem=self._problem,
        )

    async def run(self) -> None:
        """Polls until cancelled."""
        while True:
            started = time.monotonic()
            await self._poll()
            self.polled.set()
            spent = time.monotonic() - started
            pause = wait_seconds(self._settings.poll_seconds, self._failures) - spent
            await asyncio.sleep(max(pause, _SHORTEST_WAIT))

    async def _poll(self) -> None:
        name, gauge = self._settings.name, self._instruments.gauge
        self._last_attempt = self._intake.now()
        gauge("source_last_attempt_timestamp_seconds", source=name).set(self._last_attempt)
        started = time.monotonic()
        try:
            await self._source.poll(self._intake)
        except PollError as error:
            logger.warning("%s: poll failed: %s: %s", name, error.reason, error)
            self._failed(error.reason, str(error))
        except StateError as error:
            # The log has it already, once for all sources.
            self._failed("state", told(str(error)))
        except Exception as error:  # the poll of one source is never worth the process
            logger.exception("%s: poll failed", name)
            self._failed("other", told(f"{type(error).__name__}; the log tells more"))
        else:
            self._up, self._problem, self._failures = True, "", 0
            self._last_success = self._intake.now()
            gauge("source_last_success_timestamp_seconds", source=name).set(self._last_success)
        gauge("source_up", source=name).set(1 if self._up else 0)
        gauge("source_poll_duration_seconds", source=name).set(time.monotonic() - started)
        self._instruments.counter("source_polls", source=name).inc()

    def _failed(self, reason: str, problem: str) -> None:
        self._up, self._problem = False, problem
        self._failures += 1
        self._instruments.counter("source_poll_failures", source=self._settings.name, reason=reason).inc()
