"""The commands as processes of their own: beside an exporter, before it, and stopped or killed on their way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from tests.live.process import Exporter, running_exporter
from tests.state_support import findings
from tests.watchrtc_support import a_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

_PATIENCE = 120.0
_PAUSE = 0.05
#: As many rooms as are committed at once.
BATCH = 50


def rooms(count: int, first: int = 0, padding: int = 0) -> list[dict[str, object]]:
    """Rooms of one peer each, with so many bytes that nobody reads."""
    return [
        a_room(f"room {number}", duration=60, peers=[{"peer_id": "p", "duration": 60}], x="x" * padding)
        for number in range(first, first + count)
    ]


class Place:
    """A configuration of one watchRTC source with an empty folder, and a state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "config.yaml"
        (folder / "streams").mkdir()
        source = {
            "name": "watch",
            "type": "watchrtc",
            "url": str(folder / "streams"),
            "poll_interval": "1s",
            "min_object_age": "0s",
            "push": {"token": "t0ken"},
        }
        self._source = source
        self.configure()

    def configure(self, **buckets: list[float]) -> None:
        """Writes the configuration, with buckets of some families."""
        metrics = {"zero_hold": "0s", "buckets": buckets}
        self.config.write_text(json.dumps({"sources": [self._source], "metrics": metrics}))

    def command(self, *argv: str | Path) -> list[str]:
        """The command line of a command with the state."""
        return [sys.executable, "-m", "exporter", *map(str, argv), f"--storage.path={self.state}"]

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(self.command(*argv), capture_output=True, text=True, timeout=_PATIENCE, check=False)

    def ingest(self, *paths: Path) -> subprocess.CompletedProcess[str]:
        """Runs `ingest` to its end."""
        return self.run("ingest", f"--config.file={self.config}", *paths)

    def sessions(self) -> int:
        """How many sessions are counted, by `state`."""
        ended = self.run("state", "--format=json")
        if ended.returncode:
            return 0
        return sum(source["sessions"] for source in json.loads(ended.stdout)["sources"])

    @contextmanager
    def ingesting_a_pipe(self) -> Iterator[tuple[subprocess.Popen[str], IO[bytes]]]:
        """An `ingest` that reads from a pipe, and the pipe's other end."""
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        command = self.command("ingest", f"--config.file={self.config}", pipe)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                with pipe.open("wb", buffering=0) as writer:
                    yield process, writer
            finally:
                process.kill()


