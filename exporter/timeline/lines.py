"""What is drawn over time: values window by window, or one value from a start to an end.

A receiver shows a sample until the next one, at most five minutes. So whatever ends, ends with a stale marker: None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Unix milliseconds, and values of which None is a stale marker.
Line: TypeAlias = tuple[list[int], list[float | None]]

#: Between the samples of a level line. Less than the five minutes for which a receiver shows a sample.
_LEVEL_STEP: Final = 60_000
#: A week of them. A longer stay is a broken clock, and must not fill the memory: its samples lie further apart.
_MOST_LEVEL_SAMPLES: Final = 10_080
#: 2106-02-07, the end of unsigned 32-bit seconds. Times outside are those of broken clocks.
_LATEST: Final = 4_294_967_295_000


class Span(Struct, frozen=True, gc=False):
    """What one sample of a time series stands for."""

    #: Unix milliseconds of the sample, which stands at the end of its window.
    end: int
    #: Milliseconds, at least 1.
    length: int


def milliseconds(seconds: float) -> int | None:
    """Unix seconds as Unix milliseconds; None for what no clock shows."""
    return round(seconds * 1000) if 0.0 <= seconds * 1000 <= _LATEST else None


def spans(windows: Iterable[tuple[float, float]]) -> tuple[list[Span], list[int]]:
    """Turns windows into spans, one for each millisecond at most.

    Args:
        windows: end (Unix seconds) and length (seconds), ascending.

    Returns:
        The spans, and the places of the windows that they stand for.
    """
    found: list[Span] = []
    places: list[int] = []
    for place, (end, seconds) in enumerate(windows):
        at = milliseconds(end)
        # Two windows less than a millisecond apart would be one time with two values.
        if at is not None and (not found or at > found[-1].end):
            found.append(Span(at, max(1, min(round(seconds * 1000), _LATEST))))
            places.append(place)
    return found, places


def windows_line(windows: Sequence[Span], values: Sequence[float | None]) -> Line:
    """Draws values at the end of their windows.

    A value is shown for as long as its window was: where nothing follows it by then, or the next window has no value, a
    marker stands at the last millisecond of that time. Not at the end of it: there the next window ends, be it one that
    a later report brings, and a sample would meet the marker.

    Args:
        windows: ascending.
        values: as many; None is what was not measured.
    """
    times: list[int] = []
    shown: list[float | None] = []
    last: Span | None = None
    for window, value in zip(windows, values, strict=True):
        if last is not None and (value is None or _ends(last, window)):
            _mark(times, shown, last, before=window.end)
        if value is not None:
            times.append(window.end)
            shown.append(value)
        last = None if value is None else window
    if last is not None:
        _mark(times, shown, last, before=last.end + last.length + 1)
    return times, shown


def level_line(start: int, end: int, value: float) -> Line:
    """Draws one value from start to end, both included: a sample a minute and at both ends, then a marker.

    Args:
        start: Unix milliseconds.
        end: Unix milliseconds, not before the start.
        value: the value.
    """
    step = max(_LEVEL_STEP, -(-(end - start) // _MOST_LEVEL_SAMPLES))
    times = [*range(start, end, step), end]
    # Right after the end, unlike in a time series: the last sample stands for a moment, not for a window.
    return [*times, end + 1], [*([value] * len(times)), None]


def _ends(last: Span, after: Span) -> bool:
    # Windows are never exactly as long as each other. Half a window late is late; less is an uneven clock.
    return after.end - last.end > last.length + last.length // 2


def _mark(times: list[int], shown: list[float | None], last: Span, *, before: int) -> None:
    at = max(last.end + 1, min(last.end + last.length, before) - 1)
    if at < before:
        times.append(at)
        shown.append(None)
