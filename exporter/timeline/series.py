"""The value that everything in this package is about: one series with samples at times of its own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Prometheus' stale marker: one NaN among many, known by its bits. A float that goes through a calculation, or through
#: an x87 register, can lose them; so values are bytes from where they are made to the wire.
STALE: Final = struct.pack("<Q", 0x7FF0_0000_0000_0002)
_WIDTH: Final = len(STALE)
_double = struct.Struct("<d")

#: Label names and values in the order of the family, empty values too.
Labels: TypeAlias = tuple[tuple[str, str], ...]


class TimelineSeries(Struct, frozen=True, kw_only=True, gc=False):
    """Samples of one series, ascending in time, no time twice."""

    family: str
    labels: Labels
    #: Unix milliseconds.
    times: tuple[int, ...]
    #: For each time eight bytes: a little-endian double, or the stale marker.
    values: bytes

    def samples(self) -> Iterator[tuple[int, float | None]]:
        """Yields Unix milliseconds and value; None is the stale marker, from which on the series is not there."""
        for time, (value,), at in zip(
            self.times, _double.iter_unpack(self.values), range(0, len(self.values), _WIDTH), strict=True
        ):
            yield time, None if self.values[at : at + _WIDTH] == STALE else value

    def is_stale(self, index: int) -> bool:
        """Whether a sample is a stale marker."""
        return self.values[index * _WIDTH : (index + 1) * _WIDTH] == STALE

    def part(self, begin: int, end: int) -> TimelineSeries:
        """The samples from place `begin` up to, not including, place `end`."""
        return TimelineSeries(
            family=self.family,
            labels=self.labels,
            times=self.times[begin:end],
            values=self.values[begin * _WIDTH : end * _WIDTH],
        )

    def only(self, places: Sequence[int]) -> TimelineSeries:
        """The samples at some places, given in ascending order."""
        return TimelineSeries(
            family=self.family,
            labels=self.labels,
            times=tuple(self.times[place] for place in places),
            values=b"".join(self.values[place * _WIDTH : (place + 1) * _WIDTH] for place in places),
        )


def packed(values: Iterable[float | None]) -> bytes:
    """Values as a series holds them; None becomes the stale marker."""
    return b"".join(STALE if value is None else _double.pack(value) for value in values)


def count(series: Iterable[TimelineSeries]) -> int:
    """How many samples some series have, stale markers included."""
    return sum(len(each.times) for each in series)


def joined(first: TimelineSeries, then: TimelineSeries) -> TimelineSeries:
    """One series of two parts of it, the second later than the first."""
    return TimelineSeries(
        family=first.family,
        labels=first.labels,
        times=first.times + then.times,
        values=first.values + then.values,
    )
