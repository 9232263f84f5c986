"""The part of a long text that is in memory, with a cursor that only moves forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources.gzip_text import DamagedStreamError, Fingerprint

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator


class TextWindow:
    """Reads a text as it is asked for more, and forgets what lies before the cursor."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._text = Fingerprint()
        self._damaged = b""
        #: What is in memory.
        self.data = b""
        #: Where in `data` the cursor stands; whoever moves it moves it forward.
        self.cursor = 0
        #: Whether nothing comes after `data`.
        self.ended = False
        #: Why the text ended before its time; empty where it did not.
        self.damage = ""

    @property
    def left(self) -> int:
        """How many bytes are in memory from the cursor on."""
        return len(self.data) - self.cursor

    @property
    def offset(self) -> int:
        """How many bytes of the whole text lie before the cursor."""
        return self._text.size - self.left

    def fingerprint(self) -> bytes:
        """Tells the text that was read up to now from others, whatever the pieces were that it came in."""
        return bytes(self._text) + self._damaged

    def grow(self) -> None:
        """Reads on until what lies from the cursor on has doubled at least.

        Doubling keeps the work linear where a long element is looked at anew after each growth.
        """
        rest = self.data[self.cursor :]
        found = [rest]
        wanted = max(len(rest), 1)
        while wanted > 0 and not self.ended:
            piece = self._next()
            found.append(piece)
            wanted -= len(piece)
        self.data = b"".join(found)
        self.cursor = 0

    def skip(self, pattern: re.Pattern[bytes], *, lookahead: int = 1) -> int:
        """Moves the cursor over all that `pattern` matches, until `lookahead` bytes show that it ends there.

        Returns:
            how many commas were among it.
        """
        commas = 0
        while True:
            match = pattern.match(self.data, self.cursor)
            skipped = match[0] if match else b""
            commas += skipped.count(b",")
            self.cursor += len(skipped)
            if self.left >= lookahead or self.ended:
                return commas
            self.grow()

    def _next(self) -> bytes:
        try:
            piece = next(self._pieces, None)
        except DamagedStreamError as error:
            self.damage = str(error)
            self._damaged = bytes(error.fingerprint)
            piece = None
        self.ended = piece is None
        piece = piece or b""
        self._text.add(piece)
        return piece
