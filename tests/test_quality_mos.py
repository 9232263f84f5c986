"""The estimated MOS: a golden curve, the properties that others' code breaks, and whose values a direction borrows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Direction, Peer, Stream, Summary, Track, TrackType
from exporter.quality import Thresholds, assess_peer, estimated_mos
from tests.quality_examples import of_peer, summed_up, windows

LOSS = st.floats(0, 1)
SECONDS = st.floats(0, 1e308)


def exactly(loss_percent: Fraction, delay: Fraction) -> float:
    """The model in exact arithmetic, from loss in per cent and the effective delay in milliseconds."""
    impaired = delay / 40 if delay < 160 else (delay - 120) / 10
    r = max(Fraction(0), Fraction(932, 10) - impaired - Fraction(25, 10) * loss_percent)
    return float(max(Fraction(1), 1 + Fraction(35, 1000) * r + r * (r - 60) * (100 - r) * Fraction(7, 1_000_000)))


class TestCurve:
    """From loss, delay and jitter to a score."""

    @pytest.mark.parametrize(
        ("loss", "round_trip_time", "jitter", "score"),
        [
            (0.0, 0.0, 0.0, 4.404394),  # 10 ms: R = 92.95
            (0.0, 0.2, 0.02, 4.325293),  # 150 ms: R = 93.2 - 3.75 = 89.45
            (0.1168, 0.3, 0.0, 3.1),  # 160 ms: R = 93.2 - 4 - 29.2 = 60, below which is poor
            (0.0768, 0.26, 0.01, 3.597),  # 160 ms: R = 93.2 - 4 - 19.2 = 70, below which is fair
            (0.0, 0.6, 0.02, 3.606366),  # 350 ms: R = 93.2 - 23 = 70.2
            (0.3, 0.0, 0.0, 1.194732),  # R = 92.95 - 75 = 17.95
            (1.0, 5.0, 1.0, 1.0),
        ],
    )
    def test_by_hand(self, loss: float, round_trip_time: float, jitter: float, score: float) -> None:
        """Scores worked out by hand."""
        assert estimated_mos(loss, round_trip_time, jitter) == pytest.approx(score, abs=1e-6)

    @given(st.integers(0, 1000), st.integers(0, 3000), st.integers(0, 500))
    def test_against_exact_arithmetic(self, loss: int, round_trip_time: int, jitter: int) -> None:
        """The score is the model's in exact arithmetic, for tenths of a per cent and whole milliseconds."""
        delay = Fraction(round_trip_time, 2) + 2 * jitter + 10
        expected = exactly(Fraction(loss, 10), delay)
        assert estimated_mos(loss / 1000, round_trip_time / 1000, jitter / 1000) == pytest.approx(expected, abs=1e-9)

    @given(LOSS, SECONDS, SECONDS, st.floats(0, 1e308))
    def test_range(self, loss: float, round_trip_time: float, jitter: float, impairment: float) -> None:
        """The score stays within 1..4.5, whatever comes in."""
        assert 1 <= estimated_mos(loss, round_trip_time, jitter, impairment) <= 4.5

    @given(LOSS, LOSS, st.floats(0, 2), st.floats(0, 1))
    def test_never_rises_with_loss(self, loss: float, more: float, round_trip_time: float, jitter: float) -> None:
        """More loss is never a better score."""
        loss, more = sorted((loss, more))
        assert estimated_mos(more, round_trip_time, jitter) <= estimated_mos(loss, round_trip_time, jitter)

    @given(LOSS, SECONDS, SECONDS, st.floats(0, 1))
    def test_never_rises_with_delay(self, loss: float, round_trip_time: float, more: float, jitter: float) -> None:
        """More delay is never a better score."""
        round_trip_time, more = sorted((round_trip_time, more))
        assert estimated_mos(loss, more, jitter) <= estimated_mos(loss, round_trip_time, jitter)

    @given(LOSS, st.floats(0, 2), SECONDS, SECONDS)
    def test_never_rises_with_jitter(self, loss: float, round_trip_time: float, jitter: float, more: float) -> None:
        """More jitter is never a better score."""
        jitter, more = sorted((jitter, more))
        assert estimated_mos(loss, round_trip_time, more) <= estimated_mos(loss, round_trip_time, jitter)

    @given(st.floats(0, 0.4), st.integers(1, 40))
    def test_never_rises_between_neighbouring_floats(self, loss: float, steps: int) -> None:
        """Rounding errors of the polynomial do not show, not even from one float to the next."""
        scores = [estimated_mos(loss + step * 1e-16, 0.1, 0.01) for step in range(steps)]
        assert scores == sorted(scores, reverse=True)

    def test_known_defects_of_others(self) -> None:
        """Long delay is no bonus, 30 % of loss is unusable, and more loss on a bad line is not better."""
        assert estimated_mos(0.0, 2.0, 0.0) < estimated_mos(0.0, 0.2, 0.0) < estimated_mos(0.0, 0.15, 0.0)
        assert estimated_mos(0.3, 0.0, 0.0) < 1.5
        assert estimated_mos(0.3, 0.5, 0.06) < estimated_mos(0.1, 0.5, 0.06)


