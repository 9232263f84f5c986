"""What the exporter of the sample said of itself: two sources, of which one failed for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dashboards.sample import Scrapes

#: Seconds after the sample's start in which the polls of `meetings` failed.
FAILED_SINCE = 3_000
FAILED_UNTIL = 3_600
LIMIT = 500_000


def exporter(scrapes: Scrapes, start: int) -> None:
    """Every family about the exporter, of two sources of which one asks over HTTP and one reads objects."""
    for name, kind in (("meetings", "100ms"), ("watch", "watchrtc")):
        source = {"source": name}
        scrapes.gauge("webrtc_exporter_source_info", 1, source | {"type": kind}, since=0)
        scrapes.gauge("webrtc_exporter_source_last_success_timestamp_seconds", start + 7_140, source, since=0)
        scrapes.gauge("webrtc_exporter_source_last_attempt_timestamp_seconds", start + 7_150, source, since=0)
        scrapes.gauge("webrtc_exporter_source_data_timestamp_seconds", start + 1_800, source, since=0)
        scrapes.gauge("webrtc_exporter_source_poll_duration_seconds", 0.4, source, since=0)
        scrapes.gauge("webrtc_exporter_source_backlog", 3, source, since=0)
        scrapes.counter("webrtc_exporter_source_polls_total", 400, source, at=660)
        scrapes.counter("webrtc_exporter_reports_ingested_total", 8, source, at=660)
        scrapes.counter("webrtc_exporter_reports_duplicate_total", 2, source, at=660)
        for family in ("reports", "samples"):
            rejected = source | {"reason": "not_json" if family == "reports" else "out_of_range"}
            scrapes.counter(f"webrtc_exporter_{family}_rejected_total", 1, rejected, at=660)
    meetings, watch = {"source": "meetings"}, {"source": "watch"}
    scrapes.gauge("webrtc_exporter_source_up", 1, watch, since=0)
    scrapes.gauge("webrtc_exporter_source_up", 1, meetings, since=0, until=FAILED_SINCE)
    scrapes.gauge("webrtc_exporter_source_up", 0, meetings, since=FAILED_SINCE, until=FAILED_UNTIL)
    scrapes.gauge("webrtc_exporter_source_up", 1, meetings, since=FAILED_UNTIL)
    failed = meetings | {"reason": "timeout"}
    scrapes.counter("webrtc_exporter_source_poll_failures_total", 10, failed, at=FAILED_SINCE)
    for code, count in (("200", 900), ("404", 30)):
        scrapes.counter("webrtc_exporter_http_requests_total", count, meetings | {"code": code}, at=660)
    scrapes.histogram("webrtc_exporter_http_request_duration_seconds", [0.06, 0.07, 0.3], meetings, at=660)
    scrapes.counter("webrtc_exporter_http_rate_limit_wait_seconds_total", 40, meetings, at=660)
    scrapes.counter("webrtc_exporter_objects_read_total", 2, watch, at=660)
    scrapes.counter("webrtc_exporter_object_bytes_read_total", 90_000, watch, at=660)
    scrapes.counter("webrtc_exporter_objects_quarantined_total", 0, watch, at=660)
    scrapes.counter("webrtc_exporter_peers_skipped_total", 0, meetings, at=660)
    scrapes.gauge("webrtc_exporter_source_listing_problems", 0, watch, since=0)

    remote = {"remote": "prometheus:9090/api/v1/write"}
    for name, seen in (
        ("up", 1),
        ("queue_samples", 900),
        ("queue_stays", 4),
        ("queue_bytes", 20_000),
        ("queue_wait_seconds", 12),
        ("oldest_sample_age_seconds", 5_400),
        ("highest_sent_timestamp_seconds", start + 1_900),
    ):
        scrapes.gauge(f"webrtc_exporter_remote_write_{name}", seen, remote, since=0)
    scrapes.gauge("webrtc_exporter_timeline_bytes", 90_000, {}, since=0)
    for name, count, labels in (
        ("samples_sent", 90_000, {}),
        ("samples_failed", 500, {}),
        ("samples_dropped", 20, {"reason": "too_old"}),
        ("requests", 40, {"code": "204"}),
    ):
        scrapes.counter(f"webrtc_exporter_remote_write_{name}_total", count, remote | labels, at=660)
    scrapes.histogram("webrtc_exporter_remote_write_request_duration_seconds", [0.02, 0.03], remote, at=660)
    scrapes.gauge("webrtc_exporter_build_info", 1, {"version": "0.1.0", "pythonversion": "3.11.2"}, since=0)
    for scope, series in (("sessions", 400), ("counts", 100)):
        scrapes.gauge("webrtc_exporter_series", series, {"scope": scope}, since=0)
    for name, number in (
        ("config_last_reload_successful", 1),
        ("config_last_reload_success_timestamp_seconds", start),
        ("series_limit", LIMIT),
        ("scrapers", 1),
        ("held_series", 0),
        ("shard_index", 0),
        ("shards", 1),
        ("state_bytes", 300_000),
        ("scrape_render_seconds", 0.02),
    ):
        scrapes.gauge(f"webrtc_exporter_{name}", number, {}, since=0)
    scrapes.counter("webrtc_exporter_series_evicted_total", 0, {}, at=660)
