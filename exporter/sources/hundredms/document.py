"""Bytes of the vendor become plain values, whatever they are; what cannot becomes one clear sentence."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from exporter.sources.text import label_text

#: An integer of so many digits is past every float; more of them only cost time, which grows with their square.
_LONGEST_INTEGER = 400


class MalformedError(Exception):
    """The bytes are no JSON document; the text says what is wrong, and quotes nothing."""


def decode(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decodes a JSON document.

    Also taken, though no JSON: a byte order mark, NaN and infinity (as null), literals such as 1e999 (as infinity)
    and halves of surrogate pairs; each costs at most the value that it stands in.

    Raises:
        MalformedError: it is not UTF-8, not JSON, or nested too deep.
    """
    try:
        return msgspec.json.decode(raw)
    except RecursionError as error:
        message = "nested too deep"
        raise MalformedError(message) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_tolerantly(raw)


def clean_text(value: object) -> str:
    """The value where it is a text, as a label can hold it; else an empty one."""
    return label_text(value) if isinstance(value, str) else ""


def _decode_tolerantly(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_nothing, parse_int=_integer)
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start}"
        raise MalformedError(message) from error
    except json.JSONDecodeError as error:
        message = f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise MalformedError(message) from error
    except RecursionError as error:
        message = "nested too deep"
        raise MalformedError(message) from error


def _nothing(_: str) -> None:
    """Reads NaN, Infinity and -Infinity: not measured."""


def _integer(digits: str) -> int:
    return int(digits[:_LONGEST_INTEGER])
