"""What left the page stays away, what it took along is counted, and what nobody sees any more expires all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import MetricsSettings
from exporter.pipeline.publisher import EVICTED
from exporter.values import Duration
from tests.reports import audio, key, peer, report
from tests.test_publisher import NOW, Page, sessions

if TYPE_CHECKING:
    from pathlib import Path

#: A session, one of its peers, how many windows that has by now, seconds until then, and whether the process restarts.
steps = st.lists(
    st.tuples(
        st.sampled_from([f"s{number}" for number in range(8)]),
        st.sampled_from(["p0", "p1", "p2"]),
        st.integers(1, 3),
        st.sampled_from([0.0, 1.0, 600.0, 3600.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.no_cover
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.integers(150, 400))
def test_sessions_never_flap(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[str, str, int, float, bool]], limit: int
) -> None:
    """With late peers, growth, repetition, expiry, eviction and restarts: who has left the page never comes back."""
    page = Page(tmp_path_factory.mktemp("state"), MetricsSettings(max_series=limit))
    now, evicted = NOW, 0.0
    delivered: set[str] = set()
    gone: set[str] = set()
    for session, name, windows, pause, restart in todo:
        now += pause
        page.deliver(report(peer(name, audio([0.0] * windows)), of=key(session)), now=now)
        delivered.add(session)
        if restart:
            page.restart()
        in_view = set(sessions(page.text(now)))
        assert in_view.isdisjoint(gone)
        gone = delivered - in_view
        assert in_view == {stored.session.key.session_id for stored in page.ledger.sessions()}
        assert page.publisher.series["sessions"] == 0 or sum(page.publisher.series.values()) <= limit
        assert page.ledger.counts[EVICTED].amounts[0] >= evicted
        evicted = page.ledger.counts[EVICTED].amounts[0]
        shown = [line for line in page.text(now) if line.startswith(EVICTED[0])]
        assert shown == [f"{EVICTED[0]} {evicted}"]
    assert page.ledger.counts["webrtc_sessions_total", "prod", "standup"].amounts == [len(delivered)]
    page.ledger.close()


def test_a_late_peer_of_a_session_that_left_is_counted_and_not_shown(tmp_path: Path) -> None:
    """Alone it would pass for the whole session: the peer that was good would hide that the rest was poor."""
    page = Page(tmp_path, MetricsSettings())
    page.deliver(report(peer("p1", audio([0.4]))))
    page.text(NOW)
    assert sessions(page.text(NOW + 3600.0)) == []
    page.deliver(report(peer("p2", audio([0.0]))), now=NOW + 3700.0)
    assert sessions(page.text(NOW + 3700.0)) == []
    assert page.ledger.counts["webrtc_peer_sessions_total", "prod", "standup", "good", ""].amounts == [1.0]
    page.ledger.close()


def test_evicted_series_are_counted_across_restarts(tmp_path: Path) -> None:
    """A counter never goes back: it is in the ledger, and shown from the start."""
    page = Page(tmp_path, MetricsSettings())
    for number in range(4):
        page.deliver(report(peer("p1", audio([0.0])), of=key(f"s{number}")), now=NOW + number)
    assert page.has(EVICTED[0], NOW + 4.0) == [f"{EVICTED[0]} 0.0"]
    whole = page.publisher.series
    a_session = whole["sessions"] // 4
    page.restart(MetricsSettings(max_series=whole["counts"] + 3 * a_session))
    assert page.has(EVICTED[0], NOW + 5.0) == [f"{EVICTED[0]} {float(a_session)}"]
    page.restart(MetricsSettings(max_series=whole["counts"] + 2 * a_session))
    assert page.has(EVICTED[0], NOW + 6.0) == [f"{EVICTED[0]} {float(2 * a_session)}"]
    page.ledger.close()


def test_counts_after_the_view_expire_with_their_room(tmp_path: Path) -> None:
    """A peer that comes when session and room have left begins the room's counts anew; they, too, leave in time."""
    page = Page(tmp_path, MetricsSettings())
    page.deliver(report(peer("p1", audio([0.0]))))
    assert page.has("webrtc_peer_sessions_total")
    late = NOW + 90_000.0
    assert not page.has("webrtc_peer_sessions_total", late)
    page.deliver(report(peer("p2", audio([0.0]))), now=late)
    assert page.has("webrtc_peer_sessions_total", late + 86_399.0)
    page.restart()
    assert page.has("webrtc_peer_sessions_total", late + 86_399.0)
    assert not page.has("webrtc_peer_sessions_total", late + 86_400.0)
    assert not [series for series in page.ledger.counts if "standup" in series]
    page.ledger.close()


def test_counts_of_a_room_without_a_report_expire(tmp_path: Path) -> None:
    """An earlier version noted no report for what was counted after the view; its rooms leave by their counts' age."""
    page = Page(tmp_path, MetricsSettings())
    page.deliver(report(peer("p1", audio([0.0]))))
    with page.ledger.transaction(NOW) as transaction:
        transaction.remove_room("prod", "standup")
    page.restart()
    assert page.has("webrtc_sessions_total", NOW + 86_399.0)
    assert not page.has("webrtc_sessions_total", NOW + 86_400.0)
    page.ledger.close()


def test_counts_of_rooms_leave_although_rooms_are_not_shown(tmp_path: Path) -> None:
    """After `histogram_rooms` was switched off its old series go with their rooms; those without a room stay."""
    page = Page(tmp_path, MetricsSettings())
    page.deliver(report(peer("p1", audio([0.0])), of=key("a")))
    page.restart(MetricsSettings(histogram_rooms=False, zero_hold=Duration(0)))
    page.deliver(report(peer("p1", audio([0.0])), of=key("b")))
    page.text(NOW)
    assert ("webrtc_sessions_total", "prod", "standup") in page.ledger.counts
    page.text(NOW + 86_400.0)
    assert ("webrtc_sessions_total", "prod", "standup") not in page.ledger.counts
    assert page.ledger.counts["webrtc_sessions_total", "prod"].amounts == [1.0]
    page.ledger.close()


def test_a_clock_that_was_ahead_keeps_nothing(tmp_path: Path) -> None:
    """What came in the year 2099 leaves in its time after the clock was set right, and so does what came after it."""
    for restart in (False, True):
        folder = tmp_path / str(restart)
        page = Page(folder, MetricsSettings())
        page.deliver(report(peer("p1", audio([0.0])), of=key("ahead", "one")), now=NOW + 2_000_000_000.0)
        page.text(NOW + 2_000_000_000.0)
        if restart:
            page.restart()
        page.text(NOW)
        page.deliver(report(peer("p1", audio([0.0])), of=key("after", "two")), now=NOW + 1.0)
        assert sessions(page.text(NOW + 1.0)) == ["after", "ahead"]
        if restart:
            page.restart()
        assert sessions(page.text(NOW + 3600.0)) == ["after"]
        assert sessions(page.text(NOW + 3601.0)) == []
        assert page.has("webrtc_sessions_total", NOW + 86_399.0)
        assert not page.has("webrtc_sessions_total", NOW + 86_401.0)
        page.ledger.close()
