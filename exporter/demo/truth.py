"""What happened in a simulated meeting, before any vendor has measured it: people, their links, their media.

Moments inside a meeting are seconds from its start, so that a meeting can be moved in time without touching its media.
Bit rates are bits per second, as both vendors give them; everything else is in base units.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal, TypeAlias

from msgspec import Struct

from exporter.model import Direction, Kind

#: A clock: Unix seconds at each call.
Clock: TypeAlias = Callable[[], float]
#: From and to, in seconds from the meeting's start.
Span: TypeAlias = tuple[float, float]
#: What an application hangs on a peer: one value, several, or none.
KeyValue: TypeAlias = str | tuple[str, ...] | int | bool | None
#: What carries the media of a relayed peer to the TURN server; empty where the peer is not relayed.
Relay: TypeAlias = Literal["", "udp", "tcp", "tls"]
Source: TypeAlias = Literal["microphone", "camera", "screen"]

#: The step of the simulation in seconds. Vendors' windows are several steps.
TICK = 5.0


def dice(*parts: object) -> Random:
    """Random numbers that depend on nothing but `parts`: not on the process, the machine or the order of calls."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - a simulation, no secret


class Link(Struct, frozen=True, kw_only=True):
    """One direction of a peer's network: what it can carry and what it does to packets, in the mean."""

    capacity_bits_per_second: float
    loss_ratio: float
    jitter_seconds: float
    #: One way.
    delay_seconds: float


class Episode(Struct, frozen=True, kw_only=True):
    """A time in which a peer's links are others than usual; None leaves that direction as it is."""

    span: Span
    uplink: Link | None = None
    downlink: Link | None = None


class Device(Struct, frozen=True, kw_only=True):
    """What somebody takes part with."""

    os: str
    os_version: str
    browser: str
    browser_version: str
    microphone: str
    camera: str


class Place(Struct, frozen=True, kw_only=True):
    """Where somebody is and who carries their packets."""

    city: str
    country: str
    organization: str


class Participant(Struct, frozen=True, kw_only=True):
    """One person's stay in a meeting."""

    name: str
    role: str
    joined: float
    left: float
    device: Device
    place: Place
    uplink: Link
    downlink: Link
    episodes: tuple[Episode, ...] = ()
    relay: Relay = ""
    #: From the first offer to connected media. None: it never connected, so there is no media at all.
    call_setup_seconds: float | None
    #: What the person gave when asked, 1 to 5.
    rating: int | None = None
    keys: tuple[tuple[str, KeyValue], ...] = ()
    microphone: bool = True
    camera: bool = True
    #: Several video layers of different quality are sent, of which each receiver gets one.
    simulcast: bool = True
    screen: tuple[Span, ...] = ()
    muted: tuple[Span, ...] = ()
    camera_off: tuple[Span, ...] = ()
    #: Seeds the small swings of this person's network and what the vendor's client makes of it. The meeting's time does
    #: not: each run of a simulation tells the same of the same people.
    noise: str

    @property
    def connected(self) -> bool:
        """Whether media ever flowed."""
        return self.call_setup_seconds is not None


class Meeting(Struct, frozen=True, kw_only=True):
    """One meeting in a room, from the first join to the last leave."""

    scenario: str
    #: The room's name, which recurs.
    room: str
    #: Unlike that of any other meeting; vendors' ids are made from it.
    key: str
    #: Unix seconds, as is `end`.
    start: float
    end: float
    participants: tuple[Participant, ...]


class TrackTicks(Struct, frozen=True, kw_only=True):
    """One track of a peer, tick by tick. A column that does not apply to the track is empty; all others are as long."""

    direction: Direction
    kind: Kind
    source: Source
    #: Who sends the track: a place in the meeting's participants.
    owner: int
    #: The simulcast layer `h`, `m` or `l`; empty where there is none.
    rid: str = ""
    #: The tick, counted from the meeting's start, that the columns begin with.
    first: int
    bits_per_second: tuple[float, ...]
    loss_ratio: tuple[float, ...]
    jitter_seconds: tuple[float, ...]
    #: Sent tracks only: the sender hears of it from the other side.
    round_trip_time_seconds: tuple[float, ...] = ()
    #: Video only.
    frames_per_second: tuple[float, ...] = ()
    #: Received video only.
    freezes: tuple[int, ...] = ()
    #: Received audio only: samples of 1/48000 s that were made up, silence not counted.
    concealed_samples: tuple[int, ...] = ()


class Recording(Struct, frozen=True, kw_only=True):
    """A meeting and every track of everybody in it, in the order of the participants."""

    meeting: Meeting
    tracks: tuple[tuple[TrackTicks, ...], ...]
