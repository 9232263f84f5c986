"""What is in a state, as values: read at one moment, changed never."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from exporter.ledger import Terms
from exporter.ledger.timeline import end_of
from exporter.ledger.transaction import decode_series
from exporter.model import Session
from exporter.remembered import ASIDE
from exporter.sources.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Peers(Struct, frozen=True, kw_only=True):
    """Peers' stays that were counted, by verdict."""

    good: int = 0
    fair: int = 0
    poor: int = 0
    unclassified: int = 0
    #: Those whose counts left with their rooms (`metrics.room_ttl`).
    departed: int = 0


class Source(Struct, frozen=True, kw_only=True):
    """What the state knows of one source."""

    source: str
    sessions: int
    #: Sessions whose counts left with their rooms.
    sessions_departed: int
    peers: Peers
    reports_ingested: int
    reports_duplicate: int
    reports_rejected: int
    tasks_waiting: int
    #: Those that nothing is waited for with, such as another look at what is counted already.
    tasks_aside: int
    tasks_finished: int
    objects: int
    #: Unix seconds of the newest session end that it reported; None before the first.
    newest_end: float | None


class View(Struct, frozen=True, kw_only=True):
    """The sessions in view: those that show in gauges."""

    sessions: int
    peers: int
    #: Unix seconds of the ingestion of the one that has been there longest, and of the last one; None where none is.
    oldest: float | None
    newest: float | None


class Series(Struct, frozen=True, kw_only=True):
    """The counters and histograms."""

    series: int
    #: Those that still show zeros.
    held: int
    #: Rooms that have counts.
    rooms: int


class Marks(Struct, frozen=True, kw_only=True):
    """What is remembered so that it counts once."""

    sessions: int
    peers: int
    #: Documents that were rejected, and sessions of which peers were left out.
    rejections: int
    #: Marks that are no longer needed and were forgotten.
    sessions_forgotten: int
    peers_forgotten: int
    #: Unix seconds of the oldest session that there is a mark of; None where there is none with a time.
    since: float | None
    #: Unix seconds: what ended no later and is not known may have been counted, and is counted no more; None: nothing.
    forgotten_before: float | None


class SessionInView(Struct, frozen=True, kw_only=True):
    """One session in view. Moments are Unix seconds."""

    source: str
    room_id: str
    room_name: str
    session_id: str
    start: float | None
    end: float | None
    peers: int
    ingested: float


class Shard(Struct, frozen=True, kw_only=True):
    """Which of `count` equal exporters the state is of, from 0."""

    index: int
    count: int


class Receiver(Struct, frozen=True, kw_only=True):
    """Who takes the timeline, and what it does not have yet."""

    #: `remote_write/NAME`, or `/timeline`.
    receiver: str
    stays: int
    samples: int
    bytes: int


class TimelineLog(Struct, frozen=True, kw_only=True):
    """What waits to be handed over of the timeline, or is kept."""

    stays: int
    bytes: int
    #: Unix seconds of the first sample of all, and of the last; None where there is none.
    first: float | None
    last: float | None
    receivers: tuple[Receiver, ...]


class Overview(Struct, frozen=True, kw_only=True):
    """What is in a state."""

    file: str
    #: Bytes on disk, with what belongs to the file.
    size_bytes: int
    state_version: int
    #: The labels whose values are pseudonyms.
    pseudonyms: tuple[str, ...]
    shard: Shard
    view: View
    series: Series
    marks: Marks
    timeline: TimelineLog
    sources: tuple[Source, ...]
    #: The longest there first; None where they were not asked for.
    sessions: tuple[SessionInView, ...] | None = None


