"""The Exporter board: whether what the other boards show is whole and up to date, and if not, where it sticks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.exporter_limits import exporter_table, rendering, series, state
from dashboards.exporter_remote_write import receivers, samples
from dashboards.exporter_sources import (
    backlog,
    data_age,
    failures,
    rejected,
    reports,
    requests,
    response_times,
    source_table,
    up_lanes,
    waits,
)
from dashboards.layout import Identity, Section, board
from dashboards.links import EXPORTER_UID
from dashboards.looks import AGE, COUNT, FAULTS, FILL
from dashboards.panels import Frame, Query, figures
from dashboards.queries import JOB, SOURCES, added, at_end
from dashboards.variables import exporter_variables

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat
    from grafana_foundation_sdk.models.dashboard import Dashboard

_NO_EXPORTER = "No exporter was scraped at the end of this time range"


def exporter_board() -> Dashboard:
    """Builds the board."""
    return board(
        Identity(
            uid=EXPORTER_UID,
            title="WebRTC quality / Exporter",
            description="Is what the other boards show whole and up to date, and if not, where does it stick?",
        ),
        exporter_variables(),
        [_working(), _age(), _failed(), _fill()],
        Section(id=100, title="Exporters and their sources", panels=[exporter_table(), source_table(), up_lanes()]),
        Section(
            id=200, title="What comes in, and what does not", panels=[data_age(), backlog(), reports(), rejected()]
        ),
        Section(id=300, title="The vendors' side", panels=[failures(), requests(), response_times(), waits()]),
        Section(id=500, title="The timeline, sent by remote write", panels=[receivers(), samples()]),
        Section(id=400, title="What the exporter itself needs", panels=[series(), state(), rendering()]),
    )


def _working() -> stat.Panel:
    frame = Frame(
        id=1,
        title="Sources",
        description=(
            "Sources whose last poll succeeded, and all that are configured, at the end of the time range. Fewer: see "
            "which one below, and why it fails."
        ),
        size=(6, 4),
        empty=_NO_EXPORTER,
    )
    queries = [
        Query(expression=f"sum({at_end('webrtc_exporter_source_up', SOURCES)})", legend="working"),
        Query(expression=f"count({at_end('webrtc_exporter_source_info', SOURCES)})", legend="configured"),
    ]
    return figures(frame, COUNT, queries, named=True)


def _age() -> stat.Panel:
    frame = Frame(
        id=2,
        title="Longest without success",
        description=(
            "Time since the last poll that succeeded, of the source where that is longest. Much more than the "
            "configured interval: what the boards show of that source is old."
        ),
        size=(6, 4),
        empty=_NO_EXPORTER,
    )
    last = at_end("webrtc_exporter_source_last_success_timestamp_seconds", SOURCES)
    return figures(frame, AGE, [Query(expression=f"clamp_min(time() - min({last}), 0)")])


def _failed() -> stat.Panel:
    frame = Frame(
        id=3,
        title="Failed polls",
        description=(
            "Polls that failed as a whole within the time range. One now and then heals itself, since nothing is lost; "
            "many: see the reasons below."
        ),
        size=(6, 4),
        empty=_NO_EXPORTER,
    )
    # A failure is a series from the first one on; where there are sources and no failures, there were none.
    failed = f"sum({added('webrtc_exporter_source_poll_failures_total', SOURCES)})"
    none = f"0 * count({at_end('webrtc_exporter_source_info', SOURCES)})"
    return figures(frame, FAULTS, [Query(expression=f"{failed} or {none}")])


def _fill() -> stat.Panel:
    frame = Frame(
        id=4,
        title="Series of the limit",
        description=(
            "Series of rooms, peers and counts over metrics.max_series, of the fullest exporter, and how many left "
            "early because of it within the time range. From 95 % on raise the limit, shorten metrics.series_ttl, or "
            "share the work (shard)."
        ),
        size=(6, 4),
        empty=_NO_EXPORTER,
    )
    used = f"sum by (job, instance) ({at_end('webrtc_exporter_series', JOB)})"
    fullest = f"max({used} / on (job, instance) {at_end('webrtc_exporter_series_limit', JOB)})"
    evicted = f"sum({added('webrtc_exporter_series_evicted_total', JOB)})"
    queries = [
        Query(expression=fullest, legend="used"),
        Query(expression=evicted, legend="evicted", look=FAULTS),
    ]
    return figures(frame, FILL, queries, named=True)
