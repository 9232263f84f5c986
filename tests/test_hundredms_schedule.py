"""When a peer is asked for, and what becomes of it by what came."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Report
from exporter.sources.base import RejectedDocument, Task
from exporter.sources.hundredms import schedule
from exporter.sources.hundredms.facts import Notes, PeerFacts, SessionFacts, read_notes, stay_seconds
from exporter.sources.hundredms.outcome import Outcome, settle
from exporter.sources.hundredms.parser import empty_report, parse_peer_stats
from exporter.sources.hundredms.sessions import FoundSession
from exporter.sources.hundredms.settings import FixedSession, HundredMsSettings
from tests.hundredms_support import NOON, a_session, audio_stats, read_settings

PEER = PeerFacts(peer_id="p1", role="guest", joined=NOON - 100.0, left=NOON)
SESSION = SessionFacts(session_id="s1", room_id="r1", start=NOON - 100.0, end=NOON, peers=1)
NOTES = Notes(session=SESSION, peer=PEER, ended=NOON)
TASK = Task(key="s1/p1", due=NOON + 300.0, notes=NOTES.encode())
SETTINGS = read_settings()


def delivered(notes: Notes = NOTES) -> Notes:
    """The notes of a task whose statistics came already."""
    return msgspec.structs.replace(notes, delivered=True)


class TestNewTasks:
    """What discovery hands to the ledger."""

    def test_one_for_each_peer(self) -> None:
        """Due when the session has settled, with all that its report will need."""
        found = FoundSession(session=SESSION, peers=(PEER, PeerFacts(peer_id="p2")))
        tasks = list(schedule.new_tasks(found, SETTINGS.peer_stats, NOON + 9000.0))
        assert [(task.key, task.due, task.attempts) for task in tasks] == [
            ("s1/p1", NOON + 300.0, 0),
            ("s1/p2", NOON + 300.0, 0),
        ]
        assert read_notes(tasks[0]) == NOTES
        assert len(tasks[0].notes) < 300

    def test_a_session_without_peers_is_due_at_once(self) -> None:
        """There is nothing to wait for."""
        found = FoundSession(session=SESSION, peers=())
        (task,) = schedule.new_tasks(found, SETTINGS.peer_stats, NOON + 50.0)
        assert (task.key, task.due) == ("s1/", NOON + 50.0)
        assert read_notes(task) == Notes(session=SESSION, peer=None, ended=NOON)

    @pytest.mark.parametrize("end", [None, NOON + 1e9])
    def test_without_a_sensible_end_time_counts_from_now(self, end: float | None) -> None:
        """A clock that is years ahead would put everything off for years."""
        session = msgspec.structs.replace(SESSION, end=end)
        ghost = msgspec.structs.replace(PEER, left=None)
        (task,) = schedule.new_tasks(FoundSession(session=session, peers=(ghost,)), SETTINGS.peer_stats, NOON + 5.0)
        assert task.due == NOON + 305.0
        assert read_notes(task).session.end == end

    def test_fixed_sessions_are_due_at_once(self) -> None:
        """Nothing tells when they ended."""
        fixed = FixedSession(session_id="s1", peer_ids=("p1", "p2"), room_id="r1")
        tasks = list(schedule.fixed_tasks(fixed, NOON))
        assert [(task.key, task.due) for task in tasks] == [("s1/p1", NOON), ("s1/p2", NOON)]
        assert read_notes(tasks[1]) == Notes(
            session=SessionFacts(session_id="s1", room_id="r1"), peer=PeerFacts(peer_id="p2"), ended=NOON
        )

    @given(st.sets(st.text(min_size=1, max_size=4), max_size=12), st.integers(0, 12), st.randoms())
    def test_samples_are_the_same_in_any_order(self, ids: set[str], most: int, chance: object) -> None:
        """And as large as allowed."""
        peers = [PeerFacts(peer_id=each.encode("utf-8", "replace").decode()) for each in sorted(ids)]
        shuffled = list(peers)
        chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random
        drawn = {peer.peer_id for peer in schedule.sample(peers, most)}
        assert drawn == {peer.peer_id for peer in schedule.sample(shuffled, most)}
        assert len(drawn) == (min(most, len({peer.peer_id for peer in peers})) if most else len(drawn))

    def test_sample_is_by_hash(self) -> None:
        """Not the first to join: those would always be hosts."""
        peers = [PeerFacts(peer_id=f"p{number}") for number in range(100)]
        drawn = schedule.sample(peers, 20)
        assert len(drawn) == 20
        assert {peer.peer_id for peer in drawn} != {f"p{number}" for number in range(20)}


class TestSpread:
    """What was missed is not asked for all at once."""

    def test_each_waits_for_the_one_before(self) -> None:
        """At the earliest: what is due later is due later."""
        tasks = [Task(key=str(number), due=due) for number, due in enumerate([0.0, 99.0, 103.0, 50.0])]
        later = schedule.spread(tasks, 100.0, 0.5)
        assert [(task.key, task.due) for task in later] == [("0", 100.0), ("1", 100.5), ("2", 103.0), ("3", 101.5)]
        assert schedule.spread([], 100.0, 0.5) == []


class TestAfterNothing:
    """No statistics came."""

    def gaps(self, settings: HundredMsSettings, *, answered: bool = True) -> list[float]:
        """The gaps between all tries from the first on, until it is given up."""
        task: Task | None = TASK
        gaps = []
        while task:
            later = schedule.after_nothing(task, NOTES, settings, task.due, answered=answered)
            if later:
                gaps.append(later.due - task.due)
                assert later.attempts == task.attempts + 1
                assert (later.key, later.notes) == (TASK.key, TASK.notes)
            task = later
        return gaps

    def test_gaps_double_to_five_minutes_until_the_deadline(self) -> None:
        """The last try is at the deadline itself."""
        gaps = self.gaps(read_settings({"peer_stats": {"give_up_after": "25m"}}))
        assert gaps == [60.0, 120.0, 240.0, 300.0, 300.0, 180.0]
        assert 300.0 + sum(gaps) == 25 * 60

    @pytest.mark.parametrize(
        ("interval", "first"), [("0s", [1.0, 2.0, 4.0]), ("10s", [10.0, 20.0, 40.0]), ("10m", [300.0, 300.0])]
    )
    def test_gaps_begin_with_the_poll_interval(self, interval: str, first: list[float]) -> None:
        """At least a second, at most five minutes."""
        settings = read_settings({"discovery": {"poll_interval": interval}})
        assert self.gaps(settings)[: len(first)] == first

    def test_days_of_tries_stay_finite(self) -> None:
        """Doubling has an end."""
        settings = read_settings({"peer_stats": {"give_up_after": "365d"}})
        task = msgspec.structs.replace(TASK, attempts=100_000)
        later = schedule.after_nothing(task, NOTES, settings, NOON + 400.0, answered=True)
        assert later
        assert later.due == NOON + 700.0

    def test_an_answer_past_the_deadline_ends_it(self) -> None:
        """After a long outage of ours one try is enough when the vendor says there is nothing."""
        assert schedule.after_nothing(TASK, NOTES, SETTINGS, NOON + 172_800.0, answered=True) is None

    @pytest.mark.parametrize("date", [NOON + 400.0, NOON + 172_799.0])
    def test_a_clock_of_ours_that_jumped_ahead_gives_nobody_up(self, date: float) -> None:
        """As long as it is not time by the vendor's."""
        now = NOON + 1e9
        later = schedule.after_nothing(TASK, NOTES, SETTINGS, now, answered=True, date=date)
        assert later
        assert (later.due, later.attempts) == (now + 60.0, 1)

    @pytest.mark.parametrize(("now", "date"), [(1e9, 172_800.0), (172_800.0, 1e9)])
    def test_the_deadline_has_passed_by_both_clocks(self, now: float, date: float) -> None:
        """Then it is given up."""
        assert schedule.after_nothing(TASK, NOTES, SETTINGS, NOON + now, answered=True, date=NOON + date) is None

    def test_a_time_that_never_changes_ends_it_too(self) -> None:
        """Some proxies keep answers: 48 h are 576 tries at the longest gap, and a few at first."""
        last = msgspec.structs.replace(TASK, attempts=576 + 14)
        later = schedule.after_nothing(last, NOTES, SETTINGS, NOON + 1e9, answered=True, date=NOON)
        assert later
        assert schedule.after_nothing(later, NOTES, SETTINGS, NOON + 1e9, answered=True, date=NOON) is None

    def test_failed_calls_past_the_deadline_are_tried_a_few_times(self) -> None:
        """They say nothing about the peer: an outage of the vendor must not turn calls into no data at once."""
        task, now = TASK, NOON + 1e6
        tries = 1
        while later := schedule.after_nothing(task, NOTES, SETTINGS, now, answered=False):
            assert later.due > now
            task, now = later, later.due
            tries += 1
        assert tries == 5

    def test_a_recheck_that_gives_nothing_waits_for_the_next_one(self) -> None:
        """What came before stays; there is nothing to hurry for."""
        later = schedule.after_nothing(TASK, delivered(), SETTINGS, NOON + 3601.0, answered=True)
        assert later
        assert (later.due, later.attempts) == (NOON + 86_400.0, 0)
        assert schedule.after_nothing(TASK, delivered(), SETTINGS, NOON + 86_401.0, answered=True) is None

    def test_a_recheck_that_fails_is_tried_again(self) -> None:
        """Late data is worth a few more calls."""
        later = schedule.after_nothing(TASK, delivered(), SETTINGS, NOON + 3600.0, answered=False)
        assert later
        assert (later.due, later.attempts) == (NOON + 3660.0, 1)


