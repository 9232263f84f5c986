"""One room of a watchRTC data stream becomes a report. No I/O here, and no look at the clock.

The fields are those of the vendor's page "Data Streams in watchRTC". Loss, jitter and bit rate without a direction are
the plain means of send and recv, and are not read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, get_args

import msgspec

from exporter.model import (
    Attributes,
    Direction,
    Kind,
    Peer,
    Report,
    Session,
    SessionKey,
    SessionSummary,
    Stream,
    Summary,
)
from exporter.sources.base import RejectedDocument, digest
from exporter.sources.text import label_text
from exporter.sources.watchrtc.fields import (
    KILOBITS_PER_SECOND,
    MEDIA_SCORE,
    MILLISECONDS,
    MOS,
    PARTICIPANTS,
    PERCENT,
    SECONDS,
    USER_RATING,
    Measure,
    Rejections,
    plain_text,
    read_block,
    read_count,
    read_item,
    read_moment,
    read_number,
    read_text,
)
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model import ReportRejection

_KINDS: tuple[Kind, ...] = get_args(Kind)
_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

#: The vendor's field, ours, and the values it may have.
_STREAM_FIELDS: tuple[tuple[str, str, Measure], ...] = (
    ("bitrate", "throughput_bytes_per_second", KILOBITS_PER_SECOND),
    ("packet_loss", "packet_loss_ratio", PERCENT),
    ("jitter", "jitter_seconds", MILLISECONDS),
    ("rtt", "round_trip_time_seconds", MILLISECONDS),
    ("mos", "mos", MOS),
    ("score", "media_score", MEDIA_SCORE),
)

#: Longer integers are no measurement, and Python refuses to read very long ones.
_LONGEST_INTEGER = 400
_AFTER_PATH = re.compile(r"[?#].*", re.DOTALL)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


def parse_room(raw: bytes, *, source: str, keys_as_labels: Sequence[str], place: str) -> Report | RejectedDocument:
    """Reads one room with all of its peers.

    Args:
        raw: the room's JSON, or anything else. NaN, Infinity, lone surrogates and numbers past every range are read.
        source: the configured name of the source.
        keys_as_labels: the names of the application's keys that are kept.
        place: where the room stands, for the message of a rejection.
    """
    try:
        room = _decode(raw)
    except RecursionError:
        return _rejected("malformed", raw, place, "nested too deeply")
    except ValueError as error:
        return _rejected("malformed", raw, place, f"no valid JSON: {error}")
    if not isinstance(room, dict):
        return _rejected("wrong_type", raw, place, f"expected a room object, got {_json_type(room)}")
    room_id = plain_text(room.get("room_id"))
    if not room_id:
        problem = f"expected a `room_id` that is a text and not empty, got {_json_type(room.get('room_id'))}"
        return _rejected("missing_identity", raw, place, problem)
    session_id = _session_id(room)
    if not session_id:
        return _rejected("missing_identity", raw, place, "expected a `room_url` or a `start_time`, got neither")
    return _report(room, SessionKey(source, room_id, session_id), sorted(set(keys_as_labels)))


def _rejected(reason: ReportRejection, raw: bytes, place: str, problem: str) -> RejectedDocument:
    return RejectedDocument(reason=reason, digest=digest(raw), message=told(quote(place), f": {problem}"))


def _decode(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Slower, but it reads what msgspec is right to refuse and Python's own encoder and others write.
        return json.loads(raw.decode(), parse_int=_integer, parse_constant=_missing)


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _missing(_: str) -> None:
    """NaN and Infinity mean that nothing was measured."""


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number")


def _session_id(room: dict[str, object]) -> str:
    """The opaque last part of the room's URL, which names one meeting; else when it started, as given."""
    path = _AFTER_PATH.sub("", plain_text(room.get("room_url")) or "").strip()
    if origin := _ORIGIN.match(path):
        path = path[origin.end() :]
    return path.rstrip("/").rpartition("/")[2] or (plain_text(room.get("start_time")) or "").strip()


def _report(room: dict[str, object], key: SessionKey, keys: Sequence[str]) -> Report:
    rejections = Rejections()
    start, end, duration = _times(room, rejections)
    session = Session(
        key=key,
        start=start,
        end=end,
        duration_seconds=duration,
        peers=read_count(room.get("users"), PARTICIPANTS, rejections),
        url=read_text(room.get("room_url"), rejections),
        summary=_summary(read_block(room.get("stats"), rejections), rejections),
    )
    peers = _peers(room.get("peers"), keys, rejections)
    return Report(session=session, peers=peers, rejected_samples=rejections.counts())


