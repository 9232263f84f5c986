"""What was read ahead for one receiver, and the requests that are cut of it."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from exporter.timeline.batching import Batch, batches
from exporter.timeline.series import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.timeline.series import TimelineSeries

#: What tells how far a row is in its queue.
PlaceT = TypeVar("PlaceT")


class Cut(Struct, Generic[PlaceT], frozen=True):
    """One request."""

    batch: Batch
    #: The last row of which nothing is left when it has been sent; None where that is so of none.
    complete: PlaceT | None


class Outbox(Generic[PlaceT]):
    """Rows in their order, of which each is over when its last sample is."""

    def __init__(self, most_samples: int) -> None:
        """Begins empty. `most_samples`: of one request."""
        self._most_samples = most_samples
        self._rows: deque[tuple[PlaceT, deque[TimelineSeries]]] = deque()
        #: How many samples are in it.
        self.samples = 0

    @property
    def has_rows(self) -> bool:
        """Whether there is a row that is not over."""
        return bool(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether there is enough for a request."""
        return self.samples >= self._most_samples

    def add(self, place: PlaceT, series: Sequence[TimelineSeries]) -> None:
        """Appends a row; one without series is over at once, in its turn."""
        self._rows.append((place, deque(series)))
        self.samples += count(series)

    def cut(self) -> Cut[PlaceT]:
        """Takes out the next request; its batch is empty where there are no samples."""
        waiting = chain.from_iterable(series for _, series in self._rows)
        batch = next(iter(batches(waiting, self._most_samples)), ())
        return Cut(batch, self._take(count(batch)))

    def _take(self, samples: int) -> PlaceT | None:
        """Removes the first samples: a request has them in their order."""
        self.samples -= samples
        complete: PlaceT | None = None
        while self._rows:
            place, series = self._rows[0]
            while series and len(series[0].times) <= samples:
                samples -= len(series.popleft().times)
            if series:
                if samples:
                    series[0] = series[0].part(samples, len(series[0].times))
                break
            complete = place
            self._rows.popleft()
        return complete
