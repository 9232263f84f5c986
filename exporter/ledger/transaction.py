"""One transaction: whatever a delivery changes, together or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct

from exporter.ledger import timeline

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from exporter.ledger.errors import Troubles
    from exporter.model import Peer, Session, SessionKey
    from exporter.remembered import ObjectIdentity, Task

SeriesKey: TypeAlias = tuple[str, ...]
Vector: TypeAlias = list[float]

#: What is met again is noted when it was last noted longer ago.
_REFRESH_SECONDS = 86_400.0
#: Counters whose sum is that of the marks, and the tally of what left with rooms that expired.
_DEPARTING = {
    "webrtc_sessions_total": "departed_sessions",
    "webrtc_peer_sessions_total": "departed_peers",
}


class Count(Struct):
    """What one series of a counter or histogram holds."""

    amounts: Vector
    #: Unix seconds of its first increment.
    created: float
    #: Whether it is still shown at zero.
    held: bool


class SeenPeer(Struct, frozen=True):
    """What is remembered of a stay that was counted."""

    fingerprint: bytes
    windows: int
    #: What it added that can grow, as it was given to `remember_peer`; empty: what comes later adds nothing.
    counted: bytes
    #: What was handed over of its peer, as it was given to `remember_peer`; empty: nothing, or it grows no more.
    sent: bytes = b""


class Transaction:
    """The changes of one transaction; made by `Ledger.transaction`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        known: tuple[Mapping[SeriesKey, Count], ...],
        now: float,
        troubles: Troubles,
    ) -> None:
        """Begins without changes.

        Args:
            connection: within a transaction of SQLite.
            known: what the series hold; what stands in several is as the first of them says.
            now: Unix seconds.
            troubles: turns errors of SQLite into those of the state.
        """
        self._connection = connection
        self._troubles = troubles
        self._known = known
        self._now = now
        # Whole seconds take half the room on disk.
        self._seen = now // 1.0
        #: Series that this transaction changes, as they will be; applied in memory after the commit.
        self.changed: dict[SeriesKey, Count] = {}
        self.removed: set[SeriesKey] = set()

    @property
    def is_open(self) -> bool:
        """Whether it can still be committed: after some errors, such as a full disk, SQLite has undone it already."""
        return self._connection.in_transaction

    @contextmanager
    def savepoint(self) -> Iterator[Transaction]:
        """Makes a part of this transaction of which an exception undoes nothing else."""
        part = Transaction(self._connection, (self.changed, *self._known), self._now, self._troubles)
        with self._troubles.told():
            self._connection.execute("SAVEPOINT part")
            try:
                yield part
            except BaseException:
                if self.is_open:
                    self._connection.execute("ROLLBACK TO part")
                    self._connection.execute("RELEASE part")
                raise
            self._connection.execute("RELEASE part")
        self.changed.update(part.changed)
        self.removed |= part.removed

    # What was seen

    def is_forgotten(self, source: str, end: float | None) -> bool:
        """Whether what has no mark may have had one, as marks of what ended as late as `end` were forgotten."""
        # Marks that do not know their source may have been of any.
        (newest,) = self._connection.execute(
            "SELECT max(amount) FROM tallies WHERE source IN (?, '') AND name = 'forgotten_before'", (source,)
        ).fetchone()
        return end is not None and newest is not None and end <= newest

    def seen_session(self, key: SessionKey) -> bool:
        """Whether a session was counted before; if so it is remembered longer."""
        return bool(self._still_seen("seen_sessions", _digest(key.source, key.room_id, key.session_id)))

    def remember_session(self, key: SessionKey, end: float | None) -> None:
        """Remembers a session that is counted in this transaction.

        Args:
            key: its identity.
            end: Unix seconds at which it ended; None where no time of it is known.
        """
        self._connection.execute(
            "INSERT INTO seen_sessions VALUES (?, ?, ?, ?)",
            (_digest(key.source, key.room_id, key.session_id), key.source, end, self._seen),
        )

    def is_new_skip(self, source: str, session_id: str) -> bool:
        """Whether a session of which peers are left out comes up for the first time; from now on it has."""
        return self._is_new_rejection(_digest(source, "skipped peers", session_id))

    def is_new_rejection(self, source: str, document: bytes) -> bool:
        """Whether a rejected document (its digest) comes up for the first time; from now on it has."""
        return self._is_new_rejection(_digest(source, document))

    def seen_peer(self, key: SessionKey, peer_id: str, stay: str) -> SeenPeer | None:
        """What is remembered of a stay, and from now on longer; None if it was never counted."""
        row = self._still_seen(
            "seen_peers",
            _digest(key.source, key.room_id, key.session_id, peer_id, stay),
            "fingerprint, windows, counted, sent",
        )
        return SeenPeer(*row) if row else None

    def remember_peer(self, key: SessionKey, peer: Peer, end: float | None, seen: SeenPeer) -> None:
        """Remembers a stay that is counted in this transaction.

        Args:
            key: the session.
            peer: the peer with its stay.
            end: Unix seconds at which the session ended; None where no time of it is known.
            seen: what to remember of the stay.
        """
        self._connection.execute(
            "INSERT OR REPLACE INTO seen_peers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                _digest(key.source, key.room_id, key.session_id, peer.peer_id, peer.stay),
                key.source,
                end,
                self._seen,
                seen.fingerprint,
                seen.windows,
                seen.counted,
                seen.sent,
            ),
        )

    def change_counted(self, change: Callable[[bytes], bytes]) -> None:
        """Rewrites what is remembered of what stays added, of all that have any; the same means: as it is."""
        rows = self._connection.execute("SELECT counted, mark FROM seen_peers WHERE counted <> x'' ORDER BY mark")
        changed = [(new, mark) for counted, mark in rows if (new := change(counted)) != counted]
        self._connection.executemany("UPDATE seen_peers SET counted = ? WHERE mark = ?", changed)

    def add_to_timeline(self, first: float, last: float, samples: int, payload: bytes) -> None:
        """Appends to the log of what is to be handed over.

        Args:
            first: Unix seconds of the first sample.
            last: Unix seconds of the last sample.
            samples: how many there are.
            payload: opaque here.
        """
        timeline.add(self._connection, self._now, first, last, samples, payload)

    # Counts

    def add(self, increments: Mapping[SeriesKey, Vector], *, hold: bool) -> None:
        """Adds to series; new ones are made, and held at zero at first if `hold`."""
        for series, vector in increments.items():
            known = self._count(series)
            if known is None:
                self.changed[series] = Count(list(vector), self._now, hold)
            else:
                amounts = [old + new for old, new in zip(known.amounts, vector, strict=True)]
                self.changed[series] = Count(amounts, known.created, known.held)

    def show(self, series: Iterable[SeriesKey]) -> None:
        """Lets the counts of held series show."""
        for key in series:
            known = self._count(key)
            if known:
                self.changed[key] = Count(known.amounts, known.created, held=False)

    def remove(self, series: Iterable[SeriesKey]) -> None:
        """Forgets series; how many sessions and peers leave with them is noted, so that all still add up."""
        for key in series:
            known = self._count(key)
            if known and key not in self.removed and key[0] in _DEPARTING:
                self.add_tally(key[1], _DEPARTING[key[0]], known.amounts[0])
            self.removed.add(key)

    def write_counts(self) -> None:
        """Writes the changed series; the last thing before the commit."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?)",
            (
                (encode_series(key), msgspec.msgpack.encode(count.amounts), count.created, count.held)
                for key, count in self.changed.items()
            ),
        )
        self._connection.executemany(
            "DELETE FROM counts WHERE series = ?",
            ((encode_series(key),) for key in self.removed),
        )

    # What is in view

    def put_room(self, source: str, room_id: str) -> None:
        """Notes that a room has a report."""
        self._connection.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?)", (source, room_id, self._now))

    def put_session(self, session: Session) -> None:
        """Puts a session in view, or back to the front of it."""
        key = session.key
        self._connection.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)",
            (key.source, key.room_id, key.session_id, msgspec.msgpack.encode(session), self._now),
        )

    def peer(self, key: SessionKey, peer_id: str) -> bytes | None:
        """The assessment of a peer in view, None if there is none."""
        row = self._connection.execute(
            "SELECT assessment FROM peers WHERE source = ? AND room_id = ? AND session_id = ? AND peer_id = ?",
            (key.source, key.room_id, key.session_id, peer_id),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def put_peer(self, key: SessionKey, peer_id: str, assessment: bytes) -> None:
        """Puts a peer's assessment in view, in place of an earlier one."""
        self._connection.execute(
            "INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?, ?)",
            (key.source, key.room_id, key.session_id, peer_id, assessment),
        )

    def note_no_later(self) -> None:
        """Lets what was noted later than now be noted now: our clock was ahead, and it would stay until then."""
        self._connection.execute("UPDATE sessions SET ingested = ? WHERE ingested > ?", (self._now, self._now))
        self._connection.execute("UPDATE rooms SET last_report = ? WHERE last_report > ?", (self._now, self._now))

    def remove_session(self, key: SessionKey) -> None:
        """Takes a session out of view."""
        identity = (key.source, key.room_id, key.session_id)
        for table in ("sessions", "peers"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE source = ? AND room_id = ? AND session_id = ?",  # noqa: S608 - fixed names
                identity,
            )

    def remove_room(self, source: str, room_id: str) -> None:
        """Forgets when a room last had a report."""
        self._connection.execute("DELETE FROM rooms WHERE source = ? AND room_id = ?", (source, room_id))

    # What sources asked to be remembered

    def add_task(self, source: str, task: Task) -> bool:
        """Remembers a task and returns whether its key was new; that of a finished one is remembered longer."""
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?)",
            (source, task.key, task.due, task.attempts, task.notes, self._seen),
        )
        if cursor.rowcount == 1:
            return True
        self._connection.execute(
            "UPDATE tasks SET changed = ? WHERE source = ? AND key = ? AND due IS NULL AND abs(changed - ?) > ?",
            (self._seen, source, task.key, self._seen, _REFRESH_SECONDS),
        )
        return False

    def postpone_task(self, source: str, task: Task) -> None:
        """Gives a known task another due time."""
        self._connection.execute(
            "UPDATE tasks SET due = ?, attempts = ?, notes = ?, changed = ? WHERE source = ? AND key = ?",
            (task.due, task.attempts, task.notes, self._seen, source, task.key),
        )

    def finish_task(self, source: str, key: str) -> None:
        """Closes a task; its key stays known."""
        self._connection.execute(
            "UPDATE tasks SET due = NULL, notes = x'', changed = ? WHERE source = ? AND key = ?",
            (self._seen, source, key),
        )

    def read_object(self, source: str, identity: ObjectIdentity) -> None:
        """Remembers an object version as read."""
        self._connection.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
            (source, identity.name, identity.tag, self._seen),
        )

    def still_listed(self, source: str, objects: Iterable[ObjectIdentity]) -> None:
        """Remembers objects longer that were read and are still there."""
        self._connection.executemany(
            "UPDATE objects SET seen = ? WHERE source = ? AND name = ?",
            ((self._seen, source, each.name) for each in objects),
        )

    def put_fact(self, name: str, value: object) -> None:
        """Writes a single value of the state itself."""
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, msgspec.msgpack.encode(value)))

    def put_source_fact(self, source: str, name: str, value: bytes) -> None:
        """Remembers a fact of a source's own, in place of an earlier one."""
        self.put_fact(source_fact_name(source, name), value)

    def add_tally(self, source: str, name: str, amount: float) -> None:
        """Adds to a sum that no other table shows."""
        self._connection.execute(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
            (source, name, amount),
        )

    def raise_tally(self, source: str, name: str, amount: float) -> None:
        """Keeps the greatest of the amounts that were given."""
        self._connection.execute(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = max(amount, excluded.amount)",
            (source, name, amount),
        )

    def put_newest_end(self, source: str, end: float) -> None:
        """Remembers the newest session end (Unix seconds) that a source reported."""
        self.put_fact(f"newest_end/{source}", end)

    def _count(self, series: SeriesKey) -> Count | None:
        return next((layer[series] for layer in (self.changed, *self._known) if series in layer), None)

    def _is_new_rejection(self, mark: bytes) -> bool:
        if self._still_seen("seen_rejected", mark):
            return False
        self._connection.execute("INSERT INTO seen_rejected VALUES (?, ?)", (mark, self._seen))
        return True

    def _still_seen(self, table: str, mark: bytes, columns: str = "mark") -> tuple[Any, ...]:
        """What a mark says, nothing if there is none; at most once a day it is written that it was of use again."""
        row = self._connection.execute(
            f"SELECT {columns}, seen FROM {table} WHERE mark = ?",  # noqa: S608 - fixed names
            (mark,),
        ).fetchone()
        if row is None:
            return ()
        *known, seen = row
        if abs(self._now - seen) > _REFRESH_SECONDS:
            self._connection.execute(f"UPDATE {table} SET seen = ? WHERE mark = ?", (self._seen, mark))  # noqa: S608 - fixed names
        return tuple(known)


def source_fact_name(source: str, name: str) -> str:
    """The name of a source's own fact among those of the state; as JSON, so that no two pairs make the same."""
    return msgspec.json.encode(("source", source, name)).decode()


def encode_series(key: SeriesKey) -> bytes:
    """A series as the key of its row."""
    return msgspec.json.encode(key)


def decode_series(row: bytes) -> SeriesKey:
    """The series that `encode_series` wrote."""
    return msgspec.json.decode(row, type=tuple[str, ...])


def _digest(*parts: str | bytes) -> bytes:
    """Identifies parts without keeping them; lengths keep ("a", "bc") and ("ab", "c") apart."""
    digest = blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def session_mark(key: SessionKey) -> bytes:
    """The mark of a session that was counted."""
    return _digest(key.source, key.room_id, key.session_id)


def peer_mark(key: SessionKey, peer_id: str, stay: str) -> bytes:
    """The mark of a peer's stay that was counted."""
    return _digest(key.source, key.room_id, key.session_id, peer_id, stay)
