"""How the tracks of a stream become its windows, and the windows its means."""

from __future__ import annotations

from statistics import fmean

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Stream, Track, Window
from exporter.quality import MergedWindow, merge_tracks
from exporter.quality.assessment import MeasuredSeconds
from tests.quality_examples import TRACKS, WINDOWS, audio, of_stream, ordered, video


def track(*found: Window) -> Track:
    """A track of these windows."""
    return Track(track_id="t", windows=found)


def at(*ends: float) -> Track:
    """A track with bare windows of 10 s at these times."""
    return track(*(Window(end=end, seconds=10.0) for end in ends))


def ends(*tracks: Track) -> list[float]:
    """When the merged windows end."""
    return [window.end for window in merge_tracks(tracks)]


class TestWhichWindowsBelongTogether:
    """Samples of different tracks at about the same time."""

    def test_same_time(self) -> None:
        """The same timestamps make one window."""
        assert ends(at(10, 20), at(10, 20), at(20, 30)) == [10, 20, 30]

    def test_one_reading(self) -> None:
        """Less than half a second apart is one reading, which stands at its earliest sample; half a second is not."""
        assert ends(at(10.0), at(10.499)) == [10.0]
        assert ends(at(10.0), at(10.5)) == [10.0, 10.5]

    @given(st.integers(1_500_000_000_000, 2_100_000_000_000))
    def test_half_a_second_of_real_clocks(self, milliseconds: int) -> None:
        """Timestamps in whole milliseconds are told apart exactly."""
        one, other = milliseconds / 1000, (milliseconds + 500) / 1000
        assert ends(at(one), at(other)) == [one, other]
        assert ends(at(one), at((milliseconds + 499) / 1000)) == [one]

    def test_distance_counts_from_the_earliest(self) -> None:
        """Tracks that trail one another do not chain into one endless window."""
        assert ends(at(10.0), at(10.3), at(10.6)) == [10.0, 10.6]

    def test_no_track_twice(self) -> None:
        """Two samples of one track are two windows, however close."""
        assert ends(at(10.0, 10.2)) == [10.0, 10.2]
        assert ends(at(10.0, 10.2), at(10.1, 10.3)) == [10.0, 10.2]

    def test_same_time_goes_before_nearness(self) -> None:
        """What is at the same time stays together, whichever track comes first."""
        first, second = at(10.0, 10.3), at(10.3)
        assert ends(first, second) == ends(second, first) == [10.0, 10.3]
        for tracks in ((first, second), (second, first)):
            assert [w.seconds for w in merge_tracks(tracks)] == [10.0, 10.0]

    def test_nothing(self) -> None:
        """No tracks and empty tracks make no windows."""
        assert merge_tracks(()) == []
        assert merge_tracks((at(), at())) == []

    def test_repeated_time_within_a_track(self) -> None:
        """Of two samples of one track at one time, the first counts."""
        first, second = Window(end=10.0, seconds=1.0, freezes=1.0), Window(end=10.0, seconds=2.0, freezes=2.0)
        assert [w.freezes for w in merge_tracks([track(first, second)])] == [1.0]

    @given(TRACKS)
    def test_one_track_is_itself(self, one: Track) -> None:
        """Merging a single track changes nothing."""
        merged = merge_tracks([one])
        assert [Window(**{name: getattr(w, name) for name in Window.__struct_fields__}) for w in merged] == list(
            one.windows,
        )

    @given(st.lists(TRACKS, max_size=4).flatmap(lambda tracks: st.tuples(st.just(tracks), st.permutations(tracks))))
    def test_order_of_tracks(self, both: tuple[list[Track], list[Track]]) -> None:
        """The order of the tracks does not matter, to the last bit."""
        assert merge_tracks(both[0]) == merge_tracks(both[1])

    def test_order_of_sums(self) -> None:
        """Sums of decimals do not depend on the order of the tracks either."""
        three = [track(Window(end=10.0, seconds=1.0, throughput_bytes_per_second=rate)) for rate in (0.1, 0.2, 0.3)]
        assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1
        assert merge_tracks(three) == merge_tracks(three[::-1])

    @given(st.lists(TRACKS, max_size=4))
    def test_nothing_lost(self, tracks: list[Track]) -> None:
        """Each sample stands in exactly one window, and windows come in the order of time."""
        counted = [
            Track(track_id="t", windows=tuple(msgspec.structs.replace(w, freezes=1.0) for w in each.windows))
            for each in tracks
        ]
        merged = merge_tracks(counted)
        assert sum(w.freezes or 0 for w in merged) == sum(len(each.windows) for each in tracks)
        assert [w.end for w in merged] == sorted(w.end for w in merged)


