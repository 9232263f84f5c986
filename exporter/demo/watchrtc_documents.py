"""Simulated meetings as watchRTC data-stream rooms: averages over each peer's stay, in the vendor's units."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from exporter.demo.identities import iso_milliseconds, opaque
from exporter.demo.scenarios import RECORDER_ROLE
from exporter.demo.truth import TICK, dice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.demo.truth import KeyValue, Meeting, Participant, Recording, TrackTicks

#: A JSON object.
Document: TypeAlias = dict[str, Any]

#: Decimal places of each value. Values are kept as whole numbers of the last place, so that means round as written.
_PLACES: Final = {
    "mos": 2,
    "score": 1,
    "user": 1,
    "call_setup_time": 0,
    "bitrate": 0,
    "packet_loss": 1,
    "jitter": 0,
    "rtt": 0,
}
#: The values that are also given without a direction.
_UNDIRECTED: Final = ("bitrate", "packet_loss", "jitter")

_SDK_VERSION: Final = "1.43.1"


class _Values(Struct, frozen=True):
    """What is said of a peer or a room: of it as a whole, and of each kind and direction, in `_PLACES`."""

    whole: dict[str, int]
    media: dict[tuple[str, str], dict[str, int]]


def room_url(meeting: Meeting) -> str:
    """The dashboard's address of one meeting, unlike that of any other."""
    return f"https://app.testrtc.com/app/watchrtc-room/{opaque('room', meeting.key)}"


def room_document(recording: Recording) -> Document:
    """One room of a data-stream file: a meeting and everybody in it whose application carries the SDK."""
    meeting = recording.meeting
    present = [
        (person, _peer_values(person, tracks))
        for person, tracks in zip(meeting.participants, recording.tracks, strict=True)
        if person.role != RECORDER_ROLE
    ]
    room: Document = {
        "room_url": room_url(meeting),
        "room_id": meeting.room,
        "start_time": iso_milliseconds(meeting.start),
        "end_time": iso_milliseconds(meeting.end),
        "duration": floor(meeting.end - meeting.start),
        "users": len(present),
        "stats": _stats(_room_values([values for _, values in present if values is not None])),
    }
    return room | {"peers": [_peer(meeting, person, values) for person, values in present]}


def _peer(meeting: Meeting, person: Participant, values: _Values | None) -> Document:
    rng = dice(person.noise, "watchrtc")
    peer: Document = {
        "peer_id": person.name,
        "os": person.device.os,
        "os_version": person.device.os_version,
        "browser": person.device.browser,
        "browser_version": person.device.browser_version,
        "location": {
            "city": person.place.city,
            "country": person.place.country,
            "organization": person.place.organization,
        },
        "sdk_version": _SDK_VERSION,
        "start_time": iso_milliseconds(meeting.start + person.joined),
        "duration": floor(person.left - person.joined),
        "keys": {name: _key(value) for name, value in person.keys},
    }
    if rng.random() < 0.08:  # noqa: PLR2004 - some addresses are in no database of places
        del peer["location"]
    if person.connected:
        peer["features"] = _features(person)
    if values is not None:
        stats = _stats(values)
        if person.rating is None and rng.random() < 0.5:  # noqa: PLR2004 - unrated is null or absent
            stats["user"] = None
        peer["stats"] = stats
    peer["audio_device"] = person.device.microphone
    peer["video_device"] = person.device.camera if person.camera else ""
    return peer


def _features(person: Participant) -> Document:
    return {"connection_type": "TURN", "media_transport": person.relay} if person.relay else {"media_transport": "udp"}


def _key(value: KeyValue) -> str | list[str] | int | bool | None:
    return list(value) if isinstance(value, tuple) else value


def _peer_values(person: Participant, tracks: Sequence[TrackTicks]) -> _Values | None:
    """Averages over the stay; None where there was no media to average."""
    if person.call_setup_seconds is None or not tracks:
        return None
    ticks = max(track.first + len(track.bits_per_second) for track in tracks) - min(track.first for track in tracks)
    media: dict[tuple[str, str], dict[str, int]] = {}
    for kind in ("audio", "video"):
        for direction in ("send", "recv"):
            chosen = [track for track in tracks if track.kind == kind and track.direction == direction]
            if chosen:
                media[kind, direction] = _directed(chosen, ticks)
    whole = _opinions(media)
    whole["call_setup_time"] = round(person.call_setup_seconds * 1000)
    if person.rating is not None:
        whole["user"] = 10 * person.rating
    return _Values(whole, media)


