"""The rules for dashboards find what they are for: each planted fault is told, and told alone."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

import promql_parser as promql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dashboards.boards import committed
from tests.dashboards.grafana import (
    as_option,
    insert,
    label_values,
    options_kept,
    panels,
    query_result,
    quoted,
    references,
    step_seconds,
    variables,
)
from tests.dashboards.lint import findings
from tests.dashboards.promql import QueryError, labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dashboards.grafana import Json

COMMITTED: Final = committed()
UID: Final = "webrtc-quality-room"
OVERVIEW: Final = "webrtc-quality-overview"
SENT: Final = "Loss of what peers sent"
LANES: Final = "Verdict of each peer over time"


def _panel(board: Json, title: str) -> Json:
    return next(panel for panel in panels(board) if panel["title"] == title)


def _target(board: Json, title: str) -> Json:
    target: Json = _panel(board, title)["targets"][0]
    return target


def _expression(title: str, old: str, new: str) -> Callable[[Json], None]:
    def plant(board: Json) -> None:
        target = _target(board, title)
        assert old in target["expr"]
        target["expr"] = target["expr"].replace(old, new)

    return plant


def _setting(title: str, **values: object) -> Callable[[Json], None]:
    return lambda board: _panel(board, title).update(values)


def _variable(name: str, **values: object) -> Callable[[Json], None]:
    return lambda board: variables(board)[name].update(values)


def _defaults(title: str, **values: object) -> Callable[[Json], None]:
    return lambda board: _panel(board, title)["fieldConfig"]["defaults"].update(values)


def _matrix_link(old: str, new: str) -> Callable[[Json], None]:
    def plant(board: Json) -> None:
        override = _panel(board, "Peers, worst first")["fieldConfig"]["overrides"][0]
        link = next(entry for entry in override["properties"] if entry["id"] == "links")["value"][0]
        assert old in link["url"]
        link["url"] = link["url"].replace(old, new)

    return plant


def _own_time(old: str, new: str) -> Callable[[Json], None]:
    def plant(board: Json) -> None:
        override = _panel(board, "Worst calls")["fieldConfig"]["overrides"][0]
        link = next(entry for entry in override["properties"] if entry["id"] == "links")["value"][0]
        assert f"to=${{__data.fields.{old}.numeric}}" in link["url"]
        link["url"] = link["url"].replace(f".{old}.", f".{new}.")

    return plant


def _column(old: str, new: str) -> Callable[[Json], None]:
    def plant(board: Json) -> None:
        renamed = _panel(board, "Peers, worst first")["transformations"][-1]["options"]["renameByName"]
        renamed[new] = renamed.pop(old)

    return plant


def _duplicate(board: Json) -> None:
    board["panels"].append(deepcopy(_panel(board, "Verdict")))


def _typing_error(board: Json) -> None:
    _panel(board, "Verdict")["options"]["colourMode"] = "value"


def _asks(name: str, query: str) -> Callable[[Json], None]:
    return _variable(name, query={"query": query}, definition=query)


def _one_column_of_two(board: Json) -> None:
    panel = _panel(board, "Sessions")
    renamed = panel["transformations"][-1]["options"]["renameByName"]
    renamed["room_name"] = renamed["room_id"]


def _transformation(board: Json) -> None:
    _panel(board, "Sessions")["transformations"].insert(0, {"id": "joinByLabels", "options": {}})


def _same_reference(board: Json) -> None:
    _panel(board, "MOS")["targets"][1]["refId"] = "A"


def _menu(board: Json) -> None:
    board["links"][0]["placement"] = "inControlsMenu"


#: What is planted, and how the one finding begins.
FAULTS: Final[dict[str, tuple[Callable[[Json], None], str]]] = {
    "unknown key": (_typing_error, "schema: .panels[0].options.colourMode: unknown key"),
    "editable": (lambda board: board.update(editable=True), "settings: editable True"),
    "inputs": (lambda board: board.update(__inputs=[{}]), "settings: __inputs"),
    "newer than Grafana": (lambda board: board.update(schemaVersion=42), "settings: schemaVersion 42"),
    "refresh": (lambda board: board.update(refresh="5s"), "settings: refresh"),
    "hidden links": (_menu, "settings: placement"),
    "no menu": (lambda board: board.update(links=[]), "dashboard-links: no menu"),
    "tags": (lambda board: board["links"][0].update(tags=["other"]), "dashboard-links: menu: not every board"),
    "menu loses": (lambda board: board["links"][0].update(keepTime=False), "dashboard-links: menu: loses"),
    "no question": (lambda board: board.update(description=""), "settings: title or description"),
    "no source variable": (lambda board: board["templating"]["list"].pop(2), "template-choices: source: no such"),
    "fixed source": (_variable("job", datasource={"uid": "p"}), "template-label-promql: job: the data source"),
    "shown query": (_variable("job", definition="label_values(job)"), "template-label-promql: job: the definition"),
    "order": (_asks("job", 'label_values(up{source=~"$source"}, job)'), "template-label-promql: job: depends on"),
    "all series": (_asks("job", "label_values(job)"), "template-label-promql: job: neither label_values(selector"),
    "other regex": (_variable("worst", regex="/peer_id/"), "template-label-promql: worst: neither label_values(sel"),
    "label of no series": (
        _variable("worst", regex=r'/^\{url="(.*)"\} /'),
        "template-label-promql: worst: the metric has no label url",
    ),
    "every peer": (
        _expression("Loss sent, over time", ', peer_id=~"$worst"', ""),
        "target-crowd: [Loss sent, over time]/A: reads every peer at each step",
    ),
    "subquery": (
        _expression("Poor peers", "[$__range]", "[$__range:5m]"),
        "target-crowd: [Poor peers]/A: a subquery",
    ),
    "no such label": (
        _asks("job", "label_values(webrtc_room_peers, peer_id)"),
        "template-label-promql: job: the metric",
    ),
    "no such metric": (_asks("job", "label_values(up, job)"), "template-label-promql: job: up is no metric"),
    "panel type": (_setting("Poor peers", type="graph"), "panel-complete: [Poor peers] is of the type graph"),
    "no targets": (_setting("Poor peers", targets=[]), "panel-complete: [Poor peers] has no targets"),
    "reference": (_same_reference, "panel-complete: [MOS] has a refId twice"),
    "column": (_one_column_of_two, "panel-table: [Sessions] has the column Room twice"),
    "transformation": (_transformation, "panel-table: [Sessions] uses the transformation joinByLabels"),
    "link time": (_matrix_link("${__url_time_range}&", ""), "panel-links: [Peers, worst first] loses the time range"),
    "data source": (_variable("datasource", query="loki"), "template-datasource: no variable"),
    "data source label": (_variable("datasource", label="DS"), "template-datasource: label 'DS'"),
    "all rooms": (_variable("room", allValue=".+"), "template-choices: room: allValue '.+'"),
    "reload": (_variable("session", refresh=1), "template-label-promql: session: refresh 1"),
    "unused": (
        lambda board: board["templating"]["list"].append(variables(COMMITTED["webrtc-quality-peer"])["peer"]),
        "variables: peer: not used",
    ),
    "undeclared": (_setting("Sessions", description="Of $shard"), "variables: $shard: not declared"),
    "overlap": (_setting("Poor peers", gridPos={"h": 4, "w": 3, "x": 4, "y": 0}), "grid: [Poor peers] overlaps"),
    "outside": (_setting("The call", gridPos={"h": 4, "w": 12, "x": 13, "y": 0}), "grid: [The call] leaves the grid"),
    "panel id": (_setting("Verdict", id=2), "grid: id 2"),
    "no description": (_setting("Poor peers", description=""), "panel-complete: [Poor peers] has no title or no desc"),
    "unit": (_defaults("Poor peers", unit="furlong"), "panel-complete: [Poor peers] has the unit 'furlong'"),
    "no words": (_defaults("Poor peers", noValue=""), "panel-complete: [Poor peers] says nothing"),
    "own data source": (_setting("Poor peers", datasource={"uid": "prom"}), "panel-datasource: [Poor peers]"),
    "limits": (
        lambda board: _panel(board, "Loss of what peers sent")["fieldConfig"]["defaults"]["thresholds"]["steps"].pop(),
        "panel-looks: [Loss of what peers sent]/A shows packet_loss as ('percentunit', 0.01)",
    ),
    "dead override": (_column("role", "rolle"), "panel-table: [Peers, worst first] renames rolle"),
    "link target": (_matrix_link("/d/webrtc-quality-peer", "/d/peer"), "panel-links: [Peers, worst first] links to"),
    "link variable": (_matrix_link("var-peer", "var-who"), "panel-links: [Peers, worst first] sets var-who"),
    "link not encoded": (_matrix_link("peer_id:percentencode", "peer_id"), "panel-links: [Peers, worst first] sets"),
    "parse": (_expression("Poor peers", "avg((", "avg((("), "target-promql: [Poor peers]/A"),
    "metric": (
        _expression(SENT, "webrtc_peer_packet_loss_ratio", "webrtc_peer_packet_loss"),
        f"target-exists: [{SENT}]/A: webrtc_peer_packet_loss is no metric",
    ),
    "label": (_expression(SENT, "session_id=", "session="), f"target-exists: [{SENT}]/A: label session is not"),
    "legend": (
        lambda board: _target(board, SENT).update(legendFormat="{{peer}}"),
        f"target-exists: [{SENT}]/A: the legend's {{{{peer}}}}",
    ),
    "variable not followed": (_expression(SENT, 'room_id=~"$room", ', ""), f"target-job: [{SENT}]/A: webrtc_peer"),
    "far beyond the range": (
        _expression(SENT, "[1d] offset -1d", "[2d] offset -2d"),
        f"target-rate-interval: [{SENT}]/A: last_over_time() over 2 days",
    ),
    "end of the range": (
        _expression(SENT, "last_over_time(webrtc_peer_packet_loss_ratio{", "((webrtc_peer_packet_loss_ratio{"),
        f"target-promql: [{SENT}]/A",
    ),
    "fixed windows": (_expression(LANES, "$__interval", "5m"), f"target-rate-interval: [{LANES}]/A: max_over_time()"),
    "choice of a part": (
        _expression(LANES, "[$__range] @ end()", "[$__range]"),
        f"target-rate-interval: [{LANES}]/A: avg_over_time()",
    ),
    "states without words": (_defaults(LANES, mappings=[]), f"panel-over-time: [{LANES}] has no words"),
    "instant graph": (
        lambda board: _target(board, LANES).update(instant=True),
        f"panel-over-time: [{LANES}] is asked at one instant",
    ),
    "graph of an instant": (
        lambda board: _target(board, "Poor peers").pop("instant"),
        "panel-over-time: [Poor peers] is asked over time",
    ),
    "silent about remote write": (
        _defaults(LANES, noValue="No data"),
        f"panel-over-time: [{LANES}] does not say that it needs remote write",
    ),
    "look of nobody": (
        lambda board: _target(board, "The call").update(legendFormat="began"),
        "panel-named-series: [The call] has no series started",
    ),
    "bytes": (_expression("Media of the room", "8 * ", "1 * "), "target-bits: [Media of the room]/A"),
}


#: The same for what only the Overview board has.
OVERVIEW_FAULTS: Final[dict[str, tuple[Callable[[Json], None], str]]] = {
    "counter": (_expression("Calls", "increase(", "last_over_time("), "target-counter-agg: [Calls]/A"),
    "fixed range": (_expression("Calls", "$__range", "5m"), "target-rate-interval: [Calls]/A"),
    "rules needed": (
        lambda board: _panel(board, "Poor-call rate")["targets"][1].update(
            expr="max(all:webrtc_poor_peer_sessions_per_classified:target)"
        ),
        "target-without-rules: [Poor-call rate]/B: all:webrtc_poor_peer_sessions_per_classified:target has no",
    ),
    "unknown rule": (
        _expression("Calls", "webrtc_sessions_total", "all:webrtc_sessions"),
        "target-exists: [Calls]/A: all:webrtc_sessions is no metric",
    ),
    "buckets": (
        lambda board: _target(board, "Loss").update(legendFormat=""),
        "panel-over-time: [Loss] is not made of buckets",
    ),
    "axis": (
        lambda board: _panel(board, "Loss")["options"]["yAxis"].update(unit="s"),
        "panel-looks: [Loss]/A shows packet_loss on an axis as ('s',): expected percentunit",
    ),
    "no end": (_own_time("Ended", "Finished"), "panel-links: [Worst calls] loses the time range"),
    "no column of the end": (_own_time("Ended", "Room"), "panel-links: [Worst calls] loses the time range"),
    "colour of a fifth verdict": (
        lambda board: _panel(board, "Peers by verdict")["fieldConfig"]["overrides"][0]["matcher"].update(options="bad"),
        "panel-named-series: [Peers by verdict] has no series bad",
    ),
}


@pytest.mark.parametrize("fault", OVERVIEW_FAULTS)
def test_fault_planted_into_the_overview_is_found(fault: str) -> None:
    """Each fault is told with its rule and its place."""
    plant, expected = OVERVIEW_FAULTS[fault]
    board = deepcopy(COMMITTED[OVERVIEW])
    plant(board)
    found = findings(board, COMMITTED | {OVERVIEW: board})
    assert any(text.startswith(expected) for text in found), found


def test_whole_boards_have_no_fault() -> None:
    """The faults below are planted into boards that have none."""
    assert findings(COMMITTED[UID], COMMITTED) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(fault: str) -> None:
    """Each fault is told with its rule and its place."""
    plant, expected = FAULTS[fault]
    board = deepcopy(COMMITTED[UID])
    plant(board)
    found = findings(board, COMMITTED | {UID: board})
    assert any(text.startswith(expected) for text in found), found


def test_duplicate_panel_is_found() -> None:
    """A copied panel has an id that is taken, lies on another one, and makes one too many."""
    board = deepcopy(COMMITTED[UID])
    _duplicate(board)
    assert findings(board, COMMITTED) == [
        "grid: id 1: not unique or not a number above 0",
        "grid: 21 panels: expected at most 20",
        "grid: [Verdict] overlaps [Verdict]",
    ]


def test_gauge_at_the_end_of_the_range_is_found() -> None:
    """A call that has left the exporter's view is still shown: no gauge is asked for at one instant alone."""
    board = deepcopy(COMMITTED[UID])
    target = _target(board, "Poor peers")
    target["expr"] = 'sum(webrtc_room_peers{job=~"$job", source=~"$source", room_id=~"$room", session_id=~"$session"})'
    expected = "target-in-view: [Poor peers]/A: webrtc_room_peers is asked for at the end of the range alone"
    assert findings(board, COMMITTED) == [expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("webrtc_room_peers", {"source", "room_id", "session_id", "job", "instance"}),
        ("webrtc_peer_session_mos_bucket", {"source", "room_id", "le", "job", "instance"}),
        ("sum by (source) (webrtc_room_peers)", {"source"}),
        ("sum(webrtc_room_peers)", set()),
        ("max without (job, instance, session_id) (webrtc_room_peers)", {"source", "room_id"}),
        ("topk(3, webrtc_sessions_total)", {"source", "room_id", "job", "instance"}),
        ("topk by (source) (3, webrtc_sessions_total)", {"source", "room_id", "job", "instance"}),
        ('label_replace(vector(1), "verdict", "good", "", "")', {"verdict"}),
        ('label_join(sum by (source) (webrtc_sessions_total), "x", "-", "source")', {"source", "x"}),
        ("2 * sum by (source) (webrtc_sessions_total)", {"source"}),
        ("sum by (source) (webrtc_sessions_total) / on (source) sum by (source) (webrtc_room_peers)", {"source"}),
        ("sum by (source) (webrtc_room_peers) or sum by (room_id) (webrtc_room_peers)", {"source", "room_id"}),
        ("histogram_quantile(0.9, sum by (le) (rate(webrtc_peer_session_mos_bucket[5m])))", set()),
        ("-sum by (source) (webrtc_room_peers)", {"source"}),
        ("time() - sum by (source) (webrtc_room_peers)", {"source"}),
        ("max(all:webrtc_poor_peer_sessions_per_classified:target)", set()),
        (
            '{__name__=~"webrtc_room_verdict|webrtc_timeline_connected", source="x"}',
            {"source", "room_id", "session_id", "job", "instance"},
        ),
    ],
)
def test_labels_of_a_result(expression: str, expected: set[str]) -> None:
    """What a legend or a column may name follows from the syntax tree and the catalogue."""
    assert labels(promql.parse(expression)) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("webrtc_nothing", "webrtc_nothing is no metric of the catalogue"),
        ("webrtc_peer_session_mos", "webrtc_peer_session_mos is no metric of the catalogue"),
        ('webrtc_room_peers{peer_id="x"}', "label peer_id is not there"),
        ("sum by (peer_id) (webrtc_room_peers)", "label peer_id is not there"),
        ("sum by (source) (webrtc_room_peers) * on (room_id) webrtc_room_peers", "label room_id is not there"),
        ('label_replace(webrtc_room_peers, "a", "$1", "peer_id", "(.*)")', "label peer_id is not there"),
        ('label_join(webrtc_room_peers, "a", "-", "source", "peer_id")', "label peer_id is not there"),
        ('{source="x"}', "label __name__ is not there"),
        ('{__name__=~"webrtc_room_verdict|webrtc_nothing"}', "webrtc_nothing is no metric of the catalogue"),
        ('{__name__=~"webrtc_room_verdict|webrtc_peer_verdict", peer_id="x"}', "label peer_id is not there"),
    ],
)
def test_label_that_cannot_be_is_refused(expression: str, message: str) -> None:
    """A matcher, grouping or join on a label that the family does not have never matches: a silent empty panel."""
    with pytest.raises(QueryError, match=message):
        labels(promql.parse(expression))