class TestWhatAMergedWindowSays:
    """Sums, means and lengths."""

    def test_sums_and_means(self) -> None:
        """Throughput, freezes and concealed samples add up; loss, jitter, delay and frame rate are averaged."""
        one = Window(
            end=20.0,
            seconds=10.0,
            throughput_bytes_per_second=1000.0,
            packet_loss_ratio=0.02,
            jitter_seconds=0.01,
            round_trip_time_seconds=0.1,
            frames_per_second=30.0,
            freezes=1.0,
            concealed_samples=480.0,
        )
        other = Window(
            end=20.1,
            seconds=5.0,
            throughput_bytes_per_second=500.0,
            packet_loss_ratio=0.04,
            jitter_seconds=0.03,
            round_trip_time_seconds=0.3,
            frames_per_second=20.0,
            freezes=2.0,
            concealed_samples=20.0,
        )
        (merged,) = merge_tracks([track(one), track(other)])
        assert merged == MergedWindow(
            end=20.0,
            seconds=10.0,
            throughput_bytes_per_second=1500.0,
            packet_loss_ratio=0.03,
            jitter_seconds=0.02,
            round_trip_time_seconds=0.2,
            frames_per_second=25.0,
            freezes=3.0,
            concealed_samples=500.0,
            concealment_watched_seconds=15.0,
            flowing_frames_per_second=25.0,
        )

    def test_missing_is_not_zero(self) -> None:
        """A track without a metric takes no part in its mean, nor in the watched time."""
        one = Window(end=20.0, seconds=10.0, packet_loss_ratio=0.02, concealed_samples=0.0)
        (merged,) = merge_tracks([track(one), track(Window(end=20.0, seconds=30.0, frames_per_second=7.0))])
        assert merged == MergedWindow(
            end=20.0,
            seconds=30.0,
            packet_loss_ratio=0.02,
            frames_per_second=7.0,
            concealed_samples=0.0,
            concealment_watched_seconds=10.0,
            flowing_frames_per_second=7.0,
        )

    @pytest.mark.parametrize(
        ("tracks", "shown", "flowing"),
        [
            ([(0.0, 0.0)], 0.0, None),
            ([(0.0, 0.0), (0.0, 0.0)], 0.0, None),
            ([(0.0, 0.0), (4000.0, 20.0)], 10.0, 20.0),
            ([(0.0, 0.0), (4000.0, 20.0), (0.1, 10.0)], 10.0, 15.0),
            # Nobody knows whether it flows: it is not said to be muted.
            ([(None, 20.0)], 20.0, 20.0),
            ([(0.0, 0.0), (None, 20.0)], 10.0, 20.0),
            ([(0.0, 0.0), (4000.0, None)], 0.0, None),
            ([(4000.0, None)], None, None),
        ],
    )
    def test_frame_rate_that_counts(
        self, tracks: list[tuple[float | None, float | None]], shown: float | None, flowing: float | None
    ) -> None:
        """Verdicts look at the mean over the tracks whose throughput is not 0; the gauge is the mean over all."""
        (merged,) = merge_tracks(
            [
                track(Window(end=20.0, seconds=10.0, throughput_bytes_per_second=throughput, frames_per_second=frames))
                for throughput, frames in tracks
            ]
        )
        assert (merged.frames_per_second, merged.flowing_frames_per_second) == (shown, flowing)


