"""First exposure at zero: whoever scrapes, and however, sees a new series at zero before it sees its count."""

from __future__ import annotations

import heapq
from functools import partial
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from exporter.face import Connection, Scraper
from exporter.pipeline.exposure import Audience, Scrapers, ZeroHold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.metrics.counts import SeriesKey

PROMETHEUS = ("10.0.0.7", "Prometheus/2.42.0", "10")
HOLD = 30.0
#: The bound that the documentation gives, in seconds.
LONGEST_WAIT = 900.0


def scraper(connection: Connection | None = None, looks: tuple[str, ...] = PROMETHEUS) -> Scraper:
    """A Prometheus that scrapes over a connection, a new one if none is given."""
    return Scraper(looks=looks, connection=connection or Connection())


def closed() -> Connection:
    """A connection that was lost."""
    connection = Connection()
    connection.is_open = False
    return connection


def released(hold: ZeroHold, now: float, hold_seconds: float, audience: Audience) -> list[SeriesKey]:
    """What may show is shown."""
    due = hold.due(now, hold_seconds, audience)
    for series in due:
        hold.forget(series)
    return due


class TestZeroHold:
    """A new series shows zeros until all have read them and the hold time has passed."""

    def test_both_conditions_are_needed(self) -> None:
        """Neither the time alone nor a scrape alone lets the counts show."""
        hold = ZeroHold()
        hold.hold(("a",))
        assert hold.next_generation(100.0) == 1
        assert released(hold, 1000.0, HOLD, Audience()) == []
        assert released(hold, 129.9, HOLD, Audience(1)) == []
        assert len(hold) == 1
        assert released(hold, 130.0, HOLD, Audience(1)) == [("a",)]
        assert len(hold) == 0

    def test_a_scrape_of_an_older_page_does_not_count(self) -> None:
        """A series that came after the page that was read is still unseen; a later page has it too."""
        hold = ZeroHold()
        hold.hold(("a",))
        hold.next_generation(0.0)
        hold.hold(("b",))
        assert released(hold, 99.0, HOLD, Audience(5)) == [("a",)]
        assert hold.next_generation(0.0) == 2
        assert released(hold, 99.0, HOLD, Audience(1)) == []
        assert released(hold, 99.0, HOLD, Audience(5)) == [("b",)]

    def test_what_could_not_be_shown_stays_due(self) -> None:
        """Until it is forgotten, because the commit that shows it may fail."""
        hold = ZeroHold()
        hold.hold(("b",))
        hold.hold(("a",))
        hold.next_generation(0.0)
        hold.hold(("c",))
        hold.next_generation(1.0)
        assert hold.due(40.0, HOLD, Audience(2)) == [("a",), ("b",), ("c",)]
        for series in (("a",), ("b",)):
            hold.forget(series)
        assert hold.due(40.0, HOLD, Audience(2)) == [("c",)]

    def test_the_time_of_a_round_counts_too(self) -> None:
        """Where scrapers come by in 40 s only, 30 s are not enough."""
        hold = ZeroHold()
        hold.hold(("a",))
        hold.next_generation(100.0)
        assert released(hold, 139.9, HOLD, Audience(1, 40.0)) == []
        assert released(hold, 140.0, HOLD, Audience(1, 40.0)) == [("a",)]

    def test_the_hold_begins_with_the_page(self) -> None:
        """Being announced again does not prolong it; being forgotten ends it."""
        hold = ZeroHold()
        hold.hold(("a",))
        hold.hold(("b",))
        hold.next_generation(0.0)
        hold.hold(("a",))
        hold.forget(("b",))
        hold.forget(("c",))
        hold.next_generation(20.0)
        assert released(hold, 30.0, HOLD, Audience(1)) == [("a",)]

    def test_another_configuration_keeps_what_was_read(self) -> None:
        """Of what goes on to be shown, who has read it stays known; what is shown no more is forgotten."""
        hold = ZeroHold()
        for name in ("a", "b"):
            hold.hold((name,))
        hold.next_generation(0.0)
        hold.keep({("a",)})
        hold.hold(("a",))
        assert hold.next_generation(25.0) == 2
        hold.hold(("b",))
        assert released(hold, 30.0, HOLD, Audience(1)) == [("a",)]
        hold.next_generation(31.0)
        assert released(hold, 60.0, HOLD, Audience(3)) == []
        assert released(hold, 61.0, HOLD, Audience(3)) == [("b",)]


