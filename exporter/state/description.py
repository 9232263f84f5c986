"""What is in a state, as text for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exporter.sources.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.state.overview import Marks, Overview, SessionInView, Source, TimelineLog, View

_WIDTH = len("timeline ")


def describe(found: Overview) -> str:
    """Writes an overview in lines, sections first, then source by source."""
    series = found.series
    lines = [
        f"{found.file}: state version {found.state_version}, {found.size_bytes / 1e6:.1f} MB",
        *_section("kept", _terms(found)),
        *_section("in view", _view(found.view)),
        *_section(
            "series", [f"{series.series} of {_several(series.rooms, 'room')}, {series.held} still shown at zero"]
        ),
        *_section("known", _marks(found.marks)),
        *_section("timeline", _timeline(found.timeline)),
    ]
    for source in found.sources:
        lines += [f"source {printable(source.source)}", *(f"  {line}" for line in _source(source))]
    if found.sessions is not None:
        lines += [_session(each) for each in found.sessions]
    return "\n".join(lines)


def _section(name: str, content: list[str]) -> Iterator[str]:
    for index, line in enumerate(content):
        yield f"{'' if index else name:<{_WIDTH}}{line}"


def _terms(found: Overview) -> list[str]:
    """What sets the state apart from others, if anything does."""
    terms = [f"pseudonyms of {', '.join(found.pseudonyms)}"] if found.pseudonyms else []
    if found.shard.count > 1:
        terms.append(f"shard {found.shard.index} of {found.shard.count}")
    return ["; ".join(terms)] if terms else []


def _view(view: View) -> list[str]:
    lines = [f"{_several(view.sessions, 'session')}, {_several(view.peers, 'peer')}"]
    if view.sessions:
        lines.append(f"ingested from {_moment(view.oldest)} to {_moment(view.newest)}")
    return lines


def _marks(marks: Marks) -> list[str]:
    rejections = _several(marks.rejections, "rejection")
    lines = [f"{_several(marks.sessions, 'session')}, {_several(marks.peers, 'peer')}, {rejections}"]
    if marks.since is not None:
        lines.append(f"since {_moment(marks.since)}")
    if marks.sessions_forgotten or marks.peers_forgotten:
        forgotten = f"{_several(marks.sessions_forgotten, 'session')}, {_several(marks.peers_forgotten, 'peer')}"
        lines.append(f"forgotten, as too old to come again: {forgotten}; nothing from before")
        lines.append(f"{_moment(marks.forgotten_before)} is counted any more that is not known")
    return lines


def _timeline(timeline: TimelineLog) -> list[str]:
    if not timeline.stays and not timeline.receivers:
        return []
    lines = [f"{_several(timeline.stays, 'stay')} in {timeline.bytes / 1e6:.1f} MB"]
    if timeline.stays:
        lines[0] += f", from {_moment(timeline.first)} to {_moment(timeline.last)}"
    lines += [
        f"{printable(each.receiver)} waits for {_several(each.stays, 'stay')}, {_several(each.samples, 'sample')}"
        for each in timeline.receivers
    ]
    return lines


def _source(source: Source) -> Iterator[str]:
    peers = source.peers
    yield f"sessions  {source.sessions}{_departed(source.sessions_departed)}"
    yield (
        f"peers     {peers.good} good, {peers.fair} fair, {peers.poor} poor, {peers.unclassified} unclassified"
        f"{_departed(peers.departed)}"
    )
    yield (
        f"reports   {source.reports_ingested} ingested, {source.reports_duplicate} duplicate,"
        f" {source.reports_rejected} rejected"
    )
    yield f"tasks     {source.tasks_waiting} waiting, {source.tasks_aside} set aside, {source.tasks_finished} finished"
    yield f"objects   {source.objects} read"
    yield f"newest    {'no session yet' if source.newest_end is None else f'ended {_moment(source.newest_end)}'}"


def _departed(count: int) -> str:
    return f", and {count} whose room's counts have expired" if count else ""


def _session(session: SessionInView) -> str:
    name = f" ({printable(session.room_name)})" if session.room_name else ""
    room = f"room {printable(session.room_id)}{name}"
    return (
        f"session {printable(session.session_id)} of {printable(session.source)}, {room}:"
        f" {_moment(session.start)} to {_moment(session.end)}, {_several(session.peers, 'peer')},"
        f" ingested {_moment(session.ingested)}"
    )


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"
