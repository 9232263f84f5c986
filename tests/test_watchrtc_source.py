"""The watchRTC source polls a store and delivers what is new."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from exporter.sources import watchrtc
from exporter.sources.base import Delivery, ObjectIdentity, PollError, Receipt
from exporter.sources.watchrtc import source as source_module
from exporter.sources.watchrtc.source import WatchRtcSource
from exporter.sources.watchrtc.stores import Listing, ObjectMovedError, ObjectUnreadableError, StoredObject
from tests.watchrtc_support import MemoryIntake, RecordedEvents, a_room, read_settings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from exporter.sources.base import Source

pytestmark = pytest.mark.anyio

NOW = 1_772_366_400.0


def rooms(*room_ids: str) -> bytes:
    """A document with rooms of these ids."""
    return json.dumps([a_room(room_id) for room_id in room_ids]).encode()


def put(path: Path, raw: bytes, age: float = 60) -> None:
    """Writes a file that is as old as said."""
    path.write_bytes(raw)
    os.utime(path, (NOW - age, NOW - age))


class MemoryStore:
    """Objects as a dict of name to bytes, an exception that reading raises, or both after one another."""

    def __init__(self, **objects: bytes | Exception | list[bytes | Exception]) -> None:
        self.objects = objects
        self.problems: tuple[str, ...] = ()
        self.closed = 0

    def list_objects(self) -> Generator[Listing, None, None]:
        """Each one second younger than the one before, in parts of two."""
        objects = [
            StoredObject(identity=ObjectIdentity(name, "1"), size=100 + index, modified=NOW - 60 + index, address=name)
            for index, name in enumerate(self.objects)
        ]
        for start in range(0, len(objects), 2):
            yield Listing(objects=tuple(objects[start : start + 2]))
        yield Listing(problems=self.problems)

    def read_object(self, found: StoredObject) -> Generator[bytes, None, None]:
        """The pieces; an exception is raised in its place."""
        pieces = self.objects[found.address]
        try:
            for piece in pieces if isinstance(pieces, list) else [pieces]:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1


async def poll(store: MemoryStore, intake: MemoryIntake | None = None) -> tuple[MemoryIntake, RecordedEvents]:
    """One poll of a store."""
    intake, events = intake or MemoryIntake(NOW), RecordedEvents()
    await WatchRtcSource(read_settings({"url": "x", "name": "watch"}), store, events).poll(intake)
    return intake, events


async def poll_folder(folder: Path, intake: MemoryIntake, **settings: object) -> RecordedEvents:
    """One poll of a folder, by way of the registered type."""
    events = RecordedEvents()
    source: Source
    async with watchrtc.SOURCE_TYPE.open(read_settings({"url": str(folder), **settings}), events) as source:
        await source.poll(intake)
    return events


async def test_a_folder_is_read_once(tmp_path: Path) -> None:
    """The oldest file first; a file that is known is not read again, one that changed is."""
    put(tmp_path / "a.json", rooms("a1", "a2"), age=10)
    put(tmp_path / "b.json.gz", gzip.compress(rooms("b")), age=20)
    intake = MemoryIntake(NOW)
    events = await poll_folder(tmp_path, intake, name="watch")
    assert intake.room_ids == ["b", "a1", "a2"]
    assert {report.session.key.source for each in intake.deliveries for report in each.reports} == {"watch"}
    assert events.backlogs == [2, 1, 0]
    assert events.sizes == [(tmp_path / "b.json.gz").stat().st_size, (tmp_path / "a.json").stat().st_size]
    events = await poll_folder(tmp_path, intake)
    assert (events.sizes, events.backlogs) == ([], [0])
    put(tmp_path / "a.json", rooms("a1", "a2", "a3"))
    await poll_folder(tmp_path, intake)
    assert intake.room_ids == ["b", "a1", "a2", "a1", "a2", "a3"]


async def test_a_young_file_waits(tmp_path: Path) -> None:
    """It may still be written to; it is known and not ingested."""
    put(tmp_path / "young.json", rooms("young"), age=4.9)
    put(tmp_path / "old.json", rooms("old"), age=5)
    intake = MemoryIntake(NOW)
    events = await poll_folder(tmp_path, intake, min_object_age="5s")
    assert intake.room_ids == ["old"]
    assert events.backlogs == [2, 1]
    intake.time += 1
    await poll_folder(tmp_path, intake, min_object_age="5s")
    assert intake.room_ids == ["old", "young"]


async def test_a_file_from_the_future_does_not_wait_for_years(tmp_path: Path) -> None:
    """Its time is that of another clock; only what may be being written waits."""
    put(tmp_path / "soon.json", rooms("soon"), age=-2)
    put(tmp_path / "future.json", rooms("future"), age=-31_536_000)
    intake = MemoryIntake(NOW)
    await poll_folder(tmp_path, intake)
    assert intake.room_ids == ["future"]


async def test_no_minimum_age_is_legal(tmp_path: Path) -> None:
    """Whoever renames into place needs none."""
    put(tmp_path / "a.json", rooms("a"), age=0)
    intake = MemoryIntake(NOW)
    await poll_folder(tmp_path, intake, min_object_age="0s")
    assert intake.room_ids == ["a"]


async def test_a_missing_folder_fails_the_poll(tmp_path: Path) -> None:
    """As a whole, for the runner to count."""
    with pytest.raises(PollError) as caught:
        await poll_folder(tmp_path / "absent", MemoryIntake(NOW))
    assert caught.value.reason == "not_found"


async def test_a_bad_file_is_rejected_and_read() -> None:
    """It is not read again, and its neighbours are kept."""
    intake, events = await poll(MemoryStore(a=b"", b=rooms("b"), c=rooms("c1", "c2")[:-30]))
    assert intake.room_ids == ["b", "c1"]
    assert [each.message.partition(":")[0] for each in intake.rejected] == ["a", "c"]
    assert intake.read_names == ["a", "b", "c"]
    assert events.backlogs[-1] == 0


async def test_a_file_that_moves_while_it_is_read_is_left_for_the_next_poll() -> None:
    """What was whole may be delivered; that its end is missing is no rejection, and it does not count as read."""
    store = MemoryStore(a=[rooms("a1", "a2")[:-30], ObjectMovedError()], b=rooms("b"))
    intake, events = await poll(store)
    assert intake.room_ids == ["b"]
    assert intake.rejected == []
    assert intake.read_names == ["b"]
    assert events.sizes == [101]
    assert events.backlogs == [2, 1]
    assert store.closed == 2


@pytest.mark.parametrize(
    ("error", "told"), [(ObjectUnreadableError("no way"), "no way"), (ZeroDivisionError("secret"), "ZeroDivisionError")]
)
async def test_a_file_that_cannot_be_read_is_told_once(
    caplog: pytest.LogCaptureFixture, error: Exception, told: str
) -> None:
    """When it begins; the file stays in the backlog, is tried again, and keeps no other from being read."""
    store = MemoryStore(a=error, b=rooms("b"))
    events, intake = RecordedEvents(), MemoryIntake(NOW)
    source = WatchRtcSource(read_settings({"url": "x", "name": "watch"}), store, events)
    with caplog.at_level(logging.WARNING):
        await source.poll(intake)
        await source.poll(intake)
        intake.time += 60
        await source.poll(intake)
    assert intake.room_ids == ["b"]
    assert events.backlogs == [2, 1, 1, 1]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("source watch: a: cannot be read")
    assert told in caplog.messages[0]
    assert "secret" not in caplog.text
    store.objects["a"] = rooms("a")
    intake.time += 120
    await source.poll(intake)
    store.objects["c"] = error
    with caplog.at_level(logging.WARNING):
        await source.poll(intake)
    assert intake.room_ids == ["b", "a"]
    assert len(caplog.messages) == 2


async def test_many_files_that_cannot_be_read_are_told_in_few_words(caplog: pytest.LogCaptureFixture) -> None:
    """Twenty by name, and how many there are."""
    await poll(MemoryStore(**{f"f{number:02}": ObjectUnreadableError("no way") for number in range(30)}))
    assert len(caplog.messages) == 21
    assert caplog.messages[19] == "source watch: f19: cannot be read: no way"
    assert caplog.messages[20] == "source watch: and 10 more of the kind"


async def test_parts_that_cannot_be_listed_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """And the rest is read."""
    store = MemoryStore(a=rooms("a"))
    store.problems = ("below: no way",)
    intake, events = await poll(store)
    assert intake.room_ids == ["a"]
    assert caplog.messages == ["source watch: below: no way"]
    assert events.problems == [1]


async def test_a_file_that_is_never_readable_is_given_up() -> None:
    """After five tries, while others are read; then it counts as read and as quarantined, until it changes."""
    store = MemoryStore(a=ObjectUnreadableError("no way"), b=rooms("b"))
    events, intake = RecordedEvents(), MemoryIntake(NOW)
    source = WatchRtcSource(read_settings({"url": "x", "name": "watch"}), store, events)
    for tries in range(1, 8):
        await source.poll(intake)
        assert (events.quarantined, events.backlogs[-1]) == ((0, 1) if tries < 5 else (1, 0))
        intake.time += 300
    assert intake.read_names == ["b", "a"]
    assert intake.rejected == []


async def test_more_than_can_be_held_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are read first, whatever the order of the listing; all of them count as backlog."""
    monkeypatch.setattr(source_module, "_MOST_WAITING", 3)
    store = MemoryStore(**{name: rooms(name) for name in "abcdefghij"})
    listed = list(store.list_objects())
    monkeypatch.setattr(store, "list_objects", lambda: (each for each in reversed(listed)))
    intake, events = await poll(store)
    assert intake.room_ids == ["a", "b", "c"]
    assert events.backlogs == [10, 9, 8, 7]
    for _ in range(3):
        await poll(store, intake)
    assert intake.room_ids == list("abcdefghij")


