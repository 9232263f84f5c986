"""The panels of the Exporter board about its sources: what comes in, how late, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.graphs import columns, lanes, lines
from dashboards.looks import AGE, BYTES, COUNT, FAULTS, GOOD, LATENCY, POOR, RATIO, UNCLASSIFIED, WORKS
from dashboards.panels import Frame, Query
from dashboards.queries import SOURCES, added, at_end, lately, rate, series
from dashboards.tables import Label, Lookup, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import statetimeline, table, timeseries

_NO_SOURCE: Final = "No exporter was scraped in this time range"
_HALF: Final = (12, 7)
_REPORTS: Final = {"ingested": GOOD, "duplicate": UNCLASSIFIED, "rejected": POOR}


def source_table() -> table.Panel:
    """Each source in a row."""
    frame = Frame(
        id=102,
        title="Sources",
        description=(
            "Every source at the end of the time range: whether its last poll succeeded, how long ago one did, how old "
            "the newest call is that it brought, what is known and not yet ingested, and the files and objects that "
            "were read within the range, as are the peers skipped because of max_peers_per_session. Unlisted: folders "
            "and keys that the last listing could not take in. Old data with a working source: nobody called, or the "
            "vendor is late."
        ),
        size=(24, 5),
        empty="No exporter was scraped at the end of this time range",
    )
    parts: list[Part] = [
        Label(title="Source", label="source"),
        Label(title="Type", label="type", width=80),
        Measure(title="State", expression=_of_each("source_up", "min"), look=WORKS, width=75),
        Measure(title="Succeeded", expression=_age("source_last_success_timestamp_seconds"), look=AGE, width=90),
        Measure(title="Tried", expression=_age("source_last_attempt_timestamp_seconds"), look=AGE, width=75),
        Measure(title="Newest call", expression=_age("source_data_timestamp_seconds"), look=AGE, width=95),
        Measure(title="Backlog", expression=_of_each("source_backlog", "sum"), look=COUNT, width=75),
        Measure(title="Poll", expression=_of_each("source_poll_duration_seconds", "max"), look=LATENCY, width=75),
        Measure(title="Polls", expression=_in_range("source_polls_total"), look=COUNT, width=65),
        Measure(title="Objects", expression=_in_range("objects_read_total"), look=COUNT, width=75),
        Measure(title="Read", expression=_in_range("object_bytes_read_total"), look=BYTES, width=85),
        Measure(title="Skipped", expression=_in_range("peers_skipped_total"), look=COUNT, width=75),
        Measure(title="Unlisted", expression=_of_each("source_listing_problems", "max"), look=FAULTS, width=80),
        Measure(title="Quarantined", expression=_in_range("objects_quarantined_total"), look=FAULTS, width=100),
        Lookup(expression=f"max by (source, type) ({at_end('webrtc_exporter_source_info', SOURCES)})"),
    ]
    return merged_table(frame, parts)


def up_lanes() -> statetimeline.Panel:
    """When each source worked."""
    frame = Frame(
        id=103,
        title="When the sources worked",
        description=(
            "One lane a source: whether its last poll had succeeded, the worst within each step. What failed is tried "
            "again and nothing is lost, as long as the source gets over it within the vendor's retention."
        ),
        size=(24, 5),
        empty=_NO_SOURCE,
    )
    up = f"min by (source) ({lately('webrtc_exporter_source_up', SOURCES, of='min')})"
    return lanes(frame, WORKS, Query(expression=up, legend="{{source}}"))


def data_age() -> timeseries.Panel:
    """How old the newest call of each source is."""
    frame = Frame(
        id=201,
        title="Age of the newest call",
        description=(
            "Time since the end of the newest call that each source brought. A saw-tooth as calls come; a line that "
            "rises through the day while people call: the source brings nothing."
        ),
        size=_HALF,
        empty=_NO_SOURCE,
    )
    newest = f"max by (source) ({lately('webrtc_exporter_source_data_timestamp_seconds', SOURCES)})"
    return lines(frame, AGE, [Query(expression=f"time() - {newest}", legend="{{source}}")])


def backlog() -> timeseries.Panel:
    """What is known and not yet ingested."""
    frame = Frame(
        id=202,
        title="Backlog",
        description=(
            "Peers to ask for and objects to read that each source knows of. Falling after an outage is good; growing "
            "for hours: raise the source's rate, or share the work (shard)."
        ),
        size=_HALF,
        empty=_NO_SOURCE,
    )
    known = f"sum by (source) ({lately('webrtc_exporter_source_backlog', SOURCES)})"
    return lines(frame, COUNT, [Query(expression=known, legend="{{source}}")])


def reports() -> timeseries.Panel:
    """Reports that came."""
    frame = Frame(
        id=203,
        title="Reports",
        description=(
            "Reports that added something, that added nothing because they were known, and that could not be read, in "
            "each interval. Duplicates are harmless and usual; rejected ones are listed beside."
        ),
        size=(14, 7),
        empty=_NO_SOURCE,
    )
    queries = [
        Query(expression=f"sum({_counted(f'webrtc_exporter_reports_{name}_total')})", legend=name)
        for name in ("ingested", "duplicate", "rejected")
    ]
    return columns(frame, COUNT, queries, colours=_REPORTS)


def rejected() -> table.Panel:
    """Input that was left out, and why."""
    frame = Frame(
        id=204,
        title="Rejected input",
        description=(
            "Documents that could not become a report, and values that were left out of reports, within the time "
            "range, by reason. The log names file and place of each document. Many at once: the vendor changed "
            "something."
        ),
        size=(10, 7),
        empty="Nothing was rejected in this time range",
    )
    identity = "source, reason"
    documents = f"sum by ({identity}) ({added('webrtc_exporter_reports_rejected_total', SOURCES)}) > 0"
    values = f"sum by ({identity}) ({added('webrtc_exporter_samples_rejected_total', SOURCES)}) > 0"
    parts: list[Part] = [
        Label(title="Source", label="source"),
        Label(title="Reason", label="reason"),
        Measure(title="Documents", expression=documents, look=FAULTS, width=90),
        Measure(title="Values", expression=values, look=COUNT, width=80),
    ]
    return merged_table(frame, parts, worst_first=["Documents", "Values"])


def failures() -> timeseries.Panel:
    """Polls that failed, by reason."""
    frame = Frame(
        id=301,
        title="Failed polls, by reason",
        description=(
            "Polls that failed as a whole in each interval, by source and reason. Authentication: the credentials. "
            "Time-outs and 5xx: the vendor. The log says more."
        ),
        size=_HALF,
        empty="No poll failed in this time range",
    )
    failed = f"sum by (source, reason) ({_counted('webrtc_exporter_source_poll_failures_total')}) > 0"
    return columns(frame, COUNT, [Query(expression=failed, legend="{{source}} {{reason}}")], colours={})


def requests() -> timeseries.Panel:
    """Requests to the vendors, by what they answered."""
    frame = Frame(
        id=302,
        title="Requests by answer",
        description=(
            "HTTP requests to the vendors in each interval, by status or failure. 404 is usual while statistics are "
            "not ready; 401 and 403: the credentials; 429: lower the source's rate."
        ),
        size=_HALF,
        empty="No source asks over HTTP",
    )
    sent = f"sum by (code) ({_counted('webrtc_exporter_http_requests_total')})"
    return columns(frame, COUNT, [Query(expression=sent, legend="{{code}}")], colours={})


def response_times() -> timeseries.Panel:
    """How long the vendors took."""
    frame = Frame(
        id=303,
        title="Response time, 95th percentile",
        description=(
            "Of a hundred requests to the vendor, five took longer; by source. Rising: the vendor is slow, and the "
            "backlog will follow."
        ),
        size=_HALF,
        empty="No source asks over HTTP",
    )
    buckets = f"sum by (source, le) ({rate('webrtc_exporter_http_request_duration_seconds_bucket', SOURCES)})"
    slow = f"histogram_quantile(0.95, {buckets}) >= 0"
    return lines(frame, LATENCY, [Query(expression=slow, legend="{{source}}")], points=True)


def waits() -> timeseries.Panel:
    """How much requests had to wait for their turn."""
    frame = Frame(
        id=304,
        title="Waiting for the rate limit",
        description=(
            "Seconds that requests waited for their turn, in each second, by source; above 100 % where several wait at "
            "once. Some is usual after an outage. For long, with a growing backlog: the source's rate is too low."
        ),
        size=_HALF,
        empty="No source asks over HTTP",
    )
    waited = f"sum by (source) ({rate('webrtc_exporter_http_rate_limit_wait_seconds_total', SOURCES)})"
    return lines(frame, RATIO, [Query(expression=waited, legend="{{source}}")])


def _counted(name: str) -> str:
    return f"increase({series(name, SOURCES)}[$__interval])"


def _in_range(name: str) -> str:
    return f"sum by (source) ({added(f'webrtc_exporter_{name}', SOURCES)})"


def _of_each(name: str, of: str) -> str:
    return f"{of} by (source) ({at_end(f'webrtc_exporter_{name}', SOURCES)})"


def _age(name: str) -> str:
    # A clock that is a little ahead of Prometheus' own would make an age below nothing.
    return f"clamp_min(time() - max by (source) ({at_end(f'webrtc_exporter_{name}', SOURCES)}), 0)"
