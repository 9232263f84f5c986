"""The backfill's text, by hand."""

from __future__ import annotations

from exporter.metrics.catalogue import FAMILIES
from exporter.timeline.openmetrics import text
from tests.timeline_support import series

LOSS, CONNECTED = "webrtc_timeline_packet_loss_ratio", "webrtc_timeline_connected"


def test_a_file_by_hand() -> None:
    """Families once and in order, whatever order series come in; seconds with milliseconds; no stale markers."""
    many = [
        series(CONNECTED, [(1_772_359_200_007, 1.0), (1_772_359_260_000, 1.0), (1_772_359_260_001, None)], peer_id="b"),
        series(LOSS, [(1_772_359_210_050, 0.25), (1_772_359_220_049, None)], peer_id='a"\\\n\ud800ü', rid=""),
        series(CONNECTED, [(999, 1.0)], peer_id="a"),
    ]
    assert "".join(text(FAMILIES, many, {"job": "j", "peer_id": "not this"})) == (
        "# HELP webrtc_timeline_packet_loss_ratio Packets lost, 0 to 1, window by window. 100ms packet_loss_percent;"
        " watchRTC packet_loss.\n"
        "# TYPE webrtc_timeline_packet_loss_ratio gauge\n"
        "# UNIT webrtc_timeline_packet_loss_ratio ratio\n"
        'webrtc_timeline_packet_loss_ratio{job="j",peer_id="a\\"\\\\\\n?ü",rid=""} 0.25 1772359210.050\n'
        "# HELP webrtc_timeline_connected 1 from the peer's start to its end. 100ms joined_at, left_at; watchRTC"
        " start_time, duration.\n"
        "# TYPE webrtc_timeline_connected gauge\n"
        'webrtc_timeline_connected{job="j",peer_id="b"} 1.0 1772359200.007\n'
        'webrtc_timeline_connected{job="j",peer_id="b"} 1.0 1772359260.000\n'
        'webrtc_timeline_connected{job="j",peer_id="a"} 1.0 0.999\n'
        "# EOF\n"
    )


def test_parts_of_a_series_are_put_in_order() -> None:
    """Promtool keeps one sample of a series that descends; and of two values for one time, the first counts."""
    many = [
        series(CONNECTED, [(3_000, 3.0), (4_000, 4.0)], peer_id="a"),
        series(CONNECTED, [(1_000, 1.0), (3_000, 9.0), (3_500, None)], peer_id="a"),
    ]
    lines = "".join(text(FAMILIES, many, {})).splitlines()
    assert [line.partition("} ")[2] for line in lines if line.startswith(CONNECTED)] == [
        "1.0 1.000",
        "3.0 3.000",
        "4.0 4.000",
    ]


def test_nothing_is_an_empty_file() -> None:
    """An end alone, also where there are markers only, and where a family is none of the timeline."""
    many = [series(CONNECTED, [(1, None)], peer_id="a"), series("webrtc_peer_mos", [(1, 4.0)], peer_id="a")]
    assert "".join(text(FAMILIES, many, {})) == "# EOF\n"
