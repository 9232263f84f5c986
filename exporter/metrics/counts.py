"""Reports as increments of histograms and counters.

An increment is a vector that is added to what its series holds: one number for a counter; for a histogram the
observations of each bucket (not cumulative, `+Inf` last) and then their sum. Vectors add up and can be subtracted, so
that a report that has grown adds only what is new.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.metrics.family import Family
    from exporter.model import Peer, Report, SessionKey, Stream
    from exporter.quality import PeerAssessment

#: A series by its family and the values of the family's labels in their order.
SeriesKey: TypeAlias = tuple[str, ...]
Vector: TypeAlias = list[float]
Increments: TypeAlias = dict[SeriesKey, Vector]

#: The attributes of a peer's assessment that are observed once a peer, by family.
_PEER_VALUES = (
    ("webrtc_peer_session_mos", "mos"),
    ("webrtc_peer_session_estimated_mos", "estimated_mos"),
    ("webrtc_peer_session_media_score", "media_score"),
    ("webrtc_peer_session_call_setup_seconds", "call_setup_seconds"),
    ("webrtc_peer_session_duration_seconds", "duration_seconds"),
)
#: The attributes of a stream's assessment that are observed once a stream, by family.
_STREAM_VALUES = (
    ("webrtc_peer_session_packet_loss_ratio", "packet_loss_ratio"),
    ("webrtc_peer_session_jitter_seconds", "jitter_seconds"),
    ("webrtc_peer_session_round_trip_time_seconds", "round_trip_time_seconds"),
)
#: The attributes of a window that are observed once a sample, by family.
_SAMPLE_VALUES = (
    ("webrtc_sample_packet_loss_ratio", "packet_loss_ratio"),
    ("webrtc_sample_jitter_seconds", "jitter_seconds"),
    ("webrtc_sample_round_trip_time_seconds", "round_trip_time_seconds"),
    ("webrtc_sample_throughput_bytes_per_second", "throughput_bytes_per_second"),
    ("webrtc_sample_frames_per_second", "frames_per_second"),
)


#: Means of decimal numbers miss the number that they are by a rounding error, which is behind these digits.
_DIGITS = 12


class PeerIncrements(Struct, frozen=True, kw_only=True):
    """What one peer's stay adds."""

    #: Counted when the stay is first reported and kept as it was then.
    once: Increments = field(default_factory=dict)
    #: Events, samples and seconds, which can become more when the statistics grow.
    growing: Increments = field(default_factory=dict)


class CountRules:
    """What reports add to the counters and histograms of one catalogue."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._bounds = {family.name: family.bounds for family in families if family.type == "histogram"}
        self._rooms = any(family.name == "webrtc_sessions_total" and "room_id" in family.labels for family in families)

    def session(self, key: SessionKey, lag_seconds: float | None) -> Increments:
        """What the first report of a session adds; `lag_seconds` from the session's end to now, where known."""
        increments: Increments = {("webrtc_sessions_total", *self._labels(key)): [1.0]}
        if lag_seconds is not None:
            # A vendor's clock ahead of ours would make a falling sum.
            self._observe(increments, ("webrtc_report_lag_seconds", key.source), max(0.0, lag_seconds))
        return increments

    def peer(self, key: SessionKey, peer: Peer, assessment: PeerAssessment) -> PeerIncrements:
        """What one stay adds: its session values and verdict once, its samples, events and seconds as they grow."""
        labels = self._labels(key)
        once: Increments = {("webrtc_peer_sessions_total", *labels, assessment.verdict, assessment.reason): [1.0]}
        growing: Increments = {}
        for family, attribute in _PEER_VALUES:
            self._observe(once, (family, *labels), getattr(assessment, attribute))
        for stream in assessment.streams:
            media = (*labels, stream.direction, stream.kind)
            for family, attribute in _STREAM_VALUES:
                self._observe(once, (family, *media), getattr(stream, attribute))
            for verdict in ("good", "fair", "poor", "unclassified"):
                _count(
                    growing, ("webrtc_media_seconds_total", *media, verdict), getattr(stream.seconds, verdict) or None
                )
            _count(growing, ("webrtc_freezes_total", *labels), stream.freezes)
            _count(growing, ("webrtc_concealed_samples_total", *labels), stream.concealed_samples)
        for sampled in peer.streams:
            self._samples(growing, (*labels, sampled.direction, sampled.kind), sampled)
        return PeerIncrements(once=once, growing=growing)

    def _samples(self, increments: Increments, media: tuple[str, ...], stream: Stream) -> None:
        for family, attribute in _SAMPLE_VALUES:
            key, bounds = (family, *media), self._bounds[family]
            values = [
                value
                for track in stream.tracks
                for window in track.windows
                if (value := getattr(window, attribute)) is not None
            ]
            if values:
                vector = increments.setdefault(key, [0.0] * (len(bounds) + 2))
                for value in values:
                    vector[bisect_left(bounds, value)] += 1.0
                vector[-1] += sum(values)

    def _labels(self, key: SessionKey) -> tuple[str, ...]:
        return (key.source, key.room_id) if self._rooms else (key.source,)

    def _observe(self, increments: Increments, series: SeriesKey, value: float | None) -> None:
        if value is None:
            return
        bounds = self._bounds[series[0]]
        vector = increments.setdefault(series, [0.0] * (len(bounds) + 2))
        # A value that equals a bound belongs to its bucket: `le` is "less or equal".
        vector[bisect_left(bounds, round(value, _DIGITS))] += 1.0
        vector[-1] += value


def _count(increments: Increments, series: SeriesKey, value: float | None) -> None:
    if value is not None:
        increments.setdefault(series, [0.0])[0] += value


def sample_rejections(report: Report) -> Increments:
    """What a report adds to the count of values left out."""
    return {
        ("webrtc_exporter_samples_rejected_total", report.session.key.source, reason): [float(count)]
        for reason, count in report.rejected_samples
    }


def grown(before: Increments, now: Increments) -> Increments:
    """What is new in `now`; where a number fell (a window moved to another verdict) nothing, for no counter falls.

    Nothing either where the vector before has no numbers: it was counted before its histogram began afresh with other
    buckets, and what of `now` is new cannot be told.
    """
    difference: Increments = {}
    for series, vector in now.items():
        old = before.get(series, [0.0] * len(vector))
        if not old:
            continue
        step = [max(0.0, new - known) for new, known in zip(vector, old, strict=True)]
        if any(step):
            difference[series] = step
    return difference


def highest(before: Increments, now: Increments) -> Increments:
    """What has been counted of a report after what is `grown` was added, too: the more of both.

    Of a vector that had no numbers it is that of `now`, from which further growth can be told.
    """
    in_all = before | now
    for series in before.keys() & now.keys():
        if before[series]:
            in_all[series] = [max(pair) for pair in zip(before[series], now[series], strict=True)]
    return in_all
