"""Sessions that a webhook announced: from the event to the peers' tasks, and when it is time to give up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from exporter.sources.base import Task, UnusableBodyError
from exporter.sources.hundredms import SOURCE_TYPE
from exporter.sources.hundredms.announcements import announcement_task, read_announcement
from exporter.sources.hundredms.client import Limits
from exporter.sources.hundredms.discovery import LARGE_BODY_BYTES
from exporter.sources.hundredms.webhook import read_event, webhook_receiver
from tests.hundredms_support import NOON, Bench, FakeVendor, listed, make_client, read_settings, reply

if TYPE_CHECKING:
    import httpx

SETTINGS = read_settings({"webhook": {"secret": "s"}})
#: Nothing is listed: what is found is found by webhook.
QUIET = {"discovery": {"lookback": "1s"}, "peer_stats": {"recheck_after": []}}


def event(kind: str = "session.close.success", session_id: object = "s1", **keys: object) -> bytes:
    """An event in the vendor's envelope."""
    data = {"session_id": session_id, "room_id": "r1", "room_name": "standup", **keys}
    envelope = {"version": "2.0", "id": "e1", "account_id": "a", "timestamp": "2026-03-01T12:00:00Z"}
    return json.dumps({**envelope, "type": kind, "data": data}).encode()


def answer(session_id: str = "s1", *peer_ids: str, **keys: object) -> bytes:
    """What `GET /v2/sessions/{id}` says of a session that is over."""
    return json.dumps(listed(session_id, *peer_ids, **keys)).encode()  # type: ignore[arg-type]


async def announce(bench: Bench, *bodies: bytes) -> None:
    """Does with events what the pipeline does."""
    for body in bodies:
        await bench.intake.deliver(read_event(body, bench.settings, bench.intake.now()))


class TestEvent:
    """What follows from the body of a webhook."""

    def test_a_session_that_is_over_is_due_at_once(self) -> None:
        """At the source's next poll."""
        (task,) = read_event(event(), SETTINGS, NOON).new_tasks
        assert (task.key, task.due) == ("closed:s1", NOON)

    def test_a_peer_that_left_announces_the_session_for_later(self) -> None:
        """The end of the session may never be announced; it has a task of its own, whenever its end is."""
        (task,) = read_event(event("peer.leave.success", peer_id="p1"), SETTINGS, NOON).new_tasks
        assert (task.key, task.due) == ("~left:s1", NOON + 300.0)

    @pytest.mark.parametrize(
        "body",
        [
            event("session.open.success"),
            event("peer.join.success"),
            event("nobody.knows.this"),
            b"{}",
            b'{"type": ["session.close.success"]}',
            b'{"type": "session.close.success"}',
            b'{"type": "session.close.success", "data": ["s1"]}',
            event(session_id=None),
            event(session_id=5),
            event(session_id=""),
            event(session_id="../rooms/r1"),
            event(session_id="s1?x=y"),
            event(session_id="s/1"),
            event(session_id="s1\n"),
            event(session_id="x" * 129),
        ],
    )
    def test_other_events_are_harmless(self, body: bytes) -> None:
        """Nothing follows, above all no call to another place."""
        assert not read_event(body, SETTINGS, NOON).new_tasks

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 100_000, b"1e999"])
    def test_what_is_no_object_is_refused(self, body: bytes) -> None:
        """With a text that says what was expected, and quotes nothing."""
        with pytest.raises(UnusableBodyError, match="expected an event as a JSON object"):
            read_event(body, SETTINGS, NOON)

    def test_receiver(self) -> None:
        """Header, secret and limits; none where no webhook is configured."""
        assert SOURCE_TYPE.webhook is webhook_receiver
        assert webhook_receiver(read_settings()) is None
        given = read_settings({"webhook": {"header": "X-Mine", "secret_file": "/run/s"}})
        receiver = webhook_receiver(given)
        assert receiver is not None
        assert (receiver.headers, receiver.secret, receiver.secret_file) == ((("X-Mine", ""),), None, "/run/s")
        assert (receiver.most_bytes, receiver.most_seconds) == (1_048_576, 10.0)
        body = event()
        (delivery,) = receiver.read([body[:9], body[9:]], NOON)
        assert delivery == read_event(body, given, NOON)


