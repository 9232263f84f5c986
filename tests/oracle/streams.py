"""Streams: raw tracks, their merged windows and the means over them, by the fine print of the contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from statistics import median
from typing import TypeAlias

from tests.oracle.numbers import Json, Rejections, read_list, read_number, read_object

#: One step of a time series: `end`, `seconds` and those of the metrics that it has.
Window: TypeAlias = dict[str, Fraction]

#: Vendor's metric: our name, divisor into base units, highest legal value of the vendor's. None is legal below 0.
_METRICS: dict[str, tuple[str, int, int | None]] = {
    "bitrate": ("throughput", 8, None),
    "fps": ("frame_rate", 1, None),
    "packet_loss_percent": ("packet_loss", 100, 100),
    "rtt_ms": ("round_trip_time", 1000, None),
    "jitter_ms": ("jitter", 1000, None),
    "freeze_count": ("freezes", 1, None),
    "concealed_samples": ("concealed", 1, None),
}

#: Metrics that add up where several tracks form one stream.
ADDED = ("throughput", "freezes", "concealed")
#: Metrics that are averaged.
AVERAGED = ("packet_loss", "jitter", "round_trip_time", "frame_rate")

#: In a merged window: the mean frame rate of the tracks that are not silent. Verdicts look at no other.
FLOWING_FRAME_RATE = "flowing_frame_rate"

AUDIO_SAMPLES_PER_SECOND = 48_000


@dataclass
class Stream:
    """All tracks of a peer that share direction, kind, track type and rid.

    A time series has `tracks`; a summary has `values` alone.
    """

    direction: str
    kind: str
    track_type: str = ""
    rid: str = ""
    #: Per track its own windows, as the vendor sampled them.
    tracks: list[list[Window]] = field(default_factory=list)
    #: The vendor's values of a stream that has no time series.
    values: dict[str, Fraction] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """The media labels."""
        return {
            "direction": self.direction,
            "kind": self.kind,
            "track_type": self.track_type,
            "rid": self.rid,
        }

    @cached_property
    def windows(self) -> list[Window]:
        """The merged windows: those of different tracks less than half a second apart are one.

        A group has at most one window of each track, and its distance is measured from its earliest. Windows with one
        and the same time are never parted, so the order of the tracks does not matter. Read this when all tracks are
        in.
        """
        sampled: dict[Fraction, dict[int, Window]] = {}
        for number, track in enumerate(self.tracks):
            for window in track:
                sampled.setdefault(window["end"], {})[number] = window
        groups: list[dict[int, Window]] = []
        start = Fraction(0)
        for end, windows in sorted(sampled.items(), key=itemgetter(0)):
            if groups and end - start < Fraction(1, 2) and not groups[-1].keys() & windows.keys():
                groups[-1].update(windows)
            else:
                groups.append(windows)
                start = end
        return [_merged(list(group.values())) for group in groups]

    @cached_property
    def means(self) -> dict[str, Fraction]:
        """What `means` says of it. Read this when all tracks are in."""
        return _means(self)


def read_track(raw: Json, rejections: Rejections) -> list[Window]:
    """The windows of one track of a peer-stats document, ordered by time."""
    series = read_object(read_object(raw, rejections).get("time_series"), rejections)
    raw_times = read_list(series.get("timestamps"), rejections)
    columns = {}
    for name in _METRICS:
        values = read_list(series.get(name), rejections)
        if not values:
            continue
        # An array without any value is the documented way to say that there is no data.
        if len(values) == len(raw_times):
            columns[name] = values
        elif isinstance(series.get("timestamps"), list | None):
            rejections["length_mismatch"] += 1
    return _windows(raw_times, columns, rejections)


def _windows(raw_times: list[Json], columns: dict[str, list[Json]], rejections: Rejections) -> list[Window]:
    rows: dict[Fraction, int] = {}
    for position, raw_time in enumerate(raw_times):
        time = read_number(raw_time, rejections)
        if time is None:
            continue
        if time in rows:
            rejections["duplicate_timestamp"] += 1
            continue
        rows[time] = position
    times = sorted(rows)
    lengths = window_lengths([time / 1000 for time in times])
    windows = []
    for time, seconds in zip(times, lengths, strict=True):
        window: Window = {"end": time / 1000, "seconds": seconds}
        for name, values in columns.items():
            ours, divisor, high = _METRICS[name]
            value = read_number(values[rows[time]], rejections, 0, high)
            if value is not None:
                window[ours] = value / divisor
        windows.append(window)
    return windows


def window_lengths(times: list[Fraction]) -> list[Fraction]:
    """The gap before each of the ordered times, at most three median gaps; the first has the median one, or 10 s."""
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if not times:
        return []
    if not gaps:
        return [Fraction(10)]
    middle = median(gaps)
    return [middle, *(min(gap, 3 * middle) for gap in gaps)]


def is_silent(part: Window) -> bool:
    """Whether nothing flowed in a track's window: it was muted, or its layer was paused. Unknown is not nothing."""
    return part.get("throughput") == 0


def _merged(parts: list[Window]) -> Window:
    window: Window = {
        "end": min(part["end"] for part in parts),
        "seconds": max(part["seconds"] for part in parts),
    }
    for name in (*ADDED, *AVERAGED):
        values = [part[name] for part in parts if name in part]
        if values:
            window[name] = sum(values, Fraction(0)) / (1 if name in ADDED else len(values))
    flowing = [part["frame_rate"] for part in parts if "frame_rate" in part and not is_silent(part)]
    if flowing:
        window[FLOWING_FRAME_RATE] = sum(flowing, Fraction(0)) / len(flowing)
    watched = [part["seconds"] for part in parts if "concealed" in part]
    if watched:
        window["concealment"] = window["concealed"] / (AUDIO_SAMPLES_PER_SECOND * sum(watched, Fraction(0)))
    return window


def measured_seconds(stream: Stream, name: str) -> Fraction:
    """The stream time in which it has a metric."""
    return sum((window["seconds"] for window in stream.windows if name in window), Fraction(0))


def weighted_mean(pairs: list[tuple[Fraction, Fraction]]) -> Fraction | None:
    """The mean of values with their weights; none where they weigh nothing."""
    weight = sum((weight for _, weight in pairs), Fraction(0))
    return sum((value * weight for value, weight in pairs), Fraction(0)) / weight if weight else None


def means(stream: Stream) -> dict[str, Fraction]:
    """What the gauges of a stream show: means, sums of events, the concealment ratio, each where it was measured."""
    return stream.means


def _means(stream: Stream) -> dict[str, Fraction]:
    if not stream.tracks:
        return dict(stream.values)
    windows = stream.windows
    found = {}
    for name in ("throughput", *AVERAGED):
        mean = weighted_mean([(window[name], window["seconds"]) for window in windows if name in window])
        if mean is not None:
            found[name] = mean
    for name in ("freezes", "concealed"):
        events = [window[name] for window in windows if name in window]
        if events:
            found[name] = sum(events, Fraction(0))
    watched = sum((w["seconds"] for track in stream.tracks for w in track if "concealed" in w), Fraction(0))
    if watched:
        found["concealment"] = found["concealed"] / (AUDIO_SAMPLES_PER_SECOND * watched)
    return found


def percentile_95(stream: Stream, name: str) -> Fraction | None:
    """The nearest rank over the merged windows that have the metric, each counting once."""
    values = sorted(window[name] for window in stream.windows if name in window)
    rank = -(-95 * len(values) // 100)
    return values[rank - 1] if values else None
