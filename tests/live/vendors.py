"""Both vendors, simulated: one serves its API from a thread, the other writes files."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from exporter.demo import hundredms_documents, watchrtc_documents
from exporter.demo.hundredms_server import Credentials, Faults, HundredMsServer
from exporter.demo.media import record
from exporter.demo.scenarios import SCENARIOS
from exporter.demo.serving import serving
from exporter.demo.simulation import meeting
from exporter.demo.truth import Meeting
from exporter.demo.watchrtc_files import DataStreamFolder
from exporter.demo.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from starlette.types import ASGIApp

    from tests.oracle import Expected

TOKEN = "a-management-token"  # noqa: S105 - of a vendor that is simulated
_MINUTES = 4.0


class Announced(World):
    """A world that keeps quiet until it is told to speak."""

    announced = False

    def begun(self, now: float) -> list[Meeting]:
        """Meetings that have begun, where they are announced."""
        return super().begun(now) if self.announced else []


class Vendors(Struct, frozen=True, kw_only=True):
    """The meetings of both vendors, and where an exporter finds them."""

    hundredms: tuple[Meeting, ...]
    watchrtc: tuple[Meeting, ...]
    base_url: str
    folder: Path
    server: HundredMsServer
    world: Announced
    files: DataStreamFolder
    ended: float

    def announce(self) -> None:
        """Lets both vendors tell of their meetings, where they were kept back until now."""
        self.world.announced = True
        # Written as of later, so that the interval in which the meetings ended is over.
        self.files.write(self.ended + 120.0)

    def session_rows(self) -> list[dict[str, Any]]:
        """What `GET /v2/sessions` gives of all meetings."""
        return [_plain(hundredms_documents.session_row(held, time.time())) for held in self.hundredms]

    def peer_stats(self) -> dict[tuple[str, str], Any]:
        """Every peer's statistics, by session and peer id."""
        documents = {}
        for held in self.hundredms:
            recording, session = record(held), hundredms_documents.session_id(held)
            for number in range(len(held.participants)):
                peer = hundredms_documents.peer_id(held, number)
                documents[session, peer] = _plain(hundredms_documents.peer_stats(recording, number))
        return documents

    def hundredms_rooms(self) -> dict[str, tuple[str, str]]:
        """Name and template of every room of 100ms by its id."""
        documents = {held.room: hundredms_documents.room_document(held.room) for held in self.hundredms}
        return {room["id"]: (name, room["template"]) for name, room in documents.items()}

    def rooms(self) -> list[dict[str, Any]]:
        """Every room of the data-stream files."""
        return [_plain(watchrtc_documents.room_document(record(held))) for held in self.watchrtc]


def meetings(
    seed: str, end: float, vendor_rooms: str, scenarios: Iterable[str] = tuple(SCENARIOS)
) -> tuple[Meeting, ...]:
    """One short meeting of each scenario that ended at `end` (Unix seconds), and a good one in a room before that."""
    held = [
        meeting(seed, scenario, end - _MINUTES * 60.0 - 1.0, room=f"{vendor_rooms}-{scenario}", minutes=_MINUTES)
        for scenario in scenarios
    ]
    before = meeting(seed, "good_call", end - _MINUTES * 180.0, room=f"{vendor_rooms}-good_call", minutes=_MINUTES)
    return tuple(sorted([*held, before], key=lambda each: each.start))


@contextmanager
def simulated_vendors(
    folder: Path,
    ended: float,
    faults: Faults,
    scenarios: Sequence[str] = tuple(SCENARIOS),
    *,
    announced: bool = True,
) -> Iterator[Vendors]:
    """Serves and writes meetings of some scenarios that came to their end at `ended` (Unix seconds).

    Args:
        folder: of the data-stream files.
        ended: when the meetings came to their end.
        faults: of the API.
        scenarios: which meetings there are.
        announced: whether they tell of them at once; else when `Vendors.announce` is called.
    """
    hundredms, watchrtc = meetings("one", ended, "hms", scenarios), meetings("two", ended, "watch", scenarios)
    world = Announced(hundredms, memory_seconds=math.inf)
    server = HundredMsServer(world, time.time, Credentials(token=TOKEN), faults)
    folder.mkdir()
    files = DataStreamFolder(folder, World(watchrtc), begin=0.0)
    with in_a_thread(server.application) as url:
        vendors = Vendors(
            hundredms=hundredms,
            watchrtc=watchrtc,
            base_url=f"{url}/v2",
            folder=folder,
            server=server,
            world=world,
            files=files,
            ended=ended,
        )
        if announced:
            vendors.announce()
        yield vendors


@contextmanager
def in_a_thread(application: ASGIApp, *, tells_time: bool = True) -> Iterator[str]:
    """Serves an application beside the test; gives its base URL, without a slash at the end.

    Its answers have a `Date`, unless the application sees to that itself.
    """
    loop = asyncio.new_event_loop()
    urls: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(application, tells_time=tells_time) as url:
            urls.append(url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10.0)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _plain(document: object) -> Any:  # noqa: ANN401 - JSON
    """A document as it comes out of the vendor's JSON."""
    return json.loads(json.dumps(document))


def expected_of(vendors: Vendors, keys: Sequence[str]) -> Expected:
    """What the page must show of these meetings, by the oracle."""
    from tests.oracle import expected  # noqa: PLC0415 - only tests that compare need it

    return expected(
        {"meetings": (vendors.session_rows(), vendors.peer_stats())},
        {"watch": (vendors.rooms(), keys)},
        hundredms_rooms=vendors.hundredms_rooms(),
    )
