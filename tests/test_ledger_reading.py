"""Looking into a state: one moment of it, without a trace, whoever has it open and whatever is left of it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.ledger import Ledger, StateError
from exporter.ledger.reading import look
from tests.reports import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERIES = ("webrtc_sessions_total", "prod", "standup")


def counted(connection: sqlite3.Connection) -> int:
    """How many series there are."""
    (count,) = connection.execute("SELECT count(*) FROM counts").fetchone()
    return int(count)


def count(ledger: Ledger, *rooms: str) -> None:
    """Counts a session in each room."""
    with ledger.transaction(START) as transaction:
        transaction.add({("webrtc_sessions_total", "prod", room): [1.0] for room in rooms}, hold=False)


def traces(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that a reader could have changed: names, inodes, times of change and contents."""
    files = {each.name: each for each in folder.iterdir()}
    return {
        name: (each.stat().st_ino, each.stat().st_mtime_ns, each.read_bytes()) for name, each in sorted(files.items())
    }


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A state with one series that nobody has open."""
    with closing(Ledger.open(tmp_path)) as ledger:
        count(ledger, "a")
    return tmp_path


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A state whose process was killed before its log went into the database."""
    program = (
        "import sys, time; from pathlib import Path; from exporter.ledger import Ledger\n"
        "ledger = Ledger.open(Path(sys.argv[1]))\n"
        "with ledger.transaction(1.0) as t: t.add({('webrtc_sessions_total', 'p', 'r'): [1.0]}, hold=False)\n"
        "print('counted', flush=True); time.sleep(60)\n"
    )
    folder = tmp_path / "crashed"
    with subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        process.send_signal(signal.SIGKILL)
    return folder


class TestWithoutATrace:
    """What is there is seen; afterwards everything is as it was."""

    def test_closed(self, closed: Path) -> None:
        """The database alone, as after an orderly end."""
        before = traces(closed)
        assert sorted(before) == ["state.lock", "state.sqlite"]
        assert look(closed, counted) == 1
        assert traces(closed) == before

    def test_open(self, closed: Path) -> None:
        """While a process has it, which commits on; each look sees what was committed before it."""
        with closing(Ledger.open(closed)) as ledger:
            count(ledger, "b")
            assert look(closed, counted) == 2
            count(ledger, "c")
            assert look(closed, counted) == 3
            with ledger.transaction(START) as transaction:
                transaction.add({("webrtc_sessions_total", "prod", "d"): [1.0]}, hold=False)
                transaction.write_counts()
                assert look(closed, counted) == 3

    @pytest.mark.live
    def test_open_elsewhere(self, closed: Path) -> None:
        """From another process, as it is in life: not even the index of the log is touched."""
        program = (
            "import sys; from pathlib import Path; from exporter.ledger.reading import look\n"
            "see = lambda connection: connection.execute('SELECT count(*) FROM counts').fetchone()\n"
            "print(*look(Path(sys.argv[1]), see))\n"
        )
        with closing(Ledger.open(closed)) as ledger:
            count(ledger, "b")
            before = traces(closed)
            assert "state.sqlite-shm" in before
            seen = subprocess.run(
                [sys.executable, "-c", program, closed], stdout=subprocess.PIPE, text=True, check=True
            )
            assert seen.stdout == "2\n"
            assert traces(closed) == before

    def test_one_moment(self, closed: Path) -> None:
        """What is committed while it looks does not show; the writer does not wait."""
        with closing(Ledger.open(closed)) as ledger:

            def twice(connection: sqlite3.Connection) -> tuple[int, int]:
                first = counted(connection)
                count(ledger, "b")
                return first, counted(connection)

            assert look(closed, twice) == (1, 1)
            assert look(closed, counted) == 2

    @pytest.mark.live
    def test_crashed(self, crashed: Path) -> None:
        """The log of a process that was killed is read, and left for the next one."""
        before = traces(crashed)
        assert sorted(before) == ["state.lock", "state.sqlite", "state.sqlite-shm", "state.sqlite-wal"]
        assert look(crashed, counted) == 1
        assert traces(crashed) == before

    @pytest.mark.live
    def test_backup_without_an_index(self, crashed: Path) -> None:
        """A copy of the database and its log, as backups are made."""
        (crashed / "state.sqlite-shm").unlink()
        before = traces(crashed)
        assert look(crashed, counted) == 1
        assert traces(crashed) == before

    @pytest.mark.live
    @pytest.mark.parametrize("kind", ["closed", "crashed"])
    def test_folder_that_cannot_be_written(self, request: pytest.FixtureRequest, kind: str) -> None:
        """By a user who may read only, from a folder that is not theirs."""
        source: Path = request.getfixturevalue(kind)
        # Others may not enter the folders that pytest makes.
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            folder = Path(name, "state")
            shutil.copytree(source, folder)
            for each in folder.iterdir():
                each.chmod(0o444)
            folder.chmod(0o555)
            before = traces(folder)
            assert in_a_child(lambda: look(folder, counted)) == 1
            assert traces(folder) == before
            folder.chmod(0o755)

    def test_its_name_is_taken_as_it_is(self, tmp_path: Path) -> None:
        """What means something in a URI is part of a folder's name all the same."""
        folder = tmp_path / "50 % off? #1"
        with closing(Ledger.open(folder)) as ledger:
            count(ledger, "a")
        assert look(folder, counted) == 1


