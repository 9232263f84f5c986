"""Sends batches to one receiver until each sample is stored or given up."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from exporter.timeline.ages import Taken, newest_acceptable, oldest_acceptable, within
from exporter.timeline.batching import Batch
from exporter.timeline.bisection import Bisection
from exporter.timeline.series import count
from exporter.timeline.wire import body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.remote_write_settings import RemoteWriteSettings
    from exporter.timeline.answers import Answer
    from exporter.timeline.bisection import DropReason
    from exporter.timeline.client import Client
    from exporter.timeline.series import TimelineSeries

logger = logging.getLogger(__name__)

#: The `job` label of what the exporter sends itself, as in the shipped scrape configuration.
JOB: Final = "webrtc-quality-exporter"
#: A receiver that refuses us is not asked again before, unless a secret or certificate changes meanwhile.
_REFUSED_SECONDS: Final = 300.0
#: Of one batch. The receiver's own log has them all.
_LOGGED_REJECTIONS: Final = 5


class SenderEvents(Protocol):
    """What a sender tells about its own doings; each call is cheap."""

    def request(self, code: str, seconds: float) -> None:
        """One request was answered with `code`, or failed before an answer (`error`, `timeout`)."""
        ...

    def sent(self, samples: int, newest: int) -> None:
        """Samples were stored, the newest of them at `newest` (Unix milliseconds)."""
        ...

    def failed(self, samples: int) -> None:
        """Samples were not stored by a request that is to be repeated."""
        ...

    def dropped(self, reason: DropReason, samples: int) -> None:
        """Samples were given up."""
        ...


class Packed(Struct, frozen=True):
    """A request that is ready to go."""

    #: What it was made of, and what of that is in it.
    part: Batch
    taken: Taken
    body: bytes


class SenderSurroundings(Struct, frozen=True, kw_only=True):
    """What the sender asks of the world, so that tests need not wait."""

    #: Unix seconds.
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    #: A number from 0 to 1, not for secrets.
    chance: Callable[[], float] = random.random


def instance_of(shard: int) -> str:
    """The `instance` label of an exporter: it outlasts restarts, and tells those apart that have the same sources."""
    return f"shard-{shard}"


def own_labels(settings: RemoteWriteSettings | None, instance: str) -> Mapping[str, str]:
    """The labels that every series gets beside its own.

    Args:
        settings: the receiver; its `external_labels` win over `job` and `instance`. None: there is none.
        instance: tells exporters apart. It must outlast a restart, or a batch that is sent again after a crash would
            become other series; so it is not the name of a machine or container.
    """
    return {"job": JOB, "instance": instance, **(settings.external_labels if settings else {})}


class Sender:
    """Delivers batches to one receiver, one after the other."""

    def __init__(
        self,
        settings: RemoteWriteSettings,
        labels: Mapping[str, str],
        client: Client,
        events: SenderEvents,
        surroundings: SenderSurroundings | None = None,
    ) -> None:
        self._settings = settings
        self._queue = settings.queue_config
        self._labels = labels
        self._client = client
        self._events = events
        self._around = surroundings or SenderSurroundings()
        self._name = settings.name or repr(settings.url)
        self._failures = 0
        self._last_failure = ""

    def pack(self, batch: Batch) -> Packed:
        """Makes a request of a batch, which may be done while another one is under way; counts nothing.

        It takes milliseconds: for a thread beside the event loop, which answers scrapes meanwhile.
        """
        taken = within(batch, self._oldest(), newest_acceptable(self._around.now()))
        return Packed(batch, taken, body(taken.series, self._labels))

    async def send(self, batch: Batch, packed: Packed | None = None) -> None:
        """Returns when every sample is stored or given up, however long that takes; cancelling loses nothing.

        What may pass is repeated: no answer, 429, 5xx. What is rejected is halved, until what is bad is alone and given
        up. Where we are refused (wrong credentials, wrong address) the samples wait: they are not to blame.

        Args:
            batch: what to send.
            packed: what `pack` made of it; None: it is still to be done.
        """
        bisection = Bisection(batch)
        blamed = 0
        while (part := bisection.take()) is not None:
            if packed is None or packed.part is not part or self._has_aged(packed):
                packed = await asyncio.to_thread(self.pack, part)
            self._left_out(packed.taken)
            taken = packed.taken.series
            if not taken:
                continue
            answer, seconds = await self._client.post(packed.body)
            self._events.request(answer.code, seconds)
            match answer.meaning:
                case "accepted":
                    self._accepted(count(taken), max(each.times[-1] for each in taken))
                case "later" | "refused":
                    bisection.put_back(taken)
                    packed = Packed(taken, Taken(taken), packed.body)
                    self._events.failed(count(taken))
                    await self._wait(answer)
                case _:
                    blamed += len(taken) == 1
                    if blamed <= _LOGGED_REJECTIONS and len(taken) == 1:
                        self._log_rejection(taken[0], answer)
                    bisection.rejected(taken, answer.meaning)
        for reason, samples in bisection.dropped.items():
            self._events.dropped(reason, samples)

    def _oldest(self) -> int | None:
        return oldest_acceptable(self._around.now(), self._settings.max_sample_age, self._settings.remote_timeout)

    def _has_aged(self, packed: Packed) -> bool:
        """Whether something of it is too old by now: what waits for a receiver grows old."""
        oldest = self._oldest()
        return oldest is not None and any(each.times[0] < oldest for each in packed.taken.series)

    def _left_out(self, taken: Taken) -> None:
        if taken.too_old:
            self._events.dropped("too_old", taken.too_old)
        if taken.in_future:
            self._events.dropped("in_future", taken.in_future)

    def _accepted(self, samples: int, newest: int) -> None:
        self._events.sent(samples, newest)
        if self._failures:
            logger.info("%s: accepts again, after %d failed requests", self._name, self._failures)
        self._failures = 0
        self._last_failure = ""

    async def _wait(self, answer: Answer) -> None:
        self._failures += 1
        if answer.message != self._last_failure:
            self._last_failure = answer.message
            logger.warning("%s: %s; the samples wait", self._name, answer.message)
        if answer.meaning == "refused":
            await self._wait_until_changed(max(answer.retry_after or 0.0, _REFUSED_SECONDS))
        else:
            await self._around.sleep(self._backoff(answer.retry_after))

    def _backoff(self, asked: float | None) -> float:
        if asked is not None:
            return max(asked, self._queue.min_backoff)
        # Without chance, exporters that lost one receiver would come back to it all at once.
        doubled = self._queue.min_backoff * 2.0 ** min(self._failures - 1, 60)
        spread = min(doubled, self._queue.max_backoff) * (0.5 + self._around.chance() / 2)
        return max(spread, float(self._queue.min_backoff))

    async def _wait_until_changed(self, seconds: float) -> None:
        before = self._client.access.state()
        waited = 0.0
        while waited < seconds and self._client.access.state() == before:
            step = min(self._queue.max_backoff, seconds - waited)
            await self._around.sleep(step)
            waited += step

    def _log_rejection(self, series: TimelineSeries, answer: Answer) -> None:
        peer = dict(series.labels).get("peer_id")
        samples = len(series.times)
        logger.warning("%s: %s, peer %r, %d samples: %s", self._name, series.family, peer, samples, answer.message)
