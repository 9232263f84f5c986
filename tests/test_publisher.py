"""What the page shows and for how long: view, expiry, cap, first exposure at zero, and the same after a restart."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import MetricsSettings
from exporter.ledger import Ledger, StateUnavailableError
from exporter.metrics.catalogue import catalogue
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.publisher import EVICTED, Publisher
from exporter.quality import Thresholds
from exporter.sources.base import Delivery, Task
from exporter.values import Duration
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model import Report

NOW = START + 600.0


class Page:
    """Ledger, ingest and publisher of a process, with time as an argument."""

    def __init__(self, folder: Path, metrics: MetricsSettings) -> None:
        self._folder, self._settings = folder, metrics
        self._open()

    def _open(self) -> None:
        self.ledger = Ledger.open(self._folder)
        with self.ledger.transaction(NOW) as transaction:
            transaction.add({EVICTED: [0.0]} if EVICTED not in self.ledger.counts else {}, hold=False)
        self.hold = ZeroHold()
        self.reload()

    def restart(self, metrics: MetricsSettings | None = None) -> None:
        """The process ends and another begins."""
        self.ledger.close()
        self._settings = metrics or self._settings
        self._open()

    def reload(self, metrics: MetricsSettings | None = None) -> None:
        """Another configuration takes over in the same process."""
        self._settings = metrics or self._settings
        families = catalogue(histogram_rooms=self._settings.histogram_rooms)
        self.ingest = Ingest(self.ledger, families, Thresholds(), Border())
        self.publisher = Publisher(self.ledger, families, self._settings, Thresholds(), self.hold)
        self.publisher.load()

    def deliver(self, *reports: Report, now: float = NOW) -> None:
        """Commits reports and hands them to the page."""
        committed = self.ingest.commit("prod", Delivery(reports=reports), now)
        self.publisher.take(committed, now)

    def text(self, now: float = NOW, *, read: bool = False) -> list[str]:
        """The sample lines of the page as it is published now, and whether a Prometheus has read the one before."""
        self.publisher.publish(now, Audience(self.publisher.generation.number if read else 0))
        body = self.publisher.generation.body(b"", open_metrics=False, gzip=False)
        return [line for line in b"".join(body.chunks).decode().splitlines() if not line.startswith("#")]

    def has(self, start: str, now: float = NOW) -> list[str]:
        """The lines that begin so."""
        return [line for line in self.text(now) if line.startswith(start)]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A page with the default settings."""
    opened = Page(tmp_path, MetricsSettings())
    yield opened
    opened.ledger.close()


def sessions(lines: list[str]) -> list[str]:
    """The session ids of the verdict lines of rooms."""
    return sorted(line.split('"')[5] for line in lines if line.startswith("webrtc_room_verdict"))


def test_a_room_is_updated_as_its_peers_arrive(page: Page) -> None:
    """One good peer makes a good room; four poor ones that come later make it poor. One verdict series each."""
    page.deliver(report(peer("p0", audio([0.0]))))
    assert page.has("webrtc_room_verdict") == [
        'webrtc_room_verdict{source="prod",room_id="standup",session_id="s1",verdict="good",reason=""} 1.0',
    ]
    for number in range(1, 5):
        page.deliver(report(peer(f"p{number}", audio([0.4]))))
    assert page.has("webrtc_room_verdict") == [
        'webrtc_room_verdict{source="prod",room_id="standup",session_id="s1",verdict="poor",reason="packet_loss"} 1.0',
    ]
    # Five peers with 10 s each: the mean of 0, .4, .4, .4 and .4.
    (loss,) = page.has("webrtc_room_packet_loss_ratio")
    assert float(loss.split()[-1]) == pytest.approx(0.32)
    assert len(page.has("webrtc_peer_verdict")) == 5


def test_a_session_vanishes_its_time_to_live_after_its_last_report(page: Page) -> None:
    """Default one hour; a report that comes later in the session keeps all of it in view longer."""
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")), now=NOW)
    page.deliver(report(peer("p1", audio([0.0])), of=key("b")), now=NOW)
    page.deliver(report(peer("p2", audio([0.0])), of=key("a")), now=NOW + 1800.0)
    assert sessions(page.text(NOW + 3599.0)) == ["a", "b"]
    assert sessions(page.text(NOW + 3600.0)) == ["a"]
    assert sessions(page.text(NOW + 5400.0)) == []
    assert not [line for line in page.text(NOW + 5400.0) if line.startswith(("webrtc_room_", "webrtc_peer_info"))]
    assert list(page.ledger.sessions()) == []


