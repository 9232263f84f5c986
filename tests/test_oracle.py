"""The oracle on 100ms documents, against numbers computed by hand: each test shows its arithmetic."""

from __future__ import annotations

import pytest

from tests.oracle import Histogram, expected
from tests.oracle.examples import (
    PEER,
    SESSION,
    START,
    counter,
    gauge,
    histogram,
    of_100ms,
    published_100ms,
    row,
    track,
    verdict,
)


def test_published_100ms_sample_gives_these_gauges_and_no_others() -> None:
    """Every gauge of the vendor's own 100ms document, peer and room, is the number worked out by hand."""
    found = of_100ms(documents={"peer": published_100ms()})
    high = {"direction": "send", "kind": "video", "track_type": "regular", "rid": "h"}
    medium = high | {"rid": "m"}
    screen = {"direction": "send", "kind": "video", "track_type": "screen"}
    audio = {"direction": "send", "kind": "audio"}
    recv_video = {"direction": "recv", "kind": "video", "track_type": "regular"}
    recv_audio = {"direction": "recv", "kind": "audio"}
    # Bit rates over 8; of the first track two windows of 10 s each: (2 500 000 + 2 480 000) / 2 / 8 = 311 250.
    media: dict[str, list[tuple[dict[str, str], float]]] = {
        "throughput_bytes_per_second": [(high, 311_250), (medium, 150_000), (screen, 100_000), (audio, 8_000)],
        # Per cent over 100: (0.3 + 0.2) / 2 = 0.25.
        "packet_loss_ratio": [(high, 0.0025), (medium, 0.0015), (screen, 0.001), (audio, 0.001), (recv_audio, 0.002)],
        "round_trip_time_seconds": [(high, 0.046), (medium, 0.045), (screen, 0.046), (audio, 0.045)],
        "jitter_seconds": [(audio, 0.0021)],
        "frames_per_second": [(high, 30), (medium, 30), (screen, 5), (recv_video, 15)],
    }
    peer_media: dict[str, list[tuple[dict[str, str], float]]] = {
        "freezes": [(recv_video, 0)],
        "concealed_samples": [(recv_audio, 0)],
        "concealment_ratio": [(recv_audio, 0)],
        # Of two windows the nearest rank is the second: 0.95 x 2 = 1.9.
        "packet_loss_p95_ratio": [
            (high, 0.003),
            (medium, 0.0015),
            (screen, 0.001),
            (audio, 0.001),
            (recv_audio, 0.002),
        ],
        "round_trip_time_p95_seconds": [(high, 0.047), (medium, 0.045), (screen, 0.046), (audio, 0.045)],
        "jitter_p95_seconds": [(audio, 0.0021)],
    }
    # The worse direction receives: loss 0.2 %, the rest borrowed. Delay 45 / 2 + 2 x 2.1 + 10 = 36.7 ms;
    # R = 93.2 - 36.7 / 40 - 2.5 x 0.2 = 91.7825; MOS = 1 + 0.035 R + R (R - 60)(100 - R) 7e-6
    # = 1 + 3.2123875 + 0.16779757934876563.
    mos = 4.380185079348766
    wanted: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for scope, identity in (("room", SESSION), ("peer", PEER)):
        common = {
            "start_timestamp_seconds": START,
            "end_timestamp_seconds": START + 600,
            "duration_seconds": 600,
            "estimated_mos": mos,
        }
        for name, value in common.items():
            wanted[f"webrtc_{scope}_{name}", frozenset(identity.items())] = value
        wanted[f"webrtc_{scope}_verdict", frozenset((identity | {"verdict": "good"}).items())] = 1
        for name, series in (media if scope == "room" else media | peer_media).items():
            for labels, value in series:
                wanted[f"webrtc_{scope}_{name}", frozenset((identity | labels).items())] = value
    wanted["webrtc_room_info", frozenset(SESSION.items())] = 1
    wanted["webrtc_room_peers", frozenset(SESSION.items())] = 1
    wanted["webrtc_peer_info", frozenset((PEER | {"role": "guest"}).items())] = 1
    wanted["webrtc_peer_poor_time_ratio", frozenset(PEER.items())] = 0
    assert found.gauges == pytest.approx(wanted, rel=1e-14)


