"""Tables that are put together from many queries: one row for each set of labels, one column for each measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.builders.common import TableSortByFieldState
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from msgspec import Struct

from dashboards.looks import MISSING, QUIET, TEXT, VERDICT, WORKS, Look
from dashboards.panels import Frame, Query, furnish, instant, reference

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Labels that say where a sample was scraped, and the verdict, which has its own column of coloured words.
NO_COLUMN = ("__name__", "instance", "job", "verdict")


_LEAST_WIDTH = 50


class Label(Struct, frozen=True, kw_only=True):
    """A column of the values of a label."""

    title: str
    label: str
    #: In pixels; 0 shares what is left.
    width: int = 0
    look: Look = TEXT
    #: Title and address of the cells' link.
    link: tuple[str, str] | None = None


class Measure(Struct, frozen=True, kw_only=True):
    """A column of the values of a query."""

    title: str
    expression: str
    look: Look
    #: In pixels; 0 shares what is left.
    width: int = 0


class Lookup(Struct, frozen=True, kw_only=True):
    """A query that is asked for its labels alone."""

    expression: str


Part: TypeAlias = Label | Measure | Lookup


def merged_table(
    frame: Frame, parts: Sequence[Part], *, worst_first: Sequence[str] = (), lowest_first: str = ""
) -> table.Panel:
    """A table of the given columns in their order.

    Args:
        frame: what every panel has.
        parts: labels and measures as columns, and the queries that only bring labels along.
        worst_first: the titles of the columns that the rows are sorted by, largest first.
        lowest_first: or the title of the one column that they are sorted by, smallest first.
    """
    panel = furnish(table.Panel(), frame, TEXT)
    asked = [part for part in parts if not isinstance(part, Label)]
    panel.targets(
        [instant(Query(expression=part.expression), i, PromQueryFormat.TABLE) for i, part in enumerate(asked)]
    )
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=_organize(parts, asked)))
    # Grafana's own least width would push half of the columns out of sight.
    panel.min_width(_LEAST_WIDTH)
    panel.cell_height(common.TableCellHeight.SM).show_header(show_header=True)
    by = [(title, True) for title in worst_first] + ([(lowest_first, False)] if lowest_first else [])
    panel.sort_by([TableSortByFieldState().display_name(title).desc(desc=down) for title, down in by])
    for part in parts:
        if not isinstance(part, Lookup):
            panel.override_by_name(part.title, _properties(part))
    return panel


def _organize(parts: Sequence[Part], asked: Sequence[Measure | Lookup]) -> dict[str, object]:
    # With one query Grafana calls its column "Value", with several "Value #A".
    value = {id(part): f"Value #{reference(i)}" if len(asked) > 1 else "Value" for i, part in enumerate(asked)}
    shown = [part for part in parts if not isinstance(part, Lookup)]
    labels = {part.label for part in shown if isinstance(part, Label)}
    unasked = [label for label in NO_COLUMN if label not in labels]
    hidden = ["Time", *unasked, *(value[id(part)] for part in asked if isinstance(part, Lookup))]
    fields = [(part.label if isinstance(part, Label) else value[id(part)], part.title) for part in shown]
    return {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {field: index for index, (field, _) in enumerate(fields)},
        "renameByName": dict(fields),
    }


def _properties(part: Label | Measure) -> list[DynamicConfigValue]:
    look = part.look
    properties: list[tuple[str, object]] = [("unit", look.unit)]
    if part.width:
        properties.append(("custom.width", part.width))
    if look.decimals is not None:
        properties.append(("decimals", look.decimals))
    missing = () if isinstance(part, Label) else (MISSING,)
    properties.append(("mappings", [*look.mappings, *missing]))
    if look.steps:
        properties.append(("thresholds", {"mode": "absolute", "steps": look.thresholds(QUIET)}))
    if look is VERDICT:
        properties.append(("custom.align", "center"))
    if look.steps or look in (VERDICT, WORKS):
        properties.append(("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
    if isinstance(part, Label) and part.link is not None:
        title, url = part.link
        properties.append(("links", [{"title": title, "url": url}]))
    return [DynamicConfigValue(id_val=key, value=value) for key, value in properties]
