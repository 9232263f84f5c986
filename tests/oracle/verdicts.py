"""Verdicts and the estimated MOS, from sections 6, 7 and 11 of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from tests.oracle.streams import FLOWING_FRAME_RATE, Stream, Window, means, measured_seconds, weighted_mean

#: A verdict and its reason, which is empty for good and unclassified.
Verdict: TypeAlias = tuple[str, str]

UNCLASSIFIED: Verdict = ("unclassified", "")
_GOOD: Verdict = ("good", "")

#: The reasons in section 6's order, which decides between equals.
_REASONS = (
    "packet_loss",
    "jitter",
    "round_trip_time",
    "mos",
    "frame_rate",
    "concealment",
    "freeze",
    "call_setup",
)
_WORSE = {"good": 0, "fair": 1, "poor": 2}

#: Fair and poor from these on.
_RISING = {
    "packet_loss": ("0.01", "0.05"),
    "jitter": ("0.02", "0.03"),
    "round_trip_time": ("0.25", "0.4"),
    "concealment": ("0.03", "0.07"),
    "freeze": ("1", "2"),
    "call_setup": ("1.5", "5"),
}
#: Fair and poor below these.
_FALLING = {"mos": ("3.6", "3.1"), "frame_rate": ("15", "7"), "screen": ("5", "2")}

_LEAST_SECONDS = 10
_SHARE = 5  # One in five is 20 %.


def judge(reason: str, value: Fraction, track_type: str = "") -> str:
    """The verdict on one measure."""
    if reason in _RISING:
        fair, poor = (Fraction(limit) for limit in _RISING[reason])
        return "poor" if value >= poor else "fair" if value >= fair else "good"
    key = "screen" if reason == "frame_rate" and track_type == "screen" else reason
    fair, poor = (Fraction(limit) for limit in _FALLING[key])
    return "poor" if value < poor else "fair" if value < fair else "good"


def worst(judged: list[Verdict]) -> Verdict:
    """The worst of (verdict, reason); of equals, the first reason of the list."""
    if not judged:
        return UNCLASSIFIED
    verdict, reason = min(judged, key=lambda pair: (-_WORSE[pair[0]], _REASONS.index(pair[1])))
    return _GOOD if verdict == "good" else (verdict, reason)


def window_verdict(window: Window, track_type: str) -> Verdict:
    """The verdict on one merged window."""
    judged: list[Verdict] = [
        (judge(reason, window[reason]), reason)
        for reason in ("packet_loss", "jitter", "round_trip_time", "concealment")
        if reason in window
    ]
    if FLOWING_FRAME_RATE in window:
        judged.append((judge("frame_rate", window[FLOWING_FRAME_RATE], track_type), "frame_rate"))
    if "freezes" in window:
        judged.append((judge("freeze", window["freezes"]), "freeze"))
    return worst(judged)


def mean_verdicts(stream: Stream) -> list[Verdict]:
    """The verdicts on a stream's means over the session, one for each measure that it has."""
    found = means(stream)
    judged: list[Verdict] = [
        (judge(reason, found[reason]), reason)
        for reason in ("packet_loss", "jitter", "round_trip_time", "concealment", "mos")
        if reason in found
    ]
    flowing = weighted_mean(
        [(window[FLOWING_FRAME_RATE], window["seconds"]) for window in stream.windows if FLOWING_FRAME_RATE in window]
    )
    if flowing is not None:
        judged.append((judge("frame_rate", flowing, stream.track_type), "frame_rate"))
    if "freezes" in found:
        minutes = measured_seconds(stream, "freezes") / 60
        judged.append(("poor" if found["freezes"] >= minutes else "good", "freeze"))
    return judged


@dataclass
class Assessment:
    """What the verdicts of a peer come down to."""

    verdict: Verdict
    #: Seconds by (direction, kind, verdict).
    media_seconds: dict[tuple[str, str, str], Fraction] = field(default_factory=dict)
    #: Poor windows' time and classified time.
    poor_seconds: Fraction = Fraction(0)
    classified_seconds: Fraction = Fraction(0)


