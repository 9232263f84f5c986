"""A folder of the local file system."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.stores.place import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: More links than these a file system may not give a file.
_LINKS = 20_000


class FolderPlace:
    """A folder in which every file was changed in the same second, as stores tell it."""

    page = 0
    absent = "not_found"
    odd_keys = ()

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._folder = parent / "streams"
        self._folder.mkdir(parents=True)
        self.settings: dict[str, object] = {"url": str(self._folder)}

    def put(self, key: str, raw: bytes, encoding: str = "") -> None:
        """Writes a file; there are no encodings."""
        del encoding
        path = self._path(key)
        path.write_bytes(raw)
        second = int(time.time())
        os.utime(path, (second, second))

    def put_beside(self, key: str, raw: bytes) -> None:
        """Writes a file to a folder beside."""
        beside = self._parent / "streams-old"
        beside.mkdir(exist_ok=True)
        (beside / key).write_bytes(raw)

    def delete(self, key: str) -> None:
        """Removes a file."""
        self._path(key).unlink()

    def copy(self, key: str, to: str) -> None:
        """Copies a file."""
        self._path(to).write_bytes(self._path(key).read_bytes())

    @contextmanager
    def uploading(self, key: str, raw: bytes) -> Iterator[None]:
        """Writes under another name, and renames at the end."""
        unfinished = self._path(f"{key}.part")
        unfinished.write_bytes(raw[: len(raw) // 2])
        yield
        unfinished.write_bytes(raw)
        unfinished.rename(self._path(key))

    def mark_folder(self, key: str) -> None:
        """Makes a folder."""
        (self._folder / key).mkdir()

    def fill(self, count: int) -> str:
        """Links of a few files: many names, and little to write."""
        second = int(time.time())
        for number in range(count):
            if number % _LINKS == 0:
                file = self._parent / f"file{number}"
                file.write_bytes(b"[]")
                os.utime(file, (second, second))
            os.link(file, self._folder / f"{number:06}.json")
        return f"{second * 1_000_000_000}-2"

    def name(self, key: str) -> str:
        """Its path below the folder."""
        return key

    def asked(self) -> Asked:
        """Nobody counts."""
        return Asked(0, 0)

    def _path(self, key: str) -> Path:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
