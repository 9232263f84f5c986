"""Rules for the panels: what each has, how its numbers look, its tables and its links."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import promql_parser as promql
from grafana_foundation_sdk.models import units

from dashboards.looks import VERDICT_COLOURS
from tests.dashboards.grafana import Json, charts, panels, variables
from tests.dashboards.lint_queries import parsed
from tests.dashboards.promql import QueryError, labels, selections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_UNITS: Final = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
#: Grafana has no unit of frames per second.
_OWN_UNITS: Final = {"suffix: fps"}
_TYPES: Final = {"stat", "bargauge", "table", "timeseries", "state-timeline", "heatmap", "text", "row"}
#: The address that the source gave for a call, which is a page of the vendor or of the application.
_OTHERS_PAGE: Final = "${__value.raw}"
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
    "frames_per_second at a moment": ("suffix: fps", False),
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
        unit, limited = _MEASURES[measure.removesuffix(" of a screen").removesuffix(" on an axis")]
        limited = limited and not measure.endswith(" on an axis")
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
            if link["url"] != _OTHERS_PAGE:
                yield from (f"{place} {text}" for text in _link(link["url"], panel, board, boards, given))


def _link(url: str, panel: Json, board: Json, boards: Mapping[str, Json], given: frozenset[str]) -> Iterator[str]:
    address = urlsplit(url)
    target = boards.get(address.path.removeprefix("/d/"))
    if target is None:
        yield f"links to {address.path}, which is none of our boards"
        return
    for key, value in parse_qsl(address.query):
        if key in {"from", "to"}:
            continue
        if key.removeprefix("var-") not in variables(target):
            yield f"sets {key}, which is no variable of {target['uid']}"
        match = re.fullmatch(r"\$\{__(?:data\.fields|field\.labels)\.(\w+):percentencode\}", value)
        if match is None or match[1] not in given:
            yield f"sets {key} to {value}, which is not there or not encoded"
    kept = set(re.findall(r"\$\{(\w+):queryparam\}", url))
    if not kept <= variables(target).keys() & variables(board).keys():
        yield "keeps a variable that is not on both boards"
    if "${__url_time_range}" not in url and not _has_own_time(panel, url):
        yield "loses the time range"


def _has_own_time(panel: Json, url: str) -> bool:
    """Whether a link takes its time range from two columns of its row, as milliseconds."""
    edges = re.findall(r"\b(?:from|to)=\$\{__data\.fields\.(\w+)\.numeric\}", url)
    moments = {name for name, key, value in _overrides(panel) if key == "unit" and value == "dateTimeAsIso"}
    return len({*edges}) == len(("from", "to")) and {*edges} <= moments


def named_series(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """What has a look of its own is there: a series that a legend names, or a verdict."""
    for panel in (panel for panel in charts(board) if panel["type"] != "table"):
        legends = {target.get("legendFormat") for target in panel["targets"]}
        known = legends | (set(VERDICT_COLOURS) if "{{verdict}}" in legends else set())
        yield from (f"[{panel['title']}] has no series {name}" for name in {n for n, _, _ in _overrides(panel)} - known)


def over_time(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """Each type is asked in the form that it can draw: lanes have words for their states, heat maps their buckets.

    What only remote write can give says so, where it is missing and where it is described.
    """
    for panel in charts(board):
        place, defaults = f"[{panel['title']}]", panel["fieldConfig"]["defaults"]
        graph = panel["type"] in {"timeseries", "state-timeline", "heatmap"}
        if any(bool(target.get("instant")) == graph for target in panel["targets"]):
            yield f"{place} is asked {'at one instant' if graph else 'over time'}"
        if panel["type"] == "state-timeline" and not defaults.get("mappings"):
            yield f"{place} has no words for its states"
        heat = [(target.get("format"), target.get("legendFormat")) for target in panel["targets"]]
        if panel["type"] == "heatmap" and (heat != [("heatmap", "{{le}}")] or panel["options"]["calculate"]):
            yield f"{place} is not made of buckets"
        if any("webrtc_timeline_" in target["expr"] for target in panel["targets"]) and (
            "remote_write" not in defaults["noValue"] or "remote write" not in panel["description"]
        ):
            yield f"{place} does not say that it needs remote write"


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
        names = {selection.selector.name or "" for selection in selections(_shown(tree))}
        measure = next((part for part in _MEASURES for name in names if part in name), None)
        if measure is None:
            continue
        if measure == "frames_per_second":
            expression = target.target["expr"]
            measure += " of a screen" if 'track_type="screen"' in expression else ""
            measure += " of a layer" if re.search(r"by \([^)]*\brid\b", expression) else ""
            if any(name.startswith("webrtc_timeline_") for name in names):
                measure = "frames_per_second at a moment"
        measure += " on an axis" if target.panel["type"] == "heatmap" else ""
        yield measure, _look(target.panel, target.target), target.place


def _shown(tree: promql.Expr) -> promql.Expr:
    """The part of an expression whose values are shown: what stands behind `and` only says of whom."""
    while isinstance(tree, promql.BinaryExpr) and str(tree.op) == "and":
        tree = tree.lhs
    return tree


def _look(panel: Json, target: Json) -> tuple[Any, ...]:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "heatmap":
        # Its cells are counts: what is measured stands on the axis, without colours.
        return (panel["options"]["yAxis"]["unit"],)
    thresholds = panel["fieldConfig"]["defaults"]["thresholds"]
    if panel["type"] == "table":
        title = panel["transformations"][-1]["options"]["renameByName"].get(f"Value #{target['refId']}")
        special = {key: value for name, key, value in _overrides(panel) if name == title}
        unit, thresholds = special.get("unit"), special.get("thresholds", {"steps": []})
    else:
        special = {key: value for name, key, value in _overrides(panel) if name == target.get("legendFormat")}
        unit, thresholds = special.get("unit", unit), special.get("thresholds", thresholds)
    return (unit, *(step["value"] for step in thresholds["steps"][1:]))


PANEL_RULES: Final[dict[str, Callable[[Any, Any], Iterator[str]]]] = {
    "panel-complete": complete,
    "panel-datasource": sources,
    "panel-table": tables,
    "panel-looks": looks,
    "panel-links": data_links,
    "panel-named-series": named_series,
    "panel-over-time": over_time,
}
