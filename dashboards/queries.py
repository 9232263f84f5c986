"""PromQL as the panels write it: names checked against the catalogue, selectors that follow the variables.

The gauges describe finished calls and leave `/metrics` some time after the call was ingested, so a panel asks for the
last value within the chosen time range and not for the value at its end: a call of this morning is still there in the
afternoon, as long as the range reaches back to when it was in view.

A range that is a call's own ends before the call's report came. The boards of one room and one peer therefore look
further, a day past the end of the range; where the range ends now, there is nothing to be found there.
"""

from __future__ import annotations

from typing import Final

from exporter.metrics.catalogue import FAMILIES

_FAMILIES: Final = {family.name: family for family in FAMILIES}
_HISTOGRAM_SUFFIXES: Final = ("_bucket", "_sum", "_count")

#: What tells one session from every other, and one stay of a peer.
SESSION: Final = ("source", "room_id", "session_id")
STAY: Final = (*SESSION, "peer_id")

#: Matchers that follow the variables: of exporters, of their sources, of counts, which have no session and no peer.
JOB: Final = 'job=~"$job"'
SOURCES: Final = 'job=~"$job", source=~"$source"'
COUNTS: Final = f'{SOURCES}, room_id=~"$room"'
ROOM: Final = f'{COUNTS}, session_id=~"$session"'
#: The peer board shows one peer, and a single choice is not escaped for a regular expression.
PEER: Final = f'{ROOM}, peer_id="$peer"'
#: Of what was chosen the peers that a graph has lines for. Prometheus reads all that a selector matches, at each step,
#: before topk() leaves ten of them: only a variable saves it the crowd.
WORST: Final = f'{ROOM}, peer_id=~"$worst"'

#: How long after the end of a time range a call's report may come and still be shown: the sources' longest lag.
_LATER: Final = "1d"

#: How the boards order verdicts: worst first, unclassified last.
SEVERITIES: Final = {"poor": 3, "fair": 2, "good": 1, "unclassified": 0}


class UnknownMetricError(ValueError):
    """A panel asks for a metric that no family of the catalogue has."""


def metric(name: str) -> str:
    """The name itself, when a family of the catalogue has such series.

    Raises:
        UnknownMetricError: there is none.
    """
    family = _FAMILIES.get(name)
    if family is not None and family.type != "histogram":
        return name
    for suffix in _HISTOGRAM_SUFFIXES:
        family = _FAMILIES.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if family is not None and family.type == "histogram":
            return name
    msg = f"{name}: expected a metric of the catalogue"
    raise UnknownMetricError(msg)


def series(name: str, scope: str, *matchers: str) -> str:
    """Selects the series of a metric that the variables and the further matchers leave."""
    return f"{metric(name)}{{{', '.join((scope, *matchers))}}}"


def seen(name: str, scope: str, *matchers: str) -> str:
    """The last value of each series within the time range."""
    return f"last_over_time({series(name, scope, *matchers)}[$__range])"


def last(name: str, scope: str, *matchers: str) -> str:
    """The last value of each series within the time range, or within the day after it: a call's report comes late."""
    later = f"last_over_time({series(name, scope, *matchers)}[{_LATER}] offset -{_LATER})"
    return f"({seen(name, scope, *matchers)} or {later})"


def at_end(name: str, scope: str, *matchers: str) -> str:
    """What an exporter says of itself at the end of the time range: there it is, or it is not."""
    return series(name, scope, *matchers)


def lately(name: str, scope: str, *matchers: str, of: str = "max") -> str:
    """What an exporter says of itself at each step of a graph: the most that it said since the step before, or `of`."""
    return f"{of}_over_time({series(name, scope, *matchers)}[$__rate_interval])"


def rate(name: str, scope: str, *matchers: str) -> str:
    """How fast counters rise at each step of a graph."""
    return f"rate({series(name, scope, *matchers)}[$__rate_interval])"


def milliseconds(expression: str) -> str:
    """Seconds as whole milliseconds: Grafana wants those of a moment, and would misread a fraction in a link."""
    return f"round(1000 * {expression})"


def each_step(name: str, scope: str, *matchers: str, of: str = "max") -> str:
    """The true timeline at each step of a graph.

    Where a step spans several windows it is their maximum, or what `of` says, so that no bad moment falls between two
    points; where it is finer than the windows, the last one still stands, until the series' stale marker ends it.
    """
    windows = series(name, scope, *matchers)
    return f"({of}_over_time({windows}[$__interval]) or {windows})"


