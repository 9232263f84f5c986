"""Short ways to write windows, streams, peers and sessions, and hypothesis strategies for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st

from exporter.model import Peer, Session, SessionKey, Stream, Summary, Track, Window
from exporter.quality import PeerAssessment, Thresholds, assess_peer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.quality import StreamAssessment

DEFAULTS = Thresholds()

#: Good in every measure.
GOOD = Window(
    end=0.0,
    seconds=10.0,
    throughput_bytes_per_second=4000.0,
    packet_loss_ratio=0.001,
    jitter_seconds=0.005,
    round_trip_time_seconds=0.05,
    frames_per_second=30.0,
    freezes=0.0,
    concealed_samples=0.0,
)


def windows(*measures: Mapping[str, float | None], base: Window | None = None) -> tuple[Window, ...]:
    """Windows of 10 s, one after the other, each with the measures that are given."""
    base = Window(end=0.0, seconds=10.0) if base is None else base
    return tuple(msgspec.structs.replace(base, end=1000.0 + 10 * index, **each) for index, each in enumerate(measures))


def audio(*measures: Mapping[str, float | None]) -> Stream:
    """A stream of sent audio with one track."""
    return Stream(direction="send", kind="audio", tracks=(Track(track_id="a", windows=windows(*measures)),))


def video(*measures: Mapping[str, float | None]) -> Stream:
    """A stream of received video with one track."""
    return Stream(direction="recv", kind="video", tracks=(Track(track_id="v", windows=windows(*measures)),))


def of_peer(*streams: Stream, thresholds: Thresholds = DEFAULTS) -> PeerAssessment:
    """The assessment of a peer that has these streams and nothing else."""
    return assess_peer(Peer(peer_id="p", streams=streams), thresholds)


def of_stream(stream: Stream, thresholds: Thresholds = DEFAULTS) -> StreamAssessment:
    """The assessment of one stream."""
    (assessed,) = of_peer(stream, thresholds=thresholds).streams
    return assessed


def summed_up(duration_seconds: float | None = 60.0, **measures: float | None) -> Peer:
    """A peer whose vendor gives a summary of its sent audio only."""
    return Peer(
        peer_id="p",
        duration_seconds=duration_seconds,
        streams=(Stream(direction="send", kind="audio", summary=Summary(**measures)),),
    )


def session(**values: object) -> Session:
    """A session with a key."""
    return msgspec.structs.replace(Session(key=SessionKey("source", "room", "session")), **values)


def verdict(assessed: Any) -> tuple[str, str]:  # noqa: ANN401 - a stream's, a peer's or a room's assessment
    """The verdict and its reason."""
    return assessed.verdict, assessed.reason


#: From best to worst; unclassified is none of them.
RANK = {"good": 0, "fair": 1, "poor": 2}


def optional(values: st.SearchStrategy[float]) -> st.SearchStrategy[float | None]:
    """What may be missing."""
    return st.none() | values


_RATIO = st.sampled_from([0.0, 0.005, 0.01, 0.03, 0.05, 0.2, 1.0]) | st.floats(0, 1)
_SECONDS = st.sampled_from([0.0, 0.02, 0.025, 0.03, 0.25, 0.4]) | st.floats(0, 5)
_COUNTS = st.integers(0, 3).map(float)

#: Windows at any time, of any length, with any measures.
WINDOWS = st.builds(
    Window,
    end=st.integers(0, 60_000).map(lambda milliseconds: 1.7e9 + milliseconds / 1000),
    seconds=st.floats(0.001, 30),
    throughput_bytes_per_second=optional(st.sampled_from([0.0, 1.0, 4000.0]) | st.floats(0, 1e9)),
    packet_loss_ratio=optional(_RATIO),
    jitter_seconds=optional(_SECONDS),
    round_trip_time_seconds=optional(_SECONDS),
    frames_per_second=optional(st.floats(0, 60)),
    freezes=optional(_COUNTS),
    concealed_samples=optional(st.floats(0, 480_000)),
)


def ordered(found: Sequence[Window]) -> tuple[Window, ...]:
    """The windows as a track has them: by time, none twice."""
    return tuple(sorted({window.end: window for window in found}.values(), key=lambda window: window.end))


TRACKS = st.builds(Track, track_id=st.just("t"), windows=st.lists(WINDOWS, max_size=8).map(ordered))

_SUMMARIES = st.builds(
    Summary,
    throughput_bytes_per_second=optional(st.sampled_from([0.0, 4000.0])),
    packet_loss_ratio=optional(_RATIO),
    jitter_seconds=optional(_SECONDS),
    round_trip_time_seconds=optional(_SECONDS),
    frames_per_second=optional(st.floats(0, 60)),
    mos=optional(st.floats(1, 5)),
    media_score=optional(st.floats(0, 10)),
)


def _streams(
    tracks: st.SearchStrategy[tuple[Track, ...]], summaries: st.SearchStrategy[Summary | None]
) -> st.SearchStrategy[tuple[Stream, ...]]:
    stream = st.builds(
        Stream,
        direction=st.sampled_from(["send", "recv"]),
        kind=st.sampled_from(["audio", "video"]),
        track_type=st.sampled_from(["regular", "screen"]),
        rid=st.sampled_from(["", "h"]),
        tracks=tracks,
        summary=summaries,
    )
    return st.lists(
        stream, max_size=4, unique_by=lambda each: (each.direction, each.kind, each.track_type, each.rid)
    ).map(tuple)


def peers(streams: st.SearchStrategy[tuple[Stream, ...]]) -> st.SearchStrategy[Peer]:
    """Peers with any values around the given streams."""
    return st.builds(
        Peer,
        peer_id=st.sampled_from("abcdef"),
        stay=st.sampled_from("123"),
        start=optional(st.floats(1.7e9, 1.8e9)),
        end=optional(st.floats(1.7e9, 1.8e9)),
        duration_seconds=optional(st.floats(0, 100)),
        streams=streams,
        mos=optional(st.floats(1, 5)),
        call_setup_seconds=optional(st.floats(0, 10)),
    )


#: Peers with time series, and peers with summaries.
MEASURED_PEERS = peers(_streams(st.lists(TRACKS, max_size=3).map(tuple), st.none()))
SUMMED_UP_PEERS = peers(_streams(st.just(()), optional(_SUMMARIES)))  # type: ignore[arg-type]
PEERS = MEASURED_PEERS | SUMMED_UP_PEERS
