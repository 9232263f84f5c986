"""Finds where an element ends that is no JSON any more, so that the elements after it are not lost."""

from __future__ import annotations

import re
from typing import Protocol

_TOKEN = re.compile(
    # A string is followed by what may follow a string; else its quote is a stray one, and the next quote begins anew.
    # A string that lacks its end must not turn all text after it inside out, so a line's end ends the search.
    rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"(?=\s*+[:,\]}])'
    rb'|\[++|[{}\]"]',
)
_STRING_REST = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+')
_UNDECIDED_STRING = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:"\s*+|\\)?\Z')

_QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = b'"{}[]'
_OPENER = {_CLOSE_OBJECT: _OPEN_OBJECT, _CLOSE_ARRAY: _OPEN_ARRAY}

_LINE = re.compile(rb'\n(?=\{")')
_LONGEST_PATTERN = 3
_LINE_LOOKAHEAD = 64
#: Brackets so deep are followed no further, as no document has them; only a new line can end the element then.
_DEEPEST = 1 << 20
#: So many open brackets are looked through for the one that a wrong bracket was meant to close.
_MISMATCH_REACH = 64
#: A longer string, or gap between tokens, is not looked at as a whole.
_LONGEST_LOOK = 1 << 20


class Finder(Protocol):
    """Looks for the end of a damaged element, over more and more text."""

    #: How many bytes after the element's start need no second look.
    done: int

    def end(self, data: bytes, start: int, *, final: bool) -> int | None:
        """Where in `data` the element that begins at `start` ends.

        None when it is not in `data`; with `final` nothing that could settle a doubt will come.
        """
        ...


class PatternFinder:
    """The end of an element that has no brackets to go by: where a short pattern matches."""

    def __init__(self, pattern: re.Pattern[bytes], done: int = 0) -> None:
        self._pattern = pattern
        self.done = done

    def end(self, data: bytes, start: int, *, final: bool) -> int | None:
        """Where the pattern matches first."""
        match = self._pattern.search(data, start + self.done)
        if match:
            return match.start()
        # A match may have begun in the last bytes.
        self.done = max(self.done, len(data) - start - (0 if final else _LONGEST_PATTERN - 1))
        return None


class BracketFinder:
    """The end of an object or array, by its brackets; strings are passed over.

    What was left open is closed where the text says so: at the bracket of an outer level; at a comma between two
    objects where a key should be; with `lines`, where a line begins with a new object, as lines of rooms do.
    """

    def __init__(self, *, open_brackets: bytes = b"", in_array: bool, lines: bool) -> None:
        self._stack = bytearray(open_brackets)
        self._in_array = in_array
        self._lines = lines
        self._in_string = False
        self.done = 0

    def end(self, data: bytes, start: int, *, final: bool) -> int | None:
        """Where the bracket that closes the element ends, or the damage is seen."""
        if self._in_string:
            self.done = self._after_string(data, start + self.done) - start
        if self._in_string:
            return None
        if len(self._stack) < _DEEPEST:
            end = self._end_by_brackets(data, start, final=final)
            if end is not None or len(self._stack) < _DEEPEST:
                return end
        by_line = PatternFinder(_LINE, self.done)
        end = by_line.end(data, start, final=final)
        self.done = by_line.done
        return end

    def _end_by_brackets(self, data: bytes, start: int, *, final: bool) -> int | None:
        at = start + self.done
        for token in _TOKEN.finditer(data, at):
            begin, kind = token.start(), data[token.start()]
            end: int | None = None
            if kind == _QUOTE:
                if token.end() == begin + 1 and not final and _UNDECIDED_STRING.match(data, begin):
                    self._in_string = len(data) - begin > _LONGEST_LOOK
                    at = begin + 1 if self._in_string else at
                    break
            elif kind == _OPEN_OBJECT:
                is_line = self._begins_line(data, start, begin, final=final)
                if is_line is None:
                    break
                end = self._open_object(data, at, begin, is_line=is_line)
            elif kind == _OPEN_ARRAY:
                self._stack += token[0][:_DEEPEST]
            else:
                end = self._close(kind, begin)
            if end is not None:
                return end
            at = token.end()
            if len(self._stack) >= _DEEPEST:
                break
        else:
            at = len(data) if final else max(at, len(data) - _LONGEST_LOOK)
        self.done = at - start
        return None

    def _after_string(self, data: bytes, at: int) -> int:
        """Where a long string ends that `at` is within, or as far as it is known to go on."""
        rest = _STRING_REST.match(data, at)
        end = rest.end() if rest else at
        self._in_string = end + 1 >= len(data)
        return end if self._in_string else end + 1

    def _begins_line(self, data: bytes, start: int, brace: int, *, final: bool) -> bool | None:
        """Whether the brace begins a line, and a key follows; None where more text must tell."""
        if not self._lines or brace == start or data[brace - 1 : brace] != b"\n":
            return False
        after = data[brace + 1 : brace + _LINE_LOOKAHEAD].lstrip(b" \t")
        if not after and not final and brace + _LINE_LOOKAHEAD > len(data):
            return None
        return after.startswith(b'"')

    def _open_object(self, data: bytes, gap: int, brace: int, *, is_line: bool) -> int | None:
        between = data[gap:brace].rstrip()
        comma = between.endswith(b",")
        if is_line:
            self._stack.clear()
        elif comma:
            # Between the members of an object there is no comma before a brace: the object was not closed.
            while self._stack.endswith(b"{"):
                self._stack.pop()
        if not self._stack and (is_line or comma):
            return gap + len(between) - comma
        self._stack.append(_OPEN_OBJECT)
        return None

    def _close(self, kind: int, begin: int) -> int | None:
        opener = self._stack.rfind(_OPENER[kind], -_MISMATCH_REACH)
        if opener >= 0:
            del self._stack[opener:]
            return None if self._stack else begin + 1
        return begin if kind == _CLOSE_ARRAY and self._in_array else None
