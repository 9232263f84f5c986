"""First exposure at zero: when the counts of a new series may show, so that every Prometheus sees them come.

Prometheus' `increase()` cannot see a jump from nothing: a series that appears with 5 has increased by 0. So a new one
shows zeros, for the hold time at least and until every scraper has read them.

Nothing in a scrape says which server sends it. Two that share an address, a user agent and a time-out (a pair for high
availability behind NAT) are told apart by their connections, which Prometheus keeps between scrapes. Where connections
do not last (a proxy, `Connection: close`), several servers look like one. Two of them with one interval come by within
twice the longest gap between any two scrapes, and so long a new series is held at least.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.metrics.counts import SeriesKey

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from exporter.face import Scraper

#: A scraper that has missed so many of its intervals is gone, and no longer waited for.
_MISSED_INTERVALS = 3
#: In seconds. A server that is restarted, or a machine that is busy, is not gone at once.
_LEAST_PATIENCE = 30.0
#: In seconds, for a scraper of which the interval is not known yet: a little more than the longest.
_PATIENCE_WITH_NEW = 330.0
#: Two that look like one come right after each other at first, perhaps, and then not for long.
_KNOWING_GAPS = 2
#: No gap counts as longer, in seconds: a Prometheus that scrapes less often loses its series between scrapes.
_LONGEST_GAP = 300.0
#: Gaps that are remembered of each scraper, so that one outage does not count for ever.
_GAPS = 5
#: Scrapers that are remembered, so that a stranger who invents user agents costs no memory.
_MOST_SCRAPERS = 64
#: What scrapers and publishing may be late, in seconds.
_MARGIN = 1.0


class Audience(Struct, frozen=True):
    """How far those have read who scrape at a moment."""

    #: The newest generation of the page that each of them has read; 0: none, or not all of them are known yet.
    generation: int = 0
    #: Seconds in which each of them comes by, even two that look like one.
    round_seconds: float = 0.0


class _Line:
    """The scrapes of one scraper, as far as it can be told from others."""

    def __init__(self, scraper: Scraper, generation: int, now: float) -> None:
        self.scraper = scraper
        self.generation = generation
        self.last = now
        self.gaps: deque[float] = deque(maxlen=_GAPS)
        #: Whether it has come twice over its connection.
        self._keeps_connection = False
        #: Whether the gaps are those of the scraper that came last.
        self._knows_gaps = False

    @property
    def is_known(self) -> bool:
        """Whether its gaps tell when it comes."""
        return self._knows_gaps and len(self.gaps) >= _KNOWING_GAPS

    @property
    def patience(self) -> float:
        """Seconds after its last scrape for which it is waited for."""
        least = _LEAST_PATIENCE if self.is_known else _PATIENCE_WITH_NEW
        return max(least, _MISSED_INTERVALS * self.longest_gap)

    @property
    def longest_gap(self) -> float:
        """The longest time between two scrapes lately, in seconds; 0 where there was one only."""
        return max(self.gaps, default=0.0)

    def go_on(self, scraper: Scraper, generation: int, now: float) -> None:
        """The next scrape."""
        same = scraper.connection is self.scraper.connection
        # Where several that keep their connections lost them at once, one may go on with the line of another.
        self._knows_gaps = same or not self._keeps_connection
        self._keeps_connection = same
        self.scraper = scraper
        self.generation = max(self.generation, generation)
        self.gaps.append(min(now - self.last, _LONGEST_GAP))
        self.last = now


class Scrapers:
    """Who scrapes, and what each of them has read. For one thread; moments are Unix seconds."""

    def __init__(self, started: float, longest_gap: float = 0.0) -> None:
        """Begins without knowing anybody.

        Args:
            started: when the process began to answer.
            longest_gap: `longest_gap` of the process before; within that time somebody who has read nothing yet may
                still come.
        """
        self._lines: list[_Line] = []
        #: What was read by those who went last.
        self._went_with = 0
        #: The longest gap of those who went and may come back.
        self._gone_gap = longest_gap
        #: From when on all who scrape are known again.
        self._complete = started + _round(longest_gap)
        self._all_went = False

    def delivered(self, scraper: Scraper, generation: int, now: float) -> None:
        """A scraper has been sent a whole page."""
        self._forget_gone(now)
        if self._all_went:
            # All were cut off: the first to come back must not pass for all of them.
            self._all_went, self._complete = False, now + _round(self._gone_gap)
        line = self._line_of(scraper)
        if line is not None:
            line.go_on(scraper, generation, now)
            return
        self._lines.append(_Line(scraper, generation, now))
        if len(self._lines) > _MOST_SCRAPERS:
            self._lines.remove(min(self._lines, key=lambda each: each.last))

    def audience(self, now: float) -> Audience:
        """How far those have read who are there; when nobody is, those who went last."""
        self._forget_gone(now)
        if now < self._complete:
            return Audience()
        read = min((line.generation for line in self._lines), default=self._went_with)
        return Audience(read, _round(self.longest_gap(now)))

    def longest_gap(self, now: float) -> float:
        """The longest time between two scrapes of one scraper, in seconds; 0 before anybody came twice."""
        all_known = now >= self._complete and self._lines and all(line.is_known for line in self._lines)
        return max([0.0 if all_known else self._gone_gap, *(line.longest_gap for line in self._lines)])

    def __len__(self) -> int:
        return len(self._lines)

    def _line_of(self, scraper: Scraper) -> _Line | None:
        """The line that a scrape goes on with."""
        alike = [line for line in self._lines if line.scraper.looks == scraper.looks]
        for line in alike:
            if line.scraper.connection is scraper.connection:
                return line
        # A scraper that lost its connection comes back over another. Of several that it may be, the one that was there
        # last: a client that never keeps its connection must go on with its own line.
        lost = [line for line in alike if not line.scraper.connection.is_open]
        return max(lost, key=lambda line: line.last, default=None)

    def _forget_gone(self, now: float) -> None:
        there = [line for line in self._lines if now < line.last + line.patience]
        if len(there) == len(self._lines):
            return
        gone = [line for line in self._lines if line not in there]
        self._gone_gap = max([self._gone_gap, *(line.longest_gap for line in gone)])
        if not there:
            self._all_went, self._went_with = True, min(line.generation for line in gone)
        self._lines = there


def _round(longest_gap: float) -> float:
    return 2.0 * longest_gap + _MARGIN if longest_gap else 0.0


class _Batch(Struct):
    """Series that came onto the page together."""

    #: The first generation of the page that shows them, and when it was published (Unix seconds).
    generation: int
    published: float
    series: set[SeriesKey]


class ZeroHold:
    """Which new series are still shown at zero. For one thread; moments are Unix seconds."""

    def __init__(self) -> None:
        self._generation = 0
        #: On no page yet.
        self._new: set[SeriesKey] = set()
        #: On the page, the longest there first.
        self._batches: deque[_Batch] = deque()
        self._batch_of: dict[SeriesKey, set[SeriesKey]] = {}

    def __len__(self) -> int:
        return len(self._batch_of)

    def hold(self, series: SeriesKey) -> None:
        """A series is new; being announced again changes nothing."""
        if series not in self._batch_of:
            self._new.add(series)
            self._batch_of[series] = self._new

    def forget(self, series: SeriesKey) -> None:
        """A series shows its count, or left the page."""
        batch = self._batch_of.pop(series, None)
        if batch is not None:
            batch.discard(series)

    def keep(self, series: AbstractSet[SeriesKey]) -> None:
        """Of what was held, only this is held any longer; who has read it stays known."""
        for gone in self._batch_of.keys() - series:
            self.forget(gone)

    def next_generation(self, now: float) -> int:
        """The number of a new page, which shows all that is held. No two pages have one, whoever publishes them."""
        self._generation += 1
        if self._new:
            self._batches.append(_Batch(self._generation, now, self._new))
            self._new = set()
        return self._generation

    def due(self, now: float, hold_seconds: float, audience: Audience) -> list[SeriesKey]:
        """The series whose counts may show; they are held until they are forgotten, once they do show.

        Args:
            now: Unix seconds.
            hold_seconds: how long zeros are shown at least (`metrics.zero_hold`).
            audience: who has read how far.
        """
        while self._batches and not self._batches[0].series:
            self._batches.popleft()
        shown_for = max(hold_seconds, audience.round_seconds)
        found: list[SeriesKey] = []
        for batch in self._batches:
            if batch.generation > audience.generation or batch.published + shown_for > now:
                break
            found += sorted(batch.series)
        return found


class Exposure:
    """What is known of the readers and of what they have not read; it outlives the configuration."""

    def __init__(self, started: float, longest_gap: float = 0.0) -> None:
        """Begins without knowing anybody; the arguments are those of `Scrapers`."""
        #: For the event loop.
        self.scrapers = Scrapers(started, longest_gap)
        #: For the ledger's thread.
        self.hold = ZeroHold()