class TestScrapers:
    """Who is there, and how far they have read."""

    def test_what_was_read_stays_read(self) -> None:
        """Nothing before the first scrape; what the last one read has been read when nobody is there any more."""
        scrapers, quick, slow = Scrapers(0.0), scraper(), scraper()
        assert scrapers.audience(100.0) == Audience()
        scrapers.delivered(quick, 7, 100.0)
        assert scrapers.audience(100.0) == Audience(7)
        for now in (110.0, 120.0):
            scrapers.delivered(quick, 8, now)
        scrapers.delivered(slow, 9, 130.0)
        assert scrapers.audience(149.9) == Audience(8, 21.0)
        assert scrapers.audience(150.0) == Audience(9, 21.0)
        assert len(scrapers) == 1
        assert scrapers.audience(460.0) == Audience(9, 21.0)
        assert len(scrapers) == 0
        assert scrapers.longest_gap(460.0) == 10.0

    def test_the_slowest_counts(self) -> None:
        """What all have read, and the time in which all come by: twice the longest gap, and a second."""
        scrapers, fast, slow = Scrapers(0.0), scraper(), scraper()
        for now in range(0, 61, 15):
            scrapers.delivered(fast, now, float(now))
        scrapers.delivered(slow, 3, 3.0)
        scrapers.delivered(slow, 50, 43.0)
        assert len(scrapers) == 2
        assert scrapers.audience(60.0) == Audience(50, 81.0)
        assert scrapers.longest_gap(60.0) == 40.0

    @pytest.mark.parametrize(("interval", "patience"), [(1.0, 30.0), (15.0, 45.0), (60.0, 180.0), (310.0, 900.0)])
    def test_a_scraper_that_went_is_forgotten(self, interval: float, patience: float) -> None:
        """After three intervals, half a minute at least and a quarter of an hour at most, nobody waits for it."""
        scrapers, gone, there = Scrapers(0.0), scraper(), scraper()
        for turn in range(3):
            scrapers.delivered(gone, 1, turn * interval)
        last = 2 * interval
        for now in range(int(last), int(last + patience)):
            scrapers.delivered(there, 2, float(now))
        assert scrapers.audience(last + patience - 0.1).generation == 1
        assert scrapers.audience(last + patience).generation == 2

    def test_one_that_came_once_is_waited_for_longer(self) -> None:
        """Its interval may be some minutes."""
        scrapers, once, there = Scrapers(0.0), scraper(), scraper()
        scrapers.delivered(once, 1, 0.0)
        for now in range(330):
            scrapers.delivered(there, 2, float(now))
        assert scrapers.audience(329.9).generation == 1
        assert scrapers.audience(330.0).generation == 2

    def test_a_lost_connection_is_the_same_scraper(self) -> None:
        """Over its next connection it goes on; while the old one is open it is another."""
        scrapers, first = Scrapers(0.0), Connection()
        scrapers.delivered(scraper(first), 1, 0.0)
        scrapers.delivered(scraper(), 2, 5.0)
        assert scrapers.audience(5.0).generation == 1
        assert len(scrapers) == 2
        first.is_open = False
        scrapers.delivered(scraper(), 3, 6.0)
        assert len(scrapers) == 2
        assert scrapers.audience(6.0).generation == 2

    def test_of_several_that_were_lost_the_last_one_goes_on(self) -> None:
        """A line that was left over when two asked at once is not taken up again."""
        scrapers, first, second = Scrapers(0.0), Connection(), Connection()
        scrapers.delivered(scraper(first), 1, 0.0)
        scrapers.delivered(scraper(second), 2, 1.0)
        first.is_open = second.is_open = False
        scrapers.delivered(scraper(closed()), 3, 2.0)
        assert scrapers.audience(2.0) == Audience(1, 3.0)

    def test_one_without_connections_is_forgotten_as_any_other(self) -> None:
        """After three of its intervals, once they are known; a pair that cannot be told apart is one."""
        scrapers = Scrapers(0.0)
        for now in (0.0, 5.0, 20.0):
            scrapers.delivered(scraper(closed()), 1, now)
        scrapers.delivered(scraper(looks=("other",)), 2, 20.0)
        assert scrapers.audience(64.9).generation == 1
        assert scrapers.audience(65.0).generation == 2

    def test_after_a_lost_connection_the_interval_is_not_known(self) -> None:
        """It may be another's: of two that look alike, each may have gone on where the other was."""
        scrapers, connection = Scrapers(0.0), Connection()
        for now in (0.0, 1.0, 2.0):
            scrapers.delivered(scraper(connection), 1, now)
        connection.is_open = False
        scrapers.delivered(scraper(), 2, 3.0)
        assert scrapers.audience(332.9).generation == 2
        assert len(scrapers) == 1
        assert scrapers.audience(333.0).generation == 2
        assert len(scrapers) == 0

    def test_a_scrape_that_was_overtaken_takes_nothing_back(self) -> None:
        """Two answers over two connections may end in another order than they began."""
        scrapers, one = Scrapers(0.0), scraper()
        scrapers.delivered(one, 5, 0.0)
        scrapers.delivered(one, 4, 0.1)
        assert scrapers.audience(1.0).generation == 5

    def test_the_last_five_gaps_count(self) -> None:
        """One long pause is remembered for some time, and not for ever."""
        scrapers, one = Scrapers(0.0), scraper()
        moments = (0.0, 50.0, 51.0, 52.0, 53.0, 54.0)
        for now in moments:
            scrapers.delivered(one, 1, now)
        assert scrapers.longest_gap(54.0) == 50.0
        scrapers.delivered(one, 1, 55.0)
        assert scrapers.longest_gap(55.0) == 1.0

    def test_others_do_not_go_on_for_it(self) -> None:
        """Another address, agent, time-out or forwarded address is another scraper, over the same connection too."""
        scrapers, connection = Scrapers(0.0), closed()
        scrapers.delivered(scraper(connection), 1, 0.0)
        for looks in (("10.0.0.8", *PROMETHEUS[1:]), (*PROMETHEUS[:2], "9"), (*PROMETHEUS, "10.1.1.1")):
            scrapers.delivered(scraper(connection, looks), 2, 1.0)
        assert len(scrapers) == 4
        assert scrapers.audience(1.0).generation == 1

    def test_a_client_that_closes_each_time_is_one(self) -> None:
        """Each of its connections goes on where the last one was, whatever lines of others are left over."""
        scrapers = Scrapers(0.0)
        scrapers.delivered(scraper(closed()), 1, 0.0)
        scrapers.delivered(scraper(Connection()), 1, 1.0)
        for turn in range(1, 24):
            scrapers.delivered(scraper(closed()), 1 + turn, 15.0 * turn)
            assert len(scrapers) == (2 if 15 * turn < 331 else 1)
        assert scrapers.audience(345.0) == Audience(24, 31.0)

    def test_after_a_restart_somebody_is_still_to_come(self) -> None:
        """For the time in which all came by before, nobody speaks for all."""
        scrapers, fast = Scrapers(1000.0, longest_gap=60.0), scraper()
        for now in range(1000, 1122):
            scrapers.delivered(fast, 5, float(now))
        assert scrapers.audience(1120.9) == Audience()
        assert scrapers.longest_gap(1120.9) == 60.0
        assert scrapers.audience(1121.0) == Audience(5, 3.0)
        assert scrapers.longest_gap(1121.0) == 1.0

    def test_after_all_were_cut_off_somebody_is_still_to_come(self) -> None:
        """The first to come back does not speak for the others, even for those who were forgotten before the last."""
        scrapers, quick, slow = Scrapers(0.0), scraper(), scraper()
        for turn in range(3):
            scrapers.delivered(slow, 1, 8.0 * turn)
        for now in range(20):
            scrapers.delivered(quick, 1, float(now))
        returned = scraper()
        for turn in range(18):
            scrapers.delivered(returned, 2, 1000.0 + turn)
        assert scrapers.audience(1016.9) == Audience()
        assert scrapers.audience(1017.0) == Audience(2, 3.0)

    def test_strangers_cost_no_memory(self) -> None:
        """Whoever invents user agents pushes out the one that has been silent longest."""
        scrapers = Scrapers(0.0)
        for number in range(1000):
            scrapers.delivered(scraper(looks=("x", f"Prometheus/{number}")), number, number / 100)
        assert len(scrapers) == 64
        assert scrapers.audience(10.0).generation == 1000 - 64

    def test_a_clock_that_goes_back_makes_no_gap(self) -> None:
        """It was no time between two scrapes."""
        scrapers, one = Scrapers(0.0), scraper()
        scrapers.delivered(one, 1, 100.0)
        scrapers.delivered(one, 2, 40.0)
        assert scrapers.longest_gap(40.0) == 0.0


