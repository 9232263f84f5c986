"""What happens to data streams in a store, and what is counted then: the same in each of them."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.stores.conftest import STORES
from tests.stores.place import Asked
from tests.stores.stand import Stand, rooms

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.sources.base import Delivery
    from tests.stores.place import Place

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("place", STORES, indirect=True)]


async def test_each_version_counts_once(place: Place, tmp_path: Path) -> None:
    """What is known is not read again; what was overwritten is, and adds the rooms that are new."""
    place.put("a.json", rooms("a1"))
    place.put("2026/03/b.json", rooms("b1", peers=3))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        assert (stand.rooms, stand.peers, stand.reports) == ({"a1": 1, "b1": 1}, 4, (2, 0, 0))
        size = len(rooms("a1")) + len(rooms("b1", peers=3))
        assert (stand.value("objects_read_total"), stand.value("object_bytes_read_total")) == (2, size)
        asked = place.asked()
        await stand.poll(2)
        assert stand.value("objects_read_total") == 2
        place.put("a.json", rooms("a1", "a2"))
        await stand.poll()
        assert (stand.rooms, stand.peers, stand.reports) == ({"a1": 1, "a2": 1, "b1": 1}, 5, (3, 1, 0))
        assert stand.value("objects_read_total") == 3
        assert stand.value("source_up") == 1
    if place.page:
        assert (asked, place.asked()) == (Asked(1, 2), Asked(3, 1))


async def test_requests_are_counted_as_the_server_saw_them(place: Place, tmp_path: Path) -> None:
    """By status, with those that failed."""
    for name in ("a", "b", "c"):
        place.put(f"{name}.json", rooms(name))
    stand = Stand(place, tmp_path / "state")
    async with stand.running():
        await stand.poll()
        place.put("d.json", rooms("d"))
        stand.listed = lambda: place.delete("d.json")
        await stand.poll()
        codes = stand.of_itself("http_requests_total", "code")
        seconds = stand.value("http_request_duration_seconds_sum")
    if not place.page:
        assert (codes, seconds) == ({}, 0)
        return
    assert codes == {"200": 5, "404": 1}
    assert place.asked() == Asked(2, 4)
    assert 0 < seconds < 60


async def test_what_comes_in_the_same_second_or_under_an_earlier_name_counts(place: Place, tmp_path: Path) -> None:
    """Neither times nor names are a mark past which nothing new can be."""
    names = ("m", "z", "n", "a", "0/a", "zz")
    async with Stand(place, tmp_path / "state").running() as stand:
        for number, name in enumerate(names, start=1):
            place.put(f"{name}.json", rooms(name))
            await stand.poll()
            assert len(stand.rooms) == number
        assert stand.rooms == dict.fromkeys(names, 1)
        assert stand.reports == (6, 0, 0)


async def test_what_is_deleted_stays_counted(place: Place, tmp_path: Path) -> None:
    """And adds nothing when it comes again under its name; what else comes under it counts."""
    place.put("a.json", rooms("a"))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        place.delete("a.json")
        await stand.poll()
        assert stand.rooms == {"a": 1}
        place.put("a.json", rooms("a"))
        await stand.poll()
        assert stand.rooms == {"a": 1}
        place.delete("a.json")
        await stand.poll()
        place.put("a.json", rooms("b", "a"))
        await stand.poll()
        assert (stand.rooms, stand.peers) == ({"a": 1, "b": 1}, 2)
        assert stand.value("source_backlog") == 0


async def test_what_is_renamed_or_copied_adds_nothing(place: Place, tmp_path: Path) -> None:
    """It is read, and its rooms are known."""
    place.put("a.json", rooms("a1", "a2"))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        place.copy("a.json", "archive/a.json")
        place.delete("a.json")
        await stand.poll()
        assert (stand.rooms, stand.peers, stand.reports) == ({"a1": 1, "a2": 1}, 2, (2, 2, 0))
        assert stand.value("objects_read_total") == 2


async def test_gzip_is_told_by_its_first_bytes(place: Place, tmp_path: Path) -> None:
    """Neither a name nor `Content-Encoding` is proof; what the store does to such objects does not matter."""
    place.put("a.json", gzip.compress(rooms("packed")))
    place.put("b.json.gz", rooms("plain"))
    place.put("c.json.gz", gzip.compress(rooms("named")))
    place.put("d.json", gzip.compress(rooms("encoded")), "gzip")
    place.put("e.json.gz", gzip.compress(rooms("both")), "gzip")
    place.put("f.json", rooms("neither"), "gzip")
    place.put("g.json", gzip.compress(gzip.compress(rooms("twice"))), "gzip")
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        assert stand.rooms == dict.fromkeys(("packed", "plain", "named", "encoded", "both", "neither"), 1)
        assert (stand.reports, stand.value("objects_read_total")) == ((6, 0, 1), 7)


@pytest.fixture(scope="module")
def large() -> bytes:
    """A document of eleven rooms that hardly gets smaller when it is packed."""
    noise = [secrets.token_urlsafe(1_000_000) for _ in range(11)]
    return json.dumps(
        [
            {"room_id": f"r{number}", "start_time": "2026-03-01T12:00:00Z", "noise": text}
            for number, text in enumerate(noise)
        ]
    ).encode()


async def test_a_large_object_is_read_whole(place: Place, tmp_path: Path, large: bytes) -> None:
    """In parts, where the store is asked for parts; with `Content-Encoding` too, which Google has its ways with."""
    packed = gzip.compress(large, 1)
    # More than Google sends with a length, and more than one part of ours.
    assert len(packed) > 10_000_000
    place.put("a.json.gz", packed, "gzip")
    place.put("b.json", large)
    place.asked()
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        assert stand.rooms == {f"r{number}": 1 for number in range(11)}
        assert stand.reports == (11, 11, 0)
        assert stand.value("object_bytes_read_total") == len(packed) + len(large)
    reads = 4 if str(place.settings["url"]).startswith("gs://") else 2
    assert place.asked() == (Asked(1, reads) if place.page else Asked(0, 0))


async def test_bad_neighbours_are_in_nobodys_way(place: Place, tmp_path: Path) -> None:
    """Each is rejected once, by its reason, and the good ones count."""
    bad = {
        "empty": b"",
        "cut": rooms("whole", "cut")[:-40],
        "binary": bytes(range(256)),
        "gzip": gzip.compress(rooms("x") * 50)[:-30],
        "page": b"<html>503</html>",
        "number": b"17",
    }
    for name, raw in bad.items():
        place.put(f"b-{name}.json", raw)
    place.put("a.json", rooms("a"))
    place.put("c.json", rooms("c"))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll(2)
        # What was whole of the bad ones counts too.
        assert stand.rooms == {"a": 1, "c": 1, "whole": 1, "x": 1}
        assert (stand.reports[0], stand.reports[2]) == (4, len(bad))
        assert stand.value("objects_read_total") == len(bad) + 2
        assert (stand.value("source_backlog"), stand.value("objects_quarantined_total")) == (0, 0)


async def test_an_upload_counts_when_it_is_complete(place: Place, tmp_path: Path) -> None:
    """Until then it is not there."""
    async with Stand(place, tmp_path / "state").running() as stand:
        with place.uploading("a.json", rooms("a")):
            await stand.poll()
            assert (stand.rooms, stand.value("source_backlog")) == ({}, 0)
        await stand.poll()
        assert (stand.rooms, stand.reports) == ({"a": 1}, (1, 0, 0))


async def test_what_was_cut_off_and_comes_whole_counts_once(place: Place, tmp_path: Path) -> None:
    """By whoever writes in place: the rooms that were whole count at once, the others when the object is."""
    whole = rooms("r1", "r2", "r3", "r4")
    place.put("a.json", whole[: len(whole) * 5 // 8])
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll(2)
        assert (stand.rooms, stand.reports) == ({"r1": 1, "r2": 1}, (2, 0, 1))
        place.put("a.json", whole)
        await stand.poll()
        assert (stand.rooms, stand.peers) == ({"r1": 1, "r2": 1, "r3": 1, "r4": 1}, 4)
        assert stand.reports == (4, 2, 1)


async def test_what_vanishes_between_list_and_read_costs_nothing(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever deletes old objects is no trouble."""
    place.put("a.json", rooms("a"))
    place.put("b.json", rooms("b"))
    stand = Stand(place, tmp_path / "state")
    async with stand.running():
        stand.listed = lambda: place.delete("a.json")
        await stand.poll()
        assert (stand.rooms, stand.reports, stand.value("source_backlog")) == ({"b": 1}, (1, 0, 0), 1)
        stand.listed = lambda: None
        await stand.poll()
        assert (stand.value("source_backlog"), stand.of_itself("source_poll_failures_total", "reason")) == (0, {})
        place.put("a.json", rooms("a"))
        await stand.poll()
        assert stand.rooms == {"a": 1, "b": 1}
    assert caplog.messages == []


