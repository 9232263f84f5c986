"""The listing of finished sessions: pages and their end, rows and their faults, times."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Session, SessionKey
from exporter.sources.hundredms.answers import RequestError
from exporter.sources.hundredms.client import Limits
from exporter.sources.hundredms.discovery import LARGE_BODY_BYTES, Which, list_pages
from exporter.sources.hundredms.document import MalformedError
from exporter.sources.hundredms.facts import PeerFacts, SessionFacts
from exporter.sources.hundredms.sessions import FoundSession, read_moment, read_page
from tests.hundredms_support import FIXTURES, NOON, make_client, read_settings, reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from exporter.model import PersonalLabel

#: 2026-03-01T10:00:00Z.
TEN = NOON - 7200.0
LOOK_BACK = Which(since=NOON - 14 * 3600.0)


def page(rows: Sequence[object], **keys: object) -> bytes:
    """A page as the vendor gives it."""
    return json.dumps({"data": rows, **keys}).encode()


def row(session_id: object = "s1", **keys: object) -> dict[str, object]:
    """A finished session without peers."""
    return {"id": session_id, "room_id": "r1", "active": False, **keys}


def read(*rows: object, excluded: Sequence[str] = ()) -> tuple[FoundSession, ...]:
    """Reads a page of rows without faults."""
    found = read_page(page(rows), excluded)
    assert found.rejected == ()
    return found.found


class TestRows:
    """What is known of a session."""

    def test_documented_page(self) -> None:
        """Ids, times with any number of digits, the map of peers, roles left out, the year 1 that means none."""
        found = read_page((FIXTURES / "sessions_page.json").read_bytes(), ["__internal_recorder"])
        peer = "0b9e6f0a-0000-4000-8000-00000000000"
        assert found.rejected == ()
        assert found.found == (
            FoundSession(
                session=SessionFacts(
                    session_id="65e1a0b4c0ffee0000000002",
                    room_id="65e19f00c0ffee0000000001",
                    start=TEN + 4.1,
                    end=TEN + 31 * 60 + 41,
                    peers=2,
                ),
                peers=(
                    PeerFacts(peer_id=f"{peer}1", role="guest", joined=TEN + 4.12, left=TEN + 31 * 60 + 40.9),
                    PeerFacts(peer_id=f"{peer}3", role="host", joined=TEN + 28.939011, left=None),
                ),
            ),
            FoundSession(
                session=SessionFacts(
                    session_id="65e1a0b4c0ffee0000000001",
                    room_id="65e19f00c0ffee0000000001",
                    start=TEN - 3600,
                    end=TEN - 3300,
                    peers=0,
                ),
                peers=(),
            ),
        )

    def test_session_of_the_model(self) -> None:
        """Duration is the time between the ends; a room that is not known is filled in."""
        facts = SessionFacts(session_id="s", start=10.0, end=25.0, peers=3)
        assert facts.session("prod", "r") == Session(
            key=SessionKey("prod", "r", "s"), start=10.0, end=25.0, duration_seconds=15.0, peers=3
        )
        assert SessionFacts(session_id="s", room_id="a").session("prod", "r").key.room_id == "a"

    def test_who_a_peer_was_is_read_where_asked_for_only(self) -> None:
        """Each for itself; what is no text, or not there, is empty."""
        peers = {"p1": {"name": "Asha", "user_id": "crm-991"}, "p2": {"name": 7}}
        raw = page([row(peers=peers)])

        def who(*personal: PersonalLabel) -> list[tuple[str, str]]:
            (found,) = read_page(raw, (), personal).found
            return [(peer.user_id, peer.user_name) for peer in found.peers]

        assert who() == [("", ""), ("", "")]
        assert who("user_id") == [("crm-991", ""), ("", "")]
        assert who("user_name") == [("", "Asha"), ("", "")]
        assert who("user_name", "user_id") == [("crm-991", "Asha"), ("", "")]

    def test_starts_of_a_page(self) -> None:
        """In its order, of the rows that say it."""
        starts = ["2026-03-01T10:00:03Z", None, "2026-03-01T10:00:01Z", "2026-03-01T10:00:02Z"]
        found = read_page(page([row(f"s{at}", created_at=start) for at, start in enumerate(starts)]), ())
        assert found.starts == (TEN + 3.0, TEN + 1.0, TEN + 2.0)
        assert read_page(page([row()]), ()).starts == ()

    def test_peers_as_a_list(self) -> None:
        """The documentation of the object calls them an array; active rooms list bare ids."""
        found = read(row(peers=[{"id": "p1", "role": "host"}, "p2", {"id": "p1", "role": "guest"}]))
        assert found[0].peers == (PeerFacts(peer_id="p1", role="guest"), PeerFacts(peer_id="p2"))

    @pytest.mark.parametrize("peers", [None, {}, []])
    def test_no_peers(self, peers: object) -> None:
        """A session that nobody joined is a session."""
        assert read(row(peers=peers))[0] == FoundSession(
            session=SessionFacts(session_id="s1", room_id="r1", peers=0), peers=()
        )

    def test_peers_of_whom_only_the_id_can_be_read(self) -> None:
        """Their statistics may well be there."""
        odd = {"p1": None, "p2": "x", "p3": {"role": 7, "joined_at": 12, "left_at": "noon"}}
        assert read(row(peers=odd))[0].peers == tuple(PeerFacts(peer_id=name) for name in odd)

    def test_a_session_without_times_waits_from_its_last_leave(self) -> None:
        """Its own times stay unknown: they are the extremes of its peers, who know more when their statistics came."""
        peers = {
            "p1": {"joined_at": "2026-03-01T10:00:10Z", "left_at": "2026-03-01T10:05:00Z"},
            "p2": {"joined_at": "2026-03-01T10:00:05Z", "role": "bot", "left_at": "2026-03-01T10:06:00Z"},
            "p3": {},
        }
        found = read(row(peers=peers, created_at=None, updated_at="0001-01-01T00:00:00Z"), excluded=["bot"])[0]
        assert (found.session.start, found.session.end, found.session.peers) == (None, None, 2)
        assert found.ended == TEN + 300

    @pytest.mark.parametrize("active", [True, None, "false", 1])
    def test_a_session_that_goes_on_is_left_alone(self, active: object) -> None:
        """Whatever was asked for; it comes again when it is over."""
        assert read(row(active=active)) == ()

    def test_active_may_be_missing(self) -> None:
        """Only finished ones were asked for."""
        assert len(read({"id": "s1"})) == 1

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            (5, "wrong_type"),
            (None, "wrong_type"),
            (["s1"], "wrong_type"),
            ({}, "missing_identity"),
            (row(""), "missing_identity"),
            (row(7), "missing_identity"),
            (row(peers="p1"), "wrong_type"),
        ],
    )
    def test_a_bad_row_costs_only_itself(self, bad: object, reason: str) -> None:
        """It is rejected with its place; its neighbours stay."""
        found = read_page(page([row("a"), bad, row("b")]), ())
        assert [each.session.session_id for each in found.found] == ["a", "b"]
        assert [each.reason for each in found.rejected] == [reason]
        assert "data[1]" in found.rejected[0].message

    def test_a_row_that_is_no_text_costs_only_itself(self) -> None:
        """Broken bytes within a name, as some programs cut them."""
        raw = b'{"data": [{"id": "a"}, {"id": "b", "x": "\xff"}, {"id": "c"}]}'
        found = read_page(raw, ())
        assert [each.session.session_id for each in found.found] == ["a", "c"]
        assert [each.reason for each in found.rejected] == ["malformed"]

    def test_peers_without_an_id_are_counted_and_the_others_kept(self) -> None:
        """There is nothing to ask for them with."""
        found = read_page(page([row(peers=[{"role": "x"}, "p1", 5, {"id": ""}])]), ())
        assert found.found[0].peers == (PeerFacts(peer_id="p1"),)
        assert found.found[0].session.peers == 1
        assert [each.reason for each in found.rejected] == ["missing_identity"]

    def test_rejections_are_told_apart_by_content(self) -> None:
        """The same bad row is the same rejection at the next poll, another one is not."""
        first, second = read_page(page([5]), ()).rejected, read_page(page([5, 6]), ()).rejected
        assert first[0].digest == second[0].digest != second[1].digest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T12:00:00.5Z", NOON + 0.5),
        ("2026-03-01T12:00:00.123456789Z", NOON + 0.123456),
        ("2026-03-01T17:30:00+05:30", NOON),
        ("2026-03-01T12:00:00", NOON),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", 253402300799.0 + 12 * 3600),
        ("1970-01-01T00:00:00Z", None),
        ("noon", None),
        ("", None),
        (None, None),
        (1772366400, None),
    ],
)
def test_moments(text: object, seconds: float | None) -> None:
    """RFC 3339, and what is no time is none."""
    assert read_moment(text) == seconds


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"5", b'{"data": {}}', b'{"data": "x"}', b'{"data": [1', b"<html>", b"\xff", b"[" * 100_000],
)
def test_no_page(raw: bytes) -> None:
    """What is no page at all is one error."""
    with pytest.raises(MalformedError, match="expected an object with data"):
        read_page(raw, ())


@given(
    st.binary(max_size=100) | st.builds(lambda tail: b'{"data": [{"id": "a", "peers": ' + tail, st.binary(max_size=60))
)
def test_no_bytes_break_the_listing(raw: bytes) -> None:
    """They are a page, or the one error that says they are none."""
    with suppress(MalformedError):
        read_page(raw, ("role",))


class TestPages:
    """Walking from page to page."""

    async def walk(
        self, answers: Sequence[bytes | int], which: Which = LOOK_BACK, limits: Limits | None = None
    ) -> tuple[list[str], list[dict[str, str]]]:
        """Lists until the end; the sessions found and the queries made."""
        left = list(answers)
        queries: list[dict[str, str]] = []

        def handler(request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/v2/sessions"
            queries.append(dict(request.url.params))
            answer = left.pop(0)
            return reply(answer) if isinstance(answer, int) else reply(200, answer)

        settings = read_settings()
        found = []
        async with make_client(handler, settings, limits=limits) as client:
            async for each in list_pages(client, settings.discovery, which):
                found += [session.session.session_id for session in each.found]
        assert left == []
        return found, queries

    @pytest.mark.anyio
    async def test_full_pages_are_followed_to_a_short_one(self) -> None:
        """With the cursor of the page before; nothing is asked for after the end."""
        first = [row(f"a{number}") for number in range(100)]
        found, queries = await self.walk([page(first, limit=100, last="a99"), page([row("b")], limit=100, last="b")])
        assert len(found) == 101
        asked = {"active": "false", "after": "2026-02-28T22:00:00.000Z", "limit": "100"}
        assert queries == [asked, asked | {"start": "a99"}]

    @pytest.mark.anyio
    async def test_a_vendor_that_gives_smaller_pages_says_so(self) -> None:
        """A page is short by its own limit, not by ours."""
        found, queries = await self.walk(
            [page([row("a"), row("b")], limit=2, last="b"), page([row("c")], limit=2, last="c")]
        )
        assert (found, len(queries)) == (["a", "b", "c"], 2)

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "end",
        [
            b'{"data": null, "limit": 1, "last": "x"}',
            b'{"data": [], "limit": 1, "last": "x"}',
            b"{}",
            page([row("c")], limit=1),
            page([row("c")], limit=1, last=None),
            page([row("c")], limit=1, last=""),
            page([row("c")], limit=1, last=7),
            page([row("c")], limit=1, last="a"),  # the first page's
            page([row("c")], limit=1, last="b"),  # its own
            page([row("c")], limit=100, last="z"),
            page([row("c")], limit="many", last="z"),
            page([row("c")], limit=-1, last="z"),
        ],
    )
    async def test_ends(self, end: bytes) -> None:
        """Null, empty, short, without a cursor, or in a circle."""
        start = [page([row("a")], limit=1, last="a"), page([row("b")], limit=1, last="b")]
        found, queries = await self.walk([*start, end])
        assert [query.get("start") for query in queries] == [None, "a", "b"]
        assert found[:2] == ["a", "b"]

    @pytest.mark.anyio
    async def test_sessions_that_come_again_under_new_cursors(self) -> None:
        """A page with nothing new is the last one; one with anything new is not."""
        again = [page([row(name)], limit=1, last=f"{number}") for number, name in enumerate(["a", "b", "a"])]
        assert (await self.walk(again))[0] == ["a", "b", "a"]
        mixed = [page([row("a")], limit=1, last="1"), page([row("a"), row("b")], limit=2, last="2"), b"{}"]
        assert (await self.walk(mixed))[0] == ["a", "a", "b"]
        bad = [page([{"id": 5}], limit=1, last="1"), page([{"id": 6}], limit=1, last="2"), page([{"id": 5}], limit=1)]
        assert (await self.walk(bad))[0] == []

    @pytest.mark.anyio
    async def test_a_listing_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sessions that nobody had are not listed for ever, nor are pages of sessions that go on."""
        monkeypatch.setattr("exporter.sources.hundredms.discovery.MOST_PAGES", 3)
        for active in (False, True):
            pages = [page([row(f"s{number}", active=active)], limit=1, last=f"{number}") for number in range(3)]
            with pytest.raises(RequestError, match="sessions: the listing has no end: 3 pages") as raised:
                await self.walk(pages)
            assert raised.value.reason == "malformed"

    @pytest.mark.anyio
    async def test_one_room_and_one_stretch(self) -> None:
        """Times are written as the vendor writes them."""
        _, queries = await self.walk([b"{}"], Which(since=NOON - 3600.5, until=NOON - 0.25, room_id="r1"))
        assert queries == [
            {
                "active": "false",
                "after": "2026-03-01T10:59:59.500Z",
                "before": "2026-03-01T11:59:59.750Z",
                "limit": "100",
                "room_id": "r1",
            },
        ]

    @pytest.mark.anyio
    async def test_a_look_back_beyond_all_time(self) -> None:
        """As far as clocks go."""
        _, queries = await self.walk([b"{}"], Which(since=-1.0))
        assert queries[0]["after"] == "1970-01-01T00:00:00.000Z"

    @pytest.mark.anyio
    async def test_a_large_page(self) -> None:
        """It is worked up beside the event loop, and is the same."""
        peers = {f"peer-{number:06}": {"role": "guest"} for number in range(3000)}
        raw = page([row("a", peers=peers)])
        assert len(raw) > LARGE_BODY_BYTES
        assert (await self.walk([raw]))[0] == ["a"]

    @pytest.mark.anyio
    async def test_a_page_that_does_not_fit_into_memory(self) -> None:
        """Of a hundred sessions each may have thousands of peers: from there on it is ten at a time, to the end."""
        small = [page([row(f"{start}{number}") for number in range(10)], last=f"{start}9") for start in "bc"]
        answers = [page([row(f"a{number}") for number in range(100)], last="a99"), b" " * 9000, *small, page([])]
        found, queries = await self.walk(answers, limits=Limits(body_bytes=8999))
        assert len(found) == 120
        asked = [("100", None), ("100", "a99"), ("10", "a99"), ("10", "b9"), ("10", "c9")]
        assert [(query["limit"], query.get("start")) for query in queries] == asked

    @pytest.mark.anyio
    async def test_a_page_of_ten_that_does_not_fit_into_memory(self) -> None:
        """The listing has failed; nothing smaller can be asked for."""
        with pytest.raises(RequestError) as raised:
            await self.walk([b" " * 100, b" " * 100], limits=Limits(body_bytes=99))
        assert raised.value.reason == "malformed"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("header", "date"),
        [
            ({"Date": "Sun, 01 Mar 2026 12:00:07 GMT"}, NOON + 7.0),
            ({"Date": "noon"}, None),
            ({"Date": "Sun, 01 Mar 99999 12:00:07 GMT"}, None),
            ({}, None),
        ],
    )
    async def test_pages_tell_the_vendors_time(self, header: dict[str, str], date: float | None) -> None:
        """As its HTTP server has it, where it is a time."""
        async with make_client(lambda _: reply(200, b"{}", **header)) as client:
            assert [each.date async for each in list_pages(client, read_settings().discovery, LOOK_BACK)] == [date]

    @pytest.mark.anyio
    @pytest.mark.parametrize(("answer", "reason"), [(404, "http_status"), (400, "http_status"), (b"[]", "malformed")])
    async def test_what_is_no_listing(self, answer: bytes | int, reason: str) -> None:
        """An error that says what was asked for."""
        with pytest.raises(RequestError, match="sessions: ") as raised:
            await self.walk([answer])
        assert raised.value.reason == reason


def test_fixture_is_what_the_vendor_documents() -> None:
    """The page in the fixtures has no key that the documentation lacks."""
    listed: dict[str, Any] = json.loads((FIXTURES / "sessions_page.json").read_text(encoding="utf-8"))
    assert set(listed) == {"limit", "data", "last"}