class Server(Struct, frozen=True, kw_only=True):
    """A Prometheus as it is set up. All in seconds."""

    interval: float
    #: When it scrapes first.
    phase: float
    #: Over whose connection it asks: those with one number share it; None: over a new one each time.
    connection: int | None


class Stored:
    """What one Prometheus has stored: the values of each series, one a scrape."""

    def __init__(self) -> None:
        self.values: dict[SeriesKey, list[float]] = {}

    def scrape(self, page: dict[SeriesKey, float]) -> None:
        """Appends a page."""
        for series, value in page.items():
            self.values.setdefault(series, []).append(value)

    def increase(self, series: SeriesKey) -> float:
        """As `increase()` over all time, without its extrapolation: the steps between neighbouring samples."""
        return sum(max(0.0, after - before) for before, after in pairwise(self.values.get(series, [])))


class Site:
    """An exporter that is scraped, with the time in the test's hand."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._counts: dict[SeriesKey, bool] = {}
        self._connections: dict[int, Connection] = {}
        self._silent = (0.0, 0.0)
        self.stored = [Stored() for _ in servers]
        self._start(0.0, 0.0)
        for index, server in enumerate(servers):
            self.at(server.phase, partial(self._scrape, index))
        self.at(0.0, self._tick)

    def at(self, when: float, action: Callable[[float], None]) -> None:
        """Something happens."""
        heapq.heappush(self._queue, (when, next(self._order), action))

    def counts_at(self, when: float, series: SeriesKey) -> None:
        """A room's only session is ingested."""

        def commit(_: float) -> None:
            self._counts[series] = True
            self._hold.hold(series)

        self.at(when, commit)

    def restarts_at(self, when: float) -> None:
        """The process dies and comes back: what is held is kept, who read it is not, and connections are lost."""

        def restart(now: float) -> None:
            self._lose_connections()
            self._start(now, self._scrapers.longest_gap(now))
            self._publish(now)

        self.at(when, restart)

    def is_cut_off(self, begin: float, end: float) -> None:
        """Nobody reaches the exporter for some time."""
        self._silent = (begin, end)
        self.loses_connections_at(begin)

    def loses_connections_at(self, when: float) -> None:
        """A firewall forgets them, for example."""
        self.at(when, lambda _: self._lose_connections())

    def run(self, end: float) -> None:
        """Lets everything happen until then."""
        while self._queue[0][0] <= end:
            when, _, action = heapq.heappop(self._queue)
            action(when)

    def _start(self, now: float, longest_gap: float) -> None:
        self._scrapers, self._hold = Scrapers(now, longest_gap), ZeroHold()
        for series, held in self._counts.items():
            if held:
                self._hold.hold(series)
        self._generation = 0
        self._page: dict[SeriesKey, float] = {}

    def _lose_connections(self) -> None:
        for connection in self._connections.values():
            connection.is_open = False
        self._connections.clear()

    def _tick(self, now: float) -> None:
        self._publish(now)
        self.at(now + 1.0, self._tick)

    def _publish(self, now: float) -> None:
        for series in released(self._hold, now, HOLD, self._scrapers.audience(now)):
            self._counts[series] = False
        self._generation = self._hold.next_generation(now)
        self._page = {series: 0.0 if held else 1.0 for series, held in self._counts.items()}

    def _scrape(self, index: int, now: float) -> None:
        server = self._servers[index]
        self.at(now + server.interval, partial(self._scrape, index))
        if self._silent[0] <= now < self._silent[1]:
            return
        self.stored[index].scrape(self._page)
        connection = Connection()
        if server.connection is not None:
            connection = self._connections.setdefault(server.connection, connection)
        self._scrapers.delivered(scraper(connection), self._generation, now)
        connection.is_open = server.connection is not None


