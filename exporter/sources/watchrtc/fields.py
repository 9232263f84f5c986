"""Reads single values of a room: what is missing stays missing, what is wrong is left out and counted."""

from __future__ import annotations

import json
import math
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.sources.text import label_text

if TYPE_CHECKING:
    from exporter.model import SampleRejection

#: A number as JSON writes it; text that holds just that is read as the number.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

_LARGEST = sys.float_info.max


class Measure(Struct, frozen=True):
    """What values a field may have, in the vendor's unit, and how they become base units."""

    low: float
    high: float
    factor: float = 1
    divisor: float = 1


# Where the vendor's scale has no upper end there is one here, far past anything real: a single 1e300 would spoil the
# sum of a histogram for good.
#: kbit/s to bytes per second; up to 1 Tbit/s.
KILOBITS_PER_SECOND = Measure(0, 1e9, factor=125)
#: Per cent to a ratio.
PERCENT = Measure(0, 100, divisor=100)
#: Milliseconds to seconds; up to a day.
MILLISECONDS = Measure(0, 86_400_000, divisor=1000)
#: Seconds; up to ten years.
SECONDS = Measure(0, 315_360_000)
#: Mean opinion score.
MOS = Measure(1, 5)
#: The vendor's score of the media.
MEDIA_SCORE = Measure(0, 10)
#: What a person gave.
USER_RATING = Measure(1, 5)
#: Unix seconds; up to the year 3000. Some formats write a zero of their own where they know no time.
MOMENT = Measure(0, 32_503_680_000)
#: Participants of a room.
PARTICIPANTS = Measure(0, 1e6)


class Rejections:
    """How many values were left out of one room, by reason."""

    def __init__(self) -> None:
        self._counts: dict[SampleRejection, int] = {}

    def add(self, reason: SampleRejection) -> None:
        """Counts one."""
        self._counts[reason] = self._counts.get(reason, 0) + 1

    def counts(self) -> tuple[tuple[SampleRejection, int], ...]:
        """The counts, ordered by reason."""
        return tuple(sorted(self._counts.items()))


def read_number(value: object, measure: Measure, rejections: Rejections) -> float | None:
    """A number in base units. Text that is a number counts as one; what no double can hold is infinite, so missing."""
    # type() on purpose: a boolean is an int by inheritance, and no number here.
    if type(value) is float:
        number = value
    elif type(value) is int:
        number = float(value) if abs(value) <= _LARGEST else math.inf
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
    else:
        if value is not None:
            rejections.add("not_a_number")
        return None
    if measure.low <= number <= measure.high:
        # Adding 0 turns -0.0 into 0.0, which is what it means.
        return number * measure.factor / measure.divisor + 0.0
    if math.isfinite(number):
        rejections.add("out_of_range")
    return None


def read_count(value: object, measure: Measure, rejections: Rejections) -> int | None:
    """A whole number."""
    number = read_number(value, measure, rejections)
    if number is None:
        return None
    if not number.is_integer():
        rejections.add("out_of_range")
        return None
    return int(number)


def plain_text(value: object) -> str | None:
    """Text as a label can hold it, a number or boolean as JSON writes it, nothing for null; else None."""
    if isinstance(value, str):
        return label_text(value)
    if value is None:
        return ""
    is_text = isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return label_text(json.dumps(value)) if is_text else None


def read_item(value: object, rejections: Rejections) -> str | None:
    """Text as `plain_text` reads it, and counts what cannot be text."""
    text = plain_text(value)
    if text is None:
        rejections.add("wrong_type")
    return text


def read_text(value: object, rejections: Rejections) -> str:
    """Text, empty where there is none."""
    return read_item(value, rejections) or ""


def read_block(value: object, rejections: Rejections) -> dict[str, object]:
    """An object, empty where there is none."""
    if isinstance(value, dict):
        return value
    if value is not None:
        rejections.add("wrong_type")
    return {}


def read_moment(value: object, rejections: Rejections) -> float | None:
    """Unix seconds of a moment in ISO 8601 (`2022-09-04T00:09:22.885Z`); without a zone it is UTC."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            # RFC 3339 allows lower case, and fromisoformat does not.
            moment = datetime.fromisoformat(value.strip().upper())
        except ValueError:
            moment = None
        if moment is not None:
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return read_number(moment.timestamp(), MOMENT, rejections)
    rejections.add("wrong_type")
    return None
