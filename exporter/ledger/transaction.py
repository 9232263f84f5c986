"""One transaction: whatever a delivery changes, together or not at all."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from exporter.model import Peer, Session, SessionKey
    from exporter.remembered import ObjectIdentity, Task

SeriesKey: TypeAlias = tuple[str, ...]
Vector: TypeAlias = list[float]

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


class Transaction:
    """The changes of one transaction; made by `Ledger.transaction`."""

    def __init__(self, connection: sqlite3.Connection, counts: Mapping[SeriesKey, Count], now: float) -> None:
        self._connection = connection
        self._counts = counts
        self._now = now
        #: Series that this transaction changes, as they will be; applied in memory after the commit.
        self.changed: dict[SeriesKey, Count] = {}
        self.removed: set[SeriesKey] = set()

    # What was seen

    def is_new_session(self, key: SessionKey, end: float | None) -> bool:
        """Whether a session comes up for the first time; from now on it has.

        Args:
            key: its identity.
            end: Unix seconds at which it ended; None where no time of it is known.
        """
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO seen_sessions VALUES (?, ?, ?, ?)",
            (_digest(key.source, key.room_id, key.session_id), key.source, end, self._now),
        )
        return cursor.rowcount == 1

    def is_new_rejection(self, source: str, document: bytes) -> bool:
        """Whether a rejected document (its digest) comes up for the first time; from now on it has."""
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO seen_rejected VALUES (?, ?)", (_digest(source, document), self._now)
        )
        return cursor.rowcount == 1

    def seen_peer(self, key: SessionKey, peer_id: str, stay: str) -> SeenPeer | None:
        """What is remembered of a stay, None if it was never counted."""
        row = self._connection.execute(
            "SELECT fingerprint, windows, counted FROM seen_peers WHERE mark = ?",
            (_digest(key.source, key.room_id, key.session_id, peer_id, stay),),
        ).fetchone()
        return None if row is None else SeenPeer(*row)

    def remember_peer(self, key: SessionKey, peer: Peer, end: float | None, seen: SeenPeer) -> None:
        """Remembers a stay that is counted in this transaction.

        Args:
            key: the session.
            peer: the peer with its stay.
            end: Unix seconds at which the session ended; None where no time of it is known.
            seen: what to remember of the stay.
        """
        self._connection.execute(
            "INSERT OR REPLACE INTO seen_peers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                _digest(key.source, key.room_id, key.session_id, peer.peer_id, peer.stay),
                key.source,
                end,
                self._now,
                seen.fingerprint,
                seen.windows,
                seen.counted,
            ),
        )

    # Counts

    def add(self, increments: Mapping[SeriesKey, Vector], *, hold: bool) -> None:
        """Adds to series; new ones are made, and held at zero at first if `hold`."""
        for series, vector in increments.items():
            known = self.changed.get(series) or self._counts.get(series)
            if known is None:
                self.changed[series] = Count(list(vector), self._now, hold)
            else:
                amounts = [old + new for old, new in zip(known.amounts, vector, strict=True)]
                self.changed[series] = Count(amounts, known.created, known.held)

    def show(self, series: Iterable[SeriesKey]) -> None:
        """Lets the counts of held series show."""
        for key in series:
            known = self.changed.get(key) or self._counts[key]
            self.changed[key] = Count(known.amounts, known.created, held=False)

    def remove(self, series: Iterable[SeriesKey]) -> None:
        """Forgets series; how many sessions and peers leave with them is noted, so that all still add up."""
        for key in series:
            known = self.changed.get(key) or self._counts[key]
            if key not in self.removed and key[0] in _DEPARTING:
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

    def put_session(self, session: Session) -> None:
        """Puts a session in view, or back to the front of it."""
        key = session.key
        self._connection.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)",
            (key.source, key.room_id, key.session_id, msgspec.msgpack.encode(session), self._now),
        )
        self._connection.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?)", (key.source, key.room_id, self._now))

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

    def add_task(self, source: str, task: Task) -> None:
        """Remembers a task, if its key is new."""
        self._connection.execute(
            "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?)",
            (source, task.key, task.due, task.attempts, task.notes, self._now),
        )

    def postpone_task(self, source: str, task: Task) -> None:
        """Gives a known task another due time."""
        self._connection.execute(
            "UPDATE tasks SET due = ?, attempts = ?, notes = ?, changed = ? WHERE source = ? AND key = ?",
            (task.due, task.attempts, task.notes, self._now, source, task.key),
        )

    def finish_task(self, source: str, key: str) -> None:
        """Closes a task; its key stays known."""
        self._connection.execute(
            "UPDATE tasks SET due = NULL, notes = x'', changed = ? WHERE source = ? AND key = ?",
            (self._now, source, key),
        )

    def read_object(self, source: str, identity: ObjectIdentity) -> None:
        """Remembers an object version as read."""
        self._connection.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
            (source, identity.name, identity.tag, self._now),
        )

    def put_fact(self, name: str, value: object) -> None:
        """Writes a single value of the state itself."""
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, msgspec.msgpack.encode(value)))

    def add_tally(self, source: str, name: str, amount: float) -> None:
        """Adds to a sum that no other table shows."""
        self._connection.execute(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
            (source, name, amount),
        )

    def put_newest_end(self, source: str, end: float) -> None:
        """Remembers the newest session end (Unix seconds) that a source reported."""
        self.put_fact(f"newest_end/{source}", end)


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
