"""Compares what was expected with what Prometheus, or a page of `/metrics`, says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.oracle.families import COUNTERS, GAUGES, HISTOGRAMS, REJECTED_SAMPLES, REPORT_LAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import Metric

    from tests.oracle.expected import Expected, Labels

#: Answers an instant query with pairs of labels and value.
Query: TypeAlias = "Callable[[str], Iterable[tuple[Mapping[str, str], float]]]"

#: prometheus_client does not type it.
_parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families

RELATIVE_TOLERANCE = 1e-9
#: Of Unix seconds, so that they are held to microseconds: a billionth of them is more than a second.
_MOMENT_TOLERANCE = 1e-14
#: Differences of two moments, in seconds: Unix seconds as doubles hold a quarter of a microsecond each, and a sum of
#: up to 500 such differences as many times that.
_ABSOLUTE_TOLERANCE = {
    "webrtc_room_duration_seconds": 2e-6,
    "webrtc_peer_duration_seconds": 2e-6,
    "webrtc_peer_session_duration_seconds_sum": 1e-3,
}

#: Which metrics there are at all; the one query beside plain names.
NAMES_QUERY = 'count by (__name__) ({__name__=~"webrtc_.+"})'
_SHOWN = 60


def differences(expected: Expected, query: Query, *, relative: float = RELATIVE_TOLERANCE) -> list[str]:
    """Lines that tell what is missing, unexpected or different; none when all is as expected.

    `query` is asked for plain metric names and for `NAMES_QUERY`. Of counters and histograms, a series of zeros may be
    there or not. Labels that the scraper adds (`job`, `instance`) are left aside.
    """
    lines: list[str] = []
    for family in GAUGES:
        wanted = {labels: value for (name, labels), value in expected.gauges.items() if name == family}
        lines += _diff(family, wanted, _ask(query, family, lines), relative, _never)
    for family in COUNTERS:
        wanted = {labels: value for (name, labels), value in expected.counters.items() if name == family}
        lines += _diff(family, wanted, _ask(query, family, lines), relative, _always)
    rejected = {
        frozenset({("source", source), ("reason", reason)}): float(count)
        for (source, reason), count in expected.rejected_samples.items()
    }
    lines += _diff(REJECTED_SAMPLES, rejected, _ask(query, REJECTED_SAMPLES, lines), relative, _always)
    for family in HISTOGRAMS:
        lines += _histogram_differences(family, expected, query, relative)
    known = {*GAUGES, *COUNTERS, *(f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count"))}
    for labels, _ in query(NAMES_QUERY):
        name = labels.get("__name__", "")
        if name not in known and not name.startswith("webrtc_exporter_"):
            lines.append(f"unexpected family {name}")
    return lines


def assert_matches(expected: Expected, query: Query, *, relative: float = RELATIVE_TOLERANCE) -> None:
    """Fails with the differences, one a line."""
    lines = differences(expected, query, relative=relative)
    rest = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    if lines:
        raise AssertionError("\n".join([f"{len(lines)} differences", *lines[:_SHOWN], *rest]))


def query_of_page(openmetrics_body: str) -> Query:
    """A query over one page in OpenMetrics form, so that it can be compared without a Prometheus."""
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for sample in (sample for family in _parse(openmetrics_body) for sample in family.samples):
        samples.setdefault(sample.name, []).append((sample.labels, float(sample.value)))

    def query(expression: str) -> list[tuple[Mapping[str, str], float]]:
        if expression == NAMES_QUERY:
            return [({"__name__": name}, 1.0) for name in sorted(samples) if name.startswith("webrtc_")]
        return samples.get(expression, [])

    return query


def _ask(query: Query, name: str, lines: list[str]) -> dict[Labels, float]:
    found: dict[Labels, float] = {}
    for labels, value in query(name):
        ours = frozenset(
            (label, text) for label, text in labels.items() if text and label not in ("__name__", "job", "instance")
        )
        if ours in found:
            lines.append(f"twice {_series(name, ours)}")
        found[ours] = value
    return found


def _histogram_differences(family: str, expected: Expected, query: Query, relative: float) -> list[str]:
    lines: list[str] = []
    wanted = {labels: value for (name, labels), value in expected.histograms.items() if name == family}
    counts = {labels: float(histogram.count) for labels, histogram in wanted.items()}
    found_counts = _ask(query, f"{family}_count", lines)
    lines += _diff(f"{family}_count", counts, found_counts, relative, _always)
    buckets: dict[Labels, float] = {}
    for labels, histogram in wanted.items():
        for bound, count in histogram.buckets.items():
            buckets[labels | {("le", str(bound))}] = float(count)
    found = {_with_bound(labels): value for labels, value in _ask(query, f"{family}_bucket", lines).items()}
    if family == REPORT_LAG:
        found = {labels: value for labels, value in found.items() if ("le", "inf") in labels}
    else:
        sums = {labels: histogram.sum for labels, histogram in wanted.items() if histogram.sum is not None}
        found_sums = _ask(query, f"{family}_sum", lines)
        lines += _diff(f"{family}_sum", sums, found_sums, relative, _always)

    def without_observations(labels: Labels) -> bool:
        return not counts.get(frozenset(pair for pair in labels if pair[0] != "le"))

    return lines + _diff(f"{family}_bucket", buckets, found, relative, without_observations)


def _with_bound(labels: Labels) -> Labels:
    return frozenset((label, str(float(text)) if label == "le" else text) for label, text in labels)


def _always(_: Labels) -> bool:
    return True


def _never(_: Labels) -> bool:
    return False


def _diff(
    name: str,
    wanted: Mapping[Labels, float],
    found: Mapping[Labels, float],
    relative: float,
    zero_may_lack: Callable[[Labels], bool],
) -> list[str]:
    lines = []
    relative = min(relative, _MOMENT_TOLERANCE) if name.endswith("_timestamp_seconds") else relative
    absolute = _ABSOLUTE_TOLERANCE.get(name, 0.0)
    for labels in sorted(wanted.keys() | found.keys(), key=sorted):
        want, got = wanted.get(labels), found.get(labels)
        if (want is None or got is None) and not (want or got) and zero_may_lack(labels):
            continue
        if want is None:
            lines.append(f"unexpected {_series(name, labels)} {got!r}")
        elif got is None:
            lines.append(f"missing {_series(name, labels)} {want!r}")
        elif not math.isclose(want, got, rel_tol=relative, abs_tol=absolute):
            lines.append(f"different {_series(name, labels)}: expected {want!r}, got {got!r}")
    return lines


def _series(name: str, labels: Labels) -> str:
    return name + "{" + ", ".join(f"{label}={text!r}" for label, text in sorted(labels)) + "}"
