"""The 100ms source as a whole: from the listing to reports, over failures, restarts and time."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from exporter.model import Attributes
from exporter.sources.base import Delivery, PollError, Receipt, SkippedPeers, Task
from exporter.sources.hundredms import SOURCE_TYPE
from exporter.sources.hundredms import source as source_module
from exporter.sources.hundredms.client import Limits
from exporter.sources.hundredms.discovery import LARGE_BODY_BYTES
from exporter.sources.hundredms.facts import Notes, PeerFacts, SessionFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.sources.hundredms.source import BATCH, FAILURES_THAT_STOP, WORK_SECONDS
from exporter.sources.hundredms.webhook import read_event
from tests.hundredms_support import (
    NOON,
    Bench,
    FakeVendor,
    MemoryIntake,
    RecordedEvents,
    audio_stats,
    listed,
    read_settings,
    reply,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class TestLife:
    """A session's way from its end to the last look at it."""

    @pytest.mark.anyio
    async def test_from_listing_to_reports(self) -> None:
        """Each peer is asked for once and handed over with what the listing knows of it."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2", created_at="2026-03-01T10:00:00Z")))
        await bench.poll()
        assert sorted(bench.vendor.asked) == ["p1", "p2"]
        assert bench.intake.peers() == ["p1", "p2"]
        session = bench.intake.reports[0].session
        assert (session.key.source, session.key.room_id, session.key.session_id) == ("100ms", "r1", "s1")
        assert (session.start, session.end, session.duration_seconds) == (NOON - 7200.0, NOON - 3600.0, 3600.0)
        assert (session.peers, session.room_name) == (2, "")
        peer = bench.intake.reports[0].peers[0]
        assert peer.attributes.role == "guest"
        assert [stream.kind for stream in peer.streams] == ["audio"]
        assert bench.events.backlogs[-1] == 0
        # An hour has passed since the end: the recheck of 1 h is over, that of 24 h ahead.
        assert bench.intake.finished == {"s1/p1", "s1/p2"}
        again = [task.due for key, task in bench.intake.tasks.items() if key not in bench.intake.finished]
        assert again == [NOON + 23 * 3600.0] * 2

    @pytest.mark.anyio
    async def test_a_known_session_is_not_announced_again(self) -> None:
        """Polls without news cost the ledger nothing; after a restart it sorts out what it knows."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        await bench.poll()
        before = len(bench.intake.deliveries)
        await bench.poll(60.0)
        assert len(bench.intake.deliveries) == before
        bench.restart()
        await bench.poll(60.0)
        assert bench.vendor.asked == ["p1"]
        assert len(bench.intake.reports) == 1
        assert bench.events.backlogs[-1] == 0

    @pytest.mark.anyio
    async def test_peers_that_show_up_later_are_asked_for(self) -> None:
        """A listing may lag behind."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        await bench.poll()
        bench.vendor.sessions = [listed("s1", "p1", "p2")]
        await bench.poll(60.0)
        assert bench.vendor.asked == ["p1", "p2"]

    @pytest.mark.anyio
    async def test_statistics_are_left_to_settle(self) -> None:
        """Nothing is asked for before the delay, and waiting peers are the backlog."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2", ended="2026-03-01T11:58:00Z")))
        await bench.poll()
        assert (bench.vendor.asked, bench.events.backlogs[-1]) == ([], 2)
        await bench.poll(179.0)
        assert bench.vendor.asked == []
        await bench.poll(1.0)
        assert sorted(bench.vendor.asked) == ["p1", "p2"]
        assert bench.events.backlogs[-1] == 0

    @pytest.mark.anyio
    @pytest.mark.parametrize("answer", [404, audio_stats(0), b"{}"])
    async def test_what_is_not_ready_is_asked_for_again(self, answer: int | bytes) -> None:
        """With growing gaps, also over a restart, until it is there."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        bench.vendor.default = answer
        await bench.poll()
        assert (bench.intake.reports, bench.events.backlogs[-1]) == ([], 1)
        await bench.poll(59.0)
        assert len(bench.vendor.asked) == 1
        await bench.poll(1.0)
        assert len(bench.vendor.asked) == 2
        bench.restart()
        bench.vendor.default = audio_stats()
        await bench.poll(119.0)
        assert len(bench.vendor.asked) == 2
        await bench.poll(1.0)
        assert bench.intake.peers() == ["p1"]
        assert bench.events.backlogs[-1] == 0

    @pytest.mark.anyio
    async def test_what_never_comes_is_given_up(self) -> None:
        """The peer counts, without streams, and is not asked for any more."""
        bench = Bench(FakeVendor(listed("s1", "p1")), {"peer_stats": {"give_up_after": "2h"}})
        bench.vendor.default = 404
        while not bench.intake.finished:
            await bench.poll(60.0)
        assert bench.intake.time == NOON + 3600.0
        (report,) = bench.intake.reports
        assert (report.peers[0].peer_id, report.peers[0].streams) == ("p1", ())
        assert report.peers[0].attributes.role == "guest"
        asked = len(bench.vendor.asked)
        await bench.poll(1e5)
        assert len(bench.vendor.asked) == asked

    @pytest.mark.anyio
    async def test_a_clock_that_jumps_ahead_gives_nobody_up(self) -> None:
        """What is not ready by the vendor's clock is asked for again, and counts with what comes then."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        bench.vendor.date, bench.vendor.default = "Sun, 01 Mar 2026 12:00:00 GMT", 404
        await bench.poll()
        await bench.poll(1e7)
        await bench.poll(300.0)
        assert len(bench.vendor.asked) == 3
        assert (bench.intake.reports, bench.events.backlogs[-1]) == ([], 1)
        bench.intake.time = NOON
        bench.vendor.default = audio_stats()
        await bench.poll(1e7 + 600.0)
        assert bench.intake.peers() == ["p1"]

    @pytest.mark.anyio
    async def test_rechecks(self) -> None:
        """Data that grew is handed over again; what it adds is the ledger's to say."""
        bench = Bench(FakeVendor(listed("s1", "p1", ended="2026-03-01T11:55:00Z")))
        await bench.poll()
        bench.vendor.default = 500
        await bench.poll(3000.0)
        assert len(bench.vendor.asked) == 1
        await bench.poll(300.0)
        assert len(bench.vendor.asked) == 2
        # A peer that is only looked at again is not waited for.
        assert set(bench.events.backlogs[-3:]) == {0}
        bench.vendor.default = audio_stats(5)
        await bench.poll(60.0)
        await bench.poll(82_800.0)
        assert [len(report.peers[0].streams[0].tracks[0].windows) for report in bench.intake.reports] == [2, 5, 5]
        assert bench.intake.finished == {"s1/p1", "~again:s1/p1"}

    @pytest.mark.anyio
    async def test_sessions_without_peers_are_handed_over_once(self) -> None:
        """Also those of recorders only, and after a restart."""
        recorder = {"bot": {"role": "__internal_recorder"}}
        bench = Bench(FakeVendor(listed("s1"), listed("s2", peers=recorder)))
        await bench.poll()
        bench.restart()
        await bench.poll(60.0)
        assert [(report.session.key.session_id, report.peers) for report in bench.intake.reports] == [
            ("s1", ()),
            ("s2", ()),
        ]
        assert [report.session.peers for report in bench.intake.reports] == [0, 0]
        assert bench.vendor.asked == []

    @pytest.mark.anyio
    async def test_excluded_roles_are_not_asked_for(self) -> None:
        """Nor counted."""
        peers = {"p1": {"role": "guest"}, "bot": {"role": "silent"}}
        bench = Bench(FakeVendor(listed("s1", peers=peers)), {"discovery": {"exclude_roles": ["silent"]}})
        await bench.poll()
        assert bench.vendor.asked == ["p1"]
        assert bench.intake.reports[0].session.peers == 1

    @pytest.mark.anyio
    async def test_large_sessions_are_sampled_where_asked_for(self, caplog: pytest.LogCaptureFixture) -> None:
        """The session still tells how many there were, and the log what was left out."""
        caplog.set_level("INFO")
        names = [f"p{number}" for number in range(50)]
        bench = Bench(FakeVendor(listed("s1", *names)), {"peer_stats": {"max_peers_per_session": 5}})
        await bench.poll()
        assert len(set(bench.vendor.asked)) == 5
        assert {report.session.peers for report in bench.intake.reports} == {50}
        assert "asking for 5 of its 50 peers" in caplog.text
        skipped = [each for delivery in bench.intake.deliveries for each in delivery.skipped_peers]
        assert skipped == [SkippedPeers("s1", 45)]

    @pytest.mark.anyio
    async def test_tasks_of_a_huge_session_are_handed_over_in_parts(self) -> None:
        """20 000 peers are not one transaction."""
        names = [f"p{number}" for number in range(2500)]
        bench = Bench(FakeVendor(listed("s1", *names, ended="2026-03-01T11:59:00Z")))
        await bench.poll()
        tasks = [len(delivery.new_tasks) for delivery in bench.intake.deliveries]
        assert tasks == [1000, 1000, 500, 0]
        assert bench.events.backlogs[-1] == 2500

    @pytest.mark.anyio
    async def test_large_answers(self) -> None:
        """They are parsed beside the event loop, and are the same."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        bench.vendor.default = audio_stats(5000)
        assert len(bench.vendor.default) > LARGE_BODY_BYTES
        await bench.poll()
        assert len(bench.intake.reports[0].peers[0].streams[0].tracks[0].windows) == 5000


class TestBacklog:
    """What is known and not ingested: exact at each moment, whoever found it."""

    @pytest.mark.anyio
    async def test_looks_for_more_are_none_of_it(self) -> None:
        """In no process: a peer whose statistics came is not waited for."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2", "p3", ended="2026-03-01T11:55:00Z")))
        bench.vendor.stats["p3"] = 404
        await bench.poll()
        assert bench.events.backlogs[-1] == 1
        assert len(bench.intake.tasks.keys() - bench.intake.finished) == 3
        bench.restart()
        bench.vendor.listing = reply(500)
        await bench.fails()
        assert set(bench.events.backlogs) == {1}

    @pytest.mark.anyio
    async def test_it_falls_with_each_peer(self) -> None:
        """Not only at the end of a poll, which may take minutes."""
        bench = Bench(FakeVendor(listed("s1", *[f"p{number}" for number in range(20)])))
        await bench.poll()
        assert bench.events.backlogs == [0, *range(20, -1, -1), 0]

    @pytest.mark.anyio
    async def test_tasks_of_an_earlier_version(self) -> None:
        """There, looks for more had the key of the peer: they count until their turn, and then no more."""
        bench = Bench(FakeVendor())
        session = SessionFacts(session_id="s1", room_id="r1")
        notes = Notes(session=session, peer=PeerFacts(peer_id="p1"), ended=NOON - 60.0, delivered=True)
        await bench.intake.deliver(Delivery(new_tasks=(Task(key="s1/p1", due=NOON, notes=notes.encode()),)))
        await bench.poll()
        assert bench.events.backlogs == [1, 0, 0]
        assert bench.intake.finished == {"s1/p1"}
        assert bench.intake.tasks["~again:s1/p1"].due == NOON + 3540.0


