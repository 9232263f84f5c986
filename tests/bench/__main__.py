"""`make bench`: what a scrape costs, against prometheus-client's generate_latest on the same samples; and sending."""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib.metadata import version
from itertools import count, cycle
from typing import TYPE_CHECKING

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo import hundredms_documents, simulation
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.exposition import Generation, Headers
from exporter.metrics.gauges import GaugeRenderer
from exporter.metrics.key_values import KeyValues
from exporter.metrics.store import SeriesStore
from exporter.model import Report, Session, SessionKey
from exporter.quality import Thresholds, assess_peer
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from tests.bench import remote_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from exporter.quality import PeerAssessment

#: The size at which a scrape is measured.
SERIES = 200_000
_PEERS_IN_A_SESSION = 5


class _Prepared:
    """A collector whose families are made already, so that only their rendering is measured."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families

    def describe(self) -> Iterable[Metric]:
        return ()


def _assessments() -> Iterator[PeerAssessment]:
    """The peers of a few simulated 100ms sessions."""
    for recording in simulation.volume("bench", 4, _PEERS_IN_A_SESSION, 1_772_359_200.0):
        for number in range(_PEERS_IN_A_SESSION):
            raw = json.dumps(hundredms_documents.peer_stats(recording, number)).encode()
            key = SessionKey("bench", "room", hundredms_documents.session_id(recording.meeting))
            facts = PeerFacts(peer_id=hundredms_documents.peer_id(recording.meeting, number))
            report = parse_peer_stats(raw, Session(key=key), facts)
            assert isinstance(report, Report)
            yield assess_peer(report.peers[0], Thresholds())


def _filled_store() -> tuple[SeriesStore, GaugeRenderer]:
    store, renderer = SeriesStore(), GaugeRenderer(FAMILIES, KeyValues({}))
    for number, peer in zip(count(), cycle(list(_assessments())), strict=False):
        if store.series >= SERIES:
            break
        key = SessionKey("bench", f"room-{number % 500}", f"session-{number // _PEERS_IN_A_SESSION}")
        store.put((key, number), renderer.peer(key, replace(peer, peer_id=f"peer-{number}")))
    return store, renderer


def _cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    """The least CPU time of a few runs."""
    spent = []
    for _ in range(times):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return min(spent)


def main() -> None:
    """Prints the CPU time of scrapes and their ratio to the peer's."""
    store, renderer = _filled_store()
    headers = Headers(FAMILIES)
    generation = Generation(1, headers, store.segments())
    page = b"".join(generation.body(b"", open_metrics=False, gzip=False).chunks)
    generation.body(b"", open_metrics=False, gzip=True)
    registry = CollectorRegistry()
    registry.register(_Prepared(text_string_to_metric_families(page.decode())))
    peer = _cpu_seconds(lambda: generate_latest(registry))

    changes = count()
    assessment = next(_assessments())

    def after_a_change(*, gzip: bool) -> None:
        key = SessionKey("bench", "room-x", f"new-{next(changes)}")
        store.put((key, "p"), renderer.peer(key, assessment))
        Generation(2, headers, store.segments()).body(b"", open_metrics=False, gzip=gzip)

    rows = (
        ("plain, a peer was ingested since the last scrape", _cpu_seconds(lambda: after_a_change(gzip=False))),
        ("gzip, a peer was ingested since the last scrape", _cpu_seconds(lambda: after_a_change(gzip=True))),
        ("gzip, nothing new", _cpu_seconds(lambda: generation.body(b"", open_metrics=False, gzip=True))),
    )
    out = sys.stdout.write
    out(f"Python {platform.python_version()}, prometheus-client {version('prometheus-client')}\n")
    out(f"{store.series} series, {len(page) / 1e6:.1f} MB of text\n")
    out(f"  {peer * 1000:9.2f} ms CPU         prometheus-client generate_latest (families made beforehand, no gzip)\n")
    for what, seconds in rows:
        out(f"  {seconds * 1000:9.2f} ms CPU {peer / seconds:6.0f}x {what}\n")
    for row in remote_write.rows():
        out(row)


if __name__ == "__main__":
    main()
