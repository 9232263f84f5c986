"""Counters and histograms as samples."""

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
