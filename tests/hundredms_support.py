"""What the tests of the 100ms source share: a ledger in memory, recorded events, documents, clocks that do not wait."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from exporter.model import Session, SessionKey
from exporter.sources.base import Delivery, ObjectIdentity, PollError, Receipt, Task
from exporter.sources.hundredms.client import ApiClient, Limits, Surroundings
from exporter.sources.hundredms.settings import HundredMsSettings
from exporter.sources.hundredms.source import HundredMsSource
from exporter.values import decode_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from exporter.model import Report
    from exporter.sources.base import Source

FIXTURES = Path(__file__).parent / "fixtures" / "hundredms"
#: 2026-03-01T12:00:00Z.
NOON = 1_772_366_400.0
#: 2026-03-01T11:00:00Z: an hour before the test's first poll.
ENDED = "2026-03-01T11:00:00Z"


def read_settings(raw: Mapping[str, Any] | None = None) -> HundredMsSettings:
    """Reads settings as the configuration does; with a token, where none is given."""
    return msgspec.convert(
        {"auth": {"management_token": "t0ken"}, **(raw or {})}, HundredMsSettings, dec_hook=decode_value
    )


def a_session(session_id: str = "s1", room_id: str = "r1", source: str = "100ms") -> Session:
    """A session of which nothing but the identity is known."""
    return Session(key=SessionKey(source, room_id, session_id))


def peer_stats(**branches: object) -> bytes:
    """A peer-stats document with the given `publisher` and `subscriber`."""
    return json.dumps({"peer_id": "p1", "session_id": "s1", "room_id": "r1", **branches}).encode()


def audio_stats(samples: int = 2, **identity: str) -> bytes:
    """A peer-stats document with one audio track of 10 s windows."""
    series = {
        "timestamps": [1_772_359_200_000 + 10_000 * index for index in range(samples)],
        "packet_loss_percent": [1.0] * samples,
    }
    return json.dumps({**identity, "publisher": {"audio": [{"track_id": "t", "time_series": series}]}}).encode()


def reply(status: int, content: bytes = b"", **headers: str) -> httpx.Response:
    """An answer whose body is still to be read, as over the wire."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


