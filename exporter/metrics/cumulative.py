"""Counters and histograms as samples, and the rule that a new series is shown at zero first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.metrics.counts import SeriesKey, Vector
from exporter.metrics.text import histogram_lines, label_block, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.metrics.family import Family
    from exporter.metrics.gauges import Rendered


class Shown(Struct, frozen=True):
    """One series as it is to be rendered: its values, or zeros while it is held."""

    series: SeriesKey
    values: Vector
    held: bool


def render_counts(families: Mapping[str, Family], counts: Iterable[Shown]) -> Rendered:
    """The samples of some series by family name; series of one family stay in the given order."""
    lines: dict[str, list[str]] = {}
    for shown in counts:
        family = families[shown.series[0]]
        labels = label_block(family.labels, shown.series[1:])
        values = [0.0] * len(shown.values) if shown.held else shown.values
        if family.type == "histogram":
            text = histogram_lines(family.name, labels, family.bounds, values[:-1], values[-1])
        else:
            text = (
                f"{family.name}{{{labels}}} {number(values[0])}\n" if labels else f"{family.name} {number(values[0])}\n"
            )
        lines.setdefault(family.name, []).append(text)
    return {name: "".join(parts).encode() for name, parts in lines.items()}


class ZeroHold:
    """Which new series are still shown at zero.

    Prometheus' `increase()` cannot see a jump from nothing: a series that appears with 5 has increased by 0. So a new
    one shows zeros until a Prometheus has read them and the hold time has passed. A scrape says which generation of
    the page it read; a series counts as read when that generation had it.
    """

    def __init__(self, hold_seconds: float) -> None:
        self._hold_seconds = hold_seconds
        #: By series: when it was created, and the first generation that shows it (None: not on a page yet).
        self._held: dict[SeriesKey, tuple[float, int | None]] = {}

    def __contains__(self, series: SeriesKey) -> bool:
        return series in self._held

    def hold(self, series: SeriesKey, created: float) -> None:
        """A series is new since `created` (Unix seconds)."""
        self._held.setdefault(series, (created, None))

    def forget(self, series: SeriesKey) -> None:
        """A series left the page."""
        self._held.pop(series, None)

    def published(self, generation: int) -> None:
        """All series held so far stand on the page of that generation, and on those after it."""
        for series, (created, first) in self._held.items():
            if first is None:
                self._held[series] = (created, generation)

    def release(self, now: float, read_generation: int) -> list[SeriesKey]:
        """Takes out and returns the series whose counts may show.

        Args:
            now: Unix seconds.
            read_generation: the newest generation that a Prometheus has read.
        """
        done = [
            series
            for series, (created, first) in self._held.items()
            if first is not None and first <= read_generation and created + self._hold_seconds <= now
        ]
        for series in done:
            del self._held[series]
        return done
