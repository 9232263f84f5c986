"""Runs every query of a dashboard against a real Prometheus, with the variables resolved as Grafana resolves them."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.dashboards.grafana import (
    Json,
    as_option,
    built_in,
    charts,
    insert,
    label_values,
    options_kept,
    query_result,
    quoted,
    step_seconds,
    variable_query,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


_TIMEOUT_SECONDS: Final = 30

#: Grafana's number for a variable that is not shown.
_HIDDEN: Final = 2

#: Chooses all values of a variable.
ALL: Final = "$__all"


class Absence(NamedTuple):
    """Queries that may have no answer, because not every source or call has what they ask for."""

    #: Part of the query's text.
    text: str
    reason: str


MAY_BE_EMPTY: Final = (
    Absence("webrtc_room_mos", "100ms gives no MOS"),
    Absence("webrtc_peer_mos", "100ms gives no MOS"),
    Absence("webrtc_peer_stream_mos", "100ms gives no MOS"),
    Absence("_media_score", "100ms gives no score"),
    Absence("_user_rating", "100ms gives no rating, and most people give none"),
    Absence("_call_setup_seconds", "100ms gives no setup time"),
    Absence("_estimated_mos", "a peer without audio, loss or round-trip time has no estimate"),
    Absence("_frames_per_second", "watchRTC gives no frame rate, and an audio call has none"),
    Absence("webrtc_peer_freezes", "watchRTC gives no freezes"),
    Absence("webrtc_peer_conceal", "watchRTC gives no concealment"),
    Absence("_p95_", "watchRTC gives no windows"),
    Absence("webrtc_peer_poor_time_ratio", "watchRTC gives no windows"),
    Absence('track_type="screen"', "most peers share no screen, and watchRTC does not tell"),
    Absence(" >= 2)", "a good call has no fair or poor peers"),
    Absence("webrtc_timeline_freezes", "watchRTC gives no freezes"),
    Absence("webrtc_timeline_concealed", "watchRTC gives no concealment"),
    Absence("webrtc_peer_session_mos", "100ms gives no MOS"),
    Absence('!=""}', "100ms says nothing of place, network and device"),
    Absence("topk(10, (count", "a good call has no poor peers"),
    Absence("bottomk(10", "a good call has no poor peers"),
    Absence("sum by (verdict, reason) (increase", "a good call has no poor peers"),
    Absence("_rejected_total", "good input is not rejected"),
    Absence("_poll_failures_total", "a source that works has no failures"),
    Absence("webrtc_exporter_http_", "files are not asked for over HTTP"),
    Absence("webrtc_exporter_object", "100ms has no objects"),
    Absence("_listing_problems", "100ms has no listing of a store"),
    Absence("_peers_skipped_total", "files have no peers to ask for"),
)
#: What further is empty where Prometheus only scrapes.
SCRAPED_ONLY: Final = (
    Absence("webrtc_timeline_", "remote write is not configured"),
    Absence("webrtc_exporter_remote_write_", "remote write is not configured"),
)
#: What further may be empty where one peer was chosen: it may have been silent, in one direction or for one kind.
MAY_BE_EMPTY_FOR_A_PEER: Final = (
    Absence('kind="', "a peer need not send and receive both audio and video"),
    Absence("_jitter_seconds", "100ms measures jitter of sent audio alone"),
    Absence("_round_trip_time_seconds", "both measure the round-trip time of what is sent alone"),
    Absence("webrtc_peer_packet_loss_ratio", "a peer that never connected has no streams"),
    Absence("webrtc_peer_throughput_bytes_per_second", "a peer that never connected has no streams"),
    Absence("_timestamp_seconds", "a peer that never connected may have no times"),
    Absence("_duration_seconds", "a peer that never connected may have no times"),
    Absence("webrtc_timeline_", "a peer that never connected has no windows"),
)
#: What further may be empty where the time range is so short that no report was counted in it.
NOTHING_COUNTED: Final = (Absence("increase(", "no report was counted in the range"),)


class Prometheus:
    """The HTTP API of a Prometheus, as far as Grafana uses it here."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def query(self, expression: str, at: float) -> list[Json]:
        """The answer at one instant, as series with one sample each."""
        data = self._get("query", {"query": expression, "time": at})
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        return list(data["result"])

    def query_range(self, expression: str, start: float, end: float, step: int) -> list[Json]:
        """The answer over time; Grafana begins and ends at multiples of the step."""
        edges = {"start": start // step * step, "end": end // step * step}
        return list(self._get("query_range", {"query": expression, "step": step, **edges})["result"])

    def label_values(self, selector: str | None, label: str, start: float, end: float) -> list[str]:
        """The values of a label."""
        match = {"match[]": selector} if selector else {}
        return list(self._get(f"label/{label}/values", {**match, "start": start, "end": end}))

    def _get(self, path: str, parameters: Mapping[str, str | float]) -> Any:  # noqa: ANN401 - any JSON
        url = f"{self._base_url}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - the test's own Prometheus
                return json.load(response)["data"]
        except HTTPError as error:
            message = json.load(error).get("error", error.reason)
            raise QueryFailedError(message) from error


class QueryFailedError(Exception):
    """Prometheus refused a query."""


def absences(dashboard: Json) -> tuple[Absence, ...]:
    """The queries of a board that need have no answer for any one vendor, room or peer."""
    return (*MAY_BE_EMPTY, *(MAY_BE_EMPTY_FOR_A_PEER if "peer" in variables(dashboard) else ()))


def live_findings(
    base_url: str,
    dashboard: Json,
    at: float,
    choose: Mapping[str, Sequence[str]],
    *,
    span: float = 3_600.0,
    may_be_empty: Sequence[Absence] | None = None,
) -> list[str]:
    """Runs every query of every panel and variable, and tells what a person would stumble over.

    Args:
        base_url: of the Prometheus, such as `http://127.0.0.1:9090`.
        dashboard: the classic JSON.
        at: Unix seconds of the end of the time range.
        choose: the chosen values by variable. What is missing is all values, or the first one where there is no "all".
        span: length of the time range in seconds.
        may_be_empty: the queries that need have no answer; by default those that `absences` names for the board.

    Returns:
        A line for each variable without a value, query that fails, has no answer or only NaN, and legend whose label is
        missing from the answer.
    """
    prometheus = Prometheus(base_url)
    allowed = absences(dashboard) if may_be_empty is None else may_be_empty
    values, found = _resolve(prometheus, dashboard, at - span, at, choose, allowed)
    for question in questions(dashboard, values, at, span):
        try:
            answer = question.ask(prometheus)
        except QueryFailedError as error:
            found.append(f"{question.place}: {error}: {question.expression}")
            continue
        optional = any(absence.text in question.target["expr"] for absence in allowed)
        stumbles = _stumbles(answer, question.target, optional=optional)
        found += (f"{question.place}: {text}: {question.expression}" for text in stumbles)
    return found


class Question(NamedTuple):
    """A query of a panel as Grafana sends it."""

    #: The title of the panel and the reference of the query.
    place: str
    target: Json
    expression: str
    start: float
    end: float
    step: int

    def ask(self, prometheus: Prometheus) -> list[Json]:
        """The answer.

        Raises:
            QueryFailedError: Prometheus refuses the query.
        """
        if self.target.get("instant"):
            return prometheus.query(self.expression, self.end)
        return prometheus.query_range(self.expression, self.start, self.end, self.step)


def questions(dashboard: Json, values: Mapping[str, str], at: float, span: float) -> Iterator[Question]:
    """Every query of every panel.

    Args:
        dashboard: the classic JSON.
        values: the variables as they stand in queries (`resolved`).
        at: Unix seconds of the end of the time range.
        span: its length in seconds.
    """
    for panel in charts(dashboard):
        step = step_seconds(span, panel)
        everything = {**values, **built_in(at - span, at, step)}
        for target in panel["targets"]:
            place = f"[{panel['title']}]/{target['refId']}"
            yield Question(place, target, insert(target["expr"], everything), at - span, at, step)


def answer(  # noqa: PLR0913 - what a person chooses on a board
    base_url: str,
    dashboard: Json,
    title: str,
    at: float,
    choose: Mapping[str, Sequence[str]],
    *,
    span: float = 3_600.0,
    column: str = "",
) -> list[Json]:
    """The answer of a panel's only query, or of the one that fills a column of its table.

    Args:
        base_url: of the Prometheus.
        dashboard: the classic JSON.
        title: of the panel.
        at: Unix seconds of the end of the time range.
        choose: the chosen values by variable.
        span: length of the time range in seconds.
        column: the title of the column; without one the panel has one query.
    """
    panel = next(panel for panel in charts(dashboard) if panel["title"] == title)
    targets = panel["targets"]
    if column:
        renamed = panel["transformations"][-1]["options"]["renameByName"]
        targets = [target for target in targets if renamed.get(f"Value #{target['refId']}") == column]
    (target,) = targets
    values = resolved(base_url, dashboard, at, choose, span=span) | built_in(at - span, at, step_seconds(span, panel))
    return Prometheus(base_url).query(insert(target["expr"], values), at)


def resolved(
    base_url: str, dashboard: Json, at: float, choose: Mapping[str, Sequence[str]], *, span: float = 3_600.0
) -> dict[str, str]:
    """The variables as they stand in the queries, for checks of single panels."""
    return _resolve(Prometheus(base_url), dashboard, at - span, at, choose)[0]


def _resolve(
    prometheus: Prometheus,
    dashboard: Json,
    start: float,
    end: float,
    choose: Mapping[str, Sequence[str]],
    may_be_empty: Sequence[Absence] = (),
) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    found: list[str] = []
    for name, variable in variables(dashboard).items():
        if variable["type"] == "datasource":
            values[name] = "prometheus"
            continue
        query = insert(variable_query(variable), values | built_in(start, end, 1))
        try:
            options = _options(prometheus, variable, query, start, end)
        except QueryFailedError as error:
            options = []
            found.append(f"variable {name}: {error}")
        # What nobody chooses may be empty where the queries that follow it are.
        optional = variable.get("hide") == _HIDDEN and any(absence.text in query for absence in may_be_empty)
        if not options and not optional:
            found.append(f"variable {name}: offers nothing")
        chosen = list(choose.get(name) or ([ALL] if variable.get("includeAll") else options[:1] or [""]))
        found += (f"variable {name}: does not offer {one!r}" for one in chosen if one != ALL and one not in options)
        every = variable.get("allValue") or quoted(variable, options or [""])
        values[name] = every if chosen == [ALL] else quoted(variable, chosen)
    return values, found


def _options(prometheus: Prometheus, variable: Json, query: str, start: float, end: float) -> list[str]:
    if expression := query_result(query):
        return options_kept(variable, [as_option(series) for series in prometheus.query(expression, end)])
    asked = label_values(query)
    return prometheus.label_values(*asked, start, end) if asked else []


def _stumbles(answer: Sequence[Json], target: Json, *, optional: bool) -> Iterator[str]:
    if not answer:
        if not optional:
            yield "no answer"
        return
    samples = [float(value) for series in answer for _, value in series.get("values") or [series["value"]]]
    if all(math.isnan(sample) for sample in samples):
        yield "only NaN"
    for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat") or ""):
        if any(label not in series["metric"] for series in answer):
            yield f"the legend's {{{{{label}}}}} is not in the answer"
