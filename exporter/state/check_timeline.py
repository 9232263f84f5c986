"""The log of the timeline and how far its receivers have come, row by row."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from exporter.ledger.timeline import Place, end_of
from exporter.sources.text import printable
from exporter.state.findings import Finding
from exporter.timeline import payload
from exporter.timeline.remembered import decode_sent
from exporter.timeline.series import count

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


def wrong_timeline(connection: sqlite3.Connection) -> Iterator[Finding]:
    """What is to be handed over, who has how much of it, and what is remembered of what was."""
    last: Place | None = None
    for *place, first, end, samples, raw in connection.execute(
        'SELECT id, samples_through, bytes_through, "first", "last", samples, payload FROM timeline ORDER BY id'
    ):
        what = f"row {place[0]} of the timeline"
        here = Place(*place)
        if last is not None and here != (expected := Place(last.id + 1, last.samples + samples, last.bytes + len(raw))):
            yield Finding(f"{what}: its sums", _sums(here), _sums(expected))
        last = here
        try:
            series = payload.decode(raw)
        except payload.PayloadError as error:
            yield Finding(what, "what cannot be read", str(error))
            continue
        if count(series) != samples:
            yield Finding(f"{what}: samples", str(samples), str(count(series)))
        times = [time / 1000 for each in series for time in (each.times[0], each.times[-1])]
        if [first, end] != [min(times), max(times)]:
            yield Finding(f"{what}: first and last", f"{first} and {end}", f"{min(times)} and {max(times)}")
    newest = end_of(connection)
    for name, *place in connection.execute("SELECT * FROM timeline_receivers ORDER BY name"):
        here = Place(*place)
        if here.id > newest.id or here.samples > newest.samples or here.bytes > newest.bytes:
            yield Finding(f"the place of {printable(name)} in the timeline", _sums(here), f"at most {_sums(newest)}")
    for mark, sent in connection.execute("SELECT mark, sent FROM seen_peers WHERE sent <> x'' ORDER BY mark"):
        try:
            decode_sent([sent])
        except (zlib.error, msgspec.MsgspecError):
            yield Finding(f"the mark {mark.hex()} in seen_peers: what was sent", "what cannot be read", "spans of time")


def _sums(place: Place) -> str:
    return f"row {place.id}, {place.samples} samples, {place.bytes} bytes"
