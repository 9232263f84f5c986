"""The histograms and counters: cumulative, exactly once, across restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterator

MOS_BOUNDS = (1.5, 2.0, 2.6, 3.0, 3.1, 3.5, 3.6, 4.0, 4.3, 4.5)
SCORE_BOUNDS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
SETUP_BOUNDS = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
DURATION_BOUNDS = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
LOSS_BOUNDS = (0.0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5, 1.0)
JITTER_BOUNDS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5)
ROUND_TRIP_BOUNDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.8, 1.0, 2.0, 5.0)
#: 8 16 30 64 150 300 600 kbit/s, 1 1.5 2.5 4 8 Mbit/s.
THROUGHPUT_BOUNDS = (
    1000.0,
    2000.0,
    3750.0,
    8000.0,
    18750.0,
    37500.0,
    75000.0,
    125000.0,
    187500.0,
    312500.0,
    500000.0,
    1000000.0,
)
FRAMES_BOUNDS = (1.0, 2.0, 5.0, 7.0, 10.0, 15.0, 20.0, 24.0, 25.0, 30.0, 60.0)
LAG_BOUNDS = (300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 43200.0, 86400.0)


def cumulative_families(*, with_rooms: bool) -> Iterator[Family]:
    """Yields the histograms, then the counters. `with_rooms`: whether those by room have the `room_id` label."""
    room = ("source", "room_id") if with_rooms else ("source",)
    media = (*room, "direction", "kind")
    for name, text, labels, bounds, unit in (
        ("peer_session_mos", "Peers by MOS as the vendor gives it. watchRTC stats.mos.", room, MOS_BOUNDS, ""),
        ("peer_session_estimated_mos", "Peers by estimated MOS.", room, MOS_BOUNDS, ""),
        ("peer_session_media_score", "Peers by media score. watchRTC stats.score.", room, SCORE_BOUNDS, ""),
        (
            "peer_session_call_setup_seconds",
            "Peers by call setup time. watchRTC stats.call_setup_time.",
            room,
            SETUP_BOUNDS,
            "seconds",
        ),
        ("peer_session_duration_seconds", "Peers by length of stay.", room, DURATION_BOUNDS, "seconds"),
        ("peer_session_packet_loss_ratio", "Peers' streams by mean packet loss.", media, LOSS_BOUNDS, "ratio"),
        ("peer_session_jitter_seconds", "Peers' streams by mean jitter.", media, JITTER_BOUNDS, "seconds"),
        (
            "peer_session_round_trip_time_seconds",
            "Peers' streams by mean round-trip time.",
            media,
            ROUND_TRIP_BOUNDS,
            "seconds",
        ),
        (
            "sample_packet_loss_ratio",
            "Samples of the tracks' time series by packet loss. 100ms packet_loss_percent.",
            media,
            LOSS_BOUNDS,
            "ratio",
        ),
        (
            "sample_jitter_seconds",
            "Samples of the tracks' time series by jitter. 100ms jitter_ms.",
            media,
            JITTER_BOUNDS,
            "seconds",
        ),
        (
            "sample_round_trip_time_seconds",
            "Samples of the tracks' time series by round-trip time. 100ms rtt_ms.",
            media,
            ROUND_TRIP_BOUNDS,
            "seconds",
        ),
        (
            "sample_throughput_bytes_per_second",
            "Samples of the tracks' time series by bit rate in bytes. 100ms bitrate.",
            media,
            THROUGHPUT_BOUNDS,
            "bytes_per_second",
        ),
        (
            "sample_frames_per_second",
            "Samples of the tracks' time series by frames per second. 100ms fps.",
            media,
            FRAMES_BOUNDS,
            "",
        ),
    ):
        yield Family(
            name=f"webrtc_{name}",
            type="histogram",
            scope="room_count",
            help=text,
            labels=labels,
            unit=unit,
            bounds=bounds,
        )
    yield Family(
        name="webrtc_report_lag_seconds",
        type="histogram",
        scope="source_count",
        help="Sessions by the time from their end to the ingestion of their first report.",
        labels=("source",),
        unit="seconds",
        bounds=LAG_BOUNDS,
    )
    for name, text, labels, unit in (
        ("sessions_total", "Sessions seen.", room, ""),
        ("peer_sessions_total", "Peers' stays, by verdict.", (*room, "verdict", "reason"), ""),
        (
            "media_seconds_total",
            "Stream time by the verdict of its windows; of summaries, the stay under the stream's verdict.",
            (*media, "verdict"),
            "seconds",
        ),
        ("freezes_total", "Video freezes. 100ms freeze_count.", room, ""),
        ("concealed_samples_total", "Concealed audio samples. 100ms concealed_samples.", room, ""),
    ):
        yield Family(
            name=f"webrtc_{name}",
            type="counter",
            scope="room_count",
            help=text,
            labels=labels,
            unit=unit,
        )
