"""Peers as series over time: which there are, at which times, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from exporter.metrics.catalogue import FAMILIES, catalogue
from exporter.model import Peer, SessionKey, Stream, Summary, Track, Window
from exporter.quality import Thresholds, judge_peer
from exporter.timeline.lines import Span, level_line, milliseconds, spans, windows_line
from exporter.timeline.shape import Shape, Timeline
from exporter.timeline.verdict_line import JudgedSpans, verdict_windows

if TYPE_CHECKING:
    from exporter.model import Direction, Kind

#: 2026-03-01T10:00:00Z in seconds; times in this file are milliseconds after it.
START = 1_772_359_200.0
T0 = 1_772_359_200_000
KEY = SessionKey("prod", "standup", "s1")
IDENTITY = {"source": "prod", "room_id": "standup", "session_id": "s1", "peer_id": "p1"}

Samples = list[tuple[int, float | None]]


def window(end: float, seconds: float = 10.0, **values: float | None) -> Window:
    """A window that ends so many seconds after the start."""
    return Window(end=START + end, seconds=seconds, **values)


def stream(direction: Direction, kind: Kind, *windows: Window, rid: str = "", track_type: Any = "") -> Stream:  # noqa: ANN401 - a literal
    """A stream with one track."""
    return Stream(
        direction=direction,
        kind=kind,
        rid=rid,
        track_type=track_type,
        tracks=(Track(track_id="t", windows=windows),),
    )


def peer(*streams: Stream, start: float | None = 0.0, end: float | None = 60.0, peer_id: str = "p1") -> Peer:
    """A peer from `start` to `end`, in seconds after the start."""
    return Peer(
        peer_id=peer_id,
        start=None if start is None else START + start,
        end=None if end is None else START + end,
        streams=streams,
    )


def shaped(of: Peer, *, per_track: bool = False) -> Timeline:
    """What is handed over of a peer that nothing was handed over of."""
    return Shape(catalogue(per_track=per_track)).peer(KEY, judge_peer(of, Thresholds()))


def lines(of: Timeline) -> dict[str, dict[tuple[str, ...], Samples]]:
    """Samples in milliseconds after the start, by family without its prefix and labels past the identity."""
    found: dict[str, dict[tuple[str, ...], Samples]] = {}
    for each in of.series:
        assert dict(each.labels[:4]) == IDENTITY
        rest = tuple(value for _, value in each.labels[4:])
        by_labels = found.setdefault(each.family.removeprefix("webrtc_timeline_"), {})
        assert rest not in by_labels
        by_labels[rest] = [(time - T0, value) for time, value in each.samples()]
    return found


SEND_AUDIO = ("send", "audio", "", "")
CONNECTED: Samples = [(0, 1.0), (60_000, 1.0), (60_001, None)]


def test_every_metric_of_a_window_is_a_sample_at_its_end() -> None:
    """The first window included; a marker ends each line when the next window would have ended."""
    measured = stream(
        "recv",
        "video",
        window(
            10.0,
            throughput_bytes_per_second=1000.0,
            packet_loss_ratio=0.0,
            jitter_seconds=0.004,
            round_trip_time_seconds=0.1,
            frames_per_second=25.0,
            freezes=0.0,
            concealed_samples=48.0,
        ),
        window(
            20.0,
            throughput_bytes_per_second=2000.0,
            packet_loss_ratio=0.02,
            jitter_seconds=0.005,
            round_trip_time_seconds=0.2,
            frames_per_second=24.0,
            freezes=2.0,
            concealed_samples=0.0,
        ),
        rid="h",
        track_type="regular",
    )
    labels = ("recv", "video", "regular", "h")
    expected = {
        "throughput_bytes_per_second": (1000.0, 2000.0),
        "packet_loss_ratio": (0.0, 0.02),
        "jitter_seconds": (0.004, 0.005),
        "round_trip_time_seconds": (0.1, 0.2),
        "frames_per_second": (25.0, 24.0),
        "freezes": (0.0, 2.0),
        "concealed_samples": (48.0, 0.0),
    }
    found = lines(shaped(peer(measured)))
    assert found == {
        **{
            family: {labels: [(10_000, first), (20_000, second), (29_999, None)]}
            for family, (first, second) in expected.items()
        },
        "verdict": {(): [(10_000, 1.0), (20_000, 3.0), (29_999, None)]},
        "connected": {(): CONNECTED},
    }


def test_labels_are_those_of_the_catalogue_in_their_order() -> None:
    """Whatever a family is, its series have its labels; and no family of the timeline goes to the page."""
    of = peer(stream("send", "audio", window(10.0, packet_loss_ratio=0.0)))
    for per_track in (False, True):
        families = {family.name: family for family in catalogue(per_track=per_track)}
        for each in shaped(of, per_track=per_track).series:
            assert families[each.family].scope == "timeline"
            assert tuple(name for name, _ in each.labels) == families[each.family].labels
    assert {family.name for family in FAMILIES if family.scope == "timeline"} == {
        family.name for family in FAMILIES if family.name.startswith("webrtc_timeline_")
    }


def test_what_was_not_measured_leaves_a_gap_in_its_own_line_only() -> None:
    """Missing is not zero and not the value before."""
    measured = stream(
        "send",
        "audio",
        window(10.0, packet_loss_ratio=0.0, jitter_seconds=0.001),
        window(20.0, jitter_seconds=0.002),
        window(30.0, packet_loss_ratio=0.1),
    )
    found = lines(shaped(peer(measured)))
    assert found["packet_loss_ratio"] == {
        SEND_AUDIO: [(10_000, 0.0), (19_999, None), (30_000, 0.1), (39_999, None)],
    }
    assert found["jitter_seconds"] == {SEND_AUDIO: [(10_000, 0.001), (20_000, 0.002), (29_999, None)]}
    assert "round_trip_time_seconds" not in found


def test_several_tracks_of_a_stream_are_one_series_by_the_rules_of_the_gauges() -> None:
    """Throughput adds up, loss is averaged, at the earliest of the times that belong together."""
    tracks = (
        Track(track_id="a", windows=(window(10.0, throughput_bytes_per_second=100.0, packet_loss_ratio=0.0),)),
        Track(track_id="b", windows=(window(10.2, throughput_bytes_per_second=50.0, packet_loss_ratio=0.02),)),
    )
    found = lines(shaped(peer(Stream(direction="recv", kind="audio", tracks=tracks))))
    labels = ("recv", "audio", "", "")
    assert found["throughput_bytes_per_second"] == {labels: [(10_000, 150.0), (19_999, None)]}
    assert found["packet_loss_ratio"] == {labels: [(10_000, 0.01), (19_999, None)]}


def test_on_request_each_track_has_series_of_its_own_and_the_stream_has_none() -> None:
    """A sum beside its parts would be counted twice by every query that adds up."""
    tracks = (
        Track(track_id="a", windows=(window(10.0, throughput_bytes_per_second=100.0),)),
        Track(track_id="b", windows=(window(10.2, throughput_bytes_per_second=50.0),)),
        Track(track_id="a", windows=(window(20.0, throughput_bytes_per_second=70.0),)),
    )
    of = peer(
        Stream(direction="recv", kind="audio", tracks=tracks),
        Stream(direction="send", kind="audio", summary=Summary(throughput_bytes_per_second=8.0)),
    )
    found = lines(shaped(of, per_track=True))
    assert found["throughput_bytes_per_second"] == {
        ("recv", "audio", "", "", "a"): [(10_000, 100.0), (20_000, 70.0), (29_999, None)],
        ("recv", "audio", "", "", "b"): [(10_200, 50.0), (20_199, None)],
        ("send", "audio", "", "", ""): [(0, 8.0), (60_000, 8.0), (60_001, None)],
    }
    assert found["connected"] == {(): CONNECTED}


def test_summaries_are_level_lines_from_start_to_end() -> None:
    """A sample a minute and at both ends; the marker right after, as nobody is there any more."""
    summary = Summary(packet_loss_ratio=0.06, jitter_seconds=0.001, mos=4.2)
    found = lines(shaped(peer(Stream(direction="send", kind="audio", summary=summary), start=1.5, end=150.0)))
    times = (1_500, 61_500, 121_500, 150_000)
    level = {
        "packet_loss_ratio": (SEND_AUDIO, 0.06),
        "jitter_seconds": (SEND_AUDIO, 0.001),
        "verdict": ((), 3.0),
        "connected": ((), 1.0),
    }
    assert found == {
        family: {labels: [*((time, value) for time in times), (150_001, None)]}
        for family, (labels, value) in level.items()
    }


def test_a_duration_gives_the_end() -> None:
    """As in the gauges: start and duration make the end."""
    of = replace(peer(end=None), duration_seconds=90.0)
    assert lines(shaped(of)) == {"connected": {(): [(0, 1.0), (60_000, 1.0), (90_000, 1.0), (90_001, None)]}}


def test_an_unclassified_peer_has_no_verdict() -> None:
    """Neither for want of data nor for want of measures."""
    summary = Summary(throughput_bytes_per_second=100.0)
    found = lines(shaped(peer(Stream(direction="send", kind="audio", summary=summary))))
    assert set(found) == {"throughput_bytes_per_second", "connected"}
    found = lines(shaped(peer(stream("send", "audio", window(10.0, throughput_bytes_per_second=100.0)))))
    assert set(found) == {"throughput_bytes_per_second", "connected"}


def test_without_times_the_windows_tell_them() -> None:
    """From the beginning of the first window to the end of the last."""
    windows = (window(20.0, packet_loss_ratio=0.0), window(90.0, packet_loss_ratio=0.0))
    found = lines(shaped(peer(stream("send", "audio", *windows), start=None, end=None)))
    assert found["connected"] == {(): [(10_000, 1.0), (70_000, 1.0), (90_000, 1.0), (90_001, None)]}


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (0.0, None), (None, 60.0), (60.0, 0.0), (-START - 1.0, 0.0), (0.0, 1e300), (0.0, 3e9)],
)
def test_without_usable_times_there_is_nothing(start: float | None, end: float | None) -> None:
    """A line needs two ends, in that order, that a clock can show."""
    summary = Summary(packet_loss_ratio=0.0)
    of = peer(Stream(direction="send", kind="audio", summary=summary), start=start, end=end)
    assert shaped(of).series == ()


def test_a_stay_of_a_moment_is_one_sample() -> None:
    """Start and end are the same time, and no time has two samples."""
    assert lines(shaped(peer(start=5.0, end=5.0))) == {"connected": {(): [(5_000, 1.0), (5_001, None)]}}


def test_a_broken_clock_does_not_fill_the_memory() -> None:
    """A stay of fifty years has no more samples than one of a week, and both of its ends."""
    times, values = level_line(0, T0, 1.0)
    assert len(times) <= 10_082
    assert (times[0], times[-2], times[-1]) == (0, T0, T0 + 1)
    assert len(values) == len(times)
    week = 7 * 24 * 3_600_000
    times, _ = level_line(T0, T0 + week, 1.0)
    assert times[1] - times[0] == 60_000


def test_windows_that_no_clock_shows_are_left_out() -> None:
    """Before 1970 and after 2106; and of two in one millisecond, the first counts."""
    ends = [(-1.0, 10.0), (0.0, 10.0), (START, 10.0), (START + 0.0004, 10.0), (START + 0.001, 0.0), (5e9, 10.0)]
    found, places = spans(ends)
    assert [(each.end, each.length) for each in found] == [(0, 10_000), (T0, 10_000), (T0 + 1, 1)]
    assert places == [1, 2, 4]
    assert milliseconds(1e300) is None


def test_milliseconds_survive() -> None:
    """Vendors' times are milliseconds; they come out as they were, whatever a double makes of the seconds."""
    for time in (1_772_359_200_001, 1_772_359_203_333, 1_772_359_299_999, 1_738_843_550_007):
        assert milliseconds(time / 1000) == time


