"""Series that are put together on disk: parts come in any order, and each series leaves once, in one piece.

A file of promtool has all samples of a family in one block and all of a series in their order, while documents and
rows come peer by peer. What is in between may be larger than the memory.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from exporter.timeline.series import Labels, TimelineSeries

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence


class SpoolError(Exception):
    """It cannot be written or read; the text says where and why."""


class Spool:
    """Parts of series, by family and labels."""

    def __init__(self, connection: sqlite3.Connection, families: Sequence[str]) -> None:
        self._connection = connection
        self._places = {family: place for place, family in enumerate(families)}
        #: How many samples it has, and how many bytes these take.
        self.samples = 0
        self.bytes = 0

    @classmethod
    @contextmanager
    def beside(cls, file: Path, families: Sequence[str]) -> Generator[Spool]:
        """Makes one in a folder that goes with the context.

        Args:
            file: where the disk is that has to have room for it.
            families: their order.

        Raises:
            SpoolError: there is no such folder, it cannot be written, or there is no room; within the block, too.
        """
        try:
            made = TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent)
        except OSError as error:
            message = f"{file.parent}: expected a folder that can be written ({error.strerror})"
            raise SpoolError(message) from error
        try:
            with made as folder:
                connection = sqlite3.connect(Path(folder, "spool"), isolation_level=None)
                try:
                    # What is lost with the process is made again.
                    for pragma in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                        connection.execute(f"PRAGMA {pragma}")
                    connection.execute("CREATE TABLE parts (family INTEGER, labels BLOB, times BLOB, amounts BLOB)")
                    connection.execute("BEGIN")
                    yield cls(connection, families)
                finally:
                    connection.close()
        except sqlite3.Error as error:
            message = f"{file.parent}: expected room beside the file to put it together ({error})"
            raise SpoolError(message) from error

    def clear(self) -> None:
        """Begins anew."""
        self._connection.execute("DELETE FROM parts")
        self.samples = self.bytes = 0

    def add(self, series: Iterable[TimelineSeries]) -> None:
        """Takes parts; of two samples at the same time the one that came first counts."""
        for each in series:
            times = msgspec.msgpack.encode(each.times)
            self._write(self._places[each.family], msgspec.msgpack.encode(each.labels), times, each.values)
            self.samples += len(each.times)
            self.bytes += len(times) + len(each.values)

    def _write(self, *row: object) -> None:
        try:
            self._connection.execute("INSERT INTO parts VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            # Not as it is: whoever reads the state meanwhile would take it for the state's.
            message = f"expected room to put the file together ({error})"
            raise SpoolError(message) from error

    def by_family(self) -> Iterator[tuple[str, Iterator[tuple[Labels, list[TimelineSeries]]]]]:
        """Yields each family, and in it each series with its parts in the order in which they came."""
        names = list(self._places)
        rows = self._connection.execute("SELECT * FROM parts ORDER BY family, labels, rowid")
        for family, of_family in groupby(rows, lambda row: row[0]):
            yield names[family], self._series(names[family], of_family)

    @staticmethod
    def _series(family: str, rows: Iterable[Sequence[bytes]]) -> Iterator[tuple[Labels, list[TimelineSeries]]]:
        for raw, of_one in groupby(rows, lambda row: row[1]):
            labels = msgspec.msgpack.decode(raw, type=Labels)
            yield (
                labels,
                [
                    TimelineSeries(
                        family=family,
                        labels=labels,
                        times=msgspec.msgpack.decode(times, type=tuple[int, ...]),
                        values=values,
                    )
                    for _, _, times, values in of_one
                ],
            )
