"""Kills the real process again and again while it works, and holds what it counted against the documents."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from random import Random
from typing import TYPE_CHECKING

import httpx
from msgspec import Struct

from exporter.state.check import check
from tests.live.process import running_exporter
from tests.live.settling import settled
from tests.live.watching import Watchers
from tests.live.work import Sender, Work, known_work
from tests.oracle.prometheus import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.oracle import Expected

#: How long one process is waited for to come to its first page, and how long then to the moment of its end, in seconds.
_LONGEST_START = 30.0
_LONGEST_LIFE = 1.0
_LONGEST_CHECK = 120.0
_PAUSE = 0.001
#: However slow the machine is.
_LEAST_KILLS = 10
_FINDINGS = 40


class CrashReport(Struct, kw_only=True):
    """What was done, and what was wrong."""

    #: Kills by what they waited for.
    moments: Counter[str]
    pages: int
    series: int
    posts: int
    answers: Counter[int | str]
    seconds: float
    #: Nothing, where all is well.
    findings: list[str]

    @property
    def kills(self) -> int:
        """How often the process was killed."""
        return self.moments.total()


class CrashRun:
    """One process after another over one state."""

    def __init__(self, folder: Path, work: Work, config: Path, seed: int) -> None:
        self._storage = folder / "state"
        self._copy = folder / "copy"
        self._work = work
        self._config = config
        self._rng = Random(seed)  # noqa: S311 - to be drawn again
        self._address = f"127.0.0.1:{free_port()}"
        self.watchers = Watchers(self._address)
        self.sender = Sender(work, self._address)
        self.moments: Counter[str] = Counter()
        self.findings: list[str] = []
        #: From the start of a process to its first page, in seconds, as last seen.
        self._start_seconds = 0.5

    def live_and_die(self) -> None:
        """Starts a process, lets it come to some moment of its work, and kills it."""
        life = _Life(self.watchers)
        moments = self._moments(life)
        moment = self._rng.choice(list(moments))
        with running_exporter(self._config, self._storage, address=self._address, measured=False) as exporter:
            moments[moment]()
            if exporter.process.poll() is not None:
                self.findings.append(f"the process ended by itself: {exporter.log_end()}")
            exporter.stop(signal.SIGKILL)
        if life.first_page is not None:
            self._start_seconds = life.first_page
        self.moments[moment] += 1
        self._check_state(f"after kill {self.moments.total()} ({moment})")

    def finish(self, expected: Expected) -> None:
        """Lets a last process come to an end with everything, and compares."""
        self._work.show(1.0)
        with running_exporter(self._config, self._storage, address=self._address, measured=False) as exporter:
            exporter.until_ready()
            self.findings += settled(exporter, self.sender, expected)
            if exporter.stop() != 0:
                self.findings.append(f"it did not end well: {exporter.log_end()}")
        log = exporter.log.read_text(encoding="utf-8", errors="replace")
        self.findings += [line for line in log.splitlines() if "level=error" in line or "Traceback" in line][:_FINDINGS]
        command = [sys.executable, "-m", "exporter", "state", "check", f"--storage.path={self._storage}"]
        checked = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_CHECK, check=False)
        if checked.returncode != 0:
            self.findings.append(f"state check: {checked.stdout}{checked.stderr}")

    def _moments(self, life: _Life) -> dict[str, Callable[[], None]]:
        """What a kill may wait for, by its name."""
        draw = self._rng
        return {
            "start": lambda: time.sleep(draw.uniform(0.0, 1.2 * self._start_seconds)),
            "work": lambda: life.until_more(lambda: 0, 1, draw.uniform(0.0, _LONGEST_LIFE)),
            "requests": lambda: life.until_more(self._work.answered, draw.randint(1, 8)),
            "commits": lambda: life.until_more(_Changes(self._storage / "state.sqlite-wal"), draw.randint(1, 8)),
            "posts": lambda: life.until_more(lambda: self.sender.begun, draw.randint(1, 4)),
            "scrapes": lambda: life.until_more(lambda: self.watchers.begun, draw.randint(1, 6)),
        }

    def _check_state(self, when: str) -> None:
        """Looks at a copy, as the next process would find it, so that it is left to that one to mend."""
        if not (self._storage / "state.sqlite").exists():
            return
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._storage, self._copy)
        with closing(sqlite3.connect(self._copy / "state.sqlite")) as state:
            found = [f"{when}: {finding}" for part in check(state) for finding in part.findings]
        self.findings += found[:_FINDINGS]


class _Life:
    """The time that one process has."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._pages = watchers.pages
        self._begun = time.monotonic()
        #: Seconds from the start to the first page, None before it.
        self.first_page: float | None = None

    def until_more(self, count: Callable[[], int], more: int, most: float = _LONGEST_LIFE) -> None:
        """Waits until something has happened so often since the first page, or for so many seconds since then."""
        while self._watchers.pages == self._pages:
            if time.monotonic() > self._begun + _LONGEST_START:
                return
            time.sleep(_PAUSE)
        self.first_page = time.monotonic() - self._begun
        before, deadline = count(), time.monotonic() + most
        while count() < before + more and time.monotonic() < deadline:
            time.sleep(_PAUSE)


class _Changes:
    """Counts the changes of a file that were seen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[int, int] | None = None
        self._seen = 0

    def __call__(self) -> int:
        with suppress(FileNotFoundError):
            status = self._path.stat()
            now = status.st_size, status.st_mtime_ns
            self._seen += now != self._last
            self._last = now
        return self._seen


def crash_again_and_again(
    folder: Path, *, kills: int, seed: int, seconds: float, say: Callable[[str], None] = lambda _: None
) -> CrashReport:
    """Kills the process so often, or for so long, while known work comes up; then lets it finish and compares.

    Args:
        folder: an empty one.
        kills: how often, if the time suffices.
        seed: what is drawn.
        seconds: after which it is not killed any more, but for a few times that are always done.
        say: is told how it goes on.
    """
    begun = time.monotonic()
    # So much work that there is some to do in each life.
    seeds = [f"seed {number}" for number in range(min(4, max(1, kills // 40)))]
    with known_work(folder, seed, seeds) as (work, base_url):
        run = CrashRun(folder, work, work.configure(base_url), seed)
        expected = work.expected()
        run.watchers.start()
        run.sender.start()
        try:
            while run.moments.total() < kills and (
                time.monotonic() < begun + seconds or run.moments.total() < min(kills, _LEAST_KILLS)
            ):
                done = max(run.moments.total() / kills, (time.monotonic() - begun) / seconds)
                work.show(min(1.0, 0.05 + done))
                run.live_and_die()
                if run.moments.total() % 25 == 0:
                    say(f"{run.moments.total()} kills, {run.watchers.pages} pages, {len(run.findings)} findings")
            run.finish(expected)
        finally:
            run.sender.end()
            run.watchers.end()
    return CrashReport(
        moments=run.moments,
        pages=run.watchers.pages,
        series=run.watchers.series,
        posts=run.sender.begun,
        answers=run.sender.answers + run.watchers.answers,
        seconds=time.monotonic() - begun,
        findings=run.findings + run.watchers.findings + _unexpected(run),
    )


def _unexpected(run: CrashRun) -> list[str]:
    allowed = {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE, "lost"}
    return [f"answered with {status}" for status in {*run.sender.answers, *run.watchers.answers} - allowed]
