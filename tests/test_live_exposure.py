"""First exposure at zero, with several real Prometheis: each of them sees a new room's only session increase."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.live.process import Exporter, running_exporter
from tests.live.proxy import running_proxy
from tests.oracle import Prometheus, running_prometheus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.live

#: The same for all, so that address, user agent and headers are alike.
ALIKE = {"scrape_timeout": "1s"}
#: What a room's only session of two peers makes of each series once it shows.
COUNTED = {
    "webrtc_sessions_total": 1.0,
    "webrtc_peer_session_duration_seconds_count": 2.0,
    'webrtc_peer_session_duration_seconds_bucket{le=~"60(.0)?"}': 2.0,
    "webrtc_peer_session_duration_seconds_sum": 120.0,
    "webrtc_peer_session_mos_count": 2.0,
}


def configure(folder: Path) -> Path:
    """A watchRTC source over a folder that is empty yet."""
    (folder / "streams").mkdir()
    source = {
        "name": "watch",
        "type": "watchrtc",
        "url": str(folder / "streams"),
        "poll_interval": "1s",
        "min_object_age": "0s",
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps({"sources": [source], "metrics": {"zero_hold": "1s"}}), encoding="utf-8")
    return path


def hold_meeting(folder: Path, room: str) -> None:
    """A new room's only session ends: two peers of a minute each."""
    start = "2026-03-01T10:00:00.000Z"
    peers = [{"peer_id": peer, "start_time": start, "duration": 60, "stats": {"mos": 4.2}} for peer in ("p1", "p2")]
    document = [{"room_id": room, "start_time": start, "duration": 60, "stats": {"mos": 4.2}, "peers": peers}]
    partial = folder / f"{room}.part"
    partial.write_text(json.dumps(document), encoding="utf-8")
    partial.replace(folder / "streams" / f"{room}.json")


def of_room(family: str, room: str) -> str:
    """A selector."""
    name, _, rest = family.partition("{")
    return f'{name}{{room_id="{room}",{rest or "}"}'


def until_counted(exporter: Exporter, prometheis: Sequence[Prometheus], room: str) -> None:
    """Waits until each has a sample of the room's count; a visitor looks at the page all the time."""

    def counted() -> bool:
        exporter.page()
        return all(each.query(f"{of_room('webrtc_sessions_total', room)} == 1") for each in prometheis)

    exporter.until(f"the count of {room} everywhere", counted)


def assert_seen_from_zero(prometheis: Mapping[str, Prometheus], room: str) -> None:
    """In each, every series begins with zeros, then has its count, and `increase()` sees it."""
    for name, prometheus in prometheis.items():
        for family, value in COUNTED.items():
            selector = of_room(family, room)
            ((_, samples),) = prometheus.samples(selector)
            assert samples[0] == 0.0, f"{name}: {selector} begins with {samples[0]}"
            assert set(samples) == {0.0, value}, f"{name}: {selector}: {samples}"
            assert samples == sorted(samples), f"{name}: {selector}: {samples}"
            ((_, increase),) = prometheus.query(f"increase({selector}[10m])")
            assert increase > 0.0, f"{name}: {selector}"


def test_each_prometheus_sees_the_only_session_of_a_new_room(tmp_path: Path) -> None:
    """Every second and every three over connections of their own, every two through a proxy; all look alike."""
    config = configure(tmp_path)
    with ExitStack() as running:
        exporter = running.enter_context(running_exporter(config, tmp_path / "state", measured=False))
        proxied = {**ALIKE, "proxy_url": running.enter_context(running_proxy())}

        def prometheus(name: str, interval: str, options: Mapping[str, object]) -> Prometheus:
            targets = {"exporter": exporter.address}
            started = running_prometheus(tmp_path / name, targets, scrape_interval=interval, job_options=options)
            return running.enter_context(started)

        prometheis = {
            "fast": prometheus("fast", "1s", ALIKE),
            "slow": prometheus("slow", "3s", ALIKE),
            "proxied": prometheus("proxied", "2s", proxied),
        }
        for each in prometheis.values():
            each.wait_for("count_over_time(webrtc_exporter_build_info[1m]) >= 3")
        assert "webrtc_exporter_scrapers 3.0" in exporter.page()

        hold_meeting(tmp_path, "first")
        until_counted(exporter, list(prometheis.values()), "first")
        assert_seen_from_zero(prometheis, "first")

        # One that comes while a room is held neither keeps the others from its count nor takes it from them.
        hold_meeting(tmp_path, "second")
        exporter.until("held", lambda: 'webrtc_sessions_total{source="watch",room_id="second"} 0.0' in exporter.page())
        prometheis["late"] = prometheus("late", "1s", ALIKE)
        until_counted(exporter, list(prometheis.values()), "second")
        del prometheis["late"]
        assert_seen_from_zero(prometheis, "second")


def test_each_sees_it_over_a_crash(tmp_path: Path) -> None:
    """The process dies when only the faster one has read the zeros: the next one waits for the slower one as well."""
    config = configure(tmp_path)
    with ExitStack() as running:
        with running_exporter(config, tmp_path / "state", measured=False) as exporter:
            address = exporter.address
            prometheis = {
                name: running.enter_context(
                    running_prometheus(
                        tmp_path / name, {"exporter": address}, scrape_interval=interval, job_options=ALIKE
                    )
                )
                for name, interval in (("fast", "1s"), ("slow", "5s"))
            }
            prometheis["slow"].wait_for("count_over_time(webrtc_exporter_build_info[1m]) >= 3")
            # Between two scrapes of the slower one.
            before = last_scrape(prometheis["slow"])
            exporter.until("scraped", lambda: last_scrape(prometheis["slow"]) > before)
            hold_meeting(tmp_path, "first")
            zeros = of_room("webrtc_sessions_total", "first")
            exporter.until("read by one", lambda: prometheis["fast"].query(f"{zeros} == 0"))
            assert not prometheis["slow"].query(zeros)
            exporter.stop(signal.SIGKILL)
        # So that all of its interval is left when the next process starts.
        prometheis["slow"].wait_for("up == 0")
        with running_exporter(config, tmp_path / "state", address=address, measured=False) as again:
            until_counted(again, list(prometheis.values()), "first")
            assert_seen_from_zero(prometheis, "first")
            # What is shown is not held again.
            assert again.stop(signal.SIGKILL) == -signal.SIGKILL
        with running_exporter(config, tmp_path / "state", address=address, measured=False) as once_more:
            once_more.until_ready()
            assert 'webrtc_sessions_total{source="watch",room_id="first"} 1.0' in once_more.page()


def last_scrape(prometheus: Prometheus) -> float:
    """When a Prometheus last read a page, in Unix seconds."""
    ((_, when),) = prometheus.query("timestamp(webrtc_exporter_build_info)", time.time())
    return when
