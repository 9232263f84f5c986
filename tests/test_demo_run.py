"""The demo as a whole: its time, its world, and the command that runs the service against the simulated vendors."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import math
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exporter.demo import run
from exporter.demo.hundredms_documents import peer_stats, session_row
from exporter.demo.media import record
from exporter.demo.run import run_demo
from exporter.demo.scenarios import SCENARIOS
from exporter.demo.serving import serving
from exporter.demo.simulated_time import SimulatedTime
from exporter.demo.simulation import ROOMS, meeting, simulate
from exporter.demo.story import BEHIND_SECONDS, HUNDREDMS_ROOMS, LEAD_SECONDS, WATCHRTC_ROOMS, introduction
from exporter.demo.watchrtc_documents import room_document
from exporter.demo.watchrtc_files import DataStreamFolder
from exporter.demo.world import World
from exporter.options import ServeOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

START = 1_790_000_000.0


def moments(document: object) -> Iterator[float]:
    """Every time in a document, as Unix seconds: ISO texts and milliseconds."""
    if isinstance(document, dict):
        for value in document.values():
            yield from moments(value)
    elif isinstance(document, list):
        for value in document:
            yield from moments(value)
    elif isinstance(document, str) and re.match(r"20\d\d-\d\d-\d\dT", document):
        yield datetime.fromisoformat(document).timestamp()
    elif isinstance(document, int) and document > 1e12:
        yield document / 1000


def test_simulated_time_runs_fast_until_it_is_now() -> None:
    """It starts in the past, runs at its speed, and is the real time from then on, never later."""
    real = START
    clock = SimulatedTime(lambda: real, behind_seconds=7200, speed=61)
    assert clock.start == clock() == START - 7200
    for passed, behind in ((10, 6600), (60, 3600), (119, 60), (120, 0), (121, 0), (5000, 0)):
        real = START + passed
        assert clock() == real - behind


def test_simulated_time_at_real_pace_stays_behind() -> None:
    """With a speed of 1 it is two hours late for ever."""
    real = START
    clock = SimulatedTime(lambda: real, behind_seconds=7200, speed=1)
    real += 9999
    assert clock() == real - 7200


def test_world() -> None:
    """Meetings are there once they begin and finished once they end; after a while they are forgotten."""
    held = [meeting(1, "audio_only", START + 100 * number, minutes=1) for number in range(5)]
    world = World(held, memory_seconds=250)
    assert world.begun(START - 1) == []
    assert world.begun(START + 200) == held[:3]
    assert world.finished(START + 200) == held[:2]
    assert world.finished(START + 260) == held[:3]
    # A clock that is set back sees no more than it should.
    assert world.begun(START + 100) == held[:2]
    assert world.begun(START + 460) == held[2:]
    assert World([]).begun(START) == []


def test_world_draws_from_an_endless_schedule_as_time_goes_on() -> None:
    """A schedule without end is drawn from only as far as it has begun."""
    world = World(simulate(1, START, math.inf, anchor=START))
    assert world.begun(START + 7200) == list(simulate(1, START, START + 7200, anchor=START))


@pytest.mark.no_cover
def test_no_document_tells_of_the_future() -> None:
    """Whenever one looks, no session, statistic or room has a time after that moment."""
    seen = 0
    anchor = START - LEAD_SECONDS
    world = World(simulate(1, anchor, math.inf, anchor=anchor))
    known = set[str]()
    for now in range(int(START), int(START) + 5400, 60):
        for held in world.begun(now):
            assert max(moments(session_row(held, now))) <= now
        for held in world.finished(now):
            if held.key not in known:
                known.add(held.key)
                recording = record(held)
                assert max(moments(room_document(recording))) <= now
                for number in range(len(held.participants)):
                    assert max(moments(peer_stats(recording, number)), default=0) <= now
                    seen += 1
    assert seen > 100


@pytest.mark.parametrize("seed", range(5))
def test_calls_of_both_vendors_end_right_after_the_start(seed: int, tmp_path: Path) -> None:
    """At 60 times the real pace, calls of both vendors are over within 5 s, and nearly all rooms have met in 20 s."""
    anchor = START - LEAD_SECONDS
    ended: dict[str, set[str]] = {}
    for vendor, rooms in (("100ms", HUNDREDMS_ROOMS), ("watchRTC", WATCHRTC_ROOMS)):
        world = World(simulate(seed, anchor, math.inf, rooms=rooms, anchor=anchor))
        assert world.finished(START) == []
        assert world.finished(START + 5 * 60)
        ended[vendor] = {held.room for held in world.finished(START + 20 * 60)}
        if vendor == "watchRTC":
            assert DataStreamFolder(tmp_path, world, begin=START).write(START + 6 * 60)
    assert len(ended["100ms"]) >= 4
    assert len(ended["watchRTC"]) == 5


def test_the_story_shows_every_kind_of_trouble() -> None:
    """Half of the rooms are held on each vendor, and every scenario has its turn."""
    assert len(HUNDREDMS_ROOMS) == len(WATCHRTC_ROOMS) == 5
    assert {*HUNDREDMS_ROOMS, *WATCHRTC_ROOMS} == set(ROOMS)
    assert {scenario for room in ROOMS for scenario in room.scenarios} == set(SCENARIOS)
    for room in ROOMS:
        assert all(66 * SCENARIOS[scenario].minutes + 45 < room.period for scenario in room.scenarios)


def test_the_introduction_tells_where_to_look() -> None:
    """A person is told the addresses, how to start Prometheus, and which room has the bad uplink."""
    text = introduction("http://127.0.0.1:10210", "/metrics", 60)
    assert "http://127.0.0.1:10210/metrics\n" in text
    assert "prometheus --config.file=deploy/prometheus/prometheus.yml" in text
    assert re.search(r"weekly-standup +100ms +one peer's uplink loses packets", text)
    assert "60 times as fast; in 2.0 minutes it is now" in text
    assert max(map(len, text.splitlines())) <= 120
    assert "at 0.5 times their pace" in introduction("http://x", "/metrics", 0.5)


class FakeService(ModuleType):
    """Stands in for `exporter.service`: looks around as the real one would, then ends with an exit code."""

    def __init__(self, look: Callable[[ServeOptions, dict[str, Any]], Awaitable[int]]) -> None:
        super().__init__("exporter.service")
        self._look = look
        self.folder = Path()

    async def serve(self, options: ServeOptions) -> int:
        """Reads the configuration as it stands on disk, and looks around."""
        self.folder = options.config_file.parent
        return await self._look(options, yaml.safe_load(options.config_file.read_text(encoding="utf-8")))


def install(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[ServeOptions, dict[str, Any]], Awaitable[int]]
) -> FakeService:
    """Puts a fake service in the place of the real one."""
    service = FakeService(look)
    monkeypatch.setitem(sys.modules, "exporter.service", service)
    return service


def text_of(path: str) -> str:
    """What stands in a file."""
    return Path(path).read_text(encoding="utf-8")


def rooms_in(folder: Path) -> list[dict[str, Any]]:
    """The rooms of all data-stream files in a folder."""
    rooms: list[dict[str, Any]] = []
    for path in folder.glob("watchrtc-*"):
        raw = path.read_bytes()
        rooms += json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    return rooms


def options(*addresses: str) -> ServeOptions:
    """The flags of serve with some listen addresses."""
    return ServeOptions(config_file=Path("unused.yaml"), listen_addresses=addresses)


async def eventually(look: Callable[[], object]) -> None:
    """Waits until something is so, at most ten seconds."""
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - files and logs tell no event
            await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_demo_serves_both_vendors_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service finds a 100ms API that knows its token and a folder that fills with files; afterwards all is gone."""
    began = time.time()

    async def look(flags: ServeOptions, config: dict[str, Any]) -> int:
        calls, watched = config["sources"]
        assert (calls["type"], watched["type"]) == ("100ms", "watchrtc")
        assert config["metrics"] == {"series_ttl": "3h", "zero_hold": "20s"}
        token = text_of(calls["auth"]["management_token_file"])
        assert flags.storage_path.parent == flags.config_file.parent
        folder = Path(watched["url"])
        await eventually(lambda: len(rooms_in(folder)) >= 3)
        rooms = rooms_in(folder)
        assert {room["room_id"] for room in rooms} <= {room.name for room in WATCHRTC_ROOMS}
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=calls["base_url"], headers=headers, trust_env=False) as client:
            query = {"active": "false", "limit": "100"}
            sessions = (await client.get("sessions", params=query)).json()["data"]
            assert sessions
            peers = {"session_id": sessions[-1]["id"], "peer_id": next(iter(sessions[-1]["peers"]))}
            statuses = [(await client.get("analytics/peer-stats", params=peers)).status_code for _ in range(2)]
            assert statuses == [404, 200]
        times = [*moments(sessions), *moments(rooms)]
        assert began - BEHIND_SECONDS - LEAD_SECONDS < min(times) < max(times) <= time.time()
        return 7

    service = install(monkeypatch, look)
    assert await run_demo(options("127.0.0.1:10210"), 2000, 1) == 7
    assert service.folder != Path()
    assert not service.folder.exists()
    assert "http://127.0.0.1:10210/metrics" in capsys.readouterr().out


