"""How a command that works through something is asked to stop."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What shells add to the number of the signal that ended a process.
_SIGNALLED = 128


class Stop:
    """Whether SIGINT or SIGTERM has come: the work in hand is to be brought to its end, and no more begun."""

    def __init__(self) -> None:
        self._number = 0
        self._restore: Callable[[], object] = list

    def __call__(self) -> bool:
        """Whether one has come."""
        return self._number > 0

    @property
    def exit_code(self) -> int:
        """As shells have it for a process that the signal ended."""
        return _SIGNALLED + self._number

    @contextmanager
    def on_signals(self) -> Iterator[Stop]:
        """Listens to the signals as long as the context is open; a second one ends the process as always."""
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)}
        self._restore = lambda: [signal.signal(number, handler) for number, handler in before.items()]
        try:
            yield self
        finally:
            self._restore()

    def _signalled(self, number: int, _: object) -> None:
        self._number = number
        self._restore()
