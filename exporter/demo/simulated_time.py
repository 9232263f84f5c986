"""A clock that starts in the past and runs fast until it has caught up with the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.demo.truth import Clock


class SimulatedTime:
    """Unix seconds at each call, never later than the real time.

    Args:
        real: the real time.
        behind_seconds: how far in the past it starts.
        speed: how many times as fast as the real time it runs; above 0. With 1 or less it never catches up.
    """

    def __init__(self, real: Clock, *, behind_seconds: float, speed: float) -> None:
        self._real = real
        self._speed = speed
        self._began = real()
        #: Unix seconds at which the simulated time starts.
        self.start = self._began - behind_seconds

    def __call__(self) -> float:
        """The simulated time now."""
        now = self._real()
        return min(now, self.start + self._speed * (now - self._began))
