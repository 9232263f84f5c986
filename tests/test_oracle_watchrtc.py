"""The oracle on watchRTC rooms, against numbers computed by hand: each test shows its arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.oracle.examples import START, counter, gauge, histogram, of_watchrtc, published_watchrtc, verdict

if TYPE_CHECKING:
    from tests.oracle.examples import Json


def test_published_watchrtc_sample_gives_these_values() -> None:
    """Every kind of value of the vendor's own watchRTC document is the number worked out by hand."""
    found = of_watchrtc(published_watchrtc(), keys=("keyA", "missing"))
    session = {"source": "w", "room_id": "roomid", "session_id": "2022-09-04T00:09:22.885Z"}
    peer = session | {"peer_id": "peerid"}
    send_audio, recv_video = {"direction": "send", "kind": "audio"}, {"direction": "recv", "kind": "video"}
    info = {
        "os": "Linux",
        "os_version": "64-bit",
        "browser": "Chrome",
        "browser_version": "102.0.5005.61",
        "country": "Germany",
        "city": "Frankfurt am Main",
        "organization": "Google",
        "sdk_version": "1.34.1-beta.1",
        "connection_type": "TURN",
        "media_transport": "udp",
        "audio_device": "Fake Default Audio Input",
        "video_device": "/video/KrankyGeek-1080p.y4m",
        "key_keyA": "valueA",
    }
    wanted: dict[tuple[str, frozenset[tuple[str, str]]], float] = {
        (f"webrtc_{name}", frozenset(labels.items())): value
        for name, labels, value in (
            ("room_info", session, 1),
            ("room_start_timestamp_seconds", session, 1_662_250_162.885),
            ("room_end_timestamp_seconds", session, 1_662_250_626.149),
            ("room_duration_seconds", session, 463),
            ("room_peers", session, 2),
            ("room_mos", session, 4.35),
            ("room_media_score", session, 6),
            ("room_call_setup_seconds", session, 0.9),
            ("room_throughput_bytes_per_second", session | send_audio, 11 * 125),
            ("room_round_trip_time_seconds", session | send_audio, 2.397),
            ("room_jitter_seconds", session | recv_video, 0.043),
            ("room_verdict", session | {"verdict": "poor", "reason": "round_trip_time"}, 1),
            ("peer_info", peer | info, 1),
            ("peer_start_timestamp_seconds", peer, 1_656_052_655.547),
            ("peer_end_timestamp_seconds", peer, 1_656_053_047.547),
            ("peer_duration_seconds", peer, 392),
            ("peer_mos", peer, 3.29),
            ("peer_media_score", peer, 5.9),
            ("peer_call_setup_seconds", peer, 0.164),
            ("peer_stream_mos", peer | recv_video, 3.29),
            ("peer_stream_media_score", peer | send_audio, 5.9),
            ("peer_throughput_bytes_per_second", peer | recv_video, 68 * 125),
            ("peer_packet_loss_ratio", peer | send_audio, 0.036),
            # Only one measure is poor: a round trip of 428 ms.
            ("peer_verdict", peer | {"verdict": "poor", "reason": "round_trip_time"}, 1),
            # Sending: delay 428 / 2 + 2 x 8 + 10 = 240 ms, so 12; loss 2.5 x 3.6 = 9; R = 93.2 - 21 = 72.2;
            # MOS = 1 + 0.035 x 72.2 + 72.2 x 12.2 x 27.8 x 7e-6. Receiving: R = 93.2 - 11.2 - 0.25, better.
            ("peer_estimated_mos", peer, 3.698411464),
            ("room_estimated_mos", session, 3.698411464),
        )
    }
    assert {series: found.gauges.get(series) for series in wanted} == pytest.approx(wanted, rel=1e-14)
    # 14 room values of streams (3 x 4, and 2 round trips) of which 3 are above, and so on for the peer.
    assert len([name for name, _ in found.gauges if name.startswith("webrtc_room_")]) == 10 + 14
    # 10 by itself (info, two times, duration, mos, score, setup, verdict, estimate: 9), streams 14 + 4 mos + 2 scores.
    assert len([name for name, _ in found.gauges if name.startswith("webrtc_peer_")]) == 9 + 14 + 4 + 2
    assert counter(found, "webrtc_media_seconds_total", direction="send", kind="audio", verdict="poor") == 392
    # The streams' own MOS of 3.29 makes the other three fair.
    assert counter(found, "webrtc_media_seconds_total", verdict="fair") == 3 * 392
    assert histogram(found, "webrtc_peer_session_mos").buckets[3.5] == 1
    assert histogram(found, "webrtc_peer_session_mos").buckets[3.1] == 0
    assert not any(name.startswith("webrtc_sample_") for name, _ in found.histograms)


