"""What of a report is new: peers that were never counted, peers that have grown; and what is known or too old."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from exporter.ledger import SeenPeer
from exporter.metrics.counts import CountRules, Increments, grown, highest, sample_rejections
from exporter.model import Peer
from exporter.pipeline.growth import decode_growth, encode_growth
from exporter.quality import JudgedPeer, PeerAssessment, Thresholds, judge_peer

if TYPE_CHECKING:
    from exporter.ledger import Transaction
    from exporter.model import Report


class Stay(Struct, frozen=True):
    """One peer's stay that adds something."""

    judged: JudgedPeer
    seen: SeenPeer
    increments: Increments
    is_new: bool

    @property
    def peer(self) -> Peer:
        """The stay as it was reported."""
        return self.judged.peer

    @property
    def assessment(self) -> PeerAssessment:
        """What the rules say of it."""
        return self.judged.assessment


class Sifted(Struct, frozen=True, kw_only=True):
    """What became of the parts of a report."""

    is_new_session: bool
    stays: list[Stay]
    #: How many stays add nothing.
    duplicates: int
    #: Those of them that have as many windows as is known of them, and yet say something else.
    retold: list[Peer]
    #: Peer and stay of those that may have been counted so long ago that nobody knows.
    too_old: list[tuple[str, str]]
    #: Whether that is so of the session itself.
    is_too_old: bool
    #: By peer what was handed over of its known stays, as the ledger has it.
    sent: dict[str, list[bytes]]

    @property
    def adds(self) -> bool:
        """Whether anything of the report counts."""
        return bool(self.stays) or self.is_new_session

    @property
    def is_refused(self) -> bool:
        """Whether anything of the report does not count although it is not known."""
        return bool(self.too_old) or self.is_too_old


class Sieve:
    """Tells what is new by the marks of a ledger."""

    def __init__(self, rules: CountRules, thresholds: Thresholds) -> None:
        self._rules = rules
        self._thresholds = thresholds

    def sift(self, transaction: Transaction, report: Report) -> Sifted:
        """Looks up each part of a report."""
        key = report.session.key
        is_forgotten = transaction.is_forgotten(key.source, moment(report))
        stays: list[Stay] = []
        too_old: list[tuple[str, str]] = []
        sent: dict[str, list[bytes]] = {}
        known_stays = 0
        retold: list[Peer] = []
        for peer in report.peers:
            known = transaction.seen_peer(key, peer.peer_id, peer.stay)
            known_stays += known is not None
            if known is not None and known.sent:
                sent.setdefault(peer.peer_id, []).append(known.sent)
            if known is None and is_forgotten:
                too_old.append((peer.peer_id, peer.stay))
                continue
            fingerprint = blake2b(msgspec.msgpack.encode(peer), digest_size=16).digest()
            windows = sum(len(track.windows) for stream in peer.streams for track in stream.tracks)
            says_else = known is not None and known.fingerprint != fingerprint and bool(known.counted)
            if known is None or (says_else and windows > known.windows):
                stays.append(self._stay(report, peer, known, fingerprint, windows))
            elif says_else and windows == known.windows:
                retold.append(peer)
        # Its mark may be gone before the last of its peers': each is forgotten by itself.
        is_known_session = transaction.seen_session(key) or known_stays > 0
        return Sifted(
            is_new_session=not is_known_session and not is_forgotten,
            stays=stays,
            duplicates=len(report.peers) - len(stays) - len(too_old),
            retold=retold,
            too_old=too_old,
            is_too_old=not is_known_session and is_forgotten,
            sent=sent,
        )

    def _stay(self, report: Report, peer: Peer, known: SeenPeer | None, fingerprint: bytes, windows: int) -> Stay:
        """What a stay adds."""
        judged = judge_peer(peer, self._thresholds)
        adds = self._rules.peer(report.session.key, peer, judged.assessment)
        if len(report.peers) == 1:
            # What was left out grows with the statistics, and is not to be counted again with them.
            adds.growing.update(sample_rejections(report))
        before = {} if known is None else decode_growth(known.counted)
        # What fell was not taken back, and must not be added again when it rises.
        in_all = highest(before, adds.growing)
        # A summary says all at once: it is never added to, and millions of them are remembered.
        counted = b"" if adds.growing and not windows else encode_growth(in_all)
        seen = SeenPeer(fingerprint, windows, counted, b"" if known is None else known.sent)
        if known is None:
            return Stay(judged, seen, {**adds.once, **adds.growing}, is_new=True)
        return Stay(judged, seen, grown(before, adds.growing), is_new=False)


def end(report: Report) -> float | None:
    """Unix seconds of the session's end, else of the last of its peers; None where no end is known."""
    if report.session.end is not None:
        return report.session.end
    return max((peer.end for peer in report.peers if peer.end is not None), default=None)


def moment(report: Report) -> float | None:
    """Unix seconds of the session's end or, where no end is known, start; whole, as they take less room so."""
    known = end(report)
    if known is None:
        starts = (report.session.start, *(peer.start for peer in report.peers))
        known = max((start for start in starts if start is not None), default=None)
    return None if known is None else known // 1.0