#: Tenths of seconds, from a second to two minutes.
_INTERVALS = st.integers(10, 1200).map(lambda tenths: tenths / 10)
_MOMENTS = st.lists(st.integers(0, 6000).map(lambda tenths: tenths / 10), min_size=1, max_size=4)


@st.composite
def _with_connections(draw: st.DrawFn) -> list[Server]:
    """Up to four that look alike, each with its own interval, phase and connection."""
    intervals = draw(st.lists(_INTERVALS, min_size=1, max_size=4))
    return [
        Server(interval=interval, phase=draw(st.floats(0.0, interval)), connection=number)
        for number, interval in enumerate(intervals)
    ]


@st.composite
def _without_connections(draw: st.DrawFn) -> list[Server]:
    """A pair with one configuration whose connections do not tell them apart: shared ones, or a new one each time."""
    interval, connection = draw(_INTERVALS), draw(st.sampled_from([None, 0]))
    phases = draw(st.floats(0.0, interval)), draw(st.floats(0.0, interval))
    return [Server(interval=interval, phase=phase, connection=connection) for phase in phases]


_SERVERS = _with_connections() | _without_connections()


def _new_series(site: Site, begin: float, moments: Sequence[float]) -> list[SeriesKey]:
    every: list[SeriesKey] = []
    for number, moment in enumerate(moments):
        series = (f"webrtc_sessions_{number}",)
        site.counts_at(begin + moment, series)
        every.append(series)
    return every


