"""From when to when, and why not later."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from exporter.timeline.series import TimelineSeries

#: A Prometheus keeps what it scraped last in memory and its log: two hours, and an hour until a block is made of them.
SAFE_SECONDS: Final = 3 * 3600.0


class SpanError(Exception):
    """The span cannot be written; the text says why and what was expected."""


class Span(Struct, frozen=True):
    """Samples from one time on and before another, in Unix seconds."""

    begin: float
    end: float

    def check(self, now: float) -> None:
        """Holds that blocks of this span can be put into a Prometheus. `now`: Unix seconds.

        Raises:
            SpanError: they cannot.
        """
        if self.begin >= self.end:
            message = f"--to: expected a time after --from ({moment(self.begin)}), got {moment(self.end)}"
            raise SpanError(message)
        if self.end > now - SAFE_SECONDS:
            # To the second, as somebody may well type it.
            latest = moment((now - SAFE_SECONDS) // 1)
            message = (
                f"--to: expected a time three hours ago or earlier ({latest}), got"
                f" {moment(self.end)}: with a block that is newer, a Prometheus throws away at its next start what it"
                " scraped itself up to the end of that block; what is newer comes by remote write"
            )
            raise SpanError(message)

    def part(self, series: TimelineSeries) -> TimelineSeries | None:
        """What of a series is in the span; None where that is nothing."""
        begin, end = (bisect_left(series.times, round(at * 1000)) for at in (self.begin, self.end))
        return series.part(begin, end) if begin < end else None


def moment(seconds: float) -> str:
    """A time as a person reads it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
