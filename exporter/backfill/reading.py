"""Where the samples come from: what the state still holds, or documents of the vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.ledger.reading import look
from exporter.ledger.timeline import rows_within
from exporter.pipeline.handing_over import longest_first
from exporter.pipeline.ingest import Committed
from exporter.quality import judge_peer
from exporter.sources.base import Receipt
from exporter.timeline import payload
from exporter.timeline.shape import Shape

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from exporter.backfill.span import Span
    from exporter.backfill.spool import Spool
    from exporter.metrics.family import Family
    from exporter.model import Report
    from exporter.pipeline.border import Border
    from exporter.progress import Progress
    from exporter.quality import Thresholds
    from exporter.sources.base import Delivery
    from exporter.stopping import Stop
    from exporter.timeline.sent import Sent
    from exporter.timeline.series import TimelineSeries


def from_state(folder: Path, span: Span, spool: Spool, progress: Progress, stop: Stop) -> int:
    """Takes what the log of a state has of a span; an exporter may be running.

    Returns:
        how many rows cannot be read and were left out.

    Raises:
        StateError: there is no state, or it cannot be read.
    """

    def see(connection: sqlite3.Connection) -> int:
        spool.clear()
        unreadable = 0
        for _, _, raw in rows_within(connection, span.begin, span.end):
            if stop():
                break
            progress.add(len(raw))
            try:
                spool.add(_within(payload.decode(raw), span))
            except payload.PayloadError:
                unreadable += 1
        return unreadable

    return look(folder, see)


class Documents:
    """Takes what documents say of a span, and counts nothing: in place of the ledger for `exporter.feed`."""

    def __init__(
        self, span: Span, spool: Spool, border: Border, families: Sequence[Family], thresholds: Thresholds
    ) -> None:
        self._span = span
        self._spool = spool
        self._border = border
        self._thresholds = thresholds
        self._shape = Shape(families)

    def commit(self, source: str, delivery: Delivery) -> Committed:
        """Shapes the peers of a delivery; each counts as new."""
        peers = 0
        for report in self._border.inwards(source, delivery).reports:
            peers += len(report.peers)
            self._spool.add(_within(self._shaped(report), self._span))
        return Committed(receipt=Receipt(new=peers, rejected=len(delivery.rejected)))

    def _shaped(self, report: Report) -> Iterator[TimelineSeries]:
        sent: dict[str, Sent] = {}
        for judged in longest_first([judge_peer(peer, self._thresholds) for peer in report.peers]):
            peer_id = judged.peer.peer_id
            shaped = self._shape.peer(report.session.key, judged, sent.get(peer_id))
            sent[peer_id] = shaped.sent
            yield from shaped.series


def _within(series: Iterable[TimelineSeries], span: Span) -> Iterator[TimelineSeries]:
    for each in series:
        part = span.part(each)
        if part is not None:
            yield part