class TestAfterData:
    """Statistics came."""

    @pytest.mark.parametrize(
        ("now", "due"),
        [
            (NOON + 300.0, NOON + 3600.0),
            (NOON + 3600.0, NOON + 86_400.0),
            (NOON + 7200.0, NOON + 86_400.0),
            (NOON + 86_400.0, None),
        ],
    )
    def test_looked_at_again_at_the_next_time_ahead(self, now: float, due: float | None) -> None:
        """Times that passed already are not made up for."""
        task = msgspec.structs.replace(TASK, attempts=7)
        later = schedule.after_data(task, NOTES, SETTINGS, now)
        if due is None:
            assert later is None
        else:
            assert later == Task(key="~again:s1/p1", due=due, notes=delivered().encode())

    def test_without_rechecks_it_is_done(self) -> None:
        """As configured."""
        settings = read_settings({"peer_stats": {"recheck_after": []}})
        assert schedule.after_data(TASK, NOTES, settings, NOON + 300.0) is None


class TestNotes:
    """What a task remembers."""

    @pytest.mark.parametrize("notes", [b"", b"{}", b"\xff", b'{"session": 5}', b"[" * 100_000])
    def test_unreadable_notes_are_made_from_the_key(self, notes: bytes) -> None:
        """A peer that is waited for is not lost by a change of the notes' form."""
        assert read_notes(Task(key="s1/p/1", due=5.0, notes=notes)) == Notes(
            session=SessionFacts(session_id="s1"), peer=PeerFacts(peer_id="p/1"), ended=5.0
        )
        assert read_notes(Task(key="s1/", due=5.0, notes=notes)).peer is None
        again = read_notes(Task(key="~again:s1/p1", due=5.0, notes=notes))
        assert (again.session.session_id, again.peer, again.delivered) == ("s1", PeerFacts(peer_id="p1"), True)

    def test_stays(self) -> None:
        """Only what has both ends in order has a length."""
        assert (stay_seconds(1.0, 4.5), stay_seconds(4.0, 4.0)) == (3.5, 0.0)
        assert stay_seconds(4.0, 1.0) is stay_seconds(None, 1.0) is stay_seconds(1.0, None) is None


