"""What was handed over of a peer, in few bytes: it is kept of every recent peer, beside what it added to the counts."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.timeline.sent import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.timeline.sent import SentSpan

# What the texts are made of. Never to be changed: what was written with it could not be read any more.
_WORDS: Final = (
    b"webrtc_timeline_connectedwebrtc_timeline_verdict\xa4recv\xa5video\xa6screen\xa0\xa4send\xa5video\xa7regular\xa1h"
    b"\xa4send\xa5video\xa7regular\xa1m\xa4send\xa5video\xa7regular\xa1l\xa4recv\xa5video\xa7regular\xa0\xa4recv\xa5audio"
    b"\xa7regular\xa0\xa4send\xa5audio\xa7regular\xa0"
)


def encode_sent(sent: Sent) -> bytes:
    """What was handed over, as `decode_sent` reads it; empty where it was nothing."""
    if not sent.lines:
        return b""
    deflate = zlib.compressobj(level=9, zdict=_WORDS)
    return deflate.compress(msgspec.msgpack.encode(sent)) + deflate.flush()


def decode_sent(written: Iterable[bytes]) -> Sent:
    """What `encode_sent` wrote of some stays of one peer, put together."""
    lines: dict[tuple[str, ...], dict[SentSpan, None]] = {}
    for each in written:
        if each:
            raw = zlib.decompressobj(zdict=_WORDS).decompress(each)
            for key, spans in msgspec.msgpack.decode(raw, type=Sent).lines:
                # Stays that came together know of each other's.
                lines.setdefault(key, {}).update(dict.fromkeys(spans))
    return Sent(tuple((key, tuple(spans)) for key, spans in lines.items()))
