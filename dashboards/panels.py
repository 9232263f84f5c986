"""Panels as the boards use them: what all of them have, and one function for each type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    VizTextDisplayOptions,
)
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId, ThresholdsMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode
from msgspec import Struct

from dashboards.looks import GOOD, PLAIN, QUIET, UNCLASSIFIED, Look
from dashboards.variables import DATASOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import DashboardLink

Panel = TypeVar("Panel", stat.Panel, table.Panel, bargauge.Panel, timeseries.Panel, statetimeline.Panel, heatmap.Panel)

#: Grafana's grid.
COLUMNS: Final = 24


class Frame(Struct, frozen=True, kw_only=True):
    """What every panel has, whatever its type."""

    #: Unique on the board and never given to another panel: people link to a panel by it.
    id: int
    title: str
    #: What it shows, from which source, what is bad, what to do.
    description: str
    #: Width and height on the grid.
    size: tuple[int, int]
    #: Said instead of "No data": why there may be none.
    empty: str


class Query(Struct, frozen=True, kw_only=True):
    """One query of a panel and the name of its series."""

    expression: str
    legend: str = ""
    #: Where it looks other than the rest of its panel; for queries with one series, that the legend names.
    look: Look | None = None


def furnish(panel: Panel, frame: Frame, look: Look, *, quiet: str = QUIET) -> Panel:
    """Gives a panel what every panel has, and the look of what it shows."""
    panel.id(frame.id).title(frame.title).description(frame.description).datasource(DATASOURCE)
    panel.span(frame.size[0]).height(frame.size[1]).no_value(frame.empty).unit(look.unit)
    panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(look.thresholds(quiet)))
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.mappings:
        panel.mappings(list(look.mappings))
    return panel


def reference(index: int) -> str:
    """The refId of the query at a place: A, B, ... Z, AA, AB, ..."""
    tens, ones = divmod(index, 26)
    return (chr(ord("A") + tens - 1) if tens else "") + chr(ord("A") + ones)


def instant(query: Query, index: int, response: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> prometheus.Dataquery:
    """A query for the end of the time range."""
    target = prometheus.Dataquery().expr(query.expression).instant().format(response).datasource(DATASOURCE)
    return target.ref_id(reference(index)).legend_format(query.legend)


def figures(
    frame: Frame, look: Look, queries: Sequence[Query], *, background: bool = False, named: bool = False
) -> stat.Panel:
    """Large single values; with `named` each has its name beside it, with `background` the tile has the colour."""
    panel = furnish(stat.Panel(), frame, look, quiet=_quiet(look, background=background))
    panel.targets([instant(query, index) for index, query in enumerate(queries)])
    panel.graph_mode(common.BigValueGraphMode.NONE).orientation(common.VizOrientation.AUTO)
    colouring = common.BigValueColorMode
    panel.color_mode(colouring.BACKGROUND_SOLID if background else colouring.VALUE)
    panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME if named else common.BigValueTextMode.VALUE)
    for query in queries:
        if query.look is not None:
            panel.override_by_name(query.legend, own_look(query.look, _quiet(query.look, background=background)))
    return panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))


def _quiet(look: Look, *, background: bool) -> str:
    if background:
        return QUIET
    return GOOD if look.steps else PLAIN


def bars(
    frame: Frame, look: Look, queries: Sequence[Query], *, links: Sequence[Builder[DashboardLink]] = ()
) -> bargauge.Panel:
    """Horizontal bars, coloured by the limits; a full bar is `look.maximum`, the same on every panel."""
    panel = furnish(bargauge.Panel(), frame, look, quiet=GOOD).min(0)
    if look.maximum is not None:
        panel.max(look.maximum)
    if not look.steps:
        panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(UNCLASSIFIED))
    if links:
        panel.data_links(list(links))
    panel.targets([instant(query, index) for index, query in enumerate(queries)])
    panel.orientation(common.VizOrientation.HORIZONTAL).display_mode(common.BarGaugeDisplayMode.BASIC)
    # Coloured digits are hard to read on white; the bar beside them has the colour.
    panel.value_mode(common.BarGaugeValueMode.TEXT).show_unfilled(show_unfilled=True)
    panel.name_placement(common.BarGaugeNamePlacement.LEFT).sizing(common.BarGaugeSizing.MANUAL)
    # Grafana would fill the panel with few bars, and their text with them.
    panel.min_viz_height(16).max_viz_height(40)
    panel.text(VizTextDisplayOptions().title_size(12).value_size(14))
    return panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))


def own_look(look: Look, quiet: str) -> list[DynamicConfigValue]:
    """The properties that make one series of a panel look other than the rest."""
    steps = [DynamicConfigValue(id_val="unit", value=look.unit)]
    if look.decimals is not None:
        steps.append(DynamicConfigValue(id_val="decimals", value=look.decimals))
    thresholds = {"mode": "absolute", "steps": look.thresholds(quiet)}
    return [*steps, DynamicConfigValue(id_val="thresholds", value=thresholds)]


def fixed_colour(colour: str) -> DynamicConfigValue:
    """The property that gives a field one colour, whatever its value."""
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def note(frame: Frame, markdown: str) -> text.Panel:
    """Words on the board."""
    panel = text.Panel().id(frame.id).title(frame.title).description(frame.description)
    panel.span(frame.size[0]).height(frame.size[1])
    return panel.mode(TextMode.MARKDOWN).content(markdown)
