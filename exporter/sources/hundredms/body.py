"""Bodies of answers, never larger in memory than allowed, packed or not."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_GZIP = 16 + zlib.MAX_WBITS


class TooLargeError(Exception):
    """The body is larger than allowed."""


class BrokenBodyError(Exception):
    """The body is packed in a way that was not asked for, or cannot be unpacked."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str, largest: int) -> bytes:
    """Joins the raw chunks of a body and unpacks gzip.

    The HTTP library's own decoder inflates a chunk of any size at once, so that a small answer could fill the memory.

    Args:
        chunks: the body as it comes over the wire.
        encoding: the `Content-Encoding`.
        largest: the limit, for the unpacked body.

    Raises:
        TooLargeError: it is larger; nothing more is read.
        BrokenBodyError: the encoding is none that we ask for, or the packed data is damaged or cut off.
    """
    encoding = encoding.strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        message = f"Content-Encoding: expected gzip or identity, got {encoding[:40]!r}"
        raise BrokenBodyError(message)
    inflater = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
    body = bytearray()
    try:
        async for chunk in chunks:
            body += inflater.decompress(chunk, largest + 1 - len(body)) if inflater else chunk
            if len(body) > largest:
                raise TooLargeError
    except zlib.error as error:
        message = "gzip: the data is damaged"
        raise BrokenBodyError(message) from error
    if inflater and not inflater.eof:
        message = "gzip: the data is cut off"
        raise BrokenBodyError(message)
    return bytes(body)
