"""How series are spread over requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from exporter.timeline.series import TimelineSeries, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.timeline.series import Labels

#: What goes out in one request: each series once.
Batch: TypeAlias = tuple[TimelineSeries, ...]


def batches(series: Iterable[TimelineSeries], most_samples: int) -> Iterator[Batch]:
    """Fills requests in the order given, each as far as it goes.

    A series that does not fit continues in the next request, so that its samples go out in ascending order. One that
    comes again, as a report that grew makes it, goes on in the same request where it is later, else in the next one.

    Args:
        series: as they are to be sent.
        most_samples: the most of one request, at least 1.
    """
    batch: dict[tuple[str, Labels], TimelineSeries] = {}
    room = most_samples
    for each in series:
        key = (each.family, each.labels)
        left = each
        while left.times:
            known = batch.get(key)
            if not room or (known is not None and left.times[0] <= known.times[-1]):
                yield tuple(batch.values())
                batch, room = {}, most_samples
                known = None
            now, left = left.part(0, room), left.part(room, len(left.times))
            batch[key] = now if known is None else joined(known, now)
            room -= len(now.times)
    if batch:
        yield tuple(batch.values())
