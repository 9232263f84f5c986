"""The state file: how it is opened by one process at a time, and brought to this version."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from exporter.ledger import migrations
from exporter.ledger.errors import StateError, StateInUseError, damaged

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

#: Marks the file as ours ("wqex" in ASCII), so that no other program's database is taken for a state.
APPLICATION_ID = 0x77716578
#: The write-ahead log is cut back to this after a large transaction, in bytes.
_WAL_BYTES = 16 << 20


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
        raise StateInUseError(msg) from error
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """Opens the state file, or makes a new one.

    Raises:
        StateError: it is damaged, not ours, of a newer version, or cannot be opened.
    """
    try:
        if not path.exists():
            _create(path)
        version = _check(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            # A commit is on disk when it returns: what was acknowledged to a sender survives a power cut too.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA temp_store = MEMORY")
            _migrate(connection, version)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.OperationalError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        msg = f"{path}: expected a state file that can be opened, read and written ({why}); see to its folder"
        raise StateError(msg) from error
    except sqlite3.Error as error:
        raise damaged(path, error) from error
    if 0 < version < len(migrations.STEPS):
        logger.info("%s: brought from state version %d to %d", path, version, len(migrations.STEPS))
    return connection


def _create(path: Path) -> None:
    """Makes a new state, which comes into its place when it is complete."""
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size > 0:
        raise damaged(path, f"it is missing, and what was last written to it is still in {journal.name}")
    for leftover in path.parent.glob(f"{path.name}.new*"):
        leftover.unlink()
    new = path.with_name(f"{path.name}.new")
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        # Free pages can be given back to the disk later only if that is said before there is a table.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _migrate(connection, 0)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(path: Path) -> int:
    """Tells the version of a state file that is whole and ours.

    Nothing is written: what is damaged stays as it is, for whoever wants to save what can be saved.
    """
    if path.is_dir():
        raise damaged(path, "it is a folder")
    if path.is_file() and path.stat().st_size == 0:
        # SQLite takes it for a new database; but a new state comes into its place complete.
        raise damaged(path, "it is empty")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        version = version_of(connection, path)
        (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise damaged(path, health.splitlines()[-1])
    return version


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a state; 0 for a database without any table.

    Raises:
        StateError: it is another program's database, or a newer version's.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        msg = f"{path}: expected a state file of this program, found another database; set --storage.path"
        raise StateError(msg)
    if version > len(migrations.STEPS):
        msg = (
            f"{path}: the state was written by a newer version of this program (state version {version}, this one"
            f" knows {len(migrations.STEPS)}); run that version, or move the file away to begin anew"
        )
        raise StateError(msg)
    return int(version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Brings the tables to the newest version; a crash on the way leaves the version that it was, as a whole."""
    if version == len(migrations.STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    migrations.migrate(connection, version)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")
