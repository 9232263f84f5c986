"""Deliveries into the ledger: what is new is assessed, counted and put in view, all of it or nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from exporter.ledger import StateDamagedError
from exporter.metrics.counts import CountRules, sample_rejections
from exporter.model import SessionKey
from exporter.pipeline.sieve import Sieve, Stay, end, moment
from exporter.pipeline.view import completed, peer_in_view, retold, session_in_view
from exporter.quality import PeerAssessment, Thresholds, longest_stays
from exporter.sources.base import Delivery, Receipt, RejectedDocument, digest
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.ledger import Ledger, SeenPeer, Transaction
    from exporter.metrics.family import Family
    from exporter.model import Report, Session
    from exporter.pipeline.border import Border
    from exporter.pipeline.handing_over import HandingOver
    from exporter.pipeline.sieve import Sifted

logger = logging.getLogger(__name__)

#: A file of a million broken rooms is not worth a million lines.
_LOGGED_REJECTIONS = 5


class Committed(Struct, kw_only=True):
    """What a committed delivery changed, for the publisher."""

    receipt: Receipt = Receipt()
    #: Sessions that are in view now, if they were not before.
    sessions: set[SessionKey] = field(default_factory=set)
    #: Rooms, by source and id, of which something was counted.
    rooms: set[tuple[str, str]] = field(default_factory=set)
    #: Peers in view whose assessment is new, the last one of each.
    peers: dict[tuple[SessionKey, str], PeerAssessment] = field(default_factory=dict)
    #: Series of counters and histograms with new values.
    series: set[tuple[str, ...]] = field(default_factory=set)
    #: Unix seconds of the newest session end of the source, where it became newer.
    newest_end: float | None = None
    #: Documents that were rejected, in their order.
    rejected: list[RejectedDocument] = field(default_factory=list)


class Ingest:
    """Commits deliveries, each report and each stay once."""

    def __init__(
        self,
        ledger: Ledger,
        families: Sequence[Family],
        thresholds: Thresholds,
        border: Border,
        *,
        handing_over: HandingOver | None = None,
    ) -> None:
        """Begins.

        Args:
            ledger: where to commit.
            families: the catalogue.
            thresholds: of the verdicts.
            border: what passes it is taken in.
            handing_over: writes the timeline; None: there is nobody to hand it over to.
        """
        self._ledger = ledger
        self._border = border
        self._handing_over = handing_over
        self._rules = CountRules(families)
        self._sieve = Sieve(self._rules, thresholds)

    def commit(self, source: str, delivery: Delivery, now: float) -> Committed:
        """Commits a delivery in one transaction.

        Args:
            source: the name of the source that delivers.
            delivery: what it hands over.
            now: Unix seconds: the time of ingestion.
        """
        with self._ledger.transaction(now) as transaction:
            committed = self._take(transaction, source, delivery, now)
        _log(source, committed.rejected)
        return committed

    def commit_together(self, deliveries: Sequence[tuple[str, Delivery]], now: float) -> list[Committed | Exception]:
        """Commits deliveries in their order in one transaction, as one after another would be.

        Args:
            deliveries: each with the name of the source that delivers it.
            now: Unix seconds: the time of ingestion.

        Returns:
            for each what it changed, or why it failed; one that fails costs only itself.
        """
        results: list[Committed | Exception] = []
        try:
            with self._ledger.transaction(now) as transaction:
                for source, delivery in deliveries:
                    results.append(self._try(transaction, source, delivery, now))
        except Exception as error:  # noqa: BLE001 - whoever delivered raises it
            if len(deliveries) == 1:
                return [error]
            # The commit itself failed. What each of them meets alone is what its sender shall be told.
            return [result for each in deliveries for result in self.commit_together([each], now)]
        for (source, _), result in zip(deliveries, results, strict=True):
            if isinstance(result, Committed):
                _log(source, result.rejected)
        return results

    def _try(self, transaction: Transaction, source: str, delivery: Delivery, now: float) -> Committed | Exception:
        try:
            with transaction.savepoint() as part:
                return self._take(part, source, delivery, now)
        except StateDamagedError:
            # What was done before it is not to be written to such a file either.
            raise
        except Exception as error:
            if not transaction.is_open:
                raise
            return error

    def _take(self, transaction: Transaction, source: str, delivery: Delivery, now: float) -> Committed:
        delivery = self._border.inwards(source, delivery)
        committed = Committed()
        new = grown = duplicate = 0
        for document in delivery.rejected:
            self._reject(transaction, committed, source, document)
        for report in delivery.reports:
            sifted = self._sieve.sift(transaction, report)
            new += sum(stay.is_new for stay in sifted.stays) or (sifted.is_new_session and not report.peers)
            grown += sum(not stay.is_new for stay in sifted.stays)
            duplicate += sifted.duplicates
            if sifted.is_refused:
                self._reject(transaction, committed, source, _too_old(report, sifted))
            if sifted.adds:
                self._count(transaction, committed, report, sifted, now)
                self._view(transaction, committed, report.session, sifted)
            elif not sifted.is_refused:
                _count(transaction, "webrtc_exporter_reports_duplicate_total", source)
                self._retell(transaction, committed, report.session, sifted)
        tasks = self._remember(transaction, source, delivery)
        committed.newest_end = self._newest_end(transaction, source, delivery.reports)
        committed.series.update(transaction.changed)
        rejected = len(committed.rejected)
        committed.receipt = Receipt(new=int(new), grown=grown, duplicate=duplicate, rejected=rejected, tasks=tasks)
        return committed

    @staticmethod
    def _reject(transaction: Transaction, committed: Committed, source: str, document: RejectedDocument) -> None:
        if transaction.is_new_rejection(source, document.digest):
            _count(transaction, "webrtc_exporter_reports_rejected_total", source, document.reason)
            committed.rejected.append(document)

    def _count(
        self, transaction: Transaction, committed: Committed, report: Report, sifted: Sifted, now: float
    ) -> None:
        key = report.session.key
        if sifted.is_new_session:
            ended = end(report)
            transaction.add(self._rules.session(key, None if ended is None else now - ended), hold=True)
            transaction.remember_session(key, moment(report))
            if len(report.peers) != 1:
                transaction.add(sample_rejections(report), hold=False)
        for stay, seen in self._handed_over(transaction, key, sifted):
            transaction.add(stay.increments, hold=True)
            transaction.remember_peer(key, stay.peer, moment(report), seen)
        _count(transaction, "webrtc_exporter_reports_ingested_total", key.source)
        transaction.put_room(key.source, key.room_id)
        committed.rooms.add((key.source, key.room_id))

    def _handed_over(self, transaction: Transaction, key: SessionKey, sifted: Sifted) -> list[tuple[Stay, SeenPeer]]:
        if self._handing_over is None:
            return [(stay, stay.seen) for stay in sifted.stays]
        return self._handing_over.add(transaction, key, sifted)

    def _view(self, transaction: Transaction, committed: Committed, session: Session, sifted: Sifted) -> None:
        key = session.key
        known = self._ledger.session(key)
        if not sifted.is_new_session and known is None:
            # It has left the view. What comes now is a part of it, would pass for the whole, and, where the view is
            # full, would leave and come again with each report.
            return
        transaction.put_session(session_in_view(session, known) if known else session)
        committed.sessions.add(key)
        for stay in sifted.stays:
            self._view_peer(transaction, committed, key, stay)

    @staticmethod
    def _view_peer(transaction: Transaction, committed: Committed, key: SessionKey, stay: Stay) -> None:
        known, shown = _peer(transaction, key, stay.peer.peer_id), stay.assessment
        if known and known.stay == shown.stay:
            shown = peer_in_view(shown, known)
        elif known and longest_stays((known, shown)) == [known]:
            return
        _show(transaction, committed, key, shown)

    def _retell(self, transaction: Transaction, committed: Committed, session: Session, sifted: Sifted) -> None:
        """Shows what a report that adds nothing knows better of what is in view, as when it was sent and is polled."""
        key = session.key
        known = self._ledger.session(key) if sifted.retold else None
        if known is None:
            return
        if (better := completed(known, session)) != known:
            transaction.put_session(better)
            committed.sessions.add(key)
        for peer in sifted.retold:
            shown = _peer(transaction, key, peer.peer_id)
            if shown and shown.stay == peer.stay and (told_better := retold(peer, shown)) != shown:
                _show(transaction, committed, key, told_better)

    @staticmethod
    def _remember(transaction: Transaction, source: str, delivery: Delivery) -> int:
        """Writes what the source wants remembered; returns how many of its tasks are new."""
        new_tasks = sum(transaction.add_task(source, task) for task in delivery.new_tasks)
        for task in delivery.postponed_tasks:
            transaction.postpone_task(source, task)
        for task_key in delivery.finished_tasks:
            transaction.finish_task(source, task_key)
        for identity in delivery.read_objects:
            transaction.read_object(source, identity)
        for fact in delivery.facts:
            transaction.put_source_fact(source, fact.name, fact.value)
        for skipped in delivery.skipped_peers:
            if transaction.is_new_skip(source, skipped.session_id):
                family = "webrtc_exporter_peers_skipped_total"
                transaction.add({(family, source): [float(skipped.count)]}, hold=False)
        return new_tasks

    def _newest_end(self, transaction: Transaction, source: str, reports: Sequence[Report]) -> float | None:
        newest = max((report.session.end for report in reports if report.session.end is not None), default=None)
        if newest is None or newest <= (self._ledger.newest_end(source) or 0.0):
            return None
        transaction.put_newest_end(source, newest)
        return newest


def _peer(transaction: Transaction, key: SessionKey, peer_id: str) -> PeerAssessment | None:
    raw = transaction.peer(key, peer_id)
    return None if raw is None else msgspec.msgpack.decode(raw, type=PeerAssessment)


def _show(transaction: Transaction, committed: Committed, key: SessionKey, assessment: PeerAssessment) -> None:
    transaction.put_peer(key, assessment.peer_id, msgspec.msgpack.encode(assessment))
    committed.peers[key, assessment.peer_id] = assessment


def _count(transaction: Transaction, family: str, *labels: str) -> None:
    transaction.add({(family, *labels): [1.0]}, hold=False)


def _too_old(report: Report, sifted: Sifted) -> RejectedDocument:
    key = report.session.key
    identity = msgspec.msgpack.encode(("too_old", key, sifted.too_old))
    message = told(
        "session ",
        quote(repr(key.session_id)),
        " in room ",
        quote(repr(key.room_id)),
        f" is from a time of which nobody knows any more what was counted ({len(sifted.too_old)} peers)",
    )
    return RejectedDocument(reason="too_old", digest=digest(identity), message=message)


def _log(source: str, rejected: Sequence[RejectedDocument]) -> None:
    for document in rejected[:_LOGGED_REJECTIONS]:
        logger.warning("%s: %s: %s", source, document.reason, document.message)
    if len(rejected) > _LOGGED_REJECTIONS:
        logger.warning("%s: %d more documents were rejected", source, len(rejected) - _LOGGED_REJECTIONS)
