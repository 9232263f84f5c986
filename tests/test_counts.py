"""Reports as increments: what is counted where, and what a grown report adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.catalogue import FAMILIES, catalogue
from exporter.metrics.counts import CountRules, grown, sample_rejections
from exporter.model import Report, Session, Stream, Track, Window
from exporter.quality import Thresholds, assess_peer
from tests.reports import START, audio, key, peer, report, summarised

RULES = CountRules(FAMILIES)


def adds(one: Report) -> tuple[dict[tuple[str, ...], list[float]], dict[tuple[str, ...], list[float]]]:
    """What the only peer of a report adds, once and growing."""
    (only,) = one.peers
    increments = RULES.peer(one.session.key, only, assess_peer(only, Thresholds()))
    return increments.once, increments.growing


def test_a_session_counts_with_its_lag() -> None:
    """One session, and the time from its end to its report in the bucket that holds it."""
    assert RULES.session(key(), 400.0) == {
        ("webrtc_sessions_total", "prod", "standup"): [1.0],
        # 300 < 400 <= 900: the second bucket of nine; the last number is the sum.
        ("webrtc_report_lag_seconds", "prod"): [0.0, 1.0, 0, 0, 0, 0, 0, 0, 0, 0, 400.0],
    }


def test_a_session_without_an_end_has_no_lag() -> None:
    """What is not known is not observed as 0; an end in the future is a lag of none."""
    assert list(RULES.session(key(), None)) == [("webrtc_sessions_total", "prod", "standup")]
    assert RULES.session(key(), -5.0)["webrtc_report_lag_seconds", "prod"][-1] == 0.0


def test_samples_fall_into_the_bucket_that_they_equal() -> None:
    """`le` is less or equal: a loss of exactly 1 % belongs to le="0.01", missing ones to none."""
    _, growing = adds(report(peer("p1", audio([0.0, 0.01, 0.011, None]))))
    # Bounds 0 .005 .01 .02 ...: one each in the first, third and fourth bucket; the sum is last.
    assert growing["webrtc_sample_packet_loss_ratio", "prod", "standup", "send", "audio"] == [
        *[1.0, 0.0, 1.0, 1.0, 0, 0, 0, 0, 0, 0, 0, 0],
        pytest.approx(0.021),
    ]
    # 4000 bytes a second are 32 kbit/s: above 30, within 64.
    throughput = growing["webrtc_sample_throughput_bytes_per_second", "prod", "standup", "send", "audio"]
    assert throughput[3] == 4.0
    assert throughput[-1] == 16000.0


def test_media_seconds_by_verdict() -> None:
    """Three windows of 10 s: one good, one fair, one poor."""
    _, growing = adds(report(peer("p1", audio([0.0, 0.02, 0.3]))))
    media = ("webrtc_media_seconds_total", "prod", "standup", "send", "audio")
    assert {series: vector for series, vector in growing.items() if series[0] == media[0]} == {
        (*media, "good"): [10.0],
        (*media, "fair"): [10.0],
        (*media, "poor"): [10.0],
    }


def test_a_peer_counts_once_with_its_verdict_and_means() -> None:
    """Verdict and reason, duration, one observation a stream, and nothing for what was not measured."""
    once, _ = adds(report(peer("p1", audio([0.0, 0.3]))))
    assert once["webrtc_peer_sessions_total", "prod", "standup", "poor", "packet_loss"] == [1.0]
    # A minute belongs to le="60"; the mean loss of 15 % to le="0.2".
    assert once["webrtc_peer_session_duration_seconds", "prod", "standup"] == [0, 0, 1.0, *[0.0] * 8, 60.0]
    loss = once["webrtc_peer_session_packet_loss_ratio", "prod", "standup", "send", "audio"]
    assert (loss.index(1.0), loss[-1]) == (8, 0.15)
    assert not any(series[0] == "webrtc_peer_session_mos" for series in once)


def test_a_mean_falls_into_the_bucket_that_it_equals() -> None:
    """The mean of 1.1, 2 and 2.9 % is 2 %, which floats miss: it belongs to le="0.02" all the same."""
    once, _ = adds(report(peer("p1", audio([0.011, 0.020, 0.029]))))
    loss = once["webrtc_peer_session_packet_loss_ratio", "prod", "standup", "send", "audio"]
    assert loss.index(1.0) == 3
    assert 0.02 < loss[-1] < 0.02 + 1e-15


def test_a_summary_counts_its_stay_and_no_samples() -> None:
    """watchRTC: the peer's duration under the stream's verdict; there are no samples to observe."""
    once, growing = adds(summarised(0.02))
    assert growing == {("webrtc_media_seconds_total", "watch", "standup", "recv", "audio", "fair"): [60.0]}
    assert once["webrtc_peer_session_mos", "watch", "standup"][8] == 1.0
    assert once["webrtc_peer_session_call_setup_seconds", "watch", "standup"][-1] == 0.3


def test_events_count_over_all_streams() -> None:
    """Freezes and concealed samples add up; 0 makes a series that shows 0, None makes none."""
    windows = (Window(end=START + 10, seconds=10.0, freezes=2.0), Window(end=START + 20, seconds=10.0, freezes=1.0))
    video = Stream(direction="recv", kind="video", tracks=(Track(track_id="v", windows=windows),))
    heard = Window(end=START + 10, seconds=10.0, concealed_samples=0.0)
    sound = Stream(direction="recv", kind="audio", tracks=(Track(track_id="a", windows=(heard,)),))
    _, growing = adds(report(peer("p1", video, sound)))
    assert growing["webrtc_freezes_total", "prod", "standup"] == [3.0]
    assert growing["webrtc_concealed_samples_total", "prod", "standup"] == [0.0]
    assert ("webrtc_freezes_total", "prod", "standup") not in adds(summarised(0.0))[1]


def test_without_rooms_the_room_is_no_label() -> None:
    """`histogram_rooms: false` counts by source."""
    rules = CountRules(catalogue(histogram_rooms=False))
    assert list(rules.session(key(), None)) == [("webrtc_sessions_total", "prod")]


def test_rejected_samples_count_by_reason() -> None:
    """What was left out of a report is counted under its source."""
    one = Report(session=Session(key=key()), rejected_samples=(("length_mismatch", 2), ("out_of_range", 1)))
    assert sample_rejections(one) == {
        ("webrtc_exporter_samples_rejected_total", "prod", "length_mismatch"): [2.0],
        ("webrtc_exporter_samples_rejected_total", "prod", "out_of_range"): [1.0],
    }


_LOSSES = st.lists(st.none() | st.floats(0, 1), max_size=12)


@given(_LOSSES, _LOSSES)
def test_what_was_counted_and_what_grew_make_the_whole(first: list[float | None], more: list[float | None]) -> None:
    """Counting a report and then its growth adds what counting the grown report at once would have added."""
    _, before = adds(report(peer("p1", audio(first))))
    _, whole = adds(report(peer("p1", audio(first + more))))
    total = {series: list(vector) for series, vector in before.items()}
    for series, vector in grown(before, whole).items():
        old = total.get(series, [0.0] * len(vector))
        total[series] = [known + new for known, new in zip(old, vector, strict=True)]
    assert total.keys() == whole.keys()
    for series, vector in whole.items():
        assert all(abs(a - b) < 1e-9 for a, b in zip(total[series], vector, strict=True))


def test_nothing_is_taken_back() -> None:
    """Where a number became smaller the difference is nothing, so that no counter falls."""
    assert grown({("a",): [5.0, 1.0]}, {("a",): [4.0, 2.0], ("b",): [0.0]}) == {("a",): [0.0, 1.0]}
