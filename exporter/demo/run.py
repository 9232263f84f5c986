"""The `demo` command: the real service against simulated vendors in the same process, over real HTTP and real files."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import socket
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import httpx
import yaml
from anyio import to_thread
from msgspec.structs import replace

from exporter.demo.hundredms_server import Credentials, Faults, HundredMsServer
from exporter.demo.serving import serving
from exporter.demo.simulated_time import SimulatedTime
from exporter.demo.simulation import simulate
from exporter.demo.story import (
    BEHIND_SECONDS,
    HUNDREDMS_ROOMS,
    LEAD_SECONDS,
    WATCHRTC_ROOMS,
    configuration,
    introduction,
)
from exporter.demo.watchrtc_files import DataStreamFolder
from exporter.demo.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Sequence

    from exporter.demo.simulation import Room
    from exporter.options import ServeOptions

logger = logging.getLogger(__name__)

_SCRAPE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0
_FILES_SECONDS: Final = 0.5
#: Counts show only after a Prometheus has read their zeros: with this header the demo's own scrapes are taken for one.
_AS_PROMETHEUS: Final = {"X-Prometheus-Scrape-Timeout-Seconds": "5"}

_FAULTS: Final = Faults(not_ready_requests=1, too_many_requests_every=25, retry_after_seconds=1)


async def run_demo(options: ServeOptions, speed: float, seed: int) -> int:
    """Runs the service against simulated vendors until it is told to stop; leaves nothing behind.

    Args:
        options: the flags of serve; configuration file and storage path are replaced by ones in a temporary folder.
        speed: how many times as fast as the real time the simulated time runs until it has caught up.
        seed: another seed, other meetings.

    Returns:
        The exit code of the service.

    Raises:
        ValueError: the speed is not a number above 0.
    """
    if not 0 < speed < math.inf:
        msg = f"expected a speed above 0, such as 60, got {speed}"
        raise ValueError(msg)
    from exporter.service import serve  # noqa: PLC0415 - what the simulation feeds, tests among it, needs no service

    clock = SimulatedTime(time.time, behind_seconds=BEHIND_SECONDS, speed=speed)
    with TemporaryDirectory(prefix="webrtc-quality-demo-") as name:
        folder = Path(name)
        streams = folder / "data-streams"
        streams.mkdir()
        token = secrets.token_urlsafe(32)
        server = HundredMsServer(_world(seed, HUNDREDMS_ROOMS, clock), clock, Credentials(token=token), _FAULTS)
        files = DataStreamFolder(streams, _world(seed, WATCHRTC_ROOMS, clock), begin=clock.start)
        address = _settled(options.listen_addresses[0])
        async with serving(server.application) as vendor:
            config = _write_configuration(folder, f"{vendor}/v2", token)
            flags = replace(
                options,
                config_file=config,
                storage_path=folder / "state",
                listen_addresses=(address, *options.listen_addresses[1:]),
            )
            _say(introduction(f"http://{_visible(address)}", flags.telemetry_path, speed))
            async with _beside(
                _write_files(files, clock), _scrape(f"http://{_visible(address)}{flags.telemetry_path}")
            ):
                return await serve(flags)


def _world(seed: int, rooms: Sequence[Room], clock: SimulatedTime) -> World:
    anchor = clock.start - LEAD_SECONDS
    return World(simulate(seed, anchor, math.inf, rooms=rooms, anchor=anchor))


def _write_configuration(folder: Path, base_url: str, token: str) -> Path:
    token_file = folder / "management-token"
    token_file.write_text(token, encoding="utf-8")
    path = folder / "config.yaml"
    settings = configuration(base_url, token_file, folder / "data-streams")
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def _settled(address: str) -> str:
    """The listen address with a port that is known, so that it can be told and scraped."""
    host, _, port = address.rpartition(":")
    if port != "0":
        return address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"{host}:{free.getsockname()[1]}"


def _visible(address: str) -> str:
    """Host and port under which this machine finds a listen address."""
    host, _, port = address.rpartition(":")
    return f"{'127.0.0.1' if host in {'', '0.0.0.0', '[::]'} else host}:{port}"  # noqa: S104 - compared, not bound


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@asynccontextmanager
async def _beside(*loops: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Runs endless loops beside something else, and ends them with it. One that fails costs only itself."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a part of the simulation has failed", exc_info=task.exception())


async def _write_files(files: DataStreamFolder, clock: SimulatedTime) -> None:
    while True:
        await to_thread.run_sync(files.write, clock())
        await asyncio.sleep(_FILES_SECONDS)


async def _scrape(url: str) -> None:
    # The environment's proxies are for the world outside this machine.
    async with httpx.AsyncClient(headers=_AS_PROMETHEUS, trust_env=False) as client:
        while True:
            try:
                response = await client.get(url)
                read = response.is_success
            except httpx.TransportError:
                # The service is not up yet, or is going down.
                read = False
            await asyncio.sleep(_SCRAPE_SECONDS if read else _RETRY_SECONDS)
