"""The timeline as text: OpenMetrics for `promtool tsdb create-blocks-from openmetrics`, and for those who scrape it.

Both read a series whose samples descend as if all but one were not there, and say nothing: so every series is written
once, ascending. Text has no stale marker (a written NaN is a value and spoils averages): lines run on for five
minutes after their end, unlike those that are pushed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.text import header, label_block, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.metrics.family import Family
    from exporter.timeline.series import Labels, TimelineSeries

#: What an OpenMetrics text ends with.
END = "# EOF\n"


def family_text(
    family: Family, series: Iterable[TimelineSeries], own: Mapping[str, str], *, open_metrics: bool = True
) -> Iterator[str]:
    """Yields the text of one family, a piece a series; nothing where it has no samples.

    Args:
        family: as in the catalogue.
        series: those of this family are taken, whatever their order; parts of one series are put together, and of two
            samples at the same time the first counts.
        own: labels that every series gets beside its own; where both have one, the series' counts.
        open_metrics: the format: OpenMetrics 1.0.0, else text 0.0.4.
    """
    parts: dict[Labels, list[TimelineSeries]] = {}
    for each in series:
        if each.family == family.name:
            parts.setdefault(each.labels, []).append(each)
    written = False
    for labels, of_one in parts.items():
        lines = series_text(family, labels, of_one, own, open_metrics=open_metrics)
        if lines and not written:
            written = True
            yield header(family, open_metrics=open_metrics).decode()
        yield lines


def series_text(
    family: Family,
    labels: Labels,
    parts: Iterable[TimelineSeries],
    own: Mapping[str, str],
    *,
    open_metrics: bool = True,
) -> str:
    """The lines of one series, ascending; empty where it has nothing but markers. Arguments as in `family_text`."""
    block = label_block(*zip(*({**own, **dict(labels)}).items(), strict=True))
    samples: dict[int, float] = {}
    for part in parts:
        for time, value in part.samples():
            if value is not None:
                samples.setdefault(time, value)
    moment = _seconds if open_metrics else str
    return "".join(f"{family.name}{{{block}}} {number(samples[time])} {moment(time)}\n" for time in sorted(samples))


def text(
    families: Iterable[Family],
    series: Iterable[TimelineSeries],
    own: Mapping[str, str],
    *,
    open_metrics: bool = True,
) -> Iterator[str]:
    """Yields a whole file: each family once, in the order of the catalogue; arguments as in `family_text`."""
    kept = list(series)
    for family in families:
        if family.scope == "timeline":
            yield from family_text(family, kept, own, open_metrics=open_metrics)
    if open_metrics:
        yield END


def _seconds(milliseconds: int) -> str:
    # Not by division: what a double makes of it may round to another millisecond.
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
