"""A state of an older version goes on counting exactly where it was, or stays as it was."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.ledger import Ledger, StateError, migrations
from exporter.metrics.catalogue import FAMILIES
from exporter.pipeline.border import Border
from exporter.pipeline.ingest import Committed, Ingest
from exporter.quality import Thresholds
from exporter.sources.base import Delivery, ObjectIdentity, Receipt, RejectedDocument, Task
from tests.reports import START, audio, key, peer, report, summarised

if TYPE_CHECKING:
    from exporter.model import Report

#: Written by version 1: the sessions `gone` (in a room that has expired), `s1` with two peers, and one of `watch`.
VERSION_1 = Path(__file__).parent / "fixtures" / "state" / "version-1.sql"
NOW = START + 600.0


def old_state(folder: Path) -> Path:
    """Makes a state file as version 1 left it."""
    file = folder / "state.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    return file


def deliver(ledger: Ledger, source: str, *reports: Report, **more: object) -> Committed:
    """Delivers reports."""
    ingest = Ingest(ledger, FAMILIES, Thresholds(), Border())
    return ingest.commit(source, Delivery(reports=reports, **more), NOW + 3600.0)  # type: ignore[arg-type] # any fields


def schema(file: Path) -> list[tuple[str, str]]:
    """Each table's columns."""
    connection = sqlite3.connect(file)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        return [(name, str(connection.execute(f"PRAGMA table_info({name})").fetchall())) for name in tables]
    finally:
        connection.close()


def tallies(ledger: Ledger) -> dict[tuple[str, str], float]:
    """The sums that no other table shows."""
    rows = ledger._connection.execute("SELECT source, name, amount FROM tallies")  # noqa: SLF001 - no one else asks
    return {(source, name): amount for source, name, amount in rows}


