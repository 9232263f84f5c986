"""A folder and real object stores, through the same scenarios."""

from __future__ import annotations

import gzip
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Literal, Protocol

import pytest

from exporter.sources import watchrtc
from exporter.sources.base import PollError
from exporter.sources.watchrtc.cloud_options import open_cloud
from exporter.sources.watchrtc.location import Bucket
from tests.live.buckets import BucketServer, running_bucket_server
from tests.live.process import running_exporter
from tests.watchrtc_support import MemoryIntake, RecordedEvents, a_room, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from exporter.sources.base import ObjectIdentity

pytestmark = pytest.mark.anyio

_NUMBERS = count()
_CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


class Place(Protocol):
    """Where a test puts data streams, and how a source finds them."""

    @property
    def settings(self) -> dict[str, object]:
        """`url` and `storage_options`."""
        ...

    def put(self, key: str, raw: bytes) -> None:
        """Writes an object, in place of an earlier one."""
        ...

    def delete(self, key: str) -> None:
        """Removes an object."""
        ...


class FolderPlace:
    """A folder; every file in it has the same second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.settings: dict[str, object] = {"url": str(folder)}

    def put(self, key: str, raw: bytes) -> None:
        """Writes a file."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        second = int(time.time())
        os.utime(path, (second, second))

    def delete(self, key: str) -> None:
        """Removes a file."""
        (self._folder / key).unlink()


class BucketPlace:
    """A folder of a bucket of its own."""

    def __init__(self, server: BucketServer, scheme: Literal["s3", "gs"], prefix: str = "streams") -> None:
        self.server, self.bucket, self.prefix = server, f"bucket{next(_NUMBERS)}", prefix
        server.make(self.bucket)
        options = {
            "s3": {"endpoint": server.url, **_CREDENTIALS},
            "gs": {"base_url": server.url, "bearer_token": "test"},
        }
        self.options = options[scheme]
        self.url = f"{scheme}://{self.bucket}/{prefix}"
        self.settings: dict[str, object] = {"url": self.url, "storage_options": self.options}

    def put(self, key: str, raw: bytes) -> None:
        """Writes an object."""
        self.server.put(self.bucket, f"{self.prefix}/{key}", raw)

    def delete(self, key: str) -> None:
        """Removes an object."""
        self.server.delete(self.bucket, f"{self.prefix}/{key}")


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    """One server for all tests; each has a bucket of its own."""
    with running_bucket_server() as running:
        yield running


