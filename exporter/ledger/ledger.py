"""The ledger: opened by one process, worked with by one thread, changed in transactions."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from exporter.ledger.schema import StateError, connect, lock
from exporter.ledger.transaction import Count, SeriesKey, Transaction, decode_series
from exporter.model import Session, SessionKey
from exporter.remembered import ObjectIdentity, Task

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_FILE = "state.sqlite"
_Fact = TypeVar("_Fact")


class StoredSession(Struct, frozen=True):
    """A session in view."""

    session: Session
    #: Unix seconds of its last report that added something.
    ingested: float


class Ledger:
    """What has been counted, what is in view, what is waited for."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, descriptor: int) -> None:
        self._connection = connection
        self._folder = folder
        self._lock = descriptor
        #: All counters and histograms, as committed. To be changed by transactions only.
        self.counts: dict[SeriesKey, Count] = {
            decode_series(series): Count(msgspec.msgpack.decode(amounts, type=list[float]), created, bool(held))
            for series, amounts, created, held in connection.execute(
                "SELECT series, amounts, created, held FROM counts"
            )
        }

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """Opens the state in a folder, or begins one.

        Raises:
            StateError: another process uses it, it is damaged, of a newer version, or the folder cannot be written.
        """
        descriptor = lock(folder)
        try:
            return cls(connect(folder / _FILE), folder, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Closes the state and lets another process have it."""
        self._connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self, now: float) -> Iterator[Transaction]:
        """Commits at the end of the block, all or nothing; an exception undoes everything. `now`: Unix seconds."""
        self._connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(self._connection, self.counts, now)
        try:
            yield transaction
            transaction.write_counts()
            self._connection.execute("COMMIT")
        except BaseException:
            # After some errors (a full disk) SQLite has rolled back already, and a second time would be an error.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        # Only now: memory never shows what a crash could take back.
        self.counts.update(transaction.changed)
        for series in transaction.removed:
            self.counts.pop(series, None)

    def keep_bounds(self, bounds: Mapping[str, Sequence[float]], now: float) -> None:
        """Holds on to the buckets of each histogram for the life of the state.

        Raises:
            StateError: a family has other buckets than those that its counts were made with.
        """
        kept = self._fact("bounds", dict[str, list[float]]) or {}
        for family, wanted in bounds.items():
            if kept.get(family, list(wanted)) != list(wanted):
                msg = (
                    f"{self._folder / _FILE}: {family}: the buckets differ from those that its counts were made with"
                    f" (expected {', '.join(map(str, kept[family]))}); put metrics.buckets back, or give the new"
                    " buckets a new --storage.path"
                )
                raise StateError(msg)
        if kept.keys() != bounds.keys():
            with self.transaction(now) as transaction:
                transaction.put_fact("bounds", {**kept, **{family: list(wanted) for family, wanted in bounds.items()}})

    def newest_end(self, source: str) -> float | None:
        """Unix seconds of the newest session end that a source reported; None before the first."""
        return self._fact(f"newest_end/{source}", float)

    def sessions(self) -> Iterator[StoredSession]:
        """Yields the sessions in view, the longest there first."""
        for session, ingested in self._connection.execute("SELECT session, ingested FROM sessions ORDER BY ingested"):
            yield StoredSession(msgspec.msgpack.decode(session, type=Session), ingested)

    def session(self, key: SessionKey) -> Session | None:
        """A session in view."""
        row = self._connection.execute(
            "SELECT session FROM sessions WHERE source = ? AND room_id = ? AND session_id = ?",
            (key.source, key.room_id, key.session_id),
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=Session)

    def peers(self, key: SessionKey) -> Iterator[bytes]:
        """Yields the assessments of a session's peers, ordered by peer id."""
        rows = self._connection.execute(
            "SELECT assessment FROM peers WHERE source = ? AND room_id = ? AND session_id = ? ORDER BY peer_id",
            (key.source, key.room_id, key.session_id),
        )
        yield from (assessment for (assessment,) in rows)

    def rooms(self) -> Iterator[tuple[str, str, float]]:
        """Yields source, room id and time of the last report of every room with counts, the oldest report first."""
        yield from self._connection.execute("SELECT source, room_id, last_report FROM rooms ORDER BY last_report")

    def due_tasks(self, source: str, now: float, limit: int) -> list[Task]:
        """Unfinished tasks that are due, the longest due first."""
        rows = self._connection.execute(
            "SELECT key, due, attempts, notes FROM tasks WHERE source = ? AND due <= ? ORDER BY due LIMIT ?",
            (source, now, limit),
        )
        return [Task(key=key, due=due, attempts=attempts, notes=notes) for key, due, attempts, notes in rows]

    def unread(self, source: str, objects: Sequence[ObjectIdentity]) -> list[ObjectIdentity]:
        """Those object versions that were never read."""
        # One by one by the primary key: a store of many objects asks page by page, and its names need no memory here.
        ask = "SELECT tag FROM objects WHERE source = ? AND name = ?"
        return [
            each for each in objects if self._connection.execute(ask, (source, each.name)).fetchone() != (each.tag,)
        ]

    def size(self) -> int:
        """Bytes that the state takes on disk."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{_FILE}*"))

    def _fact(self, name: str, kind: type[_Fact]) -> _Fact | None:
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=kind)
