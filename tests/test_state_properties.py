"""The check finds nothing in any state that came about in the ordinary way, and something in each that did not."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.ledger.transaction import decode_series
from exporter.sources.base import RejectedDocument
from exporter.state.families import PEERS, SESSIONS
from exporter.state.reset import reset_buckets
from tests.reports import START, audio, key, peer, report, summarised
from tests.state_support import Exporter, by_hand, findings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from exporter.model import Report

#: One thing that happens to a state, at a time in Unix seconds.
Step: TypeAlias = "Callable[[History], None]"

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
#: Two ways to have a family's buckets; both as long as the default ones.
BUCKETS: tuple[dict[str, tuple[float, ...]], ...] = (
    {},
    {"webrtc_sample_packet_loss_ratio": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)},
    {"webrtc_peer_session_duration_seconds": (1.0, 45.0)},
)


class History:
    """A state over time, in the hands of one exporter after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START + DAY
        self._open(Exporter(folder, now=self.now))

    def deliver(self, source: str, *reports: Report, **more: object) -> None:
        """Reports of sessions that have just ended, or of long ago."""
        self._exporter.deliver(source, *reports, now=self.now, **more)

    def wait(self, seconds: float) -> None:
        """Time passes: things expire and are forgotten."""
        self.now += seconds
        for _ in range(8):
            self._exporter.pass_time(self.now)
            self._exporter.ledger.forget(self.now)

    def restart(self, *, rooms: bool, buckets: int) -> None:
        """Another configuration; other buckets let their families begin afresh."""
        self.close()
        self._open(Exporter(self.folder, rooms=rooms, buckets=BUCKETS[buckets], now=self.now, reset=reset_buckets))

    def close(self) -> None:
        """The last one ends."""
        self._exporter.close()

    def _open(self, exporter: Exporter) -> None:
        self._exporter = exporter
        # Nobody pulls the plug here, and waiting for the disk is most of the time.
        exporter.ledger._connection.execute("PRAGMA synchronous = OFF")  # noqa: SLF001 - for tests


NUMBERS = st.integers(0, 2)
LOSSES = st.lists(st.sampled_from([None, 0.0, 0.02, 0.3]), max_size=4)


@st.composite
def deliveries(draw: st.DrawFn) -> Step:
    """A report of some session and peers; the same ones come again, grown, shrunk or with other values."""
    of = key(f"s{draw(NUMBERS)}", f"r{draw(NUMBERS)}", draw(st.sampled_from(["prod", "watch"])))
    ago = draw(st.sampled_from([MINUTE, DAY, 100 * DAY]))
    # What sources see to: a stay comes once in a report.
    stays = draw(st.lists(st.tuples(NUMBERS, st.sampled_from(["", "again"])), max_size=3, unique=True))
    peers = [
        peer(
            f"p{number}",
            *([audio(losses)] if (losses := draw(LOSSES)) else []),
            stay=stay,
            seconds=draw(st.floats(0.0, 1e5)),
        )
        for number, stay in stays
    ]
    if draw(st.booleans()):
        return lambda history: history.deliver(of.source, summarised(0.1, of=of), report(*peers, of=of))
    return lambda history: history.deliver(of.source, report(*peers, of=of, end=history.now - ago))


@st.composite
def rejections(draw: st.DrawFn) -> Step:
    """A document that is none."""
    document = RejectedDocument(reason="malformed", digest=bytes([draw(NUMBERS)]) * 16, message="a.json: broken")
    return lambda history: history.deliver("watch", rejected=(document,))


WAITS = st.sampled_from([MINUTE, 90 * MINUTE, 3 * HOUR, 2 * DAY, 30 * DAY, 50 * DAY]).map(
    lambda seconds: lambda history: history.wait(seconds)
)


def forget(history: History) -> None:
    """So much time passes, while other sessions come, that marks are forgotten."""
    history.wait(50 * DAY)
    history.deliver("watch", report(peer(), of=key(f"at {history.now}", "other", "watch"), end=history.now))
    history.wait(2 * DAY)


RESTARTS = st.tuples(st.booleans(), NUMBERS).map(
    lambda chosen: lambda history: history.restart(rooms=chosen[0], buckets=chosen[1])
)
STEPS = st.lists(
    st.one_of(deliveries(), deliveries(), deliveries(), WAITS, rejections(), RESTARTS, st.just(forget)), max_size=15
)


def live(folder: Path, steps: list[Step]) -> None:
    """Lets things happen to a new state."""
    with closing(History(folder)) as history:
        for step in steps:
            step(history)


@settings(max_examples=60)
@given(steps=STEPS)
def test_nothing_is_found_in_what_came_about_in_the_ordinary_way(steps: list[Step]) -> None:
    """Whatever is delivered, grows, expires, is forgotten or configured, in any order."""
    with TemporaryDirectory() as name:
        live(Path(name), steps)
        assert findings(Path(name)) == []


@settings(max_examples=60)
@given(steps=STEPS, data=st.data())
def test_a_changed_count_is_found(steps: list[Step], data: st.DataObject) -> None:
    """Any counter of sessions or peers that is not what was counted, and any mark too many or too few."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        live(folder, [lambda history: history.deliver("prod", report(peer(), end=history.now)), *steps])
        with by_hand(folder) as connection:
            data.draw(st.sampled_from([change_a_counter, drop_a_mark, add_a_mark]))(connection, data)
        assert findings(folder) != []


def change_a_counter(connection: sqlite3.Connection, data: st.DataObject) -> None:
    """Writes another number, or, where every room has expired, one where none was."""
    rows = connection.execute("SELECT series, amounts FROM counts ORDER BY series").fetchall()
    counters = [
        (row, msgspec.msgpack.decode(raw)[0]) for row, raw in rows if decode_series(row)[0] in {SESSIONS, PEERS}
    ]
    row, before = data.draw(st.sampled_from(counters or [(b'["webrtc_sessions_total","prod"]', 0.0)]))
    after = data.draw(st.integers(0, 100).map(float).filter(lambda amount: amount != before))
    connection.execute("INSERT OR REPLACE INTO counts VALUES (?, ?, 1.0, 0)", (row, msgspec.msgpack.encode([after])))


def drop_a_mark(connection: sqlite3.Connection, data: st.DataObject) -> None:
    """Forgets something without noting it, or, where all is forgotten, notes too much of it."""
    table = data.draw(st.sampled_from(["seen_sessions", "seen_peers"]))
    marks = [mark for (mark,) in connection.execute(f"SELECT mark FROM {table} ORDER BY mark")]  # noqa: S608 - fixed names
    if marks:
        connection.execute(f"DELETE FROM {table} WHERE mark = ?", (data.draw(st.sampled_from(marks)),))  # noqa: S608 - as above
    else:
        connection.execute("UPDATE tallies SET amount = amount + 1 WHERE name = 'forgotten_peers'")


def add_a_mark(connection: sqlite3.Connection, data: st.DataObject) -> None:
    """Remembers what was never counted."""
    source = data.draw(st.sampled_from(["prod", "watch", "other"]))
    connection.execute("INSERT INTO seen_sessions VALUES (randomblob(16), ?, 1.0, 1.0)", (source,))
