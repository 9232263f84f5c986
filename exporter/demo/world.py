"""Which simulated meetings there are by a given moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.demo.truth import Meeting


class World:
    """Meetings that begin as time goes on. Moments are Unix seconds.

    Args:
        meetings: ordered by their start; may be endless, and is drawn from only as far as it has begun.
        memory_seconds: meetings that ended longer ago than this are forgotten, so that a world can run for ever.
    """

    def __init__(self, meetings: Iterable[Meeting], *, memory_seconds: float = 86_400.0) -> None:
        self._to_come = iter(meetings)
        self._next = next(self._to_come, None)
        self._memory_seconds = memory_seconds
        self._begun: list[Meeting] = []

    def begun(self, now: float) -> list[Meeting]:
        """Meetings that have begun by `now`, over or not, ordered by their start."""
        while self._next is not None and self._next.start <= now:
            self._begun.append(self._next)
            self._next = next(self._to_come, None)
        oldest = now - self._memory_seconds
        self._begun = [meeting for meeting in self._begun if meeting.end >= oldest]
        return [meeting for meeting in self._begun if meeting.start <= now]

    def finished(self, now: float) -> list[Meeting]:
        """Meetings that are over by `now`, ordered by their start."""
        return [meeting for meeting in self.begun(now) if meeting.end <= now]
