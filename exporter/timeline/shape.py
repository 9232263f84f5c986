"""A peer's stay as series over time."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.metrics.gauge_families import MEDIA_LABELS, PEER_LABELS
from exporter.metrics.timeline_families import CONNECTED_FAMILY, VERDICT_FAMILY
from exporter.quality import judge_window, merge_tracks
from exporter.timeline.lines import level_line, milliseconds, spans, windows_line
from exporter.timeline.sent import Sent, only_new
from exporter.timeline.series import TimelineSeries, packed
from exporter.timeline.verdict_line import LEVELS, JudgedSpans, verdict_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exporter.metrics.family import Family
    from exporter.model import Peer, SessionKey, Stream, Summary, Track, Window
    from exporter.quality import MergedWindow, PeerAssessment, Thresholds
    from exporter.timeline.lines import Line
    from exporter.timeline.sent import LineKey
    from exporter.timeline.series import Labels


class Timeline(Struct, frozen=True):
    """What is to be handed over of a peer now, and what has been with it."""

    series: tuple[TimelineSeries, ...]
    sent: Sent


class Shape:
    """Turns peers into series, by the families of one catalogue."""

    def __init__(self, families: Iterable[Family], thresholds: Thresholds) -> None:
        self._media = [family for family in families if family.scope == "timeline" and family.field]
        self._thresholds = thresholds
        self._per_track = "track_id" in self._media[0].labels

    def peer(self, key: SessionKey, peer: Peer, assessment: PeerAssessment, sent: Sent | None = None) -> Timeline:
        """Shapes one stay of a peer.

        Streams with time series give a sample a window; those with a summary give level lines from the peer's start to
        its end. Of several stays of one peer id, which share their series, the longest is to come first: where they
        overlap, it is the one that is shown, as in the gauges.

        Args:
            key: the session's identity.
            peer: the stay.
            assessment: what the rules say of it.
            sent: what was handed over of this peer before, and is not to be again.
        """
        identity = tuple(zip(PEER_LABELS, (key.source, key.room_id, key.session_id, peer.peer_id), strict=True))
        series: list[TimelineSeries] = []
        sent = sent or Sent()
        for line, shaped in self._lines(identity, peer, assessment):
            before = sent.spans(line)
            new = [left for each in shaped if (left := only_new(each, before)) is not None]
            series += new
            sent = sent.with_line(line, new)
        return Timeline(tuple(series), sent)

    def _lines(
        self, identity: Labels, peer: Peer, assessment: PeerAssessment
    ) -> Iterator[tuple[LineKey, list[TimelineSeries]]]:
        streams = [(stream, merge_tracks(stream.tracks)) for stream in peer.streams]
        stay = _stay(assessment, [window for _, windows in streams for window in windows])
        for stream, windows in streams:
            media = (stream.direction, stream.kind, stream.track_type, stream.rid)
            if windows:
                for track_id, own in self._tracks(stream, windows):
                    values = (*media, *track_id)
                    yield values, self._by_windows((*identity, *self._media_labels(values)), own)
            elif stream.summary is not None and stay is not None:
                values = (*media, "") if self._per_track else media
                yield values, self._by_summary((*identity, *self._media_labels(values)), stream.summary, stay)
        judged = [self._judged(stream, windows) for stream, windows in streams if windows]
        level = LEVELS.get(assessment.verdict)
        if judged:
            yield (VERDICT_FAMILY,), _present(VERDICT_FAMILY, identity, windows_line(*verdict_windows(judged)))
        elif level is not None and stay is not None:
            yield (VERDICT_FAMILY,), [_series(VERDICT_FAMILY, identity, level_line(*stay, level))]
        if stay is not None:
            yield (CONNECTED_FAMILY,), [_series(CONNECTED_FAMILY, identity, level_line(*stay, 1.0))]

    def _tracks(
        self, stream: Stream, windows: Sequence[MergedWindow]
    ) -> Iterator[tuple[tuple[str, ...], Sequence[Window]]]:
        if not self._per_track:
            yield (), windows
            return
        by_id: dict[str, list[Track]] = {}
        for track in stream.tracks:
            by_id.setdefault(track.track_id, []).append(track)
        for track_id, tracks in by_id.items():
            yield (track_id,), merge_tracks(tracks)

    def _media_labels(self, values: tuple[str, ...]) -> Labels:
        return tuple(zip((*MEDIA_LABELS, *(("track_id",) if self._per_track else ())), values, strict=True))

    def _by_windows(self, labels: Labels, windows: Sequence[Window]) -> list[TimelineSeries]:
        found, places = spans((window.end, window.seconds) for window in windows)
        kept = [windows[place] for place in places]
        series: list[TimelineSeries] = []
        for family in self._media:
            values = list(map(attrgetter(family.field), kept))
            series += _present(family.name, labels, windows_line(found, values))
        return series

    def _by_summary(self, labels: Labels, summary: Summary, stay: tuple[int, int]) -> list[TimelineSeries]:
        # A summary lacks some of the metrics that windows have.
        measured = [(family.name, getattr(summary, family.field, None)) for family in self._media]
        return [_series(family, labels, level_line(*stay, value)) for family, value in measured if value is not None]

    def _judged(self, stream: Stream, windows: Sequence[MergedWindow]) -> JudgedSpans:
        found, places = spans((window.end, window.seconds) for window in windows)
        verdicts = (judge_window(windows[place], self._thresholds, stream.track_type).verdict for place in places)
        return JudgedSpans(found, [LEVELS.get(verdict) for verdict in verdicts])


def _stay(assessment: PeerAssessment, windows: Sequence[Window]) -> tuple[int, int] | None:
    """From when to when the peer was there, in Unix milliseconds; where it is not told, as far as its windows tell."""
    start, end = assessment.start, assessment.end
    if start is None:
        start = min((window.end - window.seconds for window in windows), default=None)
    if end is None:
        end = max((window.end for window in windows), default=None)
    if start is None or end is None:
        return None
    first, last = milliseconds(start), milliseconds(end)
    return None if first is None or last is None or last < first else (first, last)


def _present(family: str, labels: Labels, line: Line) -> list[TimelineSeries]:
    return [_series(family, labels, line)] if line[0] else []


def _series(family: str, labels: Labels, line: Line) -> TimelineSeries:
    times, values = line
    return TimelineSeries(family=family, labels=labels, times=tuple(times), values=packed(values))
