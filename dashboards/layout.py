"""A board from its panels: settings that all boards share, and titled rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, Panel
from msgspec import Struct

from dashboards.links import TAG, family_link

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel
    from grafana_foundation_sdk.models.dashboard import VariableModel

#: Grafana refuses files that are newer than itself and migrates older ones: this is 10.4 and 11's.
SCHEMA_VERSION: Final = 39


class Section(Struct, frozen=True, kw_only=True):
    """Panels below a titled row."""

    id: int
    title: str
    panels: Sequence[Builder[Panel]]


class Identity(Struct, frozen=True, kw_only=True):
    """What a board is."""

    uid: str
    title: str
    #: The question that it answers.
    description: str


def board(
    identity: Identity, variables: Sequence[Builder[VariableModel]], head: Sequence[Builder[Panel]], *rows: Section
) -> DashboardModel:
    """Puts a board together: the panels of its head, then its rows, left to right and top to bottom."""
    dashboard = Dashboard(identity.title).uid(identity.uid).description(identity.description).tags([TAG]).readonly()
    dashboard.time("now-3h", "now").timezone("browser").refresh("30s").tooltip(DashboardCursorSync.CROSSHAIR)
    dashboard.variables(list(variables)).link(family_link())
    for panel in head:
        dashboard.with_panel(panel)
    for row in rows:
        dashboard.with_row(Row(row.title).id(row.id))
        for panel in row.panels:
            dashboard.with_panel(panel)
    built = dashboard.build()
    built.schema_version = SCHEMA_VERSION
    return built
