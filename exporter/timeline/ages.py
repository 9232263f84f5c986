"""What a receiver would not take because of its time is left out before it is sent.

To receivers that take a request whole or not at all, one sample that is too old costs all others their place. And one
from the future can stop a Prometheus before version 3: it moves the end of the head there, and its own scrapes are too
old.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from exporter.timeline.batching import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.timeline.series import TimelineSeries

#: How far a client's clock may be ahead of ours.
_FUTURE_MILLISECONDS: Final = 60_000


class Taken(Struct, frozen=True):
    """What is left to send, and how many samples were left out."""

    series: Batch
    too_old: int = 0
    in_future: int = 0


def newest_acceptable(now: float) -> int:
    """The newest time that may be sent at `now` (Unix seconds), in Unix milliseconds."""
    return round(now * 1000) + _FUTURE_MILLISECONDS


def oldest_acceptable(now: float, max_age: float | None, in_transit: float) -> int | None:
    """The oldest time that may be sent, in Unix milliseconds; None where there is no limit.

    Args:
        now: Unix seconds.
        max_age: the receiver's limit in seconds.
        in_transit: how long a request may take, in seconds. The receiver judges when it has come in; but a tenth of the
            limit at most, as a short limit would else leave nothing.
    """
    if max_age is None:
        return None
    return round((now - max_age + min(in_transit, max_age / 10)) * 1000)


def within(series: Iterable[TimelineSeries], oldest: int | None, newest: int) -> Taken:
    """Leaves out the samples before `oldest` and those after `newest`, both Unix milliseconds."""
    kept: list[TimelineSeries] = []
    too_old = in_future = 0
    for each in series:
        begin = 0 if oldest is None else bisect_left(each.times, oldest)
        end = bisect_right(each.times, newest)
        if begin and begin < len(each.times) and each.is_stale(begin):
            # A marker whose run is gone would make a series of nothing.
            begin += 1
        too_old += min(begin, len(each.times))
        in_future += len(each.times) - max(end, begin)
        if begin < end:
            kept.append(each.part(begin, end) if begin or end < len(each.times) else each)
    return Taken(tuple(kept), too_old, in_future)
