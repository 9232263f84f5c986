"""Deliveries into the ledger: what is new is assessed, counted and put in view, in one transaction."""

from __future__ import annotations

import logging
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from exporter.ledger import SeenPeer
from exporter.metrics.counts import CountRules, Increments, grown, sample_rejections
from exporter.model import Peer, Report, Session, SessionKey
from exporter.quality import PeerAssessment, Thresholds, assess_peer, longest_stays
from exporter.sources.base import Delivery, Receipt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.ledger import Ledger, Transaction
    from exporter.metrics.family import Family

logger = logging.getLogger(__name__)

#: A file of a million broken rooms is not worth a million lines.
_LOGGED_REJECTIONS = 5


class Committed(Struct, kw_only=True):
    """What a committed delivery changed, for the publisher."""

    receipt: Receipt = Receipt()
    sessions: set[SessionKey] = field(default_factory=set)
    #: Peers in view whose assessment is new, the last one of each.
    peers: dict[tuple[SessionKey, str], PeerAssessment] = field(default_factory=dict)
    #: Series of counters and histograms with new values.
    series: set[tuple[str, ...]] = field(default_factory=set)
    #: Unix seconds of the newest session end of the source, where it became newer.
    newest_end: float | None = None


class _Stay(Struct, frozen=True):
    """One peer's stay that adds something."""

    peer: Peer
    assessment: PeerAssessment
    seen: SeenPeer
    increments: Increments
    is_new: bool


