"""The families about the exporter itself."""

from __future__ import annotations

from typing import Literal

from exporter.metrics.family import Family, Scope

_SOURCE = ("source",)
_REASON = ("source", "reason")
_REMOTE = ("remote",)


def _family(  # noqa: PLR0913 - a family has that many properties, and each is named at the call
    name: str,
    kind: Literal["gauge", "counter", "histogram"],
    text: str,
    labels: tuple[str, ...] = (),
    *,
    unit: str = "",
    scope: Scope = "exporter",
    bounds: tuple[float, ...] = (),
) -> Family:
    return Family(
        name=f"webrtc_exporter_{name}",
        type=kind,
        scope=scope,
        help=text,
        labels=labels,
        unit=unit,
        bounds=bounds,
    )


EXPORTER_FAMILIES: tuple[Family, ...] = (
    _family("reports_ingested_total", "counter", "Reports that added something.", _SOURCE, scope="source_count"),
    _family("reports_duplicate_total", "counter", "Reports that added nothing.", _SOURCE, scope="source_count"),
    _family(
        "reports_rejected_total",
        "counter",
        "Documents that could not become a report, each counted once.",
        _REASON,
        scope="source_count",
    ),
    _family(
        "samples_rejected_total",
        "counter",
        "Values that were left out of ingested reports.",
        _REASON,
        scope="source_count",
    ),
    _family(
        "peers_skipped_total",
        "counter",
        "Peers that were not asked for because of max_peers_per_session, once for each session.",
        _SOURCE,
        scope="source_count",
    ),
    _family("source_info", "gauge", "Configured sources and their type; always 1.", ("source", "type")),
    _family("source_up", "gauge", "Whether the last poll of the source succeeded.", _SOURCE),
    _family(
        "source_last_success_timestamp_seconds",
        "gauge",
        "Unix time at which a poll last succeeded.",
        _SOURCE,
        unit="seconds",
    ),
    _family(
        "source_last_attempt_timestamp_seconds",
        "gauge",
        "Unix time at which a poll last began.",
        _SOURCE,
        unit="seconds",
    ),
    _family("source_poll_duration_seconds", "gauge", "Length of the last poll.", _SOURCE, unit="seconds"),
    _family("source_polls_total", "counter", "Polls that ended.", _SOURCE),
    _family("source_poll_failures_total", "counter", "Polls that failed as a whole.", _REASON),
    _family(
        "source_data_timestamp_seconds",
        "gauge",
        "Unix time of the newest session end that was ingested.",
        _SOURCE,
        unit="seconds",
    ),
    _family(
        "source_backlog",
        "gauge",
        "What is known and not yet ingested: peers and sessions to ask for, objects to read.",
        _SOURCE,
    ),
    _family(
        "source_listing_problems",
        "gauge",
        "Folders and keys that the last listing of the store could not take in; the log names them.",
        _SOURCE,
    ),
    _family(
        "http_requests_total",
        "counter",
        "HTTP requests to the vendor or object store, by status or failure. Object stores: pages listed and reads, by"
        " the last answer; what their library repeats by itself is not counted.",
        ("source", "code"),
    ),
    _family(
        "http_request_duration_seconds",
        "histogram",
        "Length of HTTP requests to the vendor or object store, repeats by its library included.",
        _SOURCE,
        unit="seconds",
        bounds=(0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
    ),
    _family(
        "http_rate_limit_wait_seconds_total",
        "counter",
        "Time that requests waited for their turn.",
        _SOURCE,
        unit="seconds",
    ),
    _family("objects_read_total", "counter", "Files and objects read.", _SOURCE),
    _family("object_bytes_read_total", "counter", "Stored bytes of the files and objects read.", _SOURCE),
    _family(
        "objects_quarantined_total",
        "counter",
        "Files and objects that could not be read time and again, and are left until they change.",
        _SOURCE,
    ),
    _family("remote_write_up", "gauge", "Whether the receiver of the timeline took what it was last sent.", _REMOTE),
    _family("remote_write_queue_samples", "gauge", "Samples of the timeline that wait for the receiver.", _REMOTE),
    _family("remote_write_queue_stays", "gauge", "Stays of peers whose samples wait for the receiver.", _REMOTE),
    _family(
        "remote_write_queue_bytes",
        "gauge",
        "What waits for the receiver, as it is kept on disk.",
        _REMOTE,
        unit="bytes",
    ),
    _family(
        "remote_write_queue_wait_seconds",
        "gauge",
        "How long the first in the receiver's queue has waited.",
        _REMOTE,
        unit="seconds",
    ),
    _family(
        "remote_write_oldest_sample_age_seconds",
        "gauge",
        "Age of the oldest sample of the first in the receiver's queue.",
        _REMOTE,
        unit="seconds",
    ),
    _family(
        "remote_write_highest_sent_timestamp_seconds",
        "gauge",
        "Unix time of the newest sample that the receiver took.",
        _REMOTE,
        unit="seconds",
    ),
    _family("remote_write_samples_sent_total", "counter", "Samples that the receiver took.", _REMOTE),
    _family(
        "remote_write_samples_failed_total",
        "counter",
        "Samples in requests that failed and are repeated.",
        _REMOTE,
    ),
    _family(
        "remote_write_samples_dropped_total",
        "counter",
        "Samples that the receiver will not get, by reason.",
        ("remote", "reason"),
    ),
    _family(
        "remote_write_requests_total", "counter", "Requests to the receiver, by status or failure.", ("remote", "code")
    ),
    _family(
        "remote_write_request_duration_seconds",
        "histogram",
        "Length of requests to the receiver.",
        _REMOTE,
        unit="seconds",
        bounds=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    ),
    _family("timeline_bytes", "gauge", "The timeline in the state, waiting or kept.", unit="bytes"),
    _family("build_info", "gauge", "Version of the exporter and of Python; always 1.", ("version", "pythonversion")),
    _family("config_last_reload_successful", "gauge", "Whether the last reload of the configuration succeeded."),
    _family(
        "config_last_reload_success_timestamp_seconds",
        "gauge",
        "Unix time at which the configuration was last loaded.",
        unit="seconds",
    ),
    _family("series", "gauge", "Series on this page, by what they are about.", ("scope",)),
    _family("series_limit", "gauge", "The most series of rooms, peers, counters and histograms (metrics.max_series)."),
    _family("held_series", "gauge", "Series of counters and histograms that are still shown at zero."),
    _family("scrapers", "gauge", "Prometheus servers, as far as they can be told apart, that scrape at the moment."),
    _family(
        "series_evicted_total",
        "counter",
        "Series that left before their time because of the limit.",
        scope="exporter_count",
    ),
    _family("shard_index", "gauge", "Which of equal exporters this one is, from 0 (shard.index)."),
    _family("shards", "gauge", "How many equal exporters share the sessions (shard.count)."),
    _family("state_bytes", "gauge", "Size of the state on disk.", unit="bytes"),
    _family("scrape_render_seconds", "gauge", "Time that the last scrape took to put together.", unit="seconds"),
)