def test_published_100ms_sample_gives_these_counts() -> None:
    """Counters and histograms of the vendor's own 100ms document."""
    found = of_100ms(documents={"peer": published_100ms()})
    assert found.counters == {
        ("webrtc_sessions_total", frozenset({("source", "h"), ("room_id", "room")})): 1,
        (
            "webrtc_peer_sessions_total",
            frozenset({("source", "h"), ("room_id", "room"), ("verdict", "good")}),
        ): 1,
        # Layers 20 and 10 s, screen 10 s.
        _media("send", "video", "good"): 40,
        _media("send", "audio", "good"): 10,
        _media("recv", "video", "good"): 10,
        _media("recv", "audio", "good"): 10,
    }
    sent = histogram(found, "webrtc_sample_packet_loss_ratio", direction="send", kind="video")
    # 0.3, 0.2, 0.15 and 0.1 %.
    assert sent.count == 4
    assert sent.sum == pytest.approx(0.0075, rel=1e-14)
    assert sent.buckets[0] == 0
    assert sent.buckets[0.005] == 4
    of_streams = histogram(found, "webrtc_peer_session_packet_loss_ratio", direction="send", kind="video")
    # Means 0.25, 0.15 and 0.1 %.
    assert of_streams.count == 3
    assert of_streams.sum == pytest.approx(0.005, rel=1e-14)
    throughput = histogram(found, "webrtc_sample_throughput_bytes_per_second", direction="send", kind="video")
    # 312 500, 310 000, 150 000 and 100 000 bytes a second; the bound of 2.5 Mbit/s includes the first.
    assert throughput.buckets[312_500] == 4
    assert throughput.buckets[187_500] == 2
    assert throughput.buckets[75_000] == 0
    assert histogram(found, "webrtc_peer_session_duration_seconds").buckets[600] == 1
    assert histogram(found, "webrtc_report_lag_seconds") == Histogram({float("inf"): 1}, None, 1)
    assert found.rejected_samples == {}


def _media(direction: str, kind: str, of_time: str) -> tuple[str, frozenset[tuple[str, str]]]:
    labels = {"source": "h", "room_id": "room", "direction": direction, "kind": kind, "verdict": of_time}
    return "webrtc_media_seconds_total", frozenset(labels.items())