def assess_time_series(streams: list[Stream], mos: Fraction | None) -> Assessment:
    """Assesses a peer whose streams are time series."""
    result = Assessment(UNCLASSIFIED)
    by_verdict: dict[Verdict, Fraction] = {}
    by_means: list[Verdict] = []
    for stream in streams:
        of_stream = Fraction(0)
        for window in stream.windows:
            verdict = window_verdict(window, stream.track_type)
            key = (stream.direction, stream.kind, verdict[0])
            result.media_seconds[key] = result.media_seconds.get(key, Fraction(0)) + window["seconds"]
            by_verdict[verdict] = by_verdict.get(verdict, Fraction(0)) + window["seconds"]
            if verdict != UNCLASSIFIED:
                of_stream += window["seconds"]
        # The means of so short a stream are no basis for a verdict, so its peer's does not rest on them either.
        if of_stream >= _LEAST_SECONDS:
            by_means += mean_verdicts(stream)
    seconds = {
        name: sum((time for verdict, time in by_verdict.items() if verdict[0] == name), Fraction(0))
        for name in ("good", "fair", "poor")
    }
    result.poor_seconds = seconds["poor"]
    result.classified_seconds = sum(seconds.values(), Fraction(0))
    if result.classified_seconds < _LEAST_SECONDS:
        return result
    if mos is not None:
        by_means.append((judge("mos", mos), "mos"))
    of_means = worst(by_means)
    enough = result.classified_seconds / _SHARE
    if seconds["poor"] >= enough or of_means[0] == "poor":
        name = "poor"
    elif seconds["fair"] + seconds["poor"] >= enough or of_means[0] == "fair":
        name = "fair"
    else:
        result.verdict = _GOOD
        return result
    windows = {verdict: time for verdict, time in by_verdict.items() if verdict[0] == name}
    most = min(windows, key=lambda verdict: (-windows[verdict], _REASONS.index(verdict[1])), default=of_means)
    result.verdict = most
    return result


def assess_summary(
    streams: list[Stream], duration: Fraction | None, mos: Fraction | None, call_setup: Fraction | None
) -> Assessment:
    """Assesses a peer whose streams are summaries: there are no windows, so its means alone speak."""
    result = Assessment(UNCLASSIFIED)
    seconds = duration or Fraction(0)
    judged: list[Verdict] = []
    for stream in streams:
        of_stream = mean_verdicts(stream)
        judged += of_stream
        verdict = worst(of_stream) if seconds >= _LEAST_SECONDS else UNCLASSIFIED
        key = (stream.direction, stream.kind, verdict[0])
        result.media_seconds[key] = result.media_seconds.get(key, Fraction(0)) + seconds
    if mos is not None:
        judged.append((judge("mos", mos), "mos"))
    if not judged or seconds < _LEAST_SECONDS:
        return result
    if call_setup is not None:
        judged.append((judge("call_setup", call_setup), "call_setup"))
    result.verdict = worst(judged)
    return result


def room_verdict(peers: list[Verdict]) -> Verdict:
    """The verdict on a room: that of its worst peers, when they are at least one in five of the classified ones."""
    classified = [verdict for verdict in peers if verdict != UNCLASSIFIED]
    if not classified:
        return UNCLASSIFIED
    for name, counted in (("poor", ("poor",)), ("fair", ("fair", "poor"))):
        reasons = [reason for verdict, reason in classified if verdict in counted]
        if reasons and len(reasons) * _SHARE >= len(classified):
            return name, min(_REASONS, key=lambda reason: (-reasons.count(reason), _REASONS.index(reason)))
    return _GOOD


def mos_of(round_trip_time: Fraction, jitter: Fraction, packet_loss: Fraction) -> Fraction:
    """The E-model in its short form; seconds, seconds, ratio."""
    delay = round_trip_time * 1000 / 2 + 2 * jitter * 1000 + 10
    delay_impairment = delay / 40 if delay < 160 else (delay - 120) / 10
    rating = Fraction("93.2") - delay_impairment - Fraction("2.5") * packet_loss * 100
    rating = min(max(rating, Fraction(0)), Fraction(100))
    mos = 1 + Fraction("0.035") * rating + rating * (rating - 60) * (100 - rating) * Fraction("7e-6")
    return max(mos, Fraction(1))


def estimated_mos(streams: list[Stream], duration: Fraction | None) -> Fraction | None:
    """The worse direction's estimate from the session means of the peer's audio; a direction borrows what it lacks."""
    audio = {direction: _audio_means(streams, direction, duration) for direction in ("send", "recv")}
    estimates = []
    for direction, other in (("send", "recv"), ("recv", "send")):
        own = audio[direction]
        loss = own.get("packet_loss")
        round_trip_time = own.get("round_trip_time", audio[other].get("round_trip_time"))
        jitter = own.get("jitter", audio[other].get("jitter"))
        if loss is not None and round_trip_time is not None and jitter is not None:
            estimates.append(mos_of(round_trip_time, jitter, loss))
    return min(estimates, default=None)


def _audio_means(streams: list[Stream], direction: str, duration: Fraction | None) -> dict[str, Fraction]:
    found = {}
    for name in ("packet_loss", "jitter", "round_trip_time"):
        pairs = []
        for stream in streams:
            mean = means(stream).get(name) if (stream.kind, stream.direction) == ("audio", direction) else None
            if mean is not None:
                # A summary is the only one of its direction: any weight will do.
                pairs.append((mean, measured_seconds(stream, name) if stream.tracks else duration or Fraction(1)))
        mean = weighted_mean(pairs)
        if mean is not None:
            found[name] = mean
    return found
