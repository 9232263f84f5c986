"""Everything at once: reloads, webhooks, pushes, polls and scrapes, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.live.process import Exporter, running_exporter
from tests.live.settling import settled
from tests.live.watching import Watchers
from tests.live.work import Sender, Work, known_work
from tests.oracle import check_exposition

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.live

_SECONDS = 20.0
_PATIENCE = 120.0
#: What may be answered: 503 says that the same may be sent again.
_ALLOWED = {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}


class Repeated:
    """Does something again and again in a thread of its own, until it is ended."""

    def __init__(self, pause: float, action: Callable[[], None]) -> None:
        self._pause, self._action = pause, action
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self.times = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.wait(self._pause):
                self._action()
                self.times += 1
        except BaseException as error:  # noqa: BLE001 - told by `end`
            self._failure = error

    def end(self) -> None:
        """Ends it; raises what it raised."""
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure


def test_everything_at_once_loses_nothing(tmp_path: Path) -> None:
    """For 20 s; at the end every count is that of the documents, and nothing went wrong unseen."""
    answers: Counter[int] = Counter()
    with known_work(tmp_path, seed=4, meetings_of=["one"]) as (work, base_url):
        config, expected = work.configure(base_url), work.expected()
        with running_exporter(config, tmp_path / "state", "--web.enable-lifecycle", measured=False) as exporter:
            exporter.until_ready()
            watchers, sender = Watchers(exporter.address), Sender(work, exporter.address)
            watchers.start()
            sender.start()
            strangers = [Stranger(exporter.address, work, answers) for _ in range(2)]
            load = [
                Repeated(0.4, lambda: exporter.process.send_signal(signal.SIGHUP)),
                Repeated(0.5, lambda: reload_another(exporter, work, base_url, answers)),
                *(Repeated(0.01, stranger.send) for stranger in strangers),
            ]
            try:
                begun = time.monotonic()
                while (spent := time.monotonic() - begun) < _SECONDS:
                    work.show(spent / _SECONDS)
                    assert exporter.process.poll() is None, exporter.log_end()
                    time.sleep(0.1)
                assert_second_is_refused(config, tmp_path)
            finally:
                for each in load:
                    each.end()
                for stranger in strangers:
                    stranger.close()
            work.show(1.0)
            assert settled(exporter, sender, expected) == []
            sender.end()
            watchers.end()
            check_exposition(exporter.page(), exporter.page(open_metrics=True))
            assert exporter.stop() == 0
    assert watchers.findings == []
    statuses = answers + sender.answers + watchers.answers
    assert statuses.keys() <= _ALLOWED
    # It was under load.
    assert min(each.times for each in load) >= 3
    assert watchers.pages > 20
    log = exporter.log.read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if "level=error" in line or "Traceback" in line] == []
    assert log.count("the configuration was reloaded") >= 6


def reload_another(exporter: Exporter, work: Work, base_url: str, answers: Counter[int]) -> None:
    """Puts another configuration in force over HTTP; what it changes has no effect on counts."""
    work.configure(base_url, series_ttl=f"{60 + answers[httpx.codes.OK]}m")
    answers[exporter.post("/-/reload").status_code] += 1


class Stranger:
    """Sends news that are none, as fast as they are answered."""

    def __init__(self, address: str, work: Work, answers: Counter[int]) -> None:
        self._client = httpx.Client(base_url=f"http://{address}", timeout=_PATIENCE, trust_env=False)
        self._work, self._answers = work, answers

    def send(self) -> None:
        """Sends one."""
        post = self._work.again()
        self._answers[self._client.post(post.path, content=post.body, headers=post.headers).status_code] += 1

    def close(self) -> None:
        """Closes its connection."""
        self._client.close()


def assert_second_is_refused(config: Path, folder: Path) -> None:
    """Another process on the same state does not start, and says why; the first one goes on."""
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", f"--storage.path={folder / 'state'}"]
    command += ["--web.listen-address=127.0.0.1:0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert second.returncode == 1
    assert "another process uses this state" in second.stderr