@pytest.mark.parametrize(
    ("windows", "values", "expected"),
    [
        # Windows of ten seconds that end a little early and a little late.
        ([(10, 10), (19, 9), (31, 12)], [1, 2, 3], [(10, 1), (19, 2), (31, 3), (42.999, None)]),
        # A pause: the next window follows more than half a window late.
        ([(10, 10), (26, 10)], [1, 2], [(10, 1), (19.999, None), (26, 2), (35.999, None)]),
        ([(10, 10), (25, 10)], [1, 2], [(10, 1), (25, 2), (34.999, None)]),
        # A window without a value comes sooner than the one before was long.
        ([(10, 10), (14, 4), (20, 6)], [1, None, 3], [(10, 1), (13.999, None), (20, 3), (25.999, None)]),
        ([(10, 10), (20, 10)], [None, None], []),
        ([(10, 10), (20, 10)], [1, None], [(10, 1), (19.999, None)]),
        # Windows of a millisecond leave a marker no room but the next one.
        ([(10, 0.001)], [1], [(10, 1), (10.001, None)]),
        ([(10, 0.001), (10.001, 0.001)], [1, None], [(10, 1)]),
    ],
)
def test_a_value_is_shown_for_as_long_as_its_window(
    windows: list[tuple[float, float]], values: list[float | None], expected: list[tuple[float, float | None]]
) -> None:
    """Markers where a line pauses and where it ends, never at the time of a sample."""
    times, shown = windows_line([Span(round(end * 1000), round(length * 1000)) for end, length in windows], values)
    assert list(zip(times, shown, strict=True)) == [(round(at * 1000), value) for at, value in expected]


