"""The state file: how it is opened by one process at a time, and brought to this version."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from typing import TYPE_CHECKING

from exporter.ledger import migrations

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

#: Marks the file as ours ("wqex" in ASCII), so that no other program's database is taken for a state.
APPLICATION_ID = 0x77716578


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
    newest = len(migrations.STEPS)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        msg = f"{path}: expected a state file of this program, found another database; set --storage.path"
        raise StateError(msg)
    if version > newest:
        msg = (
            f"{path}: the state was written by a newer version of this program (state version {version}, this one knows"
            f" {newest}); run that version, or move the file away to begin anew"
        )
        raise StateError(msg)
    if version < newest:
        # A crash on the way leaves the version that it was, as a whole.
        connection.execute("BEGIN IMMEDIATE")
        migrations.migrate(connection, version)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
        if version:
            logger.info("%s: brought from state version %d to %d", path, version, newest)