class TestMeans:
    """What the gauges show of a stream."""

    def test_weighted_by_length(self) -> None:
        """A window that is three times as long weighs three times as much."""
        stream = audio(
            {"seconds": 30.0, "packet_loss_ratio": 0.04, "throughput_bytes_per_second": 100.0},
            {"seconds": 10.0, "packet_loss_ratio": 0.0, "jitter_seconds": 0.02},
            {"seconds": 5.0, "round_trip_time_seconds": 0.3, "frames_per_second": 12.0},
        )
        assessed = of_stream(stream)
        assert assessed.packet_loss_ratio == pytest.approx(0.03)
        assert (assessed.throughput_bytes_per_second, assessed.jitter_seconds) == (100.0, 0.02)
        assert (assessed.round_trip_time_seconds, assessed.frames_per_second) == (0.3, 12.0)
        assert assessed.measured == MeasuredSeconds(
            throughput=30.0, packet_loss=40.0, jitter=10.0, round_trip_time=5.0, frames_per_second=5.0
        )

    def test_frame_rate_shows_muted_time(self) -> None:
        """The gauge of the frame rate is the mean of all windows, with those that no verdict counts."""
        stream = video(
            {"throughput_bytes_per_second": 0.0, "frames_per_second": 0.0},
            {"throughput_bytes_per_second": 9.0, "frames_per_second": 30.0},
        )
        assessed = of_stream(stream)
        assert (assessed.frames_per_second, assessed.verdict) == (15.0, "good")

    def test_events(self) -> None:
        """Freezes and concealed samples add up; the ratio is over the time that each track was watched."""
        windows = (
            Window(end=10.0, seconds=10.0, freezes=1.0, concealed_samples=24_000.0),
            Window(end=20.0, seconds=10.0),
            Window(end=30.0, seconds=10.0, freezes=2.0, concealed_samples=0.0),
        )
        stream = Stream(direction="recv", kind="audio", tracks=(track(*windows), track(*windows[:1])))
        assessed = of_stream(stream)
        assert (assessed.freezes, assessed.concealed_samples) == (4.0, 48_000.0)
        assert assessed.concealment_ratio == pytest.approx(1 / 30)

    def test_nothing_measured(self) -> None:
        """What no window has is missing, not zero."""
        assessed = of_stream(video({}, {}))
        assert assessed.freezes is None
        assert assessed.concealed_samples is None
        assert assessed.concealment_ratio is None
        assert assessed.packet_loss_ratio is None
        assert assessed.packet_loss_p95_ratio is None
        assert assessed.measured == MeasuredSeconds()
        assert assessed.seconds.unclassified == 20.0

    @pytest.mark.parametrize(("count", "rank"), [(1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (100, 95), (101, 96)])
    def test_percentile_rank(self, count: int, rank: int) -> None:
        """The 95th percentile is a value that was measured, by nearest rank, whatever the windows' lengths."""
        values = [value / 1000 for value in range(count, 0, -1)]
        stream = audio(
            *(
                {"packet_loss_ratio": v, "jitter_seconds": 2 * v, "round_trip_time_seconds": 3 * v, "seconds": 9 / v}
                for v in values
            )
        )
        assessed = of_stream(stream)
        assert assessed.packet_loss_p95_ratio == rank / 1000
        assert assessed.jitter_p95_seconds == 2 * (rank / 1000)
        assert assessed.round_trip_time_p95_seconds == 3 * (rank / 1000)

    @given(st.lists(WINDOWS, min_size=1, max_size=30).map(ordered))
    def test_against_statistics(self, found: tuple[Window, ...]) -> None:
        """Means agree with the standard library's and stay within what was measured."""
        assessed = of_stream(Stream(direction="send", kind="video", tracks=(track(*found),)))
        for name in ("throughput_bytes_per_second", "packet_loss_ratio", "jitter_seconds", "frames_per_second"):
            there = [(value, w.seconds) for w in found if (value := getattr(w, name)) is not None]
            shown = getattr(assessed, name)
            if not there:
                assert shown is None
                continue
            values, weights = zip(*there, strict=True)
            assert shown == pytest.approx(fmean(values, weights))
            assert min(values) <= shown <= max(values)

    def test_huge_values(self) -> None:
        """Sums beyond the largest float stay finite and cost nothing else."""
        huge = Window(
            end=20.0,
            seconds=1e308,
            throughput_bytes_per_second=1.7e308,
            packet_loss_ratio=0.5,
            jitter_seconds=1.7e308,
            freezes=1.7e308,
            concealed_samples=1.7e308,
        )
        windows = (huge, msgspec.structs.replace(huge, end=1e9))
        assessed = of_stream(Stream(direction="recv", kind="audio", tracks=(track(*windows), track(*windows))))
        shown = msgspec.to_builtins(assessed)
        numbers = [value for value in [*shown.values(), *shown["measured"].values()] if isinstance(value, float)]
        assert all(abs(value) < float("inf") for value in numbers)
        assert assessed.throughput_bytes_per_second == pytest.approx(1.797e308, rel=1e-3)
        assert assessed.jitter_seconds == 1.7e308
        assert (assessed.packet_loss_ratio, assessed.verdict, assessed.reason) == (0.5, "poor", "packet_loss")