MULTI: Final = {"multi": True, "includeAll": True}


@pytest.mark.parametrize(
    ("variable", "chosen", "expected"),
    [
        (MULTI, ["a.b"], "a\\\\.b"),
        (MULTI, ["a+b", "c"], "(a\\\\+b|c)"),
        (MULTI, ["a\\b"], "a\\\\\\\\b"),
        (MULTI, ["x (1)/2"], "x \\\\(1\\\\)/2"),
        ({}, ["a.b"], "a.b"),
        ({}, ['say "hi"\\now'], 'say \\"hi\\"\\\\now'),
    ],
)
def test_choices_are_quoted_as_in_grafana(variable: Json, chosen: list[str], expected: str) -> None:
    """Several choices go into a regular expression, one choice into a string."""
    assert quoted(variable, chosen) == expected


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1), min_size=1, max_size=3))
def test_any_choice_makes_a_query_that_parses(chosen: list[str]) -> None:
    """Ids are made up by strangers; none of them breaks out of the query."""
    text = quoted(MULTI, chosen).replace('"', '\\"')
    tree = promql.parse(f'webrtc_room_peers{{room_id=~"{text}"}}')
    assert isinstance(tree, promql.VectorSelector)


def test_variables_are_inserted_in_every_spelling() -> None:
    """Grafana takes three spellings, with formats and fields; what it does not know it leaves."""
    values = {"room": "r", "__range": "60s"}
    assert insert("$room ${room} ${room:regex} [[room]] [$__range] $other $1", values) == "r r r r [60s] $other $1"
    assert list(references("$room ${room:csv} ${__data.fields.x} [[peer]] $1")) == ["room", "room", "__data", "peer"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("label_values(room_id)", (None, "room_id")),
        ('label_values(m{a=~"x"}, room_id)', ('m{a=~"x"}', "room_id")),
        ("query_result(m)", None),
    ],
)
def test_label_values_queries_are_read(query: str, expected: tuple[str | None, str] | None) -> None:
    """A variable's query is a selector and a label."""
    assert label_values(query) == expected


@pytest.mark.parametrize(
    ("span", "panel", "expected"),
    [(900, {}, 15), (86_400, {}, 86), (900, {"interval": "5m"}, 300), (86_400, {"maxDataPoints": 300}, 288)],
)
def test_step_follows_the_span(span: float, panel: Json, expected: int) -> None:
    """A range query has at most a point for each pixel, or as many as the panel says, and none between two scrapes."""
    assert step_seconds(span, panel) == expected


def test_variable_takes_what_its_regular_expression_leaves() -> None:
    """Grafana makes a text of each series, of which the group is the choice; values are not escaped in it."""
    assert query_result("query_result(topk(1, up))") == "topk(1, up)"
    told = [{"metric": {"peer_id": name}, "value": [1.5, "3"]} for name in ('a"} b', "a", "a")]
    assert [as_option(series) for series in told][:2] == ['{peer_id="a"} b"} 3 1500', '{peer_id="a"} 3 1500']
    worst = variables(COMMITTED["webrtc-quality-room"])["worst"]
    assert options_kept(worst, [as_option(series) for series in told]) == ['a"} b', "a"]
    assert options_kept({"regex": ""}, ["a", "b"]) == ["a", "b"]