def _directed(tracks: Sequence[TrackTicks], ticks: int) -> dict[str, int]:
    """One direction of one kind: bit rates of all tracks together, the rest as the mean of the tracks."""
    playing = [
        (loss, jitter)
        for track in tracks
        for rate, loss, jitter in zip(track.bits_per_second, track.loss_ratio, track.jitter_seconds, strict=True)
        if rate
    ]
    bits = sum(sum(track.bits_per_second) for track in tracks) * TICK
    values = {
        "bitrate": _half_up(bits / (ticks * TICK) / 1000),
        "packet_loss": _half_up(1000 * _mean(loss for loss, _ in playing)),
        "jitter": _half_up(1000 * _mean(jitter for _, jitter in playing)),
    }
    trips = [trip for track in tracks for trip in track.round_trip_time_seconds]
    return values | {"rtt": _half_up(1000 * _mean(trips))} if trips else values


def _opinions(media: dict[tuple[str, str], dict[str, int]]) -> dict[str, int]:
    """Adds MOS and score to the directions that have them, and gives the peer's own.

    The MOS is that of the audio, with the packet-loss robustness of ITU-T G.107 (3.5) and the delay impairment of
    Cole and Rosenbluth; the score starts at 10 and loses for loss, jitter, delay and missing bit rate.
    """
    trip = max((values["rtt"] for values in media.values() if "rtt" in values), default=0)
    for (kind, _), values in media.items():
        loss = values["packet_loss"] / 10
        if kind == "audio":
            delay = trip / 2 + 2 * values["jitter"] + 10
            rating = 93.2 - 0.024 * delay - 0.11 * max(0.0, delay - 177.3) - 95 * loss / (loss + 10)
            values["mos"] = _half_up(100 * _mos(max(0.0, rating)))
        wanted = 40 if kind == "audio" else 1500
        lacking = max(0.0, 1 - values["bitrate"] / wanted)
        score = 10 - 0.6 * loss - max(0, values["jitter"] - 20) / 20 - max(0, trip - 150) / 150 - 2 * lacking
        values["score"] = _half_up(10 * max(0.0, score))
    audio = [values["mos"] for (kind, _), values in media.items() if kind == "audio"]
    whole = {"mos": _half_up(_mean(audio))} if audio else {}
    for (kind, _), values in media.items():
        if kind == "video":
            values.update(whole)
    whole["score"] = _half_up(_mean(values["score"] for values in media.values()))
    for (kind, _), values in media.items():
        if kind == "video":
            del values["score"]
    return whole


def _mos(rating: float) -> float:
    """ITU-T G.107 annex B: from the transmission rating R to the mean opinion score."""
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


def _room_values(peers: Sequence[_Values]) -> _Values:
    """A room's values are the means of its peers'; it has no MOS or score of a direction."""
    whole = _means([values.whole for values in peers])
    media = {}
    for place in (("audio", "send"), ("audio", "recv"), ("video", "send"), ("video", "recv")):
        means = _means([values.media[place] for values in peers if place in values.media])
        if means:
            media[place] = {name: value for name, value in means.items() if name not in {"mos", "score"}}
    return _Values(whole, media)


def _means(many: Sequence[dict[str, int]]) -> dict[str, int]:
    present = {name: [values[name] for values in many if name in values] for name in _PLACES}
    return {name: _half_up(_mean(column)) for name, column in present.items() if column}


def _stats(values: _Values) -> Document:
    """Writes values as the vendor does: each kind with its directions, and the rounded means of the two beside them."""
    stats = _written(values.whole)
    for kind in ("audio", "video"):
        directed = {
            direction: values.media[kind, direction]
            for direction in ("send", "recv")
            if (kind, direction) in values.media
        }
        if directed:
            undirected = {name: _half_up(_mean(d[name] for d in directed.values())) for name in _UNDIRECTED}
            stats[kind] = {direction: _written(each) for direction, each in directed.items()} | _written(undirected)
    return stats


def _written(values: dict[str, int]) -> Document:
    """Whole numbers without a point, as JavaScript writes them."""
    written: Document = {}
    for name, places in _PLACES.items():
        if name in values:
            value = values[name] / 10**places
            written[name] = int(value) if value.is_integer() else value
    return written


def _mean(values: Iterable[float]) -> float:
    column = list(values)
    return sum(column) / len(column) if column else 0.0


def _half_up(value: float) -> int:
    return floor(value + 0.5)
