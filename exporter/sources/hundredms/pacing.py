"""Turns for the calls of one source: evenly spaced, and none while the vendor asked to wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exporter.told import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exporter.sources.base import Events

#: Longer than that no call waits for its turn: it fails, so that a poll ends.
LONGEST_WAIT_SECONDS = 60.0
#: A vendor that asks for a longer pause than that is asked again anyway.
LONGEST_HOLD_SECONDS = 3600.0
#: Waits below it are rounding errors of the clock.
_NOTHING = 1e-6


class HeldOffError(Exception):
    """The vendor asked for a pause that is longer than a call may wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(told(f"the vendor asked to wait {seconds:.0f} s more"))


class Pacer:
    """Hands out turns, one after another, at least an interval apart: no burst after a quiet time either."""

    def __init__(
        self,
        per_second: float,
        events: Events,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._interval = 1.0 / per_second
        self._events = events
        self._clock = clock
        self._sleep = sleep
        self._next: float | None = None
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        """Returns when the next call may start.

        Raises:
            HeldOffError: that is more than a minute away.
        """
        asked = self._clock()
        # The lock is held while waiting: turns are taken in the order of asking, and a turn that comes late, because
        # the event loop was busy, moves those after it instead of running into them.
        async with self._lock:
            while (wait := self._left()) > _NOTHING:
                if wait > LONGEST_WAIT_SECONDS:
                    raise HeldOffError(wait)
                await self._sleep(wait)
            self._next = self._clock() + self._interval
        waited = self._clock() - asked
        if waited > _NOTHING:
            self._events.rate_limit_wait(waited)

    def hold(self, seconds: float) -> None:
        """Lets no call start for that long, at most an hour: what one call was told holds for all."""
        until = self._clock() + min(seconds, LONGEST_HOLD_SECONDS)
        self._next = until if self._next is None else max(self._next, until)

    def _left(self) -> float:
        return 0.0 if self._next is None else self._next - self._clock()
