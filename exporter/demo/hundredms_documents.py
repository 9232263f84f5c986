"""Simulated meetings as 100ms documents: sessions, rooms, and answers of `GET /v2/analytics/peer-stats`.

The forms are those of the vendor's documentation; the habits are those of its web client: windows of about 30 s for
what is sent and 10 s for what is received, cut for all tracks at once when one of them stops or goes on, and stamped by
a clock that is not quite right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec import Struct

from exporter.demo.identities import object_id, rfc3339, uuid
from exporter.demo.scenarios import RECORDER_ROLE
from exporter.demo.truth import TICK, dice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from exporter.demo.truth import Meeting, Recording, TrackTicks

#: A JSON object.
Document: TypeAlias = dict[str, Any]

SENT_WINDOW_TICKS: Final = 6
RECEIVED_WINDOW_TICKS: Final = 2
#: A window that a browser stretched because the tab was in the background.
_STRETCHED_BY_TICKS: Final = 2

#: When the rooms, their template and the account are said to have been made: 2023-09-01.
_FOUNDED: Final = 1_693_526_400.0
_UNSET_TIME: Final = "0001-01-01T00:00:00Z"


Quirk: TypeAlias = Literal[
    "old_client",  # it does not know the bit rate of what it receives, and leaves out what is zero
    "swapped_samples",  # two neighbouring samples are in the wrong order
    "repeated_timestamp",  # two samples carry the same time
    "missing_values",  # now and then it had no value
    "cut_array",  # a metric has a value less than there are timestamps
    "empty_metric",  # a metric was never measured
    "unknown_keys",  # it says more than the documentation tells
]

#: How many clients have each quirk.
_ODDS: Final[tuple[tuple[Quirk, float], ...]] = (
    ("old_client", 0.15),
    ("swapped_samples", 0.08),
    ("repeated_timestamp", 0.08),
    ("missing_values", 0.08),
    ("cut_array", 0.06),
    ("empty_metric", 0.04),
    ("unknown_keys", 0.15),
)


class Habits(Struct, frozen=True, kw_only=True):
    """In what one client's statistics depart from the textbook."""

    #: The client's clock against the truth; never ahead, so that nothing lies in the future.
    skew_milliseconds: int = 0
    #: Each timestamp is late by up to so much.
    wobble_milliseconds: int = 0
    #: The share of windows that are longer.
    stretched: float = 0.0
    quirks: frozenset[Quirk] = frozenset()


#: The textbook.
TIDY: Final = Habits()


def draw_habits(rng: Random) -> Habits:
    """Draws one client's habits."""
    return Habits(
        skew_milliseconds=-rng.randint(60, 2000),
        wobble_milliseconds=45,
        stretched=0.03,
        quirks=frozenset(quirk for quirk, odds in _ODDS if rng.random() < odds),
    )


def room_id(name: str) -> str:
    """The id of a room, the same at each of its meetings."""
    return object_id(_FOUNDED, "room", name)


def session_id(meeting: Meeting) -> str:
    """The id of a meeting; it begins with the time of its start."""
    return object_id(meeting.start, "session", meeting.key)


def peer_id(meeting: Meeting, number: int) -> str:
    """The id of one participant of a meeting, by place: a new one at each join."""
    return uuid("peer", meeting.key, number)


def room_document(name: str) -> Document:
    """The answer of `GET /v2/rooms/{room_id}`."""
    return {
        "id": room_id(name),
        "name": name,
        "enabled": True,
        "description": "",
        "customer_id": object_id(_FOUNDED, "customer"),
        "app_id": object_id(_FOUNDED, "app"),
        "recording_source_template": False,
        "recording_info": {"enabled": False},
        "template_id": object_id(_FOUNDED, "template"),
        "template": "meetings",
        "region": "eu",
        "large_room": False,
        "max_duration_seconds": 43200,
        "created_at": rfc3339(_FOUNDED),
        "updated_at": _UNSET_TIME,
    }


