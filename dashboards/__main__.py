"""Writes the JSON of every dashboard beside the Python that makes it."""

from __future__ import annotations

from pathlib import Path

from dashboards.boards import BOARDS
from dashboards.encoding import encode


def write(folder: Path) -> list[Path]:
    """Writes one file for each dashboard into `folder`.

    Returns:
        The files that were written.
    """
    files = []
    for name, board in BOARDS.items():
        file = folder / f"{name}.json"
        file.write_bytes(encode(board()))
        files.append(file)
    return files


if __name__ == "__main__":
    for written in write(Path(__file__).parent):
        print(written)  # noqa: T201 - a command that says what it wrote
