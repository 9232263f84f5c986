"""One peer's stay: all of its streams, its estimated MOS, its verdict and the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.model import Peer
from exporter.quality.arithmetic import quotient, total
from exporter.quality.assessment import PeerAssessment
from exporter.quality.mos import peer_estimated_mos
from exporter.quality.stays import ended_at, lasted_seconds
from exporter.quality.streams import JudgedStream, identity, judge_stream
from exporter.quality.verdicts import Judgement, Measures, judge, levels, seconds_of, worst, worst_levels

if TYPE_CHECKING:
    from exporter.quality.thresholds import Thresholds
    from exporter.quality.verdicts import Levels


class JudgedPeer(Struct, frozen=True):
    """One stay of a peer, what the rules say of it, and how they came to that."""

    peer: Peer
    assessment: PeerAssessment
    #: Ordered by direction, kind, track type and rid.
    streams: Sequence[JudgedStream]


def assess_peer(peer: Peer, thresholds: Thresholds) -> PeerAssessment:
    """Assesses one stay of a peer. Its streams come ordered by direction, kind, track type and rid."""
    return judge_peer(peer, thresholds).assessment


def judge_peer(peer: Peer, thresholds: Thresholds) -> JudgedPeer:
    """Assesses one stay of a peer, for those who need its windows as well: merged and judged, they cost the most."""
    duration = lasted_seconds(peer.start, peer.end, peer.duration_seconds)
    judged = [judge_stream(stream, duration, thresholds) for stream in sorted(peer.streams, key=identity)]
    streams = tuple(each.assessment for each in judged)
    estimated_mos = peer_estimated_mos(streams, thresholds.mos_loss_impairment_per_percent)
    mos = levels(Measures(mos=estimated_mos if peer.mos is None else peer.mos), thresholds)
    # A stream with too little data says nothing: five seconds of screen sharing do not spoil an hour.
    media = worst_levels([mos, *(each.means for each in judged if each.assessment.verdict != "unclassified")])
    # How long the call took to set up is judged, but that it was set up is no media.
    means = worst_levels([media, levels(Measures(call_setup_seconds=peer.call_setup_seconds), thresholds)])
    times = _times(judged)
    classified = total(spent for at, spent in times.items() if at.verdict != "unclassified")
    measured = classified if times else _summed_up_seconds(media, duration)
    judgement = judge(times, means, measured, thresholds)
    assessment = PeerAssessment(
        peer_id=peer.peer_id,
        stay=peer.stay,
        start=peer.start,
        end=ended_at(peer.start, peer.end, peer.duration_seconds),
        duration_seconds=duration,
        attributes=peer.attributes,
        streams=streams,
        mos=peer.mos,
        media_score=peer.media_score,
        user_rating=peer.user_rating,
        call_setup_seconds=peer.call_setup_seconds,
        estimated_mos=estimated_mos,
        poor_time_ratio=quotient(seconds_of(times, "poor"), classified),
        verdict=judgement.verdict,
        reason=judgement.reason,
    )
    return JudgedPeer(peer, assessment, judged)


def _summed_up_seconds(media: Levels, duration: float | None) -> float:
    """Tells for how long the means of a peer without windows speak: its whole stay, if any media was measured."""
    return 0.0 if duration is None or worst(media).verdict == "unclassified" else duration


def _times(judged: list[JudgedStream]) -> dict[Judgement, float]:
    together: dict[Judgement, list[float]] = {}
    for each in judged:
        for at, spent in each.times.items():
            together.setdefault(at, []).append(spent)
    return {at: total(spent) for at, spent in together.items()}
