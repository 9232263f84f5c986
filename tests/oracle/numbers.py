"""Reads raw JSON values into exact numbers: a decimal of the document is that decimal, not the double nearest to it."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, TypeAlias

#: A value as `json.loads` gives it.
Json: TypeAlias = Any
#: How many values were left out, by reason.
Rejections: TypeAlias = Counter[str]

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LARGEST = Fraction(sys.float_info.max)
#: How the 100ms API writes a time that is not set.
_UNSET = "0001-01-01T00:00:00Z"


def _exact(raw: float | str) -> Fraction | None:
    """The number that is written there; none for what is no finite double."""
    if isinstance(raw, int):
        return Fraction(raw) if abs(raw) <= _LARGEST else None
    near = float(raw)
    if near == 0:
        return Fraction(0)
    if abs(near) < float("inf"):
        return Fraction(raw) if isinstance(raw, str) else Fraction(repr(raw))
    return None


def read_number(raw: Json, rejections: Rejections, low: int | None = None, high: int | None = None) -> Fraction | None:
    """The number; none where it is missing, or rejected and counted.

    null, NaN and infinity are missing. Text that is a JSON number is one; other text, booleans and containers are
    `not_a_number`; a number outside `low` to `high` is `out_of_range`.
    """
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        rejections["not_a_number"] += 1
        return None
    if isinstance(raw, str) and not _JSON_NUMBER.fullmatch(raw):
        rejections["not_a_number"] += 1
        return None
    value = _exact(raw)
    if value is None:
        return None
    if (low is not None and value < low) or (high is not None and value > high):
        rejections["out_of_range"] += 1
        return None
    return value


def read_object(raw: Json, rejections: Rejections) -> dict[str, Json]:
    """The object; an empty one where it is missing, or of another type and counted."""
    if isinstance(raw, dict):
        return raw
    rejections["wrong_type"] += raw is not None
    return {}


def read_list(raw: Json, rejections: Rejections) -> list[Json]:
    """The array; an empty one where it is missing, or of another type and counted."""
    if isinstance(raw, list):
        return raw
    rejections["wrong_type"] += raw is not None
    return []


def read_time(raw: Json) -> Fraction | None:
    """Unix seconds of an RFC 3339 time; none where it is missing, unset or not readable."""
    if not isinstance(raw, str) or raw == _UNSET:
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Fraction(since.days * 86_400 + since.seconds) + Fraction(since.microseconds, 1_000_000)


def read_text(raw: Json) -> str:
    """Text as it stands; numbers and booleans as in JSON; lists joined with commas; anything else is empty."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, list):
        return ",".join(read_text(item) for item in raw)
    if isinstance(raw, bool | int | float):
        return json.dumps(raw)
    return ""
