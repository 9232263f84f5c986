"""Rules for a dashboard as a whole: its form, its settings, its variables and its grid."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import promql_parser as promql
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.dashboards.grafana import (
    built_in,
    insert,
    label_values,
    panels,
    parse_seconds,
    query_result,
    references,
    variable_query,
    variables,
)
from tests.dashboards.promql import QueryError, labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.dashboards.grafana import Json

plugins.register_default_plugins()

#: That of Grafana 10.4 and 11: a server refuses what is newer than itself.
_SCHEMA_VERSION: Final = 39
_SCRAPE_SECONDS: Final = 15
_MOST_PANELS: Final = 20
_COLUMNS: Final = 24
#: Label and value for "all" of each variable that offers several choices.
_CHOICES: Final = {
    "job": ("Job", ".+"),
    "source": ("Source", ".+"),
    # Counters have no room where `metrics.histogram_rooms` is off; `.+` would hide them.
    "room": ("Room", ".*"),
    "session": ("Session", ".+"),
}
_BUILT_IN: Final = re.compile(r"__(interval|rate_interval|range|url_time_range|data|field|value)")


def unknown_keys(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """Keys that Grafana's schema does not have: they would be dropped without a word."""
    known = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    yield from (f"{path}: unknown key" for path in _lost(board, known, ""))


def _lost(given: Any, known: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            yield from _lost(value, known[key], f"{path}.{key}") if key in known else [f"{path}.{key}"]
    elif isinstance(given, list) and isinstance(known, list):
        for index, (one, other) in enumerate(zip(given, known, strict=False)):
            yield from _lost(one, other, f"{path}[{index}]")


def settings(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """What makes a file importable everywhere and the same for everybody."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board.get("uid", "")):
        yield f"uid {board.get('uid')!r}: expected 1 to 40 letters, digits, _ or -"
    for key in ("id", "version", "__inputs", "__requires", "iteration", "gnetId"):
        if board.get(key) is not None:
            yield f"{key}: belongs to one installation"
    expected = {"editable": False, "graphTooltip": 1, "timezone": "browser", "schemaVersion": _SCHEMA_VERSION}
    for key, value in expected.items():
        if board.get(key) != value:
            yield f"{key} {board.get(key)!r}: expected {value!r}"
    if parse_seconds(board.get("refresh") or "0s") < _SCRAPE_SECONDS:
        yield "refresh: nothing is new before the next scrape"
    if not board.get("title") or not board.get("description"):
        yield "title or description is missing"
    if '"inControlsMenu"' in json.dumps(board):
        yield "placement: Grafana hides such links in a menu"


def links(board: Json, boards: Mapping[str, Json]) -> Iterator[str]:
    """The menu of the other boards: it finds them by tag and keeps what is chosen."""
    shared = set.intersection(*(set(other.get("tags") or []) for other in boards.values()))
    menus = [link for link in board.get("links") or [] if link["type"] == "dashboards"]
    if not menus:
        yield "no menu of the other boards"
    for menu in menus:
        if not set(menu["tags"]) <= shared:
            yield f"menu: not every board has the tags {menu['tags']}"
        if not (menu["includeVars"] and menu["keepTime"]):
            yield "menu: loses the choices or the time range"


def data_source(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """template-datasource: a variable chooses the Prometheus."""
    variable = variables(board).get("datasource")
    if variable is None or variable["type"] != "datasource" or variable["query"] != "prometheus":
        yield "no variable `datasource` of type prometheus"
    elif variable.get("label") != "Data source":
        yield f"label {variable.get('label')!r}: expected 'Data source'"


def choices(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """template-job, and the same for source, room and session: several values, and all of them."""
    declared = variables(board)
    # A board that looks at no call has none to choose.
    calls = "room_id" in json.dumps(board["panels"])
    for name, (label, every) in _CHOICES.items():
        if name in {"room", "session"} and not calls:
            continue
        variable = declared.get(name)
        if variable is None:
            yield f"{name}: no such variable"
            continue
        expected = {"type": "query", "label": label, "multi": True, "includeAll": True, "allValue": every}
        for key, value in expected.items():
            if variable.get(key) != value:
                yield f"{name}: {key} {variable.get(key)!r}: expected {value!r}"


def variable_queries(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """template-label-promql, template-on-time-change-reload, and what the query reads exists."""
    declared = variables(board)
    for name, variable in declared.items():
        if variable["type"] != "query":
            continue
        if variable.get("refresh") != 2:
            yield f"{name}: refresh {variable.get('refresh')!r}: expected 2 (on time range change)"
        if (variable.get("datasource") or {}).get("uid") != "${datasource}":
            yield f"{name}: the data source is not the variable's"
        if variable.get("definition") != variable_query(variable):
            yield f"{name}: the definition shown differs from the query"
        earlier = list(declared)[: list(declared).index(name)]
        asked = {other for other in references(variable_query(variable)) if not _BUILT_IN.match(other)}
        if later := asked - set(earlier):
            yield f"{name}: depends on {sorted(later)}, which come later"
        query = insert(variable_query(variable), dict.fromkeys(declared, "x") | built_in(0, 3_600, 15))
        if (parts := _asked(query, variable.get("regex") or "")) is None:
            yield f"{name}: neither label_values(selector, label) nor query_result(expression) with its one label"
            continue
        expression, label = parts
        try:
            if label not in labels(promql.parse(expression)):
                yield f"{name}: the metric has no label {label}"
        except (QueryError, ValueError) as error:
            yield f"{name}: {error}"


def _asked(query: str, regex: str) -> tuple[str, str] | None:
    """The expression that a variable asks for, and the label whose values it takes."""
    if expression := query_result(query):
        label = re.fullmatch(r'/\^\\\{(\w+)="\(\.\*\)"\\\} /', regex)
        return (expression, label[1]) if label else None
    selector, label_name = label_values(query) or (None, "")
    return (selector, label_name) if selector else None


def declared_and_used(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """Every variable that is used is there, every one that is there is used."""
    declared = variables(board)
    text = json.dumps([board["panels"], [v.get("query") for v in declared.values()]])
    used = {name for name in references(text) if not _BUILT_IN.match(name)}
    yield from (f"${name}: not declared" for name in sorted(used - declared.keys()))
    yield from (f"{name}: not used" for name in sorted(declared.keys() - used - {"datasource"}))


def grid(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """Panels have ids of their own, lie in the grid, do not overlap and are not too many."""
    every = list(panels(board))
    ids = [panel.get("id") for panel in every]
    yield from (f"id {one}: not unique or not a number above 0" for one in {*ids} if ids.count(one) > 1 or not one)
    shown = [panel for panel in every if panel["type"] != "row"]
    if len(shown) > _MOST_PANELS:
        yield f"{len(shown)} panels: expected at most {_MOST_PANELS}"
    taken: dict[tuple[int, int], str] = {}
    for panel in every:
        place = panel["gridPos"]
        if place["x"] + place["w"] > _COLUMNS:
            yield f"[{panel['title']}] leaves the grid"
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in _rows(place)):
            if other := taken.get(cell):
                yield f"[{panel['title']}] overlaps [{other}]"
                break
            taken[cell] = panel["title"]


def _rows(place: dict[str, int]) -> range:
    return range(place["y"], place["y"] + place["h"])


BOARD_RULES: Final[dict[str, Callable[[Any, Any], Iterator[str]]]] = {
    "schema": unknown_keys,
    "settings": settings,
    "dashboard-links": links,
    "template-datasource": data_source,
    "template-choices": choices,
    "template-label-promql": variable_queries,
    "variables": declared_and_used,
    "grid": grid,
}
