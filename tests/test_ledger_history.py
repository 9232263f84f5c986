"""What was seen is remembered for its time and no longer, and nothing counts twice whatever the clocks say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.ledger import HISTORY_SECONDS
from exporter.model import Peer, Report, Session, SessionKey
from exporter.sources.base import ObjectIdentity, Receipt, RejectedDocument, Task
from tests.ledger_support import DAY, Desk
from tests.reports import START, audio, key, peer, summarised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

YEAR_2099 = 4_070_908_800.0
TOO_OLD = ("webrtc_exporter_reports_rejected_total", "prod", "too_old")
SESSIONS = ("webrtc_sessions_total", "prod", "standup")
SAMPLES = ("webrtc_sample_packet_loss_ratio", "prod", "standup", "send", "audio")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty one."""
    opened = Desk(tmp_path)
    yield opened
    opened.check()
    opened.ledger.close()


def called(name: str, end: float, *peers: Peer, source: str = "prod") -> Report:
    """A session of that name that ended then."""
    session = Session(key=key(name, source=source), start=end - 60.0, end=end, duration_seconds=60.0)
    return Report(session=session, peers=peers or (peer("p1", audio([0.0])),))


class TestForgetting:
    """Marks go when their time is over, and what they stood for is refused from then on."""

    def test_marks_go_after_their_time(self, desk: Desk) -> None:
        """45 days after its end and its last delivery a session is forgotten, not a day before."""
        desk.deliver(called("a", START, peer("p1"), peer("p2")), now=START + 600.0)
        desk.deliver(called("b", START + HISTORY_SECONDS), now=START + HISTORY_SECONDS)
        desk.forget(START + HISTORY_SECONDS)
        assert (desk.rows("seen_sessions"), desk.rows("seen_peers")) == (2, 3)
        desk.deliver(called("c", START + HISTORY_SECONDS + DAY), now=START + HISTORY_SECONDS + DAY)
        desk.forget(START + HISTORY_SECONDS + DAY)
        assert (desk.rows("seen_sessions"), desk.rows("seen_peers")) == (2, 2)
        assert desk.tally("prod", "forgotten_sessions") == 1.0
        assert desk.tally("prod", "forgotten_peers") == 2.0
        assert desk.tally("prod", "forgotten_before") == START

    def test_what_may_have_been_counted_is_refused(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        """A forgotten session counts no more; it is rejected once and visible, in every form it comes in."""
        old = called("a", START, peer("p1", audio([0.0])), peer("p2"))
        now = START + 2 * HISTORY_SECONDS
        desk.deliver(old, now=START + 600.0)
        desk.deliver(called("b", now), now=now)
        desk.forget(now)
        counts = dict(desk.ledger.counts)
        assert desk.deliver(old, now=now).receipt == Receipt(rejected=1)
        assert desk.deliver(old, now=now + 60.0).receipt == Receipt()
        desk.restart()
        assert desk.deliver(old, now=now + 120.0).receipt == Receipt()
        assert desk.deliver(called("never seen", START - DAY), now=now).receipt == Receipt(rejected=1)
        assert desk.deliver(Report(session=called("nobody", START).session), now=now).receipt == Receipt(rejected=1)
        changed = {series for series, count in desk.ledger.counts.items() if counts.get(series) != count}
        assert changed == {TOO_OLD}
        assert desk.count(*TOO_OLD) == 3.0
        assert "prod: too_old: session 'a' in room 'standup'" in caplog.text

    def test_a_late_peer_of_a_session_long_ago_is_refused(self, desk: Desk) -> None:
        """Its session is still delivered and known; the peer may have been counted and forgotten."""
        desk.deliver(called("a", START), now=START)
        desk.deliver(called("b", START), now=START)
        now = START + 2 * HISTORY_SECONDS
        desk.deliver(called("a", START), called("new", now), now=now)
        desk.forget(now)
        late = called("a", START, peer("p1", audio([0.0])), peer("late"))
        assert desk.deliver(late, now=now).receipt == Receipt(duplicate=1, rejected=1)

    def test_what_is_new_counts_beside_it(self, desk: Desk) -> None:
        """Whatever ended after the newest of the forgotten counts, as late as it may come."""
        desk.deliver(called("a", START), now=START)
        now = START + 2 * HISTORY_SECONDS
        desk.deliver(called("b", now), now=now)
        desk.forget(now)
        assert desk.deliver(called("late", START + 1.0), now=now).receipt == Receipt(new=1)
        assert desk.count(*SESSIONS) == 3.0

    def test_old_data_that_is_read_for_the_first_time_counts(self, desk: Desk) -> None:
        """A bucket with a year of calls: all of it, however long that takes, as nothing was forgotten before."""
        now = START + 365 * DAY
        for day in range(365):
            desk.deliver(called(f"{day}", START + day * DAY), now=now + day * 60.0)
            desk.forget(now + day * 60.0, steps=10)
        assert desk.count(*SESSIONS) == 365.0
        assert desk.tally("prod", "forgotten_before") is None

    def test_each_source_has_its_own_watermark(self, desk: Desk) -> None:
        """A source that is new and has old calls is not refused for what another one has forgotten."""
        desk.deliver(called("a", START), now=START)
        now = START + 2 * HISTORY_SECONDS
        desk.deliver(called("b", now), now=now)
        desk.forget(now)
        old = called("a", START - DAY, source="other")
        assert desk.deliver(old, now=now, source="other").receipt == Receipt(new=1)

    def test_what_is_still_delivered_stays(self, desk: Desk) -> None:
        """A session in a file that is read again and again is a duplicate for as long as that goes on."""
        one = called("a", START)
        for day in range(200):
            now = START + day * DAY
            receipt = desk.deliver(one, called(f"{day}", now), now=now).receipt
            assert receipt == (Receipt(new=1, duplicate=1) if day else Receipt(new=2))
            desk.forget(now)
        assert desk.count(*TOO_OLD) == 0.0
        # Those of the last 46 days, a round being a day long, and the one that is delivered each day.
        assert desk.rows("seen_sessions") <= 48

    def test_a_session_without_any_time_is_remembered_for_good(self, desk: Desk) -> None:
        """Nothing would tell it from a new one: a configured session whose peers never had data is asked for anew."""
        timeless = Report(session=Session(key=key("fixed")), peers=(Peer(peer_id="p1"),))
        desk.deliver(timeless, now=START)
        now = START + 3 * HISTORY_SECONDS
        desk.deliver(called("b", now), now=now)
        desk.forget(now)
        assert desk.deliver(timeless, now=now).receipt == Receipt(duplicate=1)

    def test_a_round_goes_on_in_the_next_process(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that is restarted again and again forgets all the same."""
        monkeypatch.setattr("exporter.ledger.history.ROWS_A_STEP", 2)
        desk = Desk(tmp_path)
        for number in range(20):
            desk.deliver(called(f"{number}", START), now=START)
        now = START + 2 * HISTORY_SECONDS
        desk.deliver(called("new", now), now=now)
        for _ in range(25):
            desk.restart()
            desk.forget(now, steps=1)
        assert desk.rows("seen_sessions") == 1
        assert desk.rows("seen_peers") == 1
        desk.check()
        desk.ledger.close()


class TestClocks:
    """A clock that is wrong for a while, ours or a vendor's, ruins nothing."""

    def test_our_clock_jumps_ahead_and_back(self, desk: Desk) -> None:
        """Year 2099 for an hour: nothing is forgotten, nothing counts twice, nothing new is refused."""
        desk.deliver(called("before", START), now=START)
        for minute in range(60):
            now = YEAR_2099 + minute * 60.0
            desk.deliver(called(f"meanwhile {minute}", START + minute), now=now)
            desk.forget(now)
        now = START + 3600.0
        desk.forget(now)
        assert desk.tally("prod", "forgotten_before") is None
        assert desk.deliver(called("before", START), called("meanwhile 7", START + 7), now=now).receipt == Receipt(
            duplicate=2
        )
        assert desk.deliver(called("after", START + 3500.0), now=now).receipt == Receipt(new=1)
        # What was noted in 2099 grows old from now on.
        now += 2 * HISTORY_SECONDS
        desk.deliver(called("new", now), now=now)
        desk.forget(now)
        assert desk.rows("seen_sessions") == 1

    def test_our_clock_begins_in_1970(self, desk: Desk) -> None:
        """A machine without a battery: what is counted before it learns the time is known afterwards."""
        desk.deliver(called("a", START), now=100.0, rejected=())
        desk.forget(160.0)
        now = START + 3600.0
        desk.deliver(called("b", now), now=now)
        desk.forget(now)
        assert desk.deliver(called("a", START), now=now).receipt == Receipt(duplicate=1)
        assert desk.deliver(called("c", START), now=now).receipt == Receipt(new=1)

    def test_a_vendor_dates_sessions_into_the_future(self, desk: Desk) -> None:
        """They are known for as long as they come, and what is forgotten is told by its own time."""
        desk.deliver(called("odd", YEAR_2099), called("odder", YEAR_2099 + 400 * DAY), called("a", START), now=START)
        for days in (50, 100):
            now = START + days * DAY
            desk.forget(now)
            odd = called("odd", YEAR_2099), called("odder", YEAR_2099 + 400 * DAY)
            assert desk.deliver(*odd, now=now).receipt == Receipt(duplicate=2)
            assert desk.deliver(called(f"{days}", now - DAY), now=now).receipt == Receipt(new=1)
        # That of the first new one, which was old enough when the second came.
        assert desk.tally("prod", "forgotten_before") == START + 49 * DAY


class TestTheRest:
    """Rejected documents, objects and finished tasks are remembered as long as they may come again."""

    def test_finished_tasks_go(self, desk: Desk) -> None:
        """A task that waits stays however old it is, and so does a finished one that is still announced."""
        desk.deliver(
            now=START,
            new_tasks=tuple(Task(key=name, due=YEAR_2099) for name in ("waits", "done", "announced")),
            finished_tasks=("done", "announced"),
        )
        for day in range(1, 60):
            now = START + day * DAY
            desk.deliver(called(f"{day}", now), now=now, new_tasks=(Task(key="announced", due=now),))
            desk.forget(now)
        assert desk.rows("tasks") == 2
        assert desk.ledger.due_tasks("prod", now, 9) == []
        assert [task.key for task in desk.ledger.due_tasks("prod", YEAR_2099, 9)] == ["waits"]

    def test_objects_stay_as_long_as_they_are_listed(self, desk: Desk) -> None:
        """One that the store lists is never read again; what is gone for 45 days is forgotten."""
        listed, gone = ObjectIdentity("listed.json", "1"), ObjectIdentity("gone.json", "1")
        desk.deliver(now=START, read_objects=(listed, gone))
        for day in range(1, 60):
            now = START + day * DAY
            desk.deliver(called(f"{day}", now), now=now)
            assert desk.ledger.unread("prod", [listed], now) == []
            desk.forget(now)
        assert desk.rows("objects") == 1
        assert desk.ledger.unread("prod", [gone], now) == [gone]

    def test_a_listing_writes_little(self, desk: Desk) -> None:
        """That objects are still there is noted once a day, not at every poll."""
        listed = [ObjectIdentity(f"{number}", "1") for number in range(100)]
        desk.deliver(now=START, read_objects=tuple(listed))
        before = desk.ledger._connection.total_changes  # noqa: SLF001 - what was written
        for minute in range(3 * 1440):
            desk.ledger.unread("prod", listed[:2], START + minute * 60.0)
        assert desk.ledger._connection.total_changes - before == 2 * 2  # noqa: SLF001 - as above

    def test_rejected_documents_go(self, desk: Desk) -> None:
        """One that still comes is never counted again; one that came once is forgotten."""
        once, always = (RejectedDocument(reason="malformed", digest=name, message="bad") for name in (b"1", b"2"))
        for day in range(60):
            now = START + day * DAY
            desk.deliver(called(f"{day}", now), now=now, rejected=(always,) if day else (once, always))
            desk.forget(now)
        assert desk.rows("seen_rejected") == 1
        assert desk.count("webrtc_exporter_reports_rejected_total", "prod", "malformed") == 2.0


class TestGrowth:
    """What a report added is kept while it can grow, and takes little room."""

    def test_a_recent_report_grows(self, desk: Desk) -> None:
        """A week later the difference is added."""
        desk.deliver(called("a", START, peer("p1", audio([0.0, 0.0]))), now=START)
        now = START + 7 * DAY
        desk.deliver(called("b", now, peer("p1")), now=now)
        desk.forget(now)
        grown = called("a", START, peer("p1", audio([0.0, 0.0, 0.3])))
        assert desk.deliver(grown, now=now).receipt == Receipt(grown=1)
        assert sum(desk.ledger.counts[SAMPLES].amounts[:-1]) == 3.0

    def test_an_old_report_grows_no_more(self, desk: Desk) -> None:
        """After eight days more windows are a duplicate, not a second count of all of them."""
        desk.deliver(called("a", START, peer("p1", audio([0.0, 0.0]))), now=START)
        now = START + 9 * DAY
        desk.deliver(called("b", now, peer("p1")), now=now)
        desk.forget(now)
        grown = called("a", START, peer("p1", audio([0.0, 0.0, 0.3])))
        assert desk.deliver(grown, now=now).receipt == Receipt(duplicate=1)
        assert sum(desk.ledger.counts[SAMPLES].amounts[:-1]) == 2.0

    def test_a_peer_without_data_gets_all_of_it_later(self, desk: Desk) -> None:
        """Given up as unclassified, and then its statistics come: they add all samples, and no second peer."""
        desk.deliver(called("a", START, peer("p1")), now=START)
        desk.restart()
        assert desk.deliver(called("a", START, peer("p1", audio([0.0] * 4))), now=START).receipt == Receipt(grown=1)
        assert sum(desk.ledger.counts[SAMPLES].amounts[:-1]) == 4.0
        assert desk.count("webrtc_peer_sessions_total", "prod", "standup", "unclassified", "") == 1.0

    def test_a_summary_keeps_nothing(self, desk: Desk) -> None:
        """It says all at once: no other values of the same peer are counted beside it."""
        desk.deliver(summarised(0.0), now=START, source="watch")
        kept = desk.ledger._connection.execute("SELECT counted FROM seen_peers").fetchall()  # noqa: SLF001 - as on disk
        assert kept == [(b"",)]


class TestRoom:
    """The state takes no more room on disk than it needs, for long."""

    def test_what_was_freed_is_given_back(self, desk: Desk) -> None:
        """After a burst of which nothing is left the file is small again."""
        many = tuple(Task(key=f"{number}", due=START, notes=b"x" * 1000) for number in range(10_000))
        desk.deliver(now=START, new_tasks=many)
        desk.deliver(now=START, finished_tasks=tuple(task.key for task in many))
        desk.ledger._connection.execute("PRAGMA wal_checkpoint")  # noqa: SLF001 - as SQLite does by itself, in time
        large = desk.ledger.size()
        assert large > 10_000_000
        for _ in range(100):
            desk.ledger.forget(START)
        desk.restart()
        # A step leaves some free pages for what comes next.
        assert desk.ledger.size() < large / 8

    def test_the_log_is_cut_back(self, desk: Desk) -> None:
        """A delivery of 40 MB makes the write-ahead log long only until the next ones."""
        log = desk.folder / "state.sqlite-wal"
        desk.deliver(now=START, new_tasks=tuple(Task(key=f"{n}", due=START, notes=b"x" * 4000) for n in range(10_000)))
        assert log.stat().st_size > 40_000_000
        for number in range(3):
            desk.deliver(called(f"{number}", START), now=START)
        assert log.stat().st_size <= 16 << 20


HISTORY = 10 * DAY
#: How late after its end a vendor delivers a session for the first time, at most.
HORIZON = 7 * DAY
sessions = st.tuples(
    st.sampled_from(["a", "b"]),
    st.integers(0, 100),
    st.floats(0.0, HORIZON - DAY),
    st.lists(st.floats(0.0, 60 * DAY), max_size=3),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(sessions, min_size=1, max_size=40), st.lists(st.integers(0, 160), max_size=4))
def test_every_session_counts_once_however_late_it_comes_again(
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[tuple[str, int, float, list[float]]],
    restarts: list[int],
) -> None:
    """A hundred days of sessions are delivered within the horizon, and again at any time: in the end all marks go."""
    desk = Desk(tmp_path_factory.mktemp("state"), history_seconds=HISTORY)
    planned: dict[int, list[tuple[float, Report]]] = {}
    expected: set[SessionKey] = set()
    for source, day, first, again in calls:
        end = START + day * DAY
        one = called(f"{day}", end, source=source)
        expected.add(one.session.key)
        for delay in (first, *(first + later for later in again)):
            planned.setdefault(int(day + delay // DAY), []).append((end + delay, one))
    for day in range(170):
        for now, one in sorted(planned.get(day, []), key=lambda delivery: delivery[0]):
            desk.deliver(one, now=now, source=one.session.key.source)
        desk.forget(START + day * DAY, steps=7)
        if day in restarts:
            desk.restart()
    counted = sum(count.amounts[0] for series, count in desk.ledger.counts.items() if series[0] == SESSIONS[0])
    assert counted == len(expected)
    now = START + 400 * DAY
    desk.deliver(called("last", now), now=now)
    desk.forget(now)
    assert desk.rows("seen_sessions") == desk.rows("seen_peers") == 1
    desk.check()
    desk.ledger.close()
