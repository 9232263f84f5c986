"""The real exporter as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tests.oracle.prometheus import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PATIENCE = 120.0
_PAUSE = 0.1
_PAUSES_PER_LOOK = 2.0
_GRACE = 60.0
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Exporter:
    """A running exporter."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process = process
        #: `127.0.0.1:PORT`
        self.address = address
        self.log = log
        self._client = httpx.Client(base_url=f"http://{address}", timeout=_PATIENCE, trust_env=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One request; header names are written with `_` for `-`."""
        return self._client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
        """One request that changes something; header names are written with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(path, content=content, headers=named)

    def page(self, *, open_metrics: bool = False) -> str:
        """The page of `/metrics`."""
        response = self.get("/metrics", accept=OPEN_METRICS if open_metrics else "text/plain")
        assert response.status_code == httpx.codes.OK
        return response.text

    def until(self, what: str, holds: Callable[[], object], patience: float = _PATIENCE, pause: float = _PAUSE) -> None:
        """Waits until something holds, for so many seconds, with so many between two looks.

        Where a look takes long, the pauses are longer: a test that only looks keeps the process from its work.

        Raises:
            AssertionError: it does not hold in time, or the process has ended; the text has the end of its log.
        """
        deadline = time.monotonic() + patience
        while True:
            assert self.process.poll() is None, f"the exporter ended: {self.log_end()}"
            began = time.monotonic()
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, f"not within {patience} s: {what}\n{self.log_end()}"
            time.sleep(max(pause, _PAUSES_PER_LOOK * (time.monotonic() - began)))

    def until_ready(self) -> None:
        """Waits until the first poll of each source has ended."""
        self.until("ready", lambda: self.get("/-/ready").status_code == httpx.codes.OK)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends the process; gives its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=_PATIENCE)

    def log_end(self) -> str:
        """The last lines of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def close(self) -> None:
        """Ends the process if it still runs: orderly where it can, so that its coverage is written."""
        self._client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_exporter(
    config: Path, storage: Path, *flags: str, address: str = "", log: Path | None = None, measured: bool = True
) -> Iterator[Exporter]:
    """Starts `python -m exporter`; it need not be ready yet.

    Args:
        config: its configuration.
        storage: the folder of its state.
        flags: more of them.
        address: where it listens; empty: on a free port.
        log: where its log goes; None: beside its storage.
        measured: whether its coverage is; that makes it several times as slow, and where it works hard does what others
            have done already.
    """
    address = address or f"127.0.0.1:{free_port()}"
    log = log or storage.with_name(f"{storage.name}.log")
    command: Sequence[str] = (
        sys.executable,
        "-m",
        "exporter",
        f"--config.file={config}",
        f"--storage.path={storage}",
        f"--web.listen-address={address}",
        *flags,
    )
    unset = set() if measured else {"COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**environment, "NO_PROXY": "*"}
        )
    exporter = Exporter(process, address, log)
    try:
        yield exporter
    finally:
        exporter.close()
