"""The store of rendered bytes: entries that were rendered once, joined for a page by blocks.

An entry is a room, a peer, or the counts of a room. Entries share blocks; a change makes only its block be joined (and
compressed) anew. What is handed out is immutable, so a scrape needs no lock.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from exporter.metrics.gauges import Rendered

#: Entries in a block: enough for its compressed parts to compress well, few enough for a change to be cheap.
BLOCK_ENTRIES = 128


class Segment:
    """Some lines of one family, immutable, with their compressed form made when it is first asked for."""

    __slots__ = ("_deflated", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._deflated: bytes | None = None

    @property
    def deflated(self) -> bytes:
        """The lines as whole raw deflate blocks, which can stand anywhere within one gzip member (RFC 1951, 1952)."""
        if self._deflated is None:
            deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
            # A full flush ends on a byte boundary and refers to nothing before it, so that segments can be joined.
            self._deflated = deflate.compress(self.plain) + deflate.flush(zlib.Z_FULL_FLUSH)
        return self._deflated


class _Block:
    """A few entries and, for each family, their lines joined."""

    __slots__ = ("_segments", "entries")

    def __init__(self) -> None:
        self.entries: dict[Hashable, Rendered] = {}
        self._segments: dict[str, Segment] | None = None

    def changed(self) -> None:
        self._segments = None

    def segments(self) -> dict[str, Segment]:
        if self._segments is None:
            parts: dict[str, list[bytes]] = {}
            for rendered in self.entries.values():
                for family, lines in rendered.items():
                    parts.setdefault(family, []).append(lines)
            self._segments = {family: Segment(b"".join(lines)) for family, lines in parts.items()}
        return self._segments


class SeriesStore:
    """Entries by key; for one thread. An entry's key is unique, and so are its series."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._block_of: dict[Hashable, int] = {}
        self._series_of: dict[Hashable, int] = {}
        self._open = 0
        #: Series in all entries.
        self.series = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._block_of

    def series_of(self, key: Hashable) -> int:
        """How many series an entry has, 0 if it is not there."""
        return self._series_of.get(key, 0)

    def put(self, key: Hashable, rendered: Rendered) -> None:
        """Adds an entry or replaces it."""
        number = self._block_of.get(key)
        if number is None:
            number = self._room_for_one_more()
            self._block_of[key] = number
        block = self._blocks[number]
        block.entries[key] = rendered
        block.changed()
        series = sum(lines.count(b"\n") for lines in rendered.values())
        self.series += series - self._series_of.get(key, 0)
        self._series_of[key] = series

    def remove(self, key: Hashable) -> int:
        """Takes an entry out, if it is there; returns how many series went with it."""
        number = self._block_of.pop(key, None)
        if number is None:
            return 0
        block = self._blocks[number]
        del block.entries[key]
        block.changed()
        if not block.entries:
            del self._blocks[number]
        gone = self._series_of.pop(key)
        self.series -= gone
        return gone

    def segments(self) -> dict[str, tuple[Segment, ...]]:
        """The segments of each family that has lines."""
        joined: dict[str, list[Segment]] = {}
        for block in self._blocks.values():
            for family, segment in block.segments().items():
                joined.setdefault(family, []).append(segment)
        return {family: tuple(segments) for family, segments in joined.items()}

    def _room_for_one_more(self) -> int:
        block = self._blocks.get(self._open)
        if block is None or len(block.entries) >= BLOCK_ENTRIES:
            # Numbers are never used twice: a half-empty old block is left to run dry, as sessions leave in the order
            # in which they came.
            self._open += 1
            self._blocks[self._open] = _Block()
        return self._open
