"""When a stay or session began and ended, how long it lasted, and which of a peer's stays stands for it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.quality.assessment import PeerAssessment


def lasted_seconds(start: float | None, end: float | None, duration_seconds: float | None) -> float | None:
    """Tells how long it lasted: the duration as given, else from start to end; None where the end is before the start.

    All in seconds, start and end since the Unix epoch.
    """
    if duration_seconds is not None or start is None or end is None:
        return duration_seconds
    return end - start if end >= start and isfinite(end - start) else None


def ended_at(start: float | None, end: float | None, duration_seconds: float | None) -> float | None:
    """Tells when it ended, in Unix seconds: the end as given, else start and duration together."""
    if end is not None or start is None or duration_seconds is None:
        return end
    return start + duration_seconds if isfinite(start + duration_seconds) else None


def longest_stays(peers: Iterable[PeerAssessment]) -> list[PeerAssessment]:
    """Picks of each peer id its longest stay, which gives the gauges; ordered by peer id.

    Of equally long stays it is the one that began first, and then the first by name, so that the order of arrival
    does not matter.
    """
    longest: dict[str, PeerAssessment] = {}
    for peer in peers:
        known = longest.get(peer.peer_id)
        if known is None or _rank(peer) < _rank(known):
            longest[peer.peer_id] = peer
    return [longest[peer_id] for peer_id in sorted(longest)]


def _rank(peer: PeerAssessment) -> tuple[float, float, str]:
    length = -1.0 if peer.duration_seconds is None else peer.duration_seconds
    return -length, float("inf") if peer.start is None else peer.start, peer.stay
