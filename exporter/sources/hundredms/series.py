"""The arrays of one track's `time_series` become windows: order, lengths and units are settled here, once.

100ms documents neither the step nor that arrays are complete: steps vary with mutes, changes of resolution and
background tabs, clients leave out averages of 0, and time stamps are those of the client's clock.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise, repeat
from math import isinf
from operator import lt
from statistics import median
from sys import float_info
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from exporter.model import SampleRejection, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: How many values were left out, by reason.
Rejections: TypeAlias = Counter[SampleRejection]

#: What one lone sample stands for (spec: the usual window of subscribers in the vendor's web SDK).
LONE_SECONDS = 10.0
#: A gap beyond so many median gaps is a pause, not a window.
LONGEST_IN_MEDIANS = 3.0
#: No count, rate or time of a call comes near it; below it, sums stay finite.
LARGEST = 1e15
#: The year 5138 in milliseconds: what the calendars of all readers can still show.
LATEST_MILLISECONDS = 1e14

_PERCENT: TypeAlias = list[Annotated[float, Meta(ge=0, le=100)] | None]
_AMOUNT: TypeAlias = list[Annotated[float, Meta(ge=0, le=LARGEST)] | None]
_MOMENT: TypeAlias = list[Annotated[float, Meta(ge=1, le=LATEST_MILLISECONDS)]]
# The grammar of JSON: float() alone would take "1_0", "nan", " 1" and digits of other scripts, too.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class _Range(Struct, frozen=True):
    """What a value must be: the type that msgspec checks fast, and the same limits for one value at a time."""

    fast: Any
    smallest: float
    largest: float


_PERCENTS = _Range(_PERCENT, 0.0, 100.0)
_AMOUNTS = _Range(_AMOUNT, 0.0, LARGEST)
_MOMENTS = _Range(_MOMENT, 1.0, LATEST_MILLISECONDS)


def read_windows(series: dict[str, Any], rejected: Rejections) -> tuple[Window, ...]:
    """Reads a `time_series` object of any branch.

    Each metric that any branch is known for is read in every branch. A metric that is missing, null or empty was not
    measured; one whose length differs from that of `timestamps` cannot be aligned and is left out.

    Args:
        series: the decoded object, of whatever content.
        rejected: counts what is left out.

    Returns:
        One window for each time stamp, ascending, without duplicates, in base units.
    """
    stamps = series.get("timestamps")
    if not isinstance(stamps, list | None):
        rejected["wrong_type"] += 1
        return ()
    read = _numbers(stamps or [], _MOMENTS, rejected)
    moments = [moment for moment in read if moment is not None]
    # Compared as seconds: two moments that differ by less than a double can tell there would be one time twice.
    ends = [moment / 1000.0 for moment in moments]
    order = None
    if len(ends) < len(read) or not all(map(lt, ends, ends[1:])):
        order = _order(read, rejected)
        moments = [cast("float", read[index]) for index in order]
        ends = [moment / 1000.0 for moment in moments]
    columns = [
        _column(series.get(name), divisor, limits, len(read), order, rejected)
        for name, divisor, limits in (
            ("bitrate", 8.0, _AMOUNTS),  # bit/s
            ("packet_loss_percent", 100.0, _PERCENTS),
            ("jitter_ms", 1000.0, _AMOUNTS),
            ("rtt_ms", 1000.0, _AMOUNTS),
            ("fps", 1.0, _AMOUNTS),
            ("freeze_count", 1.0, _AMOUNTS),
            ("concealed_samples", 1.0, _AMOUNTS),
        )
    ]
    if not moments:
        return ()
    lengths = window_seconds(moments)
    every: list[Iterable[float | None]] = [column or repeat(None) for column in columns]
    return tuple(
        [
            Window(
                end=end,
                seconds=seconds,
                throughput_bytes_per_second=throughput,
                packet_loss_ratio=loss,
                jitter_seconds=jitter,
                round_trip_time_seconds=round_trip_time,
                frames_per_second=frames,
                freezes=freezes,
                concealed_samples=concealed,
            )
            for end, seconds, throughput, loss, jitter, round_trip_time, frames, freezes, concealed in zip(
                ends, lengths, *every, strict=False
            )
        ],
    )


def window_seconds(moments: Sequence[float]) -> list[float]:
    """How long each window is: the gap before its sample, at most three times the median gap; the first has the median.

    Args:
        moments: strictly ascending Unix milliseconds, at least one.
    """
    gaps = [(later - earlier) / 1000.0 for earlier, later in pairwise(moments)]
    if not gaps:
        return [LONE_SECONDS]
    middle = median(gaps)
    longest = LONGEST_IN_MEDIANS * middle
    return [middle, *(min(gap, longest) for gap in gaps)]


def _order(moments: Sequence[float | None], rejected: Rejections) -> list[int]:
    """The places of the usable time stamps in the order of time; of equal ones only the first."""
    usable = [(moment, index) for index, moment in enumerate(moments) if moment is not None]
    usable.sort()
    kept = [
        index for (before, _), (moment, index) in pairwise([(0.0, -1), *usable]) if moment / 1000.0 != before / 1000.0
    ]
    if len(kept) < len(usable):
        rejected["duplicate_timestamp"] += len(usable) - len(kept)
    return kept


def _column(
    values: object, divisor: float, limits: _Range, length: int, order: Sequence[int] | None, rejected: Rejections
) -> list[float | None] | None:
    """One metric in base units, in the order of the windows; None where it was not measured."""
    if not isinstance(values, list):
        if values is not None:
            rejected["wrong_type"] += 1
        return None
    if values and len(values) != length:
        rejected["length_mismatch"] += 1
    if len(values) != length:
        return None
    # What belongs to a dropped sample is not looked at: the sample is counted already.
    numbers = _numbers(values if order is None else [values[index] for index in order], limits, rejected)
    if divisor == 1.0:
        return numbers
    return [None if number is None else number / divisor for number in numbers]


def _numbers(values: list[Any], limits: _Range, rejected: Rejections) -> list[float | None]:
    """Reads all values at once, which is how they nearly always come, or else each for itself."""
    try:
        checked: list[float | None] = msgspec.convert(values, limits.fast)
    except msgspec.ValidationError:
        return [_number(value, limits, rejected) for value in values]
    return checked


def _number(value: object, limits: _Range, rejected: Rejections) -> float | None:
    if value is None:
        return None
    number = _as_float(value)
    if number is not None and isinf(number):
        return None
    if number is not None and limits.smallest <= number <= limits.largest:
        return number
    rejected["not_a_number" if number is None else "out_of_range"] += 1
    return None


def _as_float(value: object) -> float | None:
    """The value as a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        return float(value)
    except OverflowError:
        # An integer of hundreds of digits: a number, and past what any range allows.
        return float_info.max
