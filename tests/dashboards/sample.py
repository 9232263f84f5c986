"""Two hours of scrapes of an exporter that saw a handful of meetings, and their timeline, as OpenMetrics.

Written by hand, so that what the boards show is known. It has what trips dashboards up: a bad uplink beside good peers,
a peer that never connected, ids full of regular expressions and slashes, a verdict that changed while reports arrived,
and a session that has left the exporter's view.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, Final

from exporter.metrics.catalogue import FAMILIES
from tests.dashboards import sample_timeline
from tests.dashboards.sample_exporter import exporter

if TYPE_CHECKING:
    from collections.abc import Iterator

#: When the scrapes begin and end. Blocks of two hours, which is what promtool cuts anyway.
START: Final = 1_700_000_000
END: Final = START + 7_200
STEP: Final = 15

ROOM: Final = "65f1.standup+team"
SESSION: Final = "65f1aa02c1d2e3f405162738"
OLD_SESSION: Final = "65f1aa01c1d2e3f405162738"
WATCH_ROOM: Final = "support (room) 1/2"
WATCH_SESSION: Final = "2023-11-14T22:11:00.885Z"
BAD_PEER: Final = "3c9d-ben"

_FAMILIES: Final = {family.name: family for family in FAMILIES}
_SCRAPE: Final = {"job": "webrtc-quality-exporter", "instance": "localhost:10210"}
#: The timeline is sent and not scraped, and has labels of its own in their place.
_SENT: Final = _SCRAPE | {"instance": "shard-0"}


class Scrapes:
    """Samples by family and series, in the order of their times."""

    def __init__(self) -> None:
        self._series: dict[str, dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]] = defaultdict(dict)

    def gauge(self, name: str, value: float, labels: dict[str, str], *, since: int = 600, until: int = 7_200) -> None:
        """A gauge that is exposed from `since` to `until`, in seconds after the start."""
        self._add(name, name, labels, [(at, value) for at in range(since, until, STEP)])

    def counter(self, name: str, count: float, labels: dict[str, str], *, at: int) -> None:
        """A counter that is exposed at zero for a minute before it counts."""
        self._add(name, name, labels, _rise(count, at))

    def histogram(self, name: str, values: list[float], labels: dict[str, str], *, at: int) -> None:
        """A histogram that is exposed at zero for a minute before it has all of its values."""
        for bound in (*_FAMILIES[name].bounds, float("inf")):
            count = sum(value <= bound for value in values)
            le = "+Inf" if bound == float("inf") else str(bound)
            self._add(name, f"{name}_bucket", labels | {"le": le}, _rise(count, at))
        self._add(name, f"{name}_sum", labels, _rise(sum(values), at))
        self._add(name, f"{name}_count", labels, _rise(len(values), at))

    def points(self, name: str, labels: dict[str, str], points: list[tuple[int, float]]) -> None:
        """A series with samples at given seconds after the start."""
        self._add(name, name, labels, points)

    def text(self) -> str:
        """All of it, family by family."""
        return "".join(self._lines()) + "# EOF\n"

    def _add(self, family: str, name: str, labels: dict[str, str], points: list[tuple[int, float]]) -> None:
        expected = {*_FAMILIES[family].labels, *({"le"} & labels.keys())}
        assert labels.keys() == expected, f"{name}: {sorted(labels.keys() ^ expected)}"
        key = (("__name__", name), *labels.items())
        known = self._series[family].setdefault(key, [])
        known += [(START + at, value) for at, value in points]

    def _lines(self) -> Iterator[str]:
        for name, by_key in self._series.items():
            family = _FAMILIES[name]
            yield f"# TYPE {family.open_metrics_name} {family.type}\n"
            for (_, sample), *labels in (key for key in by_key):
                key = (("__name__", sample), *labels)
                own = _SENT if family.scope == "timeline" else _SCRAPE
                pairs = ",".join(f'{k}="{_escape(v)}"' for k, v in (*labels, *own.items()))
                yield from (f"{sample}{{{pairs}}} {value} {at}\n" for at, value in by_key[key])


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _rise(count: float, at: int) -> list[tuple[int, float]]:
    return [(t, 0.0 if t < at else float(count)) for t in range(at - 60, END - START, STEP)]


def sample_scrapes() -> str:
    """The whole of it as OpenMetrics."""
    scrapes = Scrapes()
    _hundredms(scrapes)
    _watchrtc(scrapes)
    exporter(scrapes, START)
    return scrapes.text()


def _hundredms(scrapes: Scrapes) -> None:
    room = {"source": "meetings", "room_id": ROOM}
    old, new = room | {"session_id": OLD_SESSION}, room | {"session_id": SESSION}
    for session, start, peers, span in ((old, 0, 2, (600, 3_000)), (new, 3_600, 5, (4_200, 7_200))):
        since, until = span
        info = session | {"room_name": "Daily stand-up", "url": "", "template": "meetings"}
        scrapes.gauge("webrtc_room_info", 1, info, since=since, until=until)
        for name, value in (
            ("webrtc_room_start_timestamp_seconds", START + start - 3_600),
            ("webrtc_room_end_timestamp_seconds", START + start - 1_800),
            ("webrtc_room_duration_seconds", 1_800),
            ("webrtc_room_peers", peers),
            ("webrtc_room_estimated_mos", 3.9 if peers == 5 else 4.3),
        ):
            scrapes.gauge(name, value, session, since=since, until=until)
        for media in (("send", "video", "regular", "h"), ("send", "audio", "", ""), ("recv", "audio", "", "")):
            _means(scrapes, "room", session, media, loss=0.021, since=since, until=until)
    # The first report of the session was that of its worst peer.
    poor, good = {"verdict": "poor", "reason": "packet_loss"}, {"verdict": "good", "reason": ""}
    scrapes.gauge("webrtc_room_verdict", 1, old | poor, since=600, until=900)
    scrapes.gauge("webrtc_room_verdict", 1, old | good, since=900, until=3_000)
    scrapes.gauge("webrtc_room_verdict", 1, new | poor, since=4_200)

    for name in ("1aa0-ana", BAD_PEER):
        _hundredms_peer(scrapes, old | {"peer_id": name}, loss=0.002, verdict=good, since=600, until=3_000)
    for name in ("1aa0-ana", "2bb1-chi", "4dd3-dev"):
        _hundredms_peer(scrapes, new | {"peer_id": name}, loss=0.004, verdict=good, since=4_200)
    _hundredms_peer(scrapes, new | {"peer_id": BAD_PEER}, loss=0.12, verdict=poor, since=4_200)
    silent = new | {"peer_id": "5ee4-eve"}
    for name in ("1aa0-ana", "2bb1-chi", "4dd3-dev", BAD_PEER):
        sample_timeline.meeting(scrapes, new | {"peer_id": name}, bad=name == BAD_PEER)
    scrapes.gauge("webrtc_peer_verdict", 1, silent | {"verdict": "unclassified", "reason": ""}, since=4_200)
    scrapes.gauge("webrtc_peer_info", 1, _info(silent, role="guest"), since=4_200)

    for verdict, count in ((good, 3), (poor, 1), ({"verdict": "unclassified", "reason": ""}, 1)):
        scrapes.counter("webrtc_peer_sessions_total", count, room | verdict, at=4_260)
    scrapes.counter("webrtc_sessions_total", 2, room, at=4_260)
    _counts(scrapes, room, [0.002, 0.004, 0.003, 0.12], [4.3, 4.3, 4.2, 2.4])


def _hundredms_peer(
    scrapes: Scrapes, peer: dict[str, str], *, loss: float, verdict: dict[str, str], since: int, until: int = 7_200
) -> None:
    bad = loss > 0.05
    scrapes.gauge("webrtc_peer_verdict", 1, peer | verdict, since=since, until=until)
    scrapes.gauge("webrtc_peer_info", 1, _info(peer, role="host"), since=since, until=until)
    for name, value in (
        ("webrtc_peer_start_timestamp_seconds", START + since - 4_000 + 0.0004),
        ("webrtc_peer_end_timestamp_seconds", START + since - 2_300),
        ("webrtc_peer_duration_seconds", 1_700),
        ("webrtc_peer_estimated_mos", 2.4 if bad else 4.3),
        ("webrtc_peer_poor_time_ratio", 0.62 if bad else 0.01),
    ):
        scrapes.gauge(name, value, peer, since=since, until=until)
    for rid, share in (("h", 1.0), ("m", 0.4), ("l", 0.1)):
        sent = ("send", "video", "regular", rid)
        _means(scrapes, "peer", peer, sent, loss=loss, rate=150_000 * share, since=since, until=until)
        _frames(scrapes, peer, sent, 11 if bad else 29, since=since, until=until)
    screen = ("send", "video", "screen", "")
    _means(scrapes, "peer", peer, screen, loss=loss / 2, rate=90_000, since=since, until=until)
    _frames(scrapes, peer, screen, 6, since=since, until=until)
    _means(scrapes, "peer", peer, ("send", "audio", "", ""), loss=loss, rate=5_000, since=since, until=until)
    _means(scrapes, "peer", peer, ("recv", "audio", "", ""), loss=0.003, rate=4_500, since=since, until=until)
    media = _media(("recv", "audio", "", ""))
    scrapes.gauge("webrtc_peer_concealed_samples", 91_000, peer | media, since=since, until=until)
    scrapes.gauge("webrtc_peer_concealment_ratio", 0.011, peer | media, since=since, until=until)
    for track in ("regular", "screen"):
        received = ("recv", "video", track, "")
        labels = peer | _media(received)
        scrapes.gauge("webrtc_peer_freezes", 3, labels, since=since, until=until)
        scrapes.gauge("webrtc_peer_throughput_bytes_per_second", 120_000, labels, since=since, until=until)
        _frames(scrapes, peer, received, 27 if track == "regular" else 5, since=since, until=until)


def _watchrtc(scrapes: Scrapes) -> None:
    room = {"source": "watch", "room_id": WATCH_ROOM}
    session = room | {"session_id": WATCH_SESSION}
    fair = {"verdict": "fair", "reason": "round_trip_time"}
    scrapes.gauge(
        "webrtc_room_info", 1, session | {"room_name": "", "url": "https://calls.example.org/support", "template": ""}
    )
    scrapes.gauge("webrtc_room_verdict", 1, session | fair)
    for name, room_value, peer_value in (
        ("start_timestamp_seconds", START - 900, START - 900),
        ("end_timestamp_seconds", START - 300, START - 310),
        ("duration_seconds", 600, 590),
        ("mos", 3.7, 3.5),
        ("estimated_mos", 3.8, 3.6),
        ("media_score", 6.4, 5.9),
        ("user_rating", 4, 3),
        ("call_setup_seconds", 0.9, 1.7),
    ):
        scrapes.gauge(f"webrtc_room_{name}", room_value, session)
        for peer_id in ("agent", "customer"):
            scrapes.gauge(f"webrtc_peer_{name}", peer_value, session | {"peer_id": peer_id})
    scrapes.gauge("webrtc_room_peers", 2, session)
    for peer_id, connection in (("agent", "HOST"), ("customer", "TURN")):
        peer = session | {"peer_id": peer_id}
        info = _info(
            peer,
            browser="Chrome",
            os="Windows",
            sdk_version="1.43.1",
            country="Germany",
            connection_type=connection,
            organization="Example ISP",
        )
        sample_timeline.support(scrapes, peer)
        scrapes.gauge("webrtc_peer_verdict", 1, peer | fair)
        scrapes.gauge("webrtc_peer_info", 1, info)
        for direction, kind in product(("send", "recv"), ("audio", "video")):
            media = (direction, kind, "", "")
            _means(scrapes, "peer", peer, media, loss=0.008, rate=60_000, jitter=0.012, since=600)
            labels = peer | {"direction": direction, "kind": kind}
            scrapes.gauge("webrtc_peer_stream_mos", 3.5, labels)
            scrapes.gauge("webrtc_peer_stream_media_score", 5.9, labels)
    for direction, kind in product(("send", "recv"), ("audio", "video")):
        _means(scrapes, "room", session, (direction, kind, "", ""), loss=0.008, rate=60_000, jitter=0.012, since=600)
    scrapes.counter("webrtc_peer_sessions_total", 2, room | fair, at=660)
    scrapes.counter("webrtc_sessions_total", 1, room, at=660)
    _counts(scrapes, room, [0.008, 0.008], [3.6, 3.6])
    scrapes.histogram("webrtc_peer_session_mos", [3.5, 3.5], room, at=4_260)
    scrapes.histogram("webrtc_peer_session_call_setup_seconds", [1.7, 1.7], room, at=4_260)


def _counts(scrapes: Scrapes, room: dict[str, str], losses: list[float], mos: list[float]) -> None:
    scrapes.histogram("webrtc_peer_session_estimated_mos", mos, room, at=4_260)
    scrapes.histogram("webrtc_report_lag_seconds", [2_400], {"source": room["source"]}, at=4_260)
    for direction, kind in product(("send", "recv"), ("audio", "video")):
        labels = room | {"direction": direction, "kind": kind}
        scrapes.histogram("webrtc_peer_session_packet_loss_ratio", losses, labels, at=4_260)
        scrapes.histogram("webrtc_peer_session_jitter_seconds", [0.004, 0.016], labels, at=4_260)
        scrapes.histogram("webrtc_peer_session_round_trip_time_seconds", [0.06, 0.31], labels, at=4_260)
        for verdict, seconds in (("good", 5_000), ("poor", 1_100), ("unclassified", 20)):
            scrapes.counter("webrtc_media_seconds_total", seconds, labels | {"verdict": verdict}, at=4_260)


def _means(  # noqa: PLR0913 - each is named at the call
    scrapes: Scrapes,
    of: str,
    identity: dict[str, str],
    media: tuple[str, str, str, str],
    *,
    loss: float,
    rate: float = 100_000,
    jitter: float | None = None,
    since: int,
    until: int = 7_200,
) -> None:
    labels = identity | _media(media)
    sends, audio = media[0] == "send", media[1] == "audio"
    values = {"throughput_bytes_per_second": rate, "packet_loss_ratio": loss}
    if jitter is not None or (sends and audio):
        values["jitter_seconds"] = 0.009 if jitter is None else jitter
    if sends:
        values["round_trip_time_seconds"] = 0.28 if loss > 0.05 else 0.07
    if of == "peer" and jitter is None:
        values["packet_loss_p95_ratio"] = loss * 2
        if sends:
            values["round_trip_time_p95_seconds"] = 0.45 if loss > 0.05 else 0.09
        if sends and audio:
            values["jitter_p95_seconds"] = 0.025
    if of == "room" and not audio:
        values["frames_per_second"] = 24
    for name, value in values.items():
        scrapes.gauge(f"webrtc_{of}_{name}", value, labels, since=since, until=until)


def _frames(
    scrapes: Scrapes, peer: dict[str, str], media: tuple[str, str, str, str], rate: float, *, since: int, until: int
) -> None:
    scrapes.gauge("webrtc_peer_frames_per_second", rate, peer | _media(media), since=since, until=until)


def _media(media: tuple[str, str, str, str]) -> dict[str, str]:
    return dict(zip(("direction", "kind", "track_type", "rid"), media, strict=True))


def _info(peer: dict[str, str], **attributes: str) -> dict[str, str]:
    own = [label for label in _FAMILIES["webrtc_peer_info"].labels if label not in peer]
    return peer | dict.fromkeys(own, "") | attributes
