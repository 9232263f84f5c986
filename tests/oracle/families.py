"""The families of sections 4 and 5 of the metric contract, written down from the contract and nowhere else."""

from __future__ import annotations

from fractions import Fraction

#: Families that exist once for rooms and once for peers, without labels beside the identity.
_OF_BOTH = (
    "start_timestamp_seconds",
    "end_timestamp_seconds",
    "duration_seconds",
    "mos",
    "estimated_mos",
    "media_score",
    "user_rating",
    "call_setup_seconds",
    "throughput_bytes_per_second",
    "packet_loss_ratio",
    "jitter_seconds",
    "round_trip_time_seconds",
    "frames_per_second",
    "verdict",
    "info",
)

GAUGES = (
    *(f"webrtc_room_{name}" for name in _OF_BOTH),
    *(f"webrtc_peer_{name}" for name in _OF_BOTH),
    "webrtc_room_peers",
    "webrtc_peer_stream_mos",
    "webrtc_peer_stream_media_score",
    "webrtc_peer_freezes",
    "webrtc_peer_concealed_samples",
    "webrtc_peer_concealment_ratio",
    "webrtc_peer_packet_loss_p95_ratio",
    "webrtc_peer_jitter_p95_seconds",
    "webrtc_peer_round_trip_time_p95_seconds",
    "webrtc_peer_poor_time_ratio",
)

COUNTERS = (
    "webrtc_sessions_total",
    "webrtc_peer_sessions_total",
    "webrtc_media_seconds_total",
    "webrtc_freezes_total",
    "webrtc_concealed_samples_total",
)

#: Counted per source and reason: section 9, of which only this one follows from the documents alone.
REJECTED_SAMPLES = "webrtc_exporter_samples_rejected_total"

REPORT_LAG = "webrtc_report_lag_seconds"

_MOS = "1.5 2 2.6 3 3.1 3.5 3.6 4 4.3 4.5"
_LOSS = "0 .005 .01 .02 .03 .04 .05 .1 .2 .5 1"
_JITTER = ".005 .01 .015 .02 .03 .04 .05 .1 .2 .5"
_ROUND_TRIP_TIME = ".05 .1 .15 .2 .25 .3 .4 .5 .8 1 2 5"
_BITS_PER_SECOND = "8000 16000 30000 64000 150000 300000 600000 1000000 1500000 2500000 4000000 8000000"


def _bounds(text: str, divisor: int = 1) -> tuple[Fraction, ...]:
    return tuple(Fraction(bound) / divisor for bound in text.split())


#: Upper bounds of the buckets, the infinite one left out.
HISTOGRAMS = {
    "webrtc_peer_session_mos": _bounds(_MOS),
    "webrtc_peer_session_estimated_mos": _bounds(_MOS),
    "webrtc_peer_session_media_score": _bounds("1 2 3 4 5 6 7 8 9 10"),
    "webrtc_peer_session_call_setup_seconds": _bounds(".1 .2 .4 .7 1 1.5 2 3 5 10 30"),
    "webrtc_peer_session_duration_seconds": _bounds("10 30 60 300 600 1800 3600 7200 14400 28800"),
    "webrtc_peer_session_packet_loss_ratio": _bounds(_LOSS),
    "webrtc_peer_session_jitter_seconds": _bounds(_JITTER),
    "webrtc_peer_session_round_trip_time_seconds": _bounds(_ROUND_TRIP_TIME),
    "webrtc_sample_packet_loss_ratio": _bounds(_LOSS),
    "webrtc_sample_jitter_seconds": _bounds(_JITTER),
    "webrtc_sample_round_trip_time_seconds": _bounds(_ROUND_TRIP_TIME),
    "webrtc_sample_throughput_bytes_per_second": _bounds(_BITS_PER_SECOND, 8),
    "webrtc_sample_frames_per_second": _bounds("1 2 5 7 10 15 20 24 25 30 60"),
    REPORT_LAG: _bounds("300 900 1800 3600 7200 14400 28800 43200 86400"),
}
