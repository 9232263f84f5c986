"""The variables: the same names, labels and order on every board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableRefresh, VariableSort

from dashboards.queries import metric, worst_peers

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import VariableModel

#: Chosen by the person who looks, so that a file works wherever it is imported.
DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")

# In a call's own time there is no report of it yet; where there is a timeline, that has the names.
_CONNECTED: Final = metric("webrtc_timeline_connected")
_ROOMS: Final = f'__name__=~"{metric("webrtc_room_verdict")}|{_CONNECTED}"'
_PEERS: Final = f'__name__=~"{metric("webrtc_peer_verdict")}|{_CONNECTED}"'
_SOURCES: Final = metric("webrtc_exporter_source_info")
#: Grafana's numbers for kinds of such queries.
_LABEL_VALUES: Final = 1
_QUERY_RESULT: Final = 3
#: Lanes of verdicts are as many, lines of measures fewer.
WORST_PEERS: Final = 20
_OF_SOURCE: Final = 'job=~"$job", source=~"$source"'


def room_variables() -> list[Builder[VariableModel]]:
    """Data source, job, source, room and session; each offers what the ones before it leave."""
    return [
        _datasource(),
        _choice("job", "Job", f"label_values({{{_ROOMS}}}, job)"),
        _choice("source", "Source", f'label_values({{{_ROOMS}, job=~"$job"}}, source)'),
        # Counters have no room where `metrics.histogram_rooms` is off; "all rooms" then means those as well.
        _choice("room", "Room", f"label_values({{{_ROOMS}, {_OF_SOURCE}}}, room_id)", every=".*"),
        _choice("session", "Session", f'label_values({{{_ROOMS}, {_OF_SOURCE}, room_id=~"$room"}}, session_id)'),
    ]


def worst_variable() -> Builder[VariableModel]:
    """The peers that graphs have lines for: nobody chooses them, they follow from what was chosen."""
    query = f"query_result({worst_peers(WORST_PEERS)})"
    variable = _query("worst", "Worst peers", query, kind=_QUERY_RESULT).hide(VariableHide.HIDE_VARIABLE)
    # What Grafana makes of a series of the answer: its labels, its value and its time.
    variable = variable.regex(r'/^\{peer_id="(.*)"\} /')
    return variable.multi(multi=True).include_all(include_all=True)


def peer_variables() -> list[Builder[VariableModel]]:
    """Those of a room, and one peer."""
    inside = f'{_PEERS}, {_OF_SOURCE}, room_id=~"$room", session_id=~"$session"'
    return [*room_variables(), _query("peer", "Peer", f"label_values({{{inside}}}, peer_id)")]


def exporter_variables() -> list[Builder[VariableModel]]:
    """Data source, job and source: an exporter without a single call has these too."""
    return [
        _datasource(),
        _choice("job", "Job", f"label_values({_SOURCES}, job)"),
        _choice("source", "Source", f'label_values({_SOURCES}{{job=~"$job"}}, source)'),
    ]


def _datasource() -> Builder[VariableModel]:
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def _query(name: str, label: str, query: str, *, kind: int = _LABEL_VALUES) -> QueryVariable:
    variable = QueryVariable(name).label(label).datasource(DATASOURCE)
    variable = variable.query({"query": query, "refId": f"variable-{name}", "qryType": kind}).definition(query)
    # What is in view changes with the time range; the default would keep the choices of the first load.
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def _choice(name: str, label: str, query: str, *, every: str = ".+") -> QueryVariable:
    variable = _query(name, label, query)
    return variable.multi(multi=True).include_all(include_all=True).all_value(every)
