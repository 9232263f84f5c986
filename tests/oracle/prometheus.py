"""A real Prometheus for tests: started in a folder of its own, asked over its HTTP API, stopped."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE = 120.0
_PAUSE = 0.1
_ATTEMPTS = 5
#: Below those that the kernel gives to outgoing connections, of which one could take a port between the look at it and
#: its use; in another order in each process, as several run tests beside each other.
_ports = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))


def leave_out(why: str) -> NoReturn:
    """Skips the test on a person's machine; in CI it fails, as there nobody would see that it was skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def require_tool(name: str) -> str:
    """The path of a program; where there is none, the test is left out."""
    return shutil.which(name) or leave_out(f"{name} is not on PATH")


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=_PATIENCE, trust_env=False)

    def query(self, expression: str, time: float | None = None) -> list[tuple[dict[str, str], float]]:
        """An instant query: labels (`__name__`, `job` and `instance` included) and value of each series.

        Raises:
            AssertionError: Prometheus does not accept the query.
        """
        data: dict[str, str] = {"query": expression} | ({} if time is None else {"time": repr(time)})
        result = self._ask("query", data)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """A range query: labels and the (Unix seconds, value) pairs of each series.

        Raises:
            AssertionError: Prometheus does not accept the query.
        """
        data = {"query": expression, "start": repr(start), "end": repr(end), "step": repr(step)}
        result = self._ask("query_range", data)["result"]
        return [(series["metric"], [(when, float(value)) for when, value in series["values"]]) for series in result]

    def samples(self, selector: str, window: str = "1h") -> list[tuple[dict[str, str], list[float]]]:
        """The raw samples of each series in the time before now, the oldest first.

        Raises:
            AssertionError: Prometheus does not accept the selector.
        """
        result = self._ask("query", {"query": f"{selector}[{window}]"})["result"]
        return [(series["metric"], [float(value) for _, value in series["values"]]) for series in result]

    def wait_for(self, expression: str, timeout: float = _PATIENCE) -> list[tuple[dict[str, str], float]]:
        """Asks again and again until the query has a result, and returns it.

        Raises:
            AssertionError: there is none within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            result = self.query(expression)
            if result:
                return result
            if time.monotonic() > deadline:
                msg = f"no result within {timeout} s: {expression}"
                raise AssertionError(msg)
            time.sleep(_PAUSE)

    def _ask(self, route: str, data: dict[str, str]) -> dict[str, Any]:
        answer = self._client.post(f"/api/v1/{route}", data=data)
        if answer.status_code != httpx.codes.OK:
            msg = f"{data['query']}: {answer.status_code} {answer.text}"
            raise AssertionError(msg)
        content: dict[str, Any] = answer.json()["data"]
        return content

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that was not given before."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running_prometheus(
    folder: Path,
    targets: Mapping[str, str],
    *,
    scrape_interval: str = "1s",
    metrics_path: str = "/metrics",
    job_options: Mapping[str, object] = MappingProxyType({}),
    flags: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """Starts a Prometheus that scrapes `targets` (job name: host:port), waits until it is ready, and stops it.

    `job_options` are more of a `scrape_config`.

    Raises:
        AssertionError: it does not start; the text holds the end of its log.
    """
    program = require_tool("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        {"job_name": job, "metrics_path": metrics_path, "static_configs": [{"targets": [address]}], **job_options}
        for job, address in targets.items()
    ]
    configuration = {
        "global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval},
        "scrape_configs": jobs,
    }
    # JSON is YAML, and quotes for us.
    (folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
    for attempt in range(_ATTEMPTS):
        port = free_port()
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / f'data-{attempt}'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
            *flags,
        ]
        log_path = folder / "prometheus.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        server = Prometheus(f"http://127.0.0.1:{port}")
        try:
            if _wait_until_ready(server, process):
                yield server
                return
        finally:
            server.close()
            _stop(process)
        log_text = log_path.read_text(encoding="utf-8", errors="replace")
        if "address already in use" not in log_text:
            break
    msg = f"prometheus did not start:\n{log_text[-2000:]}"
    raise AssertionError(msg)


def _wait_until_ready(server: Prometheus, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if server.ready():
            return True
        time.sleep(_PAUSE)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