class TestWhoAPeerWas:
    """Names and user ids are personal data."""

    who: Mapping[str, Any] = {"p1": {"role": "guest", "name": "Asha", "user_id": "crm-991"}}

    @staticmethod
    def remembered(bench: Bench) -> bytes:
        """All that the ledger was given."""
        return repr((bench.intake.deliveries, bench.intake.tasks)).encode()

    @pytest.mark.anyio
    async def test_nothing_is_read_unless_it_is_asked_for(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither reports nor tasks nor logs have it."""
        caplog.set_level("DEBUG")
        bench = Bench(FakeVendor(listed("s1", peers=self.who)))
        await bench.poll()
        assert bench.intake.peers() == ["p1"]
        for secret in ("Asha", "crm-991"):
            assert secret.encode() not in self.remembered(bench)
            assert secret not in caplog.text

    @pytest.mark.anyio
    async def test_what_is_asked_for_comes_with_the_report(self, caplog: pytest.LogCaptureFixture) -> None:
        """Also in another process; by webhook as by listing; nothing else comes with it."""
        caplog.set_level("DEBUG")
        settings = {"discovery": {"personal_labels": ["user_name"]}}
        bench = Bench(FakeVendor(listed("s1", peers=self.who, ended="2026-03-01T11:58:00Z")), settings)
        await bench.poll()
        bench.restart()
        bench.vendor.sessions = []
        bench.vendor.single["s2"] = json.dumps(listed("s2", peers=self.who)).encode()
        closed = json.dumps({"type": "session.close.success", "data": {"session_id": "s2"}}).encode()
        await bench.intake.deliver(read_event(closed, bench.settings, bench.intake.now()))
        await bench.poll(300.0)
        await bench.poll(60.0)
        about = [report.peers[0].attributes for report in bench.intake.reports]
        assert about == [Attributes(role="guest", user_name="Asha")] * 2
        assert b"crm-991" not in self.remembered(bench)
        assert "Asha" not in caplog.text

    @pytest.mark.anyio
    async def test_what_is_asked_for_no_more_does_not_come(self) -> None:
        """Though a task of an earlier configuration still has it."""
        vendor = FakeVendor(listed("s1", peers=self.who, ended="2026-03-01T11:58:00Z"))
        bench = Bench(vendor, {"discovery": {"personal_labels": ["user_id", "user_name"]}})
        await bench.poll()
        later = Bench(vendor, {"discovery": {"personal_labels": ["user_id"]}})
        later.intake = bench.intake
        await later.poll(300.0)
        assert later.intake.reports[0].peers[0].attributes == Attributes(role="guest", user_id="crm-991")


class TestFixedSessions:
    """Sessions that the configuration names."""

    fixed: Mapping[str, Any] = {"lookback": "0s", "sessions": [{"session_id": "s1", "peer_ids": ["p1", "p2"]}]}

    @pytest.mark.anyio
    async def test_without_discovery(self) -> None:
        """Nothing is listed; the room comes from the answers."""
        bench = Bench(FakeVendor(), {"discovery": self.fixed})
        bench.vendor.default = audio_stats(room_id="r7", session_id="s1")
        await bench.poll()
        assert bench.vendor.listings == []
        assert bench.intake.peers() == ["p1", "p2"]
        assert {report.session.key.room_id for report in bench.intake.reports} == {"r7"}
        session = bench.intake.reports[0].session
        assert (session.start, session.end, session.peers) == (None, None, None)

    @pytest.mark.anyio
    async def test_waits_count_from_the_first_sight(self) -> None:
        """A restart does not begin anew."""
        settings = {"discovery": self.fixed, "peer_stats": {"give_up_after": "10m"}}
        bench = Bench(FakeVendor(), settings)
        bench.vendor.default = 404
        await bench.poll()
        bench.restart()
        await bench.poll(599.0)
        assert bench.intake.reports == []
        await bench.poll(1.0)
        assert bench.intake.peers() == ["p1", "p2"]

    @pytest.mark.anyio
    @pytest.mark.parametrize("restarts", [False, True])
    async def test_a_peer_without_data_counts_in_the_room_that_others_told(self, *, restarts: bool) -> None:
        """The session must not be counted in two rooms, not after a restart either."""
        settings = {"discovery": self.fixed, "peer_stats": {"give_up_after": "10m", "recheck_after": []}}
        bench = Bench(FakeVendor(), settings)
        bench.vendor.default = audio_stats(room_id="r7")
        bench.vendor.stats["p2"] = 404
        await bench.poll()
        # Not ready yet: what answers told is kept.
        await bench.poll(300.0)
        if restarts:
            bench.restart()
        await bench.poll(300.0)
        assert [(report.peers[0].peer_id, report.session.key.room_id) for report in bench.intake.reports] == [
            ("p1", "r7"),
            ("p2", "r7"),
        ]

    @pytest.mark.anyio
    async def test_beside_discovery(self) -> None:
        """A peer that both name is one peer."""
        bench = Bench(FakeVendor(listed("s1", "p2", "p3")), {"discovery": {**self.fixed, "lookback": "14h"}})
        await bench.poll()
        await bench.poll(60.0)
        assert Counter(bench.vendor.asked) == {"p1": 1, "p2": 1, "p3": 1}

    @pytest.mark.anyio
    async def test_are_worked_through_though_the_listing_fails(self) -> None:
        """A listing that the token may not read costs only the listing."""
        bench = Bench(FakeVendor(), {"discovery": {**self.fixed, "lookback": "14h"}})
        bench.vendor.listing = reply(500)
        failure = await bench.fails()
        assert (failure.reason, bench.intake.peers()) == ("http_status", ["p1", "p2"])

    @pytest.mark.anyio
    async def test_a_vendor_that_answers_nothing_fails_the_poll(self) -> None:
        """Nothing else would show it where nothing is listed."""
        bench = Bench(FakeVendor(), {"discovery": self.fixed})
        bench.vendor.default = httpx.ConnectError("refused")
        failure = await bench.fails()
        assert failure.reason == "unreachable"
        assert bench.intake.reports == []


class TestListing:
    """What discovery asks for, and what its failures cost."""

    @pytest.mark.anyio
    async def test_rooms_are_listed_one_by_one(self) -> None:
        """Where the configuration names them."""
        bench = Bench(FakeVendor(), {"discovery": {"rooms": ["a", "b"]}})
        await bench.poll()
        assert [query["room_id"] for query in bench.vendor.listings] == ["a", "b"]

    @pytest.mark.anyio
    async def test_one_room_that_cannot_be_listed(self) -> None:
        """The others are, and what is due is asked for; the poll has failed all the same."""

        class HalfVendor(FakeVendor):
            async def __call__(self, request: httpx.Request) -> httpx.Response:
                self.listing = reply(400) if request.url.params.get("room_id") == "a" else None
                return await super().__call__(request)

        bench = Bench(HalfVendor(listed("s1", "p1")), {"discovery": {"rooms": ["a", "b"]}})
        failure = await bench.fails()
        assert failure.reason == "http_status"
        assert bench.intake.peers() == ["p1"]
        before = len(bench.intake.deliveries)
        await bench.fails(60.0)
        assert bench.vendor.asked == ["p1"]
        assert len(bench.intake.deliveries) == before

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("listing", "reason"),
        [
            (httpx.ConnectError("refused"), "unreachable"),
            (httpx.ReadTimeout("slow"), "timeout"),
            (401, "unauthorized"),
            (403, "unauthorized"),
        ],
    )
    async def test_a_vendor_that_is_away_is_left_alone(self, listing: Exception | int, reason: str) -> None:
        """Peers are not asked for: each would wait and fail the same way."""
        bench = Bench(FakeVendor(listed("s1", "p1", ended="2026-03-01T11:58:00Z")))
        await bench.poll()
        bench.vendor.listing = listing if isinstance(listing, Exception) else reply(listing)
        failure = await bench.fails(600.0)
        assert (failure.reason, bench.vendor.asked) == (reason, [])

    @pytest.mark.anyio
    @pytest.mark.parametrize(("listing", "reason"), [(500, "http_status"), (404, "http_status"), (b"[]", "malformed")])
    async def test_a_listing_that_makes_no_sense(self, listing: int | bytes, reason: str) -> None:
        """What is known already is asked for all the same."""
        bench = Bench(FakeVendor(listed("s1", "p1", ended="2026-03-01T11:58:00Z")))
        await bench.poll()
        bench.vendor.listing = reply(listing) if isinstance(listing, int) else reply(200, listing)
        failure = await bench.fails(600.0)
        assert (failure.reason, bench.intake.peers()) == (reason, ["p1"])

    @pytest.mark.anyio
    async def test_a_listing_that_failed_forgets_nothing(self) -> None:
        """The next one that works announces only what is new."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        await bench.poll()
        before = len(bench.intake.deliveries)
        bench.vendor.listing = reply(500)
        await bench.fails(60.0)
        bench.vendor.listing = None
        await bench.poll(60.0)
        assert len(bench.intake.deliveries) == before

    @pytest.mark.anyio
    async def test_a_pause_that_the_vendor_asked_for(self) -> None:
        """Neither the listing nor peers are asked for until it is over."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        bench.vendor.listing = reply(429, b"", **{"Retry-After": "600"})
        await bench.fails()
        failure = await bench.fails(300.0)
        assert failure.reason == "http_status"
        assert len(bench.vendor.listings) == 1
        bench.clock.time += 600.0
        bench.vendor.listing = None
        await bench.poll(300.0)
        assert bench.intake.peers() == ["p1"]

    @pytest.mark.anyio
    async def test_bad_rows_are_rejected_once_and_cost_nothing_else(self) -> None:
        """The same row at the next poll is no news."""
        bench = Bench(FakeVendor(5, listed("s1", "p1"), {"room_id": "r"}))
        await bench.poll()
        await bench.poll(60.0)
        assert bench.intake.rejections == ["wrong_type", "missing_identity"]
        assert bench.intake.peers() == ["p1"]


class TestOneBadAnswer:
    """It costs its own peer a later try, and nobody else anything."""

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("answer", "rejections"),
        [
            (500, []),
            (400, []),
            (403, []),
            (httpx.ReadError("reset"), []),
            (httpx.ReadTimeout("slow"), []),
            (b"<html>", ["malformed"]),
            (b"[]", ["wrong_type"]),
            (b'{"peer_id": "somebody else"}', ["missing_identity"]),
        ],
    )
    async def test_others_come_through(self, answer: int | bytes | Exception, rejections: list[str]) -> None:
        """And the bad one when it is good again."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2", "p3")))
        bench.vendor.stats["p2"] = answer
        await bench.poll()
        assert bench.intake.peers() == ["p1", "p3"]
        assert bench.intake.rejections == rejections
        del bench.vendor.stats["p2"]
        await bench.poll(59.0)
        assert bench.intake.peers() == ["p1", "p3"]
        await bench.poll(1.0)
        assert bench.intake.peers() == ["p1", "p2", "p3"]

    @pytest.mark.anyio
    async def test_the_only_peer(self) -> None:
        """Listing works: one call that fails is no failed poll."""
        bench = Bench(FakeVendor(listed("s1", "p1")))
        bench.vendor.default = 500
        await bench.poll()
        assert bench.intake.tasks["s1/p1"].attempts == 1

    @pytest.mark.anyio
    async def test_an_answer_that_is_too_large(self) -> None:
        """It would be so again: the peer counts as one without data."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2")))
        bench.limits = Limits(body_bytes=500)
        bench.restart()
        bench.vendor.stats["p2"] = b" " * 501
        await bench.poll()
        assert bench.intake.rejections == ["too_large"]
        assert bench.intake.peers() == ["p1", "p2"]
        assert "~again:s1/p2" not in bench.intake.tasks

    @pytest.mark.anyio
    async def test_a_fault_of_ours(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        """A document that breaks the parser does not stand in the way of the others for ever."""

        def parse(raw: bytes, session: Any, peer: Any) -> Any:  # noqa: ANN401 - as the real one
            if peer.peer_id == "p1":
                message = "a fault"
                raise ZeroDivisionError(message)
            return parse_peer_stats(raw, session, peer)

        monkeypatch.setattr(source_module, "parse_peer_stats", parse)
        bench = Bench(FakeVendor(listed("s1", "p1", "p2")))
        await bench.poll()
        assert bench.intake.peers() == ["p2"]
        assert bench.intake.tasks["s1/p1"].attempts == 1
        assert "could not be read" in caplog.text


class TestManyBadAnswers:
    """What is no longer one peer's fault."""

    @pytest.mark.anyio
    async def test_a_token_that_is_refused_ends_the_poll(self) -> None:
        """What was not asked for stays due."""
        bench = Bench(FakeVendor(listed("s1", *[f"p{number}" for number in range(40)])))
        bench.vendor.default = 401
        failure = await bench.fails()
        assert failure.reason == "unauthorized"
        assert len(bench.vendor.asked) <= 2
        assert {task.attempts for task in bench.intake.tasks.values()} == {0}
        bench.vendor.default = audio_stats()
        await bench.poll()
        assert len(bench.intake.reports) == 40

    @pytest.mark.anyio
    async def test_no_permission_for_any_peer(self) -> None:
        """Listing works, statistics do not: the source is not well."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2")))
        bench.vendor.default = 403
        assert (await bench.fails()).reason == "unauthorized"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("answer", "reason"), [(500, "http_status"), (httpx.ConnectError("refused"), "unreachable")]
    )
    async def test_failures_in_a_row_end_the_poll(self, answer: int | Exception, reason: str) -> None:
        """The rest stays due for the next one."""
        bench = Bench(FakeVendor(listed("s1", *[f"p{number}" for number in range(40)])))
        bench.vendor.default = answer
        failure = await bench.fails()
        assert failure.reason == reason
        assert FAILURES_THAT_STOP <= len(bench.vendor.asked) <= FAILURES_THAT_STOP + 1
        bench.vendor.default = audio_stats()
        await bench.poll(60.0)
        assert len(bench.intake.reports) == 40

    @pytest.mark.anyio
    async def test_single_failures_among_answers_do_not(self) -> None:
        """However many there are in all."""
        names = [f"p{number:02}" for number in range(40)]
        bench = Bench(FakeVendor(listed("s1", *names)))
        bench.vendor.stats = dict.fromkeys(names[::2], 500)
        await bench.poll()
        assert bench.intake.peers() == names[1::2]

    @pytest.mark.anyio
    async def test_a_pause_in_the_middle(self) -> None:
        """Work stops without a failed poll; what is left stays due."""

        class Tired(FakeVendor):
            async def __call__(self, request: httpx.Request) -> httpx.Response:
                if len(self.asked) == 3:
                    return reply(429, b"", **{"Retry-After": "600"})
                return await super().__call__(request)

        names = [f"p{number}" for number in range(10)]
        bench = Bench(Tired(listed("s1", *names)), {"peer_stats": {"concurrency": 1}})
        await bench.poll()
        assert len(bench.intake.reports) == 3
        waiting = await bench.intake.due_tasks(100)
        # The call that was told to wait has failed; the others were not made.
        assert [task.attempts for task in waiting] == [0] * 6

    @pytest.mark.anyio
    async def test_a_ledger_that_fails_is_told_as_it_is(self) -> None:
        """Not wrapped up in the group of workers that met it."""
        bench = Bench(FakeVendor(listed("s1", "p1", "p2")))
        bench.vendor.listing = None
        await bench.poll()
        bench.intake.failure = OSError("disk full")
        with pytest.raises(OSError, match="disk full"):
            await bench.poll(86_400.0)


class TestLargeSessions:
    """Sessions of many peers stream through."""

    @pytest.mark.no_cover
    @pytest.mark.anyio
    async def test_statistics_are_not_held(self) -> None:
        """No more of them than are asked for at the same time, however many peers there are."""

        class Forgetful(MemoryIntake):
            reported = 0

            async def deliver(self, delivery: Delivery) -> Receipt:
                self.reported += len(delivery.reports)
                receipt = await super().deliver(delivery)
                self.deliveries.clear()
                return receipt

        bench = Bench(FakeVendor(listed("s1", *(f"p{number}" for number in range(300)))))
        bench.intake = intake = Forgetful()
        bench.vendor.default = audio_stats(1000)
        tracemalloc.start()
        try:
            await bench.poll()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert intake.reported == 300
        # A report of a thousand windows takes some 150 kB, all of them would take 45 MB.
        assert peak < 4 << 20


class TestPace:
    """How much is done at once, and for how long."""

    @pytest.mark.anyio
    async def test_calls_in_flight(self) -> None:
        """As many as configured, and not one more."""
        settings = {"peer_stats": {"concurrency": 3}}
        bench = Bench(FakeVendor(listed("s1", *[f"p{number}" for number in range(30)])), settings)
        await bench.poll()
        assert len(bench.intake.reports) == 30
        assert bench.vendor.most_running <= 3

    @pytest.mark.anyio
    async def test_a_poll_ends_so_that_the_next_one_lists(self) -> None:
        """What is left is done then; the backlog shows how much that is."""
        names = [f"p{number}" for number in range(30)]
        bench = Bench(FakeVendor(listed("s1", *names)), {"peer_stats": {"concurrency": 1}})
        deliver = bench.intake.deliver

        async def slowly(delivery: Any) -> Any:  # noqa: ANN401 - as the real one
            bench.intake.time += WORK_SECONDS / 10
            return await deliver(delivery)

        bench.intake.deliver = slowly  # type: ignore[method-assign]  # a ledger that takes its time
        await bench.poll()
        assert len(bench.intake.reports) == 10
        assert bench.events.backlogs[-1] == 20
        await bench.poll()
        assert len(bench.intake.reports) == 20

    @pytest.mark.anyio
    async def test_what_is_put_off_waits_for_the_next_poll(self) -> None:
        """With intervals of a second, peers that are not ready must not keep a poll from ending."""
        settings = {"discovery": {"poll_interval": "0s"}, "peer_stats": {"concurrency": 1}}
        bench = Bench(FakeVendor(listed("s1", *[f"p{number}" for number in range(5)])), settings)
        bench.vendor.default = 404
        due_tasks = bench.intake.due_tasks

        async def later(limit: int) -> Any:  # noqa: ANN401 - as the real one
            bench.intake.time += 2.0
            return await due_tasks(limit)

        bench.intake.due_tasks = later  # type: ignore[method-assign]  # a ledger that takes its time
        await bench.poll()
        assert len(bench.vendor.asked) == 5

    @pytest.mark.anyio
    async def test_more_than_one_batch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Batches follow each other until nothing is due."""
        assert BATCH >= 1000
        monkeypatch.setattr(source_module, "BATCH", 4)
        bench = Bench(FakeVendor(listed("s1", *[f"p{number}" for number in range(10)])))
        await bench.poll()
        assert len(bench.intake.reports) == 10


@pytest.mark.anyio
async def test_open_source_polls_and_closes() -> None:
    """The way in that the pipeline uses, with real connections: nobody listens at that address."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    settings = read_settings({"base_url": f"http://127.0.0.1:{port}/v2"})
    events = RecordedEvents()
    async with SOURCE_TYPE.open(settings, events) as opened:
        with pytest.raises(PollError) as raised:
            await opened.poll(MemoryIntake())
    assert raised.value.reason == "unreachable"
    assert events.requests == {"error": 3}
