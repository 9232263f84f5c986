"""What was counted against what is remembered, and families against one another: the sums that always agree.

Each of these holds whatever was delivered, grew, was forgotten, or left with its room; what does not hold always is not
asked. Sample histograms and stream time, for example, have no second record that they could be held against.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeAlias

from exporter.state.check_counts import room_text
from exporter.state.families import INGESTED, LAG, OF_PEERS, PEERS, REJECTED, SESSIONS, SKIPPED, labels_of
from exporter.state.findings import Finding

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from exporter.state.check_counts import Counts

#: Source, and room id where the series has one.
_Scope: TypeAlias = tuple[str, ...]

#: What is remembered, its counter, and the tallies of what either lost.
_REMEMBERED = (
    ("sessions", "seen_sessions", SESSIONS, "forgotten_sessions", "departed_sessions"),
    ("peers", "seen_peers", PEERS, "forgotten_peers", "departed_peers"),
)


def wrong_sums(connection: sqlite3.Connection, counts: Counts) -> Iterator[Finding]:
    """Yields the sums that do not agree."""
    tallies = {
        (source, name): amount
        for source, name, amount in connection.execute("SELECT * FROM tallies")
        if isinstance(amount, float)
    }
    for what, table, counter, forgotten, departed in _REMEMBERED:
        marks = Counter(dict(connection.execute(f"SELECT source, count(*) FROM {table} GROUP BY source").fetchall()))  # noqa: S608 - fixed names
        counted = _by_source(counts, counter)
        for scope in _scopes(tallies, marks, counted):
            remembered = sum(marks[source] + tallies.get((source, forgotten), 0.0) for source in scope)
            left = sum(counted[source] + tallies.get((source, departed), 0.0) for source in scope)
            if round(remembered) != round(left):
                yield Finding(
                    f"{_whose(scope)}: {what} of {counter}, with those that left with their rooms",
                    f"{left:g}",
                    f"{remembered:g}, as many as are remembered or were forgotten",
                )
            if counter == SESSIONS:
                yield from _wrong_reports(counts, scope, remembered)
    yield from _wrong_rejections(connection, counts)
    yield from _wrong_histograms(counts)


def _scopes(
    tallies: dict[tuple[str, str], float], marks: Counter[str], counted: defaultdict[str, float]
) -> Iterator[tuple[str, ...]]:
    """Each source for itself; all together where there are marks of a version that did not note their source."""
    # Of no source are marks that a version left which did not note it, and what it lost by then.
    sources = sorted({*marks, *counted, *(source for (source, _), amount in tallies.items() if amount)})
    if "" in sources:
        yield tuple(sources)
    else:
        yield from ((source,) for source in sources)


def _wrong_reports(counts: Counts, scope: tuple[str, ...], sessions: float) -> Iterator[Finding]:
    ingested, lags = _by_source(counts, INGESTED), _by_source(counts, LAG)
    reports = sum(ingested[source] for source in scope)
    if reports < sessions:
        yield Finding(f"{_whose(scope)}: {INGESTED}", f"{reports:g}", f"at least {sessions:g}, one for each session")
    observed = sum(lags[source] for source in scope)
    if observed > sessions:
        yield Finding(f"{_whose(scope)}: observations of {LAG}", f"{observed:g}", f"at most {sessions:g}, its sessions")


def _wrong_rejections(connection: sqlite3.Connection, counts: Counts) -> Iterator[Finding]:
    (marks,) = connection.execute("SELECT count(*) FROM seen_rejected").fetchone()
    # Sessions of which peers are left out are remembered there, too; each leaves out one at least.
    counted = sum(sum(_by_source(counts, family).values()) for family in (REJECTED, SKIPPED))
    if counted < marks:
        what = f"all sources: {REJECTED} and {SKIPPED} together"
        yield Finding(what, f"{counted:g}", f"at least {marks}, those that are remembered")


def _wrong_histograms(counts: Counts) -> Iterator[Finding]:
    peers: defaultdict[_Scope, float] = defaultdict(float)
    observed: defaultdict[tuple[str, _Scope], float] = defaultdict(float)
    for series, amounts in counts.items():
        if series[0] == PEERS:
            peers[_scope(series)] += amounts[0]
        elif series[0] in OF_PEERS:
            observed[series[0], _scope(series)] += sum(amounts[:-1])
    for (family, scope), count in sorted(observed.items()):
        if count > peers[scope]:
            where = room_text(*scope) if len(scope) > 1 else _whose(scope)
            yield Finding(f"{where}: observations of {family}", f"{count:g}", f"at most {peers[scope]:g}, its peers")


def _by_source(counts: Counts, family: str) -> defaultdict[str, float]:
    """The sums of a counter, or the observations of a histogram, by source."""
    sums: defaultdict[str, float] = defaultdict(float)
    for series, amounts in counts.items():
        if series[0] == family:
            sums[series[1]] += amounts[0] if len(amounts) == 1 else sum(amounts[:-1])
    return sums


def _scope(series: tuple[str, ...]) -> _Scope:
    labels = labels_of(series)
    return tuple(labels[name] for name in ("source", "room_id") if name in labels)


def _whose(scope: tuple[str, ...]) -> str:
    return f"source {scope[0]!r}" if len(scope) == 1 else "all sources"
