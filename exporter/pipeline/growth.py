"""What a report added that can grow, in few bytes: one is kept of every recent peer, to tell later what is new."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from exporter.metrics.counts import Increments

# What the texts are made of, so that none of it has to be written out for every peer. Never to be changed: what was
# written with it could not be read any more, and would be counted twice.
_WORDS = (
    b"webrtc_exporter_samples_rejected_totalduplicate_timestamplength_mismatchnot_a_numberout_of_rangewrong_type"
    b"webrtc_concealed_samples_totalwebrtc_freezes_totalunclassifiedfairpoorgood"
    b"webrtc_sample_frames_per_secondwebrtc_sample_throughput_bytes_per_secondwebrtc_sample_round_trip_time_seconds"
    b"webrtc_sample_jitter_secondswebrtc_sample_packet_loss_ratiowebrtc_media_seconds_total"
    b"\xa4send\xa5video\xa4recv\xa5video\xa4send\xa5audio\xa4recv\xa5audio"
)
#: How what is compressed begins; what an earlier version wrote without begins as a msgpack array does.
_COMPRESSED = b"\x78"
#: Beyond it msgpack has no integers.
_WHOLE = 2.0**53


def encode_growth(increments: Increments) -> bytes:
    """The increments as `decode_growth` reads them."""
    pairs = [(series, [_shortest(each) for each in vector]) for series, vector in increments.items()]
    deflate = zlib.compressobj(level=9, zdict=_WORDS)
    return deflate.compress(msgspec.msgpack.encode(pairs)) + deflate.flush()


def decode_growth(written: bytes) -> Increments:
    """The increments that `encode_growth` wrote."""
    if written.startswith(_COMPRESSED):
        written = zlib.decompressobj(zdict=_WORDS).decompress(written)
    return dict(msgspec.msgpack.decode(written, type=list[tuple[tuple[str, ...], list[float]]]))


def _shortest(value: float) -> float:
    """The same number as an integer where it is a whole one: most are, and take one byte so, not nine."""
    return int(value) if value.is_integer() and abs(value) < _WHOLE else value