class RecordedEvents:
    """Remembers what a source told."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.request_seconds: list[float] = []
        self.waits: list[float] = []
        self.backlogs: list[int] = []
        self.objects: list[int] = []

    def http_request(self, code: str, seconds: float) -> None:
        """Counts the answer."""
        self.requests[code] += 1
        self.request_seconds.append(seconds)

    def rate_limit_wait(self, seconds: float) -> None:
        """Remembers the wait."""
        self.waits.append(seconds)

    def object_read(self, size: int) -> None:
        """Remembers the size."""
        self.objects.append(size)

    def listing_problems(self, count: int) -> None:
        """Never happens here."""
        raise NotImplementedError

    def object_quarantined(self) -> None:
        """Never happens here."""
        raise NotImplementedError

    def backlog(self, count: int) -> None:
        """Remembers the count."""
        self.backlogs.append(count)


class MemoryIntake:
    """The ledger as a source sees it, in memory, with a clock that the test sets."""

    def __init__(self, now: float = NOON) -> None:
        self.time = now
        self.tasks: dict[str, Task] = {}
        self.finished: set[str] = set()
        self.facts: dict[str, bytes] = {}
        self.deliveries: list[Delivery] = []
        #: Sessions of other exporters.
        self.foreign: set[str] = set()
        #: Raised by the next delivery.
        self.failure: Exception | None = None

    def now(self) -> float:
        """The test's time."""
        return self.time

    def is_mine(self, session_id: str) -> bool:
        """Whether the test has not said otherwise."""
        return session_id not in self.foreign

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Does with tasks what the protocol says."""
        if self.failure:
            raise self.failure
        self.deliveries.append(delivery)
        before = len(self.tasks)
        for task in delivery.new_tasks:
            self.tasks.setdefault(task.key, task)
        for task in delivery.postponed_tasks:
            assert task.key in self.tasks
            self.tasks[task.key] = task
        for key in delivery.finished_tasks:
            assert key in self.tasks
            self.finished.add(key)
        self.facts.update((fact.name, fact.value) for fact in delivery.facts)
        return Receipt(tasks=len(self.tasks) - before)

    async def due_tasks(self, limit: int) -> Sequence[Task]:
        """Unfinished tasks that are due, the longest due first."""
        due = [task for task in self.tasks.values() if task.key not in self.finished and task.due <= self.time]
        return sorted(due, key=lambda task: task.due)[:limit]

    async def waiting_tasks(self) -> int:
        """How many are unfinished that something is waited for with."""
        return sum(not key.startswith("~") for key in self.tasks.keys() - self.finished)

    async def fact(self, name: str) -> bytes | None:
        """The latest of that name."""
        return self.facts.get(name)

    async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        """No part of this source."""
        return objects

    @property
    def reports(self) -> list[Report]:
        """All reports so far."""
        return [report for delivery in self.deliveries for report in delivery.reports]

    @property
    def rejections(self) -> list[str]:
        """The reasons of all rejected documents so far."""
        return [document.reason for delivery in self.deliveries for document in delivery.rejected]

    def peers(self) -> list[str]:
        """The peers of all reports so far, ordered."""
        return sorted(peer.peer_id for report in self.reports for peer in report.peers)


class FakeClock:
    """A clock that only moves when someone sleeps, and says how often that was."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Seconds that never go back."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Moves the clock."""
        self.slept.append(seconds)
        self.time += seconds


def make_client(
    handler: Callable[[httpx.Request], httpx.Response],
    settings: HundredMsSettings | None = None,
    events: RecordedEvents | None = None,
    clock: FakeClock | None = None,
    limits: Limits | None = None,
) -> ApiClient:
    """A client whose calls are answered by a function, and whose waits take no time."""
    clock = clock or FakeClock()
    surroundings = Surroundings(
        now=lambda: NOON, clock=clock, sleep=clock.sleep, chance=lambda: 0.5, transport=httpx.MockTransport(handler)
    )
    return ApiClient(settings or read_settings(), events or RecordedEvents(), limits or Limits(), surroundings)


def listed(session_id: str = "s1", *peer_ids: str, ended: str = ENDED, **keys: object) -> dict[str, object]:
    """A finished session in the listing."""
    peers = {peer_id: {"id": peer_id, "role": "guest"} for peer_id in peer_ids}
    return {"id": session_id, "room_id": "r1", "active": False, "peers": peers, "updated_at": ended, **keys}


class FakeVendor:
    """The API, as far as the source needs it; the test changes what it says between polls."""

    def __init__(self, *sessions: object) -> None:
        self.sessions: list[object] = list(sessions)
        #: What the listing answers instead.
        self.listing: httpx.Response | Exception | None = None
        #: What is answered for a peer; an audio track of two samples where nothing is said.
        self.stats: dict[str, int | bytes | Exception] = {}
        self.default: int | bytes | Exception = audio_stats()
        #: What is answered for a session by its id; 404 where nothing is said.
        self.single: dict[str, int | bytes | Exception] = {}
        #: What is answered for a room; 404 where nothing is said.
        self.rooms: dict[str, int | bytes | Exception] = {}
        self.rooms_asked: list[str] = []
        self.sessions_asked: list[str] = []
        self.asked: list[str] = []
        self.listings: list[dict[str, str]] = []
        #: What every answer for a peer says of the time; nothing where it is empty.
        self.date = ""
        self.running = 0
        self.most_running = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        query = dict(request.url.params)
        if request.url.path.endswith("/sessions"):
            self.listings.append(query)
            if isinstance(self.listing, Exception):
                raise self.listing
            return self.listing or reply(200, json.dumps({"data": self.sessions}).encode())
        *_, kind, name = request.url.path.split("/")
        if kind == "sessions":
            self.sessions_asked.append(name)
            return _said(self.single.get(name, 404))
        if kind == "rooms":
            self.rooms_asked.append(name)
            return _said(self.rooms.get(name, 404))
        assert (kind, name) == ("analytics", "peer-stats")
        self.asked.append(query["peer_id"])
        return _said(self.stats.get(query["peer_id"], self.default), self.date)


def _said(answer: int | bytes | Exception, date: str = "") -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    status, content = (answer, b"") if isinstance(answer, int) else (200, answer)
    return reply(status, content, Date=date) if date else reply(status, content)


class Bench:
    """A source with its vendor, its ledger and its clock; a restart keeps vendor and ledger."""

    def __init__(self, vendor: FakeVendor, settings: Mapping[str, Any] | None = None) -> None:
        self.vendor = vendor
        self.settings = read_settings({"peer_stats": {"concurrency": 2}, **(settings or {})})
        self.intake = MemoryIntake()
        self.clock = FakeClock()
        self.limits = Limits(attempts=1)
        self.restart()

    def restart(self) -> None:
        """Forgets what the process knew."""
        self.events = RecordedEvents()
        handler: Callable[[httpx.Request], Awaitable[httpx.Response]] = self.vendor
        self.client = make_client(handler, self.settings, self.events, self.clock, self.limits)  # type: ignore[arg-type]  # httpx takes coroutines, too
        self.source: Source = HundredMsSource(self.settings, self.client, self.events)

    async def poll(self, later: float = 0.0) -> None:
        """Polls once, so many seconds later."""
        self.intake.time += later
        await self.source.poll(self.intake)

    async def fails(self, later: float = 0.0) -> PollError:
        """Polls once, and fails."""
        with pytest.raises(PollError) as raised:
            await self.poll(later)
        return raised.value
