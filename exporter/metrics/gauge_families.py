"""The gauges: one value per session, for every session that is still in view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exporter.metrics.family import Family, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model import PersonalLabel

ROOM_LABELS = ("source", "room_id", "session_id")
PEER_LABELS = (*ROOM_LABELS, "peer_id")
MEDIA_LABELS = ("direction", "kind", "track_type", "rid")

#: The labels of `webrtc_room_info` beside the identity; each is an attribute of `model.Session`.
ROOM_INFO_LABELS = ("room_name", "url", "template")

#: The labels of `webrtc_peer_info` beside the identity, those that tell who somebody was, and the keys; each is
#: an attribute of `model.Attributes`.
ATTRIBUTE_LABELS = (
    "os",
    "os_version",
    "browser",
    "browser_version",
    "country",
    "city",
    "organization",
    "sdk_version",
    "connection_type",
    "media_transport",
    "audio_device",
    "video_device",
    "role",
)


def key_label(name: str) -> str:
    """The label of an allow-listed key: `key_NAME`, characters that no label name may have replaced by `_`."""
    return "key_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)


def gauge_families(key_labels: Iterable[str], personal_labels: Iterable[PersonalLabel] = ()) -> Iterator[Family]:
    """Yields the gauges of rooms, then those of peers."""
    yield _gauge(
        "webrtc_room_info",
        "room",
        "What is known of a session's room; always 1. room_name, template: 100ms room; url: watchRTC room_url.",
        labels=ROOM_INFO_LABELS,
    )
    yield from _times("room", "100ms created_at, updated_at of the session; watchRTC start_time, end_time, duration.")
    yield _gauge(
        "webrtc_room_peers",
        "room",
        "Peers that took part in the session, excluded roles left out. 100ms peers; watchRTC users.",
        field="peers",
    )
    yield from _scores("room")
    yield from _means("room")
    yield _verdict("room", "Verdict on the session: that of its worst peers. Always 1, one series a session.")

    yield _gauge(
        "webrtc_peer_info",
        "peer",
        "Who and where a peer was; always 1. watchRTC os .. video_device and allow-listed keys; 100ms role.",
        labels=(*ATTRIBUTE_LABELS, *personal_labels, *key_labels),
    )
    yield from _times("peer", "100ms joined_at, left_at of the peer; watchRTC start_time, duration.")
    yield from _scores("peer")
    yield _gauge(
        "webrtc_peer_stream_mos",
        "peer_stream",
        "Mean opinion score, 1 to 5, of one direction and kind, as the vendor gives it. watchRTC stats.*.*.mos.",
        labels=("direction", "kind"),
        field="mos",
    )
    yield _gauge(
        "webrtc_peer_stream_media_score",
        "peer_stream",
        "Media score, 0 to 10, of one direction and kind, as the vendor gives it. watchRTC stats.*.*.score.",
        labels=("direction", "kind"),
        field="media_score",
    )
    yield from _means("peer")
    yield from _receiving()
    yield from _percentiles()
    yield _verdict("peer", "Verdict on the peer's stay. Always 1, one series a peer.")
    yield _gauge(
        "webrtc_peer_poor_time_ratio",
        "peer",
        "Poor stream time over classified stream time of the peer. Computed from the windows; 100ms only.",
        unit="ratio",
        field="poor_time_ratio",
    )


def _gauge(
    name: str,
    scope: Scope,
    text: str,
    *,
    labels: tuple[str, ...] = (),
    unit: str = "",
    field: str = "",
) -> Family:
    identity = ROOM_LABELS if scope.startswith("room") else PEER_LABELS
    return Family(name=name, type="gauge", scope=scope, help=text, labels=(*identity, *labels), unit=unit, field=field)


def _times(of: Scope, origin: str) -> Iterator[Family]:
    whose = "session" if of == "room" else "peer's stay"
    for moment in ("start", "end"):
        yield _gauge(
            f"webrtc_{of}_{moment}_timestamp_seconds",
            of,
            f"Unix time of the {moment} of the {whose}. {origin}",
            unit="seconds",
            field=moment,
        )
    yield _gauge(
        f"webrtc_{of}_duration_seconds",
        of,
        f"Length of the {whose}. {origin}",
        unit="seconds",
        field="duration_seconds",
    )


def _scores(of: Scope) -> Iterator[Family]:
    mean = ", mean over the peers that have one" if of == "room" else ", the worse direction of the peer's audio"
    yield _gauge(
        f"webrtc_{of}_mos", of, "Mean opinion score, 1 to 5, as the vendor gives it. watchRTC stats.mos.", field="mos"
    )
    yield _gauge(
        f"webrtc_{of}_estimated_mos",
        of,
        f"Mean opinion score, 1 to 4.5, estimated with the E-model (ITU-T G.107, short form){mean}.",
        field="estimated_mos",
    )
    yield _gauge(
        f"webrtc_{of}_media_score",
        of,
        "Score of the media, 0 to 10, as the vendor gives it. watchRTC stats.score.",
        field="media_score",
    )
    yield _gauge(
        f"webrtc_{of}_user_rating",
        of,
        "Rating by the people in the call, 1 to 5. watchRTC stats.user.",
        field="user_rating",
    )
    yield _gauge(
        f"webrtc_{of}_call_setup_seconds",
        of,
        "Time from the first local description to the connected state. watchRTC stats.call_setup_time.",
        unit="seconds",
        field="call_setup_seconds",
    )


def _means(of: Scope) -> Iterator[Family]:
    scope: Scope = "room_stream" if of == "room" else "peer_stream"
    how = "mean over the session" if of == "peer" else "the vendor's own for the room, else the mean over its peers"
    for name, unit, what, origin in (
        ("throughput_bytes_per_second", "bytes_per_second", "Bit rate in bytes", "100ms and watchRTC bitrate"),
        ("packet_loss_ratio", "ratio", "Packets lost, 0 to 1", "100ms packet_loss_percent; watchRTC packet_loss"),
        ("jitter_seconds", "seconds", "Interarrival jitter", "100ms jitter_ms; watchRTC jitter"),
        ("round_trip_time_seconds", "seconds", "Round-trip time", "100ms rtt_ms; watchRTC rtt"),
        ("frames_per_second", "", "Video frames per second", "100ms fps"),
    ):
        yield _gauge(
            f"webrtc_{of}_{name}",
            scope,
            f"{what}: {how}. {origin}.",
            labels=MEDIA_LABELS,
            unit=unit,
            field=name,
        )


def _receiving() -> Iterator[Family]:
    yield _gauge(
        "webrtc_peer_freezes",
        "peer_stream",
        "Video freezes over the session. 100ms freeze_count.",
        labels=MEDIA_LABELS,
        field="freezes",
    )
    yield _gauge(
        "webrtc_peer_concealed_samples",
        "peer_stream",
        "Audio samples that the receiver made up over the session. 100ms concealed_samples.",
        labels=MEDIA_LABELS,
        field="concealed_samples",
    )
    yield _gauge(
        "webrtc_peer_concealment_ratio",
        "peer_stream",
        "Estimated share of audio that was concealed: concealed_samples over 48 000 a second of each track. 100ms.",
        labels=MEDIA_LABELS,
        unit="ratio",
        field="concealment_ratio",
    )


def _percentiles() -> Iterator[Family]:
    for name, unit, what in (
        ("packet_loss_p95_ratio", "ratio", "packet loss, 0 to 1. 100ms packet_loss_percent"),
        ("jitter_p95_seconds", "seconds", "interarrival jitter. 100ms jitter_ms"),
        ("round_trip_time_p95_seconds", "seconds", "round-trip time. 100ms rtt_ms"),
    ):
        yield _gauge(
            f"webrtc_peer_{name}",
            "peer_stream",
            f"95th percentile (nearest rank) of the windows' {what}.",
            labels=MEDIA_LABELS,
            unit=unit,
            field=name,
        )


def _verdict(of: Scope, text: str) -> Family:
    return _gauge(f"webrtc_{of}_verdict", of, text, labels=("verdict", "reason"))
