"""Writes data-stream files of finished meetings into a folder, as watchRTC writes them into a bucket."""

from __future__ import annotations

import gzip
import json
from math import floor
from typing import TYPE_CHECKING

from exporter.demo.identities import iso_milliseconds
from exporter.demo.media import record
from exporter.demo.watchrtc_documents import room_document

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.demo.watchrtc_documents import Document
    from exporter.demo.world import World


class DataStreamFolder:
    """Writes one file for each interval in which meetings came to their end and were analysed.

    Every third file is compressed; every fifth one delivers the rooms of the one before it once more.

    Args:
        folder: where to; it must exist.
        world: the meetings.
        begin: Unix seconds from which on meetings are exported.
        interval_seconds: the time that one file covers.
        analysis_seconds: the time between a meeting's end and its entry into the vendor's history.
    """

    def __init__(
        self, folder: Path, world: World, *, begin: float, interval_seconds: float = 60.0, analysis_seconds: float = 2.0
    ) -> None:
        self._folder = folder
        self._world = world
        self._interval_seconds = interval_seconds
        self._analysis_seconds = analysis_seconds
        self._done = floor(begin / interval_seconds)
        self._count = 0
        self._previous: list[Document] = []

    def write(self, now: float) -> list[Path]:
        """Writes the files of all intervals that are over by `now` (Unix seconds); gives the new ones."""
        due = floor(now / self._interval_seconds)
        rooms: dict[int, list[Document]] = {}
        for meeting in self._world.finished(now):
            interval = floor((meeting.end + self._analysis_seconds) / self._interval_seconds)
            if self._done <= interval < due:
                rooms.setdefault(interval, []).append(room_document(record(meeting)))
        self._done = max(self._done, due)
        return [self._deliver(interval, rooms[interval]) for interval in sorted(rooms)]

    def _deliver(self, interval: int, rooms: list[Document]) -> Path:
        again = self._previous if self._count % 5 == 4 else []  # noqa: PLR2004 - every fifth
        compressed = self._count % 3 == 2  # noqa: PLR2004 - every third
        self._count += 1
        self._previous = rooms
        body = json.dumps([*again, *rooms], ensure_ascii=False).encode()
        stamp = iso_milliseconds((interval + 1) * self._interval_seconds).replace(":", "-")
        path = self._folder / f"watchrtc-{stamp}.json{'.gz' if compressed else ''}"
        # A reader that lists the folder meanwhile must never see half a file under its final name.
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(gzip.compress(body, mtime=0) if compressed else body)
        return partial.replace(path)
