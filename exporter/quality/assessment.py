"""What the rules of this package say of a peer and of a room: means, percentiles, sums and a verdict with its reason.

These values are what the gauges show and what the ledger keeps of a session in view; the windows themselves are gone.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from exporter.model import Attributes, Direction, Kind, TrackType

Verdict: TypeAlias = Literal["good", "fair", "poor", "unclassified"]

#: The worst cause of a fair or poor verdict, in the order that settles ties; empty for good and unclassified.
Reason: TypeAlias = Literal[
    "",
    "packet_loss",
    "jitter",
    "round_trip_time",
    "mos",
    "frame_rate",
    "concealment",
    "freeze",
    "call_setup",
]


class VerdictSeconds(Struct, frozen=True, kw_only=True, gc=False):
    """Stream time by the verdict of its windows."""

    good: float = 0.0
    fair: float = 0.0
    poor: float = 0.0
    unclassified: float = 0.0


class MeasuredSeconds(Struct, frozen=True, kw_only=True, gc=False):
    """The time in which each metric was measured: the weight of a peer in a room's mean of it."""

    throughput: float = 0.0
    packet_loss: float = 0.0
    jitter: float = 0.0
    round_trip_time: float = 0.0
    frames_per_second: float = 0.0


class StreamAssessment(Struct, frozen=True, kw_only=True):
    """One stream of a peer over its whole stay. Means are weighted by window length."""

    direction: Direction
    kind: Kind
    track_type: TrackType = ""
    rid: str = ""
    throughput_bytes_per_second: float | None = None
    packet_loss_ratio: float | None = None
    jitter_seconds: float | None = None
    round_trip_time_seconds: float | None = None
    frames_per_second: float | None = None
    mos: float | None = None
    media_score: float | None = None
    freezes: float | None = None
    concealed_samples: float | None = None
    #: An estimate: concealed samples over 48 000 for each watched second of each track.
    concealment_ratio: float | None = None
    packet_loss_p95_ratio: float | None = None
    jitter_p95_seconds: float | None = None
    round_trip_time_p95_seconds: float | None = None
    measured: MeasuredSeconds = MeasuredSeconds()
    seconds: VerdictSeconds = VerdictSeconds()
    verdict: Verdict = "unclassified"
    reason: Reason = ""


class PeerAssessment(Struct, frozen=True, kw_only=True):
    """One peer's stay: what it was, how good it was and why."""

    peer_id: str
    stay: str = ""
    start: float | None = None
    end: float | None = None
    duration_seconds: float | None = None
    attributes: Attributes = Attributes()
    streams: tuple[StreamAssessment, ...] = ()
    mos: float | None = None
    media_score: float | None = None
    user_rating: float | None = None
    call_setup_seconds: float | None = None
    estimated_mos: float | None = None
    #: Poor stream time over classified stream time; None for summaries and where nothing was classified.
    poor_time_ratio: float | None = None
    verdict: Verdict = "unclassified"
    reason: Reason = ""


class RoomStream(Struct, frozen=True, kw_only=True):
    """One kind of stream over all peers of a session."""

    direction: Direction
    kind: Kind
    track_type: TrackType = ""
    rid: str = ""
    throughput_bytes_per_second: float | None = None
    packet_loss_ratio: float | None = None
    jitter_seconds: float | None = None
    round_trip_time_seconds: float | None = None
    frames_per_second: float | None = None


class RoomAssessment(Struct, frozen=True, kw_only=True):
    """One session of a room as a whole."""

    start: float | None = None
    end: float | None = None
    duration_seconds: float | None = None
    peers: int = 0
    mos: float | None = None
    media_score: float | None = None
    user_rating: float | None = None
    call_setup_seconds: float | None = None
    estimated_mos: float | None = None
    streams: tuple[RoomStream, ...] = ()
    verdict: Verdict = "unclassified"
    reason: Reason = ""
