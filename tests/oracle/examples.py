"""Small raw documents for tests of the oracle, and ways to look at what it expects of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from tests.oracle.expected import expected

if TYPE_CHECKING:
    from tests.oracle.expected import Expected, Histogram

Json: TypeAlias = dict[str, Any]

SESSION = {"source": "h", "room_id": "room", "session_id": "session"}
PEER = SESSION | {"peer_id": "peer"}
# 2026-03-01T10:00:00Z
START = 1_772_359_200


def row(peers: Json | None = None, **changes: object) -> Json:
    """A session row of 100ms: ten minutes, one guest for all of them."""
    entry = {"role": "guest", "joined_at": "2026-03-01T10:00:00Z", "left_at": "2026-03-01T10:10:00Z"}
    base = {
        "id": "session",
        "room_id": "room",
        "active": False,
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T10:10:00Z",
        "peers": {"peer": entry} if peers is None else peers,
    }
    return base | changes


def track(seconds: list[float], **metrics: object) -> Json:
    """A track sampled at these seconds after the start."""
    return {"time_series": {"timestamps": [(START + second) * 1000 for second in seconds], **metrics}}


def of_100ms(rows: list[Json] | None = None, documents: Json | None = None, **branches: list[Json]) -> Expected:
    """Expectations for one source `h`: by default one peer whose tracks are given by branch, as `send_audio`."""
    document = {
        "publisher": {"audio": branches.get("send_audio", []), "video": branches.get("send_video", [])},
        "subscriber": {"audio": branches.get("recv_audio", []), "video": branches.get("recv_video", [])},
    }
    by_peer = {("session", peer): told for peer, told in (documents or {"peer": document}).items()}
    return expected({"h": ([row()] if rows is None else rows, by_peer)}, {})


def of_watchrtc(*rooms: Json, keys: tuple[str, ...] = ()) -> Expected:
    """Expectations for one source `w`."""
    return expected({}, {"w": (list(rooms), list(keys))})


def gauge(found: Expected, family: str, **labels: str) -> float | None:
    """The one value of the family whose labels include the given ones; none where there is no such series."""
    values = [v for (name, have), v in found.gauges.items() if name == family and have >= frozenset(labels.items())]
    assert len(values) <= 1, f"{family}: {values}"
    return values[0] if values else None


def counter(found: Expected, family: str, **labels: str) -> float:
    """The sum over the series whose labels include the given ones."""
    return sum(v for (name, have), v in found.counters.items() if name == family and have >= frozenset(labels.items()))


def histogram(found: Expected, family: str, **labels: str) -> Histogram:
    """The one series of the family whose labels include the given ones."""
    [value] = [
        v for (name, have), v in found.histograms.items() if name == family and have >= frozenset(labels.items())
    ]
    return value


def verdict(found: Expected, scope: str = "peer", **labels: str) -> tuple[str, str]:
    """Verdict and reason of the one room or peer."""
    [have] = [
        dict(have)
        for name, have in found.gauges
        if name == f"webrtc_{scope}_verdict" and have >= frozenset(labels.items())
    ]
    return have["verdict"], have.get("reason", "")


def published_100ms() -> Json:
    """The vendor's own sample."""
    time = 1_738_843_560_000
    return {
        "peer_id": "peer",
        "session_id": "session",
        "room_id": "room",
        "publisher": {
            "video": [
                {
                    "track_id": "a",
                    "type": "regular",
                    "rid": "h",
                    "time_series": {
                        "timestamps": [time, time + 10_000],
                        "bitrate": [2_500_000, 2_480_000],
                        "fps": [30, 30],
                        "packet_loss_percent": [0.3, 0.2],
                        "rtt_ms": [45, 47],
                    },
                },
                {
                    "track_id": "a",
                    "type": "regular",
                    "rid": "m",
                    "time_series": {
                        "timestamps": [time],
                        "bitrate": [1_200_000],
                        "fps": [30],
                        "packet_loss_percent": [0.15],
                        "rtt_ms": [45],
                    },
                },
                {
                    "track_id": "b",
                    "type": "screen",
                    "rid": None,
                    "time_series": {
                        "timestamps": [time],
                        "bitrate": [800_000],
                        "fps": [5],
                        "packet_loss_percent": [0.1],
                        "rtt_ms": [46],
                    },
                },
            ],
            "audio": [
                {
                    "track_id": "c",
                    "time_series": {
                        "timestamps": [time],
                        "bitrate": [64_000],
                        "packet_loss_percent": [0.1],
                        "rtt_ms": [45],
                        "jitter_ms": [2.1],
                    },
                }
            ],
        },
        "subscriber": {
            "video": [
                {
                    "track_id": "d",
                    "type": "regular",
                    "time_series": {"timestamps": [time], "bitrate": [None], "fps": [15], "freeze_count": [0]},
                }
            ],
            "audio": [
                {
                    "track_id": "e",
                    "time_series": {
                        "timestamps": [time],
                        "bitrate": [None],
                        "concealed_samples": [0],
                        "packet_loss_percent": [0.2],
                    },
                }
            ],
        },
    }


