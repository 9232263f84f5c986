"""Marks, sessions in view, tasks and the rest of a state, row by row."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from exporter.ledger import Terms
from exporter.ledger.transaction import peer_mark, session_mark
from exporter.model import Session, SessionKey
from exporter.pipeline.growth import decode_growth
from exporter.quality import PeerAssessment
from exporter.state.families import series_text, wrong_amounts, wrong_labels
from exporter.state.findings import Finding

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from exporter.state.check_counts import Bounds
    from exporter.state.families import Wrong

_Kind = TypeVar("_Kind")

#: Bytes of a digest.
_DIGEST = 16
#: Bytes of a nonce and of what shows that nothing was changed (`exporter.sealing`).
_SHORTEST_SEALED = 12 + 16
_SUMS = ("departed_peers", "departed_sessions", "forgotten_peers", "forgotten_sessions")
_MOMENTS = ("forgotten_before",)


def wrong_marks(connection: sqlite3.Connection, bounds: Bounds) -> Iterator[Finding]:
    """What is remembered of sessions, peers and rejected documents."""
    for table in ("seen_sessions", "seen_peers"):
        rows = connection.execute(f'SELECT mark, source, "end", seen FROM {table} ORDER BY mark')  # noqa: S608 - fixed names
        for mark, source, end, seen in rows:
            what = f"the mark {_hexadecimal(mark)} in {table}"
            yield from _wrong_digest(what, "mark", mark)
            if not isinstance(source, str):
                yield Finding(f"{what}: source", repr(source), "a text")
            yield from _wrong_moment(f"{what}: end", end, optional=True)
            yield from _wrong_moment(f"{what}: seen", seen)
    for mark, fingerprint, windows, counted in connection.execute(
        "SELECT mark, fingerprint, windows, counted FROM seen_peers ORDER BY mark"
    ):
        what = f"the mark {_hexadecimal(mark)} in seen_peers"
        yield from _wrong_digest(what, "fingerprint", fingerprint)
        if not isinstance(windows, int) or windows < 0:
            yield Finding(f"{what}: windows", repr(windows), "a number from 0 on")
        yield from (Finding(f"{what}: what it added", *wrong) for wrong in _wrong_base(counted, bounds))
    for mark, seen in connection.execute("SELECT mark, seen FROM seen_rejected ORDER BY mark"):
        what = f"the mark {_hexadecimal(mark)} in seen_rejected"
        yield from _wrong_digest(what, "mark", mark)
        yield from _wrong_moment(f"{what}: seen", seen)


def wrong_view(connection: sqlite3.Connection) -> Iterator[Finding]:
    """The sessions in view and their peers, and whether they were counted."""
    watermarks = dict(connection.execute("SELECT source, amount FROM tallies WHERE name = 'forgotten_before'"))
    started: dict[SessionKey, float | None] = {}
    for *identity, raw, ingested in connection.execute(
        "SELECT source, room_id, session_id, session, ingested FROM sessions ORDER BY source, room_id, session_id"
    ):
        key = SessionKey(*identity)
        what = _session_text(key)
        yield from _wrong_moment(f"{what}: ingested", ingested)
        session = _decoded(raw, Session)
        if session is None:
            yield Finding(what, "what cannot be read", "a session")
            continue
        if session.key != key:
            yield Finding(what, f"the content of {_session_text(session.key)}", "its own")
        started[key] = session.start
        known = connection.execute("SELECT 1 FROM seen_sessions WHERE mark = ?", (session_mark(key),)).fetchone()
        if known is None and not _may_be_forgotten(key, session.start, watermarks):
            yield Finding(what, "in view, but no mark of it", "one in seen_sessions")
    for *identity, peer_id, raw in connection.execute(
        "SELECT source, room_id, session_id, peer_id, assessment FROM peers"
        " ORDER BY source, room_id, session_id, peer_id"
    ):
        key = SessionKey(*identity)
        what = f"peer {peer_id!r} of {_session_text(key)}"
        peer = _decoded(raw, PeerAssessment)
        if peer is None:
            yield Finding(what, "what cannot be read", "an assessment")
            continue
        if peer.peer_id != peer_id:
            yield Finding(what, f"the content of peer {peer.peer_id!r}", "its own")
        if key not in started:
            yield Finding(what, "no such session in view", "one")
            continue
        mark = peer_mark(key, peer_id, peer.stay)
        known = connection.execute("SELECT 1 FROM seen_peers WHERE mark = ?", (mark,)).fetchone()
        if known is None and not _may_be_forgotten(key, started[key], watermarks):
            yield Finding(what, "in view, but no mark of it", "one in seen_peers")


def wrong_remembered(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Tasks, objects, rooms, and the single values of the state."""
    yield from _wrong_terms(connection)
    yield from _wrong_tasks(connection)
    for source, name, tag, seen in connection.execute("SELECT * FROM objects ORDER BY source, name"):
        what = f"object {name!r} of {source!r}"
        if not isinstance(tag, str):
            yield Finding(f"{what}: tag", repr(tag), "a text")
        yield from _wrong_moment(f"{what}: seen", seen)
    for source, room_id, last_report in connection.execute("SELECT * FROM rooms ORDER BY source, room_id"):
        what = f"room {room_id!r} of {source!r}: last report"
        yield from _wrong_moment(what, last_report)
    for name, value in connection.execute("SELECT name, value FROM facts WHERE name LIKE 'newest_end/%' ORDER BY name"):
        what = f"the newest session end of {name.removeprefix('newest_end/')!r}"
        yield from _wrong_moment(what, _decoded(value, float))
    yield from _wrong_tallies(connection)


