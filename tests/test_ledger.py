"""The ledger: all of a transaction or nothing of it, across restarts, for one process at a time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from exporter.ledger import Count, Ledger, SeenPeer, StateError, StateUnavailableError
from exporter.model import Session
from exporter.remembered import ObjectIdentity, Task
from tests.reports import START, key, peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERIES = ("webrtc_sessions_total", "prod", "standup")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def reopened(ledger: Ledger, folder: Path) -> Ledger:
    """The same state, as another process would find it."""
    ledger.close()
    return Ledger.open(folder)


class TestTransactions:
    """What one transaction changes is there as a whole, in memory and on disk."""

    def test_counts_add_up_and_survive_a_restart(self, tmp_path: Path) -> None:
        """A counter goes on where it was."""
        ledger = Ledger.open(tmp_path)
        for _ in range(3):
            with ledger.transaction(START) as transaction:
                transaction.add({SERIES: [2.0]}, hold=True)
        ledger = reopened(ledger, tmp_path)
        assert ledger.counts == {SERIES: Count([6.0], START, held=True)}
        ledger.close()

    def test_an_exception_undoes_everything(self, ledger: Ledger) -> None:
        """Neither marks nor counts nor sessions are left of a transaction that failed."""

        def fail() -> None:
            with ledger.transaction(START) as transaction:
                transaction.remember_session(key(), START)
                transaction.add({SERIES: [1.0]}, hold=False)
                transaction.put_session(Session(key=key()))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert ledger.counts == {}
        assert list(ledger.sessions()) == []
        with ledger.transaction(START) as transaction:
            assert not transaction.seen_session(key())

    def test_a_full_disk_undoes_everything(self, ledger: Ledger) -> None:
        """SQLite's own failure in the middle leaves memory and disk as they were, and the ledger usable."""
        ledger._connection.execute("PRAGMA max_page_count = 40")  # noqa: SLF001 - how a disk is made full

        def fill() -> None:
            with ledger.transaction(START) as transaction:
                transaction.add({SERIES: [1.0]}, hold=False)
                for number in range(10_000):
                    transaction.add_task("prod", Task(key=f"{number}", due=0.0, notes=b"x" * 500))

        with pytest.raises(StateUnavailableError, match=r"state\.sqlite: .*full.*see to the space on its disk"):
            fill()
        assert ledger.counts == {}
        assert ledger.due_tasks("prod", START, 10) == []
        with ledger.transaction(START) as transaction:
            transaction.add({SERIES: [1.0]}, hold=False)
        assert ledger.counts[SERIES].amounts == [1.0]

    def test_held_series_can_be_shown(self, tmp_path: Path) -> None:
        """Whether a series still shows zeros survives a restart."""
        ledger = Ledger.open(tmp_path)
        with ledger.transaction(START) as transaction:
            transaction.add({SERIES: [1.0]}, hold=True)
        with ledger.transaction(START + 30) as transaction:
            transaction.show([SERIES])
        ledger = reopened(ledger, tmp_path)
        assert ledger.counts == {SERIES: Count([1.0], START, held=False)}
        ledger.close()

    def test_removed_series_are_gone(self, tmp_path: Path) -> None:
        """A series that expired begins at zero if it ever comes back."""
        ledger = Ledger.open(tmp_path)
        with ledger.transaction(START) as transaction:
            transaction.add({SERIES: [1.0]}, hold=False)
        with ledger.transaction(START) as transaction:
            transaction.remove([SERIES])
        assert ledger.counts == {}
        ledger = reopened(ledger, tmp_path)
        assert ledger.counts == {}
        ledger.close()


