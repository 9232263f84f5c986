"""One receiver of the timeline: what waits for it in the ledger goes out, in order, until somebody stops it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from exporter.ledger import Place, StateDamagedError, StateError
from exporter.timeline import payload
from exporter.timeline.client import Client
from exporter.timeline.outbox import Outbox
from exporter.timeline.sender import Sender, own_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.ledger import Ledger, TimelineRow
    from exporter.pipeline.ledger_thread import LedgerThread
    from exporter.pipeline.sending_events import SendingEvents
    from exporter.remote_write_settings import RemoteWriteSettings
    from exporter.timeline.outbox import Cut
    from exporter.timeline.sender import Packed
    from exporter.timeline.series import TimelineSeries

logger = logging.getLogger(__name__)

#: After an error that is not the receiver's, in seconds.
_PAUSE: Final = 1.0
#: What is new is told; this is for the case that it was not.
_LOOK_AGAIN_SECONDS: Final = 30.0


def receiver_key(settings: RemoteWriteSettings) -> str:
    """By what the state knows the place of a receiver."""
    return f"remote_write/{settings.label}"


class Sending:
    """Sends to one receiver; `run` in a task of its own."""

    def __init__(
        self,
        settings: RemoteWriteSettings,
        instance: str,
        ledger: Ledger,
        thread: LedgerThread,
        events: SendingEvents,
        clock: Callable[[], float],
    ) -> None:
        """Makes it.

        Args:
            settings: the receiver.
            instance: the label that tells exporters apart.
            ledger: worked with in `thread` only.
            thread: the ledger's.
            events: is told what becomes of the samples.
            clock: Unix seconds.

        Raises:
            AccessError: the URL is none that requests can be made of.
        """
        self.key = receiver_key(settings)
        self._settings = settings
        self._queue = settings.queue_config
        self._ledger = ledger
        self._thread = thread
        self._events = events
        self._clock = clock
        self._client = Client(settings)
        self._labels = own_labels(settings, instance)
        self._arrived = asyncio.Event()
        #: The last row that was read.
        self.read = Place()

    def arrived(self) -> None:
        """There is something new in the ledger."""
        self._arrived.set()

    async def run(self) -> None:
        """Sends until cancelled; what was not acknowledged then is sent again by whoever comes next.

        Raises:
            StateDamagedError: the state cannot be worked with any more.
        """
        async with self._client:
            sender = Sender(self._settings, self._labels, self._client, self._events)
            while True:
                try:
                    await self._send_all(sender)
                except StateDamagedError:
                    raise
                except StateError:
                    # The log has it already.
                    pass
                except Exception:
                    # From the last acknowledged row on: nothing is lost.
                    logger.exception("%s: sending is begun anew", self._settings.label)
                await asyncio.sleep(_PAUSE)

    async def _send_all(self, sender: Sender) -> None:
        outbox: Outbox[Place] = Outbox(self._queue.max_samples_per_send)
        place = await self._thread.run(self._ledger.timeline.place, self.key)
        self.read = Place() if place is None else place
        # One request is made ready while the one before it is under way: else each side would wait for the other.
        ahead = asyncio.create_task(self._next(outbox, sender))
        try:
            while True:
                cut, packed = await ahead
                ahead = asyncio.create_task(self._next(outbox, sender))
                if cut.batch:
                    await sender.send(cut.batch, packed)
                if cut.complete is not None:
                    await self._thread.run(self._acknowledge, cut.complete)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, outbox: Outbox[Place], sender: Sender) -> tuple[Cut[Place], Packed]:
        await self._fill(outbox)

        def cut_and_pack() -> tuple[Cut[Place], Packed]:
            cut = outbox.cut()
            return cut, sender.pack(cut.batch)

        # Away from the event loop, which answers scrapes meanwhile.
        return await asyncio.to_thread(cut_and_pack)

    async def _fill(self, outbox: Outbox[Place]) -> None:
        """Reads ahead until there is enough for a request, or what there is has waited long enough."""
        deadline = time.monotonic() + self._queue.batch_send_deadline
        while True:
            self._arrived.clear()
            if outbox.samples < max(self._queue.capacity, self._queue.max_samples_per_send):
                had = self.read.id
                await self._read_ahead(outbox)
                if self.read.id > had and not outbox.is_full:
                    continue
            if outbox.is_full:
                return
            left = deadline - time.monotonic()
            if outbox.has_rows:
                if left <= 0:
                    return
            else:
                # What comes is given time to be joined by more.
                left = _LOOK_AGAIN_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._arrived.wait()
            if not outbox.has_rows:
                deadline = time.monotonic() + self._queue.batch_send_deadline

    async def _read_ahead(self, outbox: Outbox[Place]) -> None:
        wanted = max(self._queue.capacity, self._queue.max_samples_per_send) - outbox.samples
        rows = await self._thread.run(self._ledger.timeline.read, self.read.id, wanted)
        if rows:
            unpacked = await asyncio.to_thread(self._unpack, rows)
            for row, series in zip(rows, unpacked, strict=True):
                outbox.add(row.place, series)
            self.read = rows[-1].place

    def _unpack(self, rows: Sequence[TimelineRow]) -> list[tuple[TimelineSeries, ...]]:
        return [self._unpack_row(row) for row in rows]

    def _unpack_row(self, row: TimelineRow) -> tuple[TimelineSeries, ...]:
        try:
            return payload.decode(row.payload)
        except payload.PayloadError as error:
            logger.error(  # noqa: TRY400 - it tells all there is
                "%s: row %d of the queue is given up: %s", self._settings.label, row.place.id, error
            )
            self._events.dropped("damaged", row.samples)
            return ()

    def _acknowledge(self, place: Place) -> None:
        self._ledger.timeline.acknowledge(self.key, place, self._clock())
        self._events.waiting(self._ledger.timeline.waiting(self.key), self._clock())
