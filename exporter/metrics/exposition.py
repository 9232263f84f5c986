"""One generation of the page, and the bodies that a scrape gets of it: two formats, plain or gzip."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.metrics.store import Segment
from exporter.metrics.text import header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.metrics.family import Family

#: Bytes of a chunk as it is handed to the server: fewer, larger writes cost less.
_CHUNK = 1 << 18
#: Gzip member header: magic, deflate, no flags, no time, unknown system (RFC 1952, 2.3).
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END = b"# EOF\n"


class Body(Struct, frozen=True):
    """A whole answer in parts."""

    chunks: tuple[bytes, ...]
    length: int


class _Page(Struct, frozen=True):
    """All that does not change within a generation, in one format and encoding."""

    chunks: tuple[bytes, ...]
    #: Length and CRC-32 of the uncompressed text.
    plain_length: int
    crc: int


class Headers:
    """The header lines of every family in both formats, made once for a catalogue."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.names = tuple(family.name for family in families)
        self.by_format = {
            open_metrics: {family.name: Segment(header(family, open_metrics=open_metrics)) for family in families}
            for open_metrics in (False, True)
        }


class Generation:
    """The page as it was published once: immutable, so that any number of scrapes can share it without a lock."""

    def __init__(self, number: int, headers: Headers, segments: Mapping[str, tuple[Segment, ...]]) -> None:
        #: Counts up; a page of a later generation has all changes of the earlier ones.
        self.number = number
        self._headers = headers
        self._segments = segments
        self._pages: dict[tuple[bool, bool], _Page] = {}

    def body(self, tail: bytes, *, open_metrics: bool, gzip: bool) -> Body:
        """The page, followed by `tail`.

        Args:
            tail: whole families in the same format, made for this scrape, without `# EOF`.
            open_metrics: the format: OpenMetrics 1.0.0, else text 0.0.4.
            gzip: as one gzip member. The unchanged part is made of segments that were compressed once; only `tail`
                is compressed now.
        """
        if open_metrics:
            tail += _END
        page = self._page(open_metrics=open_metrics, gzip=gzip)
        if not gzip:
            return Body((*page.chunks, tail), page.plain_length + len(tail))
        deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        end = deflate.compress(tail) + deflate.flush(zlib.Z_FINISH)
        trailer = struct.pack("<II", zlib.crc32(tail, page.crc), (page.plain_length + len(tail)) & 0xFFFFFFFF)
        chunks = (_GZIP_HEADER, *page.chunks, end + trailer)
        return Body(chunks, sum(map(len, chunks)))

    def _page(self, *, open_metrics: bool, gzip: bool) -> _Page:
        page = self._pages.get((open_metrics, gzip))
        if page is None:
            # Two scrapes that come here at once both make it, the same; the last one stays.
            page = self._make_page(open_metrics=open_metrics, gzip=gzip)
            self._pages[open_metrics, gzip] = page
        return page

    def _make_page(self, *, open_metrics: bool, gzip: bool) -> _Page:
        headers = self._headers.by_format[open_metrics]
        parts: list[bytes] = []
        length = crc = 0
        for name in self._headers.names:
            segments = self._segments.get(name)
            if not segments:
                continue
            for segment in (headers[name], *segments):
                length += len(segment.plain)
                if gzip:
                    crc = zlib.crc32(segment.plain, crc)
                    parts.append(segment.deflated)
                else:
                    parts.append(segment.plain)
        return _Page(tuple(_in_chunks(parts)), length, crc)


def _in_chunks(parts: Sequence[bytes]) -> list[bytes]:
    chunks: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _CHUNK:
            chunks.append(b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        chunks.append(b"".join(waiting))
    return chunks
