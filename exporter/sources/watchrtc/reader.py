"""From the bytes of one document to reports, and to deliveries of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model import Report
from exporter.sources.base import RejectedDocument, digest
from exporter.sources.batches import in_deliveries
from exporter.sources.text import printable
from exporter.sources.watchrtc.documents import ELEMENT_LIMIT, Element, split
from exporter.sources.watchrtc.parser import parse_room
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from exporter.sources.base import Delivery, ObjectIdentity

#: After so many the document is something else, such as a gigabyte of numbers, each of which would be remembered.
_REJECTIONS_IN_A_ROW = 100_000


def read_document(
    chunks: Iterable[bytes],
    source_name: str,
    keys_as_labels: Sequence[str] = (),
    *,
    document: str = "document",
    limit: int = ELEMENT_LIMIT,
) -> Iterator[Report | RejectedDocument]:
    """Reads a data stream room by room, with bounded memory.

    Args:
        chunks: the document's bytes in pieces of any size; errors that it raises pass through.
        source_name: the configured name of the source.
        keys_as_labels: the names of the application's keys that are kept.
        document: what to call the document in messages: a file's name, for example.
        limit: the most bytes that one room may have.
    """
    for outcome, _ in _read(chunks, source_name, keys_as_labels, document, limit):
        yield outcome


def read_deliveries(
    chunks: Iterable[bytes],
    source_name: str,
    keys_as_labels: Sequence[str] = (),
    *,
    document: str = "document",
    read_object: ObjectIdentity | None = None,
) -> Generator[Delivery, None, None]:
    """Reads a data stream as deliveries of bounded size; the last of them, which always comes, has `read_object`."""
    outcomes = _read(chunks, source_name, keys_as_labels, document, ELEMENT_LIMIT)
    return in_deliveries(outcomes, () if read_object is None else (read_object,))


def _read(
    chunks: Iterable[bytes],
    source: str,
    keys_as_labels: Sequence[str],
    document: str,
    limit: int,
) -> Iterator[tuple[Report | RejectedDocument, int]]:
    name = quote(printable(document))
    in_a_row = 0
    for found in split(chunks, limit=limit):
        place = told(name, f": {found.place}")
        outcome: Report | RejectedDocument
        if isinstance(found, Element):
            outcome = parse_room(found.raw, source=source, keys_as_labels=keys_as_labels, place=place)
            size = len(found.raw)
        else:
            message = told(place, f": {found.problem}")
            outcome = RejectedDocument(reason=found.reason, digest=found.digest, message=message)
            size = 0
        yield outcome, size
        in_a_row = 0 if isinstance(outcome, Report) else in_a_row + 1
        if in_a_row >= _REJECTIONS_IN_A_ROW:
            message = told(place, f": {in_a_row} elements in a row were no rooms; the rest of the document is not read")
            yield RejectedDocument(reason="too_large", digest=digest(message.encode()), message=message), 0
            return
