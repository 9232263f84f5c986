"""Sums and means that depend on no order, stay finite and never leave the range of what they are made of."""

from __future__ import annotations

import sys
from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LARGEST = sys.float_info.max


def total(values: Iterable[float]) -> float:
    """Adds values that are not negative; a sum beyond the largest float is the largest float."""
    try:
        added = fsum(values)
    except OverflowError:
        return _LARGEST
    if added > _LARGEST:
        return _LARGEST
    return added


def quotient(dividend: float, divisor: float) -> float | None:
    """Divides values that are not negative; None where there is nothing to divide by."""
    return min(dividend / divisor, _LARGEST) if divisor > 0 else None


def mean(values: Sequence[float]) -> float | None:
    """The plain mean of values that are not negative; None where there are none."""
    if not values:
        return None
    return _within(total(values) / len(values), values)


def weighted_mean(weighted: Sequence[tuple[float, float]]) -> float | None:
    """The mean of pairs of value and weight, neither of them negative; None where nothing has a weight."""
    weight = total([share for _, share in weighted])
    if not weight:
        return None
    values = [value for value, _ in weighted]
    return _within(total([value * share for value, share in weighted]) / weight, values)


def percentile_95(values: Iterable[float]) -> float | None:
    """The 95th percentile by nearest rank: the smallest value that at least 95 % of the values do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return None
    # In whole numbers, because 0.95 as a float can lift the rank by one.
    return ordered[-(-95 * len(ordered) // 100) - 1]


def _within(average: float, values: Sequence[float]) -> float:
    """Keeps a mean in the range of its values, out of which a rounding error or a sum that was cut off may take it."""
    # Written out, as it is done for every window of every stream: `min` and `max` of two take three times as long.
    lowest = min(values)
    if average < lowest:
        return lowest
    highest = max(values)
    if average > highest:
        return highest
    return average
