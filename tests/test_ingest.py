"""Each report counts once, whatever is delivered how often; what grew adds only what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from exporter.ledger import Ledger
from exporter.metrics.catalogue import FAMILIES
from exporter.model import Report, Session
from exporter.pipeline.border import Border
from exporter.pipeline.ingest import Committed, Ingest
from exporter.quality import PeerAssessment, Thresholds
from exporter.sources.base import Delivery, Fact, ObjectIdentity, Receipt, RejectedDocument, SkippedPeers, Task
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats, parse_saved_peer_stats
from tests.hundredms_support import audio_stats
from tests.reports import START, audio, key, peer, report, summarised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOSS = ("webrtc_sample_packet_loss_ratio", "prod", "standup", "send", "audio")


class Desk:
    """An ingest over its ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open()

    def open(self) -> None:
        """As a process that starts finds it."""
        self.ledger = Ledger.open(self.folder)
        self.ingest = Ingest(self.ledger, FAMILIES, Thresholds(), Border())

    def restart(self) -> None:
        """The process ends and another begins."""
        self.ledger.close()
        self.open()

    def deliver(self, *reports: Report, now: float = START + 600.0, **more: object) -> Committed:
        """Delivers reports of the source `prod`."""
        return self.ingest.commit("prod", Delivery(reports=reports, **more), now)  # type: ignore[arg-type]

    def count(self, *series: str) -> float:
        """The first number of a series: a counter's value."""
        known = self.ledger.counts.get(series)
        return known.amounts[0] if known else 0.0

    def samples(self) -> float:
        """How many samples of sent audio were observed."""
        known = self.ledger.counts.get(LOSS)
        return sum(known.amounts[:-1]) if known else 0.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty one."""
    opened = Desk(tmp_path)
    yield opened
    opened.ledger.close()


def test_a_report_counts_once(desk: Desk) -> None:
    """The same report again, in the same process or after a restart, is a duplicate and adds nothing."""
    one = report(peer("p1", audio([0.0, 0.0])))
    assert desk.deliver(one).receipt == Receipt(new=1)
    counts = dict(desk.ledger.counts)
    assert desk.deliver(one).receipt == Receipt(duplicate=1)
    desk.restart()
    assert desk.deliver(one, one).receipt == Receipt(duplicate=2)
    assert desk.count("webrtc_exporter_reports_ingested_total", "prod") == 1.0
    assert desk.count("webrtc_exporter_reports_duplicate_total", "prod") == 3.0
    changed = {series for series, count in desk.ledger.counts.items() if counts.get(series) != count}
    assert changed == {("webrtc_exporter_reports_duplicate_total", "prod")}


def test_peers_of_a_session_make_one_session(desk: Desk) -> None:
    """100ms: three peers, three reports, one session; the lag is that of the first."""
    for number in range(3):
        desk.deliver(report(peer(f"p{number}", audio([0.0]))), now=START + 160.0 + number)
    assert desk.count("webrtc_sessions_total", "prod", "standup") == 1.0
    assert desk.ledger.counts["webrtc_report_lag_seconds", "prod"].amounts == [1.0, *[0.0] * 9, 100.0]
    assert desk.count("webrtc_exporter_reports_ingested_total", "prod") == 3.0


def test_growth_adds_the_difference(desk: Desk) -> None:
    """Two samples become five: three are added, gauges are new, verdict and session values stay as first counted."""
    desk.deliver(report(peer("p1", audio([0.0, 0.0]))))
    grown = report(peer("p1", audio([0.0, 0.0, 0.3, 0.3, 0.3])))
    committed = desk.deliver(grown)
    assert committed.receipt == Receipt(grown=1)
    assert desk.samples() == 5.0
    assert desk.count("webrtc_media_seconds_total", "prod", "standup", "send", "audio", "poor") == 30.0
    assert desk.count("webrtc_peer_sessions_total", "prod", "standup", "good", "") == 1.0
    assert desk.count("webrtc_peer_sessions_total", "prod", "standup", "poor", "packet_loss") == 0.0
    assert committed.peers[key(), "p1"].verdict == "poor"
    assert desk.deliver(grown).receipt == Receipt(duplicate=1)
    assert desk.samples() == 5.0


def test_what_fell_is_not_added_again_when_it_rises(desk: Desk) -> None:
    """More samples can make the median gap, and with it windows, shorter: the counter waits until it is passed."""
    seconds = ("webrtc_media_seconds_total", "prod", "standup", "send", "audio", "good")
    for samples, step, counted in ((2, 60.0, 120.0), (3, 10.0, 120.0), (13, 10.0, 130.0), (14, 10.0, 140.0)):
        desk.deliver(report(peer("p1", audio([0.0] * samples, step))))
        assert (desk.count(*seconds), desk.samples()) == (counted, samples)


def test_a_report_that_knows_less_of_its_session_takes_nothing_back(desk: Desk) -> None:
    """A listing that lagged behind knew fewer peers and an earlier end; its peers may be the last to be reported."""
    late = report(peer("p2"), end=START + 90.0)
    known = replace(late, session=replace(late.session, peers=2))
    desk.deliver(known)
    desk.deliver(report(peer("p1"), end=START + 60.0))
    assert desk.ledger.session(key()) == known.session
    desk.deliver(replace(report(peer("p3")), session=replace(known.session, peers=3, end=START + 100.0)))
    assert desk.ledger.session(key()) == replace(known.session, peers=3, end=START + 100.0)


def test_what_shrank_or_merely_changed_is_a_duplicate(desk: Desk) -> None:
    """Fewer windows, or as many with other values, change nothing."""
    desk.deliver(report(peer("p1", audio([0.0, 0.0, 0.0]))))
    assert desk.deliver(report(peer("p1", audio([0.5, 0.5])))).receipt == Receipt(duplicate=1)
    assert desk.deliver(report(peer("p1", audio([0.5, 0.5, 0.5])))).receipt == Receipt(duplicate=1)
    assert desk.count("webrtc_media_seconds_total", "prod", "standup", "send", "audio", "poor") == 0.0


def test_growth_after_the_view_is_counted_but_not_shown(desk: Desk) -> None:
    """One grown peer of a session that has left the view would pass for the whole session."""
    desk.deliver(report(peer("p1", audio([0.0]))))
    with desk.ledger.transaction(START) as transaction:
        transaction.remove_session(key())
    committed = desk.deliver(report(peer("p1", audio([0.0, 0.0]))))
    assert desk.samples() == 2.0
    assert (committed.sessions, committed.peers) == (set(), {})
    assert list(desk.ledger.sessions()) == []


def test_rejected_samples_count_once_and_grow(desk: Desk) -> None:
    """Left-out values are counted with their report: not again with its repetition, the difference with its growth."""
    series = ("webrtc_exporter_samples_rejected_total", "prod", "out_of_range")
    one = replace(report(peer("p1", audio([0.0]))), rejected_samples=(("out_of_range", 2),))
    desk.deliver(one)
    desk.deliver(one)
    assert desk.count(*series) == 2.0
    desk.deliver(replace(report(peer("p1", audio([0.0, 0.0]))), rejected_samples=(("out_of_range", 5),)))
    assert desk.count(*series) == 5.0
    room = replace(report(peer("p1", audio([0.0])), peer("p2"), of=key("s2")), rejected_samples=(("out_of_range", 1),))
    desk.deliver(room, room)
    assert desk.count(*series) == 6.0


def test_a_session_without_peers_counts(desk: Desk) -> None:
    """It is seen once, and in view."""
    empty = report(of=key("empty"))
    assert desk.deliver(empty).receipt == Receipt(new=1)
    assert desk.deliver(empty).receipt == Receipt()
    assert desk.count("webrtc_sessions_total", "prod", "standup") == 1.0
    assert [stored.session.key for stored in desk.ledger.sessions()] == [key("empty")]


def test_a_peer_that_came_twice_counts_twice_and_shows_once(desk: Desk) -> None:
    """Each stay counts; the longer one gives the gauges, whatever order they come in."""
    long = peer("p1", audio([0.0] * 5), stay="a", seconds=50.0)
    short = peer("p1", audio([0.3]), stay="b", seconds=10.0)
    first = desk.deliver(report(long, short))
    assert first.receipt == Receipt(new=2)
    assert first.peers[key(), "p1"].stay == "a"
    second = desk.deliver(report(short, long, of=key("s2")))
    assert second.peers[key("s2"), "p1"].stay == "a"
    good = desk.count("webrtc_peer_sessions_total", "prod", "standup", "good", "")
    poor = desk.count("webrtc_peer_sessions_total", "prod", "standup", "poor", "packet_loss")
    assert (good, poor) == (2.0, 2.0)


def test_a_known_session_with_a_new_peer_counts_the_peer(desk: Desk) -> None:
    """A room of watchRTC is delivered again with one more peer: only that one is new."""
    desk.deliver(report(peer("p1", audio([0.0]))))
    receipt = desk.deliver(report(peer("p1", audio([0.0])), peer("p2", audio([0.0])))).receipt
    assert receipt == Receipt(new=1, duplicate=1)
    assert desk.count("webrtc_sessions_total", "prod", "standup") == 1.0


def test_summaries_do_not_grow(desk: Desk) -> None:
    """A room of summaries that comes again with other values (keys set later) is a duplicate."""
    desk.deliver(summarised(0.0))
    assert desk.deliver(summarised(0.3)).receipt == Receipt(duplicate=1)


def test_rejected_documents_count_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A bad document is logged and counted the first time it comes, also after a restart."""
    bad = RejectedDocument(reason="malformed", digest=b"d" * 16, message="a.json: element 3: expected an object")
    assert desk.deliver(rejected=(bad, bad)).receipt == Receipt(rejected=1)
    desk.restart()
    assert desk.deliver(rejected=(bad,)).receipt == Receipt()
    assert desk.count("webrtc_exporter_reports_rejected_total", "prod", "malformed") == 1.0
    assert caplog.messages == ["prod: malformed: a.json: element 3: expected an object"]


