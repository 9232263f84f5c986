"""Verdicts of peers, by time and by means, with their reasons."""

from __future__ import annotations

import msgspec
import pytest

from exporter.model import Peer, Stream, Summary, Track
from exporter.quality import (
    Thresholds,
    VerdictSeconds,
    assess_peer,
)
from tests.quality_examples import (
    DEFAULTS,
    audio,
    of_peer,
    of_stream,
    summed_up,
    verdict,
    video,
    windows,
)

#: A camera that was off for the whole stay.
MUTED = Summary(throughput_bytes_per_second=0.0, frames_per_second=0.0)


def losses(*ratios: float, seconds: float = 10.0) -> Stream:
    """Sent audio with these losses, window by window."""
    return audio(*({"packet_loss_ratio": ratio, "seconds": seconds} for ratio in ratios))


class TestPeerByTime:
    """Shares of the classified stream time."""

    def test_one_in_five(self) -> None:
        """Poor windows that take a fifth of the time make a poor peer."""
        # The mean is (0.05 + 4 x 0) / 5 = 1 %, which is only fair.
        assessed = of_peer(losses(0.05, 0, 0, 0, 0))
        assert verdict(assessed) == ("poor", "packet_loss")
        assert assessed.poor_time_ratio == 0.2

    def test_less_than_one_in_five(self) -> None:
        """One in six is not a fifth; what remains is the mean."""
        assessed = of_peer(losses(0.05, 0, 0, 0, 0, 0))
        assert verdict(assessed) == ("good", "")
        assert assessed.poor_time_ratio == pytest.approx(1 / 6)

    def test_a_fifth_of_odd_lengths(self) -> None:
        """A fifth is a fifth also where decimal lengths are no exact floats."""
        assert 10.1 / 50.5 < 0.2
        assert verdict(of_peer(losses(0.05, 0, 0, 0, 0, seconds=10.1))) == ("poor", "packet_loss")

    def test_fair_and_poor_together(self) -> None:
        """Fair and poor windows together make a fair peer; the reason is of the fair ones."""
        stream = audio(
            {"packet_loss_ratio": 0.05},
            {"packet_loss_ratio": 0.0, "jitter_seconds": 0.02},
            *({"packet_loss_ratio": 0.0, "jitter_seconds": 0.0} for _ in range(8)),
        )
        assert verdict(of_peer(stream)) == ("fair", "jitter")
        assert verdict(of_stream(stream)) == ("fair", "jitter")

    def test_time_is_of_all_streams(self) -> None:
        """One stream of five, poor for all of its time, is a fifth of the peer's stream time."""
        sent = [
            Stream(
                direction="send",
                kind="video",
                rid=rid,
                tracks=(
                    Track(track_id=rid, windows=windows({"freezes": 2.0 if rid == "h" else 0.0, "seconds": 60.0})),
                ),
            )
            for rid in "hmlxy"
        ]
        # Two freezes in a hundred seconds are more than one a minute, so the limit is moved out of the way.
        limits = Thresholds(freezes_per_minute=100.0)
        assessed = of_peer(*sent, thresholds=limits)
        assert (assessed.verdict, assessed.reason, assessed.poor_time_ratio) == ("poor", "freeze", 0.2)
        assert [stream.rid for stream in assessed.streams] == ["h", "l", "m", "x", "y"]
        more = msgspec.structs.replace(limits, poor_time_share=0.21)
        assert verdict(of_peer(*sent, thresholds=more)) == ("good", "")

    def test_unclassified_time_does_not_dilute(self) -> None:
        """Time without a measure is no classified time."""
        assessed = of_peer(losses(0.05, 0, 0, 0, 0), video(*({} for _ in range(50))))
        assert (assessed.verdict, assessed.poor_time_ratio) == ("poor", 0.2)

    def test_reason_with_most_time(self) -> None:
        """The reason is the one with the most stream time among the windows of the verdict, over all streams."""
        assessed = of_peer(
            audio({"packet_loss_ratio": 0.1, "seconds": 30.0}, {"jitter_seconds": 0.1, "seconds": 20.0}),
            video({"jitter_seconds": 0.1, "seconds": 11.0}, {"packet_loss_ratio": 0.02, "seconds": 60.0}),
        )
        assert verdict(assessed) == ("poor", "jitter")

    def test_reasons_with_equal_time(self) -> None:
        """Of reasons with equal time, also equal but for floats, the first in the list."""
        freeze = {"freezes": 2.0, "seconds": 20.1 + 1e-7}
        assert verdict(of_peer(video(freeze, {"round_trip_time_seconds": 1.0, "seconds": 20.1}))) == (
            "poor",
            "round_trip_time",
        )

    def test_reasons_with_nearly_equal_time(self) -> None:
        """A window is as long as the median gap, which may have half a millisecond: no time is rounded away."""
        assessed = of_peer(
            audio({"packet_loss_ratio": 0.1, "seconds": 29.997500000000002}),
            video({"freezes": 2.0, "seconds": 29.9985}),
        )
        assert verdict(assessed) == ("poor", "freeze")

    def test_short_streams_together(self) -> None:
        """Streams that are too short each can make a peer that is long enough."""
        assessed = of_peer(losses(0.0, seconds=6.0), video({"freezes": 0.0, "seconds": 6.0}))
        assert [stream.verdict for stream in assessed.streams] == ["unclassified", "unclassified"]
        assert verdict(assessed) == ("good", "")

    def test_too_short(self) -> None:
        """Under ten seconds of measured media there is no verdict, though there is a poor time."""
        assessed = of_peer(losses(0.5, seconds=9.0), video({"throughput_bytes_per_second": 5.0, "seconds": 60.0}))
        assert verdict(assessed) == ("unclassified", "")
        assert assessed.poor_time_ratio == 1.0

    @pytest.mark.parametrize("peer", [Peer(peer_id="p"), Peer(peer_id="p", duration_seconds=600.0)])
    def test_never_connected(self, peer: Peer) -> None:
        """A peer without streams is unclassified."""
        assessed = assess_peer(peer, DEFAULTS)
        assert verdict(assessed) == ("unclassified", "")
        assert assessed.poor_time_ratio is None


