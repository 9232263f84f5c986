"""From measures to a verdict and its reason: of one window, of means, and of time and means together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from msgspec import Struct

from exporter.quality.arithmetic import quotient, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.model import TrackType
    from exporter.quality.assessment import Reason, Verdict
    from exporter.quality.thresholds import Limit, Thresholds
    from exporter.quality.windows import MergedWindow

#: Opus, as WebRTC plays it: the samples that a watched second has.
SAMPLES_PER_SECOND: Final = 48_000

#: The order in which the first of equally bad causes is the reason.
REASONS: Final[tuple[Reason, ...]] = (
    "packet_loss",
    "jitter",
    "round_trip_time",
    "mos",
    "frame_rate",
    "concealment",
    "freeze",
    "call_setup",
)

#: How bad each cause is, in the order of `REASONS`.
Levels: TypeAlias = tuple[int, ...]

_MISSING, _GOOD, _FAIR, _POOR = -1, 0, 1, 2
_VERDICTS: Final[tuple[Verdict, ...]] = ("good", "fair", "poor")

#: The levels of what has no measure at all.
UNMEASURED: Final[Levels] = (_MISSING,) * len(REASONS)

#: Means of decimal numbers miss the number that they are by a rounding error; a limit includes its value.
_ROUNDING: Final = 1e-9
#: Unix seconds as floats are off by less than a millionth of a second, and so are window lengths made of them.
_CLOCK_ROUNDING: Final = 1e-6
#: Times are made of whole milliseconds, and of medians of them, which may lie half-way between two.
_TIMES_PER_SECOND: Final = 2000


class Judgement(NamedTuple):
    """A verdict and the worst cause of it."""

    verdict: Verdict
    #: Empty for good and unclassified.
    reason: Reason = ""


UNCLASSIFIED: Final = Judgement("unclassified")


class Measures(Struct, frozen=True, kw_only=True, gc=False):
    """Everything that a verdict can rest on, in base units; None is what was not measured."""

    packet_loss_ratio: float | None = None
    jitter_seconds: float | None = None
    round_trip_time_seconds: float | None = None
    mos: float | None = None
    #: Of what flows, as `windows.flowing_frame_rate` has it.
    frames_per_second: float | None = None
    concealment_ratio: float | None = None
    #: Freezes in one window.
    freezes: float | None = None
    freezes_per_minute: float | None = None
    call_setup_seconds: float | None = None


def levels(measures: Measures, thresholds: Thresholds, track_type: TrackType = "") -> Levels:
    """Tells how bad each cause is; screen sharing has its own limits of the frame rate."""
    freeze = _from(measures.freezes, thresholds.freezes_per_window)
    if measures.freezes_per_minute is not None:
        too_many = measures.freezes_per_minute >= thresholds.freezes_per_minute - _ROUNDING
        freeze = max(freeze, _POOR if too_many else _GOOD)
    return (
        _from(measures.packet_loss_ratio, thresholds.packet_loss_ratio),
        _from(measures.jitter_seconds, thresholds.jitter_seconds),
        _from(measures.round_trip_time_seconds, thresholds.round_trip_time_seconds),
        _below(measures.mos, thresholds.mos),
        _below(
            measures.frames_per_second,
            thresholds.screen_frames_per_second if track_type == "screen" else thresholds.frames_per_second,
        ),
        _from(measures.concealment_ratio, thresholds.concealment_ratio),
        freeze,
        _from(measures.call_setup_seconds, thresholds.call_setup_seconds),
    )


def worst(causes: Levels) -> Judgement:
    """Judges by the worst cause, of equals the first; unclassified where nothing was measured."""
    level = max(causes)
    if level == _MISSING:
        return UNCLASSIFIED
    return Judgement(_VERDICTS[level], REASONS[causes.index(level)] if level > _GOOD else "")


def worst_levels(several: Iterable[Levels]) -> Levels:
    """Takes the worst of each cause."""
    return tuple(map(max, zip(UNMEASURED, *several, strict=True)))


def judge_window(window: MergedWindow, thresholds: Thresholds, track_type: TrackType = "") -> Judgement:
    """Judges one window of a stream, whatever its length, by its worst measure. Throughput is no measure."""
    concealed = window.concealed_samples
    measures = Measures(
        packet_loss_ratio=window.packet_loss_ratio,
        jitter_seconds=window.jitter_seconds,
        round_trip_time_seconds=window.round_trip_time_seconds,
        frames_per_second=window.flowing_frames_per_second,
        concealment_ratio=None if concealed is None else concealment(concealed, window.concealment_watched_seconds),
        freezes=window.freezes,
    )
    return worst(levels(measures, thresholds, track_type))


def concealment(concealed_samples: float, watched_seconds: float) -> float | None:
    """Estimates which part of the audio the receiver made up; None where nothing was watched."""
    return quotient(concealed_samples, SAMPLES_PER_SECOND * watched_seconds)


def judge(
    times: Mapping[Judgement, float],
    means: Levels,
    measured_seconds: float,
    thresholds: Thresholds,
) -> Judgement:
    """Judges a stream or a peer by its windows' time and by its means.

    Args:
        times: stream time by the judgement of its windows; empty where the vendor gives no time series.
        means: how bad each cause is over the whole stay.
        measured_seconds: classified stream time; where there are no windows, how long the peer stayed, or 0 when
            no media was measured.
        thresholds: the limits.

    Returns:
        The verdict with the reason that has the most stream time among the windows of that verdict, else the worst
        of the means. Unclassified where there is too little data.
    """
    if measured_seconds <= 0 or not _reaches(measured_seconds, thresholds.minimum_seconds):
        return UNCLASSIFIED
    by_means = worst(means)
    poor, fair = (seconds_of(times, verdict) for verdict in ("poor", "fair"))
    if by_means.verdict == "poor" or takes_share(poor, measured_seconds, thresholds.poor_time_share):
        verdict: Verdict = "poor"
    elif by_means.verdict == "fair" or takes_share(poor + fair, measured_seconds, thresholds.poor_time_share):
        verdict = "fair"
    else:
        return Judgement("good")
    # In whole numbers, so that equal times stay equal and the order of the reasons decides.
    causes = [
        (-round(min(spent * _TIMES_PER_SECOND, sys.float_info.max)), REASONS.index(at.reason))
        for at, spent in times.items()
        if at.verdict == verdict
    ]
    return Judgement(verdict, REASONS[min(causes)[1]] if causes else by_means.reason)


def takes_share(part: float, whole: float, share: float) -> bool:
    """Tells whether a part of a whole, of time or of peers, reaches a share of it."""
    taken = quotient(part, whole)
    return taken is not None and _reaches(taken, share)


def seconds_of(times: Mapping[Judgement, float], verdict: Verdict) -> float:
    """Adds up the stream time of one verdict, whatever its reason."""
    return total(spent for at, spent in times.items() if at.verdict == verdict)


def _reaches(value: float, limit: float) -> bool:
    return value >= limit - _CLOCK_ROUNDING


def _from(value: float | None, limit: Limit) -> int:
    if value is None:
        return _MISSING
    value += _ROUNDING
    return _POOR if value >= limit.poor else _FAIR if value >= limit.fair else _GOOD


def _below(value: float | None, limit: Limit) -> int:
    if value is None:
        return _MISSING
    value += _ROUNDING
    return _POOR if value < limit.poor else _FAIR if value < limit.fair else _GOOD
