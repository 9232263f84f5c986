"""The oracle's windows, verdicts and estimates, against numbers computed by hand: each test shows its arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.oracle.examples import counter, gauge, histogram, of_100ms, row, track, verdict

if TYPE_CHECKING:
    from tests.oracle.examples import Json


class TestWindows:
    """Windows, merging and means."""

    def test_gap_counts_at_most_three_times_the_median(self) -> None:
        """After a pause of 100 s, a window of a track with a median gap of 10 s stands for 30 s."""
        found = of_100ms(send_audio=[track([0, 10, 20, 120], packet_loss_percent=[0, 0, 0, 6])])
        # Gaps 10, 10, 100; windows 10, 10, 10, 30: 6 % x 30 / 60 = 3 %.
        assert gauge(found, "webrtc_peer_packet_loss_ratio", kind="audio") == pytest.approx(0.03, rel=1e-14)
        assert counter(found, "webrtc_media_seconds_total") == 60

    def test_median_of_an_even_number_of_gaps_is_between_the_two(self) -> None:
        """Gaps of 10 and 20 s have the median 15 s, which the first window has."""
        found = of_100ms(send_audio=[track([0, 10, 30], packet_loss_percent=[0, 0, 0])])
        assert counter(found, "webrtc_media_seconds_total") == 15 + 10 + 20

    def test_unordered_and_duplicate_timestamps(self) -> None:
        """Samples are sorted; of two at one time the first in the document counts, the other is rejected."""
        found = of_100ms(send_audio=[track([20, 10, 20, 0], packet_loss_percent=[3, 0, 100, 0])])
        assert gauge(found, "webrtc_peer_packet_loss_ratio") == pytest.approx(0.01, rel=1e-14)
        assert found.rejected_samples == {("h", "duplicate_timestamp"): 1}

    def test_mean_is_over_windows_that_have_the_metric(self) -> None:
        """What is null weighs nothing."""
        found = of_100ms(send_audio=[track([0, 10, 20], rtt_ms=[100, None, 200])])
        assert gauge(found, "webrtc_peer_round_trip_time_seconds") == pytest.approx(0.15, rel=1e-14)

    def test_tracks_of_a_stream_merge(self) -> None:
        """Windows of two tracks under half a second apart are one: bit rates add up, loss is averaged."""
        found = of_100ms(
            recv_audio=[
                track([10, 20], bitrate=[8000, 8000], packet_loss_percent=[2, 4]),
                track([10.4, 20.5], bitrate=[16_000, 16_000], packet_loss_percent=[4, None]),
            ]
        )
        # 10 and 10.4 merge: 10.1 s (the second track's gap), 24 000 bit/s, 3 %. 20 and 20.5 do not: 10 s with 8 000
        # and 4 %, 10.1 s with 16 000 and no loss.
        loss = (3 * 10.1 + 4 * 10) / 20.1 / 100
        assert gauge(found, "webrtc_peer_packet_loss_ratio") == pytest.approx(loss, rel=1e-12)
        throughput = (24_000 * 10.1 + 8_000 * 10 + 16_000 * 10.1) / 30.2 / 8
        assert gauge(found, "webrtc_peer_throughput_bytes_per_second") == pytest.approx(throughput, rel=1e-12)
        assert counter(found, "webrtc_media_seconds_total") == pytest.approx(30.2, rel=1e-12)
        assert histogram(found, "webrtc_sample_packet_loss_ratio").count == 3

    def test_samples_of_one_track_never_merge(self) -> None:
        """A window that was cut early stays a window of its own."""
        found = of_100ms(send_audio=[track([10, 10.2, 20.2], packet_loss_percent=[6, 0, 0])])
        # Gaps 0.2 and 10, median 5.1: windows 5.1, 0.2, 10; 6 % x 5.1 / 15.3 = 2 %.
        assert gauge(found, "webrtc_peer_packet_loss_ratio") == pytest.approx(0.02, rel=1e-12)

    def test_samples_of_one_time_stay_together(self) -> None:
        """Where a sample could join two groups, it is in that of its own time, whichever track comes first."""
        twice, once = track([0, 0.3], packet_loss_percent=[0, 6]), track([0.3], packet_loss_percent=[3])
        for tracks in ([twice, once], [once, twice]):
            # Windows of 0.3 s with 0 %, and of 10 s (the longer track's) with 4.5 %.
            loss = 0.045 * 10 / 10.3
            assert gauge(of_100ms(send_audio=tracks), "webrtc_peer_packet_loss_ratio") == pytest.approx(loss, rel=1e-12)

    def test_95th_percentile_is_the_nearest_rank(self) -> None:
        """Of 21 windows it is the 20th: 0.95 x 21 = 19.95."""
        found = of_100ms(send_audio=[track([10.0 * n for n in range(21)], rtt_ms=list(range(21)))])
        assert gauge(found, "webrtc_peer_round_trip_time_p95_seconds") == pytest.approx(0.019, rel=1e-14)

    def test_concealment_ratio_is_over_watched_seconds_of_all_tracks(self) -> None:
        """14 400 samples made up in 10 s of one track and 20 s of another."""
        found = of_100ms(
            recv_audio=[
                track([10], concealed_samples=[14_400]),
                track([40, 50], concealed_samples=[0, 0]),
                track([60], bitrate=[1]),
            ]
        )
        # 14 400 / (48 000 x 30) = 1 %.
        assert gauge(found, "webrtc_peer_concealment_ratio") == pytest.approx(0.01, rel=1e-14)
        assert gauge(found, "webrtc_peer_concealed_samples") == 14_400
        assert counter(found, "webrtc_concealed_samples_total") == 14_400

    def test_layers_and_types_are_streams_of_their_own(self) -> None:
        """Layer and type part streams; an unknown type is `other`, a missing one is empty."""
        kinds = [{"rid": "h"}, {"rid": "l"}, {"type": "screen"}, {"type": "plugin"}]
        found = of_100ms(send_video=[track([0, 10], fps=[n, n]) | kind for n, kind in enumerate(kinds)])
        assert gauge(found, "webrtc_peer_frames_per_second", rid="h") == 0
        assert gauge(found, "webrtc_peer_frames_per_second", rid="l") == 1
        assert gauge(found, "webrtc_peer_frames_per_second", track_type="screen") == 2
        assert gauge(found, "webrtc_peer_frames_per_second", track_type="other") == 3


class TestVerdicts:
    """Section 6, with the limits on both of their sides."""

    @pytest.mark.parametrize(
        ("metric", "value", "wanted"),
        [
            ("packet_loss_percent", 0.99, ("good", "")),
            ("packet_loss_percent", 1, ("fair", "packet_loss")),
            ("packet_loss_percent", 5, ("poor", "packet_loss")),
            ("jitter_ms", 19.9, ("good", "")),
            ("jitter_ms", 20, ("fair", "jitter")),
            ("jitter_ms", 30, ("poor", "jitter")),
            ("rtt_ms", 249, ("good", "")),
            ("rtt_ms", 250, ("fair", "round_trip_time")),
            ("rtt_ms", 400, ("poor", "round_trip_time")),
            ("fps", 15, ("good", "")),
            ("fps", 14.9, ("fair", "frame_rate")),
            ("fps", 6.9, ("poor", "frame_rate")),
            # 3 and 7 % of 480 000 samples in 10 s.
            ("concealed_samples", 14_399, ("good", "")),
            ("concealed_samples", 14_400, ("fair", "concealment")),
            ("concealed_samples", 33_600, ("poor", "concealment")),
            ("bitrate", 0, ("unclassified", "")),
        ],
    )
    def test_limits(self, metric: str, value: float, wanted: tuple[str, str]) -> None:
        """`from` includes the limit, `below` does not."""
        assert verdict(of_100ms(send_video=[track([10], **{metric: [value]})])) == wanted

    def test_screen_has_its_own_limits(self) -> None:
        """Five frames a second are good for a screen, two are fair."""
        for fps, wanted in ((5, "good"), (2, "fair"), (1.9, "poor")):
            assert verdict(of_100ms(send_video=[track([10], fps=[fps]) | {"type": "screen"}]))[0] == wanted

    def test_frame_rate_does_not_count_while_nothing_flows(self) -> None:
        """Muted video has no frames and no fault; alone it is no measure."""
        muted = track([0, 10, 20], bitrate=[0, 0, 0], fps=[0, 0, 0])
        assert verdict(of_100ms(send_video=[muted])) == ("unclassified", "")
        moving = track([0, 10, 20, 30], bitrate=[0, 0, 0, 800_000], fps=[0, 0, 0, 30])
        found = of_100ms(send_video=[moving])
        assert verdict(found) == ("good", "")
        assert gauge(found, "webrtc_peer_frames_per_second") == 7.5
        assert counter(found, "webrtc_media_seconds_total", verdict="unclassified") == 30

    def test_frame_rate_is_of_the_tracks_that_flow(self) -> None:
        """One camera off and one with 20 frames a second are good; the gauge is the mean of both."""
        off, on = track([0, 10], bitrate=[0, 0], fps=[0, 0]), track([0, 10], bitrate=[8000, 8000], fps=[20, 20])
        found = of_100ms(recv_video=[off, on])
        assert gauge(found, "webrtc_peer_frames_per_second") == 10
        assert verdict(found) == ("good", "")
        assert counter(found, "webrtc_media_seconds_total", verdict="good") == 20
        # (20 + 8) / 2 = 14 frames a second are fair.
        slow = track([0, 10], bitrate=[8000, 8000], fps=[8, 8])
        assert verdict(of_100ms(recv_video=[off, on, slow])) == ("fair", "frame_rate")

    def test_frame_rate_counts_where_throughput_is_unknown(self) -> None:
        """A track of which nobody knows whether it flows counts, beside a muted one too."""
        off, unknown = track([0, 10], bitrate=[0, 0], fps=[0, 0]), track([0, 10], fps=[6, 6])
        found = of_100ms(recv_video=[off, unknown])
        assert gauge(found, "webrtc_peer_throughput_bytes_per_second") == 0
        assert gauge(found, "webrtc_peer_frames_per_second") == 3
        assert verdict(found) == ("poor", "frame_rate")

    def test_a_fifth_of_the_time_makes_a_peer_poor(self) -> None:
        """Two poor windows of ten do, though the mean is fair; one of ten makes it fair by its mean."""
        loss = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
        times = [10.0 * n for n in range(10)]
        found = of_100ms(send_audio=[track(times, packet_loss_percent=loss)])
        assert verdict(found) == ("poor", "packet_loss")
        assert gauge(found, "webrtc_peer_poor_time_ratio") == pytest.approx(0.2, rel=1e-14)
        loss = [9, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        # No window is fair, so the reason is the mean's: 0.9 % is good.
        assert verdict(of_100ms(send_audio=[track(times, packet_loss_percent=loss)])) == ("good", "")
        loss = [20, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        assert verdict(of_100ms(send_audio=[track(times, packet_loss_percent=loss)])) == ("fair", "packet_loss")

    def test_fair_and_poor_windows_together_make_a_peer_fair(self) -> None:
        """One poor and one fair window of ten are a fifth; the reason is that of the fair one."""
        times = [10.0 * n for n in range(10)]
        jitter = [1, 25, *[1] * 8]
        rtt = [500, *[1] * 9]
        assert verdict(of_100ms(send_audio=[track(times, jitter_ms=jitter, rtt_ms=rtt)])) == ("fair", "jitter")

    def test_reason_has_the_most_time(self) -> None:
        """Two windows poor by round trip outweigh one that is poor by loss."""
        times = [0.0, 10.0, 20.0]
        found = of_100ms(send_audio=[track(times, packet_loss_percent=[9, 0, 0], rtt_ms=[1, 500, 500])])
        assert verdict(found) == ("poor", "round_trip_time")
        found = of_100ms(send_audio=[track(times, packet_loss_percent=[9, 0, 9], rtt_ms=[500, 500, 500])])
        # A window counts for the first of its poor measures.
        assert verdict(found) == ("poor", "packet_loss")

    def test_freezes(self) -> None:
        """One in a window is fair, two are poor; one a watched minute makes the peer poor."""
        times = [10.0 * n for n in range(12)]
        assert verdict(of_100ms(recv_video=[track(times, freeze_count=[2] * 3 + [0] * 9)])) == ("poor", "freeze")
        # One in two minutes, in a twelfth of the time.
        assert verdict(of_100ms(recv_video=[track(times, freeze_count=[1] + [0] * 11)])) == ("good", "")
        # Two in two minutes: no window is poor, the rate is.
        found = of_100ms(recv_video=[track(times, freeze_count=[1, 1] + [0] * 10)])
        assert verdict(found) == ("poor", "freeze")
        assert gauge(found, "webrtc_peer_freezes") == counter(found, "webrtc_freezes_total") == 2

    def test_ten_seconds_of_measured_media(self) -> None:
        """Less is unclassified, whatever it shows; streams add up."""
        short = {"packet_loss_percent": [50, 50, 50]}
        assert verdict(of_100ms(send_audio=[track([0, 3, 6], **short)])) == ("unclassified", "")
        both = of_100ms(send_audio=[track([0, 3, 6], **short)], recv_audio=[track([0, 3, 6], **short)])
        assert verdict(both) == ("poor", "packet_loss")

    def test_means_of_a_short_stream_do_not_count(self) -> None:
        """Five bad seconds of a screen do not spoil a minute; ten would, and so would a fifth of the time."""

        def shared(screen: list[float], audio: list[float]) -> tuple[str, str]:
            bad = track(screen, packet_loss_percent=[50 for _ in screen]) | {"type": "screen"}
            return verdict(
                of_100ms(send_video=[bad], send_audio=[track(audio, packet_loss_percent=[0 for _ in audio])])
            )

        minute = [10.0 * n for n in range(6)]
        # 5 s of 65 s are less than a fifth.
        assert shared([0, 2.5], minute) == ("good", "")
        # 10 s of 70 s are less than a fifth too, but a mean of 50 %.
        assert shared([0, 5], minute) == ("poor", "packet_loss")
        # 5 s of 25 s are a fifth.
        assert shared([0, 2.5], [0, 10]) == ("poor", "packet_loss")

    def test_only_windows_with_a_verdict_make_a_stream_long(self) -> None:
        """Five measured seconds are five, however long the stream goes on without a measure."""
        times = [5.0 * n for n in range(6)]
        silent = track(times, bitrate=[8000] * 6, packet_loss_percent=[50, None, None, None, None, None])
        found = of_100ms(send_video=[silent], send_audio=[track([0, 10, 20], packet_loss_percent=[0, 0, 0])])
        # 5 s of 35 s.
        assert gauge(found, "webrtc_peer_poor_time_ratio") == pytest.approx(1 / 7, rel=1e-14)
        assert verdict(found) == ("good", "")

    def test_short_streams_together_have_time_and_mos(self) -> None:
        """Two streams of 6 s are 12 s: a poor sixth of them is no fifth, and only a poor MOS makes the peer poor."""
        times = [0.0, 2.0, 4.0]
        lossy: Json = {"packet_loss_percent": [0, 0, 100]}
        calm = track(times, packet_loss_percent=[0, 0, 0])
        # The mean loss of 33.3 % is that of a stream which is unclassified itself.
        assert verdict(of_100ms(send_audio=[track(times, **lossy)], recv_audio=[calm])) == ("good", "")
        lossy |= {"rtt_ms": [20] * 3, "jitter_ms": [1] * 3}
        found = of_100ms(send_audio=[track(times, **lossy)], recv_audio=[calm])
        # Delay 10 + 2 + 10 = 22 ms, so 0.55; loss 83.33; R = 9.3167:
        # MOS = 1 + 0.035 x 9.3167 + 9.3167 x (9.3167 - 60) x (100 - 9.3167) x 7e-6 = 1.0263
        assert gauge(found, "webrtc_peer_estimated_mos") == pytest.approx(1.0263, abs=5e-5)
        # The only poor window is so by loss.
        assert verdict(found) == ("poor", "packet_loss")

    def test_estimated_mos_is_one_of_the_means(self) -> None:
        """Fair loss and fair delay in every window: the MOS is fair too, the windows give the reason."""
        found = of_100ms(
            send_audio=[track([0, 10], packet_loss_percent=[4.9, 4.9], rtt_ms=[399, 399], jitter_ms=[29, 29])]
        )
        # Delay 199.5 + 58 + 10 = 267.5 ms, so 14.75; loss 12.25; R = 66.2; MOS below 3.6, above 3.1: fair, and
        # the fair windows are by loss.
        assert verdict(found) == ("fair", "packet_loss")
        # 1 + 0.035 x 66.2 + 66.2 x 6.2 x 33.8 x 7e-6
        assert gauge(found, "webrtc_peer_estimated_mos") == pytest.approx(3.414110104, rel=1e-9)

    def test_room_is_as_its_worst_fifth(self) -> None:
        """One poor peer of five classified makes a room poor, of six does not; the unclassified do not count."""
        for others, wanted in ((4, ("poor", "jitter")), (5, ("good", ""))):
            entry = {"role": "guest"}
            peers = {"bad": entry, "silent": entry} | {f"good-{n}": entry for n in range(others)}
            documents: Json = {"bad": {"publisher": {"audio": [track([10], jitter_ms=[40])]}}, "silent": None}
            documents |= {f"good-{n}": {"publisher": {"audio": [track([10], jitter_ms=[1])]}} for n in range(others)}
            found = of_100ms(rows=[row(peers)], documents=documents)
            assert verdict(found, "room") == wanted
            assert counter(found, "webrtc_peer_sessions_total", verdict="unclassified") == 1
            assert counter(found, "webrtc_peer_sessions_total") == others + 2


class TestEstimatedMos:
    """Section 7."""

    def test_worst_case_is_one(self) -> None:
        """Total loss has no quality left, and the polynomial's dip does not show."""
        lost = track([10], packet_loss_percent=[37], rtt_ms=[20], jitter_ms=[1])
        # R = 93.2 - 22 / 40 - 92.5 = 0.15: the polynomial gives 1 + 0.00525 - 0.0063 = 0.999.
        assert gauge(of_100ms(send_audio=[lost]), "webrtc_peer_estimated_mos") == 1

    def test_none_where_nobody_knows_the_delay(self) -> None:
        """Loss alone is not enough, and video lends nothing."""
        found = of_100ms(
            recv_audio=[track([10], packet_loss_percent=[1])],
            send_video=[track([10], packet_loss_percent=[1], rtt_ms=[20], jitter_ms=[1])],
        )
        assert gauge(found, "webrtc_peer_estimated_mos") is None

    def test_room_has_the_plain_mean(self) -> None:
        """Of the peers that have one."""
        entry = {"role": "guest"}
        lost = {"publisher": {"audio": [track([10], packet_loss_percent=[37], rtt_ms=[20], jitter_ms=[1])]}}
        clean = {"publisher": {"audio": [track([10], packet_loss_percent=[0], rtt_ms=[0], jitter_ms=[0])]}}
        found = of_100ms(rows=[row({"a": entry, "b": entry, "c": entry})], documents={"a": lost, "b": clean, "c": None})
        # R = 93.2 - 10 / 40 = 92.95: 1 + 3.25325 + 92.95 x 32.95 x 7.05 x 7e-6 = 4.404394368375, and 1.
        assert gauge(found, "webrtc_room_estimated_mos") == pytest.approx((4.404394368375 + 1) / 2, rel=1e-9)
