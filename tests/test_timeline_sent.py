"""Reports that grow, and peers with several stays: every time is sent once, and what is new is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.metrics.catalogue import FAMILIES
from exporter.model import Peer, Stream, Track
from exporter.quality import Thresholds, judge_peer
from exporter.timeline.sent import Sent, SentSpan, only_new
from exporter.timeline.shape import Shape, Timeline
from tests.test_timeline_shape import KEY, SEND_AUDIO, T0, lines, peer, stream, window
from tests.timeline_support import series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.model import Window

SHAPE = Shape(FAMILIES)


def handed_over(*reports: Peer) -> list[Timeline]:
    """What each report adds, one after the other; what was sent goes through bytes, as the ledger keeps it."""
    found: list[Timeline] = []
    kept: bytes | None = None
    for report in reports:
        sent = None if kept is None else msgspec.msgpack.decode(kept, type=Sent)
        found.append(SHAPE.peer(KEY, judge_peer(report, Thresholds()), sent))
        kept = msgspec.msgpack.encode(found[-1].sent)
    return found


def loss(*ends: float, seconds: float = 10.0, value: float = 0.0) -> tuple[Window, ...]:
    """Windows that end so many seconds after the start."""
    return tuple(window(end, seconds, packet_loss_ratio=value) for end in ends)


def test_the_same_again_adds_nothing() -> None:
    """A report that comes twice hands over nothing the second time."""
    report = peer(stream("send", "audio", *loss(10.0, 20.0)))
    _, again = handed_over(report, report)
    assert again.series == ()


def test_growth_adds_later_windows_only() -> None:
    """The old marker stays a millisecond before the next sample; the line ends anew."""
    before = peer(stream("send", "audio", *loss(10.0, 20.0)), end=20.0)
    after = peer(stream("send", "audio", *loss(10.0, 20.0, 30.0, 40.0, value=0.06)), end=100.0)
    first, then = (lines(each) for each in handed_over(before, after))
    assert first["packet_loss_ratio"] == {SEND_AUDIO: [(10_000, 0.0), (20_000, 0.0), (29_999, None)]}
    assert then["packet_loss_ratio"] == {SEND_AUDIO: [(30_000, 0.06), (40_000, 0.06), (49_999, None)]}
    assert first["verdict"] == {(): [(10_000, 1.0), (20_000, 1.0), (29_999, None)]}
    assert then["verdict"] == {(): [(30_000, 3.0), (40_000, 3.0), (49_999, None)]}
    assert first["connected"] == {(): [(0, 1.0), (20_000, 1.0), (20_001, None)]}
    assert then["connected"] == {(): [(60_000, 1.0), (100_000, 1.0), (100_001, None)]}


def test_a_new_stream_is_sent_whole() -> None:
    """What was sent of one stream says nothing of another that began before."""
    audio = stream("send", "audio", *loss(10.0, 20.0))
    first, then = handed_over(peer(audio), peer(audio, stream("send", "video", *loss(5.0, 15.0))))
    assert {each.family for each in first.series} >= {"webrtc_timeline_packet_loss_ratio"}
    assert lines(then)["packet_loss_ratio"] == {
        ("send", "video", "", ""): [(5_000, 0.0), (15_000, 0.0), (24_999, None)],
    }


def test_a_track_more_changes_nothing_that_was_sent() -> None:
    """The stream's values are others with it, but its times are taken."""
    windows = loss(10.0, 20.0)
    one = Stream(direction="recv", kind="audio", tracks=(Track(track_id="a", windows=windows),))
    other = Track(track_id="b", windows=loss(10.1, 20.1, 30.1, value=0.06))
    _, then = handed_over(peer(one), peer(replace(one, tracks=(*one.tracks, other))))
    assert lines(then)["packet_loss_ratio"] == {("recv", "audio", "", ""): [(30_100, 0.06), (40_099, None)]}


def test_a_sample_at_the_time_of_the_old_marker_is_left_out() -> None:
    """A time has one value, even if it costs a window: here one that ends a millisecond early."""
    before = peer(stream("send", "audio", *loss(10.0, 20.0)))
    after = peer(stream("send", "audio", *loss(10.0, 20.0, 29.999, 40.0)))
    _, then = handed_over(before, after)
    assert lines(then)["packet_loss_ratio"] == {SEND_AUDIO: [(40_000, 0.0), (49_999, None)]}


