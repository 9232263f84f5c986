"""States for the tests of the commands about the state: made by the real ingest, and spoilt by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from exporter.ledger import Ledger
from exporter.ledger.reading import look
from exporter.metrics.catalogue import catalogue
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.opening import bounds_of
from exporter.pipeline.publisher import Publisher
from exporter.quality import Thresholds
from exporter.settings import MetricsSettings
from exporter.sources.base import (
    ASIDE,
    Delivery,
    Fact,
    ObjectIdentity,
    RejectedDocument,
    SkippedPeers,
    Task,
)
from exporter.state.check import check
from exporter.values import Duration
from tests.reports import START, audio, key, peer, report, summarised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from exporter.ledger import Transaction
    from exporter.model import Report
    from exporter.sources.base import Receipt

#: Unix seconds at which things are counted here.
NOW = START + 600.0


class Exporter:
    """What an exporter does with its state, without sources and without a web server."""

    def __init__(
        self,
        folder: Path,
        *,
        rooms: bool = True,
        buckets: Mapping[str, tuple[float, ...]] | None = None,
        now: float = NOW,
        reset: Callable[[Ledger, Mapping[str, Sequence[float]], float], object] | None = None,
        border: Border | None = None,
    ) -> None:
        """Opens the state.

        Args:
            folder: of the state.
            rooms: `metrics.histogram_rooms`.
            buckets: `metrics.buckets`.
            now: Unix seconds.
            border: under which names things are kept; None: their own.
            reset: lets families with other buckets begin afresh; None: they are refused.
        """
        border = border or Border()
        self.ledger = Ledger.open(folder)
        families = catalogue(histogram_rooms=rooms, bounds=buckets)
        if reset:
            reset(self.ledger, bounds_of(families), now)
        self.ledger.keep_bounds(bounds_of(families), now)
        settings = MetricsSettings(series_ttl=Duration(3600), room_ttl=Duration(7200), zero_hold=Duration(0))
        self.ledger.keep_terms(border.terms, now)
        self._ingest = Ingest(self.ledger, families, Thresholds(), border)
        self._publisher = Publisher(self.ledger, families, settings, Thresholds(), ZeroHold())
        self._publisher.load()

    def deliver(self, source: str, *reports: Report, now: float = NOW, **more: object) -> Receipt:
        """Counts what is new of some reports."""
        committed = self._ingest.commit(source, Delivery(reports=reports, **more), now)  # type: ignore[arg-type] # any fields
        self._publisher.take(committed, now)
        return committed.receipt

    def pass_time(self, now: float) -> None:
        """Lets expire what is due; what is held shows."""
        self._publisher.publish(now, Audience())
        self._publisher.publish(now, Audience(self._publisher.generation.number))

    def close(self) -> None:
        """Ends it."""
        self.ledger.close()


@contextmanager
def exporting(folder: Path, *, rooms: bool = True, now: float = NOW) -> Iterator[Exporter]:
    """An exporter over the state in a folder, for a while."""
    with closing(Exporter(folder, rooms=rooms, now=now)) as exporter:
        yield exporter


def busy_state(folder: Path) -> None:
    """A state that has something of everything: two sources, growth, an expired room, rejections, tasks, objects."""
    with exporting(folder) as exporter:
        exporter.deliver("prod", report(peer("gone", audio([0.0, 0.2])), of=key("s0", "old")), now=NOW - 8000.0)
        exporter.pass_time(NOW)
        exporter.deliver("prod", report(peer("p1", audio([0.0, 0.0]))))
        exporter.deliver("prod", report(peer("p2", audio([0.3, 0.3]))))
        exporter.deliver("prod", report(peer("p1", audio([0.0, 0.0, 0.0]))))
        exporter.deliver("prod", report(peer("p1", audio([0.0, 0.0]))))
        exporter.deliver("watch", summarised(0.02), report(peer("lost"), of=key("s9", 'café "x"\n', "watch")))
        exporter.deliver(
            "watch",
            rejected=(RejectedDocument(reason="malformed", digest=b"d" * 16, message="a.json: broken"),),
            read_objects=(ObjectIdentity("a.json", "1-2"), ObjectIdentity("b.json", "2-2")),
        )
        exporter.deliver(
            "prod",
            new_tasks=(
                Task(key="s1/p3", due=NOW + 60.0, notes=b'{"a": 1}'),
                Task(key="s1/p1", due=NOW),
                Task(key=f"{ASIDE}again:s1/p2", due=NOW),
            ),
            finished_tasks=("s1/p1",),
            facts=(Fact("looked until", b"\x00not JSON"),),
            skipped_peers=(SkippedPeers("s1", 3),),
        )


@contextmanager
def by_hand(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database of a state, to change as no exporter would."""
    with closing(sqlite3.connect(folder / "state.sqlite", isolation_level=None)) as connection:
        yield connection


def findings(folder: Path) -> list[str]:
    """What the check finds, a line each."""
    return [str(finding) for part in look(folder, check) for finding in part.findings]


@contextmanager
def transaction(folder: Path) -> Iterator[Transaction]:
    """A transaction of the ledger by itself."""
    with closing(Ledger.open(folder)) as ledger, ledger.transaction(NOW) as opened:
        yield opened