async def test_what_changes_between_list_and_read_is_read_as_it_is_then(place: Place, tmp_path: Path) -> None:
    """Not as the version that was listed, or the new one would never be read."""
    place.put("a.json", rooms("old"))
    stand = Stand(place, tmp_path / "state")
    async with stand.running():
        stand.listed = lambda: place.put("a.json", rooms("new", "newer"))
        await stand.poll()
        assert (stand.rooms, stand.value("source_backlog")) == ({}, 1)
        stand.listed = lambda: None
        await stand.poll()
        assert (stand.rooms, stand.value("source_backlog")) == ({"new": 1, "newer": 1}, 0)


async def test_what_changes_while_it_is_read_counts_once(place: Place, tmp_path: Path) -> None:
    """A part of the old version was delivered, and perhaps all of it; then the new one is read."""
    before, after = [f"r{number:04}" for number in range(1_000)], [f"r{number:04}" for number in range(990, 1_010)]
    place.put("a.json", rooms(*before))
    stand = Stand(place, tmp_path / "state")

    def overwrite(_: Delivery) -> None:
        place.put("a.json", rooms(*after))
        stand.delivered = lambda _: None

    stand.delivered = overwrite
    async with stand.running():
        await stand.poll(2)
        assert set(stand.rooms.values()) == {1}
        # What the store still gave of the old version, and all of the new one.
        assert set(before[:50] + after) <= set(stand.rooms) <= set(before + after)
        assert stand.peers == len(stand.rooms)
        assert (stand.value("source_backlog"), stand.reports[2]) == (0, 0)


