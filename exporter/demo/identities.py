"""Ids and times as the vendors write them; an id depends on nothing but what it stands for."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID


def _digest(size: int, parts: tuple[object, ...]) -> bytes:
    return blake2b("/".join(map(str, parts)).encode(), digest_size=size).digest()


def uuid(*parts: object) -> str:
    """A random-looking UUID of version 4, the same for the same parts."""
    return str(UUID(bytes=_digest(16, parts), version=4))


def opaque(*parts: object) -> str:
    """32 hexadecimal digits, the same for the same parts."""
    return _digest(16, parts).hex()


def object_id(seconds: float, *parts: object) -> str:
    """24 hexadecimal digits as MongoDB makes them: the first 8 are the Unix time of creation."""
    return f"{int(seconds) & 0xFFFFFFFF:08x}{_digest(8, parts).hex()}"


def iso_milliseconds(seconds: float) -> str:
    """UTC as JavaScript writes it: `2026-03-01T10:00:04.120Z`."""
    milliseconds = round(seconds * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def rfc3339(seconds: float, nanoseconds: int = 0) -> str:
    """UTC as Go writes it, without trailing zeros: `2026-03-01T10:00:04.12Z`.

    Args:
        seconds: Unix seconds, rounded to milliseconds.
        nanoseconds: below a million, added to it.
    """
    milliseconds = round(seconds * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    fraction = f"{milliseconds % 1000 * 1_000_000 + nanoseconds:09d}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"
