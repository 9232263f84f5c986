"""The ledger: opened by one process, worked with by one thread, changed in transactions."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from exporter.ledger.errors import StateError, Troubles, damaged
from exporter.ledger.history import DAY_SECONDS, HISTORY_SECONDS, History
from exporter.ledger.schema import connect, lock
from exporter.ledger.terms import Terms
from exporter.ledger.timeline import TimelineLog
from exporter.ledger.transaction import Count, SeriesKey, Transaction, decode_series, source_fact_name
from exporter.model import Session, SessionKey
from exporter.remembered import ASIDE, ObjectIdentity, Task

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: The name of the file in its folder.
FILE = "state.sqlite"
#: The tables that hold what sources handed over.
_TAKEN_IN = ("seen_sessions", "seen_peers", "seen_rejected", "sessions", "peers", "rooms", "tasks", "objects")
#: Names in one question; older SQLite takes no more than 999 values.
_ASKED = 500
_Value = TypeVar("_Value")


class StoredSession(Struct, frozen=True):
    """A session in view."""

    session: Session
    #: Unix seconds of its last report that added something.
    ingested: float


class Ledger:
    """What has been counted, what is in view, what is waited for."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, descriptor: int, history_seconds: float) -> None:
        self._connection = connection
        self._folder = folder
        self._lock = descriptor
        self._troubles = Troubles(folder / FILE)
        #: All counters and histograms, as committed. To be changed by transactions only.
        self.counts: dict[SeriesKey, Count] = {
            decode_series(series): Count(msgspec.msgpack.decode(amounts, type=list[float]), created, bool(held))
            for series, amounts, created, held in self._ask("SELECT series, amounts, created, held FROM counts")
        }
        #: What is to be handed over of the timeline.
        self.timeline = TimelineLog(connection, self.transaction, self._troubles)
        self._history = History(connection, self.transaction, history_seconds)

    @classmethod
    def open(cls, folder: Path, *, history_seconds: float = HISTORY_SECONDS) -> Ledger:
        """Opens the state in a folder, or begins one.

        Args:
            folder: where it lies.
            history_seconds: for how long it remembers what it has counted.

        Raises:
            StateError: another process uses it, it is damaged, of a newer version, or the folder cannot be written.
        """
        descriptor = lock(folder)
        try:
            connection = connect(folder / FILE)
            try:
                return cls(connection, folder, descriptor, history_seconds)
            except msgspec.DecodeError as error:
                raise damaged(folder / FILE, error) from error
            except BaseException:
                connection.close()
                raise
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Closes the state and lets another process have it."""
        self._connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self, now: float) -> Iterator[Transaction]:
        """Commits at the end of the block, all or nothing; an exception undoes everything. `now`: Unix seconds.

        Raises:
            StateUnavailableError: the state cannot be written at the moment.
            StateDamagedError: the state is damaged.
        """
        with self._troubles.told():
            changes = self._connection.total_changes
            self._connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self._connection, (self.counts,), now, self._troubles)
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
        if self._connection.total_changes != changes:
            self._troubles.over()

    def keep_bounds(self, bounds: Mapping[str, Sequence[float]], now: float) -> None:
        """Holds on to the buckets of each histogram for the life of the state.

        Raises:
            StateError: a family has other buckets than those that its counts were made with.
        """
        kept = self.bounds()
        for family, wanted in bounds.items():
            if kept.get(family, list(wanted)) != list(wanted):
                msg = (
                    f"{self._folder / FILE}: {family}: the buckets differ from those that its counts were made with"
                    f" (expected {', '.join(map(str, kept[family]))}); put metrics.buckets back, or stop it and let"
                    " the family begin afresh with `webrtc-quality-exporter state reset-buckets`, which takes the"
                    " same --config.file and --storage.path"
                )
                raise StateError(msg)
        if kept.keys() != bounds.keys():
            with self.transaction(now) as transaction:
                transaction.put_fact("bounds", {**kept, **{family: list(wanted) for family, wanted in bounds.items()}})

    def keep_terms(self, wanted: Terms, now: float) -> None:
        """Holds on to what the state was begun with.

        Raises:
            StateError: it was begun with something else, and holds something already.
        """
        # Before there were such terms, every state was one of a single exporter without pseudonyms.
        kept = self._fact("terms", Terms) or Terms()
        if kept == wanted:
            return
        if not self._is_unused():
            msg = f"{self._folder / FILE}: {kept.broken_by(wanted)}"
            raise StateError(msg)
        with self.transaction(now) as transaction:
            transaction.put_fact("terms", wanted)

    def bounds(self) -> dict[str, list[float]]:
        """The buckets that the counts of each histogram were made with."""
        return self._fact("bounds", dict[str, list[float]]) or {}

    def newest_end(self, source: str) -> float | None:
        """Unix seconds of the newest session end that a source reported; None before the first."""
        return self._fact(f"newest_end/{source}", float)

    def scrape_gap(self) -> float:
        """The longest time between two scrapes of one scraper as last remembered, in seconds; 0 before the first."""
        return self._fact("scrape_gap", float) or 0.0

    def sessions(self) -> Iterator[StoredSession]:
        """Yields the sessions in view, the longest there first."""
        for session, ingested in self._ask("SELECT session, ingested FROM sessions ORDER BY ingested"):
            yield StoredSession(self._decode(session, Session), ingested)

    def session(self, key: SessionKey) -> Session | None:
        """A session in view."""
        rows = self._ask(
            "SELECT session FROM sessions WHERE source = ? AND room_id = ? AND session_id = ?",
            (key.source, key.room_id, key.session_id),
        )
        return self._decode(rows[0][0], Session) if rows else None

    def peers(self, key: SessionKey, kind: type[_Value]) -> Iterator[_Value]:
        """Yields the assessments of a session's peers, which are of that type, ordered by peer id."""
        rows = self._ask(
            "SELECT assessment FROM peers WHERE source = ? AND room_id = ? AND session_id = ? ORDER BY peer_id",
            (key.source, key.room_id, key.session_id),
        )
        yield from (self._decode(assessment, kind) for (assessment,) in rows)

    def rooms(self) -> Iterator[tuple[str, str, float]]:
        """Yields source, room id and time of the last report of every room with counts, the oldest report first."""
        yield from self._ask("SELECT source, room_id, last_report FROM rooms ORDER BY last_report")

    def due_tasks(self, source: str, now: float, limit: int) -> list[Task]:
        """Unfinished tasks that are due, the longest due first."""
        rows = self._ask(
            "SELECT key, due, attempts, notes FROM tasks WHERE source = ? AND due <= ? ORDER BY due LIMIT ?",
            (source, now, limit),
        )
        return [Task(key=key, due=due, attempts=attempts, notes=notes) for key, due, attempts, notes in rows]

    def waiting_tasks(self, source: str) -> int:
        """How many tasks are unfinished that something is waited for with."""
        # Answered by the index of unfinished tasks alone, which has the key: finished ones, of which there are many
        # more, cost nothing.
        question = "SELECT count(*) FROM tasks WHERE source = ? AND due IS NOT NULL AND substr(key, 1, ?) <> ?"
        return int(self._ask(question, (source, len(ASIDE), ASIDE))[0][0])

    def source_fact(self, source: str, name: str) -> bytes | None:
        """What a source delivered as a fact of its own; None where it never did."""
        return self._fact(source_fact_name(source, name), bytes)

    def unread(self, source: str, objects: Sequence[ObjectIdentity], now: float) -> list[ObjectIdentity]:
        """Those object versions that were never read; the others are remembered longer. `now`: Unix seconds."""
        known: dict[str, tuple[str, float]] = {}
        # Not one by one: all objects of a store are asked for at each poll, and other sources' commits wait meanwhile.
        for start in range(0, len(objects), _ASKED):
            names = [each.name for each in objects[start : start + _ASKED]]
            marks = ",".join("?" * len(names))
            ask = f"SELECT name, tag, seen FROM objects WHERE source = ? AND name IN ({marks})"  # noqa: S608 - question marks
            known.update((name, (tag, seen)) for name, tag, seen in self._ask(ask, (source, *names)))
        unread, grown_old = [], []
        for each in objects:
            tag, seen = known.get(each.name, (None, now))
            if tag != each.tag:
                unread.append(each)
            elif abs(now - seen) > DAY_SECONDS:
                grown_old.append(each)
        if grown_old:
            with self.transaction(now) as transaction:
                transaction.still_listed(source, grown_old)
        return unread

    def forget(self, now: float) -> None:
        """Forgets a little of what is of no more use; to be called every second or so. `now`: Unix seconds."""
        ends = self._ask("SELECT value FROM facts WHERE name LIKE 'newest_end/%'")
        newest = max((self._decode(end, float) for (end,) in ends), default=None)
        with self._troubles.told():
            self._history.step(now, newest)

    def size(self) -> int:
        """Bytes that the state takes on disk."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{FILE}*"))

    def _is_unused(self) -> bool:
        """Whether nothing was ever taken in. Counts of sources stay for good, so they tell what has been forgotten."""
        if any(any(count.amounts) for count in self.counts.values()):
            return False
        return not any(
            self._ask(f"SELECT EXISTS (SELECT 1 FROM {table})")[0][0]  # noqa: S608 - fixed names
            for table in _TAKEN_IN
        )

    def _fact(self, name: str, kind: type[_Value]) -> _Value | None:
        rows = self._ask("SELECT value FROM facts WHERE name = ?", (name,))
        return self._decode(rows[0][0], kind) if rows else None

    def _ask(self, question: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._troubles.told():
            return self._connection.execute(question, values).fetchall()

    def _decode(self, value: bytes, kind: type[_Value]) -> _Value:
        with self._troubles.told():
            return msgspec.msgpack.decode(value, type=kind)
