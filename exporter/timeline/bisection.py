"""Finding what a receiver will not take, in requests that it takes whole or not at all.

A rejected batch is halved until what is rejected is small enough to blame: by series, as one bad series is to cost
itself only; by time where the receiver says that something is too old, as then everything before it is too old as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from exporter.timeline.series import count

if TYPE_CHECKING:
    from exporter.timeline.answers import Meaning
    from exporter.timeline.batching import Batch
    from exporter.timeline.series import TimelineSeries

#: Why samples were not stored.
DropReason: TypeAlias = Literal[
    "too_old",  # past `max_sample_age`, or the receiver says so
    "in_future",  # a client's clock is ahead
    "rejected",  # the receiver never takes them
    "too_large",  # not even one sample fits into a request
]

#: Each writes a line into the receiver's log. It takes a batch of hundreds of bad series to come here.
_MOST_REJECTIONS: Final = 1000


class Bisection:
    """One batch on its way: `take` what is to be sent next and tell what came of it, until nothing is left."""

    def __init__(self, batch: Batch) -> None:
        #: What is still to be sent, the next last.
        self._parts: list[Batch] = [batch]
        self._rejections = 0
        #: Unix milliseconds before which the receiver takes nothing.
        self._oldest: int | None = None
        #: Samples that were given up.
        self.dropped: Counter[DropReason] = Counter()

    def take(self) -> Batch | None:
        """The next part to send; None when all is settled."""
        while self._parts:
            part = self._parts.pop()
            if self._oldest is not None:
                size = count(part)
                part = _split_at(part, self._oldest)[1]
                self.dropped["too_old"] += size - count(part)
            if part:
                return part
        return None

    def put_back(self, part: Batch) -> None:
        """A part that `take` gave is to be sent again."""
        self._parts.append(part)

    def rejected(self, part: Batch, meaning: Meaning) -> None:
        """A part that `take` gave was not stored and never will be as it is.

        Args:
            part: what was sent.
            meaning: `rejected`, `too_old` or `too_large`.
        """
        self._rejections += 1
        if self._rejections > _MOST_REJECTIONS:
            self._drop("rejected", part, *self._parts)
            self._parts.clear()
        elif meaning == "too_old":
            self._halve_by_time(part)
        elif len(part) > 1:
            middle = len(part) // 2
            self._parts += [part[middle:], part[:middle]]
        elif meaning == "too_large" and len(part[0].times) > 1:
            middle = len(part[0].times) // 2
            self._parts += [(part[0].part(middle, len(part[0].times)),), (part[0].part(0, middle),)]
        else:
            self._drop("too_large" if meaning == "too_large" else "rejected", part)

    def _halve_by_time(self, part: Batch) -> None:
        times = sorted(time for each in part for time in each.times)
        # Whatever the receiver's limit is, the oldest sample is beyond it.
        self._oldest = max(self._oldest or 0, times[0] + 1)
        middle = max(times[len(times) // 2], times[0] + 1)
        older, newer = _split_at(part, middle)
        # The newer half goes first: if it is too old, there is no need to send the older one. A receiver that takes
        # late samples at all takes them in any order.
        self._parts += [older, newer]

    def _drop(self, reason: DropReason, *parts: Batch) -> None:
        self.dropped[reason] += sum(map(count, parts))


def _split_at(batch: Batch, time: int) -> tuple[Batch, Batch]:
    """The samples before a time and those from it on. A stale marker stays with the sample that it follows."""
    before: list[TimelineSeries] = []
    after: list[TimelineSeries] = []
    for each in batch:
        place = bisect_left(each.times, time)
        if 0 < place < len(each.times) and each.is_stale(place):
            place += 1
        if place:
            before.append(each.part(0, place))
        if place < len(each.times):
            after.append(each.part(place, len(each.times)))
    return tuple(before), tuple(after)