async def test_a_store_of_many_objects_needs_little_memory() -> None:
    """What was read before is asked for page by page, and not kept."""

    class Many(MemoryStore):
        def list_objects(self) -> Generator[Listing, None, None]:
            for page in range(100):
                yield Listing(
                    objects=tuple(
                        StoredObject(identity=ObjectIdentity(f"{page}/{each}", "1"), size=1, modified=0.0, address="")
                        for each in range(1000)
                    )
                )

    class Known(MemoryIntake):
        asked = 0

        async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
            self.asked += len(objects)
            return []

    intake = Known(NOW)
    tracemalloc.start()
    try:
        await poll(Many(), intake)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert intake.asked == 100_000
    assert peak < 4 << 20


async def test_what_is_listed_twice_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that starts a listing anew gives some of it again."""
    store = MemoryStore(a=rooms("a"), b=rooms("b"))
    listed = list(store.list_objects())
    monkeypatch.setattr(store, "list_objects", lambda: (each for each in listed * 2))
    intake, events = await poll(store)
    assert (intake.room_ids, events.backlogs) == (["a", "b"], [2, 1, 0])


async def test_what_failed_before_comes_last() -> None:
    """Even where it is the oldest: a slow failure must not keep what is new waiting."""
    order = []

    class Watching(MemoryStore):
        def read_object(self, found: StoredObject) -> Generator[bytes, None, None]:
            order.append(found.address)
            return super().read_object(found)

    store = Watching(a=ObjectUnreadableError("no way"), b=rooms("b"))
    intake, events = MemoryIntake(NOW), RecordedEvents()
    source = WatchRtcSource(read_settings({"url": "x", "poll_interval": "0s"}), store, events)
    await source.poll(intake)
    store.objects["c"] = rooms("c")
    await source.poll(intake)
    assert order == ["a", "b", "c", "a"]


async def test_a_long_file_is_delivered_in_parts() -> None:
    """Each is committed before the next is parsed, so memory is bounded; the last marks the file as read."""
    intake, _ = await poll(MemoryStore(a=rooms(*map(str, range(120)))))
    assert [len(each.reports) for each in intake.deliveries] == [50, 50, 20]
    assert [len(each.read_objects) for each in intake.deliveries] == [0, 0, 1]


async def test_a_ledger_that_fails_ends_the_poll() -> None:
    """It is no fault of the file, and nothing may go on as if it were delivered."""

    class Failing(MemoryIntake):
        async def deliver(self, delivery: Delivery) -> Receipt:
            await super().deliver(delivery)
            msg = "disk full"
            raise OSError(msg)

    store, intake = MemoryStore(a=rooms("a"), b=rooms("b")), Failing(NOW)
    with pytest.raises(OSError, match="disk full"):
        await poll(store, intake)
    assert intake.room_ids == ["a"]
    assert store.closed == 1


async def test_parsing_does_not_block_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a thread reads, the loop answers; a cancelled poll waits for the thread and closes the file."""
    reading, go_on = threading.Event(), threading.Event()
    store = MemoryStore(a=rooms("a"))
    take_next = source_module._next  # noqa: SLF001 - the step that runs in the thread

    def slow_next(*args: Generator[Delivery, None, None]) -> Delivery | None:
        reading.set()
        assert go_on.wait(10)
        return take_next(*args)

    monkeypatch.setattr(source_module, "_next", slow_next)
    intake = MemoryIntake(NOW)
    task = asyncio.create_task(poll(store, intake))
    while not reading.is_set():  # noqa: ASYNC110 - set by a thread
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert intake.deliveries == []
    assert store.closed == 1