@pytest.mark.anyio
class TestLookUp:
    """What the source does with an announced session."""

    async def test_its_peers_are_asked_for(self) -> None:
        """One call for the session, then its peers as if it had been listed."""
        bench = Bench(FakeVendor(), QUIET)
        bench.vendor.single["s1"] = answer("s1", "p1", "p2", created_at="2026-03-01T10:00:00Z")
        await announce(bench, event())
        await bench.poll()
        assert bench.vendor.sessions_asked == ["s1"]
        assert bench.intake.peers() == ["p1", "p2"]
        assert bench.intake.finished == {"closed:s1", "s1/p1", "s1/p2"}
        session = bench.intake.reports[0].session
        assert (session.key.room_id, session.start, session.peers) == ("r1", NOON - 7200.0, 2)
        assert bench.events.backlogs[-1] == 0

    async def test_the_backlog(self) -> None:
        """A session that is over is one thing to ask for, until its peers are known; one that goes on is none."""
        bench = Bench(FakeVendor(), QUIET)
        bench.vendor.single["s1"] = answer("s1", "p1", "p2", "p3")
        bench.vendor.default = 404
        await announce(bench, event(), event("peer.leave.success"), event("peer.leave.success", "s2"))
        await bench.poll()
        assert bench.events.backlogs[0] == 1
        assert bench.events.backlogs[-1] == 3

    async def test_polling_and_webhooks_are_the_same_tasks(self) -> None:
        """However often and in whatever order it is announced and listed, each peer is asked for once."""
        bench = Bench(FakeVendor(listed("s1", "p1")), {"peer_stats": {"recheck_after": []}})
        bench.vendor.single["s1"] = answer("s1", "p1")
        await announce(bench, event("peer.leave.success"), event(), event())
        await bench.poll()
        await announce(bench, event(), event("peer.leave.success"))
        bench.restart()
        await announce(bench, event())
        await bench.poll(600.0)
        await bench.poll(600.0)
        assert bench.vendor.asked == ["p1"]
        assert len(bench.intake.reports) == 1
        # Once for its end, once for the peer that left.
        assert bench.vendor.sessions_asked == ["s1", "s1"]

    async def test_a_session_that_goes_on_is_asked_for_again(self) -> None:
        """With growing gaps of at most half an hour, until it is over."""
        bench = Bench(FakeVendor(), QUIET)
        bench.vendor.single["s1"] = answer("s1", "p1", active=True)
        await announce(bench, event("peer.leave.success"))
        await bench.poll()
        assert bench.vendor.sessions_asked == []
        gaps: list[float] = []
        while len(gaps) < 8:
            due = bench.intake.tasks["~left:s1"].due
            gaps.append(due - bench.intake.time)
            await bench.poll(gaps[-1])
        assert gaps == [300.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0]
        assert len(bench.vendor.sessions_asked) == 8
        bench.vendor.single["s1"] = answer("s1", "p1")
        await bench.poll(1800.0)
        assert bench.intake.peers() == ["p1"]
        assert "~left:s1" in bench.intake.finished

    @pytest.mark.parametrize(
        ("said", "longest"),
        [
            (404, 3600.0),
            (answer("s1", active=True), 60 * 3600.0),
            (b"<html>", 60 * 3600.0),
            (b"[]", 60 * 3600.0),
            (400, 60 * 3600.0),
        ],
        ids=["unknown", "active", "no JSON", "no session", "refused"],
    )
    async def test_it_is_given_up_after_a_while(self, said: int | bytes, longest: float) -> None:
        """What is unknown after an hour; anything else when even the longest session must have its statistics."""
        bench = Bench(FakeVendor(), QUIET)
        bench.vendor.single["s1"] = said
        await announce(bench, event())
        last = 0.0
        while "closed:s1" not in bench.intake.finished:
            last = bench.intake.time = max(bench.intake.time, bench.intake.tasks["closed:s1"].due)
            await bench.poll()
        assert longest <= last - NOON <= longest + 1800.0
        assert bench.intake.reports == []

    async def test_a_few_tries_are_made_however_late(self) -> None:
        """An exporter that was down for a week asks more than once."""
        bench = Bench(FakeVendor(), QUIET)
        bench.vendor.single["s1"] = 404
        await announce(bench, event())
        bench.intake.time += 7 * 86_400.0
        for _ in range(6):
            await bench.poll(2000.0)
        assert len(bench.vendor.sessions_asked) == 5
        assert "closed:s1" in bench.intake.finished

    async def test_only_configured_rooms(self) -> None:
        """A session of another room is none of this source's."""
        bench = Bench(FakeVendor(), {"discovery": {"lookback": "1s", "rooms": ["r2"]}})
        bench.vendor.single = {"s1": answer("s1", "p1"), "s2": answer("s2", "p2", room_id="r2")}
        await announce(bench, event(), event(session_id="s2"))
        await bench.poll()
        assert bench.vendor.asked == ["p2"]

    async def test_excluded_roles_and_samples_hold(self) -> None:
        """As for listed sessions."""
        bench = Bench(FakeVendor(), {**QUIET, "peer_stats": {"max_peers_per_session": 2, "recheck_after": []}})
        peers: dict[str, Any] = {f"p{number}": {"role": "guest"} for number in range(5)}
        peers["rec"] = {"role": "__internal_recorder"}
        bench.vendor.single["s1"] = answer("s1", peers=peers)
        await announce(bench, event())
        await bench.poll()
        assert len(bench.vendor.asked) == 2
        assert "rec" not in bench.vendor.asked
        assert bench.intake.reports[0].session.peers == 5

    @pytest.mark.no_cover
    async def test_a_large_session(self) -> None:
        """Thousands of peers become tasks in deliveries of bounded size; one without an id costs itself only."""
        bench = Bench(FakeVendor(), QUIET)
        count = 2500
        peers: dict[str, Any] = {f"p{number:04}": {"role": "guest"} for number in range(count)}
        body = answer("s1", peers={**peers, "": {}})
        assert len(body) > LARGE_BODY_BYTES
        bench.vendor.single["s1"] = body
        await announce(bench, event())
        await bench.poll()
        assert len(bench.intake.peers()) == count
        assert max(len(delivery.new_tasks) for delivery in bench.intake.deliveries) == 1000

    async def test_an_answer_that_is_too_large(self, caplog: pytest.LogCaptureFixture) -> None:
        """Asking again would give the same."""
        bench = Bench(FakeVendor(), QUIET)
        bench.limits = Limits(attempts=1, body_bytes=1000)
        bench.restart()
        bench.vendor.single["s1"] = answer("s1", *(f"p{number}" for number in range(100)))
        await announce(bench, event())
        await bench.poll()
        assert len(bench.vendor.sessions_asked) == 1
        assert "closed:s1" in bench.intake.finished
        assert "session 's1' was announced" in caplog.text

    async def test_a_fault_of_ours_stops_nothing_else(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is logged, and the next session has its turn."""

        def broken(raw: bytes, _: object) -> None:
            raise ZeroDivisionError(len(raw))

        monkeypatch.setattr("exporter.sources.hundredms.source.read_session", broken)
        bench = Bench(FakeVendor(listed("s2", "p2")), {"peer_stats": {"recheck_after": []}})
        bench.vendor.single["s1"] = answer("s1", "p1")
        await announce(bench, event())
        await bench.poll()
        assert bench.intake.peers() == ["p2"]
        assert bench.intake.tasks["closed:s1"].attempts == 1

    async def test_a_pause_and_a_refused_token_are_no_fault_of_the_session(self) -> None:
        """Its task stays as it is, for the next poll."""
        bench = Bench(FakeVendor(listed("s0")), QUIET)
        await announce(bench, event())
        before = bench.intake.tasks["closed:s1"]
        bench.vendor.single["s1"] = 401
        assert (await bench.fails()).reason == "unauthorized"
        assert bench.intake.tasks["closed:s1"] == before

        async def busy(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/s1"):
                return reply(429, b"", **{"Retry-After": "600"})
            return await bench.vendor(request)

        client = make_client(busy, bench.settings, bench.events, bench.clock, Limits(attempts=2))  # type: ignore[arg-type]  # httpx takes coroutines, too
        bench.source._client = client  # type: ignore[attr-defined]  # noqa: SLF001 - a vendor that changes its mind
        await bench.poll()
        assert bench.intake.tasks["closed:s1"] == before


class TestNotes:
    """What a task says after a restart."""

    def test_round_trip(self) -> None:
        """Session and moment are kept."""
        found = read_announcement(announcement_task("s1", "left", SETTINGS, NOON))
        assert found is not None
        assert (found.session_id, found.at) == ("s1", NOON)

    @pytest.mark.parametrize("notes", [b"", b"{}", b"\xff", b'{"session_id": 5}'])
    def test_notes_of_another_version(self, notes: bytes) -> None:
        """The key says enough."""
        found = read_announcement(Task(key="closed:s1", due=NOON, notes=notes))
        assert found is not None
        assert (found.session_id, found.at) == ("s1", NOON)

    @pytest.mark.parametrize("key", ["s1/p1", "s1/", "closed:s1/p1"])
    def test_tasks_of_peers_are_none(self, key: str) -> None:
        """Whatever the vendor's ids are."""
        assert read_announcement(Task(key=key, due=NOON)) is None
