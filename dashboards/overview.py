"""The Overview board: how good the calls are, for whom they are not, and which ones to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.layout import Identity, Section, board
from dashboards.links import OVERVIEW_UID
from dashboards.overview_breakdown import breakdowns
from dashboards.overview_distributions import jitters, losses, poor_media, round_trip_times, setup_times
from dashboards.overview_figures import counted, coverage, mos_quantiles, poor_share
from dashboards.overview_trends import over_time, poor_rate, reasons
from dashboards.overview_worst import worst_peers, worst_rooms
from dashboards.variables import room_variables

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard


def overview_board() -> Dashboard:
    """Builds the board."""
    return board(
        Identity(
            uid=OVERVIEW_UID,
            title="WebRTC quality / Overview",
            description="How good are our calls, for whom are they not, and which ones should be looked at?",
        ),
        room_variables(),
        [counted(), poor_share(), mos_quantiles(), coverage()],
        Section(id=100, title="Calls over time and why they were poor", panels=[over_time(), poor_rate(), reasons()]),
        Section(
            id=200, title="The calls to look at: each opens in its own time", panels=[worst_rooms(), worst_peers()]
        ),
        Section(
            id=300,
            title="How the streams were distributed",
            panels=[losses(), jitters(), round_trip_times(), setup_times(), poor_media()],
        ),
        Section(id=400, title="For whom: place, network, device", panels=breakdowns()),
    )
