"""The catalogue is the public contract: every family of it is written out here once more, by hand."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from exporter.metrics.catalogue import FAMILIES, UnknownFamilyError, catalogue, configurable_buckets

if TYPE_CHECKING:
    from exporter.metrics.family import Family

_ROOM = "source room_id session_id"
_PEER = f"{_ROOM} peer_id"
_MEDIA = "direction kind track_type rid"
_ABOUT = (
    "os os_version browser browser_version country city organization sdk_version connection_type media_transport"
    " audio_device video_device role"
)
_CONTRACT = {
    "webrtc_room_info": f"{_ROOM} room_name url template",
    "webrtc_room_start_timestamp_seconds": _ROOM,
    "webrtc_room_end_timestamp_seconds": _ROOM,
    "webrtc_room_duration_seconds": _ROOM,
    "webrtc_room_peers": _ROOM,
    "webrtc_room_mos": _ROOM,
    "webrtc_room_estimated_mos": _ROOM,
    "webrtc_room_media_score": _ROOM,
    "webrtc_room_user_rating": _ROOM,
    "webrtc_room_call_setup_seconds": _ROOM,
    "webrtc_room_throughput_bytes_per_second": f"{_ROOM} {_MEDIA}",
    "webrtc_room_packet_loss_ratio": f"{_ROOM} {_MEDIA}",
    "webrtc_room_jitter_seconds": f"{_ROOM} {_MEDIA}",
    "webrtc_room_round_trip_time_seconds": f"{_ROOM} {_MEDIA}",
    "webrtc_room_frames_per_second": f"{_ROOM} {_MEDIA}",
    "webrtc_room_verdict": f"{_ROOM} verdict reason",
    "webrtc_peer_info": f"{_PEER} {_ABOUT}",
    "webrtc_peer_start_timestamp_seconds": _PEER,
    "webrtc_peer_end_timestamp_seconds": _PEER,
    "webrtc_peer_duration_seconds": _PEER,
    "webrtc_peer_mos": _PEER,
    "webrtc_peer_estimated_mos": _PEER,
    "webrtc_peer_media_score": _PEER,
    "webrtc_peer_user_rating": _PEER,
    "webrtc_peer_call_setup_seconds": _PEER,
    "webrtc_peer_stream_mos": f"{_PEER} direction kind",
    "webrtc_peer_stream_media_score": f"{_PEER} direction kind",
    "webrtc_peer_throughput_bytes_per_second": f"{_PEER} {_MEDIA}",
    "webrtc_peer_packet_loss_ratio": f"{_PEER} {_MEDIA}",
    "webrtc_peer_jitter_seconds": f"{_PEER} {_MEDIA}",
    "webrtc_peer_round_trip_time_seconds": f"{_PEER} {_MEDIA}",
    "webrtc_peer_frames_per_second": f"{_PEER} {_MEDIA}",
    "webrtc_peer_freezes": f"{_PEER} {_MEDIA}",
    "webrtc_peer_concealed_samples": f"{_PEER} {_MEDIA}",
    "webrtc_peer_concealment_ratio": f"{_PEER} {_MEDIA}",
    "webrtc_peer_packet_loss_p95_ratio": f"{_PEER} {_MEDIA}",
    "webrtc_peer_jitter_p95_seconds": f"{_PEER} {_MEDIA}",
    "webrtc_peer_round_trip_time_p95_seconds": f"{_PEER} {_MEDIA}",
    "webrtc_peer_verdict": f"{_PEER} verdict reason",
    "webrtc_peer_poor_time_ratio": _PEER,
    "webrtc_peer_session_mos": "source room_id",
    "webrtc_peer_session_estimated_mos": "source room_id",
    "webrtc_peer_session_media_score": "source room_id",
    "webrtc_peer_session_call_setup_seconds": "source room_id",
    "webrtc_peer_session_duration_seconds": "source room_id",
    "webrtc_peer_session_packet_loss_ratio": "source room_id direction kind",
    "webrtc_peer_session_jitter_seconds": "source room_id direction kind",
    "webrtc_peer_session_round_trip_time_seconds": "source room_id direction kind",
    "webrtc_sample_packet_loss_ratio": "source room_id direction kind",
    "webrtc_sample_jitter_seconds": "source room_id direction kind",
    "webrtc_sample_round_trip_time_seconds": "source room_id direction kind",
    "webrtc_sample_throughput_bytes_per_second": "source room_id direction kind",
    "webrtc_sample_frames_per_second": "source room_id direction kind",
    "webrtc_report_lag_seconds": "source",
    "webrtc_sessions_total": "source room_id",
    "webrtc_peer_sessions_total": "source room_id verdict reason",
    "webrtc_media_seconds_total": "source room_id direction kind verdict",
    "webrtc_freezes_total": "source room_id",
    "webrtc_concealed_samples_total": "source room_id",
    "webrtc_exporter_reports_ingested_total": "source",
    "webrtc_exporter_reports_duplicate_total": "source",
    "webrtc_exporter_peers_skipped_total": "source",
    "webrtc_exporter_reports_rejected_total": "source reason",
    "webrtc_exporter_samples_rejected_total": "source reason",
    "webrtc_exporter_source_info": "source type",
    "webrtc_exporter_source_up": "source",
    "webrtc_exporter_source_last_success_timestamp_seconds": "source",
    "webrtc_exporter_source_last_attempt_timestamp_seconds": "source",
    "webrtc_exporter_source_poll_duration_seconds": "source",
    "webrtc_exporter_source_polls_total": "source",
    "webrtc_exporter_source_poll_failures_total": "source reason",
    "webrtc_exporter_source_data_timestamp_seconds": "source",
    "webrtc_exporter_source_backlog": "source",
    "webrtc_exporter_source_listing_problems": "source",
    "webrtc_exporter_http_requests_total": "source code",
    "webrtc_exporter_http_request_duration_seconds": "source",
    "webrtc_exporter_http_rate_limit_wait_seconds_total": "source",
    "webrtc_exporter_objects_read_total": "source",
    "webrtc_exporter_object_bytes_read_total": "source",
    "webrtc_exporter_objects_quarantined_total": "source",
    "webrtc_exporter_remote_write_up": "remote",
    "webrtc_exporter_remote_write_queue_samples": "remote",
    "webrtc_exporter_remote_write_queue_stays": "remote",
    "webrtc_exporter_remote_write_queue_bytes": "remote",
    "webrtc_exporter_remote_write_queue_wait_seconds": "remote",
    "webrtc_exporter_remote_write_oldest_sample_age_seconds": "remote",
    "webrtc_exporter_remote_write_highest_sent_timestamp_seconds": "remote",
    "webrtc_exporter_remote_write_samples_sent_total": "remote",
    "webrtc_exporter_remote_write_samples_failed_total": "remote",
    "webrtc_exporter_remote_write_samples_dropped_total": "remote reason",
    "webrtc_exporter_remote_write_requests_total": "remote code",
    "webrtc_exporter_remote_write_request_duration_seconds": "remote",
    "webrtc_exporter_timeline_bytes": "",
    "webrtc_exporter_build_info": "version pythonversion",
    "webrtc_exporter_config_last_reload_successful": "",
    "webrtc_exporter_config_last_reload_success_timestamp_seconds": "",
    "webrtc_exporter_series": "scope",
    "webrtc_exporter_series_limit": "",
    "webrtc_exporter_held_series": "",
    "webrtc_exporter_scrapers": "",
    "webrtc_exporter_series_evicted_total": "",
    "webrtc_exporter_shard_index": "",
    "webrtc_exporter_shards": "",
    "webrtc_exporter_state_bytes": "",
    "webrtc_exporter_scrape_render_seconds": "",
    "webrtc_timeline_throughput_bytes_per_second": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_packet_loss_ratio": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_jitter_seconds": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_round_trip_time_seconds": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_frames_per_second": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_freezes": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_concealed_samples": f"{_PEER} {_MEDIA}",
    "webrtc_timeline_verdict": _PEER,
    "webrtc_timeline_connected": _PEER,
}
#: Bounds as the contract writes them; throughput in bits a second.
_BOUNDS = {
    "webrtc_peer_session_mos": "1.5 2 2.6 3 3.1 3.5 3.6 4 4.3 4.5",
    "webrtc_peer_session_estimated_mos": "1.5 2 2.6 3 3.1 3.5 3.6 4 4.3 4.5",
    "webrtc_peer_session_media_score": "1 2 3 4 5 6 7 8 9 10",
    "webrtc_peer_session_call_setup_seconds": ".1 .2 .4 .7 1 1.5 2 3 5 10 30",
    "webrtc_peer_session_duration_seconds": "10 30 60 300 600 1800 3600 7200 14400 28800",
    "webrtc_peer_session_packet_loss_ratio": "0 .005 .01 .02 .03 .04 .05 .1 .2 .5 1",
    "webrtc_peer_session_jitter_seconds": ".005 .01 .015 .02 .03 .04 .05 .1 .2 .5",
    "webrtc_peer_session_round_trip_time_seconds": ".05 .1 .15 .2 .25 .3 .4 .5 .8 1 2 5",
    "webrtc_sample_packet_loss_ratio": "0 .005 .01 .02 .03 .04 .05 .1 .2 .5 1",
    "webrtc_sample_jitter_seconds": ".005 .01 .015 .02 .03 .04 .05 .1 .2 .5",
    "webrtc_sample_round_trip_time_seconds": ".05 .1 .15 .2 .25 .3 .4 .5 .8 1 2 5",
    "webrtc_sample_frames_per_second": "1 2 5 7 10 15 20 24 25 30 60",
    "webrtc_report_lag_seconds": "300 900 1800 3600 7200 14400 28800 43200 86400",
}
_THROUGHPUT_BITS = "8e3 16e3 30e3 64e3 150e3 300e3 600e3 1e6 1.5e6 2.5e6 4e6 8e6"


def test_families_and_labels_are_those_of_the_contract() -> None:
    """No family and no label is missing, added, renamed or moved."""
    assert {family.name: " ".join(family.labels) for family in FAMILIES} == _CONTRACT


def test_buckets_are_those_of_the_contract() -> None:
    """Each histogram has the bounds that dashboards and alerts rely on."""
    expected = {name: tuple(map(float, text.split())) for name, text in _BOUNDS.items()}
    expected["webrtc_sample_throughput_bytes_per_second"] = tuple(float(bits) / 8 for bits in _THROUGHPUT_BITS.split())
    found = {
        family.name: family.bounds
        for family in FAMILIES
        if family.type == "histogram" and not family.name.startswith("webrtc_exporter_")
    }
    assert found == expected


@pytest.mark.parametrize("family", FAMILIES, ids=attrgetter("name"))
def test_names_follow_the_conventions_of_prometheus(family: Family) -> None:
    """Legal names, base units, `_total` on counters only, and no label that a scrape configuration owns."""
    assert re.fullmatch(r"webrtc_[a-z][a-z0-9_]*", family.name)
    assert family.name.endswith("_total") == (family.type == "counter")
    assert family.help.endswith(".")
    assert not family.unit or family.open_metrics_name.endswith(f"_{family.unit}")
    may_have_type = family.name == "webrtc_exporter_source_info"
    forbidden = {"job", "instance", "region", "le", "quantile", *(() if may_have_type else ("type",))}
    assert not forbidden & set(family.labels)


def test_keys_are_labels_of_the_peer_info_only() -> None:
    """Allow-listed keys stand after the fixed labels, sorted, whatever order the sources name them in."""
    families = {family.name: family for family in catalogue(key_labels=["key_tenant", "key_plan", "key_tenant"])}
    assert families["webrtc_peer_info"].labels[-3:] == ("role", "key_plan", "key_tenant")
    assert [name for name, family in families.items() if "key_plan" in family.labels] == ["webrtc_peer_info"]


def test_without_rooms_counts_have_no_room() -> None:
    """`histogram_rooms: false` takes the label away from every counter and histogram, and from no gauge."""
    families = [family for family in catalogue(histogram_rooms=False) if "room_id" in family.labels]
    assert {family.type for family in families} == {"gauge"}


def test_tracks_are_labels_of_the_timeline_s_media_only() -> None:
    """`per_track` adds a label, the last one, to what is measured of tracks, and to nothing on the page."""
    with_tracks = {family.name: family for family in catalogue(per_track=True) if "track_id" in family.labels}
    assert {name: family.labels[:-1] for name, family in with_tracks.items()} == {
        family.name: family.labels for family in FAMILIES if family.scope == "timeline" and "kind" in family.labels
    }
    assert all(family.labels[-1] == "track_id" for family in with_tracks.values())


def test_buckets_can_be_replaced_by_family() -> None:
    """The named family has the new bounds, its neighbour the old ones."""
    families = {each.name: each for each in catalogue(bounds={"webrtc_peer_session_mos": (2.0, 4.0)})}
    assert families["webrtc_peer_session_mos"].bounds == (2.0, 4.0)
    assert len(families["webrtc_peer_session_estimated_mos"].bounds) == 10


def test_buckets_of_something_else_are_refused() -> None:
    """A misspelt family is an error, not silence."""
    with pytest.raises(UnknownFamilyError, match="webrtc_peer_mos: expected the name of a histogram"):
        catalogue(bounds={"webrtc_peer_mos": (1.0,)})
    assert "webrtc_report_lag_seconds" in configurable_buckets()
