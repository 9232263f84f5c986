"""Real receivers of remote write: Prometheus and VictoriaMetrics, as Debian has them."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from tests.oracle.prometheus import free_port, require_tool

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

_DEPLOY = Path(__file__).parents[2] / "deploy"
_PROMETHEUS_FLAGS = _DEPLOY / "prometheus" / "prometheus.flags"
_VICTORIA_FLAGS = _DEPLOY / "timeline" / "victoria-metrics" / "victoria-metrics.flags"
_PATIENCE = 120.0
_PAUSE = 0.05
_ATTEMPTS = 5

#: Labels, and Unix milliseconds and value of each sample.
Stored: TypeAlias = list[tuple[dict[str, str], list[tuple[int, float]]]]


class Database:
    """A running receiver, asked over Prometheus' API."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], client: httpx.Client) -> None:
        #: Where to write to.
        self.url = f"{url}/api/v1/write"
        self._process = process
        self._client = client

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def raw(self, selector: str, now: float, seconds: int) -> Stored:
        """All samples of `seconds` before `now`, as they are stored; stale markers are none."""
        result = self._ask("query", query=f"{selector}[{seconds}s]", time=f"{now:.3f}")
        return [(each["metric"], _samples(each["values"])) for each in result]

    def at(self, selector: str, now: float) -> Stored:
        """What an instant query shows."""
        result = self._ask("query", query=selector, time=f"{now:.3f}")
        return [(each["metric"], _samples([each["value"]])) for each in result]

    def over(self, selector: str, start: int, end: int, step: int) -> Stored:
        """What a range query shows; start, end and step in milliseconds."""
        result = self._ask(
            "query_range",
            query=selector,
            start=f"{start / 1000:.3f}",
            end=f"{end / 1000:.3f}",
            step=f"{step / 1000:.3f}",
        )
        return [(each["metric"], _samples(each["values"])) for each in result]

    def _ask(self, route: str, **query: str) -> list[dict[str, Any]]:
        answer = self._client.post(f"/api/v1/{route}", data=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def flush(self) -> None:
        """Makes what was sent visible: VictoriaMetrics shows it after a second or so else."""
        self._client.get("/internal/force_flush")

    def close(self) -> None:
        """Ends the process."""
        self._client.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _samples(values: list[list[Any]]) -> list[tuple[int, float]]:
    # VictoriaMetrics shows stale markers among the samples, as NaN. No sample of ours is one.
    return [(round(when * 1000), float(value)) for when, value in values if not isnan(float(value))]


def _shipped(flags: Path) -> list[str]:
    return [line for line in flags.read_text(encoding="utf-8").splitlines() if line.startswith("-")]


@contextmanager
def receiving_prometheus(
    folder: Path,
    *,
    out_of_order: str | None = "24h",
    scrape: Sequence[Mapping[str, object]] = (),
    web: Mapping[str, object] | None = None,
    tls: ssl.SSLContext | None = None,
    auth: tuple[str, str] | None = None,
) -> Iterator[Database]:
    """Starts a Prometheus that takes remote write.

    Args:
        folder: where it keeps what it has; as it was left, where it was there before.
        out_of_order: how late samples may be; None: not at all, as by default.
        scrape: jobs, as its configuration has them.
        web: exporter-toolkit's file: TLS and users.
        tls: how to ask it, where it has TLS.
        auth: how to ask it, where it has users.
    """
    folder.mkdir(exist_ok=True)
    # JSON is YAML, and quotes for us.
    storage = {} if out_of_order is None else {"storage": {"tsdb": {"out_of_order_time_window": out_of_order}}}
    (folder / "prometheus.yml").write_text(
        json.dumps({"global": {}, "scrape_configs": scrape, **storage}), encoding="utf-8"
    )
    (folder / "web.yml").write_text(json.dumps(web or {}), encoding="utf-8")
    command = [
        require_tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.config.file={folder / 'web.yml'}",
        *_shipped(_PROMETHEUS_FLAGS),
        "--log.level=warn",
    ]
    with _running(command, "--web.listen-address", folder / "prometheus.log", tls, auth) as database:
        yield database


@contextmanager
def victoria_metrics(folder: Path, *flags: str, auth: tuple[str, str] | None = None) -> Iterator[Database]:
    """Starts a VictoriaMetrics as it is shipped, which shows what it was sent at once."""
    command = [
        require_tool("victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        *_shipped(_VICTORIA_FLAGS),
        "-search.latencyOffset=0s",
        "-search.disableCache",
        "-loggerLevel=WARN",
        *flags,
    ]
    folder.mkdir(exist_ok=True)
    with _running(command, "-httpListenAddr", folder / "victoria-metrics.log", None, auth) as database:
        yield database


@contextmanager
def _running(
    command: list[str], listen: str, log_path: Path, tls: ssl.SSLContext | None, auth: tuple[str, str] | None
) -> Iterator[Database]:
    scheme = "http" if tls is None else "https"
    for _ in range(_ATTEMPTS):
        port = free_port()
        with log_path.open("wb") as log:
            process = subprocess.Popen([*command, f"{listen}=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT)
        url = f"{scheme}://127.0.0.1:{port}"
        client = httpx.Client(
            base_url=url, timeout=_PATIENCE, trust_env=False, auth=auth, verify=True if tls is None else tls
        )
        database = Database(url, process, client)
        try:
            deadline = time.monotonic() + _PATIENCE
            while database.alive() and time.monotonic() < deadline:
                if database.ready():
                    yield database
                    return
                time.sleep(_PAUSE)
        finally:
            database.close()
        said = log_path.read_text(encoding="utf-8", errors="replace")
        if "address already in use" not in said:
            break
    msg = f"{command[0]} did not start:\n{said[-2000:]}"
    raise AssertionError(msg)
