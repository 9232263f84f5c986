"""From the bytes of a document to text: gzip by its magic bytes, and what is plainly not UTF-8 told at once."""

from __future__ import annotations

import codecs
import zlib
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
#: At most so much is inflated at once, however small the compressed bytes are.
_PIECE = 1 << 20
_SALVAGE_PIECE = 512
_SLICE = 1 << 14


class Fingerprint:
    """Tells long texts apart whose bytes come in pieces of any size."""

    def __init__(self) -> None:
        self._checksum = 0
        #: How many bytes were added.
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Takes the next bytes in."""
        self._checksum = zlib.crc32(piece, self._checksum)
        self.size += len(piece)

    def __bytes__(self) -> bytes:
        return f"{self.size} bytes, checksum {self._checksum:08x}".encode()


class DamagedStreamError(Exception):
    """The bytes cannot be read on from here; what was read before stays good."""

    def __init__(self, message: str, fingerprint: Fingerprint) -> None:
        super().__init__(message)
        #: Of the stored bytes, as there may be no text to tell it by.
        self.fingerprint = fingerprint


def utf8_text(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Inflates a stream of bytes where it is compressed, in pieces of bounded size, without a byte order mark.

    That it is UTF-8 throughout is not checked, so that one bad byte costs only the element that it stands in.

    Raises:
        DamagedStreamError: the gzip is broken or cut off, or the text is no UTF-8 from its first bytes on.
    """
    return _checked(_inflated(iter(chunks)))


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head, chunks = _peeked(chunks, len(_GZIP_MAGIC))
    if not head.startswith(_GZIP_MAGIC):
        yield from chunks
        return
    fingerprint = Fingerprint()
    member = zlib.decompressobj(_GZIP_WINDOW)
    for piece in _sliced(chunks):
        fingerprint.add(piece)
        compressed = piece
        while compressed:
            if member.eof:
                # Members may be padded with zeros, as tapes and some uploaders do.
                compressed = compressed.lstrip(b"\0")
                if not compressed:
                    break
                if not compressed.startswith(_GZIP_MAGIC[:1]):
                    msg = "there are other bytes after the end of the gzip stream"
                    raise DamagedStreamError(msg, fingerprint)
                member = zlib.decompressobj(_GZIP_WINDOW)
            before = member.copy()
            try:
                text = member.decompress(compressed, _PIECE)
            except zlib.error as error:
                yield from _salvaged(before, compressed)
                msg = f"the gzip stream is broken ({error})"
                raise DamagedStreamError(msg, fingerprint) from error
            yield text
            compressed = member.unconsumed_tail or member.unused_data
    yield member.flush()
    if not member.eof:
        msg = "the gzip stream is cut off"
        raise DamagedStreamError(msg, fingerprint)


def _sliced(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Small slices: zlib copies what it does not take yet, at each call, which thousands of tiny members would feel."""
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk[start : start + _SLICE]


def _salvaged(member: zlib._Decompress, compressed: bytes) -> Iterator[bytes]:
    """What comes out before the damage: zlib throws away the whole piece in which it finds it."""
    size = _SALVAGE_PIECE
    while compressed and size:
        before = member.copy()
        try:
            text = member.decompress(compressed, size)
        except zlib.error:
            # Again from before this piece, byte by byte, and then no more.
            member, size = before, 0 if size == 1 else 1
            continue
        yield text
        compressed = member.unconsumed_tail


def _checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head, chunks = _peeked(chunks, len(codecs.BOM_UTF8))
    # JSON begins with two characters of ASCII, so a zero there tells UTF-16, UTF-32 or no text at all.
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head[:2]:
        fingerprint = Fingerprint()
        for chunk in chunks:
            fingerprint.add(chunk)
        msg = "expected UTF-8; the first bytes are those of UTF-16, UTF-32 or binary data"
        raise DamagedStreamError(msg, fingerprint)
    yield next(chunks).removeprefix(codecs.BOM_UTF8)
    yield from chunks


def _peeked(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, at least `size` of them where there are so many, and the whole stream again, from its start."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= size:
            break
    return head, chain((head,), chunks)
