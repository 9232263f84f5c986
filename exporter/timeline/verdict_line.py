"""The verdict on a peer over time: at each reading of its statistics the worst of its streams."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from exporter.timeline.lines import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.quality import Verdict

#: How verdicts are told as numbers (spec: section 8); what is not here has none.
LEVELS: Final[dict[Verdict, float]] = {"good": 1.0, "fair": 2.0, "poor": 3.0}

#: A client reads its streams one after the other: samples closer than this are one reading, as within a stream.
_TOGETHER: Final = 500


class JudgedSpans(Struct, frozen=True, gc=False):
    """The windows of one stream with their verdicts."""

    #: Ascending.
    spans: list[Span]
    #: As many, by `LEVELS`; None where unclassified.
    levels: list[float | None]


def verdict_windows(streams: Sequence[JudgedSpans]) -> tuple[list[Span], list[float | None]]:
    """Puts the verdicts of all streams together, as windows of the peer.

    The streams of a peer have windows of different lengths that end at different times. Each reading makes one window:
    it ends at the earliest sample of the reading, is as long as its longest, and has the worst verdict of all windows
    that cover its end, those of the reading and those of streams that are read later. None where all are unclassified.
    """
    windows: list[Span] = []
    levels: list[float | None] = []
    ends = [[span.end for span in each.spans] for each in streams]
    for first, reading in _readings(ends):
        windows.append(Span(first, max(streams[index].spans[place].length for index, place in reading.items())))
        levels.append(_worst(streams, ends, reading, first))
    return windows, levels


def _readings(ends: Sequence[Sequence[int]]) -> Iterator[tuple[int, dict[int, int]]]:
    """Yields each reading's earliest sample, and the place of its window in each stream that it has one of."""
    reading: dict[int, int] = {}
    first = 0
    for end, index, place in sorted(
        (end, index, place) for index, of in enumerate(ends) for place, end in enumerate(of)
    ):
        if reading and (end - first >= _TOGETHER or index in reading):
            yield first, reading
            reading = {}
        if not reading:
            first = end
        reading[index] = place
    if reading:
        yield first, reading


def _worst(
    streams: Sequence[JudgedSpans], ends: Sequence[Sequence[int]], reading: dict[int, int], at: int
) -> float | None:
    found = []
    for index, each in enumerate(streams):
        place = reading.get(index)
        if place is None:
            place = bisect_left(ends[index], at)
            if place == len(each.spans) or each.spans[place].end - each.spans[place].length >= at:
                continue
        level = each.levels[place]
        if level is not None:
            found.append(level)
    return max(found, default=None)
