"""Verdicts of windows and of streams, with their reasons."""

from __future__ import annotations

from itertools import pairwise
from math import fsum
from statistics import median_low

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Peer, Stream, Summary, Track, TrackType, Window
from exporter.quality import (
    Judgement,
    VerdictSeconds,
    assess_peer,
    judge_window,
    merge_tracks,
)
from tests.quality_examples import (
    DEFAULTS,
    GOOD,
    MEASURED_PEERS,
    RANK,
    WINDOWS,
    audio,
    of_stream,
    summed_up,
    verdict,
)


def judged(window: Window, track_type: TrackType = "") -> Judgement:
    """The verdict of one window of one track."""
    (merged,) = merge_tracks([Track(track_id="t", windows=(window,))])
    return judge_window(merged, DEFAULTS, track_type)


class TestWindow:
    """One window on its own."""

    @pytest.mark.parametrize(
        ("measure", "value", "expected"),
        [
            ("packet_loss_ratio", 0.0099, "good"),
            ("packet_loss_ratio", 0.01, "fair"),
            ("packet_loss_ratio", 0.0499, "fair"),
            ("packet_loss_ratio", 0.05, "poor"),
            ("jitter_seconds", 0.0199, "good"),
            ("jitter_seconds", 0.02, "fair"),
            ("jitter_seconds", 0.03, "poor"),
            ("round_trip_time_seconds", 0.2499, "good"),
            ("round_trip_time_seconds", 0.25, "fair"),
            ("round_trip_time_seconds", 0.4, "poor"),
            ("frames_per_second", 15.0, "good"),
            ("frames_per_second", 14.9, "fair"),
            ("frames_per_second", 7.0, "fair"),
            ("frames_per_second", 6.9, "poor"),
            ("concealed_samples", 14_399.0, "good"),
            ("concealed_samples", 14_400.0, "fair"),  # 3 % of 480 000
            ("concealed_samples", 33_600.0, "poor"),  # 7 %
            ("freezes", 0.0, "good"),
            ("freezes", 1.0, "fair"),
            ("freezes", 2.0, "poor"),
        ],
    )
    def test_limits(self, measure: str, value: float, expected: str) -> None:
        """A limit "from" includes its value, one "below" does not; one measure alone is enough."""
        reason = {
            "packet_loss_ratio": "packet_loss",
            "jitter_seconds": "jitter",
            "round_trip_time_seconds": "round_trip_time",
            "frames_per_second": "frame_rate",
            "concealed_samples": "concealment",
            "freezes": "freeze",
        }[measure]
        alone = msgspec.structs.replace(Window(end=0.0, seconds=10.0), **{measure: value})
        among = msgspec.structs.replace(GOOD, **{measure: value})
        assert judged(alone) == judged(among) == (expected, "" if expected == "good" else reason)

    @pytest.mark.parametrize(("frames", "expected"), [(5.0, "good"), (4.9, "fair"), (2.0, "fair"), (1.9, "poor")])
    def test_screen_sharing(self, frames: float, expected: str) -> None:
        """Screen sharing has its own limits; every other track type has the regular ones."""
        window = Window(end=0.0, seconds=10.0, frames_per_second=frames)
        assert judged(window, "screen").verdict == expected
        assert judged(window, "other").verdict == judged(window, "regular").verdict == "poor"

    def test_worst_wins(self) -> None:
        """The worst measure decides; of equals, the first in the list is the reason."""
        window = msgspec.structs.replace(GOOD, packet_loss_ratio=0.02, jitter_seconds=0.02, frames_per_second=3.0)
        assert judged(window) == ("poor", "frame_rate")
        window = msgspec.structs.replace(window, freezes=5.0, jitter_seconds=0.5)
        assert judged(window) == ("poor", "jitter")

    def test_no_measure(self) -> None:
        """A window without any measure is unclassified, not good; throughput is no measure."""
        assert judged(Window(end=0.0, seconds=10.0)) == ("unclassified", "")
        assert judged(Window(end=0.0, seconds=10.0, throughput_bytes_per_second=1e6)) == ("unclassified", "")

    def test_muted(self) -> None:
        """The frame rate does not count while nothing is sent; everything else does."""
        muted = Window(end=0.0, seconds=10.0, throughput_bytes_per_second=0.0, frames_per_second=0.0)
        assert judged(muted) == ("unclassified", "")
        assert judged(msgspec.structs.replace(muted, freezes=0.0)) == ("good", "")
        assert judged(msgspec.structs.replace(muted, packet_loss_ratio=0.5)) == ("poor", "packet_loss")

    @given(WINDOWS, st.sampled_from(["packet_loss_ratio", "jitter_seconds", "freezes"]), st.floats(0, 1))
    def test_never_improves(self, window: Window, measure: str, more: float) -> None:
        """A measure that gets worse never makes a verdict better."""
        before = msgspec.structs.replace(window, **{measure: getattr(window, measure) or 0.0})
        after = msgspec.structs.replace(before, **{measure: getattr(before, measure) + more})
        assert RANK[judged(after).verdict] >= RANK[judged(before).verdict]

    @given(WINDOWS, st.floats(0, 60), st.floats(0, 60), st.sampled_from(["screen", "regular"]))
    def test_never_improves_with_fewer_frames(
        self, window: Window, frames: float, fewer: float, track_type: TrackType
    ) -> None:
        """Fewer frames a second never make a verdict better."""
        fewer, frames = sorted((frames, fewer))
        before = judged(msgspec.structs.replace(window, frames_per_second=frames), track_type)
        after = judged(msgspec.structs.replace(window, frames_per_second=fewer), track_type)
        assert RANK.get(after.verdict, -1) >= RANK.get(before.verdict, -1)


