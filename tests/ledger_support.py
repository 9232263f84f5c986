"""Ledgers for tests: delivered to and looked into, with time as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.ledger import HISTORY_SECONDS, Ledger
from exporter.metrics.catalogue import FAMILIES
from exporter.pipeline.border import Border
from exporter.pipeline.ingest import Committed, Ingest
from exporter.quality import Thresholds
from exporter.sources.base import Delivery

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model import Report

DAY = 86_400.0

#: The counter, the marks that prove it, and the tallies of both that are there no more.
_SUMS = (
    ("webrtc_sessions_total", "seen_sessions", "forgotten_sessions", "departed_sessions"),
    ("webrtc_peer_sessions_total", "seen_peers", "forgotten_peers", "departed_peers"),
)


class Desk:
    """An ingest over its ledger."""

    def __init__(self, folder: Path, history_seconds: float = HISTORY_SECONDS) -> None:
        self.folder = folder
        self._history_seconds = history_seconds
        self._open()

    def _open(self) -> None:
        self.ledger = Ledger.open(self.folder, history_seconds=self._history_seconds)
        self.ingest = Ingest(self.ledger, FAMILIES, Thresholds(), Border())

    def restart(self) -> None:
        """The process ends and another begins."""
        self.ledger.close()
        self._open()

    def deliver(self, *reports: Report, now: float, source: str = "prod", **more: object) -> Committed:
        """Delivers reports of a source."""
        return self.ingest.commit(source, Delivery(reports=reports, **more), now)  # type: ignore[arg-type] # any fields

    def forget(self, now: float, steps: int = 100) -> None:
        """Lets the ledger forget what it may: all steps of a round and more, as long as there are not many rows."""
        for _ in range(steps):
            self.ledger.forget(now)

    def count(self, *series: str) -> float:
        """The first number of a series: a counter's value."""
        known = self.ledger.counts.get(series)
        return known.amounts[0] if known else 0.0

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        (number,) = self.ledger._connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608, SLF001 - for tests
        return int(number)

    def tally(self, source: str, name: str) -> float | None:
        """A sum that no other table shows."""
        row = self.ledger._connection.execute(  # noqa: SLF001 - nothing of the exporter asks for it
            "SELECT amount FROM tallies WHERE source = ? AND name = ?", (source, name)
        ).fetchone()
        return row[0] if row else None

    def check(self) -> None:
        """Holds that the marks and the counters are about the same sessions and peers.

        Raises:
            AssertionError: they are not.
        """
        connection = self.ledger._connection  # noqa: SLF001 - for tests
        for family, table, forgotten, departed in _SUMS:
            (proven,) = connection.execute(
                f"SELECT (SELECT count(*) FROM {table})"  # noqa: S608 - fixed names
                " + (SELECT coalesce(sum(amount), 0) FROM tallies WHERE name = ?)",
                (forgotten,),
            ).fetchone()
            (left,) = connection.execute(
                "SELECT coalesce(sum(amount), 0) FROM tallies WHERE name = ?", (departed,)
            ).fetchone()
            counted = sum(count.amounts[0] for series, count in self.ledger.counts.items() if series[0] == family)
            assert proven == counted + left, family
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
