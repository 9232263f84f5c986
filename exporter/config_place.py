"""Where a value stands in the configuration, and how messages write it."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

#: Keys and list indexes from the top.
Place: TypeAlias = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PART = re.compile(r'\[(?P<index>[0-9]+)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|\.?(?P<key>[^.\[\]]+)')
#: A key longer than this is cut in messages: it is no key of ours, and may be what somebody pasted by mistake.
_LONGEST_KEY = 60


def show(place: Place) -> str:
    """Writes a place as messages do: `sources[0].url`; a key that is no plain word is quoted."""
    out = ""
    for part in place:
        if isinstance(part, int):
            out += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part) and len(part) <= _LONGEST_KEY:
            out += f".{part}" if out else part
        else:
            out += f"[{json.dumps(shorten(part))}]"
    return out


def split_place(text: str) -> Place:
    """Reads a place as `show` writes it; what is not written so is skipped."""
    parts: list[str | int] = []
    for match in _PART.finditer(text):
        index, quoted, key = match.group("index", "quoted", "key")
        parts.append(key if key is not None else int(index) if index is not None else str(json.loads(quoted)))
    return tuple(parts)


def shorten(text: str) -> str:
    """Cuts text that is too long for a message."""
    return text if len(text) <= _LONGEST_KEY else f"{text[:_LONGEST_KEY]}..."
