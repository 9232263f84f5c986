"""A peer's stay as series over time."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.metrics.gauge_families import MEDIA_LABELS, PEER_LABELS
from exporter.metrics.timeline_families import CONNECTED_FAMILY, VERDICT_FAMILY
from exporter.model import Window
from exporter.quality import merge_tracks
from exporter.timeline.lines import Span, level_line, milliseconds, spans, windows_line
from exporter.timeline.sent import Sent, only_new
from exporter.timeline.series import TimelineSeries, packed
from exporter.timeline.verdict_line import LEVELS, JudgedSpans, verdict_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.metrics.family import Family
    from exporter.model import SessionKey, Stream, Summary, Track
    from exporter.quality import JudgedPeer, PeerAssessment
    from exporter.timeline.lines import Line
    from exporter.timeline.sent import LineKey
    from exporter.timeline.series import Labels


class Timeline(Struct, frozen=True):
    """What is to be handed over of a peer now, and what has been with it."""

    series: tuple[TimelineSeries, ...]
    sent: Sent


class Shape:
    """Turns peers into series, by the families of one catalogue."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._media = [family for family in families if family.scope == "timeline" and family.field]
        self._per_track = "track_id" in self._media[0].labels

    def peer(self, key: SessionKey, judged: JudgedPeer, sent: Sent | None = None) -> Timeline:
        """Shapes one stay of a peer.

        Streams with time series give a sample a window; those with a summary give level lines from the peer's start to
        its end. Of several stays of one peer id, which share their series, the longest is to come first: where they
        overlap, it is the one that is shown, as in the gauges.

        Args:
            key: the session's identity.
            judged: the stay, and what the rules say of it and of its windows.
            sent: what was handed over of this peer before, and is not to be again.
        """
        identity = tuple(zip(PEER_LABELS, (key.source, key.room_id, key.session_id, judged.peer.peer_id), strict=True))
        series: list[TimelineSeries] = []
        sent = sent or Sent()
        for line, shaped in self._lines(identity, judged):
            before = sent.spans(line)
            new = [left for each in shaped if (left := only_new(each, before)) is not None]
            series += new
            sent = sent.with_line(line, new)
        return Timeline(tuple(series), sent)

    def _lines(self, identity: Labels, judged: JudgedPeer) -> Iterator[tuple[LineKey, list[TimelineSeries]]]:
        stay = _stay(judged.assessment, [window for each in judged.streams for window in each.windows])
        verdicts: list[JudgedSpans] = []
        for each in judged.streams:
            stream = each.stream
            media = (stream.direction, stream.kind, stream.track_type, stream.rid)
            if each.windows:
                timed = _timed(each.windows)
                levels = [LEVELS.get(each.judgements[place].verdict) for place in timed.places]
                verdicts.append(JudgedSpans(timed.spans, levels))
                for track_id, own in self._tracks(stream, timed):
                    values = (*media, *track_id)
                    yield values, self._by_windows((*identity, *self._media_labels(values)), own)
            elif stream.summary is not None and stay is not None:
                values = (*media, "") if self._per_track else media
                yield values, self._by_summary((*identity, *self._media_labels(values)), stream.summary, stay)
        level = LEVELS.get(judged.assessment.verdict)
        if verdicts:
            yield (VERDICT_FAMILY,), _present(VERDICT_FAMILY, identity, windows_line(*verdict_windows(verdicts)))
        elif level is not None and stay is not None:
            yield (VERDICT_FAMILY,), [_series(VERDICT_FAMILY, identity, level_line(*stay, level))]
        if stay is not None:
            yield (CONNECTED_FAMILY,), [_series(CONNECTED_FAMILY, identity, level_line(*stay, 1.0))]

    def _tracks(self, stream: Stream, together: _Timed) -> Iterator[tuple[tuple[str, ...], _Timed]]:
        if not self._per_track:
            yield (), together
            return
        by_id: dict[str, list[Track]] = {}
        for track in stream.tracks:
            by_id.setdefault(track.track_id, []).append(track)
        for track_id, tracks in by_id.items():
            yield (track_id,), _timed(merge_tracks(tracks))

    def _media_labels(self, values: tuple[str, ...]) -> Labels:
        return tuple(zip((*MEDIA_LABELS, *(("track_id",) if self._per_track else ())), values, strict=True))

    def _by_windows(self, labels: Labels, timed: _Timed) -> list[TimelineSeries]:
        series: list[TimelineSeries] = []
        for family in self._media:
            values = list(map(attrgetter(family.field), timed.windows))
            series += _present(family.name, labels, windows_line(timed.spans, values))
        return series

    def _by_summary(self, labels: Labels, summary: Summary, stay: tuple[int, int]) -> list[TimelineSeries]:
        # A summary lacks some of the metrics that windows have.
        measured = [(family.name, getattr(summary, family.field, None)) for family in self._media]
        return [_series(family, labels, level_line(*stay, value)) for family, value in measured if value is not None]


class _Timed(Struct, frozen=True):
    """Windows with the spans of time that they stand for."""

    windows: Sequence[Window]
    spans: list[Span]
    #: Those of the windows among all that there were.
    places: list[int]


def _timed(windows: Sequence[Window]) -> _Timed:
    found, places = spans((window.end, window.seconds) for window in windows)
    return _Timed([windows[place] for place in places], found, places)


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
