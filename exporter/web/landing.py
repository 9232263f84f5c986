"""The page for a person at `/`: what the exporter is doing, without a script and without another host.

Room names, problems and ids come from strangers: each text is escaped, cut to a length and kept in its own direction.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from exporter.face import SessionLine, SourceState
from exporter.web.landing_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Scripts, frames, forms and other hosts are refused by the browser, whatever a room is called.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ),
)
_LONGEST_NAME, _LONGEST_PROBLEM = 160, 500
#: A shape beside the colour and the word: no one has to tell red from green.
_MARKS = {"good": "●", "fair": "▲", "poor": "■", "up": "●", "down": "■"}
_UNSET_MARK = "○"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class Landing(Struct, frozen=True, kw_only=True):
    """What the page shows."""

    version: str
    #: Unix seconds.
    now: float
    telemetry_path: str
    #: Why the process is not ready; empty when it is.
    not_ready: str
    sources: tuple[SourceState, ...]
    sessions: tuple[SessionLine, ...]
    #: Empty where there is no documentation to link to.
    documentation_url: str = ""


def landing_page(landing: Landing) -> str:
    """Renders the page as HTML."""
    ready = (
        f'<p class="banner fair">{_mark("fair")}Not ready: {_text(landing.not_ready)}</p>'
        if landing.not_ready
        else f'<p class="banner up">{_mark("up")}Ready</p>'
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>webrtc-quality-exporter</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>webrtc-quality-exporter <span class="version">{_text(landing.version)}</span></h1>
<p class="lead">Finished WebRTC calls as Prometheus metrics.</p>
{ready}
</header>
<main>
<nav aria-label="Pages"><ul>
{_links(landing)}
</ul></nav>
<section aria-labelledby="sources">
<h2 id="sources">Sources</h2>
{_sources(landing.sources, landing.now)}
</section>
<section aria-labelledby="sessions">
<h2 id="sessions">Latest sessions</h2>
{_sessions(landing.sessions, landing.now)}
</section>
</main>
<footer><p>Drawn {_time(datetime.fromtimestamp(landing.now, UTC))}. Times are UTC.</p></footer>
</body>
</html>
"""


def _links(landing: Landing) -> str:
    # Relative with a leading dot: right behind a proxy with a path prefix, and no first segment reads as a scheme.
    links = [
        (f".{quote(landing.telemetry_path)}", "Metrics", "what Prometheus scrapes"),
        ("./config", "Configuration", "in force, secrets masked"),
        ("./-/ready", "Readiness", "200, or 503 with the reason"),
        ("./-/healthy", "Health", "200 while the process lives"),
    ]
    if landing.documentation_url:
        links.append((landing.documentation_url, "Documentation", "metrics, configuration, dashboards"))
    return "\n".join(
        f'<li><a href="{escape(target)}">{name}</a> <span class="quiet">{what}</span></li>'
        for target, name, what in links
    )


def _sources(sources: Iterable[SourceState], now: float) -> str:
    columns = ("Source", "State", "Last success", "Last attempt", "Backlog", "Problem")
    rows = [
        (
            f'<strong>{_text(source.name)}</strong> <span class="quiet">{_text(source.type)}</span>',
            _state(source),
            _when(source.last_success, now, absent="never"),
            _when(source.last_attempt, now, absent="never"),
            f"{source.backlog}",
            f'<span class="problem">{_text(source.problem, _LONGEST_PROBLEM)}</span>' if source.problem else _NOTHING,
        )
        for source in sources
    ]
    return _table(columns, rows, empty="No source is configured.")


def _state(source: SourceState) -> str:
    if source.up is None:
        return _pill("", "starting")
    return _pill("up", "up") if source.up else _pill("down", "down")


def _sessions(sessions: Iterable[SessionLine], now: float) -> str:
    columns = ("Verdict", "Room", "Ended", "Lasted", "Peers", "Source", "Session")
    rows = [
        (
            _verdict(session),
            f'<strong class="name">{_text(session.room_name or session.room_id)}</strong>',
            _when(session.end, now, absent="unknown"),
            _lasted(session),
            f"{session.peers}",
            _text(session.source),
            f"<code>{_text(session.session_id)}</code>",
        )
        for session in sessions
    ]
    return _table(columns, rows, empty="No session is in view yet: calls show here when they have ended.")


def _verdict(session: SessionLine) -> str:
    words = session.reason.replace("_", " ")
    reason = f'<span class="quiet">{_text(words)}</span>' if words else ""
    kind = session.verdict if session.verdict in _MARKS else ""
    return f"{_pill(kind, session.verdict)} {reason}"


def _lasted(session: SessionLine) -> str:
    start, end = _calendar(session.start), _calendar(session.end)
    if start is None or end is None or end < start:
        return _NOTHING
    return _length((end - start).total_seconds())


_NOTHING = '<span class="quiet">–</span>'  # noqa: RUF001 - a dash for a person's eye


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, empty: str) -> str:
    if not rows:
        return f'<p class="empty">{empty}</p>'
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "\n".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    # The role stays said where the narrow layout takes the table's display away.
    return f'<table role="table">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'


def _cells(columns: tuple[str, ...], row: tuple[str, ...]) -> str:
    return "".join(
        f'<td data-label="{column}"><div>{html}</div></td>' for column, html in zip(columns, row, strict=True)
    )


def _pill(kind: str, word: str) -> str:
    return f'<span class="pill {kind}">{_mark(kind)}{_text(word)}</span>'


def _mark(kind: str) -> str:
    return f'<span aria-hidden="true">{_MARKS.get(kind, _UNSET_MARK)}</span> '


def _text(text: str, longest: int = _LONGEST_NAME) -> str:
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    # A room may be named with marks that turn the writing direction; <bdi> keeps that inside the name.
    return f"<bdi>{escape(text)}</bdi>"


def _when(moment: float | None, now: float, *, absent: str) -> str:
    at = _calendar(moment)
    if moment is None or at is None:
        return f'<span class="quiet">{absent}</span>'
    relative = f"{_length(now - moment)} ago" if moment <= now else f"in {_length(moment - now)}"
    return f'{relative} <span class="quiet">{_time(at)}</span>'


def _calendar(moment: float | None) -> datetime | None:
    """The moment as a date, unless it is none: vendors have sent milliseconds, nonsense and nothing."""
    try:
        return None if moment is None else datetime.fromtimestamp(moment, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _time(at: datetime) -> str:
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S}</time>'


def _length(seconds: float) -> str:
    whole = int(seconds)
    if whole < _MINUTE:
        parts: tuple[str, ...] = (f"{whole} s",)
    elif whole < _HOUR:
        parts = (f"{whole // _MINUTE} min",)
    elif whole < _DAY:
        parts = (f"{whole // _HOUR} h", f"{whole % _HOUR // _MINUTE:02} min")
    else:
        parts = (f"{whole // _DAY} d", f"{whole % _DAY // _HOUR} h")
    return f'<span class="length">{" ".join(parts)}</span>'
