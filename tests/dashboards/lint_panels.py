"""Rules for the panels: what each has, how its numbers look, its tables and its links."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from grafana_foundation_sdk.models import units

from tests.dashboards.grafana import Json, charts, panels, variables
from tests.dashboards.lint_queries import parsed
from tests.dashboards.promql import QueryError, labels, selections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_UNITS: Final = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
#: Grafana has no unit of frames per second.
_OWN_UNITS: Final = {"suffix: fps"}
_TYPES: Final = {"stat", "bargauge", "table", "timeseries", "text", "row"}
#: Those that Grafana's own packages know as well, so that a board can be drawn without a server.
_TRANSFORMATIONS: Final = {"merge", "organize"}
#: The measures that look the same wherever they are: part of the metric's name, unit, and whether it has limits.
_MEASURES: Final = {
    "packet_loss": ("percentunit", True),
    "jitter": ("s", True),
    "round_trip_time": ("s", True),
    "concealment_ratio": ("percentunit", True),
    "call_setup": ("s", True),
    "frames_per_second": ("suffix: fps", True),
    # A simulcast layer is paused while nobody needs it; its mean falls for no fault.
    "frames_per_second of a layer": ("suffix: fps", False),
    "_mos": ("short", True),
    "throughput": ("bps", False),
    "poor_time_ratio": ("percentunit", True),
    "media_score": ("short", False),
}


def complete(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """panel-title-description, panel-no-targets, panel-units, and a word where there may be nothing to show."""
    for panel in panels(board):
        place = f"[{panel.get('title')}]"
        if panel["type"] not in _TYPES:
            yield f"{place} is of the type {panel['type']}"
        if not panel.get("title") or (panel["type"] != "row" and not panel.get("description")):
            yield f"{place} has no title or no description"
    for panel in charts(board):
        place, defaults = f"[{panel.get('title')}]", panel["fieldConfig"]["defaults"]
        if not panel.get("targets"):
            yield f"{place} has no targets"
        found = {defaults.get("unit"), *(value for _, key, value in _overrides(panel) if key == "unit")}
        yield from (f"{place} has the unit {unit!r}" for unit in found - _UNITS - _OWN_UNITS)
        if not defaults.get("noValue"):
            yield f"{place} says nothing where there is nothing"
        references = [target["refId"] for target in panel.get("targets") or []]
        if len({*references}) != len(references):
            yield f"{place} has a refId twice"


def sources(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """panel-datasource: panels and their queries use the variable."""
    for panel in charts(board):
        for asked in (panel, *panel["targets"]):
            if asked.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
                yield f"[{panel['title']}] has its own data source"


def tables(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """The columns of a table are there, once each, and so are those that it is sorted by or that look special."""
    results = _result_labels(board)
    for panel in (panel for panel in charts(board) if panel["type"] == "table"):
        place = f"[{panel['title']}]"
        for step in panel["transformations"]:
            if step["id"] not in _TRANSFORMATIONS:
                yield f"{place} uses the transformation {step['id']}"
        renamed: dict[str, str] = panel["transformations"][-1]["options"]["renameByName"]
        titles = list(renamed.values())
        yield from (f"{place} has the column {title} twice" for title in {*titles} if titles.count(title) > 1)
        values = (
            {f"Value #{target['refId']}" for target in panel["targets"]} if len(panel["targets"]) > 1 else {"Value"}
        )
        known = values | frozenset().union(*(results[id(target)] for target in panel["targets"]))
        yield from (f"{place} renames {field}, which no query gives" for field in renamed.keys() - known)
        special = {name for name, _, _ in _overrides(panel)} | {by["displayName"] for by in panel["options"]["sortBy"]}
        yield from (f"{place} has no column {name}" for name in special - {*titles})


def looks(board: Json, boards: Mapping[str, Json]) -> Iterator[str]:
    """A measure has one unit and one set of limits, wherever it is."""
    seen: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for other in boards.values():
        for measure, look, _ in _measured(other):
            seen[measure].add(look)
    for measure, look, place in _measured(board):
        unit, limited = _MEASURES[measure.removesuffix(" of a screen")]
        if look[0] != unit or bool(look[1:]) != limited:
            yield f"{place} shows {measure} as {look}: expected {unit}, {'with' if limited else 'without'} limits"
        if len(seen[measure]) > 1:
            yield f"{place} shows {measure} as {look}: elsewhere it is {sorted(seen[measure] - {look})}"


def data_links(board: Json, boards: Mapping[str, Json]) -> Iterator[str]:
    """Links lead to one of our boards, set variables that it has, and take values that the row or series has."""
    results = _result_labels(board)
    for panel in charts(board):
        place, given = f"[{panel['title']}]", frozenset().union(*(results[id(target)] for target in panel["targets"]))
        links = list(panel["fieldConfig"]["defaults"].get("links") or [])
        links += [link for _, key, value in _overrides(panel) if key == "links" for link in value]
        for link in links:
            address = urlsplit(link["url"])
            target = boards.get(address.path.removeprefix("/d/"))
            if target is None:
                yield f"{place} links to {address.path}, which is none of our boards"
                continue
            for key, value in parse_qsl(address.query):
                if key.removeprefix("var-") not in variables(target):
                    yield f"{place} sets {key}, which is no variable of {target['uid']}"
                match = re.fullmatch(r"\$\{__(?:data\.fields|field\.labels)\.(\w+):percentencode\}", value)
                if match is None or match[1] not in given:
                    yield f"{place} sets {key} to {value}, which is not there or not encoded"
            kept = set(re.findall(r"\$\{(\w+):queryparam\}", link["url"]))
            if (
                "${__url_time_range}" not in link["url"]
                or not kept <= variables(target).keys() & variables(board).keys()
            ):
                yield f"{place} loses the time range or keeps a variable that is not on both boards"


def _overrides(panel: Json) -> Iterator[tuple[str, str, Any]]:
    for override in panel["fieldConfig"].get("overrides") or []:
        for entry in override["properties"]:
            yield override["matcher"]["options"], entry["id"], entry.get("value")


def _result_labels(board: Json) -> dict[int, frozenset[str]]:
    known: dict[int, frozenset[str]] = defaultdict(frozenset)
    for target, tree in parsed(board):
        try:
            known[id(target.target)] = labels(tree)
        except QueryError:
            continue
    return known


def _measured(board: Json) -> Iterator[tuple[str, tuple[Any, ...], str]]:
    """Every query that shows one of the measures: which, its unit with its limits, and where."""
    for target, tree in parsed(board):
        names = {selection.selector.name or "" for selection in selections(tree)}
        measure = next((part for part in _MEASURES for name in names if part in name), None)
        if measure is None:
            continue
        if measure == "frames_per_second":
            expression = target.target["expr"]
            measure += " of a screen" if 'track_type="screen"' in expression else ""
            measure += " of a layer" if re.search(r"by \([^)]*\brid\b", expression) else ""
        yield measure, _look(target.panel, target.target), target.place


def _look(panel: Json, target: Json) -> tuple[Any, ...]:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    thresholds = panel["fieldConfig"]["defaults"]["thresholds"]
    if panel["type"] == "table":
        title = panel["transformations"][-1]["options"]["renameByName"].get(f"Value #{target['refId']}")
        special = {key: value for name, key, value in _overrides(panel) if name == title}
        unit, thresholds = special.get("unit"), special.get("thresholds", {"steps": []})
    return (unit, *(step["value"] for step in thresholds["steps"][1:]))


PANEL_RULES: Final[dict[str, Callable[[Any, Any], Iterator[str]]]] = {
    "panel-complete": complete,
    "panel-datasource": sources,
    "panel-table": tables,
    "panel-looks": looks,
    "panel-links": data_links,
}