def session_row(meeting: Meeting, now: float) -> Document:
    """One session of `GET /v2/sessions`, as it is `now` (Unix seconds), the meeting having begun by then."""
    moments = [meeting.start + at for person in meeting.participants for at in (person.joined, person.left)]
    return {
        "id": session_id(meeting),
        "room_id": room_id(meeting.room),
        "customer_id": object_id(_FOUNDED, "customer"),
        "app_id": object_id(_FOUNDED, "app"),
        "active": now < meeting.end,
        "peers": {
            peer_id(meeting, number): _session_peer(meeting, number, now)
            for number, person in enumerate(meeting.participants)
            if meeting.start + person.joined <= now
        },
        "created_at": rfc3339(meeting.start),
        "updated_at": rfc3339(max(at for at in moments if at <= now)),
    }


def _session_peer(meeting: Meeting, number: int, now: float) -> Document:
    person = meeting.participants[number]
    left = meeting.start + person.left
    rng = dice(person.noise, "session")
    row: Document = {
        "id": peer_id(meeting, number),
        "session_id": session_id(meeting),
        "name": person.name,
        "role": person.role,
        "user_id": f"crm-{rng.randint(100, 9999)}",
        # Nothing is heard of a peer that never connected, not even that it left.
        "joined_at": rfc3339(meeting.start + person.joined, rng.randrange(1_000_000) if person.joined else 0),
        "left_at": rfc3339(left) if left <= now and person.connected else None,
    }
    if person.role == RECORDER_ROLE or rng.random() < 0.2:  # noqa: PLR2004 - tokens without a user id are not rare
        del row["user_id"]
    return row


def peer_stats(recording: Recording, number: int, habits: Habits | None = None) -> Document:
    """The answer of `GET /v2/analytics/peer-stats` for one participant, by place.

    Args:
        recording: the meeting, played.
        number: the participant's place in the meeting.
        habits: in what the client departs from the textbook; drawn for this peer by default.
    """
    meeting = recording.meeting
    rng = dice(meeting.participants[number].noise, "peer-stats")
    drawn = draw_habits(rng)
    chosen = drawn if habits is None else habits
    writer = _Writer(recording, number, chosen, rng)
    document: Document = {
        "peer_id": peer_id(meeting, number),
        "session_id": session_id(meeting),
        "room_id": room_id(meeting.room),
        "publisher": writer.branch("send"),
        "subscriber": writer.branch("recv"),
    }
    _disturb(document, chosen, rng)
    return document


class _Writer:
    """Writes the tracks of one participant."""

    def __init__(self, recording: Recording, number: int, habits: Habits, rng: Random) -> None:
        self._meeting = recording.meeting
        self._tracks = recording.tracks[number]
        self._habits = habits
        self._rng = rng

    def branch(self, direction: str) -> Document:
        tracks = [track for track in self._tracks if track.direction == direction]
        ticks = SENT_WINDOW_TICKS if direction == "send" else RECEIVED_WINDOW_TICKS
        windows = _windows(tracks, ticks, self._habits.stretched, self._rng)
        clock = round(self._meeting.start * 1000) + self._habits.skew_milliseconds
        stamps = [
            clock + round(end * TICK * 1000) + self._rng.randint(0, self._habits.wobble_milliseconds)
            for _, end in windows
        ]
        written: dict[str, list[Document]] = {"video": [], "audio": []}
        for track in tracks:
            series = self._series(track, windows, stamps)
            # A client that leaves sends finished windows only: of a track without one, it sends nothing.
            if series["timestamps"]:
                written[track.kind].append(self._head(track) | {"time_series": series})
        # The best layer first, as in the vendor's example.
        written["video"].reverse()
        return written

    def _head(self, track: TrackTicks) -> Document:
        owner = peer_id(self._meeting, track.owner)
        head: Document = {"track_id": uuid("track", owner, track.source)}
        if track.kind == "video":
            head["type"] = "screen" if track.source == "screen" else "regular"
            if track.direction == "send":
                head["rid"] = track.rid or None
        return head

    def _series(self, track: TrackTicks, windows: Sequence[tuple[int, int]], stamps: Sequence[int]) -> Document:
        first, end = track.first, track.first + len(track.bits_per_second)
        parts = [
            (stamp, max(begin, first) - first, min(stop, end) - first)
            for (begin, stop), stamp in zip(windows, stamps, strict=True)
            if max(begin, first) < min(stop, end)
        ]

        def mean(column: Sequence[float], scale: float = 1.0, digits: int | None = None) -> list[float]:
            return [round(scale * sum(column[a:b]) / (b - a), digits) for _, a, b in parts]

        def total(column: Sequence[int]) -> list[int]:
            return [sum(column[a:b]) for _, a, b in parts]

        def known(values: Sequence[float], *, never: bool) -> list[float | None]:
            old = "old_client" in self._habits.quirks
            return [None if old and (never or not value) else value for value in values]

        series: Document = {"timestamps": [stamp for stamp, _, _ in parts]}
        rates = mean(track.bits_per_second)
        if track.direction == "send":
            series["bitrate"] = rates
            if track.kind == "video":
                series["fps"] = mean(track.frames_per_second)
            series["packet_loss_percent"] = mean(track.loss_ratio, 100.0, 2)
            series["rtt_ms"] = mean(track.round_trip_time_seconds, 1000.0)
            if track.kind == "audio":
                series["jitter_ms"] = mean(track.jitter_seconds, 1000.0, 1)
        else:
            series["bitrate"] = known(rates, never=True)
            if track.kind == "video":
                series["fps"] = known(mean(track.frames_per_second, 1.0, 1), never=False)
                series["freeze_count"] = total(track.freezes)
            else:
                series["concealed_samples"] = total(track.concealed_samples)
                series["packet_loss_percent"] = mean(track.loss_ratio, 100.0, 2)
        return series


