"""The panels of the Overview board that follow the counts over time, and say why calls were poor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.models.common import VisibilityMode

from dashboards.graphs import LEAST_INTERVAL, columns, lines
from dashboards.looks import COUNT, POOR, RATIO, UNCLASSIFIED, VERDICT_COLOURS
from dashboards.overview_figures import CLASSIFIED, NOTHING, PEERS, TARGET
from dashboards.overview_figures import POOR as POOR_ONLY
from dashboards.panels import Frame, Query, bars, fixed_colour
from dashboards.queries import COUNTS, added, by_verdict, in_words, series, share

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import bargauge, timeseries


def over_time() -> timeseries.Panel:
    """Peers by verdict, over the time their reports came."""
    frame = Frame(
        id=101,
        title="Peers by verdict",
        description=(
            "Stays of peers by verdict, at the time their report was counted (minutes to hours after the call), both "
            "sources. Growing red: narrow the time range to it and look at the calls below."
        ),
        size=(9, 8),
        empty=NOTHING,
    )
    # Each column stands for its own interval, so that no stay is in two of them. What increase() adds to make up for
    # the ends of an interval would show as a fraction of a person.
    stays = f"round({by_verdict(_counted())})"
    return columns(frame, COUNT, [Query(expression=stays, legend="{{verdict}}")], colours=VERDICT_COLOURS)


def poor_rate() -> timeseries.Panel:
    """The poor-call rate beside its target."""
    frame = Frame(
        id=102,
        title="Poor-call rate against its target",
        description=(
            "Poor over classified stays in each interval, at the time the reports were counted, both sources, and the "
            "target as a line. Over it for long: the alerts on the poor-call rate fire. A gap: nothing was counted."
        ),
        size=(9, 8),
        empty=NOTHING,
    )
    rate = share(f"sum({_counted(POOR_ONLY)})", f"sum({_counted(CLASSIFIED)})")
    queries = [Query(expression=rate, legend="poor"), Query(expression=TARGET, legend="target")]
    panel = lines(frame, RATIO, queries).interval(LEAST_INTERVAL).show_points(VisibilityMode.ALWAYS)
    panel.override_by_name("poor", [fixed_colour(POOR)])
    return panel.override_by_name("target", [fixed_colour(UNCLASSIFIED)])


def reasons() -> bargauge.Panel:
    """How many stays were poor for each reason."""
    frame = Frame(
        id=103,
        title="Why calls were poor",
        description=(
            "Poor stays that were counted within the time range, by the reason of their verdict, both sources. Loss "
            "and jitter: networks. Round-trip time: places and TURN. Frame rate and freezes: devices and downlinks."
        ),
        size=(6, 8),
        empty="No poor call was counted in this time range",
    )
    poor = in_words(f"sum by (verdict, reason) ({added(PEERS, COUNTS, POOR_ONLY)}) > 0")
    return bars(frame, COUNT, [Query(expression=f"sort_desc({poor})", legend="{{reason}}")])


def _counted(*matchers: str) -> str:
    return f"increase({series(PEERS, COUNTS, *matchers)}[$__interval])"
