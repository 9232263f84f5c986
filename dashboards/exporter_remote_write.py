"""The panels of the Exporter board about the timeline: what each receiver took, and what waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.graphs import columns
from dashboards.looks import AGE, BYTES, COUNT, FAULTS, GOOD, LATENCY, POOR, UNCLASSIFIED, WORKS
from dashboards.panels import Frame, Query
from dashboards.queries import JOB, added, at_end, series
from dashboards.tables import Label, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import table, timeseries

_NAME: Final = "webrtc_exporter_remote_write"
_NONE: Final = "Nothing is sent: set remote_write in the exporter's configuration"
_OUTCOMES: Final = {"sent": GOOD, "failed": UNCLASSIFIED, "dropped": POOR}


def receivers() -> table.Panel:
    """Each receiver of the timeline in a row."""
    frame = Frame(
        id=501,
        title="Receivers of the timeline",
        description=(
            "Each receiver at the end of the time range: whether it took what it was last sent, what waits for it and "
            "for how long, the age of the oldest sample and of the newest one that it took, its requests and how long "
            "19 of 20 of them took, and the samples lost within the range. What waits longer than max_sample_age is "
            "dropped. Kept: the timeline in the state, of all receivers."
        ),
        size=(16, 8),
        empty=_NONE,
    )
    requests = f"sum by (remote) ({added(f'{_NAME}_requests_total', JOB)})"
    buckets = f"sum by (remote, le) ({added(f'{_NAME}_request_duration_seconds_bucket', JOB)})"
    slow = f"histogram_quantile(0.95, {buckets}) >= 0"
    dropped = f"sum by (remote) ({added(f'{_NAME}_samples_dropped_total', JOB)})"
    newest = f"time() - (max by (remote) ({at_end(f'{_NAME}_highest_sent_timestamp_seconds', JOB)}) > 0)"
    # The timeline is kept once, whoever still waits for it: the same in each row.
    kept = f"0 * {_of_each('up', 'max')} + on () group_left () sum({at_end('webrtc_exporter_timeline_bytes', JOB)})"
    parts: list[Part] = [
        Label(title="Receiver", label="remote"),
        Measure(title="State", expression=_of_each("up", "min"), look=WORKS, width=70),
        Measure(title="Samples", expression=_of_each("queue_samples", "sum"), look=COUNT, width=75),
        Measure(title="Stays", expression=_of_each("queue_stays", "sum"), look=COUNT, width=60),
        Measure(title="Bytes", expression=_of_each("queue_bytes", "sum"), look=BYTES, width=75),
        Measure(title="Waits", expression=_of_each("queue_wait_seconds", "max"), look=AGE, width=70),
        Measure(title="Oldest", expression=_of_each("oldest_sample_age_seconds", "max"), look=AGE, width=75),
        Measure(title="Newest sent", expression=newest, look=AGE, width=90),
        Measure(title="Dropped", expression=dropped, look=FAULTS, width=75),
        Measure(title="Requests", expression=requests, look=COUNT, width=75),
        Measure(title="p95", expression=slow, look=LATENCY, width=70),
        Measure(title="Kept", expression=kept, look=BYTES, width=75),
    ]
    return merged_table(frame, parts)


def samples() -> timeseries.Panel:
    """Samples that went, that are repeated, and that were lost."""
    frame = Frame(
        id=502,
        title="Samples of the timeline",
        description=(
            "Samples that the receivers took, that were in requests which failed and are repeated, and that no "
            "receiver will get, in each interval. Failed for long: the receiver is away or refuses; the log says why. "
            "Dropped: too old for it, or refused for good."
        ),
        size=(8, 8),
        empty=_NONE,
    )
    queries = [
        Query(expression=f"sum(increase({series(f'{_NAME}_samples_{name}_total', JOB)}[$__interval]))", legend=name)
        for name in _OUTCOMES
    ]
    return columns(frame, COUNT, queries, colours=_OUTCOMES)


def _of_each(name: str, of: str) -> str:
    return f"{of} by (remote) ({at_end(f'{_NAME}_{name}', JOB)})"
