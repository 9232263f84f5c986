"""One session of a room: the vendor's own values or those computed from its peers, and its verdict."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from exporter.model import SessionSummary
from exporter.quality.arithmetic import mean, weighted_mean
from exporter.quality.assessment import RoomAssessment, RoomStream
from exporter.quality.stays import ended_at, lasted_seconds, longest_stays
from exporter.quality.streams import StreamIdentity, identity
from exporter.quality.verdicts import REASONS, UNCLASSIFIED, Judgement, takes_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.model import Session, Stream
    from exporter.quality.assessment import PeerAssessment, Reason, StreamAssessment
    from exporter.quality.thresholds import Thresholds

_NOTHING: Final = SessionSummary()


def assess_room(session: Session, peers: Sequence[PeerAssessment], thresholds: Thresholds) -> RoomAssessment:
    """Assesses one session by what its vendor says of it and by its peers, in whatever order they came.

    Of a peer that is there twice the longer stay counts. Media values are the vendor's where it gives a summary, else
    the means over the peers, weighted by the time in which a peer has the metric (throughput: not weighted).
    """
    start = session.start if session.start is not None else min(_known(peer.start for peer in peers), default=None)
    end = ended_at(session.start, session.end, session.duration_seconds)
    if end is None:
        end = max(_known(peer.end for peer in peers), default=None)
    each = longest_stays(peers)
    summary = session.summary or _NOTHING
    judgement = _judge(each, thresholds)
    return RoomAssessment(
        start=start,
        end=end,
        duration_seconds=lasted_seconds(start, end, session.duration_seconds),
        peers=len(each) if session.peers is None else session.peers,
        mos=summary.mos,
        media_score=summary.media_score,
        user_rating=summary.user_rating,
        call_setup_seconds=summary.call_setup_seconds,
        estimated_mos=mean(_known(peer.estimated_mos for peer in each)),
        streams=_computed_streams(each) if session.summary is None else _vendor_streams(summary.streams),
        verdict=judgement.verdict,
        reason=judgement.reason,
    )


def _judge(peers: Sequence[PeerAssessment], thresholds: Thresholds) -> Judgement:
    classified = [peer for peer in peers if peer.verdict != "unclassified"]
    if not classified:
        return UNCLASSIFIED
    poor = [peer for peer in classified if peer.verdict == "poor"]
    worse = [peer for peer in classified if peer.verdict != "good"]
    if takes_share(len(poor), len(classified), thresholds.poor_peer_share):
        return Judgement("poor", _most_frequent_reason(poor))
    if takes_share(len(worse), len(classified), thresholds.poor_peer_share):
        return Judgement("fair", _most_frequent_reason(worse))
    return Judgement("good")


def _most_frequent_reason(peers: Sequence[PeerAssessment]) -> Reason:
    count = Counter(peer.reason for peer in peers)
    # max() keeps the first of equals.
    return max(REASONS, key=lambda reason: count[reason])


def _vendor_streams(streams: Sequence[Stream]) -> tuple[RoomStream, ...]:
    return tuple(
        RoomStream(
            direction=stream.direction,
            kind=stream.kind,
            track_type=stream.track_type,
            rid=stream.rid,
            throughput_bytes_per_second=stream.summary.throughput_bytes_per_second,
            packet_loss_ratio=stream.summary.packet_loss_ratio,
            jitter_seconds=stream.summary.jitter_seconds,
            round_trip_time_seconds=stream.summary.round_trip_time_seconds,
            frames_per_second=stream.summary.frames_per_second,
        )
        for stream in sorted(streams, key=identity)
        if stream.summary is not None
    )


def _computed_streams(peers: Sequence[PeerAssessment]) -> tuple[RoomStream, ...]:
    alike: dict[StreamIdentity, list[StreamAssessment]] = {}
    for peer in peers:
        for stream in peer.streams:
            alike.setdefault(identity(stream), []).append(stream)
    return tuple(_computed_stream(alike[same]) for same in sorted(alike))


def _computed_stream(streams: Sequence[StreamAssessment]) -> RoomStream:
    first = streams[0]
    return RoomStream(
        direction=first.direction,
        kind=first.kind,
        track_type=first.track_type,
        rid=first.rid,
        throughput_bytes_per_second=mean(_known(stream.throughput_bytes_per_second for stream in streams)),
        packet_loss_ratio=_weighted(streams, lambda s: (s.packet_loss_ratio, s.measured.packet_loss)),
        jitter_seconds=_weighted(streams, lambda s: (s.jitter_seconds, s.measured.jitter)),
        round_trip_time_seconds=_weighted(
            streams,
            lambda s: (s.round_trip_time_seconds, s.measured.round_trip_time),
        ),
        frames_per_second=_weighted(streams, lambda s: (s.frames_per_second, s.measured.frames_per_second)),
    )


def _weighted(
    streams: Sequence[StreamAssessment],
    read: Callable[[StreamAssessment], tuple[float | None, float]],
) -> float | None:
    return weighted_mean([(value, weight) for value, weight in map(read, streams) if value is not None])


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
