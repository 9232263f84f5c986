"""The windows of a stream: those of its tracks, put together where they stand for the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.model import Track, Window
from exporter.quality.arithmetic import mean, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model import Summary

#: A client reads its tracks one after the other: samples closer than this are one reading.
_TOGETHER_SECONDS: Final = 0.5


class MergedWindow(Window, frozen=True, kw_only=True, gc=False):
    """One window of a stream: its end is the earliest of its tracks' samples, its length that of the longest.

    Throughput, freezes and concealed samples are sums over the tracks; loss, jitter, round-trip time and frames
    per second are plain means over the tracks that have them.
    """

    #: Time in which concealed samples were counted, summed over the tracks.
    concealment_watched_seconds: float = 0.0
    #: Frames per second of the tracks in which something flows: a camera that is off is not a frozen one.
    flowing_frames_per_second: float | None = None


def merge_tracks(tracks: Sequence[Track]) -> list[MergedWindow]:
    """Puts the windows of a stream's tracks together, ordered by time.

    Samples belong together when they have the same timestamp, or timestamps less than 0.5 s after the earliest and
    no track twice. Neither the order of the tracks nor of their windows matters.
    """
    samples: dict[float, dict[int, Window]] = {}
    for index, track in enumerate(tracks):
        for window in track.windows:
            samples.setdefault(window.end, {}).setdefault(index, window)
    merged: list[MergedWindow] = []
    together: dict[int, Window] = {}
    first = 0.0
    for end in sorted(samples):
        # All of one timestamp move at once: taken singly, the order of the tracks would decide who joins whom.
        batch = samples[end]
        if together and end - first < _TOGETHER_SECONDS and together.keys().isdisjoint(batch):
            together |= batch
            continue
        if together:
            merged.append(_merge(first, list(together.values())))
        together, first = batch, end
    if together:
        merged.append(_merge(first, list(together.values())))
    return merged


def _merge(end: float, parts: Sequence[Window]) -> MergedWindow:
    if len(parts) == 1:
        # Most streams have one track: the general way takes several times as long.
        return _widen(parts[0])
    return MergedWindow(
        end=end,
        seconds=max([part.seconds for part in parts]),
        throughput_bytes_per_second=_sum([part.throughput_bytes_per_second for part in parts]),
        packet_loss_ratio=_mean([part.packet_loss_ratio for part in parts]),
        jitter_seconds=_mean([part.jitter_seconds for part in parts]),
        round_trip_time_seconds=_mean([part.round_trip_time_seconds for part in parts]),
        frames_per_second=_mean([part.frames_per_second for part in parts]),
        freezes=_sum([part.freezes for part in parts]),
        concealed_samples=_sum([part.concealed_samples for part in parts]),
        concealment_watched_seconds=total([part.seconds for part in parts if part.concealed_samples is not None]),
        flowing_frames_per_second=_mean([flowing_frame_rate(part) for part in parts]),
    )


def _widen(window: Window) -> MergedWindow:
    return MergedWindow(
        end=window.end,
        seconds=window.seconds,
        throughput_bytes_per_second=window.throughput_bytes_per_second,
        packet_loss_ratio=window.packet_loss_ratio,
        jitter_seconds=window.jitter_seconds,
        round_trip_time_seconds=window.round_trip_time_seconds,
        frames_per_second=window.frames_per_second,
        freezes=window.freezes,
        concealed_samples=window.concealed_samples,
        concealment_watched_seconds=0.0 if window.concealed_samples is None else window.seconds,
        flowing_frames_per_second=flowing_frame_rate(window),
    )


def flowing_frame_rate(of: Window | Summary) -> float | None:
    """The frame rate as far as it counts for a verdict: not where nothing flows, as in a muted or paused track."""
    return None if of.throughput_bytes_per_second == 0 else of.frames_per_second


def _sum(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    # Most kinds of media lack some metric: nothing and one alone need no arithmetic.
    return total(there) if len(there) > 1 else there[0] if there else None


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return mean(there) if len(there) > 1 else there[0] if there else None