def heard(direction: Direction, track_type: TrackType = "", /, **measures: float) -> Stream:
    """A window of 10 s of audio."""
    return Stream(
        direction=direction,
        kind="audio",
        track_type=track_type,
        tracks=(Track(track_id="a", windows=windows(measures)),),
    )


class TestPeer:
    """The worse direction, and what it borrows."""

    def test_worse_direction(self) -> None:
        """The peer's score is that of its worse direction."""
        send = heard("send", packet_loss_ratio=0.02, round_trip_time_seconds=0.1, jitter_seconds=0.01)
        recv = heard("recv", packet_loss_ratio=0.05, round_trip_time_seconds=0.2, jitter_seconds=0.02)
        assert of_peer(send, recv).estimated_mos == estimated_mos(0.05, 0.2, 0.02)
        assert of_peer(send).estimated_mos == estimated_mos(0.02, 0.1, 0.01)

    def test_borrows_both(self) -> None:
        """100ms receives without round-trip time and jitter: they are those of the other direction."""
        send = heard("send", packet_loss_ratio=0.0, round_trip_time_seconds=0.3, jitter_seconds=0.03)
        recv = heard("recv", packet_loss_ratio=0.04)
        assert of_peer(send, recv).estimated_mos == estimated_mos(0.04, 0.3, 0.03)

    def test_borrows_one(self) -> None:
        """A watchRTC peer receives without round-trip time but with its own jitter."""
        send = Summary(packet_loss_ratio=0.0, round_trip_time_seconds=0.3, jitter_seconds=0.0)
        recv = Summary(packet_loss_ratio=0.04, jitter_seconds=0.05)
        peer = Peer(
            peer_id="p",
            streams=(
                Stream(direction="send", kind="audio", summary=send),
                Stream(direction="recv", kind="audio", summary=recv),
            ),
        )
        assert assess_peer(peer, Thresholds()).estimated_mos == estimated_mos(0.04, 0.3, 0.05)

    def test_lender_needs_no_loss(self) -> None:
        """A direction without loss has no score of its own, but lends what it has."""
        send = heard("send", round_trip_time_seconds=0.3, jitter_seconds=0.03)
        recv = heard("recv", packet_loss_ratio=0.04)
        assert of_peer(send, recv).estimated_mos == estimated_mos(0.04, 0.3, 0.03)

    @pytest.mark.parametrize("missing", ["packet_loss_ratio", "round_trip_time_seconds", "jitter_seconds"])
    def test_no_value(self, missing: str) -> None:
        """Where nobody has one of the three there is no score; nothing is taken for zero."""
        measures = {"packet_loss_ratio": 0.1, "round_trip_time_seconds": 0.1, "jitter_seconds": 0.1}
        del measures[missing]
        assert of_peer(heard("send", **measures), heard("recv", **measures)).estimated_mos is None

    def test_video_does_not_count(self) -> None:
        """Neither video's loss nor its delay and jitter speak for audio."""
        measures = {"packet_loss_ratio": 0.1, "round_trip_time_seconds": 0.1, "jitter_seconds": 0.1}
        video = Stream(direction="send", kind="video", tracks=(Track(track_id="v", windows=windows(measures)),))
        assert of_peer(video).estimated_mos is None
        assert of_peer(video, heard("recv", packet_loss_ratio=0.1)).estimated_mos is None

    def test_several_streams(self) -> None:
        """Audio streams of one direction count by the time in which they have the metric."""
        voice = heard("send", packet_loss_ratio=0.0, seconds=30.0, round_trip_time_seconds=0.1, jitter_seconds=0.01)
        screen = heard("send", "screen", packet_loss_ratio=0.04, seconds=10.0, round_trip_time_seconds=0.5)
        expected = estimated_mos(0.01, 0.2, 0.01)
        assert of_peer(voice, screen).estimated_mos == pytest.approx(expected)

    def test_without_known_duration(self) -> None:
        """A summary counts also where nobody knows how long the peer stayed."""
        peer = summed_up(None, packet_loss_ratio=0.02, round_trip_time_seconds=0.1, jitter_seconds=0.01)
        assert assess_peer(peer, Thresholds()).estimated_mos == estimated_mos(0.02, 0.1, 0.01)

    def test_impairment_is_configurable(self) -> None:
        """The loss impairment comes from the thresholds."""
        send = heard("send", packet_loss_ratio=0.02, round_trip_time_seconds=0.1, jitter_seconds=0.01)
        thresholds = Thresholds(mos_loss_impairment_per_percent=10.0)
        assert of_peer(send, thresholds=thresholds).estimated_mos == estimated_mos(0.02, 0.1, 0.01, 10.0)
