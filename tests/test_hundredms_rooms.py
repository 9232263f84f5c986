"""Names and templates of rooms: asked for once, remembered for a while, never in the way of a report."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from exporter.sources.hundredms import rooms
from exporter.sources.hundredms.document import MalformedError
from exporter.sources.hundredms.rooms import RoomFacts, Rooms, read_room
from tests.hundredms_support import NOON, Bench, FakeVendor, listed, make_client, read_settings
from tests.reports import key, report


def room(name: object = "standup") -> bytes:
    """What `GET /v2/rooms/{id}` says; the rest of it may hold secrets and is of no interest."""
    return json.dumps({"id": "r1", "name": name, "template": "daily", "webhook": {"headers": {"x": "hidden"}}}).encode()


class TestReadRoom:
    """The name and the template in an answer."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("standup", "standup"),
            ("Team-1.daily:x_y", "Team-1.daily:x_y"),
            ("6f1c2f0e-7f43-4f3b-9a0e-0d6a3f6f9c11", ""),
            ("6F1C2F0E-7F43-4F3B-9A0E-0D6A3F6F9C11", ""),
            ("x-6f1c2f0e-7f43-4f3b-9a0e-0d6a3f6f9c11", "x-6f1c2f0e-7f43-4f3b-9a0e-0d6a3f6f9c11"),
            ("6f1c2f0e7f434f3b9a0e0d6a3f6f9c11", "6f1c2f0e7f434f3b9a0e0d6a3f6f9c11"),
            ("", ""),
            (None, ""),
            (5, ""),
        ],
    )
    def test_a_made_up_one_is_none(self, name: object, expected: str) -> None:
        """A random UUID says no more than the id; a name that only contains one was chosen."""
        assert read_room(room(name)).name == expected

    def test_without_a_name(self) -> None:
        """It is empty, and so is the template."""
        assert read_room(b"{}") == RoomFacts("", "")

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ({"template": "webinar", "template_id": "66aa"}, "webinar"),
            ({"template_id": "66aa"}, "66aa"),
            ({"template": "", "template_id": "66aa"}, "66aa"),
            ({"template": {"name": "x"}, "template_id": 5}, ""),
        ],
    )
    def test_the_template_goes_by_its_name(self, keys: dict[str, object], expected: str) -> None:
        """Else by its id."""
        assert read_room(json.dumps({"name": "standup", **keys}).encode()) == RoomFacts("standup", expected)

    @pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b"null", b"[" * 100_000])
    def test_what_is_no_room(self, raw: bytes) -> None:
        """It is an error that quotes nothing."""
        with pytest.raises(MalformedError):
            read_room(raw)


class Named:
    """Room names before a vendor."""

    def __init__(self) -> None:
        self.vendor = FakeVendor()
        self.bench = Bench(self.vendor)
        self.rooms = Rooms(self.bench.settings, self.bench.client)

    async def name(self, room_id: str = "r1", later: float = 0.0) -> str:
        """The name in a report of the room."""
        described = await self.rooms.described(report(of=key(room_id=room_id)), NOON + later)
        return described.session.room_name


