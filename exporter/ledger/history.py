"""How long what was seen is remembered, and how it is forgotten: a few rows at a time, in the order of their keys.

A mark is the proof that something was counted. Before it goes, the end of its session becomes its source's watermark:
whatever ended no later and has no mark may have been counted, and is counted no more.

"Now" is here the earlier of our clock and the newest session end that any source reported. Thus a clock that runs ahead
for a while forgets nothing before its time, nor does a vendor that dates a session into the future; and where nothing
new comes, nothing needs to be forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from exporter.ledger.transaction import Transaction

DAY_SECONDS = 86_400.0
#: For how long a mark stays after its session's end and after it was last delivered. No source comes back to what is
#: older: they look 30 days back at most, a session may last 12 hours, and its data is waited for a few days.
HISTORY_SECONDS = 45 * DAY_SECONDS
#: For how long a report can grow after the same: 100ms is asked again after an hour and a day, unless configured so.
GROWTH_SECONDS = 8 * DAY_SECONDS

#: Rows that one step looks at: a few milliseconds at most.
ROWS_A_STEP = 1000
#: Every row is looked at once in this time.
_ROUND_SECONDS = DAY_SECONDS
#: Free pages past this share of the file are given back to the disk, a few at a time.
_FREE_SHARE = 0.25
_PAGES_A_STEP = 500


class _Table(Struct, frozen=True):
    name: str
    #: The columns of its primary key.
    key: tuple[str, ...]
    #: The column that tells when a row was last of use.
    used: str
    #: Which of the rows that are of no more use go.
    goes: str
    #: The tally of the marks that went; empty where they prove nothing.
    tally: str = ""
    #: Makes rows smaller that stay; empty where they cannot be.
    shrink: str = ""


_ENDED = '"end" < :oldest'
_TABLES = (
    _Table("seen_sessions", ("mark",), "seen", _ENDED, tally="forgotten_sessions"),
    _Table(
        "seen_peers",
        ("mark",),
        "seen",
        _ENDED,
        tally="forgotten_peers",
        shrink="SET counted = x'', sent = x'' WHERE counted <> x'' AND max(seen, coalesce(\"end\", seen)) < :growing",
    ),
    _Table("seen_rejected", ("mark",), "seen", "TRUE"),
    _Table("objects", ("source", "name"), "seen", "TRUE"),
    # An unfinished task is still waited for, however long that takes.
    _Table("tasks", ("source", "key"), "changed", "due IS NULL"),
)


class _Place(Struct, frozen=True):
    """Where a round has come to."""

    #: Unix seconds at which it began.
    began: float = 0.0
    #: The index in `_TABLES`; past the last one the round is over.
    table: int = 0
    #: The key of the last row that was looked at; empty at a table's beginning.
    after: tuple[Any, ...] = ()


class History:
    """Forgets what is of no more use; each step is short, and a round goes on where the last process stopped."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        transaction: Callable[[float], AbstractContextManager[Transaction]],
        seconds: float,
    ) -> None:
        """Begins where the last process stopped.

        Args:
            connection: to the state.
            transaction: begins a transaction at some time (Unix seconds).
            seconds: for how long marks stay.
        """
        self._connection = connection
        self._transaction = transaction
        self._seconds = seconds
        row = connection.execute("SELECT value FROM facts WHERE name = 'history'").fetchone()
        self._place = _Place() if row is None else msgspec.msgpack.decode(row[0], type=_Place)

    def step(self, now: float, newest_end: float | None) -> None:
        """Looks at a few rows.

        Args:
            now: Unix seconds by our clock.
            newest_end: Unix seconds of the newest session end that any source reported; None: forget nothing yet.
        """
        self._give_back()
        if newest_end is None:
            return
        if self._place.table == len(_TABLES):
            if 0.0 <= now - self._place.began < _ROUND_SECONDS:
                return
            self._place = _Place(began=now)
        begin, end = self._place, self._after_a_few_rows()
        with self._transaction(now) as transaction:
            if self._sweep(transaction, begin, end, now, min(now, newest_end)):
                transaction.put_fact("history", end)
        self._place = end

    def _after_a_few_rows(self) -> _Place:
        place, table = self._place, _TABLES[self._place.table]
        row = self._connection.execute(
            f"SELECT {', '.join(table.key)} FROM {table.name} WHERE {_range(table, begin=place.after)}"  # noqa: S608 - fixed names
            f" ORDER BY {', '.join(table.key)} LIMIT 1 OFFSET {ROWS_A_STEP - 1}",
            _bounds(begin=place.after),
        ).fetchone()
        return _Place(place.began, place.table, tuple(row)) if row else _Place(place.began, place.table + 1)

    def _sweep(self, transaction: Transaction, begin: _Place, end: _Place, now: float, trusted: float) -> bool:
        """Forgets among the rows between two places; returns whether anything changed."""
        table = _TABLES[begin.table]
        upto = end.after if end.table == begin.table else ()
        rows = _range(table, begin=begin.after, end=upto)
        values: dict[str, object] = {
            **_bounds(begin=begin.after, end=upto),
            "now": now,
            "future": now + DAY_SECONDS,
            "oldest": trusted - self._seconds,
            "growing": trusted - GROWTH_SECONDS,
        }

        def change(statement: str) -> int:
            return self._connection.execute(f"{statement} AND {rows}", values).rowcount

        # What was noted while our clock was ahead says nothing about when that was; from now on it grows old.
        changed = change(f"UPDATE {table.name} SET {table.used} = :now WHERE {table.used} > :future")  # noqa: S608 - as above
        if table.shrink:
            changed += change(f"UPDATE {table.name} {table.shrink}")
        unused = f"{table.used} < :oldest AND {table.goes}"
        if table.tally:
            going = self._connection.execute(
                f'SELECT source, count(*), max("end") FROM {table.name} WHERE {unused} AND {rows} GROUP BY source',  # noqa: S608 - as above
                values,
            )
            for source, count, newest in going.fetchall():
                transaction.add_tally(source, table.tally, count)
                transaction.raise_tally(source, "forgotten_before", newest)
        changed += change(f"DELETE FROM {table.name} WHERE {unused}")  # noqa: S608 - as above
        return changed > 0

    def _give_back(self) -> None:
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        if free > max(pages * _FREE_SHARE, _PAGES_A_STEP):
            # By `execute` it would free one page: it takes a step for each, and says nothing that could be fetched.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")


def _range(table: _Table, *, begin: tuple[object, ...], end: tuple[object, ...] = ()) -> str:
    """The condition for rows after one key and up to another; an empty key is no bound."""
    key = f"({', '.join(table.key)})"
    parts = [f"{key} > ({', '.join(f':begin{index}' for index in range(len(begin)))})"] if begin else []
    parts += [f"{key} <= ({', '.join(f':end{index}' for index in range(len(end)))})"] if end else []
    return " AND ".join(parts) or "TRUE"


def _bounds(*, begin: tuple[object, ...], end: tuple[object, ...] = ()) -> dict[str, object]:
    return {
        **{f"begin{index}": part for index, part in enumerate(begin)},
        **{f"end{index}": part for index, part in enumerate(end)},
    }
