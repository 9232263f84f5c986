"""A line on a terminal that tells how far something has come; nothing where there is no terminal."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds between two drawings: more of them would cost more than what they tell of.
_REDRAW_SECONDS = 0.1
_BAR_WIDTH = 24
#: A carriage return, so that the next drawing takes its place, and what clears the rest of the line.
_START, _CLEAR = "\r", "\x1b[K"


class Progress:
    """How many of so many bytes are done."""

    def __init__(self, stream: TextIO, total: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begins.

        Args:
            stream: the terminal; where it is none, nothing is drawn.
            total: all bytes; 0 where nobody knows.
            clock: seconds from any moment.
        """
        #: All bytes; 0 where nobody knows.
        self.total = total
        self._stream = stream
        self._clock = clock
        self._shown = stream.isatty()
        self._started = self._drawn = clock()
        self._done = 0
        self._what = ""

    def begin(self, what: str) -> None:
        """Names what comes next."""
        self._what = what
        self._draw()

    def add(self, count: int) -> None:
        """Tells of bytes that are done."""
        self._done += count
        if self._clock() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def end(self) -> None:
        """Takes the bar away."""
        if self._shown:
            self._stream.write(f"{_START}{_CLEAR}")
            self._stream.flush()

    def _draw(self) -> None:
        if self._shown:
            self._drawn = self._clock()
            # One column is left free: writing into the last one moves some terminals to the next line.
            width = shutil.get_terminal_size().columns - 1
            encoding = self._stream.encoding or "utf-8"
            line = self._line()[:width].encode(encoding, "replace").decode(encoding)
            self._stream.write(f"{_START}{line}{_CLEAR}")
            self._stream.flush()

    def _line(self) -> str:
        done = f"{self._done / 1e6:.1f}"
        if not self.total:
            return f"{done} MB  {self._what}"
        # A file that grows while it is read would make more than all of it.
        share = min(1.0, self._done / self.total)
        bar = "#" * int(share * _BAR_WIDTH)
        return (
            f"[{bar:<{_BAR_WIDTH}}] {share:4.0%}  {done} of {self.total / 1e6:.1f} MB{self._left(share)}  {self._what}"
        )

    def _left(self, share: float) -> str:
        spent = self._clock() - self._started
        if not share or spent < 1.0:
            return ""
        minutes, seconds = divmod(round(spent / share - spent), 60)
        return f", {minutes}:{seconds:02d} left"