def test_a_restart_shows_the_same_page(page: Page) -> None:
    """Sessions in view with their expiry, counts, and what is still held at zero."""
    page.deliver(report(peer("p1", audio([0.0, 0.3])), peer("p2"), of=key("a")), now=NOW)
    page.text(NOW)
    page.text(NOW + 30.0, read=True)
    page.deliver(report(peer("p1", audio([0.1])), of=key("b", "other")), now=NOW + 31.0)
    before = page.text(NOW + 40.0)
    page.restart()
    assert sorted(page.text(NOW + 40.0)) == sorted(before)
    assert 'webrtc_sessions_total{source="prod",room_id="standup"} 1.0' in before
    assert 'webrtc_sessions_total{source="prod",room_id="other"} 0.0' in before
    assert sessions(page.text(NOW + 3600.0)) == ["b"]


#: Session, peer, loss, and the seconds after the one before.
_DELIVERIES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["p1", "p2", "p3"]),
        st.lists(st.floats(0.0, 1.0) | st.none(), max_size=3),
        st.floats(0.01, 2000.0),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30)
@given(_DELIVERIES, st.integers(0, 8), st.lists(st.floats(0.0, 100_000.0), min_size=1, max_size=8))
def test_nobody_can_tell_that_there_was_a_restart(
    deliveries: list[tuple[str, str, list[float | None], float]], restart_after: int, looks: list[float]
) -> None:
    """Beside a process that went on: the same lines at every moment, whatever expires when, and the same counts."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        pages = [Page(Path(folder), MetricsSettings(zero_hold=Duration(0))) for folder in (one, other)]
        now = NOW
        for number, (session, peer_id, loss, pause) in enumerate(deliveries):
            now += pause
            for page in pages:
                page.deliver(report(peer(peer_id, audio(loss)), of=key(session, f"room of {session}")), now=now)
                page.text(now)
                page.text(now, read=True)
            if number == restart_after:
                pages[1].restart()
        if restart_after >= len(deliveries):
            pages[1].restart()
        for later in sorted(looks):
            went_on, restarted = (page.text(now + later) for page in pages)
            assert sorted(went_on) == sorted(restarted)
            assert pages[0].publisher.latest_sessions(50) == pages[1].publisher.latest_sessions(50)
        for page in pages:
            page.ledger.close()


def test_expiry_is_at_the_same_moment_after_a_restart(page: Page) -> None:
    """To the second: a session an hour, a room's counts a day after its last report, however often it restarted."""
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")), now=NOW)
    for minutes in range(10, 60, 10):
        page.restart()
        assert sessions(page.text(NOW + 60.0 * minutes)) == ["a"]
    assert sessions(page.text(NOW + 3599.9)) == ["a"]
    page.restart()
    assert sessions(page.text(NOW + 3600.0)) == []
    page.restart()
    assert page.has("webrtc_sessions_total", NOW + 86_399.9)
    page.restart()
    assert not page.has("webrtc_sessions_total", NOW + 86_400.0)


def test_a_new_series_is_shown_at_zero_first(page: Page) -> None:
    """Zeros until a Prometheus has read them and 30 s have passed; afterwards new increments show at once."""
    line = 'webrtc_sessions_total{source="prod",room_id="standup"}'
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")))
    assert f"{line} 0.0" in page.text(NOW)
    assert f"{line} 0.0" in page.text(NOW + 60.0)
    assert f"{line} 1.0" in page.text(NOW + 61.0, read=True)
    page.deliver(report(peer("p1", audio([0.0])), of=key("b")), now=NOW + 62.0)
    assert f"{line} 2.0" in page.text(NOW + 62.0)


def test_a_reload_knows_what_was_held_and_read(page: Page) -> None:
    """The hold goes on; what a Prometheus has read of the old configuration's page counts, another page's does not."""
    line = 'webrtc_sessions_total{source="prod",room_id="standup"}'
    page.deliver(report(peer("p1", audio([0.0]))))
    assert f"{line} 0.0" in page.text(NOW)
    read = page.publisher.generation.number
    page.reload()
    page.deliver(report(peer("p1", audio([0.0])), of=key("b", "other")), now=NOW + 20.0)
    assert f"{line} 0.0" in page.text(NOW + 29.0)
    page.publisher.publish(NOW + 60.0, Audience(read))
    lines = page.text(NOW + 60.0)
    assert f"{line} 1.0" in lines
    assert 'webrtc_sessions_total{source="prod",room_id="other"} 0.0' in lines
    assert page.publisher.generation.number > read