def _wrong_tasks(connection: sqlite3.Connection) -> Iterator[Finding]:
    sealed = _are_sealed(connection)
    for source, key, due, attempts, notes, changed in connection.execute("SELECT * FROM tasks ORDER BY source, key"):
        what = f"task {key!r} of {source!r}"
        yield from _wrong_moment(f"{what}: due", due, optional=True)
        yield from _wrong_moment(f"{what}: changed", changed)
        if not isinstance(attempts, int) or attempts < 0:
            yield Finding(f"{what}: attempts", repr(attempts), "a number from 0 on")
        if due is None and notes:
            yield Finding(f"{what}: notes", f"{len(notes)} bytes, though it is finished", "none")
        elif sealed and due is not None:
            # What is in them only the salt can open.
            if not isinstance(notes, bytes) or len(notes) < _SHORTEST_SEALED:
                yield Finding(f"{what}: notes", "what is not sealed", "sealed ones, as there are pseudonyms")
        elif notes and not _is_json(notes):
            yield Finding(f"{what}: notes", "what cannot be read", "JSON")


def _wrong_tallies(connection: sqlite3.Connection) -> Iterator[Finding]:
    for source, name, amount in connection.execute("SELECT * FROM tallies ORDER BY source, name"):
        what = f"the tally {name!r} of {source!r}"
        if name in _MOMENTS:
            yield from _wrong_moment(what, amount)
        elif name not in _SUMS:
            yield Finding(what, "no tally of that name", f"one of {', '.join((*_MOMENTS, *_SUMS))}")
        elif not isinstance(amount, float) or not amount.is_integer() or amount < 0:
            yield Finding(what, repr(amount), "a whole number from 0 on")


def _may_be_forgotten(key: SessionKey, start: float | None, watermarks: dict[str, float]) -> bool:
    """Whether the mark of a session may be gone that is still in view, as with a `metrics.series_ttl` of months."""
    upto = max((watermarks[source] for source in (key.source, "") if source in watermarks), default=None)
    return upto is not None and (start is None or start // 1.0 <= upto)


def _wrong_base(counted: object, bounds: Bounds) -> Iterator[Wrong]:
    if counted == b"":
        return
    try:
        base = decode_growth(counted if isinstance(counted, bytes) else b"")
    except (msgspec.DecodeError, zlib.error, UnicodeDecodeError):
        yield "what cannot be read", "series with amounts"
        return
    for series, amounts in base.items():
        # Without numbers where the family began afresh since.
        wrong = list(wrong_labels(series)) or (list(wrong_amounts(series, amounts, bounds)) if amounts else [])
        yield from ((f"{found} of {series_text(series)}", expected) for found, expected in wrong)


def _are_sealed(connection: sqlite3.Connection) -> bool:
    """Whether notes of tasks are sealed, as they are where labels are pseudonyms."""
    row = connection.execute("SELECT value FROM facts WHERE name = 'terms'").fetchone()
    terms = None if row is None else _decoded(row[0], Terms)
    return terms is not None and bool(terms.pseudonyms)


def _wrong_terms(connection: sqlite3.Connection) -> Iterator[Finding]:
    row = connection.execute("SELECT value FROM facts WHERE name = 'terms'").fetchone()
    if row is not None and _decoded(row[0], Terms) is None:
        yield Finding("what the state was begun with", "what cannot be read", "pseudonyms and shard")


def _wrong_digest(what: str, name: str, digest: object) -> Iterator[Finding]:
    if not isinstance(digest, bytes) or len(digest) != _DIGEST:
        yield Finding(f"{what}: {name}", repr(digest), f"a digest of {_DIGEST} bytes")


def _wrong_moment(what: str, moment: object, *, optional: bool = False) -> Iterator[Finding]:
    if moment is None and optional:
        return
    if not isinstance(moment, float) or not math.isfinite(moment):
        yield Finding(what, repr(moment), "Unix seconds")


def _decoded(raw: object, kind: type[_Kind]) -> _Kind | None:
    try:
        return msgspec.msgpack.decode(raw, type=kind) if isinstance(raw, bytes) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_json(notes: object) -> bool:
    try:
        msgspec.json.decode(notes if isinstance(notes, bytes) else b"", type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _session_text(key: SessionKey) -> str:
    return f"session {key.session_id!r} in room {key.room_id!r} of {key.source!r}"


def _hexadecimal(mark: object) -> str:
    return mark.hex() if isinstance(mark, bytes) else repr(mark)
