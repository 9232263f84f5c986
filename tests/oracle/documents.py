"""Reads both vendors' raw documents into peers and sessions, as the contract and the vendors' pages tell them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.oracle.numbers import Json, Rejections, read_list, read_number, read_object, read_text, read_time
from tests.oracle.streams import Stream, read_track

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: Labels of `webrtc_peer_info`.
_ATTRIBUTES = (
    "os",
    "os_version",
    "browser",
    "browser_version",
    "sdk_version",
    "audio_device",
    "video_device",
)


@dataclass
class Versions:
    """Statistics that the vendor had less of before: what it gave in turn, the first first."""

    documents: list[Json]


@dataclass
class Peer:
    """One stay of a peer."""

    peer_id: str
    start: Fraction | None = None
    end: Fraction | None = None
    duration: Fraction | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)
    #: Values of the vendor that are not a stream's: mos, media_score, user_rating, call_setup.
    values: dict[str, Fraction] = field(default_factory=dict)
    #: Whether it is told as time series or as a summary.
    time_series: bool = False
    #: The same stay as it was told before it grew, the first first.
    earlier: list[Peer] = field(default_factory=list)


@dataclass
class Session:
    """One meeting, with every stay in it."""

    source: str
    room_id: str
    session_id: str
    start: Fraction | None = None
    end: Fraction | None = None
    duration: Fraction | None = None
    room_name: str = ""
    template: str = ""
    url: str = ""
    peer_count: Fraction | None = None
    peers: list[Peer] = field(default_factory=list)
    #: The vendor's own streams and values of the room; no streams at all where they are to be computed.
    streams: list[Stream] | None = None
    values: dict[str, Fraction] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Counter)


def _difference(start: Fraction | None, end: Fraction | None) -> Fraction | None:
    return None if start is None or end is None or end < start else end - start


def _borrow_times(session: Session) -> None:
    """What the vendor does not tell of a session is from its first join to its last leave."""
    if session.start is None:
        session.start = min((peer.start for peer in session.peers if peer.start is not None), default=None)
    if session.end is None:
        session.end = max((peer.end for peer in session.peers if peer.end is not None), default=None)
    if session.duration is None:
        session.duration = _difference(session.start, session.end)


# ---------------------------------------------------------------------------------------------------------- 100ms


def read_hundredms(
    source: str,
    rows: Sequence[Json],
    documents: Mapping[tuple[str, str], Json],
    exclude_roles: Collection[str],
    rooms: Mapping[str, tuple[str, str]],
) -> list[Session]:
    """The finished sessions of one 100ms source.

    Peers that only a document tells of (a fixed list of sessions) are taken too, and so are their sessions.
    """
    sessions: dict[str, Session] = {}
    for row in rows:
        if isinstance(row, dict) and row.get("id") and not row.get("active") and row["id"] not in sessions:
            sessions[row["id"]] = _hundredms_session(source, row, documents, exclude_roles)
    excluded = {
        (row["id"], peer_id)
        for row in rows
        for peer_id, entry in _listed_peers(row)
        if entry.get("role") in exclude_roles
    }
    told: defaultdict[str, set[str]] = defaultdict(set)
    for session in sessions.values():
        told[session.session_id] = {peer.peer_id for peer in session.peers}
    for (session_id, peer_id), document in documents.items():
        if document is None or (session_id, peer_id) in excluded:
            continue
        room_id = "" if isinstance(document, Versions) else document.get("room_id") or ""
        session = sessions.setdefault(session_id, Session(source, room_id, session_id))
        if peer_id not in told[session_id]:
            session.peers.append(_hundredms_peer(peer_id, {}, document, session.rejections))
    for session in sessions.values():
        session.room_name, session.template = rooms.get(session.room_id, ("", ""))
        session.peer_count = Fraction(len({peer.peer_id for peer in session.peers}))
        _borrow_times(session)
    return [session for session in sessions.values() if session.peers]


def _listed_peers(row: Json) -> list[tuple[str, dict[str, Json]]]:
    """The row's peers, which the vendor describes as a map and as an array."""
    listed = row.get("peers") if isinstance(row, dict) else None
    if isinstance(listed, dict):
        return list(listed.items())
    return [(entry["id"], entry) for entry in listed or ()]