def published_watchrtc() -> Json:
    """The vendor's own sample, its brackets put back."""
    return {
        "room_url": "",
        "room_id": "roomid",
        "start_time": "2022-09-04T00:09:22.885Z",
        "end_time": "2022-09-04T00:17:06.149Z",
        "duration": 463,
        "users": 2,
        "stats": {
            "mos": 4.35,
            "score": 6,
            "call_setup_time": 900,
            "audio": {
                "send": {"bitrate": 11, "packet_loss": 6.1, "jitter": 6, "rtt": 2397},
                "recv": {"bitrate": 20, "packet_loss": 0.2, "jitter": 15},
                "bitrate": 16,
                "packet_loss": 3.2,
                "jitter": 11,
            },
            "video": {
                "send": {"bitrate": 1499, "packet_loss": 4.5, "jitter": 48, "rtt": 1073},
                "recv": {"bitrate": 109, "packet_loss": 0.1, "jitter": 43},
                "bitrate": 804,
                "packet_loss": 2.3,
                "jitter": 46,
            },
        },
        "peers": [
            {
                "peer_id": "peerid",
                "os": "Linux",
                "os_version": "64-bit",
                "browser": "Chrome",
                "browser_version": "102.0.5005.61",
                "location": {"city": "Frankfurt am Main", "country": "Germany", "organization": "Google"},
                "sdk_version": "1.34.1-beta.1",
                "start_time": "2022-06-24T06:37:35.547Z",
                "duration": 392,
                "keys": {"keyA": "valueA", "keyB": "valueB"},
                "features": {"connection_type": "TURN", "media_transport": "udp"},
                "stats": {
                    "mos": 3.29,
                    "score": 5.9,
                    "call_setup_time": 164,
                    "audio": {
                        "send": {"mos": 3.29, "score": 5.9, "bitrate": 13, "packet_loss": 3.6, "jitter": 8, "rtt": 428},
                        "recv": {"mos": 3.29, "score": 5.9, "bitrate": 24, "packet_loss": 0.1, "jitter": 4},
                        "bitrate": 19,
                        "packet_loss": 1.9,
                        "jitter": 6,
                    },
                    "video": {
                        "send": {"mos": 3.29, "bitrate": 1596, "packet_loss": 2.7, "jitter": 15, "rtt": 159},
                        "recv": {"mos": 3.29, "bitrate": 68, "packet_loss": 0.1, "jitter": 13},
                        "bitrate": 832,
                        "packet_loss": 1.4,
                        "jitter": 14,
                    },
                },
                "audio_device": "Fake Default Audio Input",
                "video_device": "/video/KrankyGeek-1080p.y4m",
            }
        ],
    }
