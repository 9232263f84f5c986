"""One stream of a peer: its means, percentiles and sums, and its own verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from exporter.model import Stream
from exporter.quality.arithmetic import percentile_95, quotient, total, weighted_mean
from exporter.quality.assessment import MeasuredSeconds, StreamAssessment, VerdictSeconds
from exporter.quality.verdicts import (
    UNMEASURED,
    Judgement,
    Levels,
    Measures,
    concealment,
    judge,
    judge_window,
    levels,
    seconds_of,
    worst,
)
from exporter.quality.windows import MergedWindow, flowing_frame_rate, merge_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model import Summary
    from exporter.quality.thresholds import Thresholds


#: Direction, kind, track type and rid: what tells the streams of a peer apart, and their order.
StreamIdentity: TypeAlias = tuple[str, str, str, str]


class JudgedStream(Struct, frozen=True, kw_only=True):
    """A stream's assessment, and what its peer's verdict needs of it."""

    stream: Stream
    assessment: StreamAssessment
    #: How bad each cause is over the whole stay.
    means: Levels
    #: The windows of its tracks together, ordered by time, and the judgement of each; empty where the vendor gives no
    #: time series.
    windows: Sequence[MergedWindow] = ()
    judgements: Sequence[Judgement] = ()
    #: Stream time by the judgement of its windows.
    times: Mapping[Judgement, float] = {}


def identity(stream: Stream | StreamAssessment) -> StreamIdentity:
    """Tells which series a stream stands for."""
    return stream.direction, stream.kind, stream.track_type, stream.rid


def judge_stream(stream: Stream, duration_seconds: float | None, thresholds: Thresholds) -> JudgedStream:
    """Assesses a stream by its tracks or, where the vendor gives no time series, by its summary.

    Args:
        stream: the stream.
        duration_seconds: how long its peer stayed, which is the weight of a summary; None where unknown.
        thresholds: the limits.
    """
    windows = merge_tracks(stream.tracks)
    if windows:
        return _by_windows(stream, windows, thresholds)
    if stream.summary is not None:
        return _by_summary(stream, stream.summary, duration_seconds or 0.0, thresholds)
    return JudgedStream(
        stream=stream,
        assessment=StreamAssessment(
            direction=stream.direction,
            kind=stream.kind,
            track_type=stream.track_type,
            rid=stream.rid,
        ),
        means=UNMEASURED,
    )


def _by_windows(stream: Stream, windows: Sequence[MergedWindow], thresholds: Thresholds) -> JudgedStream:
    loss = _measured(windows, lambda window: window.packet_loss_ratio)
    jitter = _measured(windows, lambda window: window.jitter_seconds)
    delay = _measured(windows, lambda window: window.round_trip_time_seconds)
    frames = _measured(windows, lambda window: window.frames_per_second)
    throughput = _measured(windows, lambda window: window.throughput_bytes_per_second)
    freezes = _measured(windows, lambda window: window.freezes)
    concealed = [window.concealed_samples for window in windows if window.concealed_samples is not None]
    watched = total(window.concealment_watched_seconds for window in windows)
    concealment_ratio = concealment(total(concealed), watched) if concealed else None
    means = Measures(
        packet_loss_ratio=weighted_mean(loss),
        jitter_seconds=weighted_mean(jitter),
        round_trip_time_seconds=weighted_mean(delay),
        frames_per_second=weighted_mean(_measured(windows, lambda window: window.flowing_frames_per_second)),
        concealment_ratio=concealment_ratio,
        freezes_per_minute=quotient(total(count for count, _ in freezes), _seconds(freezes) / 60),
    )
    mean_levels = levels(means, thresholds, stream.track_type)
    judgements = [judge_window(window, thresholds, stream.track_type) for window in windows]
    times = _times(windows, judgements)
    seconds = _verdict_seconds(times)
    judgement = judge(times, mean_levels, total((seconds.good, seconds.fair, seconds.poor)), thresholds)
    assessment = StreamAssessment(
        direction=stream.direction,
        kind=stream.kind,
        track_type=stream.track_type,
        rid=stream.rid,
        throughput_bytes_per_second=weighted_mean(throughput),
        packet_loss_ratio=means.packet_loss_ratio,
        jitter_seconds=means.jitter_seconds,
        round_trip_time_seconds=means.round_trip_time_seconds,
        frames_per_second=weighted_mean(frames),
        freezes=total(count for count, _ in freezes) if freezes else None,
        concealed_samples=total(concealed) if concealed else None,
        concealment_ratio=concealment_ratio,
        packet_loss_p95_ratio=percentile_95(value for value, _ in loss),
        jitter_p95_seconds=percentile_95(value for value, _ in jitter),
        round_trip_time_p95_seconds=percentile_95(value for value, _ in delay),
        measured=MeasuredSeconds(
            throughput=_seconds(throughput),
            packet_loss=_seconds(loss),
            jitter=_seconds(jitter),
            round_trip_time=_seconds(delay),
            frames_per_second=_seconds(frames),
        ),
        seconds=seconds,
        verdict=judgement.verdict,
        reason=judgement.reason,
    )
    return JudgedStream(
        stream=stream,
        assessment=assessment,
        means=mean_levels,
        windows=windows,
        judgements=judgements,
        times=times,
    )


def _by_summary(stream: Stream, summary: Summary, duration: float, thresholds: Thresholds) -> JudgedStream:
    means = Measures(
        packet_loss_ratio=summary.packet_loss_ratio,
        jitter_seconds=summary.jitter_seconds,
        round_trip_time_seconds=summary.round_trip_time_seconds,
        mos=summary.mos,
        frames_per_second=flowing_frame_rate(summary),
    )
    mean_levels = levels(means, thresholds, stream.track_type)
    measured = duration if worst(mean_levels).verdict != "unclassified" else 0.0
    judgement = judge({}, mean_levels, measured, thresholds)
    assessment = StreamAssessment(
        direction=stream.direction,
        kind=stream.kind,
        track_type=stream.track_type,
        rid=stream.rid,
        throughput_bytes_per_second=summary.throughput_bytes_per_second,
        packet_loss_ratio=summary.packet_loss_ratio,
        jitter_seconds=summary.jitter_seconds,
        round_trip_time_seconds=summary.round_trip_time_seconds,
        frames_per_second=summary.frames_per_second,
        mos=summary.mos,
        media_score=summary.media_score,
        measured=MeasuredSeconds(
            throughput=0.0 if summary.throughput_bytes_per_second is None else duration,
            packet_loss=0.0 if summary.packet_loss_ratio is None else duration,
            jitter=0.0 if summary.jitter_seconds is None else duration,
            round_trip_time=0.0 if summary.round_trip_time_seconds is None else duration,
            frames_per_second=0.0 if summary.frames_per_second is None else duration,
        ),
        seconds=_verdict_seconds({judgement: duration}),
        verdict=judgement.verdict,
        reason=judgement.reason,
    )
    return JudgedStream(stream=stream, assessment=assessment, means=mean_levels)


def _measured(
    windows: Sequence[MergedWindow],
    read: Callable[[MergedWindow], float | None],
) -> list[tuple[float, float]]:
    return [(value, window.seconds) for window in windows if (value := read(window)) is not None]


def _seconds(measured: Sequence[tuple[float, float]]) -> float:
    return total(seconds for _, seconds in measured)


def _times(windows: Sequence[MergedWindow], judgements: Sequence[Judgement]) -> dict[Judgement, float]:
    spent: defaultdict[Judgement, list[float]] = defaultdict(list)
    for window, judgement in zip(windows, judgements, strict=True):
        spent[judgement].append(window.seconds)
    return {judgement: total(seconds) for judgement, seconds in spent.items()}


def _verdict_seconds(times: Mapping[Judgement, float]) -> VerdictSeconds:
    return VerdictSeconds(
        good=seconds_of(times, "good"),
        fair=seconds_of(times, "fair"),
        poor=seconds_of(times, "poor"),
        unclassified=seconds_of(times, "unclassified"),
    )
