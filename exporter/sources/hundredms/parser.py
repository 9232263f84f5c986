"""Answers of `GET /v2/analytics/peer-stats` become reports. Pure: bytes in, values out.

Field names are those of https://www.100ms.live/docs/server-side/v2/api-reference/analytics/peer-quality-stats
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, structs

from exporter.model import (
    Attributes,
    Direction,
    Kind,
    Peer,
    Report,
    ReportRejection,
    Session,
    SessionKey,
    Stream,
    Track,
    TrackType,
)
from exporter.sources.base import RejectedDocument, digest
from exporter.sources.hundredms.document import MalformedError, clean_text, decode
from exporter.sources.hundredms.facts import PeerFacts, stay_seconds
from exporter.sources.hundredms.series import Rejections, read_windows
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Iterator

#: In the vendor's words and in ours.
_BRANCHES: tuple[tuple[str, Direction], ...] = (("publisher", "send"), ("subscriber", "recv"))
_KINDS: tuple[Kind, ...] = ("audio", "video")

_StreamKey: TypeAlias = tuple[Direction, Kind, TrackType, str]


class _Body(Struct, frozen=True):
    """A decoded answer, and whom it says it is about."""

    value: dict[str, Any]
    session_id: str
    peer_id: str
    room_id: str


def parse_peer_stats(raw: bytes, session: Session, peer: PeerFacts) -> Report | RejectedDocument:
    """Reads the answer to the question for one peer of one session.

    Args:
        raw: the body.
        session: the session that was asked for; its room is taken from the body where it is not known.
        peer: the peer that was asked for.

    Returns:
        A report of that one peer (without streams where no data is there yet), or why there is none: the body is no
        JSON object, or names another session or peer.
    """
    asked = (session.key.session_id, peer.peer_id)
    place = told("peer-stats of session ", quote(repr(asked[0])), ", peer ", quote(repr(asked[1])))
    body = _read_body(raw, place, asked)
    if isinstance(body, RejectedDocument):
        return body
    if not session.key.room_id:
        session = structs.replace(session, key=structs.replace(session.key, room_id=body.room_id))
    return _report(body.value, session, peer)


def parse_saved_peer_stats(raw: bytes, source: str, place: str) -> Report | RejectedDocument:
    """Reads an answer that was saved: it tells itself which room, session and peer it is about.

    Args:
        raw: the body.
        source: the name of the source that it counts for.
        place: where it comes from, for the message.
    """
    body = _read_body(raw, place, None)
    if isinstance(body, RejectedDocument):
        return body
    session = Session(key=SessionKey(source, body.room_id, body.session_id))
    return _report(body.value, session, PeerFacts(peer_id=body.peer_id))


def empty_report(session: Session, peer: PeerFacts) -> Report:
    """The report of a peer of whom no statistics came in all the time that was allowed."""
    return _report({}, session, peer)


def has_data(report: Report) -> bool:
    """Whether there is any sample. The vendor answers with empty arrays while it has not worked a session up yet."""
    return any(peer.streams for peer in report.peers)


def _read_body(raw: bytes, place: str, asked: tuple[str, str] | None) -> _Body | RejectedDocument:
    """Decodes an answer and settles its identity: what was asked for, which it may repeat, else what it says itself."""

    def refuse(reason: ReportRejection, message: str, got: str = "") -> RejectedDocument:
        return RejectedDocument(
            reason=reason,
            digest=digest(raw),
            message=told(quote(place), f": {message}", quote(got)),
            session_id=asked[0] if asked else "",
        )

    try:
        value = decode(raw)
    except MalformedError as error:
        return refuse("malformed", str(error))
    if not isinstance(value, dict):
        return refuse("wrong_type", f"expected an object, got {type(value).__name__}")
    session_id, peer_id, room_id = (clean_text(value.get(name)) for name in ("session_id", "peer_id", "room_id"))
    for name, got, expected in zip(("session_id", "peer_id"), (session_id, peer_id), asked or ("", ""), strict=True):
        if asked and got not in {"", expected}:
            return refuse("missing_identity", f"{name}: expected the one that was asked for, got ", repr(got[:80]))
        if not asked and not got:
            return refuse("missing_identity", f"{name}: expected a text that is not empty")
    if not asked and not room_id:
        # The same session in another room would be another session, and count again when it is polled.
        return refuse("missing_identity", "room_id: expected a text that is not empty")
    return _Body(value, session_id, peer_id, room_id)


def _report(body: dict[str, Any], session: Session, facts: PeerFacts) -> Report:
    rejected = Rejections()
    streams = _read_streams(body, rejected)
    tracks = [track.windows for stream in streams for track in stream.tracks]
    start, end = facts.joined, facts.left
    if start is None:
        start = min((windows[0].end - windows[0].seconds for windows in tracks), default=None)
    if end is None:
        end = max((windows[-1].end for windows in tracks), default=None)
    peer = Peer(
        peer_id=facts.peer_id,
        start=start,
        end=end,
        duration_seconds=stay_seconds(start, end),
        attributes=Attributes(role=facts.role, user_id=facts.user_id, user_name=facts.user_name),
        streams=streams,
    )
    return Report(session=session, peers=(peer,), rejected_samples=tuple(sorted(rejected.items())))


def _read_streams(body: dict[str, Any], rejected: Rejections) -> tuple[Stream, ...]:
    """Groups the tracks, in an order that does not depend on the vendor's, so that the same data is the same report."""
    tracks: dict[_StreamKey, list[Track]] = {}
    for branch, direction in _BRANCHES:
        sides = _object(body.get(branch), rejected)
        for kind in _KINDS:
            for raw in _objects(sides.get(kind), rejected):
                windows = read_windows(_object(raw.get("time_series"), rejected), rejected)
                if windows:
                    key = (direction, kind, _track_type(raw.get("type")), clean_text(raw.get("rid")))
                    tracks.setdefault(key, []).append(Track(track_id=clean_text(raw.get("track_id")), windows=windows))
    return tuple(
        Stream(
            direction=direction,
            kind=kind,
            track_type=track_type,
            rid=rid,
            tracks=tuple(sorted(tracks[direction, kind, track_type, rid], key=_track_order)),
        )
        for direction, kind, track_type, rid in sorted(tracks, key=_stream_order)
    )


def _stream_order(key: _StreamKey) -> tuple[bool, Kind, TrackType, str]:
    direction, kind, track_type, rid = key
    return direction != "send", kind, track_type, rid


def _track_order(track: Track) -> tuple[str, float]:
    return track.track_id, track.windows[0].end


def _track_type(raw: object) -> TrackType:
    match raw:
        case "regular" | "screen":
            return raw
        case str() if raw:
            return "other"
        case _:
            return ""


def _object(raw: object, rejected: Rejections) -> dict[str, Any]:
    if isinstance(raw, dict):
        return raw
    if raw is not None:
        rejected["wrong_type"] += 1
    return {}


def _objects(raw: object, rejected: Rejections) -> Iterator[dict[str, Any]]:
    if isinstance(raw, list):
        for each in raw:
            if each is not None:
                yield _object(each, rejected)
    elif raw is not None:
        rejected["wrong_type"] += 1
