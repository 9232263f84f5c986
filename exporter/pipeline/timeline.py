"""The timeline of one configuration: written with what is ingested, and handed over to each of its receivers."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Final

from exporter.ledger import Bounds, Place, StateDamagedError, StateError
from exporter.metrics.exposition import Body
from exporter.pipeline.handing_over import HandingOver
from exporter.pipeline.sending import Sending, receiver_key
from exporter.pipeline.sending_events import QueueEvents, SendingEvents
from exporter.pipeline.timeline_page import PAGE, TimelinePage
from exporter.timeline.sender import instance_of
from exporter.timeline.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.config import Settings
    from exporter.ledger import Ledger
    from exporter.metrics.family import Family
    from exporter.metrics.instruments import Instruments
    from exporter.pipeline.ledger_thread import LedgerThread

#: After a state that could not be written, in seconds.
_PAUSE: Final = 1.0


def handing_over(settings: Settings, families: Sequence[Family]) -> HandingOver | None:
    """What writes the timeline while ingesting; None where nobody is there to take it."""
    return HandingOver(Shape(families)) if settings.has_timeline else None


class Timeline:
    """All receivers of one configuration; `run` in a task of its own, `keep_bounds` every second or so."""

    def __init__(
        self,
        settings: Settings,
        families: Sequence[Family],
        ledger: Ledger,
        thread: LedgerThread,
        instruments: Instruments,
        clock: Callable[[], float],
    ) -> None:
        """Connects to nobody yet; arguments as in `exporter.pipeline.pipeline.Pipeline`.

        Raises:
            AccessError: a receiver's URL is none that requests can be made of.
        """
        self._settings = settings
        self._ledger = ledger
        self._thread = thread
        self._clock = clock
        self._instruments = instruments
        instance = instance_of(settings.shard.index)
        self._events: dict[str, QueueEvents] = {}
        self._sendings: list[Sending] = []
        for receiver in settings.remote_write:
            events = SendingEvents(receiver.label, instruments)
            self._events[receiver_key(receiver)] = events
            self._sendings.append(Sending(receiver, instance, ledger, thread, events, clock))
        #: Whether the receivers have their places; before that nobody knows what they still need.
        self._has_places = False
        self._page: TimelinePage | None = None
        if settings.timeline.endpoint:
            self._events[PAGE] = QueueEvents(PAGE, instruments)
            self._page = TimelinePage(settings.timeline, families, ledger, self._events[PAGE])

    @property
    def remotes(self) -> frozenset[str]:
        """Whoever takes the timeline, as the metrics call them."""
        return frozenset(events.remote for events in self._events.values())

    def arrived(self) -> None:
        """There is something new in the ledger."""
        for sending in self._sendings:
            sending.arrived()

    async def run(self) -> None:
        """Sends until cancelled.

        Raises:
            ExceptionGroup: with a StateDamagedError, when the state cannot be worked with any more.
        """
        await self._give_places()
        async with asyncio.TaskGroup() as tasks:
            for sending in self._sendings:
                tasks.create_task(sending.run())

    async def scrape(self, *, open_metrics: bool, compressed: bool, by_prometheus: bool) -> Body | None:
        """The page `/timeline` for one scrape; None where there is none."""
        if self._page is None:
            return None
        page = self._page
        shown = await self._thread.run(lambda: page.look(self._clock(), counts=by_prometheus))

        def render() -> Body:
            body = page.render(shown, open_metrics=open_metrics)
            body = gzip.compress(body, 6) if compressed else body
            return Body((body,), len(body))

        return await asyncio.to_thread(render)

    async def _give_places(self) -> None:
        """Lets new receivers begin, and those that are not configured any more go."""
        now = self._clock()
        receivers: dict[str, float | None] = {
            receiver_key(each): None if each.max_sample_age is None else now - each.max_sample_age
            for each in self._settings.remote_write
        }
        if self._page is not None:
            receivers[PAGE] = now - self._settings.timeline.out_of_order_time_window
        while True:
            try:
                await self._thread.run(self._ledger.timeline.set_receivers, receivers, now)
            except StateDamagedError:
                raise
            except StateError:
                await asyncio.sleep(_PAUSE)
            else:
                self._has_places = True
                return

    # In the ledger's thread

    def keep_bounds(self, now: float) -> None:
        """Removes what is of no more use or past the bounds, and shows what waits. `now`: Unix seconds."""
        if not self._has_places:
            return
        log, settings = self._ledger.timeline, self._settings.timeline
        in_hand: dict[str, Place] = {each.key: each.read for each in self._sendings}
        if self._page is not None:
            in_hand[PAGE] = self._page.read
        bounds = Bounds(keep=settings.keep, max_age=settings.max_age, max_bytes=settings.max_bytes)
        for dropped in log.trim(now, bounds, in_hand):
            if dropped.receiver in self._events:
                self._events[dropped.receiver].dropped(dropped.reason, dropped.samples)
        for key, events in self._events.items():
            events.waiting(log.waiting(key), now)
        self._instruments.gauge("timeline_bytes").set(log.size())
