"""The tables of the state file, as the steps that made them, one version after another.

A new file takes all steps, an older one those that it lacks; so both end with the same tables. To change the tables,
append a step to `STEPS`; a step that files may have taken already is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

#: Takes the tables from one version to the next; runs within a transaction.
Step: TypeAlias = "Callable[[sqlite3.Connection], None]"


def _first(connection: sqlite3.Connection) -> None:
    _execute(
        connection,
        """
CREATE TABLE facts (            -- single values of the state itself
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE counts (           -- counters and histograms, by series
    series BLOB PRIMARY KEY,    -- JSON: family and label values
    amounts BLOB NOT NULL,      -- msgpack: the vector
    created REAL NOT NULL,
    held INTEGER NOT NULL       -- still shown at zero
) WITHOUT ROWID;
CREATE TABLE rooms (            -- rooms that have counts
    source TEXT NOT NULL,
    room_id TEXT NOT NULL,
    last_report REAL NOT NULL,
    PRIMARY KEY (source, room_id)
) WITHOUT ROWID;
CREATE TABLE seen_sessions (    -- sessions that were counted
    mark BLOB PRIMARY KEY,      -- digest of the session's identity
    seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE seen_peers (       -- stays that were counted
    mark BLOB PRIMARY KEY,      -- digest of the stay's identity
    fingerprint BLOB NOT NULL,  -- digest of what was reported
    windows INTEGER NOT NULL,   -- how much there was of it
    counted BLOB NOT NULL,      -- what it added that can grow
    seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE seen_rejected (    -- documents that were rejected
    mark BLOB PRIMARY KEY,      -- digest of source and document
    seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (         -- sessions in view
    source TEXT NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    session BLOB NOT NULL,      -- msgpack: model.Session
    ingested REAL NOT NULL,
    PRIMARY KEY (source, room_id, session_id)
) WITHOUT ROWID;
CREATE INDEX sessions_by_age ON sessions (ingested);
CREATE TABLE peers (            -- peers of the sessions in view
    source TEXT NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    peer_id TEXT NOT NULL,
    assessment BLOB NOT NULL,   -- msgpack, opaque here
    PRIMARY KEY (source, room_id, session_id, peer_id)
) WITHOUT ROWID;
CREATE TABLE tasks (            -- what sources want to ask for
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    due REAL,                   -- null: finished
    attempts INTEGER NOT NULL,
    notes BLOB NOT NULL,
    changed REAL NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX tasks_by_due ON tasks (source, due) WHERE due IS NOT NULL;
CREATE TABLE objects (          -- object versions that were read
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    seen REAL NOT NULL,
    PRIMARY KEY (source, name)
) WITHOUT ROWID;
""",
    )


def _second(connection: sqlite3.Connection) -> None:
    """Marks know their source and their session's time, so that they can be forgotten in the end."""
    _execute(
        connection,
        """
CREATE TABLE tallies (          -- sums that no other table shows any more
    source TEXT NOT NULL,       -- empty: marks that do not know theirs
    name TEXT NOT NULL,
    amount REAL NOT NULL,
    PRIMARY KEY (source, name)
) WITHOUT ROWID;
CREATE TABLE new_sessions (     -- sessions that were counted
    mark BLOB PRIMARY KEY,      -- digest of the session's identity
    source TEXT NOT NULL,       -- empty: counted before this was noted
    "end" REAL,                 -- Unix seconds of the session's end as it was reported; null: it has no time
    seen REAL NOT NULL          -- Unix seconds when it was last delivered
) WITHOUT ROWID;
INSERT INTO new_sessions SELECT mark, '', seen, seen FROM seen_sessions;
DROP TABLE seen_sessions;
ALTER TABLE new_sessions RENAME TO seen_sessions;
CREATE TABLE new_peers (        -- stays that were counted
    mark BLOB PRIMARY KEY,      -- digest of the stay's identity
    source TEXT NOT NULL,       -- as in seen_sessions, and so are "end" and seen
    "end" REAL,
    seen REAL NOT NULL,
    fingerprint BLOB NOT NULL,  -- digest of what was reported
    windows INTEGER NOT NULL,   -- how much there was of it
    counted BLOB NOT NULL       -- what it added that can grow, opaque here; empty: it grows no more
) WITHOUT ROWID;
INSERT INTO new_peers
    SELECT mark, '', seen, seen, fingerprint, windows, iif(windows = 0 AND counted <> x'90', x'', counted)
    FROM seen_peers;
DROP TABLE seen_peers;
ALTER TABLE new_peers RENAME TO seen_peers;
""",
    )
    # Rooms that left took their counts with them, and until now nobody noted how many.
    for table, family, tally in (
        ("seen_sessions", "webrtc_sessions_total", "departed_sessions"),
        ("seen_peers", "webrtc_peer_sessions_total", "departed_peers"),
    ):
        (marks,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - fixed names
        rows = connection.execute(
            "SELECT amounts FROM counts WHERE json_extract(CAST(series AS TEXT), '$[0]') = ?", (family,)
        )
        counted = sum(msgspec.msgpack.decode(amounts, type=list[float])[0] for (amounts,) in rows)
        connection.execute("INSERT INTO tallies VALUES ('', ?, ?)", (tally, marks - counted))


def _third(connection: sqlite3.Connection) -> None:
    """What is to be handed over of the timeline, and how far each receiver has come with it."""
    _execute(
        connection,
        """
CREATE TABLE timeline (         -- what there was to hand over, the first first; what is not needed any more goes
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    added REAL NOT NULL,        -- Unix seconds when it was committed
    "first" REAL NOT NULL,      -- Unix seconds of its first sample, and of its last
    "last" REAL NOT NULL,
    samples INTEGER NOT NULL,
    samples_through INTEGER NOT NULL, -- of all rows ever, up to this one and with it
    bytes_through INTEGER NOT NULL,   -- the same of payloads
    payload BLOB NOT NULL       -- opaque here
);
CREATE TABLE timeline_receivers (
    name TEXT PRIMARY KEY,
    id INTEGER NOT NULL,        -- the last row that it has, or that it will not get any more
    samples_through INTEGER NOT NULL, -- as that row says
    bytes_through INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE seen_peers ADD COLUMN sent BLOB NOT NULL DEFAULT x'';
""",
    )


STEPS: tuple[Step, ...] = (_first, _second, _third)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Takes the steps that a file of some version lacks; the caller's transaction makes them one."""
    for step in STEPS[version:]:
        step(connection)
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")


def _execute(connection: sqlite3.Connection, script: str) -> None:
    """Executes statements; sqlite3's own way would commit what the transaction did so far."""
    for statement in script.split(";\n"):
        connection.execute(statement)