class Test100ms:
    """What is the vendor's own."""

    def test_room_means_weigh_by_time(self) -> None:
        """Loss by the time in which a peer has it, throughput by heads."""
        entry = {"role": "guest"}
        short = {"publisher": {"audio": [track([10], packet_loss_percent=[4], bitrate=[8000])]}}
        long = {"publisher": {"audio": [track([0, 10, 20], packet_loss_percent=[0, 0, 0], bitrate=[0, 0, 0])]}}
        found = of_100ms(rows=[row({"a": entry, "b": entry})], documents={"a": short, "b": long})
        # 4 % x 10 s / 40 s, and (1 000 + 0) / 2.
        assert gauge(found, "webrtc_room_packet_loss_ratio") == pytest.approx(0.01, rel=1e-14)
        assert gauge(found, "webrtc_room_throughput_bytes_per_second") == 500

    def test_excluded_roles_are_nowhere(self) -> None:
        """Neither the recorder nor what its document tells, and a session of recorders is none."""
        recorder = {"role": "__internal_recorder"}
        bad = {"publisher": {"audio": [track([10], jitter_ms=[-1])]}}
        found = of_100ms(rows=[row({"peer": {}, "rec": recorder})], documents={"peer": None, "rec": bad})
        assert gauge(found, "webrtc_room_peers") == 1
        assert not any(("peer_id", "rec") in labels for _, labels in found.gauges)
        assert found.rejected_samples == {}
        assert of_100ms(rows=[row({"rec": recorder})], documents={"rec": bad}).counters == {}

    def test_peer_without_statistics_is_there_and_unclassified(self) -> None:
        """It has times, a role and a verdict, and it counts."""
        found = of_100ms(documents={"peer": None})
        assert verdict(found) == verdict(found, "room") == ("unclassified", "")
        assert gauge(found, "webrtc_peer_duration_seconds") == 600
        assert {name for name, _ in found.gauges if "peer_" in name} == {
            "webrtc_peer_info",
            "webrtc_peer_start_timestamp_seconds",
            "webrtc_peer_end_timestamp_seconds",
            "webrtc_peer_duration_seconds",
            "webrtc_peer_verdict",
        }

    def test_times_fall_back_on_windows_and_peers(self) -> None:
        """Without times in the row, a peer lasts from its first window's start to its last sample."""
        sentinel = "0001-01-01T00:00:00Z"
        bare = row({"peer": {"joined_at": sentinel, "left_at": None}}, created_at=sentinel, updated_at=None)
        document = {"publisher": {"audio": [track([10, 20, 30], jitter_ms=[1, 1, 1])]}}
        found = of_100ms(rows=[bare], documents={"peer": document})
        for scope in ("room", "peer"):
            assert gauge(found, f"webrtc_{scope}_start_timestamp_seconds") == START
            assert gauge(found, f"webrtc_{scope}_end_timestamp_seconds") == START + 30
            assert gauge(found, f"webrtc_{scope}_duration_seconds") == 30

    def test_session_that_only_documents_tell_of(self) -> None:
        """A fixed list of sessions has no rows."""
        found = of_100ms(rows=[], documents={"peer": published_100ms()})
        assert gauge(found, "webrtc_room_peers", room_id="room") == 1

    def test_peers_may_be_an_array(self) -> None:
        """The vendor's object page says so, its example is a map."""
        found = of_100ms(rows=[row() | {"peers": [{"id": "peer", "role": "host"}]}])
        assert gauge(found, "webrtc_peer_info", peer_id="peer", role="host") == 1

    def test_same_row_twice_and_active_rows(self) -> None:
        """Pages may overlap, and what goes on is not told yet."""
        found = of_100ms(rows=[row(), row(), row(id="other", active=True)])
        assert counter(found, "webrtc_sessions_total") == 1

    def test_rejections(self) -> None:
        """One of each: a bad word, a loss past 100 %, an array too short, a series that is none, a missing value."""
        found = of_100ms(
            send_audio=[
                track([0, 10], packet_loss_percent=["x", 101], rtt_ms=[1], jitter_ms=[], bitrate=["12", float("nan")]),
                {"time_series": [1]},
            ]
        )
        assert found.rejected_samples == {
            ("h", "not_a_number"): 1,
            ("h", "out_of_range"): 1,
            ("h", "length_mismatch"): 1,
            ("h", "wrong_type"): 1,
        }
        assert gauge(found, "webrtc_peer_throughput_bytes_per_second") == 1.5


def test_rooms_can_be_left_out_of_cumulative_series() -> None:
    """Without rooms, histograms and counters have no room_id and two rooms are one series."""
    rooms = [{"room_id": name, "start_time": "s", "duration": 20} for name in ("a", "b")]
    found = expected({}, {"w": (rooms, ())}, histogram_rooms=False)
    assert found.counters["webrtc_sessions_total", frozenset({("source", "w")})] == 2


def test_room_names_are_shown_where_known() -> None:
    """They come from the room resource."""
    found = expected({"h": ([row()], {})}, {}, hundredms_rooms={"room": ("standup", "daily")})
    assert gauge(found, "webrtc_room_info", room_name="standup", template="daily") == 1