async def test_names_of_any_kind(place: Place, tmp_path: Path) -> None:
    """What a URL would take for something else, too."""
    names = [
        "ü ö.json",
        "a#b.json",
        "a?b.json",
        "100%25.json",
        "a+b&c=d.json",
        "no-suffix",
        "d e/f%20/g.json",
        "日本/🎥.json",
    ]
    for name in names:
        place.put(name, rooms(name))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll(2)
        assert stand.rooms == dict.fromkeys(names, 1)
        assert stand.value("objects_read_total") == len(names)


async def test_keys_that_cannot_be_addressed_are_shown(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What lies in other folders counts all the same; the poll succeeds, a metric and the log tell."""
    for name in ("before/a.json", "odd.json", "other/b.json", "top.json"):
        place.put(name, rooms(name))
    for key in place.odd_keys:
        place.put(key, rooms(key))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll(2)
        assert stand.rooms == dict.fromkeys(("before/a.json", "odd.json", "other/b.json", "top.json"), 1)
        assert (stand.value("source_up"), stand.reports) == (1, (4, 0, 0))
        assert stand.value("source_listing_problems") == len(place.odd_keys)
        assert len(caplog.messages) == len(place.odd_keys)
        assert all("odd/" in message and message.isprintable() for message in caplog.messages)
        for key in place.odd_keys:
            place.delete(key)
        await stand.poll()
        assert stand.value("source_listing_problems") == 0


async def test_marks_of_folders_are_no_objects(place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Consoles make them; they are given up quietly."""
    place.mark_folder("folder")
    place.put("folder/a.json", rooms("a"))
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll(6)
        assert (stand.rooms, stand.reports) == ({"a": 1}, (1, 0, 0))
        assert (stand.value("source_backlog"), stand.value("objects_quarantined_total")) == (0, 0)
        place.asked()
        await stand.poll()
    assert place.asked().reads == 0
    assert caplog.messages == []


async def test_a_folder_is_no_prefix_of_names(place: Place, tmp_path: Path) -> None:
    """`streams` is not `streams-old`; all of the bucket is read where no folder is named."""
    place.put("a.json", rooms("a"))
    place.put_beside("b.json", rooms("b"))
    async with Stand(place, tmp_path / "one").running() as stand:
        await stand.poll()
        assert stand.rooms == {"a": 1}
    above = str(place.settings["url"]).removesuffix("/streams")
    async with Stand(place, tmp_path / "all", url=above).running() as stand:
        await stand.poll()
        assert stand.rooms == {"a": 1, "b": 1}


async def test_what_is_young_waits(place: Place, tmp_path: Path) -> None:
    """By the time that the store tells."""
    place.put("a.json", rooms("a"))
    async with Stand(place, tmp_path / "state", min_object_age="1h").running() as stand:
        await stand.poll()
        assert (stand.rooms, stand.value("source_backlog")) == ({}, 1)
        stand.ahead = 3700
        await stand.poll()
        assert (stand.rooms, stand.value("source_backlog")) == ({"a": 1}, 0)


async def test_what_is_not_there_fails_the_poll(place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the reason that is counted; the folder or bucket is named."""
    there = str(place.settings["url"])
    absent = there.replace("/place/", "/noplace/").replace("bucket", "nobucket").replace("container", "nocontainer")
    assert absent != there
    with caplog.at_level(logging.WARNING):
        async with Stand(place, tmp_path / "state", url=absent).running() as stand:
            await stand.poll(2)
            assert stand.of_itself("source_poll_failures_total", "reason") == {place.absent: 2}
            assert stand.value("source_up") == 0
    assert absent in caplog.text


async def test_a_restart_in_the_middle_counts_nothing_twice(place: Place, tmp_path: Path) -> None:
    """It ends after some of an object was committed, and again; each start reads it anew and adds what is missing."""
    room_ids = [f"r{number:03}" for number in range(300)]
    place.put("a.json", rooms(*room_ids[:200]))
    place.put("b.json", rooms(*room_ids[100:]))
    counted: list[int] = []
    stand = Stand(place, tmp_path / "state")
    for _ in range(3):
        half_way = asyncio.Event()
        stand.delivered = lambda _, half_way=half_way: half_way.set()  # type: ignore[misc] # a lambda has no types
        async with stand.running():
            poll = asyncio.ensure_future(stand.poll())
            async with asyncio.timeout(60):
                await half_way.wait()
            poll.cancel()
            counted.append(sum(stand.rooms.values()))
    stand.delivered = lambda _: None
    async with stand.running():
        await stand.poll()
        assert stand.rooms == dict.fromkeys(room_ids, 1)
        assert stand.peers == 300
        await stand.poll()
        assert (stand.value("objects_read_total"), stand.value("source_backlog")) == (2, 0)
    assert 50 <= counted[0] <= counted[-1] < 300


async def test_objects_are_looked_up_page_by_page(place: Place, tmp_path: Path) -> None:
    """More than one answer lists; the ledger is asked for a thousand at a time."""
    count = {0: 1, 1000: 2001, 5000: 5001, 1_000_000: 1}[place.page]
    place.fill(count)
    pages = 0

    def listed() -> None:
        nonlocal pages
        pages += 1

    stand = Stand(place, tmp_path / "state", min_object_age="1h")
    stand.listed = listed
    async with stand.running():
        place.asked()
        await stand.poll()
        assert stand.value("source_backlog") == count
    assert pages == {1: 1, 2001: 3, 5001: 6}[count]
    assert place.asked() == {0: Asked(0, 0), 1000: Asked(3, 0), 5000: Asked(2, 0), 1_000_000: Asked(1, 0)}[place.page]