def overview(connection: sqlite3.Connection, path: Path, *, with_sessions: bool = False) -> Overview:
    """Reads what is in a state.

    Args:
        connection: to the state.
        path: its file.
        with_sessions: whether to list the sessions in view.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    try:
        return _overview(connection, path, with_sessions=with_sessions)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError, IndexError) as error:
        # Whatever a row holds that no exporter has written: which one it is, the check tells.
        msg = f"a row that cannot be read, which `state check` names: {error}"
        raise sqlite3.DatabaseError(msg) from error


def _overview(connection: sqlite3.Connection, path: Path, *, with_sessions: bool) -> Overview:
    tallies = _tallies(connection)
    terms = _terms(connection)
    return Overview(
        file=printable(str(path)),
        size_bytes=sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*")),
        state_version=_number(connection, "PRAGMA user_version"),
        pseudonyms=terms.pseudonyms,
        shard=Shard(index=terms.shard_index, count=terms.shard_count),
        view=_view(connection),
        series=Series(
            series=_number(connection, "SELECT count(*) FROM counts"),
            held=_number(connection, "SELECT count(*) FROM counts WHERE held"),
            rooms=_number(connection, "SELECT count(*) FROM rooms"),
        ),
        marks=_marks(connection, tallies),
        timeline=_timeline(connection),
        sources=tuple(_sources(connection, tallies)),
        sessions=tuple(_sessions(connection)) if with_sessions else None,
    )


def _view(connection: sqlite3.Connection) -> View:
    sessions, oldest, newest = connection.execute(
        "SELECT count(*), min(ingested), max(ingested) FROM sessions"
    ).fetchone()
    peers = _number(connection, "SELECT count(*) FROM peers")
    return View(sessions=sessions, peers=peers, oldest=oldest, newest=newest)


def _marks(connection: sqlite3.Connection, tallies: Counter[tuple[str, str]]) -> Marks:
    sessions, since = connection.execute('SELECT count(*), min("end") FROM seen_sessions').fetchone()

    def of_all(name: str) -> int:
        return round(sum(amount for (_, tally), amount in tallies.items() if tally == name))

    before = [amount for (_, name), amount in tallies.items() if name == "forgotten_before"]
    return Marks(
        sessions=sessions,
        peers=_number(connection, "SELECT count(*) FROM seen_peers"),
        rejections=_number(connection, "SELECT count(*) FROM seen_rejected"),
        sessions_forgotten=of_all("forgotten_sessions"),
        peers_forgotten=of_all("forgotten_peers"),
        since=since,
        forgotten_before=max(before, default=None),
    )


def _timeline(connection: sqlite3.Connection) -> TimelineLog:
    stays, size, first, last = connection.execute(
        'SELECT count(*), coalesce(sum(length(payload)), 0), min("first"), max("last") FROM timeline'
    ).fetchone()
    end = end_of(connection)
    receivers = connection.execute("SELECT * FROM timeline_receivers ORDER BY name")
    return TimelineLog(
        stays=stays,
        bytes=size,
        first=first,
        last=last,
        receivers=tuple(
            Receiver(receiver=name, stays=end.id - row, samples=end.samples - samples, bytes=end.bytes - bytes_)
            for name, row, samples, bytes_ in receivers
        ),
    )


def _sources(connection: sqlite3.Connection, tallies: Counter[tuple[str, str]]) -> Iterator[Source]:
    counted = _counted(connection)
    unfinished = _by_source(connection, "SELECT source, count(*) FROM tasks WHERE due IS NOT NULL GROUP BY source")
    aside = _by_source(
        connection,
        "SELECT source, count(*) FROM tasks WHERE due IS NOT NULL AND substr(key, 1, ?) = ? GROUP BY source",
        (len(ASIDE), ASIDE),
    )
    finished = _by_source(connection, "SELECT source, count(*) FROM tasks WHERE due IS NULL GROUP BY source")
    objects = _by_source(connection, "SELECT source, count(*) FROM objects GROUP BY source")
    ends = _newest_ends(connection)
    for name in sorted(counted.keys() | unfinished.keys() | finished.keys() | objects.keys() | ends.keys()):
        amounts = counted[name]
        yield Source(
            source=name,
            sessions=amounts["webrtc_sessions_total"],
            sessions_departed=round(tallies[name, "departed_sessions"]),
            peers=Peers(
                good=amounts["good"],
                fair=amounts["fair"],
                poor=amounts["poor"],
                unclassified=amounts["unclassified"],
                departed=round(tallies[name, "departed_peers"]),
            ),
            reports_ingested=amounts["webrtc_exporter_reports_ingested_total"],
            reports_duplicate=amounts["webrtc_exporter_reports_duplicate_total"],
            reports_rejected=amounts["webrtc_exporter_reports_rejected_total"],
            tasks_waiting=unfinished[name] - aside[name],
            tasks_aside=aside[name],
            tasks_finished=finished[name],
            objects=objects[name],
            newest_end=ends.get(name),
        )


def _counted(connection: sqlite3.Connection) -> defaultdict[str, Counter[str]]:
    """Of each source the sums of its counters by family; those of peers by verdict."""
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row, raw in connection.execute("SELECT series, amounts FROM counts"):
        family, *labels = decode_series(row)
        amounts = msgspec.msgpack.decode(raw, type=list[float])
        if family == "webrtc_peer_sessions_total":
            # The room is the second label, where there is one; the reason the last one.
            counted[labels[0]][labels[-2]] += round(amounts[0])
        elif labels and len(amounts) == 1:
            counted[labels[0]][family] += round(amounts[0])
    return counted


def _newest_ends(connection: sqlite3.Connection) -> dict[str, float]:
    rows = connection.execute("SELECT name, value FROM facts WHERE name LIKE 'newest_end/%'")
    return {name.removeprefix("newest_end/"): msgspec.msgpack.decode(end, type=float) for name, end in rows}


def _sessions(connection: sqlite3.Connection) -> Iterator[SessionInView]:
    rows = connection.execute(
        "SELECT session, ingested, (SELECT count(*) FROM peers WHERE peers.source = sessions.source"
        " AND peers.room_id = sessions.room_id AND peers.session_id = sessions.session_id)"
        " FROM sessions ORDER BY ingested, source, room_id, session_id"
    )
    for raw, ingested, peers in rows:
        session = msgspec.msgpack.decode(raw, type=Session)
        yield SessionInView(
            source=session.key.source,
            room_id=session.key.room_id,
            room_name=session.room_name,
            session_id=session.key.session_id,
            start=session.start,
            end=session.end,
            peers=peers,
            ingested=ingested,
        )


def _terms(connection: sqlite3.Connection) -> Terms:
    row = connection.execute("SELECT value FROM facts WHERE name = 'terms'").fetchone()
    return Terms() if row is None else msgspec.msgpack.decode(row[0], type=Terms)


def _tallies(connection: sqlite3.Connection) -> Counter[tuple[str, str]]:
    rows = connection.execute("SELECT source, name, amount FROM tallies")
    return Counter({(source, name): amount for source, name, amount in rows})


def _by_source(connection: sqlite3.Connection, query: str, values: tuple[object, ...] = ()) -> Counter[str]:
    return Counter(dict(connection.execute(query, values).fetchall()))


def _number(connection: sqlite3.Connection, query: str) -> int:
    (number,) = connection.execute(query).fetchone()
    return int(number)