def _times(block: dict[str, object], rejections: Rejections) -> tuple[float | None, float | None, float | None]:
    """Start, end and duration, of which the vendor gives two for a peer and three for a room."""
    start = read_moment(block.get("start_time"), rejections)
    end = read_moment(block.get("end_time"), rejections)
    duration = read_number(block.get("duration"), SECONDS, rejections)
    if end is None and start is not None and duration is not None:
        end = start + duration
    elif duration is None and start is not None and end is not None:
        duration = read_number(end - start, SECONDS, rejections)
    return start, end, duration


def _summary(stats: dict[str, object], rejections: Rejections) -> SessionSummary | None:
    summary = SessionSummary(
        streams=_streams(stats, rejections),
        mos=read_number(stats.get("mos"), MOS, rejections),
        media_score=read_number(stats.get("score"), MEDIA_SCORE, rejections),
        user_rating=read_number(stats.get("user"), USER_RATING, rejections),
        call_setup_seconds=read_number(stats.get("call_setup_time"), MILLISECONDS, rejections),
    )
    return None if summary == SessionSummary() else summary


def _streams(stats: dict[str, object], rejections: Rejections) -> tuple[Stream, ...]:
    streams = []
    for kind in _KINDS:
        media = read_block(stats.get(kind), rejections)
        for direction in _DIRECTIONS:
            block = read_block(media.get(direction), rejections)
            values = {
                ours: number
                for theirs, ours, measure in _STREAM_FIELDS
                if (number := read_number(block.get(theirs), measure, rejections)) is not None
            }
            if values:
                streams.append(Stream(direction=direction, kind=kind, summary=Summary(**values)))
    return tuple(streams)


def _peers(value: object, keys: Sequence[str], rejections: Rejections) -> tuple[Peer, ...]:
    if not isinstance(value, list):
        if value is not None:
            rejections.add("wrong_type")
        return ()
    peers = []
    stays: dict[tuple[str, str], int] = {}
    for item in value:
        if item is None:
            continue
        block = item if isinstance(item, dict) else {}
        peer_id = plain_text(block.get("peer_id"))
        if not peer_id:
            rejections.add("wrong_type")
            continue
        stay = _distinct_stay(peer_id, plain_text(block.get("start_time")) or "", stays)
        peers.append(_peer(block, peer_id, stay, keys, rejections))
    return tuple(peers)


def _distinct_stay(peer_id: str, stay: str, stays: dict[tuple[str, str], int]) -> str:
    """The vendor merges a peer that comes back; should it not, two stays must not look like one that is repeated."""
    number = stays.get((peer_id, stay), 0) + 1
    distinct = stay
    while number > 1 and (peer_id, distinct := f"{stay}#{number}") in stays:
        number += 1
    stays[peer_id, stay] = number
    stays.setdefault((peer_id, distinct), 1)
    return distinct


def _peer(block: dict[str, object], peer_id: str, stay: str, keys: Sequence[str], rejections: Rejections) -> Peer:
    start, end, duration = _times(block, rejections)
    stats = read_block(block.get("stats"), rejections)
    return Peer(
        peer_id=peer_id,
        stay=stay,
        start=start,
        end=end,
        duration_seconds=duration,
        attributes=_attributes(block, keys, rejections),
        streams=_streams(stats, rejections),
        mos=read_number(stats.get("mos"), MOS, rejections),
        media_score=read_number(stats.get("score"), MEDIA_SCORE, rejections),
        user_rating=read_number(stats.get("user"), USER_RATING, rejections),
        call_setup_seconds=read_number(stats.get("call_setup_time"), MILLISECONDS, rejections),
    )


def _attributes(block: dict[str, object], keys: Sequence[str], rejections: Rejections) -> Attributes:
    location = read_block(block.get("location"), rejections)
    features = read_block(block.get("features"), rejections)
    return Attributes(
        os=read_text(block.get("os"), rejections),
        os_version=read_text(block.get("os_version"), rejections),
        browser=read_text(block.get("browser"), rejections),
        browser_version=read_text(block.get("browser_version"), rejections),
        country=read_text(location.get("country"), rejections),
        city=read_text(location.get("city"), rejections),
        organization=read_text(location.get("organization"), rejections),
        sdk_version=read_text(block.get("sdk_version"), rejections),
        connection_type=read_text(features.get("connection_type"), rejections),
        media_transport=read_text(features.get("media_transport"), rejections),
        audio_device=read_text(block.get("audio_device"), rejections),
        video_device=read_text(block.get("video_device"), rejections),
        keys=_keys(read_block(block.get("keys"), rejections), keys, rejections),
    )


def _keys(given: dict[str, object], keys: Sequence[str], rejections: Rejections) -> tuple[tuple[str, str], ...]:
    """The kept keys. The vendor's SDK wraps each text into a list of one, and takes whatever else it is given."""
    kept = []
    for name in keys:
        value = given.get(name)
        values = value if isinstance(value, list) else [value]
        texts = [text for each in values if each is not None and (text := read_item(each, rejections)) is not None]
        if texts:
            kept.append((name, label_text(",".join(texts))))
    return tuple(kept)
