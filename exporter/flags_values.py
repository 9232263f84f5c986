"""What flags may say: texts of the command line to values, or a message that tells what was expected."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from pathlib import Path

from exporter.options import ServeOptions
from exporter.web.addresses import read_address

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