class TestPeerByMeans:
    """What the means over the stay say."""

    def test_poor_mean(self) -> None:
        """A poor mean makes a poor peer, where poor windows take little of its time; they give the reason."""
        assessed = of_peer(losses(1.0, *[0.0] * 9))
        assert (assessed.poor_time_ratio, assessed.streams[0].packet_loss_ratio) == (0.1, 0.1)
        assert verdict(assessed) == ("poor", "packet_loss")

    def test_mean_reaches_the_limit(self) -> None:
        """A mean that is the limit but for a rounding error has reached it."""
        by_mean = Thresholds(poor_time_share=1.0)
        lossy = of_stream(losses(0.015, 0.045, 0.09), by_mean)
        assert lossy.packet_loss_ratio == 0.049999999999999996
        assert verdict(lossy) == ("poor", "packet_loss")
        slow = of_stream(
            video(*({"frames_per_second": frames, "seconds": 10.1} for frames in (6.8, 7.1, 7.1))), by_mean
        )
        assert slow.frames_per_second == 6.999999999999999
        assert verdict(slow) == ("fair", "frame_rate")

    def test_estimated_mos(self) -> None:
        """The estimated MOS counts for the peer and for no stream; without poor windows it is the reason."""
        # 390 ms and 19 ms: effective delay 243 ms, R = 93.2 - 12.3 - 4.9 x 2.5 = 68.65, which is MOS 3.533.
        stream = audio(
            {"packet_loss_ratio": 0.049, "round_trip_time_seconds": 0.39, "jitter_seconds": 0.019, "seconds": 60.0}
        )
        limits = msgspec.convert({"mos": {"fair": 3.7, "poor": 3.6}}, Thresholds)
        assessed = of_peer(stream, thresholds=limits)
        assert assessed.estimated_mos == pytest.approx(3.533, abs=1e-3)
        assert verdict(assessed) == ("poor", "mos")
        assert verdict(assessed.streams[0]) == ("fair", "packet_loss")

    def test_vendor_mos_goes_first(self) -> None:
        """Where the vendor gives a MOS, the estimated one does not judge."""
        measures = {"packet_loss_ratio": 0.009, "round_trip_time_seconds": 0.2, "jitter_seconds": 0.01}
        peer = summed_up(60.0, **measures)
        strict = msgspec.convert({"mos": {"fair": 4.35, "poor": 4.3}}, Thresholds)
        assert verdict(assess_peer(peer, strict)) == ("poor", "mos")
        assert verdict(assess_peer(msgspec.structs.replace(peer, mos=4.4), strict)) == ("good", "")
        assert verdict(assess_peer(msgspec.structs.replace(peer, mos=3.59), DEFAULTS)) == ("fair", "mos")
        assert verdict(assess_peer(msgspec.structs.replace(peer, mos=3.6), DEFAULTS)) == ("good", "")
        assert verdict(assess_peer(msgspec.structs.replace(peer, mos=3.09), DEFAULTS)) == ("poor", "mos")

    @pytest.mark.parametrize(("seconds", "expected"), [(1.49, "good"), (1.5, "fair"), (5.0, "poor")])
    def test_call_setup(self, seconds: float, expected: str) -> None:
        """A slow call setup counts for the peer, beside a MOS, a summary's measure or windows."""
        slow = Peer(peer_id="p", duration_seconds=60.0, call_setup_seconds=seconds)
        summary = Stream(direction="send", kind="audio", summary=Summary(jitter_seconds=0.0))
        for peer in (
            msgspec.structs.replace(slow, mos=4.4),
            msgspec.structs.replace(slow, streams=(summary,)),
            msgspec.structs.replace(slow, streams=(losses(0.0),)),
        ):
            assert verdict(assess_peer(peer, DEFAULTS)) == (expected, "" if expected == "good" else "call_setup")

    @pytest.mark.parametrize(
        "summary",
        [None, Summary(throughput_bytes_per_second=4000.0), Summary(media_score=9.0), MUTED],
    )
    def test_call_setup_alone_is_no_media(self, summary: Summary | None) -> None:
        """That a call was set up classifies nobody: it takes a stream's measure or a MOS, and ten seconds."""
        streams = () if summary is None else (Stream(direction="send", kind="video", summary=summary),)
        for seconds in (0.1, 9.0):
            peer = Peer(peer_id="p", duration_seconds=600.0, call_setup_seconds=seconds, streams=streams)
            assert verdict(assess_peer(peer, DEFAULTS)) == ("unclassified", "")
            short = msgspec.structs.replace(peer, duration_seconds=9.0, mos=4.4)
            assert verdict(assess_peer(short, DEFAULTS)) == ("unclassified", "")

    def test_mos_alone(self) -> None:
        """A MOS alone classifies a peer that stayed long enough."""
        assert verdict(assess_peer(Peer(peer_id="p", start=0.0, end=10.0, mos=2.0), DEFAULTS)) == ("poor", "mos")
        assert verdict(assess_peer(Peer(peer_id="p", start=0.0, end=9.0, mos=2.0), DEFAULTS)) == ("unclassified", "")

    def test_own_values_do_not_lengthen_time_series(self) -> None:
        """Where there are windows, they alone are the measured time."""
        for stream in (losses(0.0, seconds=5.0), audio({"throughput_bytes_per_second": 5.0})):
            peer = Peer(peer_id="p", duration_seconds=600.0, mos=2.0, streams=(stream,))
            assert verdict(assess_peer(peer, DEFAULTS)) == ("unclassified", "")

    def test_freezes_per_minute(self) -> None:
        """One freeze a minute of watched time is poor, though each window is only fair."""
        often = [{"freezes": 1.0 if index % 6 == 0 else 0.0} for index in range(12)]
        seldom = [{"freezes": 1.0 if index % 6 == 0 else 0.0} for index in range(13)] + [{"freezes": 0.0}] * 4
        assert verdict(of_peer(video(*often))) == ("poor", "freeze")
        assert verdict(of_peer(video(*often, {}, {}, {}, {}, {}, {}))) == ("poor", "freeze")
        assert verdict(of_peer(video(*seldom[1:], *[{"freezes": 0.0}] * 3))) == ("good", "")

    def test_worst_of_several_means(self) -> None:
        """Without windows the reason is the worst of all means, of equals the first in the list."""
        peer = summed_up(60.0, jitter_seconds=0.5)
        other = Stream(
            direction="recv", kind="video", summary=Summary(packet_loss_ratio=0.9, throughput_bytes_per_second=1.0)
        )
        both = msgspec.structs.replace(peer, streams=(*peer.streams, other), mos=1.0)
        assessed = assess_peer(both, DEFAULTS)
        assert verdict(assessed) == ("poor", "packet_loss")
        assert [verdict(stream) for stream in assessed.streams] == [("poor", "packet_loss"), ("poor", "jitter")]
        assert assessed.poor_time_ratio is None

    def test_means_of_a_short_stream(self) -> None:
        """A stream that is unclassified itself lends its means to nobody."""
        calm = losses(*[0.0] * 6)
        for seconds, expected in ((9.9, ("good", "")), (10.0, ("poor", "packet_loss"))):
            # At most 10 s of 70 s: windows of poor loss are less than a fifth of the time.
            assessed = of_peer(calm, video({"packet_loss_ratio": 0.5, "seconds": seconds}, {"seconds": 60.0}))
            assert assessed.poor_time_ratio is not None
            assert assessed.poor_time_ratio < 0.2
            assert verdict(assessed.streams[0]) == ("poor" if seconds == 10.0 else "unclassified", expected[1])
            assert verdict(assessed) == expected

    def test_windows_of_a_short_stream(self) -> None:
        """Its windows count with their time all the same."""
        short = video({"freezes": 5.0, "seconds": 9.0})
        assert verdict(of_peer(losses(*[0.0] * 4), short)) == ("good", "")
        assert verdict(of_peer(losses(*[0.0] * 3), short)) == ("poor", "freeze")

    def test_short_streams_alone(self) -> None:
        """Of short streams that together are long enough, windows and MOS judge, not their means."""
        # Lost for 2 s of 14 s, which is a third of the first stream.
        streams = (
            audio({"packet_loss_ratio": 0.0, "seconds": 4.0}, {"packet_loss_ratio": 1.0, "seconds": 2.0}),
            video({"freezes": 0.0, "seconds": 8.0}),
        )
        peer = Peer(peer_id="p", streams=streams)
        assert verdict(assess_peer(peer, DEFAULTS)) == ("good", "")
        assert verdict(assess_peer(msgspec.structs.replace(peer, mos=3.5), DEFAULTS)) == ("fair", "mos")
        # The only poor window is so by loss.
        assert verdict(assess_peer(msgspec.structs.replace(peer, mos=2.0), DEFAULTS)) == ("poor", "packet_loss")

    def test_muted_tracks_leave_the_frame_rate(self) -> None:
        """Of two cameras in one stream the one that is off drags nothing down, in the windows or in the mean."""
        off = windows(*[{"throughput_bytes_per_second": 0.0, "frames_per_second": 0.0}] * 3)
        on = windows(*[{"throughput_bytes_per_second": 9e4, "frames_per_second": 20.0}] * 3)
        both = (Track(track_id="off", windows=off), Track(track_id="on", windows=on))
        assessed = of_peer(Stream(direction="recv", kind="video", tracks=both))
        assert assessed.streams[0].frames_per_second == 10.0
        assert assessed.streams[0].seconds == VerdictSeconds(good=30.0)
        assert verdict(assessed) == verdict(assessed.streams[0]) == ("good", "")

    def test_muted_frames_leave_the_mean(self) -> None:
        """A camera that was off for most of the time is not poor for that."""
        off = {"throughput_bytes_per_second": 0.0, "frames_per_second": 0.0}
        on = {"throughput_bytes_per_second": 9e4, "frames_per_second": 30.0}
        assert verdict(of_peer(video(*[off] * 9, on))) == ("good", "")
        slow = on | {"frames_per_second": 3.0}
        assert verdict(of_peer(video(*[off] * 9, slow))) == ("poor", "frame_rate")

    def test_concealment_mean(self) -> None:
        """Concealment counts over the whole stay too."""
        stream = audio({"concealed_samples": 480_000.0}, *[{"concealed_samples": 0.0}] * 9)
        assessed = of_stream(stream)
        assert (assessed.concealment_ratio, *verdict(assessed)) == (0.1, "poor", "concealment")
