"""One file after another into the ledger, delivery by delivery, each with its own outcome."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec import Struct, field

from exporter.feed.choice import ChoiceError
from exporter.sources.base import UnusableBodyError
from exporter.sources.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from exporter.feed.choice import Reader, Readers
    from exporter.pipeline.ingest import Committed
    from exporter.sources.base import Delivery, Receipt

logger = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
#: Problems of a file that are told; more of them are only counted.
_TOLD_PROBLEMS = 10


class Outcome(Struct, kw_only=True):
    """What became of a file; of a sum, of several."""

    new: int = 0
    grown: int = 0
    duplicate: int = 0
    rejected: int = 0
    #: Whether there was anything in it that a source can use, were it only known already.
    usable: bool = True
    #: Whether there was more in it when it was to stop.
    stopped: bool = False
    #: The first of what is wrong, a line each: file, place, what and what was expected.
    problems: list[str] = field(default_factory=list)
    #: What is wrong beside that.
    more_problems: int = 0

    def add(self, other: Outcome | Receipt) -> None:
        """Adds the counts of another."""
        self.new += other.new
        self.grown += other.grown
        self.duplicate += other.duplicate
        self.rejected += other.rejected

    def problem(self, text: str) -> None:
        """Notes what is wrong."""
        if len(self.problems) < _TOLD_PROBLEMS:
            self.problems.append(text)
        else:
            self.more_problems += 1


class Feeding:
    """Feeds files; stops between two commits when it is told to."""

    def __init__(
        self,
        readers: Readers,
        commit: Callable[[str, Delivery], Committed],
        stopped: Callable[[], bool],
        read: Callable[[int], None],
        words: Callable[[object], str] = str,
    ) -> None:
        """Makes it.

        Args:
            readers: the sources that files may count for.
            commit: commits a delivery of the source of that name.
            stopped: whether to leave it at what was committed.
            read: is told how many more stored bytes were read.
            words: says what a message of a vendor's package may say.
        """
        self._readers = readers
        self._commit = commit
        self._stopped = stopped
        self._read = read
        self._words = words

    def feed(self, path: Path) -> Outcome:
        """Commits what a file says; what was committed before a problem stays."""
        outcome = Outcome(usable=False)
        name = printable(str(path))
        try:
            with closing(self._pieces(path)) as pieces:
                self._take(name, pieces, outcome)
        except OSError as error:
            outcome.problem(f"{name}: cannot be read ({error.strerror}); expected a file or folder")
        outcome.usable = outcome.usable or not outcome.problems
        return outcome

    def _take(self, name: str, pieces: Generator[bytes, None, None], outcome: Outcome) -> None:
        first = next(pieces, b"")
        try:
            reader = self._readers.choose(first)
        except ChoiceError as error:
            outcome.problem(f"{name}: {error}")
            return
        source = reader.source.name
        deliveries = _lazily(reader, _again(first, pieces), name)
        while (delivery := self._next(name, deliveries, outcome)) is not None:
            if self._stopped():
                outcome.stopped = True
                break
            committed = self._commit(source, delivery)
            outcome.add(committed.receipt)
            outcome.usable = outcome.usable or bool(delivery.reports)
            # The rest of what the ledger rejects are those of the delivery that it has not met before.
            too_old = [each for each in committed.rejected if each.reason == "too_old"]
            for document in (*delivery.rejected, *too_old):
                outcome.problem(self._placed(name, document.message))

    def _next(self, name: str, deliveries: Iterator[Delivery], outcome: Outcome) -> Delivery | None:
        try:
            return next(deliveries, None)
        except OSError:
            raise
        except UnusableBodyError as error:
            outcome.problem(self._placed(name, str(error)))
        except Exception as error:
            # A fault of ours in one file must not keep the others from being read. Its text may hold what the file has.
            logger.debug("%s could not be read", name, exc_info=True)
            outcome.problem(f"{name}: cannot be read, by a fault of this program: {type(error).__name__}")
        return None

    def _placed(self, name: str, message: str) -> str:
        """A message with the file that it is about, which the vendor's package may have said, and may not have."""
        told = self._words(message)
        return told if told.startswith(name) else f"{name}: {told}"

    def _pieces(self, path: Path) -> Generator[bytes, None, None]:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                self._read(len(piece))
                yield piece


def _lazily(reader: Reader, pieces: Iterator[bytes], name: str) -> Iterator[Delivery]:
    """Reads nothing before the first delivery is asked for."""
    yield from reader.saved.read(reader.source, pieces, name)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