def test_a_value_that_came_late_is_not_put_between() -> None:
    """A metric that has values for windows now that it did not have then: those times belong to what was sent."""
    before = peer(stream("send", "audio", window(10.0, packet_loss_ratio=0.0), window(20.0, jitter_seconds=0.001)))
    after = peer(stream("send", "audio", *loss(10.0, 20.0, 30.0)))
    _, then = handed_over(before, after)
    assert lines(then)["packet_loss_ratio"] == {SEND_AUDIO: [(30_000, 0.0), (39_999, None)]}


def test_stays_that_overlap_never_contradict() -> None:
    """The first one counts where both were there; the rest of the second is added, before and after."""
    longest = peer(stream("send", "audio", *loss(110.0, 120.0, 130.0)), start=100.0, end=130.0)
    other = peer(stream("send", "audio", *loss(90.0, 120.0, 125.0, 150.0, value=0.06)), start=80.0, end=150.0)
    _, then = handed_over(longest, other)
    assert lines(then)["packet_loss_ratio"] == {
        SEND_AUDIO: [(90_000, 0.06), (99_999, None), (150_000, 0.06), (159_999, None)],
    }
    assert lines(then)["connected"] == {(): [(80_000, 1.0), (140_000, 1.0), (150_000, 1.0), (150_001, None)]}


def test_a_marker_alone_is_nothing_new() -> None:
    """Nor is one whose run was sent before."""
    span = (SentSpan(10, 30, 40),)
    assert only_new(series("f", [(10, 1.0), (30, 1.0), (45, None)]), span) is None
    found = only_new(series("f", [(5, 2.0), (8, None), (10, 1.0), (12, None), (30, 1.0), (45, None), (50, 3.0)]), span)
    assert found is not None
    assert list(found.samples()) == [(5, 2.0), (8, None), (50, 3.0)]


def stretch(times: Iterable[int]) -> tuple[Window, ...]:
    """Windows that end at these milliseconds, as long as the gap before them."""
    ordered = sorted(times)
    return tuple(
        window(end / 1000, (end - before) / 1000, packet_loss_ratio=0.0 if end % 3 else None, jitter_seconds=0.001)
        for before, end in zip([ordered[0] - 10, *ordered], ordered, strict=False)
    )


@given(
    st.lists(st.sets(st.integers(11, 200), min_size=1, max_size=30), min_size=1, max_size=4),
    st.lists(st.integers(0, 200), min_size=4, max_size=4),
)
def test_no_time_is_ever_sent_with_two_values(reports: Sequence[set[int]], ends: Sequence[int]) -> None:
    """Whatever comes after whatever: grown, shrunk, moved; and each handed over series is in order."""
    peers = [
        peer(stream("send", "audio", *stretch(times)), start=0.0, end=end / 1000)
        for times, end in zip(reports, ends, strict=False)
    ]
    seen: dict[tuple[str, int], float | None] = {}
    for timeline in handed_over(*peers):
        for each in timeline.series:
            assert list(each.times) == sorted(set(each.times))
            assert not each.is_stale(0)
            for time, value in each.samples():
                assert seen.setdefault((each.family, time), value) == value
    # Growth reaches the end: the last window of all that is later than everything before is there.
    newest = max(max(times) for times in reports)
    assert ("webrtc_timeline_jitter_seconds", T0 + newest) in seen


def test_what_was_sent_is_kept_small() -> None:
    """A peer with four streams that grew twice: a few hundred bytes for the ledger."""
    kinds = [("send", "audio"), ("send", "video"), ("recv", "audio"), ("recv", "video")]
    reports = [
        peer(*(stream(direction, kind, *loss(*(10.0 * n for n in range(1, last)))) for direction, kind in kinds))  # type: ignore[arg-type] # literals in a list are text to mypy
        for last in (10, 20, 30)
    ]
    timelines = handed_over(*reports)
    assert all(timeline.series for timeline in timelines)
    assert len(msgspec.msgpack.encode(timelines[-1].sent)) < 700