@pytest.mark.anyio
async def test_demo_reads_its_own_metrics_as_prometheus_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts show after a scrape has read their zeros: the demo scrapes itself, also when its port is the system's."""
    monkeypatch.setattr(run, "_SCRAPE_SECONDS", 0.01)
    monkeypatch.setattr(run, "_RETRY_SECONDS", 0.01)
    seen: list[str | None] = []

    async def metrics(request: Request) -> PlainTextResponse:
        seen.append(request.headers.get("X-Prometheus-Scrape-Timeout-Seconds"))
        return PlainTextResponse("", 503 if len(seen) < 3 else 200)

    async def look(flags: ServeOptions, _config: dict[str, Any]) -> int:
        first, second = flags.listen_addresses
        assert second == "[::1]:0"
        port = int(first.rpartition(":")[2])
        assert port > 0
        assert f"http://127.0.0.1:{port}/" in capsys.readouterr().out
        # Nobody listens at first, as while the real service starts.
        await asyncio.sleep(0.05)
        async with serving(Starlette(routes=[Route(flags.telemetry_path, metrics)]), port):
            await eventually(lambda: len(seen) >= 5)
        return 0

    install(monkeypatch, look)
    assert await run_demo(options(":0", "[::1]:0"), 60, 1) == 0
    assert set(seen) == {"5"}