def judged(*windows: tuple[int, int, float | None]) -> JudgedSpans:
    """A stream's windows: end and length in milliseconds, and level."""
    return JudgedSpans([Span(end, length) for end, length, _ in windows], [level for *_, level in windows])


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        # Read one after the other, 499 ms apart: one reading, with the worst of it.
        ([judged((10_000, 9_000, 1.0)), judged((10_499, 10_000, 3.0))], [(10_000, 10_000, 3.0)]),
        # 500 ms apart: two readings. The first lies in the later window, too, but the second in none of the first's.
        (
            [judged((10_000, 9_000, 1.0)), judged((10_500, 10_000, 3.0))],
            [(10_000, 9_000, 3.0), (10_500, 10_000, 3.0)],
        ),
        # Windows of 30 s beside windows of 10 s.
        (
            [
                judged((30_000, 30_000, 3.0)),
                judged((10_000, 10_000, 1.0), (20_000, 10_000, 2.0), (30_100, 10_100, 1.0)),
            ],
            [(10_000, 10_000, 3.0), (20_000, 10_000, 3.0), (30_000, 30_000, 3.0)],
        ),
        # A window covers the time after its begin, up to its end.
        (
            [judged((10_000, 10_000, 1.0)), judged((20_000, 10_000, 3.0))],
            [(10_000, 10_000, 1.0), (20_000, 10_000, 3.0)],
        ),
        # One stream alone may be read twice within half a second.
        (
            [judged((10_000, 300, 1.0), (10_300, 300, 2.0))],
            [(10_000, 300, 1.0), (10_300, 300, 2.0)],
        ),
        # Unclassified says nothing beside others, and nothing at all alone.
        ([judged((10_000, 10_000, None)), judged((10_000, 10_000, 2.0))], [(10_000, 10_000, 2.0)]),
        ([judged((10_000, 10_000, None))], [(10_000, 10_000, None)]),
        ([], []),
    ],
)
def test_the_verdict_is_the_worst_of_what_covers_the_moment(
    streams: list[JudgedSpans], expected: list[tuple[int, int, float | None]]
) -> None:
    """One window a reading, whatever the streams' own steps."""
    windows, levels = verdict_windows(streams)
    found = [(each.end, each.length, level) for each, level in zip(windows, levels, strict=True)]
    assert found == expected


