"""The counters and histograms of a state, each for itself."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from exporter.ledger.transaction import decode_series, encode_series
from exporter.state.families import KEPT, labels_of, series_text, wrong_amounts, wrong_labels
from exporter.state.findings import Finding

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from exporter.ledger.transaction import SeriesKey, Vector

#: Upper bounds by family.
Bounds: TypeAlias = dict[str, list[float]]
Counts: TypeAlias = "dict[SeriesKey, Vector]"


def read_bounds(connection: sqlite3.Connection, findings: list[Finding]) -> Bounds:
    """The buckets that the state keeps; what is wrong with them goes to `findings`."""
    row = connection.execute("SELECT value FROM facts WHERE name = 'bounds'").fetchone()
    if row is None:
        return {}
    try:
        bounds = msgspec.msgpack.decode(row[0], type=dict[str, list[float]])
    except (msgspec.DecodeError, TypeError) as error:
        findings.append(Finding("the buckets of all histograms", f"what cannot be read ({error})", "bounds by family"))
        return {}
    for family, upper in sorted(bounds.items()):
        kept = KEPT.get(family)
        if kept is None or kept.with_rooms.type != "histogram":
            findings.append(Finding(f"the buckets of {family!r}", "no histogram of that name", "one"))
        elif not all(map(math.isfinite, upper)) or any(high <= low for low, high in pairwise(upper)):
            shown = ", ".join(f"{bound:g}" for bound in upper)
            findings.append(Finding(f"the buckets of {family}", shown, "ascending numbers"))
    return bounds


def read_counts(connection: sqlite3.Connection, bounds: Bounds, findings: list[Finding]) -> Counts:
    """The series that are right; what is wrong with the others goes to `findings`."""
    counts: Counts = {}
    for row, raw, created, held in connection.execute(
        "SELECT series, amounts, created, held FROM counts ORDER BY series"
    ):
        series = _series(row)
        if series is None:
            findings.append(Finding(f"the series {repr(row)[:200]}", "no name and labels", "a list of texts"))
            continue
        wrong = list(wrong_labels(series))
        amounts = _amounts(raw)
        if amounts is None:
            wrong.append(("amounts that cannot be read", "a list of numbers"))
        elif not wrong:
            wrong += wrong_amounts(series, amounts, bounds)
            counts[series] = amounts
        if not isinstance(created, float) or not math.isfinite(created):
            wrong.append((f"created {created!r}", "Unix seconds"))
        if held not in {0, 1}:
            wrong.append((f"held {held!r}", "0 or 1"))
        findings += [Finding(series_text(series), found, expected) for found, expected in wrong]
        if wrong:
            counts.pop(series, None)
    return counts


def orphaned_rooms(connection: sqlite3.Connection, counts: Counts) -> Iterator[Finding]:
    """Rooms with counts of which nobody knows when they had their last report: they would never expire."""
    known = set(connection.execute("SELECT source, room_id FROM rooms"))
    missing = {
        (series[1], series[2]) for series in counts if "room_id" in labels_of(series) and series[1:3] not in known
    }
    for source, room_id in sorted(missing):
        yield Finding(f"the counts of {room_text(source, room_id)}", "no last report of the room", "one in rooms")


def room_text(source: str, room_id: str) -> str:
    """A room for a message."""
    return f"room {room_id!r} of {source!r}"


def _series(row: object) -> SeriesKey | None:
    if not isinstance(row, bytes):
        return None
    try:
        series = decode_series(row)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return series if series and encode_series(series) == row else None


def _amounts(raw: object) -> Vector | None:
    try:
        return msgspec.msgpack.decode(raw, type=list[float]) if isinstance(raw, bytes) else None
    except msgspec.DecodeError:
        return None
