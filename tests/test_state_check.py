"""`state check`: nothing is found in what the program writes, and every kind of damage is."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from exporter import cli
from exporter.ledger import StateError
from exporter.pipeline.border import Border
from exporter.pseudonyms import Pseudonyms
from exporter.sources.base import Task
from exporter.state.findings import Finding, shortened
from tests import state_damage
from tests.ledger_support import Desk
from tests.reports import audio, key, peer, report, summarised
from tests.state_support import NOW, Exporter, busy_state, by_hand, exporting, findings

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSIONS = ("webrtc_sessions_total", "prod", "standup")
GOOD = ("webrtc_peer_sessions_total", "prod", "standup", "good", "")
DURATION = ("webrtc_peer_session_duration_seconds", "prod", "standup")
LAG = ("webrtc_report_lag_seconds", "prod")
LOSS = ("webrtc_sample_packet_loss_ratio", "prod", "standup", "send", "audio")


pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture(scope="module")
def busy() -> Iterator[Path]:
    """A state with something of everything, not to be changed."""
    with TemporaryDirectory() as name:
        busy_state(Path(name))
        yield Path(name)


@pytest.fixture
def state(busy: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    shutil.copytree(busy, tmp_path / "state")
    return tmp_path / "state"


class TestNothingWrong:
    """What the program itself wrote is found right."""

    def test_something_of_everything(self, busy: Path) -> None:
        """Two sources, growth, an expired room, rejections, tasks and objects."""
        assert findings(busy) == []

    def test_it_says_what_it_looked_at(self, busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Part by part, on standard output, and ends with 0."""
        assert cli.main(["state", "check", f"--storage.path={busy}"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{busy}/state.sqlite: OK",
            "  integrity: the database file, by SQLite's own check",
            "  schema: the tables of state version 3",
            "  series: 31 series: labels, buckets, amounts",
            "  marks: marks of 4 sessions and 5 peers",
            "  view: 3 sessions and 4 peers, and their marks",
            "  remembered: 3 tasks, 2 objects, rooms and tallies",
            "  timeline: 0 rows, 0 receivers",
            "  sums: counters against marks, histograms against counters",
        ]

    def test_an_empty_state(self, tmp_path: Path) -> None:
        """One that nothing was counted in yet."""
        with exporting(tmp_path):
            pass
        assert findings(tmp_path) == []

    def test_rooms_switched_off_and_on(self, tmp_path: Path) -> None:
        """Series of both label sets are there, and each adds up."""
        for number, rooms in enumerate((True, False, True)):
            with exporting(tmp_path, rooms=rooms) as exporter:
                exporter.deliver("prod", report(peer("p1", audio([0.0])), of=key(f"s{number}")))
        assert findings(tmp_path) == []

    def test_a_state_of_an_older_version(self, tmp_path: Path) -> None:
        """Brought to this version it adds up, though it did not note from whom its marks were; damage shows as well."""
        script = Path(__file__).parent / "fixtures" / "state" / "version-1.sql"
        with by_hand(tmp_path) as connection:
            connection.executescript(script.read_text(encoding="utf-8"))
            # The tests of the ledger made these up, and it does not look into them.
            connection.execute("DELETE FROM facts WHERE name = 'bounds'")
            connection.execute("UPDATE tasks SET notes = x'7B7D' WHERE due IS NOT NULL")
        desk = Desk(tmp_path)
        desk.deliver(report(peer("new", audio([0.0])), of=key("new")), now=NOW)
        desk.ledger.close()
        assert findings(tmp_path) == []
        with by_hand(tmp_path) as connection:
            connection.execute(
                "DELETE FROM seen_sessions WHERE source = '' AND mark = (SELECT min(mark) FROM"
                " seen_sessions WHERE source = '')"
            )
        found = findings(tmp_path)
        assert any(each.startswith("all sources: sessions of webrtc_sessions_total, with those that") for each in found)

    def test_pseudonyms(self, tmp_path: Path) -> None:
        """Sealed notes are as good as those that can be read; others would be none of ours."""
        border = Border(pseudonyms=Pseudonyms("s" * 32, ("peer_id",)))
        with closing(Exporter(tmp_path, border=border)) as exporter:
            exporter.deliver("prod", report(peer("p1", audio([0.0]))), new_tasks=(Task(key="a", due=NOW, notes=b"{}"),))
        assert findings(tmp_path) == []
        with by_hand(tmp_path) as connection:
            connection.execute("UPDATE tasks SET notes = x'7B7D'")
        (found,) = findings(tmp_path)
        assert found.endswith("notes: found what is not sealed, expected sealed ones, as there are pseudonyms")

    def test_while_an_exporter_has_it(self, tmp_path: Path) -> None:
        """It may be checked at any time."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("prod", report(peer("p1", audio([0.0]))))
            assert findings(tmp_path) == []
            exporter.deliver("watch", summarised(0.1))
            assert findings(tmp_path) == []


class TestDamage:
    """Each kind is found, and only that."""

    @pytest.mark.parametrize(("change", "expected"), state_damage.ALL)
    def test_it_is_found(self, state: Path, change: state_damage.Change, expected: tuple[str, ...]) -> None:
        """A printable line each, in the same order each time."""
        with by_hand(state) as connection:
            change(connection)
        found = findings(state)
        assert len(found) == len(expected), found
        for line, beginning in zip(found, expected, strict=True):
            assert line.startswith(beginning), found
            assert line.isprintable()
        assert findings(state) == found

    def test_the_command_says_it(self, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing but the findings, with the file before each, and ends with 1."""
        with by_hand(state) as connection:
            connection.execute("UPDATE tasks SET attempts = -1 WHERE key LIKE 's1/%'")
        assert cli.main(["state", "check", f"--storage.path={state}"]) == 1
        assert capsys.readouterr().out.splitlines() == [
            f"{state}/state.sqlite: task 's1/p1' of 'prod': attempts: found -1, expected a number from 0 on",
            f"{state}/state.sqlite: task 's1/p3' of 'prod': attempts: found -1, expected a number from 0 on",
        ]

    def test_damaged_pages(self, state: Path) -> None:
        """What cannot be read is said, and ends it."""
        file = state / "state.sqlite"
        with by_hand(state) as connection:
            (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'seen_sessions'").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        with file.open("r+b") as raw:
            raw.seek((root - 1) * size)
            raw.write(b"\xff" * 100)
        assert findings(state) == [
            "the database: found a part that cannot be read (database disk image is malformed), expected one that can"
        ]

    def test_rows_out_of_order(self, state: Path) -> None:
        """What SQLite's own check finds comes first; all else is looked at too."""
        file = state / "state.sqlite"
        with by_hand(state) as connection:
            (mark,) = connection.execute("SELECT min(mark) FROM seen_rejected").fetchone()
            for number in range(5):
                connection.execute("INSERT INTO seen_rejected VALUES (?, 1.0)", (b"\xfe" * 15 + bytes([number]),))
        file.write_bytes(file.read_bytes().replace(mark, b"\xff" * 16))
        found = findings(state)
        assert "seen_rejected" in found[0]
        assert found[0].endswith("expected nothing that SQLite's integrity check finds")
        assert found[-1].startswith("all sources: webrtc_exporter_reports_rejected_total and ")

    def test_a_file_cut_short(self, state: Path) -> None:
        """As after a copy that did not end."""
        file = state / "state.sqlite"
        with file.open("r+b") as raw:
            raw.truncate(file.stat().st_size // 2)
        with pytest.raises(StateError, match="restore it from a backup"):
            findings(state)

    def test_a_million_findings_make_few_lines(self) -> None:
        """The first of them, and how many more there are."""
        found = shortened(Finding(f"row {number}", "a", "b") for number in range(250))
        assert len(found) == 101
        assert str(found[99]) == "row 99: found a, expected b"
        assert str(found[100]) == "the same part of the check: found 150 more that are not right, expected none"