class TestMarks:
    """What was seen is known, and told apart from what is alike."""

    def test_sessions_and_rejections_are_new_once(self, ledger: Ledger) -> None:
        """The second time they are not new; another room, source or document is."""
        with ledger.transaction(START) as transaction:
            transaction.remember_session(key(), START)
            assert transaction.seen_session(key())
            assert not transaction.seen_session(key(room_id="other"))
            assert not transaction.seen_session(key(source="other"))
            assert transaction.is_new_rejection("prod", b"digest")
            assert not transaction.is_new_rejection("prod", b"digest")
            assert transaction.is_new_rejection("other", b"digest")

    def test_identities_that_run_together_stay_apart(self, ledger: Ledger) -> None:
        """Room "a", session "bc" is not room "ab", session "c"."""
        with ledger.transaction(START) as transaction:
            transaction.remember_session(key("bc", "a"), START)
            assert not transaction.seen_session(key("c", "ab"))

    def test_stays_are_remembered(self, ledger: Ledger) -> None:
        """A stay is found by session, peer and stay, with what was remembered of it."""
        seen = SeenPeer(b"print", 3, b"counted")
        with ledger.transaction(START) as transaction:
            assert transaction.seen_peer(key(), "p1", "") is None
            transaction.remember_peer(key(), peer("p1"), START, seen)
        with ledger.transaction(START) as transaction:
            assert transaction.seen_peer(key(), "p1", "") == seen
            assert transaction.seen_peer(key(), "p1", "again") is None


class TestTasksAndObjects:
    """What a source wants to be remembered."""

    def test_tasks_are_due_in_their_order(self, tmp_path: Path) -> None:
        """The longest due first, of this source only, unfinished only, as many as asked for, after a restart too."""
        ledger = Ledger.open(tmp_path)
        with ledger.transaction(START) as transaction:
            for name, due in (("b", 20.0), ("a", 10.0), ("c", 30.0), ("later", 99.0), ("done", 1.0)):
                transaction.add_task("prod", Task(key=name, due=due, notes=name.encode()))
            transaction.add_task("other", Task(key="x", due=0.0))
            transaction.finish_task("prod", "done")
        ledger = reopened(ledger, tmp_path)
        assert ledger.due_tasks("prod", 30.0, 2) == [
            Task(key="a", due=10.0, notes=b"a"),
            Task(key="b", due=20.0, notes=b"b"),
        ]
        assert [task.key for task in ledger.due_tasks("prod", 30.0, 9)] == ["a", "b", "c"]
        ledger.close()

    def test_a_known_key_is_never_added_again(self, ledger: Ledger) -> None:
        """Neither a waiting task nor a finished one is changed by being announced again; postponing changes it."""
        with ledger.transaction(START) as transaction:
            transaction.add_task("prod", Task(key="a", due=10.0))
            transaction.add_task("prod", Task(key="a", due=5.0))
            transaction.add_task("prod", Task(key="b", due=1.0))
            transaction.finish_task("prod", "b")
            transaction.add_task("prod", Task(key="b", due=1.0))
            transaction.postpone_task("prod", Task(key="a", due=15.0, attempts=2, notes=b"n"))
        assert ledger.due_tasks("prod", 20.0, 9) == [Task(key="a", due=15.0, attempts=2, notes=b"n")]

    def test_objects_are_read_by_version(self, ledger: Ledger) -> None:
        """The same name with another tag is unread again; order is kept."""
        with ledger.transaction(START) as transaction:
            transaction.read_object("prod", ObjectIdentity("a.json", "1"))
        wanted = [ObjectIdentity("b.json", "1"), ObjectIdentity("a.json", "1"), ObjectIdentity("a.json", "2")]
        assert ledger.unread("prod", wanted, START) == [wanted[0], wanted[2]]
        assert ledger.unread("other", wanted, START) == wanted

    def test_what_waits_is_counted(self, ledger: Ledger) -> None:
        """Due or not, but not what is finished, nor what is put aside."""
        with ledger.transaction(START) as transaction:
            for at, key_ in enumerate(["a", "~a", "~b", "c~", "d", ""]):
                assert transaction.add_task("prod", Task(key=key_, due=1e12 * at))
            assert transaction.add_task("other", Task(key="a", due=0.0))
            assert not transaction.add_task("prod", Task(key="a", due=0.0))
            transaction.finish_task("prod", "d")
            transaction.finish_task("prod", "~b")
        assert ledger.waiting_tasks("prod") == 3
        assert ledger.waiting_tasks("other") == 1
        assert ledger.waiting_tasks("nobody") == 0

    def test_counting_what_waits_does_not_read_what_is_finished(self, ledger: Ledger) -> None:
        """There are many more of those; the index of unfinished tasks has all that is needed."""
        asked: list[str] = []
        ledger._connection.set_trace_callback(asked.append)  # noqa: SLF001 - what SQLite is asked
        ledger.waiting_tasks("prod")
        ledger._connection.set_trace_callback(None)  # noqa: SLF001 - as above
        (plan,) = ledger._connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")  # noqa: SLF001 - as above
        assert "USING COVERING INDEX tasks_by_due" in plan[3]


