"""A watchRTC source over a place, polled step by step by the real runner into the real ledger."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from exporter.config import MetricsSettings, Settings
from exporter.ledger import Ledger
from exporter.metrics.instruments import Instruments
from exporter.pipeline import Pipeline
from exporter.pipeline.ledger_thread import LedgerThread
from exporter.sources import watchrtc
from exporter.values import Duration
from tests.watchrtc_support import read_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from exporter.sources.base import Delivery, Events, Intake, ObjectIdentity, Receipt, Source
    from exporter.sources.watchrtc.settings import WatchRtcSettings
    from tests.stores.place import Place

#: Servers of tests take their time for a hundred thousand objects.
_PATIENCE = 300.0


def rooms(*room_ids: str, peers: int = 1) -> bytes:
    """A document with rooms of these ids, each with people who stayed for a minute."""
    people = [
        {"peer_id": f"p{number}", "start_time": "2026-03-01T12:00:00Z", "duration": 60} for number in range(peers)
    ]
    return json.dumps(
        [
            {"room_id": room_id, "start_time": "2026-03-01T12:00:00Z", "duration": 60, "peers": people}
            for room_id in room_ids
        ]
    ).encode()


class Stand:
    """The inside of an exporter with one source, `watch`, from `open` to `close`."""

    def __init__(self, place: Place, state: Path, **settings: object) -> None:
        """Makes it; nothing is opened yet.

        Args:
            place: where the data streams are.
            state: the folder of the ledger.
            settings: of the source, beside those of the place.
        """
        self._state = state
        self.place = place
        self.settings = read_settings(
            {"name": "watch", "poll_interval": "0s", "min_object_age": "0s", **place.settings, **settings}
        )
        assert self.settings.problems() == []
        #: Seconds between the clock here and that of the store.
        self.ahead = 0.0
        #: Called each time a page of a listing was looked up in the ledger, and before anything of it is read.
        self.listed: Callable[[], None] = lambda: None
        #: Called after each delivery.
        self.delivered: Callable[[Delivery], None] = lambda _: None
        self._turns = asyncio.Semaphore(0)
        self._at_rest = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Stand]:
        """Opens ledger and source, as a start of the program does, and closes them at the end."""
        thread, ledger = LedgerThread(), Ledger.open(self._state)
        self.ledger, self._thread, self._instruments = ledger, thread, Instruments(with_process=False)
        kind = msgspec.structs.replace(watchrtc.SOURCE_TYPE, open=self._open)
        settings = Settings(
            sources=(self.settings,), source_types=("watchrtc",), metrics=MetricsSettings(zero_hold=Duration(0))
        )
        pipeline = Pipeline(
            settings,
            {"watchrtc": kind},
            ledger,
            thread,
            self._instruments,
            clock=lambda: time.time() + self.ahead,
        )
        await pipeline.open()
        work = asyncio.create_task(pipeline.run())
        try:
            await self._rest()
            yield self
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await pipeline.close()
            thread.close()
            ledger.close()

    async def poll(self, times: int = 1) -> None:
        """Polls, and waits for the end of it."""
        for _ in range(times):
            self._at_rest.clear()
            self._turns.release()
            await self._rest()

    # What is counted

    @property
    def rooms(self) -> dict[str, int]:
        """Sessions by room: the counter that Prometheus would see."""
        return {series[2]: int(count.amounts[0]) for series, count in self._counts("webrtc_sessions_total")}

    @property
    def peers(self) -> int:
        """All peers' stays."""
        return sum(int(count.amounts[0]) for _, count in self._counts("webrtc_peer_sessions_total"))

    @property
    def reports(self) -> tuple[int, int, int]:
        """Reports that added something, that added nothing, and documents that were rejected."""
        families = ("ingested", "duplicate", "rejected")
        added, nothing, rejected = (
            sum(int(count.amounts[0]) for _, count in self._counts(f"webrtc_exporter_reports_{family}_total"))
            for family in families
        )
        return added, nothing, rejected

    def of_itself(self, family: str, label: str = "source") -> dict[str, float]:
        """The values of a family about the exporter, without those that are 0, by the value of a label."""
        page = self._instruments.render(open_metrics=False).decode()
        return {
            sample.labels[label]: sample.value
            for found in text_string_to_metric_families(page)
            for sample in found.samples
            if sample.name == f"webrtc_exporter_{family}" and sample.value
        }

    def value(self, family: str) -> float:
        """The value of a family about the exporter that has no other label."""
        return self.of_itself(family).get("watch", 0.0)

    async def know(self, objects: Sequence[ObjectIdentity]) -> None:
        """Makes object versions known as read, as if they had been."""

        def read() -> None:
            with self.ledger.transaction(time.time()) as transaction:
                for identity in objects:
                    transaction.read_object("watch", identity)

        # As everything that has to do with the ledger: another thread would meet the pipeline in the midst of a commit.
        await self._thread.run(read)

    def _counts(self, family: str) -> list[tuple[tuple[str, ...], Any]]:
        return [(series, count) for series, count in self.ledger.counts.items() if series[0] == family]

    async def _rest(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._at_rest.wait()

    @asynccontextmanager
    async def _open(self, settings: WatchRtcSettings, events: Events) -> AsyncIterator[Source]:
        async with watchrtc.SOURCE_TYPE.open(settings, events) as source:
            yield _Stepped(source, self._turns, self._at_rest, self)


class _Stepped:
    """A source that is polled when it is told to."""

    def __init__(self, source: Source, turns: asyncio.Semaphore, at_rest: asyncio.Event, stand: Stand) -> None:
        self._source, self._turns, self._at_rest, self._stand = source, turns, at_rest, stand

    async def poll(self, intake: Intake) -> None:
        """Waits for the word; that it waits tells that the poll before has ended in all respects."""
        self._at_rest.set()
        await self._turns.acquire()
        await self._source.poll(_Watched(intake, self._stand))


class _Watched:
    """The pipeline's intake, with a word to the test after some of its steps."""

    def __init__(self, intake: Intake, stand: Stand) -> None:
        self._intake, self._stand = intake, stand
        self.now, self.is_mine = intake.now, intake.is_mine
        self.due_tasks, self.waiting_tasks, self.fact = intake.due_tasks, intake.waiting_tasks, intake.fact

    async def deliver(self, delivery: Delivery) -> Receipt:
        receipt = await self._intake.deliver(delivery)
        self._stand.delivered(delivery)
        return receipt

    async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        unread = await self._intake.unread(objects)
        self._stand.listed()
        return unread
