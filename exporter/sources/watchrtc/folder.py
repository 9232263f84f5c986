"""A local folder with data-stream files, at any depth."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.sources.base import ObjectIdentity, PollError
from exporter.sources.watchrtc.stores import Listing, ObjectMovedError, ObjectUnreadableError, StoredObject
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Generator

_CHUNK = 1 << 20
#: Files that are held at once of a folder, which may have any number of them.
_LISTED = 1000
#: What those who write a file under another name first call it.
_UNFINISHED = (".tmp", ".part", "~")


class FolderStore:
    """Lists and reads the regular files of a folder; links are followed, and each folder is visited once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_objects(self) -> Generator[Listing, None, None]:
        """Every file but the hidden and unfinished ones, folder by folder."""
        visited: set[tuple[int, int]] = set()
        #: Each with what its files' names begin with.
        folders = [(self._folder, "")]
        while folders:
            folder, prefix = folders.pop()
            below: list[str] = []
            try:
                identity = folder.stat()
                if (identity.st_dev, identity.st_ino) in visited:
                    continue
                visited.add((identity.st_dev, identity.st_ino))
                yield from _list(folder, prefix, below)
            except OSError as error:
                if folder is self._folder:
                    raise _poll_error(folder, error) from error
                yield Listing(problems=(told(quote(_text(str(folder))), f": {error.strerror}"),))
            # In their order, so that one with two names always goes by the same.
            folders.extend((folder / name, f"{prefix}{name}/") for name in sorted(below, reverse=True))

    def read_object(self, found: StoredObject) -> Generator[bytes, None, None]:
        """The file's bytes, if it is still the version that was listed when it was read to its end."""
        try:
            with Path(found.address).open("rb", buffering=0) as file:
                _check_same(found, os.fstat(file.fileno()))
                while chunk := file.read(_CHUNK):
                    yield chunk
                _check_same(found, os.fstat(file.fileno()))
        except FileNotFoundError as error:
            raise ObjectMovedError from error
        except PermissionError as error:
            raise ObjectUnreadableError(told(error.strerror or "not allowed"), "permission") from error
        except OSError as error:
            raise ObjectUnreadableError(told(error.strerror or type(error).__name__)) from error


def _list(folder: Path, prefix: str, below: list[str]) -> Generator[Listing, None, None]:
    """The files of a folder, in any order; the names of the folders in it are put to `below`."""
    files: list[StoredObject] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
                continue
            try:
                status = entry.stat()
            except OSError:
                # A link to nowhere, or gone since: neither is a data stream.
                continue
            if stat.S_ISDIR(status.st_mode):
                below.append(entry.name)
            elif stat.S_ISREG(status.st_mode):
                identity = ObjectIdentity(_text(prefix + entry.name), _tag(status))
                files.append(
                    StoredObject(identity=identity, size=status.st_size, modified=status.st_mtime, address=entry.path)
                )
            if len(files) == _LISTED:
                yield Listing(objects=tuple(files))
                files = []
    if files:
        yield Listing(objects=tuple(files))


def _tag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"


def _check_same(found: StoredObject, status: os.stat_result) -> None:
    if _tag(status) != found.identity.tag:
        raise ObjectMovedError


def _text(name: str) -> str:
    """A name that any store and log can take; a name that is not UTF-8 stays distinct."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _poll_error(folder: Path, error: OSError) -> PollError:
    name = _text(str(folder))
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PollError("not_found", told(f"{name}: expected a folder: {error.strerror}"))
    if isinstance(error, PermissionError):
        return PollError("permission", told(f"{name}: the folder may not be read: {error.strerror}"))
    return PollError("unreachable", told(f"{name}: the folder cannot be read: {error.strerror}"))
