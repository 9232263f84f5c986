"""A damaged state is one clear error, or what was committed before; never a silent fresh start, never counted twice."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.ledger import Ledger, StateDamagedError, StateError, StateUnavailableError
from tests.ledger_support import Desk
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model import Report

SESSIONS = ("webrtc_sessions_total", "prod", "standup")
REPORTS = [report(peer("p1", audio([0.0, 0.1])), peer("p2"), of=key(f"s{number}")) for number in range(6)]
PAGE = 4096


def pages(number: int) -> list[Report]:
    """As many sessions as fill some pages of every table."""
    return [report(peer("p1"), peer("p2"), of=key(f"s{each}")) for each in range(number)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of a state of 200 sessions that was closed orderly."""
    folder = tmp_path / "state"
    desk = Desk(folder)
    desk.deliver(*pages(200), now=START)
    desk.ledger.close()
    return folder


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: PAGE * 10])


def _cut_within_a_page(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def _garbage_in_the_middle(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    middle = len(raw) // 2 // PAGE * PAGE
    raw[middle : middle + PAGE] = b"\xa5" * PAGE
    file.write_bytes(raw)


def _zeros_in_the_middle(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[PAGE * 5 : PAGE * 9] = bytes(PAGE * 4)
    file.write_bytes(raw)


def _garbage_at_the_beginning(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[:PAGE] = b"\xa5" * PAGE
    file.write_bytes(raw)


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _only_its_journal(file: Path) -> None:
    file.rename(file.with_name("state.sqlite-wal"))


def _counts_that_are_none(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE counts SET amounts = x'c1' WHERE series = (SELECT max(series) FROM counts)")
    connection.close()


class TestOpening:
    """What is found damaged at the start."""

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (_empty, "it is empty"),
            (_cut, "malformed"),
            # What SQLite finds first in these depends on its version.
            (_cut_within_a_page, ""),
            (_garbage_in_the_middle, ""),
            (_zeros_in_the_middle, ""),
            (_garbage_at_the_beginning, "not a database"),
            (_a_folder, "it is a folder"),
            (_only_its_journal, "it is missing, and what was last written to it is still in state.sqlite-wal"),
            (_counts_that_are_none, "MessagePack"),
        ],
    )
    def test_it_is_refused_and_left_as_it_is(self, state: Path, damage: Callable[[Path], None], said: str) -> None:
        """The error names the file and the way out; nothing is written, not even beside it."""
        damage(state / "state.sqlite")
        before = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
        with pytest.raises(StateError) as error:
            Ledger.open(state)
        text = str(error.value)
        assert text.startswith(f"{state / 'state.sqlite'}: expected a state file of this program (")
        assert said in text
        assert "restore it from a backup" in text
        assert "\n" not in text
        kept = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
        assert {name: kept[name] for name in before} == before

    def test_a_first_start_that_was_killed_is_none(self, tmp_path: Path) -> None:
        """What is left of a state that never came into its place is in nobody's way."""
        for name in ("state.sqlite.new", "state.sqlite.new-journal"):
            (tmp_path / name).write_bytes(b"half a state")
        desk = Desk(tmp_path)
        desk.deliver(*REPORTS, now=START)
        desk.check()
        desk.ledger.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["state.lock", "state.sqlite"]


class TestJournal:
    """The write-ahead log of a process that was killed, cut off anywhere."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_what_is_left_is_what_was_committed_first(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """The counts are those of the first few deliveries, and delivering all again makes them complete."""
        folder = tmp_path_factory.mktemp("state")
        desk = Desk(folder)
        for number, each in enumerate(REPORTS):
            desk.deliver(each, now=START + number)
        # As SIGKILL leaves it: not closed, so that all of it is in the log still.
        copy = folder / "copy"
        copy.mkdir()
        for name in ("state.sqlite", "state.sqlite-wal"):
            shutil.copy(folder / name, copy / name)
        desk.ledger.close()
        log = copy / "state.sqlite-wal"
        cut = data.draw(st.integers(0, log.stat().st_size), label="cut")
        log.write_bytes(log.read_bytes()[:cut])
        left = Desk(copy)
        sessions = left.count(*SESSIONS)
        left.check()
        assert left.rows("sessions") == left.rows("seen_sessions") == sessions
        assert left.rows("seen_peers") == sessions * 2
        receipts = [left.deliver(each, now=START + 60.0).receipt for each in REPORTS]
        assert [receipt.new for receipt in receipts] == [0] * int(sessions) + [2] * (len(REPORTS) - int(sessions))
        left.check()
        assert left.count(*SESSIONS) == len(REPORTS)
        left.ledger.close()


class TestRunning:
    """What goes wrong with the state of a process that works with it."""

    def test_a_full_disk_costs_nothing_but_time(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Nothing is counted while there is no space, and all of it once there is; the log has one line for each."""
        desk = Desk(tmp_path)
        desk.deliver(REPORTS[0], now=START)
        connection = desk.ledger._connection  # noqa: SLF001 - how a disk is made full
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used}")
        many = [pages(400)[number : number + 100] for number in range(0, 400, 100)]
        for _ in range(3):
            for each in many:
                with pytest.raises(StateUnavailableError, match="nothing is counted until that is possible"):
                    desk.deliver(*each, now=START)
        assert desk.count(*SESSIONS) == 1.0
        desk.check()
        connection.execute("PRAGMA max_page_count = 1000000")
        for each in many:
            desk.deliver(*each, now=START)
        assert desk.count(*SESSIONS) == 400.0
        desk.restart()
        desk.check()
        assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
        assert "full" in caplog.messages[0]
        assert caplog.messages[0].startswith(f"{tmp_path / 'state.sqlite'}: ")
        assert caplog.messages[1].endswith("it can be written again, counting goes on")
        desk.ledger.close()

    def test_damage_ends_all_work_with_it(self, state: Path, caplog: pytest.LogCaptureFixture) -> None:
        """What is found damaged is neither read nor written any more; the log says so once."""
        desk = Desk(state)
        connection = desk.ledger._connection  # noqa: SLF001 - every page is to come from the disk
        connection.execute("PRAGMA cache_size = 1")
        file = state / "state.sqlite"
        size = file.stat().st_size
        with file.open("r+b") as raw:
            raw.seek(PAGE)
            raw.write(b"\xa5" * (size - PAGE))
        for _ in range(3):
            with pytest.raises(StateDamagedError, match=r"state\.sqlite: expected a state file"):
                desk.deliver(REPORTS[0], now=START)
            with pytest.raises(StateDamagedError):
                desk.ledger.due_tasks("prod", START, 1)
            with pytest.raises(StateDamagedError):
                desk.ledger.forget(START)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "restore it from a backup" in caplog.text
        desk.ledger.close()
        with pytest.raises(StateDamagedError):
            Ledger.open(state)

    def test_a_session_that_cannot_be_read_is_damage(self, state: Path) -> None:
        """A whole database with a value in it that this program did not write."""
        with sqlite3.connect(state / "state.sqlite") as connection:
            connection.execute("UPDATE sessions SET session = x'00' WHERE session_id = 's7'")
        connection.close()
        ledger = Ledger.open(state)
        with pytest.raises(StateDamagedError, match="restore it from a backup"):
            list(ledger.sessions())
        ledger.close()