class TestStream:
    """A stream's own verdict and the time under each verdict."""

    def test_time_by_verdict(self) -> None:
        """Each window's length stands under its verdict."""
        stream = audio(
            {"packet_loss_ratio": 0.0, "seconds": 100.0},
            {"packet_loss_ratio": 0.02, "seconds": 4.0},
            {"packet_loss_ratio": 0.2, "seconds": 3.0},
            {"jitter_seconds": 0.2, "seconds": 2.0},
            {"seconds": 1.0},
        )
        assessed = of_stream(stream)
        assert assessed.seconds == VerdictSeconds(good=100.0, fair=4.0, poor=5.0, unclassified=1.0)

    def test_too_short(self) -> None:
        """Less than ten classified seconds are no basis, though each window has its verdict."""
        assessed = of_stream(audio({"packet_loss_ratio": 0.5, "seconds": 9.9}, {"seconds": 60.0}))
        assert verdict(assessed) == ("unclassified", "")
        assert assessed.seconds == VerdictSeconds(poor=9.9, unclassified=60.0)

    def test_exactly_long_enough(self) -> None:
        """Ten seconds are enough, also where Unix time as floats makes it a little less."""
        ends = [(1738843560111 + 100 * step) / 1000 for step in range(100)]
        gaps = [end - before for before, end in pairwise(ends)]
        steps = [median_low(gaps), *gaps]
        assert fsum(steps) < 10
        stream = audio(*({"packet_loss_ratio": 0.0, "seconds": step} for step in steps))
        assert verdict(of_stream(stream)) == ("good", "")

    def test_summary(self) -> None:
        """A summary's verdict rests on its means, over the time that the peer stayed."""
        (assessed,) = assess_peer(summed_up(60.0, packet_loss_ratio=0.02, mos=3.0), DEFAULTS).streams
        assert verdict(assessed) == ("poor", "mos")
        assert assessed.seconds == VerdictSeconds(poor=60.0)
        assert (assessed.mos, assessed.packet_loss_ratio, assessed.measured.packet_loss) == (3.0, 0.02, 60.0)
        assert assessed.measured.jitter == assessed.measured.throughput == 0.0

    def test_summary_passes_its_values_on(self) -> None:
        """What the vendor says of a stream is shown as it is."""
        summary = Summary(
            throughput_bytes_per_second=1.0,
            packet_loss_ratio=0.002,
            jitter_seconds=0.003,
            round_trip_time_seconds=0.004,
            frames_per_second=25.0,
            mos=4.1,
            media_score=6.0,
        )
        peer = Peer(
            peer_id="p",
            duration_seconds=30.0,
            streams=(Stream(direction="recv", kind="video", track_type="screen", rid="h", summary=summary),),
        )
        (assessed,) = assess_peer(peer, DEFAULTS).streams
        shown = msgspec.to_builtins(assessed)
        assert {name: shown[name] for name in Summary.__struct_fields__} == msgspec.to_builtins(summary)
        assert set(shown["measured"].values()) == {30.0}
        assert (shown["direction"], shown["kind"], shown["track_type"], shown["rid"]) == (
            "recv",
            "video",
            "screen",
            "h",
        )
        assert shown["freezes"] is shown["concealment_ratio"] is shown["packet_loss_p95_ratio"] is None

    @pytest.mark.parametrize(
        ("peer", "seconds"),
        [
            (summed_up(9.9, packet_loss_ratio=0.5), VerdictSeconds(unclassified=9.9)),
            (summed_up(None, packet_loss_ratio=0.5), VerdictSeconds()),
            (summed_up(60.0, throughput_bytes_per_second=5.0), VerdictSeconds(unclassified=60.0)),
            (
                summed_up(60.0, throughput_bytes_per_second=0.0, frames_per_second=0.0),
                VerdictSeconds(unclassified=60.0),
            ),
            (summed_up(60.0), VerdictSeconds(unclassified=60.0)),
        ],
    )
    def test_summary_without_basis(self, peer: Peer, seconds: VerdictSeconds) -> None:
        """A summary without a measure or of a stay too short or unknown is unclassified, and so is its peer."""
        assessed = assess_peer(peer, DEFAULTS)
        assert verdict(assessed) == verdict(assessed.streams[0]) == ("unclassified", "")
        assert assessed.streams[0].seconds == seconds

    def test_summary_frame_rate(self) -> None:
        """A summary's frame rate counts where something was sent."""
        (assessed,) = assess_peer(summed_up(60.0, frames_per_second=3.0), DEFAULTS).streams
        assert verdict(assessed) == ("poor", "frame_rate")

    def test_neither_tracks_nor_summary(self) -> None:
        """A stream of which nothing is known has no time."""
        assessed = of_stream(Stream(direction="send", kind="audio"))
        assert verdict(assessed) == ("unclassified", "")
        assert assessed.seconds == VerdictSeconds()

    @given(MEASURED_PEERS)
    def test_times_add_up(self, peer: Peer) -> None:
        """The time under the four verdicts is the time of all windows."""
        by_identity = {(s.direction, s.kind, s.track_type, s.rid): s for s in peer.streams}
        for assessed in assess_peer(peer, DEFAULTS).streams:
            stream = by_identity[assessed.direction, assessed.kind, assessed.track_type, assessed.rid]
            expected = sum(window.seconds for window in merge_tracks(stream.tracks))
            spent = assessed.seconds
            assert spent.good + spent.fair + spent.poor + spent.unclassified == pytest.approx(expected)
