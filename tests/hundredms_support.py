"""What the tests of the 100ms source share: a ledger in memory, recorded events, documents, clocks that do not wait."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from exporter.model import Session, SessionKey
from exporter.sources.base import Delivery, ObjectIdentity, Receipt, Task
from exporter.sources.hundredms.client import ApiClient, Limits, Surroundings
from exporter.sources.hundredms.settings import HundredMsSettings
from exporter.values import decode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.model import Report

FIXTURES = Path(__file__).parent / "fixtures" / "hundredms"
#: 2026-03-01T12:00:00Z.
NOON = 1_772_366_400.0


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

    def backlog(self, count: int) -> None:
        """Remembers the count."""
        self.backlogs.append(count)


class MemoryIntake:
    """The ledger as a source sees it, in memory, with a clock that the test sets."""

    def __init__(self, now: float = NOON) -> None:
        self.time = now
        self.tasks: dict[str, Task] = {}
        self.finished: set[str] = set()
        self.deliveries: list[Delivery] = []
        #: Raised by the next delivery.
        self.failure: Exception | None = None

    def now(self) -> float:
        """The test's time."""
        return self.time

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Does with tasks what the protocol says."""
        if self.failure:
            raise self.failure
        self.deliveries.append(delivery)
        for task in delivery.new_tasks:
            self.tasks.setdefault(task.key, task)
        for task in delivery.postponed_tasks:
            assert task.key in self.tasks
            self.tasks[task.key] = task
        for key in delivery.finished_tasks:
            assert key in self.tasks
            self.finished.add(key)
        return Receipt()

    async def due_tasks(self, limit: int) -> Sequence[Task]:
        """Unfinished tasks that are due, the longest due first."""
        due = [task for task in self.tasks.values() if task.key not in self.finished and task.due <= self.time]
        return sorted(due, key=lambda task: task.due)[:limit]

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