class TestOpening:
    """A state that cannot be used is one clear error; never a silent fresh start."""

    def test_a_second_process_is_refused(self, tmp_path: Path) -> None:
        """The lock names the way out, and is free again after close."""
        ledger = Ledger.open(tmp_path)
        with pytest.raises(StateError, match=r"state\.lock: another process uses this state"):
            Ledger.open(tmp_path)
        reopened(ledger, tmp_path).close()

    @pytest.mark.live
    def test_a_killed_process_leaves_state_and_lock_usable(self, tmp_path: Path) -> None:
        """SIGKILL in the middle of a transaction: what was committed is there, what was not is not."""
        program = (
            "import sys, time; from pathlib import Path; from exporter.ledger import Ledger\n"
            "ledger = Ledger.open(Path(sys.argv[1]))\n"
            "with ledger.transaction(1.0) as t: t.add({('webrtc_sessions_total', 'p', 'r'): [1.0]}, hold=False)\n"
            "with ledger.transaction(2.0) as t:\n"
            "    t.add({('webrtc_sessions_total', 'p', 'r'): [1.0]}, hold=False); t.write_counts()\n"
            "    print('in the middle', flush=True); time.sleep(60)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            process.send_signal(signal.SIGKILL)
        ledger = Ledger.open(tmp_path)
        assert ledger.counts[("webrtc_sessions_total", "p", "r")].amounts == [1.0]
        ledger.close()

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        """What is no database is named, with the way out, and left as it is."""
        (tmp_path / "state.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
        with pytest.raises(StateError, match=r"state\.sqlite: expected a state file .* restore it from a backup"):
            Ledger.open(tmp_path)
        assert (tmp_path / "state.sqlite").read_bytes().startswith(b"not a database")

    def test_another_programs_database_is_refused(self, tmp_path: Path) -> None:
        """A database that is not ours is not written to."""
        with sqlite3.connect(tmp_path / "state.sqlite") as connection:
            connection.execute("CREATE TABLE theirs (a)")
        connection.close()
        with pytest.raises(StateError, match="found another database"):
            Ledger.open(tmp_path)

    def test_a_newer_state_is_refused(self, tmp_path: Path) -> None:
        """A state of a newer version is refused and names both versions."""
        Ledger.open(tmp_path).close()
        with sqlite3.connect(tmp_path / "state.sqlite") as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(StateError, match="state version 99, this one knows 3"):
            Ledger.open(tmp_path)

    def test_a_folder_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        """A file in the folder's place is an error that names the flag."""
        (tmp_path / "data").write_text("in the way")
        with pytest.raises(StateError, match=r"set --storage\.path"):
            Ledger.open(tmp_path / "data")

    def test_buckets_are_fixed_for_the_life_of_a_state(self, tmp_path: Path) -> None:
        """Other bounds are refused with the old ones named; new families and the same bounds are not."""
        ledger = Ledger.open(tmp_path)
        ledger.keep_bounds({"webrtc_a": (1.0, 2.0)}, START)
        ledger = reopened(ledger, tmp_path)
        ledger.keep_bounds({"webrtc_a": (1.0, 2.0), "webrtc_b": (5.0,)}, START)
        with pytest.raises(StateError, match=r"webrtc_b: the buckets differ .* \(expected 5\.0\)"):
            ledger.keep_bounds({"webrtc_a": (1.0, 2.0), "webrtc_b": (6.0,)}, START)
        ledger.close()

    def test_the_size_on_disk_is_told(self, ledger: Ledger) -> None:
        """The database and what belongs to it."""
        assert ledger.size() > 0