@pytest.mark.anyio
class TestRooms:
    """What is remembered, and for how long."""

    async def test_a_room_is_asked_for_once_an_hour(self) -> None:
        """A new name is seen after that."""
        named = Named()
        named.vendor.rooms["r1"] = room()
        assert [await named.name(), await named.name(later=3599.0)] == ["standup", "standup"]
        assert named.vendor.rooms_asked == ["r1"]
        named.vendor.rooms["r1"] = room("renamed")
        assert await named.name(later=3600.0) == "renamed"

    async def test_a_room_that_is_not_there_is_asked_for_again(self) -> None:
        """After some minutes."""
        named = Named()
        assert [await named.name(), await named.name(later=299.0)] == ["", ""]
        named.vendor.rooms["r1"] = room()
        assert await named.name(later=300.0) == "standup"
        assert named.vendor.rooms_asked == ["r1", "r1"]

    @pytest.mark.parametrize("said", [403, 500, b"<html>"])
    async def test_a_failure_costs_its_room_some_minutes(self, said: int | bytes) -> None:
        """An old name stays, another room has its turn."""
        named = Named()
        named.vendor.rooms = {"r1": room(), "r2": room("other")}
        await named.name()
        named.vendor.rooms["r1"] = said
        assert await named.name(later=3600.0) == "standup"
        asked = len(named.vendor.rooms_asked)
        assert await named.name(later=3899.0) == "standup"
        assert len(named.vendor.rooms_asked) == asked
        assert await named.name("r2", later=3899.0) == "other"

    async def test_no_answer_costs_all_rooms_some_minutes(self) -> None:
        """Else every report would wait in vain."""
        named = Named()
        named.vendor.rooms = {"r1": httpx.ConnectError("no"), "r2": room()}
        assert await named.name() == ""
        assert await named.name("r2", later=299.0) == ""
        assert named.vendor.rooms_asked == ["r1"]
        assert await named.name("r2", later=300.0) == "standup"

    async def test_an_answer_that_does_not_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The report goes on without it."""
        monkeypatch.setattr(rooms, "PATIENCE_SECONDS", 0.01)

        async def silent(_: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

        settings = read_settings({"peer_stats": {"requests_per_second": 1000}})
        client = make_client(silent, settings)  # type: ignore[arg-type]  # httpx takes coroutines, too
        known = Rooms(settings, client)
        unnamed = report(of=key())
        async with asyncio.timeout(5.0):
            assert await known.described(unnamed, NOON) == unnamed
            assert await known.described(unnamed, NOON) == unnamed

    async def test_many_reports_at_once_ask_once(self) -> None:
        """The others wait for what the first one learns."""
        named = Named()
        named.vendor.rooms["r1"] = room()
        assert await asyncio.gather(*(named.name() for _ in range(10))) == ["standup"] * 10
        assert named.vendor.rooms_asked == ["r1"]

    @pytest.mark.parametrize("room_id", ["", "../sessions", "r?x", "a b"])
    async def test_only_ids_become_paths(self, room_id: str) -> None:
        """Where there is none, or one that would lead elsewhere, nothing is asked."""
        named = Named()
        assert await named.name(room_id) == ""
        assert named.vendor.rooms_asked == []

    async def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The longest known is forgotten first."""
        monkeypatch.setattr(rooms, "MOST_ROOMS", 2)
        named = Named()
        for room_id in ("r1", "r2", "r3", "r2", "r1"):
            await named.name(room_id)
        assert named.vendor.rooms_asked == ["r1", "r2", "r3", "r1"]


@pytest.mark.anyio
class TestSource:
    """Names in the source's reports."""

    async def test_reports_have_their_rooms_name(self) -> None:
        """One call a room, counted as any other; the room of a session without peers has a name, too."""
        vendor = FakeVendor(listed("s1", "p1", "p2"), listed("s2"))
        vendor.rooms["r1"] = room()
        bench = Bench(vendor)
        await bench.poll()
        about = [(each.session.room_name, each.session.template) for each in bench.intake.reports]
        assert about == [("standup", "daily")] * 3
        assert vendor.rooms_asked == ["r1"]
        # The listing, two peers and the room.
        assert bench.events.requests == {"200": 4}
        assert len(bench.events.request_seconds) == 4

    async def test_nothing_is_asked_before_there_is_a_report(self) -> None:
        """A peer that is not ready has no use for a name."""
        vendor = FakeVendor(listed("s1", "p1"))
        vendor.default = 404
        bench = Bench(vendor)
        await bench.poll()
        assert vendor.rooms_asked == []

    @pytest.mark.parametrize("said", [401, 403, 404, 429, 500, b"", httpx.ReadTimeout("slow")])
    async def test_a_failure_is_not_in_the_way(self, said: int | bytes | Exception) -> None:
        """The report is handed over without the name."""
        vendor = FakeVendor(listed("s1", "p1"))
        vendor.rooms["r1"] = said
        bench = Bench(vendor)
        await bench.poll()
        assert bench.intake.peers() == ["p1"]
        assert bench.intake.reports[0].session.room_name == ""
