"""What is wrong with a state, and what to do about it: errors of SQLite told from one another."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


class StateError(Exception):
    """The state cannot be used; the text names the file and the way out."""


class StateInUseError(StateError):
    """Another process has the state."""


class StateUnavailableError(StateError):
    """The state cannot be read or written at the moment: a full disk, for example. The same may be tried again."""


class StateDamagedError(StateError):
    """The state holds what nobody has written. It is not worked with any more."""


def damaged(path: Path, what: object) -> StateDamagedError:
    """The error of a file that is not, or not any more, what this program writes."""
    return StateDamagedError(
        f"{path}: expected a state file of this program ({what}); restore it from a backup without the files beside it,"
        " or move all of them away to begin anew (counts start at zero and what the sources still have is read again)"
    )


def is_passing(error: Exception) -> bool:
    """Whether an error of SQLite is about the surroundings: disk, folder, rights, other processes."""
    return _code(error) in _PASSING


def _code(error: Exception) -> int:
    # Not there where the error is the caller's, and the primary code in its lowest byte where it is SQLite's.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class Troubles:
    """Tells errors of SQLite as errors of the state, and logs each once until a change has been committed again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: set[str] = set()
        self._damage: StateDamagedError | None = None

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turns errors of the block.

        Raises:
            StateUnavailableError: it can be tried again.
            StateDamagedError: it cannot, nor can anything after it.
        """
        if self._damage:
            raise self._damage
        try:
            yield
        except sqlite3.Error as error:
            code = _code(error)
            if code in _DAMAGE:
                raise self._damaged(error) from error
            if code not in _PASSING:
                raise
            message = (
                f"{self._path}: expected to read and write it ({error}); nothing is counted until that is possible:"
                " see to the space on its disk and the rights to its folder"
            )
            self._log(message)
            raise StateUnavailableError(message) from error
        except msgspec.DecodeError as error:
            raise self._damaged(error) from error

    def over(self) -> None:
        """A change has been committed."""
        if self._told:
            self._told.clear()
            logger.warning("%s: it can be written again, counting goes on", self._path)

    def _damaged(self, error: Exception) -> StateDamagedError:
        self._damage = damaged(self._path, error)
        self._log(str(self._damage))
        return self._damage

    def _log(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            logger.error("%s", message)