@pytest.mark.anyio
async def test_a_failing_service_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service raises comes through as it is, and nothing is left behind."""

    async def look(_flags: ServeOptions, _config: dict[str, Any]) -> int:
        msg = "cannot listen"
        raise OSError(msg)

    service = install(monkeypatch, look)
    with pytest.raises(OSError, match=r"^cannot listen$"):
        await run_demo(options("127.0.0.1:0"), 60, 1)
    assert not service.folder.exists()


@pytest.mark.anyio
async def test_a_failing_part_of_the_simulation_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When files cannot be written the log says so, and the rest goes on."""

    def write(_self: DataStreamFolder, _now: float) -> list[Path]:
        msg = "no space left"
        raise OSError(msg)

    async def look(_flags: ServeOptions, _config: dict[str, Any]) -> int:
        await eventually(lambda: caplog.records)
        return 0

    monkeypatch.setattr(DataStreamFolder, "write", write)
    install(monkeypatch, look)
    with caplog.at_level(logging.ERROR, logger="exporter.demo.run"):
        assert await run_demo(options("127.0.0.1:0"), 60, 1) == 0
    assert "a part of the simulation has failed" in caplog.text
    assert "no space left" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
async def test_a_speed_that_is_none(speed: float) -> None:
    """Time that stands still, runs backwards or at once is refused."""
    with pytest.raises(ValueError, match="expected a speed above 0"):
        await run_demo(options(":0"), speed, 1)