def test_many_rejected_documents_make_few_lines(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """All are counted; the log tells of the first ones, and how many more there were."""
    bad = [
        RejectedDocument(reason="wrong_type", digest=bytes([number]) * 16, message=f"{number}") for number in range(9)
    ]
    assert desk.deliver(rejected=tuple(bad)).receipt == Receipt(rejected=9)
    assert desk.count("webrtc_exporter_reports_rejected_total", "prod", "wrong_type") == 9.0
    assert caplog.messages[0] == "prod: wrong_type: 0"
    assert caplog.messages[5:] == ["prod: 4 more documents were rejected"]


def test_what_a_source_wants_remembered_is_committed_with_the_rest(desk: Desk) -> None:
    """Tasks and objects of a delivery are known to the next process."""
    desk.deliver(
        report(peer("p1", audio([0.0]))),
        new_tasks=(Task(key="a", due=1.0), Task(key="b", due=2.0), Task(key="c", due=3.0)),
        postponed_tasks=(Task(key="a", due=9.0, attempts=1),),
        finished_tasks=("c",),
        read_objects=(ObjectIdentity("f.json", "1"),),
    )
    desk.restart()
    assert [(task.key, task.due) for task in desk.ledger.due_tasks("prod", START, 9)] == [("b", 2.0), ("a", 9.0)]
    assert desk.ledger.unread("prod", [ObjectIdentity("f.json", "1")], START) == []


def test_the_newest_session_end_is_remembered(desk: Desk) -> None:
    """It only moves forward, and survives a restart."""
    assert desk.deliver(report(of=key("a"), end=START + 50.0)).newest_end == START + 50.0
    assert desk.deliver(report(of=key("b"), end=START + 40.0)).newest_end is None
    desk.restart()
    assert desk.ledger.newest_end("prod") == START + 50.0
    assert desk.ledger.newest_end("other") is None


def test_a_session_that_does_not_say_when_it_ended_has_the_lag_of_its_peers(desk: Desk) -> None:
    """The latest peer's end stands for it."""
    one = report(peer("p1", seconds=60.0), peer("p2", seconds=90.0))
    desk.deliver(Report(session=Session(key=key()), peers=one.peers), now=START + 100.0)
    assert desk.ledger.counts["webrtc_report_lag_seconds", "prod"].amounts[-1] == 10.0


def test_what_a_later_report_does_not_know_stays_known(desk: Desk) -> None:
    """An answer that is sent by itself names the session and nothing else of it; what it knows is the newer."""
    known = report(peer("p1", audio([0.0])))
    named = replace(known, session=replace(known.session, room_name="standup", template="daily"))
    bare = Report(session=Session(key=key()), peers=(peer("p2", audio([0.0])),))
    desk.deliver(named)
    desk.deliver(bare)
    assert desk.ledger.session(key()) == named.session
    desk.deliver(replace(bare, session=replace(bare.session, template="webinar"), peers=(peer("p3", audio([0.0])),)))
    assert desk.ledger.session(key()) == replace(named.session, template="webinar")


class TestSentAndPolled:
    """An answer that is sent by itself says nothing of the session's listing, which polling knows."""

    listed = PeerFacts(peer_id="p1", role="host", joined=START - 5.0, left=START + 65.0)

    def sent(self, samples: int = 2) -> Report:
        """As `POST /ingest` takes it."""
        parsed = parse_saved_peer_stats(self._answer(samples), "prod", "body")
        assert isinstance(parsed, Report)
        return parsed

    def polled(self, samples: int = 2) -> Report:
        """As the source hands it over."""
        session = Session(key=key(), start=START - 5.0, end=START + 70.0, peers=1, room_name="standup")
        parsed = parse_peer_stats(self._answer(samples), session, self.listed)
        assert isinstance(parsed, Report)
        return parsed

    def _answer(self, samples: int) -> bytes:
        return audio_stats(samples, room_id=key().room_id, session_id=key().session_id, peer_id="p1")

    def in_view(self, desk: Desk) -> PeerAssessment:
        """The peer, as gauges show it."""
        (shown,) = desk.ledger.peers(key(), PeerAssessment)
        return shown

    @pytest.mark.parametrize("samples", [2, 3])
    def test_polled_after_it_was_sent(self, desk: Desk, samples: int) -> None:
        """What the listing knows is shown, whether the answer has grown or not; nothing counts twice."""
        desk.deliver(self.sent())
        assert (self.in_view(desk).attributes.role, desk.ledger.session(key())) == ("", Session(key=key()))
        committed = desk.deliver(self.polled(samples))
        assert committed.receipt == (Receipt(duplicate=1) if samples == 2 else Receipt(grown=1))
        assert committed.sessions == {key()}
        shown = self.in_view(desk)
        assert (shown.attributes.role, shown.start, shown.end) == ("host", START - 5.0, START + 65.0)
        assert shown.duration_seconds == 70.0
        assert desk.ledger.session(key()) == self.polled().session
        assert (desk.samples(), desk.count("webrtc_sessions_total", "prod", "standup")) == (samples, 1.0)
        again = desk.deliver(self.polled(samples), self.sent(samples))
        assert (again.receipt, again.peers, again.sessions) == (Receipt(duplicate=2), {}, set())

    @pytest.mark.parametrize("samples", [2, 3])
    def test_sent_after_it_was_polled(self, desk: Desk, samples: int) -> None:
        """What is known stays."""
        desk.deliver(self.polled())
        before = self.in_view(desk)
        desk.deliver(self.sent(samples))
        shown = self.in_view(desk)
        assert (shown.attributes, shown.start, shown.end) == (before.attributes, START - 5.0, START + 65.0)
        assert shown.duration_seconds == 70.0
        assert (desk.samples(), desk.ledger.session(key())) == (samples, self.polled().session)

    def test_other_values_are_not_taken_over(self, desk: Desk) -> None:
        """As many windows with other values change no count, and so no gauge."""
        desk.deliver(self.sent())
        loss = self.in_view(desk).streams
        others = parse_peer_stats(self._answer(2).replace(b"1.0", b"9.0"), self.polled().session, self.listed)
        assert isinstance(others, Report)
        desk.deliver(others)
        assert (self.in_view(desk).streams, self.in_view(desk).attributes.role) == (loss, "host")

    def test_out_of_view_it_stays_so(self, desk: Desk) -> None:
        """What is polled later does not bring it back."""
        desk.deliver(self.sent())
        with desk.ledger.transaction(START) as transaction:
            transaction.remove_session(key())
        committed = desk.deliver(self.polled())
        assert (committed.receipt, committed.sessions, committed.peers) == (Receipt(duplicate=1), set(), {})


def test_new_tasks_are_told_from_known_ones(desk: Desk) -> None:
    """So that a source knows what is left to do without asking."""
    tasks = (Task(key="a", due=START), Task(key="b", due=START))
    assert desk.deliver(new_tasks=tasks).receipt == Receipt(tasks=2)
    assert desk.deliver(new_tasks=(*tasks, Task(key="c", due=START))).receipt == Receipt(tasks=1)
    desk.deliver(finished_tasks=("a",))
    assert desk.deliver(new_tasks=tasks).receipt == Receipt()


def test_skipped_peers_count_once_for_their_session(desk: Desk) -> None:
    """However often it is listed, in whatever process."""
    skipped = ("webrtc_exporter_peers_skipped_total", "prod")
    desk.deliver(skipped_peers=(SkippedPeers("s1", 45), SkippedPeers("s2", 5)))
    assert desk.count(*skipped) == 50.0
    desk.restart()
    desk.deliver(skipped_peers=(SkippedPeers("s2", 5), SkippedPeers("s1", 45), SkippedPeers("s3", 1)))
    assert desk.count(*skipped) == 51.0
    desk.ingest.commit("other", Delivery(skipped_peers=(SkippedPeers("s1", 7),)), START)
    assert desk.count("webrtc_exporter_peers_skipped_total", "other") == 7.0


def test_facts_are_the_sources_own(desk: Desk) -> None:
    """The latest of each name stays; another source's are others, whatever the names are made of."""
    desk.deliver(facts=(Fact("listed/", b"1"), Fact("other", b"2")))
    desk.deliver(facts=(Fact("listed/", b"3"),))
    desk.ingest.commit('a"/b', Delivery(facts=(Fact("c", b"4"),)), START)
    desk.restart()
    assert desk.ledger.source_fact("prod", "listed/") == b"3"
    assert desk.ledger.source_fact("prod", "other") == b"2"
    assert desk.ledger.source_fact("prod", "c") is desk.ledger.source_fact("a", "b/c") is None
    assert desk.ledger.source_fact('a"/b', "c") == b"4"
