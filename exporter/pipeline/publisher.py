"""What the page shows: sessions in view, counts and their expiry, published as one generation after another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from exporter.face import SessionLine
from exporter.metrics.cumulative import Shown, render_counts
from exporter.metrics.exposition import Generation, Headers
from exporter.metrics.gauges import GaugeRenderer
from exporter.metrics.key_values import KeyValues
from exporter.metrics.store import SeriesStore
from exporter.model import SessionKey
from exporter.quality import PeerAssessment, assess_room

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.config import MetricsSettings
    from exporter.ledger import Ledger
    from exporter.metrics.family import Family
    from exporter.model import Session
    from exporter.pipeline.exposure import Audience, ZeroHold
    from exporter.pipeline.ingest import Committed
    from exporter.quality import RoomAssessment, Thresholds

logger = logging.getLogger(__name__)

#: What counts the series that leave before their time.
EVICTED = ("webrtc_exporter_series_evicted_total",)
#: Seconds by which our clock may be set back without anything being noted anew.
_SET_BACK = 60.0
#: A room's values are made of all of its peers. Where they are many it then rests for so long for each of them, or a
#: session of 20 000 that come one by one would keep the ledger from everything else.
_MANY_PEERS = 200
_REST_SECONDS_A_PEER = 0.001
#: Sessions of which a line is kept for the landing page.
_LINES = 50


class Publisher:
    """Keeps the rendered page in step with the ledger; works in the ledger's thread."""

    def __init__(
        self,
        ledger: Ledger,
        families: Sequence[Family],
        settings: MetricsSettings,
        thresholds: Thresholds,
        hold: ZeroHold,
        *,
        key_limits: Mapping[str, int] | None = None,
    ) -> None:
        """Makes a publisher with an empty page; `load` fills it.

        Args:
            ledger: what is in view and what has been counted.
            families: the catalogue.
            settings: how long what stays, and how much of it.
            thresholds: of the rooms' verdicts.
            hold: what the publisher before this one held at zero, and the numbers of the pages.
            key_limits: by source, the most values of each of the application's own keys.
        """
        self._ledger = ledger
        self._settings = settings
        self._thresholds = thresholds
        self._headers = Headers(families)
        self._renderer = GaugeRenderer(families, KeyValues(key_limits or {}))
        self._count_families = {family.name: family for family in families if family.scope.endswith("_count")}
        self._view = SeriesStore()
        self._counts = SeriesStore()
        #: Sessions in view with the time of their last report, the longest there first.
        self._ingested: dict[SessionKey, float] = {}
        self._peers_of: dict[SessionKey, set[str]] = {}
        #: Rooms with counts with the time of their last report, the oldest first.
        self._rooms: dict[tuple[str, str], float] = {}
        self._series_of: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        #: Series of rooms that are not on the page, as rooms have none of their own now; they leave with their room.
        self._hidden_of: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        self._lines: dict[SessionKey, SessionLine] = {}
        self._hold = hold
        self._stale_sessions: set[SessionKey] = set()
        #: When a room was last made anew, and until when it rests (Unix seconds).
        self._rests: dict[SessionKey, tuple[float, float]] = {}
        self._stale_counts: set[tuple[str, ...]] = set()
        self._changed = True
        #: The latest moment at which anything was noted.
        self._latest = 0.0
        #: The page in force.
        self.generation = Generation(0, self._headers, {})

    @property
    def series(self) -> dict[str, int]:
        """How many series the page has, by what they are about."""
        return {"sessions": self._view.series, "counts": self._counts.series}

    def latest_sessions(self, limit: int) -> list[SessionLine]:
        """The sessions that were ingested last, the last one first."""
        return list(reversed(self._lines.values()))[:limit]

    def load(self) -> None:
        """Takes over what the ledger holds."""
        for stored in list(self._ledger.sessions()):
            key = stored.session.key
            self._ingested[key] = stored.ingested
            self._stale_sessions.add(key)
            for assessment in self._ledger.peers(key, PeerAssessment):
                self._put_peer(key, assessment)
        for source, room_id, last_report in self._ledger.rooms():
            self._rooms[source, room_id] = last_report
        for series in sorted(self._ledger.counts):
            self._add_series(series)
        self._adopt_rooms()
        self._latest = max([0.0, *self._ingested.values(), *self._rooms.values()])
        shown = (series for entry in self._series_of.values() for series in entry)
        self._hold.keep({series for series in shown if self._ledger.counts[series].held})

    def take(self, committed: Committed, now: float) -> None:
        """Takes over what a delivery changed."""
        self._latest = max(self._latest, now)
        for (key, _), assessment in committed.peers.items():
            self._put_peer(key, assessment)
        for key in committed.sessions:
            # Out and in again: the order of the dictionary is the order of age.
            self._ingested.pop(key, None)
            self._ingested[key] = now
        for room in committed.rooms:
            self._rooms.pop(room, None)
            self._rooms[room] = now
        self._stale_sessions |= committed.sessions
        for series in committed.series:
            self._add_series(series)

    def publish(self, now: float, audience: Audience) -> None:
        """Brings the page up to date, as a new generation if anything changed.

        Args:
            now: Unix seconds.
            audience: how far the page has been read.
        """
        self._mind_the_clock(now)
        self._expire(now)
        self._release(now, audience)
        # In the order in which they came, which is the landing page's, after a restart too.
        stale = sorted(self._stale_sessions, key=lambda key: (self._ingested[key], key))
        for key in (key for key in stale if not self._is_resting(key, now)):
            self._render_room(key)
            self._stale_sessions.discard(key)
            peers = len(self._peers_of.get(key, ()))
            if peers > _MANY_PEERS:
                self._rests[key] = (now, now + _REST_SECONDS_A_PEER * peers)
        self._render_stale_counts()
        self._evict(now)
        self._render_stale_counts()
        if self._changed:
            number = self._hold.next_generation(now)
            self.generation = Generation(number, self._headers, {**self._view.segments(), **self._counts.segments()})
            self._changed = False

    def _put_peer(self, key: SessionKey, assessment: PeerAssessment) -> None:
        self._peers_of.setdefault(key, set()).add(assessment.peer_id)
        self._view.put((key, assessment.peer_id), self._renderer.peer(key, assessment))
        self._changed = True

    def _is_resting(self, key: SessionKey, now: float) -> bool:
        since, until = self._rests.get(key, (now, now))
        # A clock that was set back must not make it a rest of days.
        return since <= now < until

    def _render_room(self, key: SessionKey) -> None:
        session = self._ledger.session(key)
        if session is None:
            return
        peers = list(self._ledger.peers(key, PeerAssessment))
        room = assess_room(session, peers, self._thresholds)
        self._view.put(key, self._renderer.room(session, room))
        self._lines.pop(key, None)
        self._lines[key] = _line(session, room)
        while len(self._lines) > _LINES:
            del self._lines[next(iter(self._lines))]
        self._changed = True

    def _entry_of(self, series: tuple[str, ...]) -> tuple[str, ...]:
        """The source, and the room where the series has one: what is rendered and expires together."""
        has_room = "room_id" in self._count_families[series[0]].labels
        return series[1:3] if has_room else series[1:2]

    def _add_series(self, series: tuple[str, ...]) -> None:
        family = self._count_families.get(series[0])
        if family is None or len(series) != len(family.labels) + 1:
            # Counted under another `histogram_rooms`: not the series that is exposed now.
            if family and len(series) == len(family.labels) + 2:
                self._hidden_of.setdefault(series[1:3], set()).add(series)
            return
        entry = self._entry_of(series)
        self._series_of.setdefault(entry, set()).add(series)
        self._stale_counts.add(entry)
        if self._ledger.counts[series].held:
            self._hold.hold(series)

    def _adopt_rooms(self) -> None:
        """Lets those rooms expire, too, that have counts and of whose reports nothing is known."""
        counts = self._ledger.counts
        for entries in (self._series_of, self._hidden_of):
            for entry, series in entries.items():
                if len(entry) > 1 and (room := (entry[0], entry[1])) not in self._rooms:
                    self._rooms[room] = max(counts[each].created for each in series)
        self._rooms = dict(sorted(self._rooms.items(), key=lambda room: room[1]))

    def _render_stale_counts(self) -> None:
        for entry in sorted(self._stale_counts):
            self._render_counts(entry)
        self._stale_counts.clear()

    def _render_counts(self, entry: tuple[str, ...]) -> None:
        counts = self._ledger.counts
        shown = (
            Shown(series, counts[series].amounts, counts[series].held) for series in sorted(self._series_of[entry])
        )
        self._counts.put(entry, render_counts(self._count_families, shown))
        self._changed = True

    def _release(self, now: float, audience: Audience) -> None:
        due = self._hold.due(now, float(self._settings.zero_hold), audience)
        if due:
            with self._ledger.transaction(now) as transaction:
                transaction.show(due)
            # Only now: where it could not be committed, the next look finds them again.
            for series in due:
                self._hold.forget(series)
                self._stale_counts.add(self._entry_of(series))

    def _mind_the_clock(self, now: float) -> None:
        """Notes anew what was noted while our clock was ahead, or it and all after it would stay for as long."""
        if now + _SET_BACK < self._latest:
            with self._ledger.transaction(now) as transaction:
                transaction.note_no_later()
            self._ingested = {key: min(noted, now) for key, noted in self._ingested.items()}
            self._rooms = {room: min(noted, now) for room, noted in self._rooms.items()}
            self._latest = now

    def _expire(self, now: float) -> None:
        gone: list[SessionKey] = []
        for key, ingested in self._ingested.items():
            if ingested + self._settings.series_ttl > now:
                break
            gone.append(key)
        empty: list[tuple[str, str]] = []
        for room, last_report in self._rooms.items():
            if last_report + self._settings.room_ttl > now:
                break
            empty.append(room)
        if gone or empty:
            with self._ledger.transaction(now) as transaction:
                for key in gone:
                    transaction.remove_session(key)
                for room in empty:
                    transaction.remove_room(*room)
                    transaction.remove(self._series_of.get(room, set()) | self._hidden_of.get(room, set()))
            for key in gone:
                self._drop_session(key)
            for room in empty:
                self._drop_room(room)

    def _evict(self, now: float) -> None:
        """Takes the oldest sessions out of view while there are more series than the limit."""
        left = self._view.series + self._counts.series
        before, gone = left, list[SessionKey]()
        for key in self._ingested:
            if left <= self._settings.max_series:
                break
            left -= self._view.series_of(key)
            left -= sum(self._view.series_of((key, peer_id)) for peer_id in self._peers_of.get(key, ()))
            gone.append(key)
        if gone:
            # Before they leave the page: what is not committed would be back after a restart.
            with self._ledger.transaction(now) as transaction:
                for key in gone:
                    transaction.remove_session(key)
                transaction.add({EVICTED: [float(before - left)]}, hold=False)
            for key in gone:
                self._drop_session(key)
            self._add_series(EVICTED)
            logger.warning(
                "%d series of %d sessions left the page: metrics.max_series is %d",
                before - left,
                len(gone),
                self._settings.max_series,
            )

    def _drop_session(self, key: SessionKey) -> None:
        for peer_id in self._peers_of.pop(key, ()):
            self._view.remove((key, peer_id))
        self._view.remove(key)
        del self._ingested[key]
        self._lines.pop(key, None)
        self._rests.pop(key, None)
        self._stale_sessions.discard(key)
        self._changed = True

    def _drop_room(self, room: tuple[str, str]) -> None:
        for series in self._series_of.pop(room, ()):
            self._hold.forget(series)
        self._hidden_of.pop(room, None)
        self._counts.remove(room)
        self._stale_counts.discard(room)
        del self._rooms[room]
        self._changed = True


def _line(session: Session, room: RoomAssessment) -> SessionLine:
    return SessionLine(
        source=session.key.source,
        room_id=session.key.room_id,
        room_name=session.room_name,
        session_id=session.key.session_id,
        start=room.start,
        end=room.end,
        peers=room.peers,
        verdict=room.verdict,
        reason=room.reason,
    )
