"""Which files are read: those that were named, and all in the folders that were named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.sources.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What those who write a file under another name first call it.
_UNFINISHED = (".tmp", ".part", "~")


class Files(Struct, frozen=True, kw_only=True):
    """What there is to read."""

    #: In the order in which they were named; those of a folder in the order of their names, depth first.
    paths: tuple[Path, ...]
    #: Bytes of all of them together, as they are stored; 0 for what is no regular file, such as a pipe.
    size: int
    #: Folders that cannot be listed, and such that have no files, a line each.
    problems: tuple[str, ...]


def find_files(named: Sequence[Path]) -> Files:
    """Lists the files; hidden and unfinished ones in folders are left out, links to folders are not followed."""
    paths: list[Path] = []
    problems: list[str] = []
    for path in named:
        if not path.is_dir():
            # One that is not there, too: reading it tells why.
            paths.append(path)
            continue
        before = len(paths) + len(problems)
        paths += _files_below(path, problems)
        if len(paths) + len(problems) == before:
            problems.append(f"{printable(str(path))}: there are no files in it; expected data streams or saved answers")
    return Files(paths=tuple(paths), size=sum(map(_size, paths)), problems=tuple(problems))


def _files_below(folder: Path, problems: list[str]) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        problems.append(f"{printable(str(error.filename))}: the folder cannot be read ({error.strerror})")

    for found, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(found, name)
            if not name.startswith(".") and not name.endswith(_UNFINISHED) and path.is_file():
                yield path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
