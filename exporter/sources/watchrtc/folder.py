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
#: Files of a folder that are listed at once.
_LISTED = 1000
#: What those who write a file under another name first call it.
_UNFINISHED = (".tmp", ".part", "~")


class FolderStore:
    """Lists and reads the regular files of a folder; links are followed, and each folder is visited once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_objects(self) -> Generator[Listing, None, None]:
        """Every file but the hidden and unfinished ones, folder by folder, in the order of their names."""
        visited: set[tuple[int, int]] = set()
        folders = [self._folder]
        while folders:
            folder = folders.pop()
            try:
                identity = folder.stat()
                if (identity.st_dev, identity.st_ino) in visited:
                    continue
                visited.add((identity.st_dev, identity.st_ino))
                files, below = _content(folder)
            except OSError as error:
                if folder is self._folder:
                    raise _poll_error(folder, error) from error
                yield Listing(problems=(told(quote(_text(str(folder))), f": {error.strerror}"),))
                continue
            folders.extend(reversed(below))
            for start in range(0, len(files), _LISTED):
                yield Listing(objects=tuple(self._object(*file) for file in files[start : start + _LISTED]))

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

    def _object(self, path: str, status: os.stat_result) -> StoredObject:
        name = _text(os.path.relpath(path, self._folder))
        return StoredObject(
            identity=ObjectIdentity(name, _tag(status)),
            size=status.st_size,
            modified=status.st_mtime,
            address=path,
        )


def _content(folder: Path) -> tuple[list[tuple[str, os.stat_result]], list[Path]]:
    """The files of a folder, each with its status, and the folders in it, each in the order of their names."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    files, folders = [], []
    for entry in ordered:
        if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
            continue
        try:
            status = entry.stat()
        except OSError:
            # A link to nowhere, or gone since: neither is a data stream.
            continue
        if stat.S_ISDIR(status.st_mode):
            folders.append(Path(entry.path))
        elif stat.S_ISREG(status.st_mode):
            files.append((entry.path, status))
    return files, folders


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