def _hundredms_session(
    source: str, row: dict[str, Json], documents: Mapping[tuple[str, str], Json], exclude_roles: Collection[str]
) -> Session:
    session = Session(source, row.get("room_id") or "", row["id"])
    session.start, session.end = read_time(row.get("created_at")), read_time(row.get("updated_at"))
    for peer_id, entry in _listed_peers(row):
        if entry.get("role") not in exclude_roles:
            document = documents.get((session.session_id, peer_id))
            session.peers.append(_hundredms_peer(peer_id, entry, document, session.rejections))
    return session


def _hundredms_peer(peer_id: str, entry: dict[str, Json], document: Json, rejections: Rejections) -> Peer:
    if not isinstance(document, Versions):
        return _told_peer(peer_id, entry, document, rejections)
    versions: list[Peer] = []
    left_out: Rejections = Counter()
    for each in document.documents:
        own: Rejections = Counter()
        peer = _told_peer(peer_id, entry, each, own)
        if _samples(peer) > (_samples(versions[-1]) if versions else 0):
            versions.append(peer)
            # What is left out of the first version is left out of the second one, too, and counts once.
            left_out |= own
    rejections.update(left_out)
    *earlier, last = versions or [_told_peer(peer_id, entry, None, rejections)]
    last.earlier = earlier
    return last


def _samples(peer: Peer) -> int:
    return sum(len(track) for stream in peer.streams for track in stream.tracks)


def _told_peer(peer_id: str, entry: dict[str, Json], document: Json, rejections: Rejections) -> Peer:
    peer = Peer(peer_id, attributes={"role": read_text(entry.get("role"))}, time_series=True)
    peer.streams = read_peer_stats(document, rejections)
    windows = [window for stream in peer.streams for track in stream.tracks for window in track]
    peer.start, peer.end = read_time(entry.get("joined_at")), read_time(entry.get("left_at"))
    if peer.start is None:
        peer.start = min((window["end"] - window["seconds"] for window in windows), default=None)
    if peer.end is None:
        peer.end = max((window["end"] for window in windows), default=None)
    peer.duration = _difference(peer.start, peer.end)
    return peer


def read_peer_stats(document: Json, rejections: Rejections) -> list[Stream]:
    """The streams of one peer-stats document; a track without any window is none."""
    streams: dict[tuple[str, str, str, str], Stream] = {}
    whole = read_object(document, rejections)
    for branch, direction in (("publisher", "send"), ("subscriber", "recv")):
        side = read_object(whole.get(branch), rejections)
        for kind in ("video", "audio"):
            for raw in read_list(side.get(kind), rejections):
                windows = read_track(raw, rejections)
                if not windows:
                    continue
                key = (direction, kind, _track_type(raw.get("type")), read_text(raw.get("rid")))
                streams.setdefault(key, Stream(*key)).tracks.append(windows)
    return list(streams.values())


def _track_type(raw: Json) -> str:
    if raw is None or raw == "":
        return ""
    return raw if raw in ("regular", "screen") else "other"


# ------------------------------------------------------------------------------------------------------- watchRTC


def read_watchrtc(source: str, rooms: Sequence[Json], keys: Sequence[str]) -> list[Session]:
    """The sessions of one watchRTC source; a room that is delivered twice counts once, as it came first."""
    sessions: dict[tuple[str, str], Session] = {}
    for room in rooms:
        session = _watchrtc_session(source, room, keys)
        if session is not None:
            sessions.setdefault((session.room_id, session.session_id), session)
    return list(sessions.values())


