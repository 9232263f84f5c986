"""What is on the page of the timeline: every sample for a while, and never one that would cost its scrape.

A Prometheus with an out-of-order window stores samples with times of their own, but one that is older than the window
costs it the whole scrape, and each scrape stores again what is still there. So samples leave after a few scrapes, and
well before they are too old.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

from exporter.timeline.ages import newest_acceptable, within
from exporter.timeline.series import TimelineSeries, count

#: Of one scrape; a row alone may have more. The rest is on the next ones.
MOST_SAMPLES: Final = 100_000
#: A sample leaves so long before it is too old, in seconds: scrapes take time, and clocks differ.
MARGIN_SECONDS: Final = 900.0

#: What tells how far a row is in its queue.
PlaceT = TypeVar("PlaceT")


class _Shown(Generic[PlaceT]):
    """One row on the page."""

    def __init__(self, place: PlaceT, series: Sequence[TimelineSeries]) -> None:
        self.place = place
        self.series: Sequence[TimelineSeries] = series
        self.samples = count(series)
        #: Unix seconds when it was first read.
        self.since: float | None = None


class Shown(Struct, frozen=True):
    """What one scrape shows."""

    series: Sequence[TimelineSeries]
    #: How many samples it is the first to read, and how many of its rows' it leaves out for good.
    new: int
    too_old: int
    in_future: int


class Page(Generic[PlaceT]):
    """The rows that are on the page now, in their order."""

    def __init__(self, expose_seconds: float, window_seconds: float) -> None:
        """Begins empty.

        Args:
            expose_seconds: how long a row stays after it was first read.
            window_seconds: the window of the Prometheus that reads.
        """
        self._expose_seconds = expose_seconds
        self._oldest_seconds = window_seconds - MARGIN_SECONDS
        self._rows: deque[_Shown[PlaceT]] = deque()

    @property
    def room(self) -> int:
        """How many samples may come to the page."""
        return max(0, MOST_SAMPLES - sum(row.samples for row in self._rows))

    def leave(self, now: float) -> PlaceT | None:
        """Takes away what was there long enough, by `now` (Unix seconds); gives the last of it, None for nothing."""
        last: PlaceT | None = None
        while self._rows:
            since = self._rows[0].since
            # One that was read before our clock was set back leaves at once: it would stay for as long again.
            if since is None or 0 <= now - since < self._expose_seconds:
                break
            last = self._rows.popleft().place
        return last

    def add(self, place: PlaceT, series: Sequence[TimelineSeries]) -> bool:
        """Puts a row on the page, after those that are there; whether there was room for it."""
        row = _Shown(place, [each for each in map(_without_markers, series) if each is not None])
        if self._rows and row.samples > self.room:
            return False
        self._rows.append(row)
        return True

    def read(self, now: float, *, counts: bool) -> Shown:
        """What the page has for a scrape.

        Args:
            now: Unix seconds.
            counts: whether a Prometheus reads, so that from now on the rows are there for a while only.
        """
        new = too_old = in_future = 0
        series: list[TimelineSeries] = []
        for row in self._rows:
            taken = within(row.series, round((now - self._oldest_seconds) * 1000) + 1, newest_acceptable(now))
            series += taken.series
            if counts and row.since is None:
                row.since = now
                # What is left out now stays out: it is counted once, and as one thing.
                row.series = taken.series
                new += count(taken.series)
                too_old += taken.too_old
                in_future += taken.in_future
        return Shown(series, new, too_old, in_future)


def _without_markers(series: TimelineSeries) -> TimelineSeries | None:
    """Text has no stale marker: what it writes as NaN is a value."""
    places = [place for place in range(len(series.times)) if not series.is_stale(place)]
    return series.only(places) if places else None
