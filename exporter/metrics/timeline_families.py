"""The families of the true timeline: sent or written with their own timestamps, never part of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.family import Family
from exporter.metrics.gauge_families import MEDIA_LABELS, PEER_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

VERDICT_FAMILY = "webrtc_timeline_verdict"
CONNECTED_FAMILY = "webrtc_timeline_connected"


def timeline_families(*, per_track: bool = False) -> Iterator[Family]:
    """Yields the families of media, then those of the peer.

    Args:
        per_track: whether each track has series of its own, told apart by `track_id`, in place of its stream's.
    """
    labels = (*PEER_LABELS, *MEDIA_LABELS, *(("track_id",) if per_track else ()))
    for field, unit, what, origin in (
        (
            "throughput_bytes_per_second",
            "bytes_per_second",
            "Bit rate in bytes, window by window",
            "100ms and watchRTC bitrate",
        ),
        (
            "packet_loss_ratio",
            "ratio",
            "Packets lost, 0 to 1, window by window",
            "100ms packet_loss_percent; watchRTC packet_loss",
        ),
        (
            "jitter_seconds",
            "seconds",
            "Interarrival jitter, window by window",
            "100ms jitter_ms; watchRTC jitter",
        ),
        (
            "round_trip_time_seconds",
            "seconds",
            "Round-trip time, window by window",
            "100ms rtt_ms; watchRTC rtt",
        ),
        ("frames_per_second", "", "Video frames per second, window by window", "100ms fps"),
        ("freezes", "", "Video freezes that began in the window", "100ms freeze_count"),
        (
            "concealed_samples",
            "",
            "Audio samples that the receiver made up in the window",
            "100ms concealed_samples",
        ),
    ):
        yield Family(
            name=f"webrtc_timeline_{field}",
            type="gauge",
            scope="timeline",
            help=f"{what}. {origin}.",
            labels=labels,
            unit=unit,
            field=field,
        )
    yield Family(
        name=VERDICT_FAMILY,
        type="gauge",
        scope="timeline",
        help="Worst verdict on the peer's streams at the time: 1 good, 2 fair, 3 poor. Absent where unclassified.",
        labels=PEER_LABELS,
    )
    yield Family(
        name=CONNECTED_FAMILY,
        type="gauge",
        scope="timeline",
        help="1 from the peer's start to its end. 100ms joined_at, left_at; watchRTC start_time, duration.",
        labels=PEER_LABELS,
    )