class Ingest:
    """Commits deliveries, each report and each stay once."""

    def __init__(self, ledger: Ledger, families: Sequence[Family], thresholds: Thresholds) -> None:
        self._ledger = ledger
        self._rules = CountRules(families)
        self._thresholds = thresholds

    def commit(self, source: str, delivery: Delivery, now: float) -> Committed:
        """Commits a delivery in one transaction.

        Args:
            source: the name of the source that delivers.
            delivery: what it hands over.
            now: Unix seconds: the time of ingestion.
        """
        committed = Committed()
        new = grew = duplicate = rejected = 0
        with self._ledger.transaction(now) as transaction:
            for document in delivery.rejected:
                if transaction.is_new_rejection(source, document.digest):
                    rejected += 1
                    _count(transaction, "webrtc_exporter_reports_rejected_total", source, document.reason)
                    if rejected <= _LOGGED_REJECTIONS:
                        logger.warning("%s: %s: %s", source, document.reason, document.message)
            if rejected > _LOGGED_REJECTIONS:
                logger.warning("%s: %d more documents were rejected", source, rejected - _LOGGED_REJECTIONS)
            for report in delivery.reports:
                stays = self._stays(transaction, report)
                is_new_session = transaction.is_new_session(report.session.key, _moment(report))
                new += sum(stay.is_new for stay in stays) or (is_new_session and not report.peers)
                grew += sum(not stay.is_new for stay in stays)
                duplicate += len(report.peers) - len(stays)
                self._count(transaction, report, stays, is_new_session=is_new_session, now=now)
                if stays or is_new_session:
                    self._view(transaction, committed, report.session, stays)
            self._remember(transaction, source, delivery)
            committed.newest_end = self._newest_end(transaction, source, delivery.reports)
        committed.series.update(transaction.changed)
        committed.receipt = Receipt(new=int(new), grown=grew, duplicate=duplicate, rejected=rejected)
        return committed

    def _stays(self, transaction: Transaction, report: Report) -> list[_Stay]:
        """The report's stays that are new, or have grown."""
        stays = []
        key = report.session.key
        for peer in report.peers:
            fingerprint = blake2b(msgspec.msgpack.encode(peer), digest_size=16).digest()
            known = transaction.seen_peer(key, peer.peer_id, peer.stay)
            windows = sum(len(track.windows) for stream in peer.streams for track in stream.tracks)
            if known is not None and (
                known.fingerprint == fingerprint or windows <= known.windows or not known.counted
            ):
                continue
            assessment = assess_peer(peer, self._thresholds)
            adds = self._rules.peer(key, peer, assessment)
            if len(report.peers) == 1:
                # What was left out grows with the statistics, and is not to be counted again with them.
                adds.growing.update(sample_rejections(report))
            # A summary says all at once: it is never added to, and millions of them are remembered.
            counted = b"" if adds.growing and not windows else msgspec.msgpack.encode(list(adds.growing.items()))
            seen = SeenPeer(fingerprint, windows, counted)
            if known is None:
                stays.append(_Stay(peer, assessment, seen, {**adds.once, **adds.growing}, is_new=True))
            else:
                before = dict(msgspec.msgpack.decode(known.counted, type=list[tuple[tuple[str, ...], list[float]]]))
                stays.append(_Stay(peer, assessment, seen, grown(before, adds.growing), is_new=False))
        return stays

    def _count(
        self,
        transaction: Transaction,
        report: Report,
        stays: Sequence[_Stay],
        *,
        is_new_session: bool,
        now: float,
    ) -> None:
        key = report.session.key
        if is_new_session:
            end = _end(report)
            transaction.add(self._rules.session(key, None if end is None else now - end), hold=True)
            if len(report.peers) != 1:
                transaction.add(sample_rejections(report), hold=False)
        for stay in stays:
            transaction.add(stay.increments, hold=True)
            transaction.remember_peer(key, stay.peer, _moment(report), stay.seen)
        if stays or is_new_session:
            _count(transaction, "webrtc_exporter_reports_ingested_total", key.source)
        else:
            _count(transaction, "webrtc_exporter_reports_duplicate_total", key.source)

    def _view(
        self,
        transaction: Transaction,
        committed: Committed,
        session: Session,
        stays: Sequence[_Stay],
    ) -> None:
        key = session.key
        if stays and not any(stay.is_new for stay in stays) and self._ledger.session(key) is None:
            # It has left the view; what grew now is one peer of it and would pass for the whole.
            return
        transaction.put_session(session)
        committed.sessions.add(key)
        for stay in stays:
            raw = transaction.peer(key, stay.peer.peer_id)
            known = None if raw is None else msgspec.msgpack.decode(raw, type=PeerAssessment)
            both_stays = known is not None and known.stay != stay.assessment.stay
            if known is not None and both_stays and longest_stays((known, stay.assessment)) == [known]:
                continue
            transaction.put_peer(key, stay.peer.peer_id, msgspec.msgpack.encode(stay.assessment))
            committed.peers[key, stay.peer.peer_id] = stay.assessment

    @staticmethod
    def _remember(transaction: Transaction, source: str, delivery: Delivery) -> None:
        for task in delivery.new_tasks:
            transaction.add_task(source, task)
        for task in delivery.postponed_tasks:
            transaction.postpone_task(source, task)
        for task_key in delivery.finished_tasks:
            transaction.finish_task(source, task_key)
        for identity in delivery.read_objects:
            transaction.read_object(source, identity)

    def _newest_end(self, transaction: Transaction, source: str, reports: Sequence[Report]) -> float | None:
        newest = max((report.session.end for report in reports if report.session.end is not None), default=None)
        if newest is None or newest <= (self._ledger.newest_end(source) or 0.0):
            return None
        transaction.put_newest_end(source, newest)
        return newest


def _count(transaction: Transaction, family: str, *labels: str) -> None:
    transaction.add({(family, *labels): [1.0]}, hold=False)


def _end(report: Report) -> float | None:
    """Unix seconds of the session's end, else of the last of its peers; None where no end is known."""
    if report.session.end is not None:
        return report.session.end
    return max((peer.end for peer in report.peers if peer.end is not None), default=None)


def _moment(report: Report) -> float | None:
    """Unix seconds of the session's end or, where no end is known, start; whole, as they take less room so."""
    known = _end(report)
    if known is None:
        starts = (report.session.start, *(peer.start for peer in report.peers))
        known = max((start for start in starts if start is not None), default=None)
    return None if known is None else known // 1.0
