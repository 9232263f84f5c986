"""What of a peer was handed over already, so that a report that has grown adds what is new and changes nothing.

Statistics can grow after they were sent: the vendor had not all of them yet. Receivers take a second value for the same
time silently, and which of the two they show varies. So nothing is ever handed over for a time that has a sample:
inside what was sent, nothing, though its value may differ now (another track of the same stream); after it, and before
it, what is there. The old stale marker stays where it is, a millisecond before the next window's sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.timeline.series import TimelineSeries

#: What the series of one stream, or the peer's verdict, or its connection have in common: their times.
LineKey: TypeAlias = tuple[str, ...]


class SentSpan(Struct, frozen=True, array_like=True, gc=False):
    """A stretch of time that was handed over at once, in Unix milliseconds."""

    #: The first and the last sample.
    first: int
    last: int
    #: The stale marker after it; that of each family whose last sample is the stretch's last.
    marker: int


class Sent(Struct, frozen=True, array_like=True):
    """What was handed over of one peer: all of its stays together, as they share their series."""

    lines: tuple[tuple[LineKey, tuple[SentSpan, ...]], ...] = ()

    def spans(self, key: LineKey) -> tuple[SentSpan, ...]:
        """What was handed over of one line."""
        return dict(self.lines).get(key, ())

    def with_line(self, key: LineKey, series: Sequence[TimelineSeries]) -> Sent:
        """This, and what is handed over of one line now."""
        if not series:
            return self
        # No series begins with a marker, and each ends with one that is its own, or else one that was sent before.
        first = min(each.times[0] for each in series)
        last = max(each.times[-2 if each.is_stale(len(each.times) - 1) else -1] for each in series)
        marker = max(each.times[-1] for each in series)
        lines = dict(self.lines)
        lines[key] = (*lines.get(key, ()), SentSpan(first, last, marker))
        return Sent(tuple(lines.items()))


def only_new(series: TimelineSeries, sent: Sequence[SentSpan]) -> TimelineSeries | None:
    """Leaves out what would stand at a time that has a sample already; None where nothing is new."""
    if not sent:
        return series
    places: list[int] = []
    shown = False
    for place, time in enumerate(series.times):
        if any(span.first <= time <= span.last or time == span.marker for span in sent):
            shown = False
        elif not series.is_stale(place):
            places.append(place)
            shown = True
        elif shown:
            # A marker whose run was not sent now ends nothing.
            places.append(place)
            shown = False
    return series.only(places) if places else None