def _assert_all_see(site: Site, every: Sequence[SeriesKey]) -> None:
    for index, stored in enumerate(site.stored):
        for series in every:
            assert stored.values[series][0] == 0.0, f"scraper {index} saw {series} begin with its count"
            assert stored.increase(series) == 1.0, f"scraper {index} never saw {series}"


@pytest.mark.no_cover
@settings(max_examples=60)
@given(_SERVERS, _MOMENTS)
def test_each_sees_the_increase(servers: list[Server], moments: list[float]) -> None:
    """Each Prometheus that has scraped before a room's only session sees it, within the time that is documented."""
    site = Site(servers)
    # All have come once; of those that look like one, that is what is known of them.
    every = _new_series(site, 121.0, moments)
    site.run(121.0 + max(moments) + LONGEST_WAIT)
    _assert_all_see(site, every)


@pytest.mark.no_cover
@settings(max_examples=60)
@given(_SERVERS, _MOMENTS, st.integers(0, 6000))
def test_each_sees_the_increase_over_a_restart(servers: list[Server], moments: list[float], when: int) -> None:
    """Whatever of the hold the old process had done: the new one knows nobody, but how long to wait for them."""
    site = Site(servers)
    begin = 700.0
    every = _new_series(site, begin, moments)
    site.restarts_at(begin + when / 10)
    site.run(begin + 600.0 + LONGEST_WAIT)
    _assert_all_see(site, every)


@pytest.mark.no_cover
@settings(max_examples=60)
@given(_SERVERS, _MOMENTS, st.lists(st.integers(0, 6000), min_size=1, max_size=3))
def test_each_sees_the_increase_over_lost_connections(
    servers: list[Server], moments: list[float], lost: list[int]
) -> None:
    """All connections are cut at once, a few times: each scraper comes back over another."""
    site = Site(servers)
    begin = 700.0
    every = _new_series(site, begin, moments)
    for when in lost:
        site.loses_connections_at(begin + when / 10)
    site.run(begin + 600.0 + LONGEST_WAIT)
    _assert_all_see(site, every)


@pytest.mark.no_cover
@settings(max_examples=60)
@given(_SERVERS, _MOMENTS)
def test_each_sees_the_increase_over_an_outage(servers: list[Server], moments: list[float]) -> None:
    """The network was cut for half an hour: what was ingested meanwhile is seen by all that come back."""
    site = Site(servers)
    begin, end = 700.0, 2500.0
    site.is_cut_off(begin, end)
    every = _new_series(site, begin + 0.1, moments)
    site.run(end + LONGEST_WAIT)
    _assert_all_see(site, every)


def test_a_scraper_that_comes_later_does_no_harm() -> None:
    """A third that starts in the middle neither holds the counts up for long nor takes them from the others."""
    servers = [
        Server(interval=1.0, phase=0.0, connection=0),
        Server(interval=3.0, phase=0.4, connection=1),
        Server(interval=7.0, phase=60.0, connection=2),
    ]
    site = Site(servers)
    (series,) = every = _new_series(site, 0.0, [50.0])
    site.run(120.0)
    _assert_all_see(site, every)
    # 30 s after the page of second 50; the next scrape of each.
    assert [values.index(1.0) for values in (stored.values[series] for stored in site.stored)] == [30, 10, 3]