def until(what: str, holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(_PAUSE)


def lines(exporter: Exporter, beginning: str) -> list[str]:
    """The lines of the page that begin so."""
    return [line for line in exporter.page().splitlines() if line.startswith(beginning)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """One without a state yet."""
    return Place(tmp_path)


def test_what_was_fed_is_served(place: Place) -> None:
    """Gauges at once; counts as those of any new room, zero first; and what is fed again adds nothing."""
    file = place.folder / "a.json"
    file.write_text(json.dumps(rooms(3)))
    ended = place.ingest(file)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{file}: 3 new, 0 grown, 0 duplicate, 0 rejected\n"
    assert place.ingest(file).stdout == f"{file}: 0 new, 0 grown, 3 duplicate, 0 rejected\n"
    with running_exporter(place.config, place.state) as exporter:
        exporter.until_ready()
        assert len(lines(exporter, "webrtc_room_verdict{")) == 3
        series = 'webrtc_sessions_total{source="watch",room_id="room 1"}'
        assert lines(exporter, series) == [f"{series} 0.0"]
        scrape = {"X_Prometheus_Scrape_Timeout_Seconds": "5"}
        exporter.until("read", lambda: exporter.get("/metrics", **scrape).is_success)
        exporter.until("shown", lambda: lines(exporter, series) == [f"{series} 1.0"])
        assert lines(exporter, "webrtc_exporter_reports_duplicate_total{") == [
            'webrtc_exporter_reports_duplicate_total{source="watch"} 3.0'
        ]


def test_beside_an_exporter(place: Place) -> None:
    """The state is looked into and checked while it runs; feeding is refused with the way in, which works."""
    with running_exporter(place.config, place.state) as exporter:
        exporter.until_ready()
        (place.folder / "streams" / "a.json").write_text(json.dumps(rooms(2)))
        until("polled", lambda: place.sessions() == 2)
        assert place.run("state", "check").returncode == 0
        file = place.folder / "b.json"
        file.write_text(json.dumps(rooms(5)))
        refused = place.ingest(file)
        assert refused.returncode == 1
        assert refused.stderr.endswith("; a running exporter takes documents by POST /ingest/watch\n")
        pushed = exporter.post("/ingest/watch", file.read_bytes(), Authorization="Bearer t0ken")
        assert pushed.json()["new"] == 3
        assert place.sessions() == 5
        reset = place.run("state", "reset-buckets", f"--config.file={place.config}")
        assert reset.returncode == 1
        assert "another process uses this state" in reset.stderr
        assert exporter.stop() == 0
    assert place.run("state", "check").returncode == 0


def test_other_buckets(place: Place) -> None:
    """A start with them is refused and names the command; after it their family begins at zero, all others go on."""
    family = "webrtc_peer_session_duration_seconds"
    labels = 'source="watch",room_id="room 0"'
    counter = f'webrtc_peer_sessions_total{{{labels},verdict="unclassified",reason=""}}'
    scrape = {"X_Prometheus_Scrape_Timeout_Seconds": "5"}
    file = place.folder / "a.json"
    file.write_text(json.dumps(rooms(1)))
    place.ingest(file)
    with running_exporter(place.config, place.state) as exporter:
        exporter.until_ready()
        exporter.until("read", lambda: exporter.get("/metrics", **scrape).is_success)
        exporter.until("shown", lambda: lines(exporter, counter) == [f"{counter} 1.0"])
        assert lines(exporter, f'{family}_bucket{{{labels},le="60.0"}}') == [
            f'{family}_bucket{{{labels},le="60.0"}} 1.0'
        ]
        assert exporter.stop() == 0
    place.configure(**{family: [50.0, 70.0]})
    refused = place.run(f"--config.file={place.config}", "--web.listen-address=127.0.0.1:0")
    assert refused.returncode == 1
    assert f"{family}: the buckets differ" in refused.stderr
    assert "webrtc-quality-exporter state reset-buckets" in refused.stderr
    reset = place.run("state", "reset-buckets", f"--config.file={place.config}")
    assert (reset.returncode, reset.stderr) == (0, "")
    assert f"{family}: 1 series with 1 observations dropped" in reset.stdout
    with running_exporter(place.config, place.state) as exporter:
        exporter.until_ready()
        assert lines(exporter, f"{family}_") == []
        assert lines(exporter, counter) == [f"{counter} 1.0"]
        document = [a_room("room 0", room_url="x/again", peers=[{"peer_id": "p", "duration": 60}])]
        (place.folder / "streams" / "b.json").write_text(json.dumps(document))
        exporter.until("counted", lambda: lines(exporter, counter) == [f"{counter} 2.0"])
        assert lines(exporter, f"{family}_count") == [f"{family}_count{{{labels}}} 0.0"]
        exporter.until("read", lambda: exporter.get("/metrics", **scrape).is_success)
        exporter.until("shown", lambda: lines(exporter, f"{family}_count") == [f"{family}_count{{{labels}}} 1.0"])
        assert lines(exporter, f"{family}_bucket") == [
            f'{family}_bucket{{{labels},le="50.0"}} 0.0',
            f'{family}_bucket{{{labels},le="70.0"}} 1.0',
            f'{family}_bucket{{{labels},le="+Inf"}} 1.0',
        ]
    assert place.run("state", "check").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_stops_it_after_the_commit(place: Place, number: signal.Signals) -> None:
    """What was read so far is counted and told; the same command goes on where it was."""
    document = json.dumps(rooms(BATCH + 10)).encode()
    split = document.index(b'"room 55"')
    with place.ingesting_a_pipe() as (process, writer):
        writer.write(document[:split])
        until("one batch is counted", lambda: place.sessions() == BATCH)
        process.send_signal(number)
        writer.write(document[split:])
        writer.close()
        out, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 128 + number
    assert out == f"{place.folder}/pipe: {BATCH} new, 0 grown, 0 duplicate, 0 rejected; stopped before its end\n"
    assert err == "stopped; the same command goes on: what was counted adds nothing again\n"
    file = place.folder / "a.json"
    file.write_bytes(document)
    assert place.ingest(file).stdout == f"{file}: 10 new, 0 grown, {BATCH} duplicate, 0 rejected\n"


def test_killed_on_its_way(place: Place) -> None:
    """SIGKILL costs what was not committed; the state is whole, and the same file again makes it complete."""
    document = json.dumps(rooms(BATCH + 10)).encode()
    with place.ingesting_a_pipe() as (process, writer):
        writer.write(document[:-100])
        until("one batch is counted", lambda: place.sessions() == BATCH)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=_PATIENCE)
    assert place.run("state", "check").returncode == 0
    file = place.folder / "a.json"
    file.write_bytes(document)
    assert place.ingest(file).stdout == f"{file}: 10 new, 0 grown, {BATCH} duplicate, 0 rejected\n"
    assert findings(place.state) == []


def test_a_large_file_in_little_memory(place: Place) -> None:
    """Fifty times as much to read takes hardly more of it."""
    most = []
    for count in (10, 500):
        file = place.folder / f"{count}.json"
        with file.open("w") as stream:
            stream.write("[")
            for number in range(count):
                (room,) = rooms(1, first=number, padding=100_000)
                stream.write(f"{',' if number else ''}{json.dumps(room)}")
            stream.write("]")
        command = place.command("ingest", f"--config.file={place.config}", file)
        _, status, usage = os.wait4(os.posix_spawn(command[0], command, os.environ), 0)
        assert os.waitstatus_to_exitcode(status) == 0
        most.append(usage.ru_maxrss)
        assert place.sessions() == count
    small, large = most
    # Kilobytes; the larger file has 50 000 of them.
    assert large - small < 20_000


def test_whoever_reads_it_has_had_enough(place: Place) -> None:
    """Without a word, as with `head`."""
    file = place.folder / "a.json"
    file.write_text(json.dumps(rooms(1)))
    place.ingest(file)
    with subprocess.Popen(place.command("state"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=_PATIENCE) == 141
        assert process.stderr.read() == ""


def test_a_progress_bar_on_a_terminal(place: Place) -> None:
    """Drawn on standard error, taken away before a line is told; standard output stays clean."""
    file = place.folder / "a.json"
    file.write_text(json.dumps([*rooms(2), {"room_id": 5}]))
    other, own = os.openpty()
    command = place.command("ingest", f"--config.file={place.config}", file)
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=own, timeout=_PATIENCE, check=False)
    os.close(own)
    drawn = os.read(other, 100_000).decode()
    os.close(other)
    assert ended.returncode == 0
    assert ended.stdout.decode() == f"{file}: 2 new, 0 grown, 0 duplicate, 1 rejected\n"
    assert drawn.startswith("\r[")
    assert drawn.endswith(
        f"\r\x1b[K{file}: element 3 at byte {file.stat().st_size - 15}: expected a `room_url` or a"
        " `start_time`, got neither\r\n"
    )
