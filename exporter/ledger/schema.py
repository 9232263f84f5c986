"""The state file: its tables, its version, and how it is opened by one process at a time."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Marks the file as ours ("wqex" in ASCII), so that no other program's database is taken for a state.
APPLICATION_ID = 0x77716578
VERSION = 1

_TABLES = """
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
    counted BLOB NOT NULL,      -- msgpack: what it added that can grow
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
"""


class StateError(Exception):
    """The state cannot be used; the text names the file and the way out."""


def lock(folder: Path) -> int:
    """Takes the state for this process; returns the descriptor that holds the lock until it is closed.

    Raises:
        StateError: another process has it, or the folder cannot be written.
    """
    path = folder / "state.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"{path}: expected a folder that can be written ({error.strerror}); set --storage.path"
        raise StateError(msg) from error
    try:
        # The kernel lets go of it when the process dies, however that happens: nobody has to clean up after a crash.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        msg = f"{path}: another process uses this state; stop it, or give this one another --storage.path"
        raise StateError(msg) from error
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """Opens the state file, or makes a new one.

    Raises:
        StateError: it is damaged, not ours, of a newer version, or cannot be opened.
    """
    try:
        # The pipeline hands the connection to the one thread that works with it.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        msg = (
            f"{path}: expected a state file of this program ({error}); restore it from a backup, or move it away to"
            " begin anew (counts start at zero and what the sources still have is read again)"
        )
        raise StateError(msg) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit is on disk when it returns: what was acknowledged to a sender survives a power cut too.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables == 0:
        connection.executescript(
            f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {_TABLES} COMMIT;",
        )
    elif application != APPLICATION_ID:
        msg = f"{path}: expected a state file of this program, found another database; set --storage.path"
        raise StateError(msg)
    elif version > VERSION:
        msg = (
            f"{path}: the state was written by a newer version of this program (state version {version}, this one knows"
            f" {VERSION}); run that version, or move the file away to begin anew"
        )
        raise StateError(msg)
