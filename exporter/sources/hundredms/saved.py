"""Answers of `GET /v2/analytics/peer-stats` that somebody saved or sends: one, an array of them, or one a line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from exporter.sources.base import RejectedDocument, UnusableBodyError, digest
from exporter.sources.batches import in_deliveries
from exporter.sources.gzip_text import DamagedStreamError, utf8_text
from exporter.sources.hundredms.announcements import LONGEST_SESSION_SECONDS
from exporter.sources.hundredms.document import MalformedError, decode
from exporter.sources.hundredms.parser import has_data, parse_saved_peer_stats
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exporter.model import Report
    from exporter.sources.base import Delivery
    from exporter.sources.hundredms.settings import HundredMsSettings

#: Inflated; gzip makes a gigabyte of zeros small.
MOST_BYTES = 64 << 20

_OBJECT_ID = re.compile("[0-9a-f]{24}", re.IGNORECASE)


def read_saved(
    chunks: Iterable[bytes], settings: HundredMsSettings, now: float, *, document: str
) -> Iterator[Delivery]:
    """Makes deliveries of answers that tell themselves whom they are about; a bad one costs only itself.

    Args:
        chunks: the document in pieces of any size, gzip or not.
        settings: of the source that they count for.
        now: Unix seconds.
        document: what to call the document in messages.

    Raises:
        UnusableBodyError: it is empty, too large, or gzip that is broken.
    """
    answers = _split(_text(chunks))
    several, name = len(answers) > 1, quote(document)
    return in_deliveries(
        (_parsed(raw, settings, now, told(name, f": answer {number}") if several else name), len(raw))
        for number, raw in enumerate(answers, start=1)
    )


def _parsed(raw: bytes, settings: HundredMsSettings, now: float, place: str) -> Report | RejectedDocument:
    parsed = parse_saved_peer_stats(raw, settings.name, place)
    if isinstance(parsed, RejectedDocument) or has_data(parsed):
        return parsed
    begun = began(parsed.session.key.session_id)
    if begun is not None and now >= begun + LONGEST_SESSION_SECONDS + settings.peer_stats.give_up_after:
        # Polling would have given it up by now.
        return parsed
    # Were it counted, it would stay unclassified whatever comes.
    message = told(quote(place), ": there is no sample in it, yet; expected one that the vendor has worked up")
    return RejectedDocument(
        reason="no_data", digest=digest(raw), message=message, session_id=parsed.session.key.session_id
    )


def began(session_id: str) -> float | None:
    """When a session began, in Unix seconds, as the vendor's ids begin with that; None for ids of another form."""
    return float(int(session_id[:8], 16)) if _OBJECT_ID.fullmatch(session_id) else None


def _text(chunks: Iterable[bytes]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in utf8_text(chunks):
            size += len(piece)
            if size > MOST_BYTES:
                raise UnusableBodyError(told(f"expected at most {MOST_BYTES} bytes"))
            pieces.append(piece)
    except DamagedStreamError as error:
        raise UnusableBodyError(quote(error)) from None
    text = b"".join(pieces).strip()
    if not text:
        raise UnusableBodyError(told("it is empty; expected an answer of peer-stats"))
    return text


def _split(text: bytes) -> Sequence[bytes]:
    """The answers in a text. Lines are told from one answer on several lines by their first, which is whole."""
    if text.startswith(b"["):
        return _elements(text)
    first, *others = text.splitlines()
    try:
        decode(first)
    except MalformedError:
        return [text]
    return [first, *(line for line in others if line.strip())]


def _elements(text: bytes) -> Sequence[bytes]:
    try:
        return [bytes(raw) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Somebody's NaN is no reason to lose all others.
        return [json.dumps(element).encode() for element in decode(text)]
    except (MalformedError, RecursionError):
        return [text]
