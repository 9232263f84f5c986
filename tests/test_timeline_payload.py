"""The queue's bytes: all comes back, they are small, and what is no payload is told."""

from __future__ import annotations

import json
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.demo import hundredms_documents, simulation
from exporter.metrics.catalogue import FAMILIES
from exporter.model import Report, Session, SessionKey
from exporter.quality import Thresholds, judge_peer
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.timeline import payload
from exporter.timeline.series import TimelineSeries, count
from exporter.timeline.shape import Shape
from tests.timeline_support import series

TEXT = st.text(max_size=4)
SERIES = st.builds(
    lambda family, labels, times, values: TimelineSeries(
        family=family, labels=tuple(labels.items()), times=tuple(times), values=values[: 8 * len(times)]
    ),
    TEXT,
    st.dictionaries(TEXT, TEXT, max_size=4),
    st.lists(st.integers(-(2**62), 2**62), max_size=6, unique=True).map(sorted),
    st.binary(min_size=8 * 6, max_size=8 * 6),
)


@given(st.lists(SERIES, max_size=6))
def test_what_goes_in_comes_out(many: list[TimelineSeries]) -> None:
    """Labels, their order, times and the bits of the values."""
    assert payload.decode(payload.encode(many)) == tuple(many)


def test_a_simulated_peer_takes_a_few_bytes_a_sample() -> None:
    """Labels and times are kept once; the demo's peers take less than four bytes a sample."""
    (recording,) = simulation.volume("payload", 1, 4, 1_772_359_200.0)
    key = SessionKey("prod", "room", hundredms_documents.session_id(recording.meeting))
    for number in range(4):
        raw = json.dumps(hundredms_documents.peer_stats(recording, number)).encode()
        facts = PeerFacts(peer_id=hundredms_documents.peer_id(recording.meeting, number))
        report = parse_peer_stats(raw, Session(key=key), facts)
        assert isinstance(report, Report)
        (peer,) = report.peers
        made = Shape(FAMILIES).peer(report.session.key, judge_peer(peer, Thresholds())).series
        kept = payload.encode(made)
        assert payload.decode(kept) == made
        assert len(kept) < 4 * count(made)


GOOD = payload.encode([series("f", [(1, 1.0), (2, None)], peer_id="p")])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02" + GOOD[1:],
        GOOD[:-6],
        GOOD[:1] + b"not compressed",
        GOOD[:1] + zlib.compress(b"\xc1"),
        GOOD[:1] + zlib.compress(msgspec.msgpack.encode({"a": 1})),
        # A place that is not there, and a value too few.
        GOOD[:1] + zlib.compress(msgspec.msgpack.encode([[], [[1]], [["f", [], 1, bytes(8)]]])),
        GOOD[:1] + zlib.compress(msgspec.msgpack.encode([[], [[1, 1]], [["f", [], 0, bytes(8)]]])),
    ],
)
def test_what_is_no_payload_is_told(raw: bytes) -> None:
    """Damage and a newer version are an error of their own, which the queue can count."""
    with pytest.raises(payload.PayloadError, match="expected a payload"):
        payload.decode(raw)