class TestWhileItChanges:
    """An exporter that starts or stops under the reader's eyes."""

    def test_one_starts(self, closed: Path) -> None:
        """What was seen of a database that was thought to be nobody's does not count: it is looked at again."""
        opened: list[Ledger] = []

        def see(connection: sqlite3.Connection) -> int:
            if not opened:
                opened.append(Ledger.open(closed))
                count(opened[0], "b")
            return counted(connection)

        assert look(closed, see) == 2
        opened[0].close()

    def test_it_never_comes_to_rest(self, closed: Path) -> None:
        """After a few tries it is said; nothing that may be wrong is handed out."""

        def see(connection: sqlite3.Connection) -> int:
            os.utime(closed / "state.sqlite")
            return counted(connection)

        with pytest.raises(StateError, match="changed each time while it was read"):
            look(closed, see)


class TestNoState:
    """What is no state is said clearly, and stays as it is."""

    @pytest.fixture(autouse=True)
    def unchanged(self, tmp_path: Path) -> Iterator[None]:
        """Nothing is made, whatever is wrong."""
        yield
        assert not list(tmp_path.rglob("*-wal"))
        assert not list(tmp_path.rglob("*-shm"))

    def test_nothing_there(self, tmp_path: Path) -> None:
        """Neither folder nor file are made."""
        with pytest.raises(StateError, match=r"none/state\.sqlite: expected a state .* \(No such file"):
            look(tmp_path / "none", counted)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        """What cannot be read says why."""
        (tmp_path / "state.sqlite").mkdir()
        with pytest.raises(StateError, match=r"state\.sqlite: cannot be read \(Is a directory\)"):
            look(tmp_path, counted)

    @pytest.mark.live
    def test_files_beside_it_that_cannot_be_read(self, crashed: Path) -> None:
        """That is about the folder, not about what is in the state."""
        log = crashed / "state.sqlite-wal"
        log.unlink()
        log.mkdir()
        with pytest.raises(StateError, match=r"state\.sqlite: cannot be read \(.*\); see to its folder"):
            look(crashed, counted)
        log.rmdir()
        (crashed / "state.sqlite-shm").unlink()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda file: file.write_bytes(b"not a database" * 1000),
                "not a database.* restore it from a backup",
            ),
            (lambda file: file.write_bytes(b""), "found an empty database"),
            (lambda file: execute(file, "PRAGMA application_id = 1"), "found another database"),
            (lambda file: execute(file, "PRAGMA user_version = 99"), r"written by a newer version .*state version 99"),
            (
                lambda file: execute(file, "PRAGMA user_version = 1"),
                "found version 1; an exporter of this version",
            ),
            (lambda file: execute(file, "DROP TABLE counts"), "no such table: counts.* restore it from a backup"),
        ],
        ids=["no database", "empty", "another's", "newer", "older", "without a table"],
    )
    def test_something_else(self, closed: Path, change: Callable[[Path], object], message: str) -> None:
        """Each is named with what was expected."""
        change(closed / "state.sqlite")
        with pytest.raises(StateError, match=message):
            look(closed, counted)


def execute(file: Path, statement: str) -> None:
    """Changes a database by hand."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(statement)


def in_a_child(see: Callable[[], int]) -> int:
    """Asks in a process that may write nothing; root gives up what it may for it."""
    with warnings.catch_warnings():
        # Newer Pythons warn of other threads, which the child does not need.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:  # pragma: no cover - its coverage would have to be written
        code = 255
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            code = see()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