def _watchrtc_session(source: str, room: Json, keys: Sequence[str]) -> Session | None:
    if not isinstance(room, dict) or not room.get("room_id"):
        return None
    url, raw_start = room.get("room_url") or "", room.get("start_time") or ""
    session_id = _last_part(url) or raw_start
    if not session_id:
        return None
    session = Session(source, room["room_id"], session_id, url=url)
    rejections = session.rejections
    session.start, session.end, session.duration = _stay(room, rejections)
    session.peer_count = read_number(room.get("users"), rejections, 0)
    stats = read_object(room.get("stats"), rejections)
    streams, session.values = _summaries(stats, rejections), _values(stats, rejections)
    # A room of which the vendor tells nothing is computed; one of which it tells anything is the vendor's alone.
    session.streams = streams if streams or session.values else None
    for raw in read_list(room.get("peers"), rejections):
        if isinstance(raw, dict) and isinstance(raw.get("peer_id"), str) and raw["peer_id"]:
            session.peers.append(_watchrtc_peer(raw, keys, rejections))
        else:
            rejections["wrong_type"] += raw is not None
    _borrow_times(session)
    if session.peer_count is None:
        session.peer_count = Fraction(len({peer.peer_id for peer in session.peers}))
    return session


def _last_part(url: str) -> str:
    address = url.partition("#")[0].partition("?")[0]
    host_and_path = address.partition("://")[2] if "://" in address else address
    return host_and_path.partition("/")[2].rstrip("/").rpartition("/")[2]


def _stay(raw: dict[str, Json], rejections: Rejections) -> tuple[Fraction | None, Fraction | None, Fraction | None]:
    start, end = read_time(raw.get("start_time")), read_time(raw.get("end_time"))
    duration = read_number(raw.get("duration"), rejections, 0)
    if end is None and start is not None and duration is not None:
        end = start + duration
    return start, end, _difference(start, end) if duration is None else duration


def _watchrtc_peer(raw: dict[str, Json], keys: Sequence[str], rejections: Rejections) -> Peer:
    peer = Peer(raw["peer_id"])
    peer.start, peer.end, peer.duration = _stay(raw, rejections)
    peer.attributes = {name: read_text(raw.get(name)) for name in _ATTRIBUTES}
    for part, names in (
        ("location", ("country", "city", "organization")),
        ("features", ("connection_type", "media_transport")),
    ):
        inner = raw.get(part)
        peer.attributes |= {name: read_text(inner.get(name)) if isinstance(inner, dict) else "" for name in names}
    given = raw.get("keys")
    for name in keys:
        label = "key_" + "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
        peer.attributes[label] = read_text(given.get(name)) if isinstance(given, dict) else ""
    stats = read_object(raw.get("stats"), rejections)
    peer.streams, peer.values = _summaries(stats, rejections), _values(stats, rejections)
    return peer


def _values(stats: dict[str, Json], rejections: Rejections) -> dict[str, Fraction]:
    setup = read_number(stats.get("call_setup_time"), rejections, 0)
    found = {
        "mos": read_number(stats.get("mos"), rejections, 1, 5),
        "media_score": read_number(stats.get("score"), rejections, 0, 10),
        "user_rating": read_number(stats.get("user"), rejections, 1, 5),
        "call_setup": None if setup is None else setup / 1000,
    }
    return {name: value for name, value in found.items() if value is not None}


def _summaries(stats: dict[str, Json], rejections: Rejections) -> list[Stream]:
    """The directed parts alone: the others are their mean. A part without any value is no stream."""
    streams = []
    for kind in ("audio", "video"):
        of_kind = read_object(stats.get(kind), rejections)
        for direction in ("send", "recv"):
            raw = read_object(of_kind.get(direction), rejections)
            values = {}
            for theirs, ours, factor, low, high in (
                ("bitrate", "throughput", Fraction(125), 0, None),
                ("packet_loss", "packet_loss", Fraction(1, 100), 0, 100),
                ("jitter", "jitter", Fraction(1, 1000), 0, None),
                ("rtt", "round_trip_time", Fraction(1, 1000), 0, None),
                ("mos", "mos", Fraction(1), 1, 5),
                ("score", "media_score", Fraction(1), 0, 10),
            ):
                value = read_number(raw.get(theirs), rejections, low, high)
                if value is not None:
                    values[ours] = value * factor
            if values:
                streams.append(Stream(direction, kind, values=values))
    return streams
