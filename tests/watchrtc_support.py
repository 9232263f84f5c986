"""What the tests of the watchRTC source share: settings, rooms, a ledger in memory, recorded events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.model import Report
from exporter.sources.base import Delivery, ObjectIdentity, Receipt, RejectedDocument
from exporter.sources.watchrtc.parser import parse_room
from exporter.sources.watchrtc.settings import WatchRtcSettings
from exporter.values import decode_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.sources.base import Task

SAMPLE = Path(__file__).parent / "fixtures" / "watchrtc" / "sample.json"


def read_settings(raw: Mapping[str, Any]) -> WatchRtcSettings:
    """Reads settings as the configuration does."""
    return msgspec.convert(raw, WatchRtcSettings, dec_hook=decode_value)


def a_room(room_id: str = "r", **fields: object) -> dict[str, object]:
    """A room of which nothing but the identity is known, and what is given."""
    return {"room_id": room_id, "start_time": "2026-03-01T12:00:00Z", **fields}


def parsed(room: object, keys_as_labels: Sequence[str] = ()) -> Report:
    """The report of a room."""
    return parsed_raw(msgspec.json.encode(room), keys_as_labels)


def parsed_raw(raw: bytes, keys_as_labels: Sequence[str] = ()) -> Report:
    """The report of a room that is given as JSON, or nearly."""
    outcome = parse_room(raw, source="watch", keys_as_labels=keys_as_labels, place="here")
    assert isinstance(outcome, Report), outcome
    return outcome


def refused(raw: bytes) -> RejectedDocument:
    """The rejection of a room."""
    outcome = parse_room(raw, source="watch", keys_as_labels=(), place="f.json: element 1 at byte 0")
    assert isinstance(outcome, RejectedDocument), outcome
    return outcome


def in_pieces(raw: bytes, size: int = 1 << 20) -> Iterator[bytes]:
    """The bytes in pieces of a size."""
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


class RecordedEvents:
    """Remembers what a source told."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.backlogs: list[int] = []
        self.quarantined = 0
        self.codes: list[str] = []
        self.problems: list[int] = []

    def http_request(self, code: str, seconds: float) -> None:
        """Remembers the code."""
        assert seconds >= 0
        self.codes.append(code)

    def listing_problems(self, count: int) -> None:
        """Remembers the count."""
        self.problems.append(count)

    def rate_limit_wait(self, seconds: float) -> None:
        """Never happens here."""
        raise NotImplementedError

    def object_read(self, size: int) -> None:
        """Remembers the size."""
        self.sizes.append(size)

    def object_quarantined(self) -> None:
        """Counts."""
        self.quarantined += 1

    def backlog(self, count: int) -> None:
        """Remembers the count."""
        self.backlogs.append(count)


class MemoryIntake:
    """A ledger that keeps deliveries as they come, and a clock that stands still."""

    def __init__(self, now: float) -> None:
        self.time = now
        self.deliveries: list[Delivery] = []

    @property
    def room_ids(self) -> list[str]:
        """Of all reports, in the order of delivery."""
        return [report.session.key.room_id for each in self.deliveries for report in each.reports]

    @property
    def rejected(self) -> list[RejectedDocument]:
        """All rejections, in the order of delivery."""
        return [rejected for each in self.deliveries for rejected in each.rejected]

    @property
    def read_names(self) -> list[str]:
        """The names of the objects that were read to their end."""
        return [identity.name for each in self.deliveries for identity in each.read_objects]

    def now(self) -> float:
        """Unix seconds."""
        return self.time

    def is_mine(self, session_id: str) -> bool:
        """Never happens here: every room of an object is read."""
        raise NotImplementedError

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Keeps a delivery."""
        self.deliveries.append(delivery)
        return Receipt()

    async def due_tasks(self, limit: int) -> Sequence[Task]:
        """Never happens here."""
        raise NotImplementedError

    async def waiting_tasks(self) -> int:
        """Never happens here."""
        raise NotImplementedError

    async def fact(self, name: str) -> bytes | None:
        """Never happens here."""
        raise NotImplementedError

    async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        """Those that no delivery has named as read."""
        read = {identity for each in self.deliveries for identity in each.read_objects}
        return [identity for identity in objects if identity not in read]
