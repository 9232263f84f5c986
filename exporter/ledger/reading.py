"""Looking into a state without taking it: nothing is locked, made or changed, whether an exporter runs or not.

A database in WAL mode is three files: the database, its log (`-wal`), and an index of the log (`-shm`), which is there
while somebody has it open and after a crash. How it can be read without a trace depends on which of them there are. An
exporter may start or stop meanwhile: then what was seen does not count, and it is looked at again.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import quote

from msgspec import Struct

from exporter.ledger import migrations
from exporter.ledger.errors import StateError, damaged, is_passing
from exporter.ledger.ledger import FILE
from exporter.ledger.schema import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Seen = TypeVar("_Seen")
#: What tells one content of a file from another: inode, size, time of the last change in nanoseconds.
_Content: TypeAlias = tuple[int, int, int]

_TRIES = 5


class _Files(Struct, frozen=True):
    database: _Content
    log: _Content | None
    has_index: bool

    @property
    def is_indexed(self) -> bool:
        """Whether SQLite finds all it needs: somebody has the state open, or had when it crashed."""
        return self.log is not None and self.has_index

    @property
    def has_log(self) -> bool:
        """Whether the log may hold what the database does not."""
        return self.log is not None and self.log[1] > 0


def find(folder: Path) -> Path:
    """The file of the state in a folder.

    Raises:
        StateError: there is none, or it cannot be read.
    """
    _files(folder / FILE)
    return folder / FILE


def look(folder: Path, see: Callable[[sqlite3.Connection], _Seen]) -> _Seen:
    """Looks at one moment of the state in a folder.

    Args:
        folder: where the state lies.
        see: reads what is wanted; may be called again, when the files changed under its eyes.

    Raises:
        StateError: there is no state, or it cannot be read, is damaged, another program's, or of another version.
    """
    path = folder / FILE
    trouble: Exception | None = None
    for _ in range(_TRIES):
        before = _files(path)
        try:
            with _reading(path, before) as connection:
                # One transaction is one moment, however much is committed meanwhile.
                connection.execute("BEGIN")
                _check_version(connection, path)
                seen = see(connection)
        except (sqlite3.Error, FileNotFoundError) as error:
            trouble = error
            if _files(path) == before:
                break
        else:
            trouble = None
            if before.is_indexed or _files(path) == before:
                return seen
    if trouble is not None and is_passing(trouble):
        msg = f"{path}: cannot be read ({trouble}); see to its folder and the files beside it"
        raise StateError(msg) from trouble
    if trouble is not None:
        raise damaged(path, trouble) from trouble
    msg = f"{path}: it changed each time while it was read; try again"
    raise StateError(msg)


@contextmanager
def _reading(path: Path, files: _Files) -> Iterator[sqlite3.Connection]:
    if files.is_indexed:
        # SQLite would make an index, or bring it up to date, where it may; told not to, it uses the one that is there,
        # or one in memory where that is stale.
        with _opened(path, "mode=ro&readonly_shm=1") as connection:
            yield connection
    elif files.has_log:
        # A copy, as backups make them: nothing can be read of it without an index beside it.
        with TemporaryDirectory(prefix="webrtc-quality-state-") as copied:
            for each in (path, _beside(path, "-wal")):
                shutil.copy(each, copied)
            with _opened(Path(copied, path.name), "mode=rw") as connection:
                yield connection
    else:
        # Nothing is looked for beside it, and nothing made: it can be read from a folder that cannot be written, too.
        with _opened(path, "immutable=1") as connection:
            yield connection


@contextmanager
def _opened(path: Path, how: str) -> Iterator[sqlite3.Connection]:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        yield connection


def _files(path: Path) -> _Files:
    try:
        # What may not be read says so more clearly than SQLite.
        path.open("rb").close()
        database = _content(path)
    except OSError as error:
        there = not isinstance(error, FileNotFoundError)
        what = "cannot be read" if there else "expected a state that an exporter has begun"
        msg = f"{path}: {what} ({error.strerror}); set --storage.path"
        raise StateError(msg) from error
    log = _beside(path, "-wal")
    return _Files(database, _content(log) if log.exists() else None, _beside(path, "-shm").exists())


def _content(path: Path) -> _Content:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version, newest = version_of(connection, path), len(migrations.STEPS)
    if version == 0:
        msg = f"{path}: expected a state that an exporter has begun, found an empty database; set --storage.path"
        raise StateError(msg)
    if version < newest:
        msg = (
            f"{path}: expected a state of version {newest}, found version {version}; an exporter of this version brings"
            " it there when it starts"
        )
        raise StateError(msg)
