"""The log of what is to be handed over of the timeline, and how far each receiver has come with it.

One log serves all receivers: each has a place in it, and a row goes when all are past it and nobody wants to keep it.
Rows and places know sums over all rows that there ever were; so what waits is a difference, however much it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from exporter.ledger.errors import Troubles
    from exporter.ledger.transaction import Transaction

#: Rows that one look at the bounds removes: a few milliseconds.
_ROWS_A_STEP: Final = 1000

#: Why rows went before every receiver had them.
Overdue: TypeAlias = Literal["queue_full", "too_old"]


class Place(Struct, frozen=True):
    """How far something has come: the last row, and the sums up to it."""

    id: int = 0
    samples: int = 0
    bytes: int = 0


class TimelineRow(Struct, frozen=True, kw_only=True):
    """What is handed over of one stay of a peer."""

    place: Place
    #: Unix seconds when it was committed.
    added: float
    #: Unix seconds of its first sample, and of its last.
    first: float
    last: float
    samples: int
    payload: bytes


class Waiting(Struct, frozen=True, kw_only=True):
    """What a receiver does not have yet."""

    rows: int = 0
    samples: int = 0
    bytes: int = 0
    #: Unix seconds at which the row that waits longest was committed, and those of its first sample; None: none waits.
    since: float | None = None
    oldest: float | None = None


class Bounds(Struct, frozen=True, kw_only=True):
    """How much is kept."""

    #: Seconds for which rows stay that every receiver has.
    keep: float
    #: Seconds after which rows go that a receiver does not have.
    max_age: float
    #: Bytes of payloads past which the oldest rows go.
    max_bytes: int


class Dropped(Struct, frozen=True):
    """What a receiver will not get."""

    receiver: str
    reason: Overdue
    samples: int


class TimelineLog:
    """The log as the rest sees it; rows are added by `Transaction.add_to_timeline`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        transaction: Callable[[float], AbstractContextManager[Transaction]],
        troubles: Troubles,
    ) -> None:
        self._connection = connection
        self._transaction = transaction
        self._troubles = troubles

    def read(self, after: int, samples: int) -> list[TimelineRow]:
        """The rows after one, in their order, as many as have that many samples together; at least one, if there is."""
        rows: list[TimelineRow] = []
        with self._troubles.told():
            for *place, added, first, last, of_row, payload in self._connection.execute(
                'SELECT id, samples_through, bytes_through, added, "first", "last", samples, payload FROM timeline'
                " WHERE id > ? ORDER BY id",
                (after,),
            ):
                rows.append(
                    TimelineRow(
                        place=Place(*place), added=added, first=first, last=last, samples=of_row, payload=payload
                    )
                )
                samples -= of_row
                if samples <= 0:
                    break
        return rows

    def place(self, receiver: str) -> Place | None:
        """How far a receiver has come; None where there is no such receiver."""
        rows = self._ask("SELECT id, samples_through, bytes_through FROM timeline_receivers WHERE name = ?", receiver)
        return Place(*rows[0]) if rows else None

    def end(self) -> Place:
        """The last row."""
        with self._troubles.told():
            return end_of(self._connection)

    def size(self) -> int:
        """Bytes of all payloads in the log."""
        rows = self._ask("SELECT bytes_through - length(payload) FROM timeline ORDER BY id LIMIT 1")
        return self.end().bytes - rows[0][0] if rows else 0

    def waiting(self, receiver: str) -> Waiting:
        """What a receiver does not have yet."""
        place, end = self.place(receiver), self.end()
        if place is None or place.id >= end.id:
            return Waiting()
        ((since, oldest),) = self._ask('SELECT added, "first" FROM timeline WHERE id > ? ORDER BY id LIMIT 1', place.id)
        return Waiting(
            # No id is ever left out or used again.
            rows=end.id - place.id,
            samples=end.samples - place.samples,
            bytes=end.bytes - place.bytes,
            since=since,
            oldest=oldest,
        )

    def set_receivers(self, receivers: Mapping[str, float | None], now: float) -> None:
        """Gives new receivers a place, and takes that of all others that are not named.

        Args:
            receivers: by name the time (Unix seconds) before which a new one takes no samples; None: it takes all. It
                begins with the first row that has such a sample.
            now: Unix seconds.
        """
        with self._transaction(now):
            known = {name for (name,) in self._ask("SELECT name FROM timeline_receivers")}
            for name, oldest in receivers.items():
                if name not in known:
                    self._put(name, self._before(oldest))
            for name in known - receivers.keys():
                self._connection.execute("DELETE FROM timeline_receivers WHERE name = ?", (name,))

    def acknowledge(self, receiver: str, place: Place, now: float) -> None:
        """Notes that a receiver has all rows up to a place, or will not get them. `now`: Unix seconds."""
        known = self.place(receiver)
        if known is not None and known.id < place.id:
            with self._transaction(now):
                self._put(receiver, place)

    def trim(self, now: float, bounds: Bounds, in_hand: Mapping[str, Place]) -> list[Dropped]:
        """Removes rows that are of no more use, and those that are past the bounds; a thousand at most.

        Args:
            now: Unix seconds.
            bounds: how much is kept.
            in_hand: by receiver how far it has been read; what was read is sent, whatever becomes of its row.

        Returns:
            what receivers will not get; none of it is in hand.
        """
        done = self._done(now, bounds.keep)
        too_old = self._last_before("added >= ?", now - bounds.max_age)
        full = self._last_before("bytes_through - length(payload) >= ?", self.end().bytes - bounds.max_bytes)
        last = max((each for each in (done, too_old, full) if each), key=lambda each: each.id, default=None)
        if last is None:
            return []
        reason: Overdue = "too_old" if too_old is not None and too_old.id >= last.id else "queue_full"
        dropped: list[Dropped] = []
        with self._transaction(now):
            for name, *place in self._ask("SELECT * FROM timeline_receivers WHERE id < ?", last.id):
                read = max(in_hand.get(name, Place()).samples, place[1])
                if read < last.samples:
                    dropped.append(Dropped(name, reason, last.samples - read))
                self._put(name, last)
            self._connection.execute("DELETE FROM timeline WHERE id <= ?", (last.id,))
        return dropped

    def _done(self, now: float, keep: float) -> Place | None:
        """The last row that everybody has and nobody wants to keep."""
        ((slowest,),) = self._ask("SELECT min(id) FROM timeline_receivers")
        # One that was committed while our clock was ahead is not kept until that time comes again.
        last = self.end().id if slowest is None else slowest
        return self._last_before("id > ? OR (added > ? AND added <= ?)", last, now - keep, now + keep)

    def _last_before(self, stays: str, *values: float) -> Place | None:
        """The last of the first rows that do not stay; of a thousand at most."""
        # The condition is a fixed text of this class. Of each row that goes only the beginning is read.
        found: Place | None = None
        with self._troubles.told():
            for *place, kept in self._connection.execute(
                f"SELECT id, samples_through, bytes_through, {stays} FROM timeline ORDER BY id LIMIT {_ROWS_A_STEP}",  # noqa: S608
                values,
            ):
                if kept:
                    break
                found = Place(*place)
        return found

    def _before(self, oldest: float | None) -> Place:
        """The place before the first row that has a sample as new as `oldest`."""
        rows = self._ask(
            "SELECT id - 1, samples_through - samples, bytes_through - length(payload) FROM timeline"
            ' WHERE "last" >= ? ORDER BY id LIMIT 1',
            0.0 if oldest is None else oldest,
        )
        return Place(*rows[0]) if rows else self.end()

    def _put(self, receiver: str, place: Place) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO timeline_receivers VALUES (?, ?, ?, ?)",
            (receiver, place.id, place.samples, place.bytes),
        )

    def _ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._troubles.told():
            return self._connection.execute(question, values).fetchall()


def add(connection: sqlite3.Connection, now: float, first: float, last: float, samples: int, payload: bytes) -> None:
    """Appends a row; the arguments are those of `Transaction.add_to_timeline`, and the time of the commit."""
    end = end_of(connection)
    connection.execute(
        "INSERT INTO timeline VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
        (now, first, last, samples, end.samples + samples, end.bytes + len(payload), payload),
    )


def end_of(connection: sqlite3.Connection) -> Place:
    """The last row that there was."""
    for table in ("timeline", "timeline_receivers"):
        # Where the log is empty, every receiver has come to its end.
        row = connection.execute(
            f"SELECT id, samples_through, bytes_through FROM {table} ORDER BY id DESC LIMIT 1"  # noqa: S608 - fixed names
        ).fetchone()
        if row is not None:
            return Place(*row)
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'timeline'").fetchone()
    return Place(id=row[0] if row else 0)


def rows_within(connection: sqlite3.Connection, first: float, last: float) -> Iterator[Sequence[Any]]:
    """Yields id, samples and payload of rows that may have samples from one time to another (Unix seconds)."""
    yield from connection.execute(
        'SELECT id, samples, payload FROM timeline WHERE "last" >= ? AND "first" <= ? ORDER BY id', (first, last)
    )
