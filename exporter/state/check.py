"""Whether a state is what it must be: the database, every row for itself, and the sums that always agree."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from exporter.ledger import migrations
from exporter.state import check_counts, check_rows, check_sums, check_timeline
from exporter.state.findings import Finding, Part, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator


def check(connection: sqlite3.Connection) -> tuple[Part, ...]:
    """Checks a state, part by part, always in the same order.

    What cannot be read because the database is damaged is a finding too; then nothing more is read.
    """
    parts: list[Part] = []
    try:
        for part in _parts(connection):
            parts.append(part)
            if part.name == "schema" and part.findings:
                break
    except sqlite3.Error as error:
        finding = Finding("the database", f"a part that cannot be read ({error})", "one that can")
        parts.append(Part("reading", "", (finding,)))
    return tuple(parts)


def _parts(connection: sqlite3.Connection) -> Iterator[Part]:
    integrity = shortened(
        Finding("the database", line, "nothing that SQLite's integrity check finds")
        for (line,) in connection.execute("PRAGMA integrity_check")
        if line != "ok"
    )
    yield Part("integrity", "the database file, by SQLite's own check", integrity)
    schema = shortened(_wrong_tables(connection))
    yield Part("schema", f"the tables of state version {len(migrations.STEPS)}", schema)
    findings: list[Finding] = []
    bounds = check_counts.read_bounds(connection, findings)
    counts = check_counts.read_counts(connection, bounds, findings)
    findings += check_counts.orphaned_rooms(connection, counts)
    yield Part("series", f"{len(counts)} series: labels, buckets, amounts", shortened(findings))
    marks = shortened(check_rows.wrong_marks(connection, bounds))
    looked_at = f"marks of {_rows(connection, 'seen_sessions')} sessions and {_rows(connection, 'seen_peers')} peers"
    yield Part("marks", looked_at, marks)
    looked_at = f"{_rows(connection, 'sessions')} sessions and {_rows(connection, 'peers')} peers, and their marks"
    yield Part("view", looked_at, shortened(check_rows.wrong_view(connection)))
    looked_at = f"{_rows(connection, 'tasks')} tasks, {_rows(connection, 'objects')} objects, rooms and tallies"
    yield Part("remembered", looked_at, shortened(check_rows.wrong_remembered(connection)))
    looked_at = f"{_rows(connection, 'timeline')} rows, {_rows(connection, 'timeline_receivers')} receivers"
    yield Part("timeline", looked_at, shortened(check_timeline.wrong_timeline(connection)))
    sums = shortened(check_sums.wrong_sums(connection, counts))
    yield Part("sums", "counters against marks, histograms against counters", sums)


def _wrong_tables(connection: sqlite3.Connection) -> Iterator[Finding]:
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrations.migrate(fresh, 0)
        expected, found = _tables(fresh), _tables(connection)
    finally:
        fresh.close()
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield Finding(f"the schema of {name}", found.get(name, "none"), expected.get(name, "none"))


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    """The columns of each table and index, in their order: rows are written by it."""
    tables = {}
    for kind, name in connection.execute(
        "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall():
        pragma = "table_info" if kind == "table" else "index_info"
        columns = connection.execute(f"PRAGMA {pragma}({name!r})").fetchall()
        tables[name] = ", ".join(" ".join(map(str, column[1:])) for column in columns)
    return tables


def _rows(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - fixed names
    return int(count)
