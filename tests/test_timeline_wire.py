"""The bytes of remote write 1.0, read by protobuf's own library and written out by hand."""

from __future__ import annotations

import math
import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.timeline.series import STALE, TimelineSeries, packed
from exporter.timeline.wire import body, wire_labels, write_request
from tests.timeline_support import STALE_BITS, read, read_body, series

#: 2026-03-01T10:00:00Z
NOW = 1_772_359_200_000


def test_the_bytes_are_those_of_the_protocol() -> None:
    """A request with one series, byte by byte."""
    one = series("up", [(NOW, 1.0), (NOW + 10_000, None)], peer_id="p")
    labels = (
        b"\x0a\x0e" + b"\x0a\x08__name__" + b"\x12\x02up",  # Label: 10 + 4 bytes
        b"\x0a\x0c" + b"\x0a\x07peer_id" + b"\x12\x01p",  # Label: 9 + 3 bytes
    )
    # 1 772 359 200 000 is 110011 1001010 1000110 1011100 1011010 0000000: groups of seven bits, the last one first.
    first = b"\x12\x10" + b"\x09" + bytes.fromhex("000000000000f03f") + b"\x10" + bytes.fromhex("80 da dc c6 ca 33")
    second = b"\x12\x10" + b"\x09" + STALE_BITS + b"\x10" + bytes.fromhex("90 a8 dd c6 ca 33")
    content = b"".join((*labels, first, second))
    assert len(content) == 16 + 14 + 18 + 18
    assert write_request([one], {}) == b"\x0a" + bytes([len(content)]) + content


def test_the_body_is_snappy_in_block_format() -> None:
    """Compressed as a block, which begins with the length of the content, and not as a stream of frames."""
    one = series("up", [(NOW, 1.0)])
    packed_body = body([one], {})
    raw = write_request([one], {})
    assert bytes(cramjam.snappy.decompress_raw(packed_body)) == raw
    assert packed_body[0] == len(raw)
    assert not packed_body.startswith(b"\xff\x06\x00\x00sNaPpY")


def test_labels_are_sorted_and_complete_and_never_empty() -> None:
    """`__name__`, the series' own, ours beside them; empty ones do not exist for the protocol."""
    one = series("webrtc_timeline_freezes", [(NOW, 1.0)], source="a", rid="", Zone="z", peer_id="ü🚀")
    own = {"job": "j", "instance": "i", "source": "not this", "rid": "nor this", "empty": ""}
    ((labels, _),) = read(write_request([one], own))
    assert list(labels.items()) == [
        ("Zone", "z"),
        ("__name__", "webrtc_timeline_freezes"),
        ("instance", "i"),
        ("job", "j"),
        ("peer_id", "ü🚀"),
        ("source", "a"),
    ]


def test_families_of_a_stream_differ_in_their_name_only() -> None:
    """Labels that stand before the name and after it are the same for all of them, and another stream's are its own."""
    many = [series(f"f{n}", [(NOW, float(n))], Zone="z", peer_id=peer) for peer in "ab" for n in range(2)]
    found = [list(labels.items()) for labels, _ in read(write_request(many, {"job": "j"}))]
    assert found == [
        [("Zone", "z"), ("__name__", f"f{n}"), ("job", "j"), ("peer_id", peer)] for peer in "ab" for n in range(2)
    ]


def test_a_name_cannot_be_taken_away() -> None:
    """A label `__name__` of ours does not rename a series."""
    assert wire_labels(series("up", [(NOW, 1.0)]), {"__name__": "down"}) == [("__name__", "up")]


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    """What has no UTF-8 does not stop the sender."""
    ((labels, _),) = read(write_request([series("up", [(NOW, 1.0)], peer_id="a\ud800b")], {}))
    assert labels["peer_id"] == "a?b"


def test_large_labels_and_many_series_keep_their_lengths() -> None:
    """Lengths of more than one and two bytes."""
    samples: list[tuple[int, float | None]] = [(NOW + step, float(step)) for step in range(1000)]
    many = [series("up", samples, peer_id="x" * 20_000, n=f"{n}") for n in range(3)]
    found = read_body(body(many, {}))
    assert [labels["n"] for labels, _ in found] == ["0", "1", "2"]
    assert {len(labels["peer_id"]) for labels, _ in found} == {20_000}
    assert found[2][1] == samples


@pytest.mark.parametrize("value", [0.0, -0.0, -123.45, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1])
def test_values_keep_their_bits(value: float) -> None:
    """Every double goes through as it is.

    Compliance: positive_infinity, negative_infinity, zero_value, negative_value, high_precision_float.
    """
    ((_, ((_, found),)),) = read(write_request([series("up", [(NOW, value)])], {}))
    assert found is not None
    assert struct.pack("<d", found) == struct.pack("<d", value)


def test_a_marker_is_told_from_other_nans() -> None:
    """StaleNaN is sent bit by bit; another NaN stays a value. Compliance: stale_marker, nan_value."""
    one = TimelineSeries(family="up", labels=(), times=(1, 2), values=struct.pack("<d", math.nan) + STALE)
    (first, nan), (second, marker) = one.samples()
    assert (first, second, marker) == (1, 2, None)
    assert nan is not None
    assert math.isnan(nan)
    assert STALE == STALE_BITS
    ((_, samples),) = read(write_request([one], {}))
    assert samples[0][1] is not None
    assert samples[1] == (2, None)


@pytest.mark.parametrize("time", [-(2**63), -1, 0, 1, 2**35 - 1, 2**35, 2**42 - 1, 2**42, 2**63 - 1])
def test_times_of_any_length_are_written(time: int) -> None:
    """All 64 bits, and the edges of the fast way. Compliance: zero_timestamp."""
    assert read(write_request([series("up", [(time, 1.5)])], {})) == [({"__name__": "up"}, [(time, 1.5)])]


def test_a_series_across_the_edge_of_the_fast_way() -> None:
    """One time outside is enough for the general way."""
    samples = [(2**35 - 1, 1.0), (2**35, 2.0)]
    assert read(write_request([series("up", samples)], {})) == [({"__name__": "up"}, samples)]


LABEL_NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "__name__")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
TIMES = st.lists(st.integers(0, 2**44), min_size=1, max_size=8, unique=True).map(sorted)


@given(
    st.lists(
        st.builds(
            lambda labels, times, values: TimelineSeries(
                family="f", labels=tuple(labels.items()), times=tuple(times), values=packed(values[: len(times)])
            ),
            st.dictionaries(LABEL_NAMES, TEXT, max_size=5),
            TIMES,
            st.lists(st.none() | st.floats(allow_nan=False), min_size=8, max_size=8),
        ),
        max_size=4,
    ),
    st.dictionaries(LABEL_NAMES, TEXT, max_size=3),
)
def test_protobuf_reads_what_we_write(many: list[TimelineSeries], own: dict[str, str]) -> None:
    """Any labels, times and values come out as they went in, and sorted."""
    found = read_body(body(many, own))
    assert [samples for _, samples in found] == [list(each.samples()) for each in many]
    for (labels, _), each in zip(found, many, strict=True):
        assert list(labels) == sorted(labels)
        assert labels == {**own, **dict(each.labels), "__name__": "f"}