def _windows(tracks: Sequence[TrackTicks], ticks: int, stretched: float, rng: Random) -> list[tuple[int, int]]:
    """Cuts the time of all tracks of one direction into windows, as pairs of first tick and tick after the last."""
    if not tracks:
        return []
    cuts = set[int]()
    for track in tracks:
        rates = track.bits_per_second
        cuts.update(track.first + n for n in range(1, len(rates)) if bool(rates[n]) != bool(rates[n - 1]))
    begin = min(track.first for track in tracks)
    stop = max(track.first + len(track.bits_per_second) for track in tracks)
    windows: list[tuple[int, int]] = []
    while True:
        end = begin + ticks + (_STRETCHED_BY_TICKS if rng.random() < stretched else 0)
        end = next((cut for cut in range(begin + 1, end) if cut in cuts), end)
        if end > stop:
            # The window that is not full when the client leaves is never sent.
            return windows
        windows.append((begin, end))
        begin = end


def _disturb(document: Document, habits: Habits, rng: Random) -> None:
    """Gives a document the irregularities of its client, each in one of its tracks."""
    tracks = [track for branch in ("publisher", "subscriber") for kind in document[branch].values() for track in kind]
    long_enough = [track["time_series"] for track in tracks if len(track["time_series"]["timestamps"]) > 3]  # noqa: PLR2004
    disturbances: tuple[tuple[Quirk, Callable[[Document, Random], None]], ...] = (
        ("swapped_samples", _swap_samples),
        ("repeated_timestamp", _repeat_timestamp),
        ("missing_values", _lose_values),
        ("cut_array", _cut_array),
        ("empty_metric", _empty_metric),
    )
    for quirk, disturb in disturbances:
        if quirk in habits.quirks and long_enough:
            disturb(rng.choice(long_enough), rng)
    if "unknown_keys" in habits.quirks:
        document["schema_version"] = 3
        for track in tracks:
            track["codec"] = "opus" if "type" not in track else "vp8"


def _swap_samples(series: Document, rng: Random) -> None:
    """Two neighbouring samples arrive in the wrong order."""
    place = rng.randrange(len(series["timestamps"]) - 1)
    for column in series.values():
        column[place], column[place + 1] = column[place + 1], column[place]


def _repeat_timestamp(series: Document, rng: Random) -> None:
    """Two samples carry the same time."""
    place = rng.randrange(len(series["timestamps"]))
    for name, column in series.items():
        column.insert(place + 1, column[place] if name == "timestamps" else column[place - 1])


def _lose_values(series: Document, rng: Random) -> None:
    """The client had no value now and then."""
    column = series[_last_metric(series)]
    for place in rng.sample(range(len(column)), 2):
        column[place] = None


def _cut_array(series: Document, rng: Random) -> None:
    """One metric has a value less than there are timestamps."""
    column = series[_last_metric(series)]
    del column[rng.randrange(len(column))]


def _empty_metric(series: Document, _rng: Random) -> None:
    """One metric was never measured."""
    series[_last_metric(series)] = []


def _last_metric(series: Document) -> str:
    return next(reversed(series))
