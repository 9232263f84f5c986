"""The real process and its state: a disk that is full, a folder that cannot be written, a file that was damaged."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.ledger_support import Desk
from tests.live.process import Exporter, running_exporter
from tests.reports import key, peer, report
from tests.watchrtc_support import a_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

TOKEN = "push-token"  # noqa: S105 - of a sender that is simulated
PEERS = [{"peer_id": f"p{number}", "duration": 60, "stats": {"mos": 4.0}} for number in range(20)]


class Site:
    """A folder of data streams and the configuration of a source that reads it."""

    def __init__(self, folder: Path) -> None:
        self._streams = folder / "streams"
        self._streams.mkdir()
        (folder / "push").write_text(f"{TOKEN}\n", encoding="utf-8")
        source = {
            "name": "watch",
            "type": "watchrtc",
            "url": str(self._streams),
            "poll_interval": "200ms",
            "min_object_age": "0s",
            "push": {"token_file": str(folder / "push")},
        }
        self.config = folder / "config.json"
        self.config.write_text(json.dumps({"sources": [source], "metrics": {"zero_hold": "0s"}}), encoding="utf-8")
        self.rooms = 0

    def add_rooms(self, number: int = 10) -> None:
        """Writes a file with some more rooms of 20 peers."""
        rooms = [a_room(f"r{self.rooms + each}", duration=60, peers=PEERS) for each in range(number)]
        self.rooms += number
        file = self._streams / f"{self.rooms}.json"
        file.with_suffix(".part").write_text(json.dumps(rooms), encoding="utf-8")
        file.with_suffix(".part").rename(file)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with ten rooms."""
    made = Site(tmp_path)
    made.add_rooms()
    return made