def test_the_verdict_of_a_peer_over_time() -> None:
    """Poor while one stream is poor, whatever the others are; absent while nothing is measured."""
    audio = stream(
        "send",
        "audio",
        window(10.0, packet_loss_ratio=0.0),
        window(20.0, packet_loss_ratio=0.06),
        window(30.0),
        window(40.0, packet_loss_ratio=0.02),
    )
    video = stream("send", "video", window(10.1, packet_loss_ratio=0.02), window(20.1, packet_loss_ratio=0.0))
    found = lines(shaped(peer(audio, video)))
    assert found["verdict"] == {(): [(10_000, 2.0), (20_000, 3.0), (29_999, None), (40_000, 2.0), (49_999, None)]}


def call(people: int, layers: int) -> list[Peer]:
    """Everybody sends audio and video in so many layers and receives both of everybody else, as 100ms measures it."""
    sent = {"throughput_bytes_per_second": 1.0, "packet_loss_ratio": 0.0, "round_trip_time_seconds": 0.1}
    heard = {"throughput_bytes_per_second": 1.0, "packet_loss_ratio": 0.0, "concealed_samples": 0.0}
    seen = {"throughput_bytes_per_second": 1.0, "frames_per_second": 25.0, "freezes": 0.0}
    others = range(people - 1)
    return [
        peer(
            stream("send", "audio", window(10.0, jitter_seconds=0.001, **sent)),
            *(stream("send", "video", window(10.0, frames_per_second=25.0, **sent), rid=f"{n}") for n in range(layers)),
            Stream(
                direction="recv",
                kind="audio",
                tracks=tuple(Track(track_id=f"{n}", windows=(window(10.0, **heard),)) for n in others),
            ),
            Stream(
                direction="recv",
                kind="video",
                tracks=tuple(Track(track_id=f"{n}", windows=(window(10.0, **seen),)) for n in others),
            ),
            peer_id=f"p{number}",
        )
        for number in range(people)
    ]


@pytest.mark.parametrize(("people", "layers"), [(2, 1), (5, 3), (9, 2)])
def test_what_a_room_adds(people: int, layers: int) -> None:
    """A room of n peers with r layers makes n (12 + 4 r) series; with tracks n (6 + 4 r + 6 (n - 1))."""
    room = call(people, layers)
    assert sum(len(shaped(each).series) for each in room) == people * (12 + 4 * layers)
    with_tracks = sum(len(shaped(each, per_track=True).series) for each in room)
    assert with_tracks == people * (6 + 4 * layers + 6 * (people - 1))
