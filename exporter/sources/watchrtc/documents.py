"""Splits a data stream into its room elements, one by one and with bounded memory, whatever form it has.

A data stream is a JSON array of rooms. One room object, an object with an array `rooms`, rooms on lines of their own,
and any of these after one another are read too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from exporter.model import ReportRejection
from exporter.sources.base import digest
from exporter.sources.gzip_text import utf8_text
from exporter.sources.watchrtc.brackets import BracketFinder, Finder, PatternFinder
from exporter.sources.watchrtc.window import TextWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A longer element is rejected, so that memory stays bounded.
ELEMENT_LIMIT = 64 << 20

_RAW = msgspec.json.Decoder(msgspec.Raw)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_BYTE = re.compile(r"\(byte (\d+)\)")
#: A number, a literal or an escape that is cut in two looks malformed, so close to the end it may be only cut.
_LONGEST_ATOM = 16

_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = b"{}[]"

_BETWEEN_ELEMENTS = re.compile(rb"[\s,]*+")
#: Between documents: record separators (RFC 7464), and byte order marks of files that were joined.
_BETWEEN_DOCUMENTS = re.compile(rb"(?:[\s,\x1e]|\xef\xbb\xbf)*+")
_BYTE_ORDER_MARK_SIZE = 3
_JUNK_IN_ARRAY = re.compile(rb"[,\[\]{}\n]")
_JUNK_BETWEEN_DOCUMENTS = re.compile(rb"\n(?=[\[{])")
_MEMBER = re.compile(rb'\s*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+:\s*+', re.DOTALL)
_COMMA = re.compile(rb"\s*+,")


class Element(Struct, frozen=True, gc=False):
    """The text of one element, which should be a room; it may still be anything, and damaged."""

    raw: bytes
    number: int
    offset: int

    @property
    def place(self) -> str:
        """Where it stood, for a person."""
        return _place(self.number, self.offset)


class Damage(Struct, frozen=True):
    """Something is wrong with the document that is not in any element that was handed out."""

    reason: ReportRejection
    digest: bytes
    place: str
    problem: str


def split(chunks: Iterable[bytes], *, limit: int = ELEMENT_LIMIT) -> Iterator[Element | Damage]:
    """Splits a data stream, given as its bytes in pieces of any size, into elements in the order of the document.

    An element that is not JSON is handed out as it stands, up to where its brackets, its line or the next element show
    that it ends, so it costs only itself. What is wrong with the document as a whole (cut off, broken gzip, a missing
    comma, empty) is told once, at the end. Errors that `chunks` itself raises pass through.
    """
    return _Splitter(TextWindow(utf8_text(chunks)), limit).run()


class _Splitter:
    """Walks once over the text; what it yields is in order, and the cursor never goes back."""

    def __init__(self, text: TextWindow, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._number = 0
        self._problem: tuple[str, str] | None = None
        self._cut = False

    def run(self) -> Iterator[Element | Damage]:
        text = self._text
        empty = True
        while self._comes_next(_BETWEEN_DOCUMENTS, lookahead=_BYTE_ORDER_MARK_SIZE, commas=0):
            empty = False
            first = text.data[text.cursor]
            if first == _OPEN_ARRAY:
                text.cursor += 1
                yield from self._array(in_object=False)
            elif first == _OPEN_OBJECT:
                yield from self._object()
            elif first in b"]}":
                self._note("this bracket closes nothing")
                text.cursor += 1
            else:
                # Of `"room_id": "r"` the first text alone is JSON; what is no document is one element up to the next.
                yield self._element(PatternFinder(_JUNK_BETWEEN_DOCUMENTS), may_be_json=False)
        if text.damage:
            self._problem = (f"byte {text.offset}", text.damage)
        elif empty:
            self._note("the document is empty; expected an array of rooms")
        # Where the last element was cut off, that was told already.
        if self._problem and not self._cut:
            place, problem = self._problem
            yield Damage("malformed", digest(text.fingerprint()), place, problem)

    def _note(self, problem: str) -> None:
        """Remembers the first thing that is wrong between elements."""
        self._problem = self._problem or (f"byte {self._text.offset}", problem)

    def _comes_next(self, between: re.Pattern[bytes], *, lookahead: int = 1, commas: int) -> bool:
        """Moves to what comes next; False at the end of the text."""
        found = self._text.skip(between, lookahead=lookahead)
        if not self._text.left:
            return False
        expected = 0 if self._text.data[self._text.cursor] in b"]}" else commas
        if found != expected:
            self._note(f"expected {'one' if expected else 'no'} comma before this")
        return True

    def _object(self) -> Iterator[Element | Damage]:
        """A room, or an object around an array of rooms: told apart by whether that array begins."""
        text = self._text
        while True:
            end = json_end(text.data, text.cursor, final=text.ended)
            array = _rooms_array(text.data, text.cursor, end if isinstance(end, int) else len(text.data))
            if array or end != "partial" or text.left > self._limit:
                break
            text.grow()
        if not array:
            yield self._element(BracketFinder(in_array=False, lines=True))
            return
        text.cursor = array
        yield from self._array(in_object=True)
        rest = BracketFinder(open_brackets=b"{", in_array=False, lines=False)
        if not self._skip_to_end(rest):
            self._note("the object around the rooms is not closed")

    def _array(self, *, in_object: bool) -> Iterator[Element | Damage]:
        text = self._text
        commas = 0
        while self._comes_next(_BETWEEN_ELEMENTS, commas=commas):
            first = text.data[text.cursor]
            if first == _CLOSE_ARRAY:
                text.cursor += 1
                return
            if first == _CLOSE_OBJECT:
                self._note("expected an element or the end of the array, got }")
                if in_object:
                    return
                text.cursor += 1
            elif first in b"{[":
                yield self._element(BracketFinder(in_array=True, lines=True))
            else:
                yield self._element(PatternFinder(_JUNK_IN_ARRAY))
            commas = 1
        self._note("the array is not closed")

    def _element(self, finder: Finder, *, may_be_json: bool = True) -> Element | Damage:
        """Takes the element at the cursor, whatever it is; `finder` finds its end if it is not JSON."""
        text = self._text
        self._number += 1
        number, offset = self._number, text.offset
        size = self._size(finder, may_be_json=may_be_json)
        if size is None and text.ended and not may_be_json:
            size = text.left
        raw = text.data[text.cursor : text.cursor + min(size or text.left, self._limit)]
        if size is not None and size <= self._limit:
            text.cursor += size
            return Element(raw, number, offset)
        place = _place(number, offset)
        if size is None and text.ended and text.left <= self._limit:
            self._cut = True
            text.cursor += text.left
            problem = text.damage or "cut off, or no JSON; expected a room"
            return Damage("malformed", digest(raw), place, problem)
        if size is None:
            self._skip_to_end(finder)
        else:
            text.cursor += size
        problem = f"longer than {self._limit} bytes, the most that an element may have"
        return Damage("too_large", digest(raw), place, problem)

    def _size(self, finder: Finder, *, may_be_json: bool) -> int | None:
        """The length of the element at the cursor; None where neither the text in memory nor all of it has its end."""
        text = self._text
        end = json_end(text.data, text.cursor, final=text.ended) if may_be_json else "broken"
        while end == "partial" and text.left <= self._limit:
            text.grow()
            end = json_end(text.data, text.cursor, final=text.ended)
        while not isinstance(end, int):
            found = finder.end(text.data, text.cursor, final=text.ended)
            if found is not None:
                end = found
            elif text.ended or text.left > self._limit:
                return None
            else:
                text.grow()
        return end - text.cursor

    def _skip_to_end(self, finder: Finder) -> bool:
        """Moves behind what `finder` finds the end of, without keeping it; False where the text ends before."""
        text = self._text
        while (end := finder.end(text.data, text.cursor, final=text.ended)) is None:
            if text.ended:
                text.cursor += text.left
                return False
            text.cursor += finder.done
            finder.done = 0
            text.grow()
        text.cursor = end
        return True


def _place(number: int, offset: int) -> str:
    return f"element {number} at byte {offset}"


def json_end(data: bytes, start: int, *, final: bool) -> int | Literal["partial", "broken"]:
    """Where the JSON value that begins at `start` ends: one past its last byte.

    `partial` where it is good as far as `data` goes and `final` does not say that nothing more comes; else `broken`.

    msgspec checks a value without building it and then complains of what stands after it, and where: several times
    faster than any way to find the end in Python. Its message is pinned by a test.
    """
    try:
        raw = _RAW.decode(memoryview(data)[start:])
    except msgspec.DecodeError as error:
        message = str(error)
        trailing = _TRAILING.search(message)
        if trailing:
            # The complaint is of the next character that is not blank.
            return start + len(data[start : start + int(trailing[1]) - 1].rstrip())
        byte = _BYTE.search(message)
        near_end = byte is None or start + int(byte[1]) > len(data) - _LONGEST_ATOM
        return "partial" if near_end and not final else "broken"
    except RecursionError:
        return "broken"
    end = start + len(memoryview(raw))
    # A number that ends where the text in memory ends may go on.
    return "partial" if data[start] not in b'{["' and not final else end


def _rooms_array(data: bytes, start: int, end: int) -> int | None:
    """Where the elements of the member `rooms` begin, if the object at `start` has an array of that name."""
    if data.find(b'"rooms"', start, end) < 0:
        return None
    at = start + 1
    while member := _MEMBER.match(data, at, end):
        if member[1] == b"rooms" and data.startswith(b"[", member.end()):
            return member.end() + 1
        value = json_end(data, member.end(), final=False)
        comma = _COMMA.match(data, value, end) if isinstance(value, int) else None
        if comma is None:
            return None
        at = comma.end()
    return None