@pytest.fixture(
    params=[
        "folder",
        pytest.param("s3", marks=pytest.mark.live),
        pytest.param("gs", marks=pytest.mark.live),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of store."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "streams")
    return BucketPlace(request.getfixturevalue("server"), request.param)


class Interrupted(MemoryIntake):
    """A ledger that lets something happen between listing and reading."""

    def __init__(self, between: Callable[[], None]) -> None:
        super().__init__(time.time())
        self.between = between

    async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        """Those that were not read."""
        found = await super().unread(objects)
        self.between()
        return found


def rooms(*room_ids: str) -> bytes:
    """A document with rooms of these ids."""
    return json.dumps([a_room(room_id) for room_id in room_ids]).encode()


async def poll(place: Place, intake: MemoryIntake, **settings: object) -> RecordedEvents:
    """One poll by a new source, as after a restart."""
    events = RecordedEvents()
    wanted = read_settings({"min_object_age": "0s", **place.settings, **settings})
    assert wanted.problems() == []
    async with watchrtc.SOURCE_TYPE.open(wanted, events) as source:
        await source.poll(intake)
    return events


async def test_each_version_is_read_once(place: Place) -> None:
    """What is known is not read again; what was overwritten is, and whoever counts knows the rooms of before."""
    place.put("a.json", rooms("a1"))
    place.put("2026/03/b.json", rooms("b1"))
    intake = MemoryIntake(time.time())
    events = await poll(place, intake)
    assert sorted(intake.room_ids) == ["a1", "b1"]
    assert (sum(events.sizes), events.backlogs) == (len(rooms("a1")) * 2, [2, 1, 0])
    assert (await poll(place, intake)).sizes == []
    place.put("a.json", rooms("a1", "a2"))
    await poll(place, intake)
    assert intake.room_ids[2:] == ["a1", "a2"]


async def test_what_comes_in_the_same_second_or_under_an_earlier_name_is_read(place: Place) -> None:
    """Neither times nor names are a mark past which nothing new can be."""
    intake = MemoryIntake(time.time())
    for name in ("m", "z", "n", "a", "0/a", "zz"):
        place.put(f"{name}.json", rooms(name))
        await poll(place, intake)
    assert intake.room_ids == ["m", "z", "n", "a", "0/a", "zz"]


async def test_what_vanishes_between_list_and_read_costs_nothing(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever deletes old objects is no trouble."""
    place.put("a.json", rooms("a"))
    place.put("b.json", rooms("b"))
    intake = Interrupted(lambda: place.delete("a.json"))
    events = await poll(place, intake)
    assert (intake.room_ids, intake.rejected, events.backlogs) == (["b"], [], [2, 1])
    intake.between = lambda: None
    assert (await poll(place, intake)).backlogs == [0]
    assert caplog.messages == []


async def test_what_changes_between_list_and_read_is_read_as_it_is_then(place: Place) -> None:
    """Not as the version that was listed, or the new one would never be read."""
    place.put("a.json", rooms("old"))
    intake = Interrupted(lambda: place.put("a.json", rooms("new", "newer")))
    await poll(place, intake)
    assert (intake.room_ids, intake.read_names) == ([], [])
    intake.between = lambda: None
    await poll(place, intake)
    assert intake.room_ids == ["new", "newer"]
    assert len(intake.read_names) == 1


async def test_gzip_is_told_by_its_first_bytes(place: Place) -> None:
    """A name is no proof."""
    place.put("a.json", gzip.compress(rooms("packed")))
    place.put("b.json.gz", rooms("plain"))
    intake = MemoryIntake(time.time())
    await poll(place, intake)
    assert sorted(intake.room_ids) == ["packed", "plain"]


async def test_bad_neighbours_are_in_nobodys_way(place: Place) -> None:
    """Each is rejected once, and the good ones are read."""
    bad = {
        "empty": b"",
        "cut": rooms("cut", "off")[:-40],
        "binary": bytes(range(256)),
        "gzip": gzip.compress(rooms("x") * 50)[:-30],
        "page": b"<html>503</html>",
        "number": b"17",
    }
    for name, raw in bad.items():
        place.put(f"b-{name}.json", raw)
    place.put("a.json", rooms("a"))
    place.put("c.json", rooms("c"))
    intake = MemoryIntake(time.time())
    events = await poll(place, intake)
    assert {"a", "c"} <= set(intake.room_ids)
    for name in bad:
        assert [each for each in intake.rejected if f"b-{name}.json" in each.message], name
    assert (events.backlogs[-1], events.quarantined) == (0, 0)
    again = len(intake.rejected)
    await poll(place, intake)
    assert len(intake.rejected) == again


async def test_names_of_any_kind(place: Place) -> None:
    """What a URL would take for something else, too."""
    names = ["ü ö.json", "a#b.json", "a?b.json", "100%25.json", "a+b&c=d.json", "no-suffix", "d e/f%20/g.json"]
    for name in names:
        place.put(name, rooms(name))
    intake = MemoryIntake(time.time())
    await poll(place, intake)
    assert sorted(intake.room_ids) == sorted(names)


async def test_a_large_object_is_read_in_pieces(place: Place) -> None:
    """Each of its parts is committed by itself."""
    room_ids = [f"{number:05}" for number in range(20_000)]
    place.put("a.json", rooms(*room_ids))
    intake = MemoryIntake(time.time())
    await poll(place, intake)
    assert intake.room_ids == room_ids
    assert max(len(each.reports) for each in intake.deliveries) == 50


async def test_what_is_young_waits(place: Place) -> None:
    """By the time that the store tells."""
    place.put("a.json", rooms("a"))
    intake = MemoryIntake(time.time())
    assert (await poll(place, intake, min_object_age="1h")).backlogs == [1]
    intake.time += 3700
    await poll(place, intake, min_object_age="1h")
    assert intake.room_ids == ["a"]


async def test_what_is_not_there_fails_the_poll(place: Place) -> None:
    """The folder or bucket is named."""
    with pytest.raises(PollError) as caught:
        await poll(place, MemoryIntake(time.time()), url=f"{place.settings['url']}x".replace("bucket", "nobucket"))
    assert caught.value.reason == "not_found"


@pytest.mark.live
class TestBuckets:
    """What only buckets have."""

    async def test_more_than_a_page(self, server: BucketServer) -> None:
        """A store lists a thousand keys at once; the source asks the ledger page by page."""
        place = BucketPlace(server, "s3")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: place.put(f"{number:05}", b"[]"), range(1100)))
        store = open_cloud(Bucket("s3", place.bucket, place.prefix), place.options)
        pages = list(store.list_objects())
        assert [len(page.objects) for page in pages] == [1000, 100]
        assert len({found.identity for page in pages for found in page.objects}) == 1100

    async def test_a_folder_is_no_prefix_of_names(self, server: BucketServer) -> None:
        """`streams` is not `streams-old`; without a folder all of the bucket is read."""
        place = BucketPlace(server, "s3")
        place.put("a.json", rooms("a"))
        server.put(place.bucket, "streams-old/b.json", rooms("b"))
        intake = MemoryIntake(time.time())
        await poll(place, intake)
        assert (intake.room_ids, intake.read_names) == (["a"], [f"{place.url}/a.json"])
        await poll(place, intake, url=f"s3://{place.bucket}")
        assert sorted(intake.room_ids) == ["a", "b"]
        assert sorted(intake.read_names) == [f"s3://{place.bucket}/streams-old/b.json", f"{place.url}/a.json"]

    async def test_a_key_that_cannot_be_addressed(self, server: BucketServer, caplog: pytest.LogCaptureFixture) -> None:
        """It is told, and what lies in other folders and beside it is read all the same."""
        place = BucketPlace(server, "s3")
        for name in ("a/x.json", "a/below/y.json", "a//odd.json", "b/z.json", "top.json"):
            place.put(name, rooms(name))
        intake = MemoryIntake(time.time())
        for _ in range(2):
            await poll(place, intake)
        assert sorted(intake.room_ids) == ["a/below/y.json", "a/x.json", "b/z.json", "top.json"]
        assert len(intake.read_names) == 4
        assert "a//" in caplog.messages[0]

    async def test_two_keys_that_cannot_be_addressed(
        self, server: BucketServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What lies in the folder of both may be lost; the rest is read."""
        place = BucketPlace(server, "s3")
        for name in ("a/x.json", "a//odd.json", "a/c\x01.json", "b/z.json"):
            place.put(name, rooms(name))
        intake = MemoryIntake(time.time())
        await poll(place, intake)
        assert "b/z.json" in intake.room_ids
        assert len(caplog.messages) == 2

    async def test_markers_of_folders_are_no_objects(
        self, server: BucketServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Consoles make them; they are listed under a name that is not there, and are given up quietly."""
        place = BucketPlace(server, "s3")
        place.put("folder/", b"")
        place.put("folder/a.json", rooms("a"))
        intake, events = MemoryIntake(time.time()), RecordedEvents()
        async with watchrtc.SOURCE_TYPE.open(
            read_settings({"min_object_age": "0s", **place.settings}), events
        ) as source:
            for _ in range(6):
                await source.poll(intake)
                intake.time += 1000
        assert (intake.room_ids, intake.rejected, events.quarantined) == (["a"], [], 0)
        assert events.backlogs[-1] == 0
        assert caplog.messages == []

    async def test_the_real_program(self, server: BucketServer, tmp_path: Path) -> None:
        """It reads the bucket, shows it, and ends as it should."""
        place = BucketPlace(server, "s3")
        place.put("a.json", rooms("a"))
        options = "".join(f"\n      {name}: {json.dumps(value)}" for name, value in place.options.items())
        config = tmp_path / "config.yaml"
        config.write_text(
            f"sources:\n  - type: watchrtc\n    url: {place.url}\n    storage_options:{options}\n"
            "    poll_interval: 1s\n    min_object_age: 0s\n"
        )
        with running_exporter(config, tmp_path / "state") as exporter:
            read = 'webrtc_exporter_objects_read_total{source="watchrtc"} 1.0'
            exporter.until("read", lambda: read in exporter.page())
            exporter.until("shown", lambda: 'room_id="a"' in exporter.page())
            assert "test" not in exporter.get("/config").text.partition("storage_options")[2].partition("poll")[0]
            assert exporter.stop() == 0