class TestFirstVersion:
    """A state that was written by version 1."""

    def test_what_was_counted_is_a_duplicate(self, tmp_path: Path) -> None:
        """Every report that version 1 counted adds nothing, whether its room is still there or not."""
        old_state(tmp_path)
        ledger = Ledger.open(tmp_path)
        counts = dict(ledger.counts)
        gone = report(peer("p1", audio([0.0])), peer("p2", audio([0.1])), of=key("gone", "old"))
        assert deliver(ledger, "prod", gone).receipt == Receipt(duplicate=2)
        assert deliver(ledger, "prod", report(peer("p1", audio([0.0, 0.02])))).receipt == Receipt(duplicate=1)
        assert deliver(ledger, "prod", report(peer("p2", audio([0.3])))).receipt == Receipt(duplicate=1)
        assert deliver(ledger, "watch", summarised(0.0)).receipt == Receipt(duplicate=1)
        bad = RejectedDocument(reason="malformed", digest=b"d" * 16, message="bad")
        assert deliver(ledger, "watch", rejected=(bad,)).receipt == Receipt()
        changed = {series for series, count in ledger.counts.items() if counts.get(series) != count}
        assert {series[0] for series in changed} == {"webrtc_exporter_reports_duplicate_total"}
        ledger.close()

    def test_growth_adds_the_difference(self, tmp_path: Path) -> None:
        """A peer with two windows that comes with three adds one; one with a summary adds nothing."""
        old_state(tmp_path)
        ledger = Ledger.open(tmp_path)
        samples = ("webrtc_sample_packet_loss_ratio", "prod", "standup", "send", "audio")
        # p1 had losses of 0 and 2 %, p2 one of 30 %.
        assert sum(ledger.counts[samples].amounts[:-1]) == 3.0
        grown = deliver(ledger, "prod", report(peer("p1", audio([0.0, 0.02, 0.0]))))
        assert grown.receipt == Receipt(grown=1)
        assert sum(ledger.counts[samples].amounts[:-1]) == 4.0
        assert ledger.counts["webrtc_media_seconds_total", "prod", "standup", "send", "audio", "good"].amounts == [20.0]
        assert deliver(ledger, "watch", summarised(0.5)).receipt == Receipt(duplicate=1)
        ledger.close()

    def test_what_is_new_counts(self, tmp_path: Path) -> None:
        """A new session is added to what the counters had."""
        old_state(tmp_path)
        ledger = Ledger.open(tmp_path)
        assert deliver(ledger, "prod", report(peer("p1", audio([0.0])), of=key("s9"))).receipt == Receipt(new=1)
        assert ledger.counts["webrtc_sessions_total", "prod", "standup"].amounts == [2.0]
        assert not ledger.counts["webrtc_sessions_total", "prod", "standup"].held
        ledger.close()

    def test_the_rest_is_kept(self, tmp_path: Path) -> None:
        """Sessions in view, tasks, objects and buckets."""
        old_state(tmp_path)
        ledger = Ledger.open(tmp_path)
        assert [stored.session.key for stored in ledger.sessions()] == [key("s1"), key(source="watch")]
        assert ledger.due_tasks("prod", NOW + 60.0, 9) == [Task(key="s2/p1", due=NOW + 60.0, notes=b"notes")]
        assert ledger.unread("watch", [ObjectIdentity("a.json", "1")], NOW) == []
        with pytest.raises(StateError, match="buckets differ"):
            ledger.keep_bounds({"webrtc_peer_session_mos": (9.0,)}, NOW)
        ledger.close()

    def test_marks_and_counts_add_up(self, tmp_path: Path) -> None:
        """One session and two peers left with their room, which version 1 did not note."""
        old_state(tmp_path)
        ledger = Ledger.open(tmp_path)
        assert tallies(ledger) == {("", "departed_sessions"): 1.0, ("", "departed_peers"): 2.0}
        with ledger.transaction(NOW) as transaction:
            transaction.remove([series for series in ledger.counts if series[1] == "prod" and len(series) > 2])
        assert tallies(ledger) == {
            ("", "departed_sessions"): 1.0,
            ("", "departed_peers"): 2.0,
            ("prod", "departed_sessions"): 1.0,
            ("prod", "departed_peers"): 2.0,
        }
        ledger.close()

    def test_it_has_the_tables_of_a_new_one(self, tmp_path: Path) -> None:
        """Whatever version a state began with, it ends with the same tables."""
        (tmp_path / "old").mkdir()
        file = old_state(tmp_path / "old")
        Ledger.open(tmp_path / "old").close()
        Ledger.open(tmp_path / "new").close()
        assert schema(file) == schema(tmp_path / "new" / "state.sqlite")


class TestSteps:
    """All steps or none."""

    def test_a_step_that_fails_leaves_the_old_version(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file is as it was, and this version opens it once the trouble is over."""

        def fail(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TABLE half_done (a)")
            message = "disk I/O error"
            raise sqlite3.OperationalError(message)

        file = old_state(tmp_path)
        before = schema(file)
        with monkeypatch.context() as patched:
            patched.setattr(migrations, "STEPS", (*migrations.STEPS, fail))
            with pytest.raises(StateError, match=r"state\.sqlite: .*disk I/O error"):
                Ledger.open(tmp_path)
        assert schema(file) == before
        ledger = Ledger.open(tmp_path)
        assert ("webrtc_sessions_total", "prod", "standup") in ledger.counts
        ledger.close()

    @pytest.mark.live
    def test_a_process_killed_in_a_step_leaves_the_old_version(self, tmp_path: Path) -> None:
        """SIGKILL when the new tables are written and not committed."""
        program = (
            "import sys, time; from pathlib import Path; from exporter.ledger import Ledger, migrations\n"
            "def wait(connection): print('in the middle', flush=True); time.sleep(60)\n"
            "migrations.STEPS = (*migrations.STEPS, wait)\n"
            "Ledger.open(Path(sys.argv[1]))\n"
        )
        file = old_state(tmp_path)
        before = schema(file)
        with subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            process.send_signal(signal.SIGKILL)
        assert schema(file) == before
        ledger = Ledger.open(tmp_path)
        assert deliver(ledger, "watch", summarised(0.0)).receipt == Receipt(duplicate=1)
        ledger.close()
