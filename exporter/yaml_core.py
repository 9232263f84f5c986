"""The core schema of YAML 1.2: which plain words of a text are values, and which are just text.

PyYAML has the rules of YAML 1.1, where `no` is false, `1:30` is 90 and `010` is 8. Source: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"(?P<decimal>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hexadecimal>[0-9a-fA-F]+)")
_BASES = {"decimal": 10, "octal": 8, "hexadecimal": 16}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
#: Longer ones are refused unread: Python takes time that grows with the square of the digits.
_LONGEST_INTEGER = 100
_TOO_LARGE = 2**63


class ScalarError(ValueError):
    """A word that the core schema calls a number, but that is none this program can work with."""


def resolve(text: str) -> Scalar:
    """Reads a plain (unquoted, untagged) scalar.

    Raises:
        ScalarError: a whole number that takes more than 64 bits, an infinite number, NaN.
    """
    if text in _WORDS:
        return _WORDS[text]
    if match := _INTEGER.fullmatch(text):
        kind = str(match.lastgroup)
        number = int(match[kind], _BASES[kind]) if len(text) <= _LONGEST_INTEGER else _TOO_LARGE
        if -_TOO_LARGE <= number < _TOO_LARGE:
            return number
        msg = "number out of range; expected a whole number of at most 64 bits"
        raise ScalarError(msg)
    if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and not isfinite(float(text))):
        msg = "expected a finite number"
        raise ScalarError(msg)
    return float(text) if _FLOAT.fullmatch(text) else text


def is_text(text: str) -> bool:
    """Whether a plain scalar stays the text that it is."""
    try:
        return resolve(text) is text
    except ScalarError:
        return False
