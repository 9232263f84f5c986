"""The line that tells how far something has come."""

from __future__ import annotations

import io
import os
import pty
import re
from typing import TYPE_CHECKING

import pytest

from exporter.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen(io.TextIOWrapper):
    """A terminal, or something else, that remembers what was written to it."""

    def __init__(self, *, is_terminal: bool = True, encoding: str = "utf-8") -> None:
        self.written = io.BytesIO()
        super().__init__(self.written, encoding=encoding, write_through=True)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Whether it is one."""
        return self._is_terminal

    @property
    def lines(self) -> list[str]:
        """What stood in its line, one drawing after another."""
        return re.findall(r"\r([^\r]*)\x1b\[K", self.written.getvalue().decode(self.encoding))


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def test_it_draws_how_far_it_is() -> None:
    """Share, bytes, and once it can be told how long it still takes."""
    screen, clock = Screen(), Clock()
    progress = Progress(screen, 10_000_000, clock)
    progress.begin("a.json")
    clock.now += 0.5
    progress.add(1_000_000)
    clock.now += 4.5
    progress.add(1_500_000)
    clock.now += 1.0
    progress.add(7_500_000)
    progress.end()
    assert screen.lines == [
        "[                        ]   0%  0.0 of 10.0 MB  a.json",
        "[##                      ]  10%  1.0 of 10.0 MB  a.json",
        "[######                  ]  25%  2.5 of 10.0 MB, 0:15 left  a.json",
        "[########################] 100%  10.0 of 10.0 MB, 0:00 left  a.json",
        "",
    ]


def test_it_draws_ten_times_a_second_at_most() -> None:
    """Whatever comes in between is in the next drawing."""
    screen, clock = Screen(), Clock()
    progress = Progress(screen, 1000, clock)
    progress.begin("a")
    for _ in range(99):
        clock.now += 0.001
        progress.add(1)
    assert len(screen.lines) == 1
    clock.now += 0.002
    progress.add(1)
    assert screen.lines[1:] == ["[##                      ]  10%  0.0 of 0.0 MB  a"]


def test_without_a_terminal_nothing_is_written() -> None:
    """A log or a pipe has no line that could be drawn anew."""
    screen, clock = Screen(is_terminal=False), Clock()
    progress = Progress(screen, 10, clock)
    progress.begin("a")
    clock.now += 10.0
    progress.add(5)
    progress.end()
    assert screen.written.getvalue() == b""


def test_unknown_size() -> None:
    """Of a pipe nobody knows how much there is."""
    screen, clock = Screen(), Clock()
    progress = Progress(screen, 0, clock)
    progress.begin("pipe")
    clock.now += 9.0
    progress.add(2_000_000)
    assert screen.lines == ["0.0 MB  pipe", "2.0 MB  pipe"]


def test_more_than_all_of_it() -> None:
    """A file that grows while it is read does not make more than all."""
    screen, clock = Screen(), Clock()
    progress = Progress(screen, 100, clock)
    clock.now += 0.9
    progress.add(250)
    assert screen.lines == ["[########################] 100%  0.0 of 0.0 MB  "]


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "Zürich"), ("ascii", "Z?rich")])
def test_any_width_and_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str, shown: str) -> None:
    """It stays in its line, one column short of it, and shows what the terminal can."""
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen(encoding=encoding)
    progress = Progress(screen, 0, Clock())
    progress.begin("Zürich" * 10)
    (line,) = screen.lines
    assert len(line) == 29
    assert line.startswith(f"0.0 MB  {shown}")


@pytest.fixture
def terminal() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """A real one: its other end, and the stream that a program writes to."""
    other, own = pty.openpty()
    with os.fdopen(own, "w", encoding="utf-8") as stream:
        yield other, stream
    os.close(other)


def test_a_real_terminal(terminal: tuple[int, io.TextIOWrapper]) -> None:
    """It is recognised as one."""
    other, stream = terminal
    Progress(stream, 10).begin("a.json")
    assert os.read(other, 1000).startswith(b"\r[")
