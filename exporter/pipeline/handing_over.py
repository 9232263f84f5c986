"""Stays that add something, as rows of the log from which the timeline is handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from exporter.quality import longest_stays
from exporter.timeline import payload
from exporter.timeline.remembered import decode_sent, encode_sent
from exporter.timeline.series import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.ledger import SeenPeer, Transaction
    from exporter.model import SessionKey
    from exporter.pipeline.sieve import Sifted, Stay
    from exporter.quality import JudgedPeer
    from exporter.timeline.sent import Sent
    from exporter.timeline.series import TimelineSeries
    from exporter.timeline.shape import Shape


class HandingOver:
    """Writes what is new of a report into the log."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def add(self, transaction: Transaction, key: SessionKey, sifted: Sifted) -> list[tuple[Stay, SeenPeer]]:
        """Appends to the log within a transaction.

        Returns:
            the stays, each with what is to be remembered of it.
        """
        sent: dict[str, Sent] = {}
        for judged in longest_first([stay.judged for stay in sifted.stays]):
            peer_id = judged.peer.peer_id
            if peer_id not in sent:
                sent[peer_id] = decode_sent(sifted.sent.get(peer_id, ()))
            shaped = self._shape.peer(key, judged, sent[peer_id])
            sent[peer_id] = shaped.sent
            _append(transaction, shaped.series)
        # What was handed over of a peer is remembered with each of its stays that may grow.
        return [
            (stay, replace(stay.seen, sent=encode_sent(sent[stay.peer.peer_id]) if stay.seen.counted else b""))
            for stay in sifted.stays
        ]


def _append(transaction: Transaction, series: tuple[TimelineSeries, ...]) -> None:
    if series:
        first = min(each.times[0] for each in series) / 1000
        last = max(each.times[-1] for each in series) / 1000
        transaction.add_to_timeline(first, last, count(series), payload.encode(series))


def longest_first(stays: Sequence[JudgedPeer]) -> list[JudgedPeer]:
    """Of each peer the stay that gives its gauges comes first: where stays overlap, it is the one that is shown."""
    longest = {(each.peer_id, each.stay) for each in longest_stays(stay.assessment for stay in stays)}
    return sorted(stays, key=lambda stay: (stay.peer.peer_id, stay.peer.stay) not in longest)
