"""The vendor-neutral values that every part of the exporter speaks: reports, sessions, peers, streams and windows.

All values are in base units: seconds, bytes, ratios from 0 to 1, Unix seconds. What a vendor did not measure is `None`,
never 0 and never NaN. Direction is seen from the peer. The words are those of W3C webrtc-stats.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Direction: TypeAlias = Literal["send", "recv"]
Kind: TypeAlias = Literal["audio", "video"]
TrackType: TypeAlias = Literal["regular", "screen", "other", ""]

#: What tells who a person is: read, kept and shown only where the configuration asks for it.
PersonalLabel: TypeAlias = Literal["user_id", "user_name"]

#: Why one value among good ones was left out of a report.
SampleRejection: TypeAlias = Literal[
    "duplicate_timestamp",  # a second sample of a track at the same time
    "length_mismatch",  # a metric whose array is not as long as the timestamps
    "not_a_number",  # text, a list, a boolean where a number belongs
    "out_of_range",  # a loss of 130 %, a MOS of 0, a negative jitter
    "wrong_type",  # a track, a series, a peer that is not what the format says
]

#: Why a whole document (a file, a room in it, a response) could not become a report.
ReportRejection: TypeAlias = Literal[
    "malformed",  # not JSON, cut off, broken gzip, not UTF-8
    "missing_identity",  # nothing tells which session or peer it is about
    "no_data",  # sent without any sample, while there may still come some
    "too_large",  # past the limit that keeps memory bounded
    "too_old",  # about a session so long ago that nobody knows any more whether it was counted
    "wrong_type",  # JSON, but not what the format says
]


class Window(Struct, frozen=True, kw_only=True, gc=False):
    """One step of a track's time series: the time between a sample and the one before it."""

    #: Unix seconds of the sample, which stands at the end of its window.
    end: float
    #: Length of the window.
    seconds: float
    throughput_bytes_per_second: float | None = None
    packet_loss_ratio: float | None = None
    jitter_seconds: float | None = None
    round_trip_time_seconds: float | None = None
    frames_per_second: float | None = None
    #: Video freezes that began in the window.
    freezes: float | None = None
    #: Audio samples (48 000 a second) that the receiver made up in the window.
    concealed_samples: float | None = None


class Track(Struct, frozen=True, kw_only=True):
    """One audio or video track of a peer, as a time series ordered by time, without duplicates."""

    track_id: str
    windows: tuple[Window, ...]


class Summary(Struct, frozen=True, kw_only=True, gc=False):
    """What a vendor that gives no time series says of a stream: the means over the peer's stay."""

    throughput_bytes_per_second: float | None = None
    packet_loss_ratio: float | None = None
    jitter_seconds: float | None = None
    round_trip_time_seconds: float | None = None
    frames_per_second: float | None = None
    #: Mean opinion score, 1 to 5.
    mos: float | None = None
    #: The vendor's own score of the media, 0 to 10.
    media_score: float | None = None


class Stream(Struct, frozen=True, kw_only=True):
    """All tracks of a peer that share direction, kind, track type and rid: what a series stands for.

    It has tracks, where the vendor gives time series, or else a summary.
    """

    direction: Direction
    kind: Kind
    #: Empty where the vendor does not say.
    track_type: TrackType = ""
    #: The simulcast layer as the vendor spells it; empty where there is none.
    rid: str = ""
    tracks: tuple[Track, ...] = ()
    summary: Summary | None = None


class Attributes(Struct, frozen=True, kw_only=True):
    """Who and where a peer was; empty where the vendor does not say."""

    os: str = ""
    os_version: str = ""
    browser: str = ""
    browser_version: str = ""
    country: str = ""
    city: str = ""
    organization: str = ""
    sdk_version: str = ""
    connection_type: str = ""
    media_transport: str = ""
    audio_device: str = ""
    video_device: str = ""
    role: str = ""
    #: Who it was, as the application says: only where the configuration asks for it, as is the name.
    user_id: str = ""
    user_name: str = ""
    #: The application's own allow-listed keys, as pairs of name and value, ordered by name.
    keys: tuple[tuple[str, str], ...] = ()


class Peer(Struct, frozen=True, kw_only=True):
    """One participant's stay in a session."""

    peer_id: str
    #: Tells two stays of one peer in one session apart; empty where the vendor makes a new peer id for each.
    stay: str = ""
    start: float | None = None
    end: float | None = None
    duration_seconds: float | None = None
    attributes: Attributes = Attributes()
    streams: tuple[Stream, ...] = ()
    mos: float | None = None
    media_score: float | None = None
    #: What the person gave when asked, 1 to 5.
    user_rating: float | None = None
    call_setup_seconds: float | None = None


class SessionSummary(Struct, frozen=True, kw_only=True):
    """The vendor's own values for a whole session; where a vendor gives none, they are computed from the peers."""

    streams: tuple[Stream, ...] = ()
    mos: float | None = None
    media_score: float | None = None
    user_rating: float | None = None
    call_setup_seconds: float | None = None


class SessionKey(Struct, frozen=True, order=True):
    """What tells one session from every other. A session id alone may recur in another room (watchRTC)."""

    source: str
    room_id: str
    session_id: str


class Session(Struct, frozen=True, kw_only=True):
    """One meeting in a room, from the first join to the last leave."""

    key: SessionKey
    start: float | None = None
    end: float | None = None
    duration_seconds: float | None = None
    #: How many peers took part, excluded roles left out. None: those that are reported.
    peers: int | None = None
    room_name: str = ""
    #: What the room was made from.
    template: str = ""
    url: str = ""
    summary: SessionSummary | None = None


class Report(Struct, frozen=True, kw_only=True):
    """What a source hands over, once, about a session: all of its peers (watchRTC) or one of them (100ms).

    A peer without streams is one that never connected, or whose statistics never came: it counts, as unclassified.
    """

    session: Session
    peers: tuple[Peer, ...] = ()
    #: How many values were left out, by reason, ordered by reason.
    rejected_samples: tuple[tuple[SampleRejection, int], ...] = ()