def total(exporter: Exporter, family: str, labels: str = "") -> float:
    """The sum of a family's samples whose labels have a text."""
    lines = [line for line in exporter.page().splitlines() if line.startswith(f"{family}{{") and labels in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def counted(exporter: Exporter) -> float:
    """Sessions whose reports added something."""
    return total(exporter, "webrtc_exporter_reports_ingested_total", 'source="watch"')


def failures(exporter: Exporter) -> float:
    """Polls that failed because of the state."""
    return total(exporter, "webrtc_exporter_source_poll_failures_total", 'reason="state"')


def errors(exporter: Exporter) -> list[str]:
    """The errors in the log; nothing may have gone wrong unforeseen."""
    log = exporter.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    return [line for line in log.splitlines() if "level=error" in line.lower() or " error " in line.lower()]


@contextmanager
def tmpfs(folder: Path, megabytes: int) -> Iterator[Path]:
    """A small disk."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def goes_on_after(
    site: Site, exporter: Exporter, fill: Callable[[], None], clear: Callable[[], None], state: Path
) -> None:
    """Holds that what cannot be written costs nothing but time."""
    exporter.until("the first rooms are counted", lambda: counted(exporter) == 10)
    fill()
    site.add_rooms(50)
    exporter.until("the trouble is seen", lambda: failures(exporter) >= 2)
    before = counted(exporter)
    assert before < 60
    # A poll later it is still so, and the page is still there.
    seen = failures(exporter)
    exporter.until("more polls", lambda: failures(exporter) >= seen + 1)
    assert counted(exporter) == before
    assert total(exporter, "webrtc_exporter_source_up") == 0
    room = json.dumps(a_room("pushed", duration=60, peers=PEERS * 50)).encode()
    refused = exporter.post("/ingest/watch", room, authorization=f"Bearer {TOKEN}")
    assert (refused.status_code, refused.text) == (503, "the state cannot be written at the moment; try again.\n")
    (line,) = errors(exporter)
    assert f"{state / 'state.sqlite'}: expected to read and write it" in line
    clear()
    exporter.until("counting goes on", lambda: counted(exporter) == 60)
    assert exporter.post("/ingest/watch", room, authorization=f"Bearer {TOKEN}").status_code == 200
    exporter.until("what was sent is counted", lambda: counted(exporter) == 61)
    exporter.until("all is well", lambda: total(exporter, "webrtc_exporter_source_up") == 1)
    assert len(errors(exporter)) == 1
    assert "it can be written again" in exporter.log.read_text(encoding="utf-8")


def holds_all(state: Path, rooms: int) -> None:
    """Holds that the state of a process that has ended counts each room once."""
    desk = Desk(state)
    desk.check()
    assert desk.rows("seen_sessions") == rooms
    assert (
        sum(count.amounts[0] for series, count in desk.ledger.counts.items() if series[0] == "webrtc_sessions_total")
        == rooms
    )
    desk.ledger.close()


def test_a_full_disk(site: Site, tmp_path: Path) -> None:
    """Others fill the disk: pages are answered, the log has one line; with space again everything is counted once."""
    with tmpfs(tmp_path / "disk", 16) as disk:
        ballast, state = disk / "ballast", disk / "state"

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)) == 4096:
                    pass

        # Its log stands beside the folder: on the disk it would be cut off.
        with running_exporter(site.config, state, log=tmp_path / "log") as exporter:
            goes_on_after(site, exporter, fill, ballast.unlink, state)
            exporter.stop()
        holds_all(state, 61)


def test_files_that_may_not_grow(site: Site, tmp_path: Path) -> None:
    """The limit of a process on the size of its files, lowered while it runs: the same as a full disk."""
    state = tmp_path / "state"
    with running_exporter(site.config, state) as exporter:

        def fill() -> None:
            limit(exporter, max(path.stat().st_size for path in state.iterdir()))

        goes_on_after(site, exporter, fill, lambda: limit(exporter, resource.RLIM_INFINITY), state)
        exporter.stop()
    holds_all(state, 61)


def test_a_reload_while_nothing_can_be_written(site: Site, tmp_path: Path) -> None:
    """It is refused with the reason, and the configuration that was in force goes on when that is possible again."""
    with running_exporter(site.config, tmp_path / "state", "--web.enable-lifecycle") as exporter:
        exporter.until("the first rooms are counted", lambda: counted(exporter) == 10)
        # The log of the process is limited as well.
        limit(exporter, exporter.log.stat().st_size + 4000)
        written = site.config.read_text(encoding="utf-8")
        site.config.write_text(written.replace('"watch"', '"another"'), encoding="utf-8")
        refused = exporter.post("/-/reload")
        assert refused.status_code == 500
        assert "state.sqlite: expected to read and write it" in refused.text
        limit(exporter, resource.RLIM_INFINITY)
        site.add_rooms()
        exporter.until("counting goes on", lambda: counted(exporter) == 20)
        assert exporter.post("/-/reload").status_code == 200


def limit(exporter: Exporter, size: int) -> None:
    """Limits the size of the files that a process writes."""
    _, hard = resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_folder_that_becomes_read_only(site: Site, tmp_path: Path) -> None:
    """As disks do on errors: pages are answered, and a process that is started then says what is wrong and ends."""
    with tmpfs(tmp_path / "disk", 16) as disk:
        state = disk / "state"
        with running_exporter(site.config, state, log=tmp_path / "log") as exporter:
            exporter.until("the first rooms are counted", lambda: counted(exporter) == 10)
            exporter.stop()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        code, text = started(site.config, state)
        assert code == 1
        said = "expected a folder that can be written (Read-only file system); set --storage.path"
        assert text == f"{state / 'state.lock'}: {said}\n"


def started(config: Path, state: Path) -> tuple[int, str]:
    """The exit code of a process that is to refuse its state, and what it says."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "exporter",
            f"--config.file={config}",
            f"--storage.path={state}",
            "--web.listen-address=127.0.0.1:0",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_second_process_is_refused(site: Site, tmp_path: Path) -> None:
    """The first one goes on; the second says whose state it is and how to have another."""
    state = tmp_path / "state"
    with running_exporter(site.config, state) as exporter:
        exporter.until("the first rooms are counted", lambda: counted(exporter) == 10)
        code, text = started(site.config, state)
        assert code == 1
        said = "another process uses this state; stop it, or give this one another --storage.path"
        assert text == f"{state / 'state.lock'}: {said}\n"
        site.add_rooms()
        exporter.until("more rooms are counted", lambda: counted(exporter) == 20)


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "newer", "journal"])
def test_a_state_that_cannot_be_used(site: Site, tmp_path: Path, damage: str) -> None:
    """Exit code 1, one line that names the file and the way out, and the file as it was."""
    state = tmp_path / "state"
    desk = Desk(state)
    desk.deliver(*(report(peer(), of=key(f"{number}")) for number in range(200)), now=time.time())
    desk.ledger.close()
    file = state / "state.sqlite"
    raw = file.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(raw[: len(raw) // 2])
        case "garbage":
            file.write_bytes(raw[:8192] + os.urandom(8192) + raw[16384:])
        case "newer":
            with sqlite3.connect(file) as connection:
                connection.execute("PRAGMA user_version = 99")
            connection.close()
        case "journal":
            shutil.move(file, state / "state.sqlite-wal")
    before = file.read_bytes() if file.exists() else None
    code, text = started(site.config, state)
    assert code == 1
    assert text.startswith(f"{file}: ")
    assert text.count("\n") == 1
    assert "begin anew" in text
    assert (file.read_bytes() if file.exists() else None) == before


def test_damage_that_is_found_while_it_runs(site: Site, tmp_path: Path) -> None:
    """The process says once what is wrong, writes nothing any more and ends with 1; the next one refuses to start."""
    state = tmp_path / "state"
    # More than SQLite keeps in memory, so that it has to read what was damaged.
    desk = Desk(state)
    desk.deliver(
        *(report(*(peer(f"p{each}") for each in range(50)), of=key(f"{number}")) for number in range(200)), now=1.0
    )
    desk.ledger.close()
    file = state / "state.sqlite"
    with running_exporter(site.config, state) as exporter:
        exporter.until("the first rooms are counted", lambda: counted(exporter) == 10)
        size = file.stat().st_size
        with file.open("r+b") as raw:
            raw.seek(4096)
            raw.write(b"\xa5" * (size - 4096))
        site.add_rooms()
        assert exporter.process.wait(timeout=60) == 1
        (line,) = errors(exporter)
        assert f"{file}: expected a state file of this program" in line
        assert "restore it from a backup" in line
    assert started(site.config, state)[0] == 1
