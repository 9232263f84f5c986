"""Two hours of simulated calls in front of the real exporter, played fast, in a Prometheus as if it had scraped them.

The vendors' time runs many times as fast as the exporter's. Its page is read again and again, and sent on with the
vendors' time, by remote write, to the Prometheus to which the exporter itself sends the timeline.
"""

from __future__ import annotations

import json
import math
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx
from msgspec import Struct

from exporter.demo.hundredms_server import Credentials, Faults, HundredMsServer
from exporter.demo.simulated_time import SimulatedTime
from exporter.demo.simulation import simulate
from exporter.demo.story import BEHIND_SECONDS, HUNDREDMS_ROOMS, LEAD_SECONDS, WATCHRTC_ROOMS, configuration
from exporter.demo.watchrtc_files import DataStreamFolder
from exporter.demo.world import World
from exporter.timeline import wire
from exporter.timeline.series import TimelineSeries, packed
from tests.live.process import running_exporter
from tests.live.receivers import receiving_prometheus
from tests.live.vendors import TOKEN, in_a_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from exporter.demo.simulation import Room
    from exporter.timeline.series import Labels
    from tests.live.process import Exporter

SEED: Final = 1
_SPEED: Final = 200.0
#: Simulated seconds between two scrapes. Twice in the least `$__rate_interval`, as rates need two samples.
_SCRAPE_SECONDS: Final = 30
_PAUSE: Final = 0.2
#: Real seconds after the vendors have caught up: for the last reports to come, and for what is new to be shown as zero.
_REST_SECONDS: Final = 6.0
_AS_PROMETHEUS: Final = {"X_Prometheus_Scrape_Timeout_Seconds": "15"}
_OWN: Final = {"job": "webrtc-quality-exporter", "instance": "localhost:10210"}
_FAULTS: Final = Faults(not_ready_requests=1, too_many_requests_every=50, retry_after_seconds=1)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES: Final = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Replay(Struct, frozen=True, kw_only=True):
    """Where the calls can be asked for, and when they were."""

    #: Of the Prometheus.
    url: str
    #: Unix seconds.
    start: float
    end: float


@contextmanager
def replayed(folder: Path) -> Iterator[Replay]:
    """Plays the calls, and serves what was scraped and sent.

    Raises:
        AssertionError: the exporter or Prometheus did not start, or Prometheus refused samples.
    """
    clock = SimulatedTime(time.time, behind_seconds=BEHIND_SECONDS, speed=_SPEED)
    streams = folder / "streams"
    streams.mkdir()
    server = HundredMsServer(_world(HUNDREDMS_ROOMS, clock), clock, Credentials(token=TOKEN), _FAULTS)
    files = DataStreamFolder(streams, _world(WATCHRTC_ROOMS, clock), begin=clock.start)
    with (
        in_a_thread(server.application) as vendor,
        receiving_prometheus(folder / "prometheus") as database,
        running_exporter(
            _configured(folder, f"{vendor}/v2", database.url), folder / "state", measured=False
        ) as exporter,
    ):
        exporter.until_ready()
        with httpx.Client(trust_env=False) as receiver:
            end = _play(clock, files, exporter, lambda body: _send(receiver, database.url, body))
        yield Replay(url=database.url.removesuffix("/api/v1/write"), start=clock.start, end=end)


def _world(rooms: Sequence[Room], clock: SimulatedTime) -> World:
    anchor = clock.start - LEAD_SECONDS
    return World(simulate(SEED, anchor, math.inf, rooms=rooms, anchor=anchor))


def _configured(folder: Path, base_url: str, receiver: str) -> Path:
    token, file = folder / "token", folder / "config.yaml"
    token.write_text(TOKEN, encoding="utf-8")
    settings = configuration(base_url, token, folder / "streams")
    hundredms, watchrtc = settings["sources"]
    hundredms["discovery"]["poll_interval"] = watchrtc["poll_interval"] = "1s"
    hundredms["peer_stats"]["requests_per_second"] = 200
    settings["metrics"]["zero_hold"] = "1s"
    settings["remote_write"] = [{"name": "prometheus", "url": receiver, "max_sample_age": "23h"}]
    # JSON is YAML.
    file.write_text(json.dumps(settings), encoding="utf-8")
    return file


def _play(clock: SimulatedTime, files: DataStreamFolder, exporter: Exporter, send: Callable[[bytes], None]) -> float:
    """Writes files and scrapes until the vendors have caught up; gives the time of the last scrape."""
    tick = math.ceil(clock.start / _SCRAPE_SECONDS) * _SCRAPE_SECONDS
    known: dict[str, tuple[str, Labels]] = {}
    caught_up = math.inf
    while time.time() < caught_up + _REST_SECONDS or tick <= clock():
        files.write(clock())
        page = exporter.get("/metrics", accept="text/plain", **_AS_PROMETHEUS).text
        now = clock()
        if caught_up == math.inf and now >= time.time() - _PAUSE:
            caught_up = time.time()
        ticks = tuple(range(tick * 1000, math.floor(now) * 1000 + 1, _SCRAPE_SECONDS * 1000))
        if ticks:
            send(wire.body(_series(page, ticks, known), _OWN))
            tick = ticks[-1] // 1000 + _SCRAPE_SECONDS
        time.sleep(_PAUSE)
    return float(tick - _SCRAPE_SECONDS)


def _send(receiver: httpx.Client, url: str, body: bytes) -> None:
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    answer = receiver.post(url, content=body, headers=headers)
    assert answer.is_success, answer.text


def _series(page: str, ticks: tuple[int, ...], known: dict[str, tuple[str, Labels]]) -> Iterator[TimelineSeries]:
    """Every series of a page, with its value at each of the times."""
    for name, labels, value in scraped(page, known):
        yield TimelineSeries(family=name, labels=labels, times=ticks, values=packed([value]) * len(ticks))


def scraped(page: str, known: dict[str, tuple[str, Labels]] | None = None) -> Iterator[tuple[str, Labels, float]]:
    """Name, labels and value of every series of a page in the text format.

    Args:
        page: the page.
        known: remembers the labels from page to page.
    """
    known = {} if known is None else known
    for line in page.splitlines():
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            if series not in known:
                known[series] = _read(series)
            yield *known[series], float(value)


def _read(series: str) -> tuple[str, Labels]:
    name, _, labels = series.partition("{")
    return name, tuple((label, _unescaped(value)) for label, value in _LABEL.findall(labels))


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES[found[0]], value)