class TestSettle:
    """What is handed over."""

    nothing = empty_report(a_session(), PEER)
    rejection = RejectedDocument(reason="malformed", digest=b"d", message="m")

    def report(self, samples: int = 2) -> Report:
        """A parsed report."""
        parsed = parse_peer_stats(audio_stats(samples), a_session(), PEER)
        assert isinstance(parsed, Report)
        return parsed

    def test_data(self) -> None:
        """The report goes out with another task for its recheck, in one delivery; that one is then put off."""
        outcome = Outcome(report=self.report(), answered=True)
        delivery = settle(TASK, NOTES, outcome, self.nothing, SETTINGS, NOON + 300.0)
        assert (delivery.reports, delivery.finished_tasks) == ((self.report(),), ("s1/p1",))
        (again,) = delivery.new_tasks
        assert (again.key, again.due) == ("~again:s1/p1", NOON + 3600.0)
        later = settle(again, read_notes(again), outcome, self.nothing, SETTINGS, NOON + 3600.0)
        assert (later.reports, later.new_tasks, later.finished_tasks) == ((self.report(),), (), ())
        assert [(task.key, task.due) for task in later.postponed_tasks] == [("~again:s1/p1", NOON + 86_400.0)]

    def test_last_data(self) -> None:
        """Nothing is left to ask for."""
        outcome = Outcome(report=self.report(), answered=True)
        delivery = settle(TASK, delivered(), outcome, self.nothing, SETTINGS, NOON + 1e5)
        assert (delivery.reports, delivery.finished_tasks) == ((self.report(),), ("s1/p1",))

    def test_not_ready(self) -> None:
        """Nothing is handed over but the later due time."""
        outcome = Outcome(report=self.report(0), answered=True)
        delivery = settle(TASK, NOTES, outcome, self.nothing, SETTINGS, NOON + 300.0)
        assert (delivery.reports, delivery.rejected, delivery.finished_tasks) == ((), (), ())
        assert [(task.due, task.attempts) for task in delivery.postponed_tasks] == [(NOON + 360.0, 1)]

    def test_given_up(self) -> None:
        """The peer counts, without streams."""
        delivery = settle(TASK, NOTES, Outcome(answered=True), self.nothing, SETTINGS, NOON + 1e6)
        assert (delivery.reports, delivery.finished_tasks) == ((self.nothing,), ("s1/p1",))

    def test_given_up_with_an_empty_answer(self) -> None:
        """What that answer says is what is handed over, its rejections included."""
        raw = b'{"publisher": 5, "room_id": "r9"}'
        parsed = parse_peer_stats(raw, a_session(room_id=""), PEER)
        assert isinstance(parsed, Report)
        delivery = settle(TASK, NOTES, Outcome(report=parsed, answered=True), self.nothing, SETTINGS, NOON + 1e6)
        assert delivery.reports == (parsed,)
        assert delivery.reports[0].rejected_samples == (("wrong_type", 1),)

    def test_a_document_that_is_none(self) -> None:
        """It is told at once, and asked for again."""
        outcome = Outcome(rejected=self.rejection)
        delivery = settle(TASK, NOTES, outcome, self.nothing, SETTINGS, NOON + 300.0)
        assert (delivery.reports, delivery.rejected) == ((), (self.rejection,))
        assert len(delivery.postponed_tasks) == 1

    def test_what_asking_again_would_not_mend(self) -> None:
        """It is given up at once."""
        outcome = Outcome(rejected=self.rejection, answered=True, final=True)
        delivery = settle(TASK, NOTES, outcome, self.nothing, SETTINGS, NOON + 300.0)
        assert (delivery.reports, delivery.rejected) == ((self.nothing,), (self.rejection,))
        assert delivery.finished_tasks == ("s1/p1",)

    def test_a_recheck_never_takes_back(self) -> None:
        """A peer that had data is not handed over as one without."""
        for outcome in (Outcome(answered=True), Outcome(), Outcome(answered=True, final=True)):
            task = msgspec.structs.replace(TASK, attempts=9)
            delivery = settle(task, delivered(), outcome, self.nothing, SETTINGS, NOON + 1e6)
            assert (delivery.reports, delivery.finished_tasks) == ((), ("s1/p1",))
