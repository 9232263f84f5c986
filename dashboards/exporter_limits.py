"""The panels of the Exporter board about the exporters themselves: versions, limits, state and the cost of a scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.graphs import areas, beside, lines
from dashboards.looks import BYTES, COUNT, FAULTS, FILL, LATENCY, MOMENT, UNCLASSIFIED, WORKS
from dashboards.panels import Frame, Query
from dashboards.queries import JOB, added, at_end, lately, milliseconds
from dashboards.tables import Label, Lookup, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import table, timeseries

_INSTANCE: Final = ("job", "instance")
_NO_EXPORTER: Final = "No exporter was scraped at the end of this time range"


def exporter_table() -> table.Panel:
    """Each exporter in a row."""
    frame = Frame(
        id=101,
        title="Exporters",
        description=(
            "Every scraped exporter at the end of the time range: its version, which shard it is of how many, whether "
            "its last reload of the configuration worked, how full it is, how many Prometheis scrape it, the series of "
            "counts that it holds at zero until they have, the size of its state and the time that its page takes. "
            "Shards that do not make 0 to n-1 count calls twice or not at all. Series held for long: nobody scrapes."
        ),
        size=(24, 4),
        empty=_NO_EXPORTER,
    )
    used = f"sum by (job, instance) ({at_end('webrtc_exporter_series', JOB)})"
    fill = f"{used} / on (job, instance) {_of_each('webrtc_exporter_series_limit')}"
    reload = _of_each("webrtc_exporter_config_last_reload_successful")
    loaded = milliseconds(_of_each("webrtc_exporter_config_last_reload_success_timestamp_seconds"))
    evicted = f"sum by (job, instance) ({added('webrtc_exporter_series_evicted_total', JOB)})"
    info = f"max by (job, instance, version, pythonversion) ({at_end('webrtc_exporter_build_info', JOB)})"
    parts: list[Part] = [
        Label(title="Instance", label="instance"),
        Label(title="Version", label="version", width=90),
        Label(title="Python", label="pythonversion", width=90),
        Measure(title="Shard", expression=_of_each("webrtc_exporter_shard_index"), look=COUNT, width=65),
        Measure(title="Shards", expression=_of_each("webrtc_exporter_shards"), look=COUNT, width=70),
        Measure(title="Reload", expression=reload, look=WORKS, width=80),
        Measure(title="Configured", expression=loaded, look=MOMENT, width=160),
        Measure(title="Series used", expression=fill, look=FILL, width=95),
        Measure(title="Evicted", expression=evicted, look=FAULTS, width=80),
        Measure(title="Scrapers", expression=_of_each("webrtc_exporter_scrapers"), look=COUNT, width=80),
        Measure(title="Held", expression=_of_each("webrtc_exporter_held_series"), look=COUNT, width=65),
        Measure(title="State", expression=_of_each("webrtc_exporter_state_bytes"), look=BYTES, width=95),
        Measure(title="Page", expression=_of_each("webrtc_exporter_scrape_render_seconds"), look=LATENCY, width=90),
        Lookup(expression=info),
    ]
    return merged_table(frame, parts)


def series() -> timeseries.Panel:
    """What the page is made of, below its limit."""
    frame = Frame(
        id=401,
        title="Series by scope, and the limit",
        description=(
            "Series on the pages, of sessions in view and of counts, of all exporters together, and the sum of their "
            "limits (metrics.max_series). Sessions leave after metrics.series_ttl, counts of a room after "
            "metrics.room_ttl. Near the line: the oldest calls leave early, and evicted counts them."
        ),
        size=(10, 8),
        empty="No exporter was scraped in this time range",
    )
    queries = [
        Query(expression=f"sum by (scope) ({lately('webrtc_exporter_series', JOB)})", legend="{{scope}}"),
        Query(expression=f"sum({lately('webrtc_exporter_series_limit', JOB)})", legend="limit"),
    ]
    return areas(frame, COUNT, queries, colours={}).override_by_name("limit", beside(UNCLASSIFIED))


def state() -> timeseries.Panel:
    """The size of the state on disk."""
    frame = Frame(
        id=402,
        title="State on disk",
        description=(
            "Size of each exporter's state. It grows with the calls in view and what is remembered of older ones, and "
            "then stays level; growing without end wants a look at the free space and at metrics.room_ttl."
        ),
        size=(7, 8),
        empty="No exporter was scraped in this time range",
    )
    return _each(frame, "webrtc_exporter_state_bytes", of_bytes=True)


def rendering() -> timeseries.Panel:
    """The cost of a scrape."""
    frame = Frame(
        id=403,
        title="Time to put the page together",
        description=(
            "Time that each exporter took for the last scrape. A second is much; near the scrape_timeout of the job, "
            "shorten metrics.series_ttl or share the work (shard)."
        ),
        size=(7, 8),
        empty="No exporter was scraped in this time range",
    )
    return _each(frame, "webrtc_exporter_scrape_render_seconds", of_bytes=False)


def _each(frame: Frame, name: str, *, of_bytes: bool) -> timeseries.Panel:
    expression = f"max by (job, instance) ({lately(name, JOB)})"
    return lines(frame, BYTES if of_bytes else LATENCY, [Query(expression=expression, legend="{{instance}}")])


def _of_each(name: str) -> str:
    return f"max by (job, instance) ({at_end(name, JOB)})"
