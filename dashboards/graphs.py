"""Panels with time on their axis: lines, columns, lanes of states, and heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard, heatmap, prometheus, statetimeline, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.heatmap import CellValues, FilterValueRange, HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from msgspec.structs import replace

from dashboards.looks import COUNT, GOOD, VERDICT_COLOURS, Look
from dashboards.panels import Frame, Query, fixed_colour, furnish, own_look, reference
from dashboards.variables import DATASOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import DashboardLink

#: Counters are added up over at least this long, so that each column has something to say.
LEAST_INTERVAL: Final = "5m"
#: Of sums over everybody: each further point costs as much as the crowd is large, and tells little.
_MOST_POINTS: Final = 300
#: In pixels: ids of peers are long, and the graph wants the room.
_LEGEND_WIDTH: Final = 240
#: In columns of the grid: what is narrower has its legend below.
_ROOM_FOR_A_TABLE: Final = 10


def ranged(query: Query, index: int, response: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> prometheus.Dataquery:
    """A query for each step of the time range."""
    target = prometheus.Dataquery().expr(query.expression).range().format(response).datasource(DATASOURCE)
    return target.ref_id(reference(index)).legend_format(query.legend)


def lines(
    frame: Frame,
    look: Look,
    queries: Sequence[Query],
    *,
    links: Sequence[Builder[DashboardLink]] = (),
    points: bool = False,
) -> timeseries.Panel:
    """A line for each series, coloured by the limits, which are drawn too; without limits, by a palette.

    The colour is that of each point, so that what is wrong is told from what is not without reading a legend; the
    legend, worst mean first, tells whose it is. With `points`, samples that stand alone are seen, too.
    """
    # With fixed decimals an axis of seconds has no mark below the second, and milliseconds lie flat on its ground.
    free = replace(look, decimals=None) if look.unit == units.Seconds else look
    panel = furnish(timeseries.Panel(), frame, free, quiet=GOOD).min(0)
    panel.targets([ranged(query, index) for index, query in enumerate(queries)])
    panel.draw_style(common.GraphDrawStyle.LINE).line_width(2).fill_opacity(0)
    panel.show_points(common.VisibilityMode.AUTO if points else common.VisibilityMode.NEVER).span_nulls(
        span_nulls=False
    )
    if look.steps:
        panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        panel.gradient_mode(common.GraphGradientMode.SCHEME)
        panel.thresholds_style(GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    else:
        # What a link leads to keeps its colour from panel to panel.
        by_name = FieldColorModeId.PALETTE_CLASSIC_BY_NAME if links else FieldColorModeId.PALETTE_CLASSIC
        panel.color_scheme(dashboard.FieldColor().mode(by_name))
    for query in queries:
        if query.look is not None:
            panel.override_by_name(query.legend, [*own_look(query.look, GOOD), _axis_on_the_right()])
    if links:
        panel.data_links(list(links))
    if frame.size[0] < _ROOM_FOR_A_TABLE:
        panel.legend(_below())
    else:
        legend = VizLegendOptions().show_legend(show_legend=True).calcs(["mean"]).width(_LEGEND_WIDTH)
        legend = legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.RIGHT)
        panel.legend(legend.sort_by("Mean").sort_desc(sort_desc=not _low_is_bad(look)))
    return panel.tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))


def columns(frame: Frame, look: Look, queries: Sequence[Query], *, colours: Mapping[str, str]) -> timeseries.Panel:
    """Stacked columns of what was counted, one for each interval of five minutes or more."""
    panel = furnish(timeseries.Panel(), frame, look).min(0).interval(LEAST_INTERVAL)
    panel.targets([ranged(query, index) for index, query in enumerate(queries)])
    panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(100).line_width(0)
    return _stacked(panel, colours)


def areas(frame: Frame, look: Look, queries: Sequence[Query], *, colours: Mapping[str, str]) -> timeseries.Panel:
    """Stacked areas of what there is at each moment."""
    panel = furnish(timeseries.Panel(), frame, look).min(0).max_data_points(_MOST_POINTS)
    panel.targets([ranged(query, index) for index, query in enumerate(queries)])
    panel.draw_style(common.GraphDrawStyle.LINE).fill_opacity(70).line_width(0)
    panel.line_interpolation(common.LineInterpolation.STEP_AFTER).show_points(common.VisibilityMode.NEVER)
    return _stacked(panel, colours)


def _stacked(panel: timeseries.Panel, colours: Mapping[str, str]) -> timeseries.Panel:
    panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel.stacking(StackingConfig().mode(common.StackingMode.NORMAL))
    panel.legend(_below())
    panel.tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    for name, colour in colours.items():
        panel.override_by_name(name, [fixed_colour(colour)])
    return panel


def beside(colour: str) -> list[DynamicConfigValue]:
    """The properties that draw one series of a stacked panel as a line of its own."""
    return [
        fixed_colour(colour),
        DynamicConfigValue(id_val="custom.stacking", value={"mode": "none", "group": "A"}),
        DynamicConfigValue(id_val="custom.fillOpacity", value=0),
        DynamicConfigValue(id_val="custom.lineWidth", value=2),
    ]


def lanes(
    frame: Frame, look: Look, query: Query, *, links: Sequence[Builder[DashboardLink]] = ()
) -> statetimeline.Panel:
    """A lane for each series, coloured by its state, with the state's word in it where there is room."""
    panel = furnish(statetimeline.Panel(), frame, look).targets([ranged(query, 0)])
    # The words and their colours are those of the mappings; the mode that does not fall back on a palette.
    panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    panel.merge_values(merge_values=True).show_value(common.VisibilityMode.AUTO).row_height(0.85)
    panel.line_width(0).fill_opacity(90)
    if links:
        panel.data_links(list(links))
    panel.legend(_below())
    return panel.tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE))


def heat(frame: Frame, look: Look, expression: str) -> heatmap.Panel:
    """How many were in each bucket of a histogram, for each interval of five minutes or more."""
    # The cells are counts; what the look is of stands on the axis.
    panel = furnish(heatmap.Panel(), frame, COUNT).interval(LEAST_INTERVAL)
    query = Query(expression=expression, legend="{{le}}")
    panel.targets([ranged(query, 0, PromQueryFormat.HEATMAP)]).calculate(calculate=False)
    panel.y_axis(YAxisConfig().unit(look.unit)).cell_values(CellValues().unit(COUNT.unit).decimals(0))
    # One hue from pale to full: to be read by everybody, and no verdict.
    scheme = HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").scale(HeatmapColorScale.EXPONENTIAL)
    panel.color(scheme.exponent(0.5).steps(64).reverse(reverse=False).fill("dark-blue"))
    panel.show_value(common.VisibilityMode.NEVER).cell_gap(1)
    return panel.filter_values(FilterValueRange().le(1e-9)).show_legend()


def _below() -> VizLegendOptions:
    legend = VizLegendOptions().show_legend(show_legend=True).calcs([])
    return legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _axis_on_the_right() -> DynamicConfigValue:
    return DynamicConfigValue(id_val="custom.axisPlacement", value="right")


def _low_is_bad(look: Look) -> bool:
    first = look.steps[0][1] if look.steps else ""
    return first == VERDICT_COLOURS["poor"]
