"""Every dashboard that is shipped, by the name of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.exporter import exporter_board
from dashboards.overview import overview_board
from dashboards.peer import peer_board
from dashboards.room import room_board

if TYPE_CHECKING:
    from collections.abc import Callable

    from grafana_foundation_sdk.models.dashboard import Dashboard

BOARDS: Final[dict[str, Callable[[], Dashboard]]] = {
    "overview": overview_board,
    "room": room_board,
    "peer": peer_board,
    "exporter": exporter_board,
}
