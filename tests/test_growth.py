"""What can grow is kept in few bytes, and read again as it was."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporter.pipeline.growth import decode_growth, encode_growth

vectors = st.lists(st.floats(allow_nan=False), min_size=1, max_size=20)
series = st.lists(st.text(max_size=20).filter(lambda text: text.isprintable()), min_size=1, max_size=6).map(tuple)


@given(st.dictionaries(series, vectors, max_size=8))
def test_increments_are_read_as_they_were_written(increments: dict[tuple[str, ...], list[float]]) -> None:
    """Whatever the labels and numbers: the largest, the smallest, whole ones and fractions, nothing at all."""
    written = encode_growth(increments)
    # Empty would say that nothing grows any more.
    assert written
    assert decode_growth(written) == increments


def test_what_an_earlier_version_wrote_is_read() -> None:
    """It was not compressed."""
    assert decode_growth(msgspec.msgpack.encode([])) == {}
    written = msgspec.msgpack.encode([(("webrtc_freezes_total", "prod", "room"), [2.0])] * 20)
    assert decode_growth(written) == {("webrtc_freezes_total", "prod", "room"): [2.0]}


def test_what_was_written_is_read_in_every_version_to_come() -> None:
    """The words that are left out must never change, or the state of yesterday could not be read."""
    written = bytes.fromhex(
        "78f99cfcafb99b3469ea1e7c8e585250949fb21c182779c0584232623233c369fbce9920306bd2b45d781c83c38025a0b09e"
        "2807009129397a"
    )
    assert decode_growth(written) == {
        ("webrtc_sample_jitter_seconds", "prod", "standup", "send", "audio"): [3.0, 0.0, 0.0125],
        ("webrtc_media_seconds_total", "prod", "standup", "send", "audio", "good"): [30.0],
    }