def test_counts_of_a_room_leave_after_its_time_to_live(page: Page) -> None:
    """24 h after the room's last report; those of the source stay; a room that comes back begins at zero."""
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")))
    page.text(NOW)
    page.text(NOW + 30.0, read=True)
    assert page.has("webrtc_sessions_total", NOW + 86_399.0)
    assert not page.has("webrtc_sessions_total", NOW + 86_400.0)
    assert page.has("webrtc_report_lag_seconds_count", NOW + 86_400.0) == [
        'webrtc_report_lag_seconds_count{source="prod"} 1.0',
    ]
    assert ("webrtc_sessions_total", "prod", "standup") not in page.ledger.counts
    page.restart()
    page.deliver(report(peer("p1", audio([0.0])), of=key("b")), now=NOW + 90_000.0)
    assert page.has("webrtc_sessions_total", NOW + 90_000.0) == [
        'webrtc_sessions_total{source="prod",room_id="standup"} 0.0',
    ]


def test_a_full_disk_costs_no_count(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be committed as shown is tried again."""
    line = 'webrtc_sessions_total{source="prod",room_id="standup"}'
    page.deliver(report(peer("p1", audio([0.0]))))
    assert f"{line} 0.0" in page.text(NOW)
    with monkeypatch.context() as disk:

        def full(*_: object) -> None:
            raise StateUnavailableError

        disk.setattr(page.ledger, "transaction", full)
        with pytest.raises(StateUnavailableError):
            page.text(NOW + 30.0, read=True)
    assert f"{line} 1.0" in page.text(NOW + 31.0, read=True)


def test_a_room_that_nobody_read_leaves_all_the_same(page: Page) -> None:
    """Its counts were held at zero for a day: they are held no longer, and whoever reads now lets the others show."""
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")))
    page.text(NOW)
    page.text(NOW + 86_400.0)
    # The one that is about no room.
    assert len(page.hold) == 1
    lines = page.text(NOW + 86_401.0, read=True)
    assert 'webrtc_report_lag_seconds_count{source="prod"} 1.0' in lines


def test_the_cap_takes_the_oldest_sessions_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Past `max_series` the oldest leave, are counted, and do not come back after a restart."""
    page = Page(tmp_path, MetricsSettings())
    for number in range(5):
        page.deliver(report(peer("p1", audio([0.0])), of=key(f"s{number}")), now=NOW + number)
    page.text(NOW + 5.0)
    whole = page.publisher.series
    # Room for the counts and for three of the five sessions.
    limit = whole["counts"] + whole["sessions"] * 3 // 5
    page.restart(MetricsSettings(max_series=limit))
    assert sessions(page.text(NOW + 5.0)) == ["s2", "s3", "s4"]
    assert page.ledger.counts[EVICTED].amounts == [whole["sessions"] * 2 // 5]
    assert sum(page.publisher.series.values()) <= limit
    assert "metrics.max_series" in caplog.text
    page.restart()
    assert sessions(page.text(NOW + 6.0)) == ["s2", "s3", "s4"]
    page.ledger.close()


def test_without_rooms_counts_are_by_source(tmp_path: Path) -> None:
    """`histogram_rooms: false`: one series for all rooms, which no room's age takes away."""
    page = Page(tmp_path, MetricsSettings(histogram_rooms=False, zero_hold=Duration(0)))
    page.deliver(report(peer("p1", audio([0.0])), of=key("a", "one")))
    page.deliver(report(peer("p1", audio([0.0])), of=key("a", "two")))
    page.text(NOW)
    assert 'webrtc_sessions_total{source="prod"} 2.0' in page.text(NOW + 86_401.0, read=True)
    page.ledger.close()


def test_what_left_the_page_with_another_configuration_is_new_again(tmp_path: Path) -> None:
    """Counts by room come back after a time without: a Prometheus that read their zeros then saw them go."""
    page = Page(tmp_path, MetricsSettings())
    page.deliver(report(peer("p1", audio([0.0]))))
    page.text(NOW)
    page.reload(MetricsSettings(histogram_rooms=False))
    page.text(NOW + 1.0)
    # The one that is about no room.
    assert len(page.hold) == 1
    page.reload(MetricsSettings())
    lines = page.text(NOW + 60.0, read=True)
    assert 'webrtc_sessions_total{source="prod",room_id="standup"} 0.0' in lines
    page.ledger.close()


def test_counts_made_with_rooms_are_not_mixed_with_those_without(tmp_path: Path) -> None:
    """After `histogram_rooms` was switched off the page has one label set a family."""
    page = Page(tmp_path, MetricsSettings())
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")))
    page.restart(MetricsSettings(histogram_rooms=False))
    page.deliver(report(peer("p1", audio([0.0])), of=key("b")))
    assert page.has("webrtc_sessions_total") == ['webrtc_sessions_total{source="prod"} 0.0']
    page.ledger.close()


def test_the_page_is_published_only_when_it_changed(page: Page) -> None:
    """Between changes the generation stays, and with it what was compressed; a task that was noted is no change."""
    page.deliver(report(peer("p1", audio([0.0]))))
    page.text(NOW)
    first = page.publisher.generation
    page.text(NOW + 1.0)
    committed = page.ingest.commit("prod", Delivery(new_tasks=(Task(key="a", due=NOW),)), NOW + 2.0)
    page.publisher.take(committed, NOW + 2.0)
    page.text(NOW + 2.0)
    assert page.publisher.generation is first


def test_the_latest_sessions_come_first(page: Page) -> None:
    """For the landing page: the last ingested first, as many as asked for."""
    for number in range(60):
        page.deliver(report(peer("p1", audio([0.4])), of=key(f"s{number}")), now=NOW + number)
        page.text(NOW + number)
    lines = page.publisher.latest_sessions(2)
    assert [(line.session_id, line.verdict, line.reason, line.peers) for line in lines] == [
        ("s59", "poor", "packet_loss", 1),
        ("s58", "poor", "packet_loss", 1),
    ]
    assert len(page.publisher.latest_sessions(1000)) == 50


class TestLargeSessions:
    """A room's values are made of all its peers: of thousands not after each of them."""

    @staticmethod
    def loss(page: Page, now: float) -> float:
        """The room's mean loss on the page."""
        (line,) = page.has("webrtc_room_packet_loss_ratio", now)
        return float(line.split()[-1])

    def test_a_large_room_is_made_anew_now_and_then(self, page: Page) -> None:
        """Peers show at once, the room after a rest that is the longer the more there are; at the end it is exact."""
        page.deliver(*(report(peer(f"p{number:03}", audio([0.0]))) for number in range(300)))
        assert self.loss(page, NOW) == 0.0
        page.deliver(*(report(peer(f"q{number:03}", audio([0.5]))) for number in range(300)))
        assert self.loss(page, NOW + 0.29) == 0.0
        assert len(page.has("webrtc_peer_verdict", NOW + 0.29)) == 600
        assert self.loss(page, NOW + 0.31) == pytest.approx(0.25)
        page.deliver(report(peer("r", audio([0.25]))))
        # 600 peers by now.
        assert self.loss(page, NOW + 0.9) == pytest.approx(0.25)
        resting = page.text(NOW + 0.9)
        at_last = page.text(NOW + 1.0)
        assert 'webrtc_room_peers{source="prod",room_id="standup",session_id="s1"} 1.0' in at_last
        assert resting != at_last
        page.restart()
        assert sorted(page.text(NOW + 1.0)) == sorted(at_last)

    def test_a_clock_that_is_set_back_ends_the_rest(self, page: Page) -> None:
        """A rest of milliseconds must not become one of days."""
        page.deliver(*(report(peer(f"p{number:03}", audio([0.0]))) for number in range(300)))
        page.text(NOW)
        page.deliver(*(report(peer(f"q{number:03}", audio([0.5]))) for number in range(300)), now=NOW - 9e5)
        assert self.loss(page, NOW - 9e5) == pytest.approx(0.25)

    def test_others_do_not_wait_for_it(self, page: Page) -> None:
        """Each session rests for itself."""
        page.deliver(*(report(peer(f"p{number:03}", audio([0.0]))) for number in range(300)))
        page.text(NOW)
        page.deliver(report(peer("q", audio([0.5]))), report(peer("q", audio([0.5])), of=key("b")))
        assert sessions(page.text(NOW + 0.1)) == ["b", "s1"]
