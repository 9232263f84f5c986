"""The true timeline of the sample's calls: windows at the time they happened, long before their reports came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.dashboards.sample import Scrapes

#: Seconds after the sample's start: the meeting of five, and of it what was bad for one.
MEETING: Final = range(200, 1_900, 10)
BAD: Final = range(800, 1_400, 10)
#: Before the sample's start: the call of two, as level lines of one sample a minute.
SUPPORT: Final = range(-890, -310, 60)

_SENT_VIDEO: Final = {"direction": "send", "kind": "video", "track_type": "regular", "rid": "h"}
_SENT_AUDIO: Final = {"direction": "send", "kind": "audio", "track_type": "", "rid": ""}
_RECEIVED_VIDEO: Final = {"direction": "recv", "kind": "video", "track_type": "regular", "rid": ""}
_RECEIVED_AUDIO: Final = {"direction": "recv", "kind": "audio", "track_type": "", "rid": ""}


def meeting(scrapes: Scrapes, peer: dict[str, str], *, bad: bool) -> None:
    """A peer of the meeting; a bad one loses what it sends for ten minutes in the middle."""
    lossy = BAD if bad else range(0)
    _line(scrapes, "connected", peer, ((at, 1) for at in range(200, 1_900, 60)))
    _line(scrapes, "verdict", peer, ((at, 3 if at in lossy else 1) for at in MEETING))
    for media in (_SENT_VIDEO, _SENT_AUDIO, _RECEIVED_VIDEO, _RECEIVED_AUDIO):
        sends, audio = media["direction"] == "send", media["kind"] == "audio"
        _line(
            scrapes, "throughput_bytes_per_second", peer | media, ((at, 5_000 if audio else 150_000) for at in MEETING)
        )
        if sends or audio:
            loss = ((at, 0.14 if sends and at in lossy else 0.004) for at in MEETING)
            _line(scrapes, "packet_loss_ratio", peer | media, loss)
        if sends:
            _line(scrapes, "round_trip_time_seconds", peer | media, ((at, 0.07) for at in MEETING))
        if not audio:
            _line(scrapes, "frames_per_second", peer | media, ((at, 29) for at in MEETING))
    _line(scrapes, "jitter_seconds", peer | _SENT_AUDIO, ((at, 0.009) for at in MEETING))
    _line(scrapes, "freezes", peer | _RECEIVED_VIDEO, ((at, 0) for at in MEETING))
    _line(scrapes, "concealed_samples", peer | _RECEIVED_AUDIO, ((at, 4_800) for at in MEETING))


def support(scrapes: Scrapes, peer: dict[str, str]) -> None:
    """A peer of the call of two, whose source gives one value for the whole stay."""
    _line(scrapes, "connected", peer, ((at, 1) for at in SUPPORT))
    _line(scrapes, "verdict", peer, ((at, 2) for at in SUPPORT))
    for direction in ("send", "recv"):
        media = {"direction": direction, "kind": "audio", "track_type": "", "rid": ""}
        for name, value in (
            ("throughput_bytes_per_second", 60_000),
            ("packet_loss_ratio", 0.008),
            ("jitter_seconds", 0.012),
            ("round_trip_time_seconds", 0.31),
        ):
            _line(scrapes, name, peer | media, ((at, value) for at in SUPPORT))


def _line(scrapes: Scrapes, name: str, labels: dict[str, str], points: Iterable[tuple[int, float]]) -> None:
    scrapes.points(f"webrtc_timeline_{name}", labels, list(points))
