"""Rules for the queries of the panels, read from their syntax trees."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import promql_parser as promql

from tests.dashboards.grafana import Json, charts, insert, variables
from tests.dashboards.promql import RECORDED, QueryError, family_of, labels, selections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.dashboards.promql import Selection

#: Stand for Grafana's own variables, so that a range can be told from one that is written out.
_RANGES: Final = {"__range": "11003s", "__rate_interval": "61007s", "__interval": "7001s"}
_RANGE, _RATE_INTERVAL, _INTERVAL = (int(text[:-1]) for text in _RANGES.values())
#: What a selector must follow, by the labels that its family has.
_MATCHERS: Final = {"source": "source", "room_id": "room", "session_id": "session"}
#: How far past its end a range may be looked over for reports that came late.
_LATER: Final = 86_400
_LEAST_INTERVAL: Final = re.compile(r"[1-9]\d*[mhd]")


class Target(NamedTuple):
    """One query of a panel."""

    panel: Json
    target: Json

    @property
    def place(self) -> str:
        """Panel and query, for people."""
        return f"[{self.panel['title']}]/{self.target['refId']}"


def targets(board: Json) -> Iterator[Target]:
    """Every query of a board."""
    return (Target(panel, target) for panel in charts(board) for target in panel.get("targets") or [])


@cache
def _tree(expression: str) -> promql.Expr:
    """The parsed expression; the same ones are asked for by many rules."""
    return promql.parse(expression)


def parsed(board: Json) -> Iterator[tuple[Target, promql.Expr]]:
    """Every query of a board that can be parsed, as a tree."""
    values = {**dict.fromkeys(variables(board), "x"), **_RANGES}
    for target in targets(board):
        try:
            tree = _tree(insert(target.target["expr"], values))
        except ValueError:
            continue
        yield target, tree


def parses(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """target-promql."""
    values = {**dict.fromkeys(variables(board), "x"), **_RANGES}
    for target in targets(board):
        try:
            _tree(insert(target.target["expr"], values))
        except ValueError as error:
            yield f"{target.place}: {error}"


def exists(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """Every metric is in the catalogue, and every label that is matched, kept or joined on is one of its family."""
    for target, tree in parsed(board):
        try:
            known = labels(tree)
        except QueryError as error:
            yield f"{target.place}: {error}"
            continue
        for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target.target.get("legendFormat") or ""):
            if label not in known:
                yield f"{target.place}: the legend's {{{{{label}}}}} is not in the result"


def follows_the_variables(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """target-job, and the same for source, room, session and peer: no panel shows what was not chosen."""
    peers = "peer" in variables(board)
    for target in targets(board):
        for selector in re.findall(r"(\w+)\{([^}]*)\}", target.target["expr"]):
            name, matchers = selector
            try:
                family, _ = family_of(name)
            except QueryError:
                continue
            wanted = {'job=~"$job"'} | {
                f'{label}=~"${_MATCHERS[label]}"' for label in family.labels if label in _MATCHERS
            }
            if peers and "peer_id" in family.labels:
                wanted.add('peer_id="$peer"')
            given = set(re.split(r",\s*", matchers))
            yield from (f"{target.place}: {name} does not follow {missing}" for missing in sorted(wanted - given))


def counters(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """target-counter-agg: a counter stands directly in rate(), irate() or increase(), and nothing else does."""
    for target, tree in parsed(board):
        for selection in selections(tree):
            family, _ = _known(selection)
            if family is None:
                continue
            function = _function(selection)
            if (family.type != "gauge") != (function in {"rate", "irate", "increase"}):
                yield f"{target.place}: {selection.selector.name} is a {family.type} in {function or 'no function'}()"


def ranges(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """target-rate-interval: ranges follow the chosen time range, the resolution, or the scrape interval.

    Over time, rate() and irate() take $__rate_interval; increase() may take $__interval where the panel sets a least
    one, so that each column counts its own events, and so may the true timeline, whose windows stand for themselves
    where the step is finer. At one instant the range is the whole of what was chosen, or the day after it for reports
    that came late; over time the whole range may be looked over from its end, to choose what is shown.
    """
    for target, tree in parsed(board):
        instant = bool(target.target.get("instant"))
        for selection in selections(tree):
            matrix = next((node for node in selection.around if isinstance(node, promql.MatrixSelector)), None)
            if matrix is None:
                continue
            seconds, function = matrix.range.total_seconds(), _function(selection)
            allowed = {_RANGE} if instant else {_RATE_INTERVAL}
            at, offset = matrix.vector_selector.at, matrix.vector_selector.offset
            if instant and offset is not None and offset.total_seconds() == -_LATER:
                allowed = {_LATER}
            if not instant and at is not None:
                allowed = {_RANGE}
            elif not instant and (selection.selector.name or "").startswith("webrtc_timeline_"):
                allowed = {_INTERVAL}
            if function == "increase" and _LEAST_INTERVAL.fullmatch(target.panel.get("interval") or ""):
                allowed = {_INTERVAL}
            if seconds not in allowed:
                yield f"{target.place}: {function}() over {matrix.range}"


def in_view(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """A gauge is asked for within the whole time range: at its end the call may have left the exporter's view.

    What an exporter says of itself holds now or not at all, and so does a target.
    """
    for target, tree in parsed(board):
        names = {selection.selector.name or "" for selection in selections(tree)} - RECORDED
        names = {name for name in names if not name.startswith("webrtc_exporter_")}
        looked_back = {
            selection.selector.name or ""
            for selection in selections(tree)
            if any(isinstance(node, promql.MatrixSelector) for node in selection.around)
        }
        for name in sorted(names - looked_back):
            yield f"{target.place}: {name} is asked for at the end of the range alone"


def crowds(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """No query costs more than one look at what was chosen: a graph that has lines for peers reads those peers alone.

    At each step Prometheus reads all that a selector matches, whatever is left of it then; and the steps of a subquery
    are as many as the time range is long.
    """
    for target, tree in parsed(board):
        read = list(selections(tree))
        if any(isinstance(node, promql.SubqueryExpr) for selection in read for node in selection.around):
            yield f"{target.place}: a subquery"
        elif not target.target.get("instant") and _has_peers(tree) and not all(map(_is_of_a_peer, read)):
            yield f"{target.place}: reads every peer at each step"


def _has_peers(tree: promql.Expr) -> bool:
    try:
        return "peer_id" in labels(tree)
    except QueryError:
        return False


def _is_of_a_peer(selection: Selection) -> bool:
    return any(matcher.name == "peer_id" for matcher in selection.selector.matchers.matchers)


def without_rules(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """A board works where the recording rules are not installed: beside what they record stands what to take else."""
    for target, tree in parsed(board):
        for selection in selections(tree):
            others = [node for node in selection.around if isinstance(node, promql.BinaryExpr) and str(node.op) == "or"]
            if selection.selector.name in RECORDED and not others:
                yield f"{target.place}: {selection.selector.name} has no alternative"


def bits(board: Json, _boards: Mapping[str, Json]) -> Iterator[str]:
    """Bytes per second are shown as bits per second."""
    for target in targets(board):
        expression = target.target["expr"]
        if "throughput_bytes" in expression and "8 * " not in expression:
            yield f"{target.place}: bytes that are not multiplied by 8"


def _known(selection: Selection) -> tuple[Any, bool]:
    try:
        return family_of(selection.selector.name or "")
    except QueryError:
        return None, False


def _function(selection: Selection) -> str:
    calls = [node for node in selection.around[-2:] if isinstance(node, promql.Call)]
    return calls[-1].func.name if calls else ""


QUERY_RULES: Final[dict[str, Callable[[Any, Any], Iterator[str]]]] = {
    "target-promql": parses,
    "target-exists": exists,
    "target-job": follows_the_variables,
    "target-counter-agg": counters,
    "target-rate-interval": ranges,
    "target-in-view": in_view,
    "target-crowd": crowds,
    "target-without-rules": without_rules,
    "target-bits": bits,
}
