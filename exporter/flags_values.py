"""What flags may say: texts of the command line to values, or a message that tells what was expected."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path

from exporter.options import ServeOptions
from exporter.web.addresses import read_address

#: Without hyphens it would be Unix seconds.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DEFAULTS = ServeOptions(config_file=Path())


def address(text: str) -> str:
    """A listen address, as it was given."""
    try:
        read_address(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    return text


def telemetry_path(text: str) -> str:
    """A path that no other page has."""
    if text != _DEFAULTS.telemetry_path:
        from exporter.web.app import check_telemetry_path  # noqa: PLC0415 - slow to import, and rarely needed

        try:
            check_telemetry_path(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error
    return text


def count(text: str) -> int:
    """A whole number from 1 to 1 000 000 or so."""
    if not (text.isascii() and text.isdigit() and len(text) <= len("1000000") and int(text) > 0):
        msg = f"expected a whole number from 1 on, got {text!r}"
        raise ArgumentTypeError(msg)
    return int(text)


def moment(text: str) -> float:
    """A time, as Unix seconds; a date is its beginning in UTC."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is not None and _DATE.fullmatch(text):
            found = found.replace(tzinfo=UTC)
        # Without an offset nobody knows whose time it is.
        seconds = math.nan if found is None or found.tzinfo is None else found.timestamp()
    # 9999-12-31, the last day of a calendar.
    if not 0 <= seconds <= 253_402_300_799:  # noqa: PLR2004 - as said
        msg = f"expected a time such as 2026-03-01T10:00:00Z, 2026-03-01 or 1772359200 (Unix seconds), got {text!r}"
        raise ArgumentTypeError(msg)
    return seconds


def speed(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        msg = f"expected a number above 0, got {text!r}"
        raise ArgumentTypeError(msg)
    return number