class TestWatchrtc:
    """What is the vendor's own."""

    def test_session_id_is_the_last_part_of_the_url(self) -> None:
        """With the URL in `webrtc_room_info` alone."""
        url = "https://app.testrtc.com/app/watchrtc-room/opaque/?a=b/c#d"
        found = of_watchrtc({"room_id": "r", "room_url": url})
        assert gauge(found, "webrtc_room_info", session_id="opaque", url=url) == 1

    def test_same_room_twice_counts_once_and_a_second_meeting_counts(self) -> None:
        """The identity is room and session."""
        one, two = {"room_id": "r", "start_time": "a"}, {"room_id": "r", "start_time": "b"}
        assert counter(of_watchrtc(one, one, two), "webrtc_sessions_total") == 2

    def test_rooms_without_identity_are_left_out(self) -> None:
        """Neither URL nor start."""
        assert of_watchrtc({"room_id": "r"}).gauges == {}

    def test_room_without_stats_is_computed_from_its_peers(self) -> None:
        """Means by the peers' durations; MOS and the like only from the room's own stats."""
        peers = [
            {"peer_id": "a", "duration": 30, "stats": {"mos": 4, "audio": {"send": {"jitter": 4, "bitrate": 8}}}},
            {"peer_id": "b", "duration": 10, "stats": {"mos": 2, "audio": {"send": {"jitter": 8, "bitrate": 0}}}},
        ]
        for stats in (None, {}, {"mos": 9}):
            found = of_watchrtc({"room_id": "r", "start_time": "s", "peers": peers, "stats": stats})
            # (4 x 30 + 8 x 10) / 40 = 5 ms; (1000 + 0) / 2.
            assert gauge(found, "webrtc_room_jitter_seconds") == pytest.approx(0.005, rel=1e-14)
            assert gauge(found, "webrtc_room_throughput_bytes_per_second") == 500
            assert gauge(found, "webrtc_room_mos") is None
            assert gauge(found, "webrtc_room_peers") == 2
        found = of_watchrtc({"room_id": "r", "start_time": "s", "peers": peers, "stats": {"mos": 3}})
        assert gauge(found, "webrtc_room_mos") == 3
        assert gauge(found, "webrtc_room_jitter_seconds") is None

    def test_room_without_times_has_those_of_its_peers(self) -> None:
        """From the first join to the last leave, as far as the room itself does not tell."""
        peers = [
            {"peer_id": "a", "start_time": "2026-03-01T10:00:10Z", "duration": 30},
            {"peer_id": "b", "start_time": "2026-03-01T10:00:20Z", "duration": 10},
        ]
        room: Json = {"room_id": "r", "room_url": "https://x/s", "peers": peers}
        start = {"start_time": "2026-03-01T10:00:00Z"}
        nothing: Json = {}
        for told, times in (
            (nothing, (START + 10, START + 40, 30)),
            (nothing | {"duration": 9}, (START + 10, START + 40, 9)),
            (start, (START, START + 40, 40)),
            (start | {"duration": 9}, (START, START + 9, 9)),
        ):
            found = of_watchrtc(room | told)
            assert gauge(found, "webrtc_room_start_timestamp_seconds") == times[0]
            assert gauge(found, "webrtc_room_end_timestamp_seconds") == times[1]
            assert gauge(found, "webrtc_room_duration_seconds") == times[2]

    def test_peer_that_stands_twice(self) -> None:
        """The longer stay gives the gauges, each stay counts."""
        peers = [
            {"peer_id": "a", "duration": 10, "stats": {"mos": 2}},
            {"peer_id": "a", "duration": 20, "stats": {"mos": 4}},
        ]
        found = of_watchrtc({"room_id": "r", "start_time": "s", "peers": peers})
        assert gauge(found, "webrtc_peer_mos") == 4
        assert gauge(found, "webrtc_room_peers") == 1
        assert verdict(found, "room") == ("good", "")
        assert counter(found, "webrtc_peer_sessions_total", verdict="poor", reason="mos") == 1
        assert counter(found, "webrtc_peer_sessions_total") == 2
        assert histogram(found, "webrtc_peer_session_mos").sum == 6

    def test_equally_long_stays(self) -> None:
        """The one that is known to have begun first gives the gauges, else the first in the document."""
        late, early = "2026-03-01T10:01:00Z", "2026-03-01T10:00:00Z"
        for starts, mos in (((late, early), 4), ((early, late), 2), ((None, late), 4), ((None, None), 2)):
            peers = [
                {"peer_id": "a", "start_time": start, "duration": 10, "stats": {"mos": told}}
                for start, told in zip(starts, (2, 4), strict=True)
            ]
            assert (
                gauge(of_watchrtc({"room_id": "r", "room_url": "https://x/s", "peers": peers}), "webrtc_peer_mos")
                == mos
            )

    def test_reason_of_a_summary_is_its_worst_mean(self) -> None:
        """Poor loss and poor call setup: the first in the list. A stream without measures is unclassified time."""
        stats = {"call_setup_time": 5000, "audio": {"send": {"packet_loss": 5}, "recv": {"bitrate": 1}}}
        peer: Json = {"peer_id": "a", "duration": 10, "stats": stats}
        room = {"room_id": "r", "start_time": "s", "peers": [peer]}
        found = of_watchrtc(room)
        assert verdict(found) == ("poor", "packet_loss")
        assert counter(found, "webrtc_media_seconds_total", direction="recv", verdict="unclassified") == 10
        peer["duration"] = 9.9
        assert verdict(of_watchrtc(room)) == ("unclassified", "")

    def test_call_setup_alone_is_no_media(self) -> None:
        """A summary needs a measure or a MOS, for 10 s; throughput is no measure. Then call setup is judged too."""

        def told(duration: float = 600, **stats: object) -> tuple[str, str]:
            peer = {"peer_id": "a", "duration": duration, "stats": {"call_setup_time": 5000} | stats}
            return verdict(of_watchrtc({"room_id": "r", "start_time": "s", "peers": [peer]}))

        assert told() == ("unclassified", "")
        assert told(audio={"send": {"bitrate": 30, "score": 9}}) == ("unclassified", "")
        assert told(score=9, user=5) == ("unclassified", "")
        assert told(mos=4.4) == ("poor", "call_setup")
        assert told(audio={"send": {"packet_loss": 0}}) == ("poor", "call_setup")
        assert told(audio={"send": {"packet_loss": 0}}, call_setup_time=1499) == ("good", "")
        assert told(duration=9, mos=4.4) == ("unclassified", "")

    def test_keys(self) -> None:
        """Lists are joined, numbers and booleans as in JSON, other characters of the name become `_`."""
        peer = {"peer_id": "a", "keys": {"te-nant": ["x", "y"], "n": 1.5, "b": True, "z": None}}
        found = of_watchrtc({"room_id": "r", "start_time": "s", "peers": [peer]}, keys=("te-nant", "n", "b", "z"))
        [labels] = [dict(labels) for name, labels in found.gauges if name == "webrtc_peer_info"]
        assert {name: text for name, text in labels.items() if name.startswith("key_")} == {
            "key_te_nant": "x,y",
            "key_n": "1.5",
            "key_b": "true",
        }

    def test_rejections(self) -> None:
        """Values out of range and parts of a wrong type, of the room and of its peers."""
        room = {
            "room_id": "r",
            "start_time": "s",
            "users": -1,
            "stats": {"mos": 0.5, "user": 6, "audio": []},
            "peers": ["x", {"peer_id": "a", "stats": {"audio": {"send": {"rtt": "fast"}}}}],
        }
        found = of_watchrtc(room)
        assert found.rejected_samples == {
            ("w", "out_of_range"): 3,
            ("w", "wrong_type"): 2,
            ("w", "not_a_number"): 1,
        }
        assert gauge(found, "webrtc_room_peers") == 1