def of_the_worst(count: int, expression: str) -> str:
    """Leaves the stays that were poor for the largest share of their time, of what is asked for `WORST` alone."""
    return f"{expression} and on ({', '.join(STAY)}) {_worst_stays(count, WORST, ' @ end()')}"


def worst_peers(count: int) -> str:
    """The peers of the stays that were poor for the largest share of their time, for the variable of `WORST`."""
    return by(("peer_id",), "max", _worst_stays(count, ROOM, ""))


def _worst_stays(count: int, scope: str, moment: str) -> str:
    """Those with the largest share of poor windows, and of equal ones those with the worst mean.

    A mean alone would put somebody fair for the whole call before somebody poor for a third of it. A window's verdict v
    is 1, 2 or 3 (`SEVERITIES`), so that (v - 1)(v - 2) is 2 where it is poor and 0 elsewhere; the mean of that product
    follows from the mean m and the deviation s of the verdicts: s² + (m - 1)(m - 2). Only a subquery could count them.
    """
    windows = f"{series('webrtc_timeline_verdict', scope)}[$__range]{moment}"
    mean, deviation = f"avg_over_time({windows})", f"stddev_over_time({windows})"
    poor = f"{deviation} ^ 2 + ({mean} - {SEVERITIES['good']}) * ({mean} - {SEVERITIES['fair']})"
    return f"topk({count}, {by(STAY, 'max', f'{poor} + {mean} / 1000')})"


def added(name: str, scope: str, *matchers: str) -> str:
    """By how much counters rose within the time range."""
    return f"increase({series(name, scope, *matchers)}[$__range])"


def by(labels: tuple[str, ...], aggregation: str, expression: str) -> str:
    """Aggregates to the given labels, so that `job`, `instance` and what a site adds never split a row."""
    return f"{aggregation} by ({', '.join(labels)}) ({expression})"


def bits(expression: str) -> str:
    """Bytes as bits: rates of media are bytes in Prometheus and bits to everybody who looks at them."""
    return f"8 * {expression}"


def current(name: str, scope: str, identity: tuple[str, ...]) -> str:
    """The one series of each session or stay that says what holds now, for families whose labels can change.

    A room's verdict changes while the reports of its peers arrive: each change is another series. In view the present
    one is the answer; after that, and for a range that ended before the report came on the day after it, the one that
    was seen most: it is the last one, which stayed for `series_ttl` while the others gave way to the next report.
    """
    now = series(name, scope)
    keys = ", ".join(identity)
    # Which one was seen last only a subquery could say, which costs the more the longer the time range is.
    before = f"topk by ({keys}) (1, count_over_time({now}[$__range]))"
    later = f"topk by ({keys}) (1, count_over_time({now}[{_LATER}] offset -{_LATER}))"
    return f"{now} or on ({keys}) {before} or on ({keys}) {later}"


def severity(name: str, scope: str, identity: tuple[str, ...]) -> str:
    """The verdict of each session or stay as a number (`SEVERITIES`), with its reason as a label."""
    verdicts = f"0 * ({current(name, scope, identity)}) + on (verdict) group_left () ({_each_verdict(SEVERITIES)})"
    return by((*identity, "verdict", "reason"), "max", verdicts)


def by_verdict(expression: str) -> str:
    """Counts by verdict, with a zero for those that nobody had: a stack needs all of its parts at each time."""
    return f"sum by (verdict) ({expression}) or on (verdict) ({_each_verdict(dict.fromkeys(SEVERITIES, 0))})"


def _each_verdict(numbers: dict[str, int]) -> str:
    return " or ".join(
        f'label_replace(vector({number}), "verdict", "{verdict}", "", "")' for verdict, number in numbers.items()
    )


def in_words(expression: str) -> str:
    """Writes the reason of a verdict as people say it, for panels that show labels as they are."""
    words = f'label_replace({expression}, "reason", "nothing wrong", "verdict", "good")'
    words = f'label_replace({words}, "reason", "too little data", "verdict", "unclassified")'
    for _ in range(2):
        words = f'label_replace({words}, "reason", "$1 $2", "reason", "(.*)_(.*)")'
    return words


def share(part: str, whole: str) -> str:
    """A part of a whole: 0 where there is none of the part, nothing where there is no whole."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(level: float, name: str, labels: tuple[str, ...], *matchers: str) -> str:
    """A quantile of what a histogram counted within the time range, for each set of `labels`; none of nothing."""
    buckets = by((*labels, "le"), "sum", added(f"{name}_bucket", COUNTS, *matchers))
    # The quantile of nothing is NaN, which a panel would show; no comparison with NaN is true.
    return f"histogram_quantile({level}, {buckets}) >= 0"
