"""`make year`: a year of sessions through the real ledger, ingest and page, with time as an argument.

Prints at the end of each simulated month how large state and memory are; once marks are forgotten both are flat.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from exporter.config import MetricsSettings
from exporter.ledger import HISTORY_SECONDS, Ledger
from exporter.metrics.catalogue import FAMILIES
from exporter.model import Peer, Report, Session, SessionKey, Stream, Summary, Track, Window
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Committed, Ingest
from exporter.pipeline.publisher import Publisher
from exporter.quality import Thresholds
from exporter.sources.base import Delivery, ObjectIdentity, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = 86_400.0
BEGIN = 1_767_225_600.0
#: Deliveries that are committed together, as when a burst arrives.
_TOGETHER = 20
#: Steps of forgetting after each burst; an exporter makes one a second.
_STEPS = 5
_WINDOWS = 12


class Measured(Struct, frozen=True, kw_only=True):
    """The exporter at one moment of the year."""

    day: float
    sessions: int
    state_bytes: int
    pages: int
    free_pages: int
    #: Rows by table.
    rows: dict[str, int]
    #: Counters and histograms in memory.
    counts: int
    #: Series on the page.
    series: int
    resident_bytes: int
    sessions_per_second: float


class Year(Struct, frozen=True, kw_only=True):
    """What to simulate."""

    sessions: int = 2_000_000
    days: float = 365.0
    history_seconds: float = HISTORY_SECONDS
    #: How often to measure.
    every_days: float = 30.0
    #: One session in so many comes peer by peer with time series, which take most of the work; the others as a whole.
    series_every: int = 50
    #: Of each session.
    peers: int = 1


def _stream(direction: str) -> Stream:
    windows = tuple(
        Window(
            end=BEGIN + 10.0 * number,
            seconds=10.0,
            throughput_bytes_per_second=4000.0 + number / 7,
            packet_loss_ratio=number / 1000,
            jitter_seconds=0.004 + number / 7000,
            round_trip_time_seconds=0.1 + number / 700,
        )
        for number in range(_WINDOWS)
    )
    return Stream(direction=direction, kind="audio", tracks=(Track(track_id="t", windows=windows),))  # type: ignore[arg-type] # one of the two


_SERIES = (_stream("send"), _stream("recv"))
_SUMMARY = (Stream(direction="recv", kind="audio", summary=Summary(packet_loss_ratio=0.01, mos=4.2)),)


def _reports(year: Year) -> Iterator[tuple[float, str, Delivery]]:
    """All deliveries with their time and source."""
    for number in range(year.sessions):
        end = BEGIN + year.days * DAY * number / year.sessions
        is_whole = number % year.series_every > 0
        source = "watch" if is_whole else "meetings"
        # Every seventh session has a room of its own, the others share five hundred.
        room = f"own-{number}" if number % 7 == 0 else f"room-{number % 500}"
        streams = _SUMMARY if is_whole else _SERIES
        session = Session(
            key=SessionKey(source, room, f"session-{number}"), start=end - 60.0, end=end, peers=year.peers
        )
        peers = tuple(
            Peer(peer_id=f"peer-{number}-{each}", start=end - 60.0, end=end, duration_seconds=60.0, streams=streams)
            for each in range(year.peers)
        )
        if is_whole:
            objects = (ObjectIdentity(f"{number}.json", "etag"),) if number % 21 == 0 else ()
            yield end + 120.0, source, Delivery(reports=(Report(session=session, peers=peers),), read_objects=objects)
        else:
            for peer in peers:
                task = Task(key=f"session-{number}/{peer.peer_id}", due=end)
                one = Report(session=session, peers=(peer,))
                yield end + 120.0, source, Delivery(reports=(one,), new_tasks=(task,), finished_tasks=(task.key,))


def simulate(year: Year, folder: Path, look: Callable[[Measured], None]) -> None:
    """Runs a year and shows how things stand every now and then, and at its end."""
    ledger = Ledger.open(folder, history_seconds=year.history_seconds)
    ingest = Ingest(ledger, FAMILIES, Thresholds(), Border())
    publisher = Publisher(ledger, FAMILIES, MetricsSettings(), Thresholds(), ZeroHold())
    publisher.load()
    deliveries = _reports(year)
    next_look, sessions = year.every_days, 0
    began, counted = time.perf_counter(), 0
    now = published = BEGIN
    while together := list(islice(deliveries, _TOGETHER)):
        # An exporter does both every second; here the page waits for half an hour, or an hour where nothing is new.
        while now + 3600.0 < together[0][0]:
            now += 3600.0
            _publish(publisher, now)
            _forget(ledger, now)
        now = max(now, together[-1][0])
        for committed in ingest.commit_together([(source, delivery) for _, source, delivery in together], now):
            if not isinstance(committed, Committed):
                raise committed
            publisher.take(committed, now)
        if now >= published + 1800.0:
            _publish(publisher, now)
            published = now
        _forget(ledger, now)
        sessions = round((now - 120.0 - BEGIN) / (year.days * DAY) * year.sessions) + 1
        if (now - BEGIN) / DAY >= next_look:
            spent = time.perf_counter() - began
            look(_measure(ledger, publisher, now, sessions, (sessions - counted) / spent))
            next_look += year.every_days
            began, counted = time.perf_counter(), sessions
    ledger.close()


def _publish(publisher: Publisher, now: float) -> None:
    publisher.publish(now, Audience(publisher.generation.number))


def _forget(ledger: Ledger, now: float) -> None:
    for _ in range(_STEPS):
        ledger.forget(now)


def _measure(ledger: Ledger, publisher: Publisher, now: float, sessions: int, rate: float) -> Measured:
    connection = ledger._connection  # noqa: SLF001 - nothing of the exporter asks for it

    def number(question: str) -> int:
        return int(connection.execute(question).fetchone()[0])

    tables = ("seen_sessions", "seen_peers", "tasks", "objects", "counts", "rooms", "sessions", "peers")
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return Measured(
        day=(now - BEGIN) / DAY,
        sessions=sessions,
        state_bytes=ledger.size(),
        pages=number("PRAGMA page_count"),
        free_pages=number("PRAGMA freelist_count"),
        rows={table: number(f"SELECT count(*) FROM {table}") for table in tables},  # noqa: S608 - fixed names
        counts=len(ledger.counts),
        series=sum(publisher.series.values()),
        resident_bytes=int(pages) * resource.getpagesize(),
        sessions_per_second=rate,
    )


def _print(measured: Measured) -> None:
    rows = measured.rows
    sys.stdout.write(
        f"day {measured.day:6.1f} {measured.sessions:9d} sessions {measured.sessions_per_second:6.0f}/s"
        f"  state {measured.state_bytes / 1e6:7.1f} MB ({measured.free_pages / measured.pages:4.0%} free)"
        f"  memory {measured.resident_bytes / 1e6:6.1f} MB  series {measured.series:7d}"
        f"  marks {rows['seen_sessions']:7d} + {rows['seen_peers']:7d}  tasks {rows['tasks']:7d}"
        f"  counts {rows['counts']:6d}\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Prints a year."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=Year().sessions)
    parser.add_argument("--days", type=float, default=Year().days)
    year = parser.parse_args()
    with TemporaryDirectory() as folder:
        simulate(replace(Year(), sessions=year.sessions, days=year.days), Path(folder), _print)


if __name__ == "__main__":
    main()
