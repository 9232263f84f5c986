"""Tells the instruments what becomes of the samples for one receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from exporter.ledger.timeline import Overdue
from exporter.timeline.bisection import DropReason

if TYPE_CHECKING:
    from exporter.ledger import Waiting
    from exporter.metrics.instruments import Instruments

#: Why a receiver does not get samples.
Reason: TypeAlias = DropReason | Overdue | Literal["damaged"]


class QueueEvents:
    """What is told of whoever takes the timeline; each call is thread-safe."""

    def __init__(self, remote: str, instruments: Instruments) -> None:
        """Shows every series at its beginning, so that the first increase of each is seen."""
        #: The value of the label.
        self.remote = remote
        self._instruments = instruments
        self._sent = instruments.counter("remote_write_samples_sent", remote=remote)
        self._newest = 0
        for reason in {reason for part in get_args(Reason) for reason in get_args(part)}:
            instruments.counter("remote_write_samples_dropped", remote=remote, reason=reason)

    def sent(self, samples: int, newest: int) -> None:
        """Counts samples that were taken, the newest of them at `newest` (Unix milliseconds)."""
        self._sent.inc(samples)
        if newest > self._newest:
            self._newest = newest
            self._gauge("highest_sent_timestamp_seconds", newest / 1000)

    def dropped(self, reason: Reason, samples: int) -> None:
        """Counts samples that the receiver will not get."""
        self._instruments.counter("remote_write_samples_dropped", remote=self.remote, reason=reason).inc(samples)

    def waiting(self, waiting: Waiting, now: float) -> None:
        """Shows what waits. `now`: Unix seconds."""
        self._gauge("queue_samples", waiting.samples)
        self._gauge("queue_stays", waiting.rows)
        self._gauge("queue_bytes", waiting.bytes)
        self._gauge("queue_wait_seconds", 0.0 if waiting.since is None else max(0.0, now - waiting.since))
        self._gauge("oldest_sample_age_seconds", 0.0 if waiting.oldest is None else max(0.0, now - waiting.oldest))

    def _gauge(self, name: str, value: float) -> None:
        self._instruments.gauge(f"remote_write_{name}", remote=self.remote).set(value)


class SendingEvents(QueueEvents):
    """What is told of one that is sent to: `exporter.timeline.sender.SenderEvents` as well."""

    def __init__(self, remote: str, instruments: Instruments) -> None:
        """As above."""
        super().__init__(remote, instruments)
        self._failed = instruments.counter("remote_write_samples_failed", remote=remote)
        self._durations = instruments.histogram("remote_write_request_duration_seconds", remote=remote)

    def request(self, code: str, seconds: float) -> None:
        """Counts a request by its status or failure."""
        self._instruments.counter("remote_write_requests", remote=self.remote, code=code).inc()
        self._durations.observe(seconds)

    def sent(self, samples: int, newest: int) -> None:
        """Counts samples that were stored, the newest of them at `newest` (Unix milliseconds)."""
        super().sent(samples, newest)
        self._gauge("up", 1)

    def failed(self, samples: int) -> None:
        """Counts samples that are to be sent again."""
        self._failed.inc(samples)
        self._gauge("up", 0)
