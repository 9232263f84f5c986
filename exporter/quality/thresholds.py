"""The limits of the verdicts: their defaults, where each comes from, and what would contradict itself."""

from __future__ import annotations

from math import isfinite
from typing import Final

from msgspec import Struct, field


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """Where fair and where poor begin. Either may be left out of the configuration and keeps its default."""

    fair: float
    poor: float


class PacketLossLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Fair from 1 % (Cisco's and Microsoft Teams' target), poor from 5 % (100ms: below is acceptable; Twilio's tag)."""

    fair: float = 0.01
    poor: float = 0.05


class JitterLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Poor from 30 ms (Microsoft Teams, Cisco, Twilio, testRTC); fair from 20 ms, ours, two thirds of it."""

    fair: float = 0.02
    poor: float = 0.03


class RoundTripTimeLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Fair from 250 ms (testRTC), poor from 400 ms (Twilio; ITU-T G.114 calls 400 ms one way unusable)."""

    fair: float = 0.25
    poor: float = 0.4


class MosLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Fair below 3.6, poor below 3.1: the bands of ITU-T G.107 at R = 70 and R = 60."""

    fair: float = 3.6
    poor: float = 3.1


class FrameRateLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Poor below 7 frames a second (Microsoft's Call Quality Dashboard); fair below 15, ours."""

    fair: float = 15.0
    poor: float = 7.0


class ScreenFrameRateLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Screen sharing: poor below 2 frames a second (Microsoft's Call Quality Dashboard); fair below 5, ours."""

    fair: float = 5.0
    poor: float = 2.0


class ConcealmentLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Fair from 3 % (rtcStats' bands), poor from 7 % (Microsoft's Call Quality Dashboard)."""

    fair: float = 0.03
    poor: float = 0.07


class FreezeLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Fair from one freeze in a window, poor from two: ours, as no vendor documents a number."""

    fair: float = 1.0
    poor: float = 2.0


class CallSetupLimit(Limit, frozen=True, forbid_unknown_fields=True):
    """Fair from 1.5 s (testRTC's sample of an alert), poor from 5 s (Agora counts who joins within 5 s)."""

    fair: float = 1.5
    poor: float = 5.0


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `quality` part of the configuration. A limit that begins at a value includes it, "below" does not.

    Seconds, ratios from 0 to 1, counts; the source of each default stands at its class.
    """

    packet_loss_ratio: PacketLossLimit = field(default_factory=PacketLossLimit)
    jitter_seconds: JitterLimit = field(default_factory=JitterLimit)
    round_trip_time_seconds: RoundTripTimeLimit = field(default_factory=RoundTripTimeLimit)
    #: The vendor's MOS, else the estimated one: below.
    mos: MosLimit = field(default_factory=MosLimit)
    #: Everything but screen sharing: below.
    frames_per_second: FrameRateLimit = field(default_factory=FrameRateLimit)
    screen_frames_per_second: ScreenFrameRateLimit = field(default_factory=ScreenFrameRateLimit)
    #: Audio samples that the receiver made up, of all that it played.
    concealment_ratio: ConcealmentLimit = field(default_factory=ConcealmentLimit)
    freezes_per_window: FreezeLimit = field(default_factory=FreezeLimit)
    #: Poor from so many freezes a minute over the session: ours.
    freezes_per_minute: float = 1.0
    call_setup_seconds: CallSetupLimit = field(default_factory=CallSetupLimit)
    #: A stream or peer is poor when poor windows take at least this share of its classified time: ours.
    poor_time_share: float = 0.2
    #: A room is poor when at least this share of its classified peers is: ours.
    poor_peer_share: float = 0.2
    #: Less measured media than this is no basis for a verdict: 500 packets of 20 ms (Call Quality Dashboard).
    minimum_seconds: float = 10.0
    #: How much the R of ITU-T G.107 falls with each per cent of loss: the usual short form of the E-model.
    mos_loss_impairment_per_percent: float = 2.5


_FROM: Final = (
    "packet_loss_ratio",
    "jitter_seconds",
    "round_trip_time_seconds",
    "concealment_ratio",
    "freezes_per_window",
    "call_setup_seconds",
)
_BELOW: Final = ("mos", "frames_per_second", "screen_frames_per_second")
_SHARES: Final = ("poor_time_share", "poor_peer_share")
_HIGHEST: Final = {"packet_loss_ratio": 1.0, "concealment_ratio": 1.0, "mos": 5.0}


def problems(thresholds: Thresholds) -> list[tuple[str, str]]:
    """Finds the limits that no value can meet or that contradict each other.

    Returns:
        The path of each key below `quality`, and what is wrong with it and what was expected.
    """
    # From 0 on is always, because a limit includes its value: nothing would ever be good.
    found = [wrong for key in _FROM for wrong in _limit(key, getattr(thresholds, key), above_zero=True)]
    found += [wrong for key in _BELOW for wrong in _limit(key, getattr(thresholds, key), above_zero=False)]
    found += _number("freezes_per_minute", thresholds.freezes_per_minute, above_zero=True)
    for key in _SHARES:
        found += _number(key, getattr(thresholds, key), above_zero=True, highest=1.0)
    for key in ("minimum_seconds", "mos_loss_impairment_per_percent"):
        found += _number(key, getattr(thresholds, key), above_zero=False)
    return found


def _limit(key: str, limit: Limit, *, above_zero: bool) -> list[tuple[str, str]]:
    found = [
        wrong
        for name, value in (("fair", limit.fair), ("poor", limit.poor))
        for wrong in _number(f"{key}.{name}", value, above_zero=above_zero, highest=_HIGHEST.get(key))
    ]
    if found:
        return found
    if key in _BELOW and limit.fair < limit.poor:
        return [(f"{key}.fair", f"{limit.fair} is less than `poor`; expected at least {limit.poor}")]
    if key in _FROM and limit.fair > limit.poor:
        return [(f"{key}.fair", f"{limit.fair} is more than `poor`; expected at most {limit.poor}")]
    return []


def _number(key: str, value: float, *, above_zero: bool, highest: float | None = None) -> list[tuple[str, str]]:
    fits = isfinite(value) and (value > 0 if above_zero else value >= 0) and (highest is None or value <= highest)
    if fits:
        return []
    expected = "more than 0" if above_zero else "0 or more"
    return [(key, f"{value} is out of range; expected {expected}{'' if highest is None else f', at most {highest:g}'}")]
