"""Every fault of the 100ms API at once, with 5 000 peers: all of them end counted once, at the pace configured."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct, structs

from exporter.demo.simulation import meeting
from tests.live import faults
from tests.live.fault_cases import RECHECKS, Case, Place
from tests.live.fault_run import Run
from tests.live.faulty_vendor import STATS, Answer, by_first_part, most_within
from tests.live.pages import about_calls, rejections, scrape, sums
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import in_a_thread
from tests.oracle import Expected, differences, expected, query_of_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.demo.truth import Meeting
    from tests.live.faulty_vendor import Fault

pytestmark = pytest.mark.live

RATE = 250
CONCURRENCY = 8
#: Seconds; a machine that has other things to do takes long for five thousand peers.
PATIENCE = 600.0
#: A hall of so many listeners, and so many small meetings of four.
LISTENERS, MEETINGS = 3000, 500


def every_fault(_: Place) -> Sequence[Fault]:
    """All of them; how often is chosen so that no pause takes longer than the work."""
    return (
        faults.every(
            97, faults.problem(401, "Token validation error"), faults.problem(403, "insufficient permissions")
        ),
        faults.every(1201, faults.problem(429, "slow down", retry_after="1"), faults.problem(429, "retry after 1 s")),
        faults.every(907, Answer(status=429)),
        faults.every(61, faults.HTML, Answer(status=502), Answer(status=503)),
        faults.spoilt_every(53, faults.cut, faults.packed_and_cut),
        faults.spoilt_every(47, faults.slow(0.3)),
        faults.for_some(40, faults.lies()),
        faults.for_some(30, faults.not_ready(1)),
        faults.for_some(35, faults.empty_at_first(1)),
        faults.rewritten(faults.skewed(7200), STATS),
        faults.circle(),
    )


def growth_too(place: Place) -> Sequence[Fault]:
    """All faults, and statistics that grow."""
    return (*every_fault(place), faults.growing(place.vendor))


def crowd(ended: float) -> list[Meeting]:
    """One hall with two speakers, and small meetings before it, ten of them in each of fifty rooms."""
    hall = meeting("hall", "all_hands", ended - 42.0, room="hall", people=LISTENERS + 3, minutes=0.7)
    host, speaker, *others = hall.participants
    # Pictures for three thousand would cost the test more time than they can show.
    quiet = (structs.replace(host, camera=False, screen=()), structs.replace(speaker, camera=False), *others)
    small = [
        meeting(number, "audio_only", ended - 60.0 - number, room=f"room-{number % 50}", people=4, minutes=0.5)
        for number in range(MEETINGS)
    ]
    return [structs.replace(hall, participants=quiet), *small]


class Crowd(Struct, frozen=True, kw_only=True):
    """What was seen, after everything was counted and after a restart."""

    runs: tuple[Run, Run]
    page: str
    page_after_restart: str
    #: What of the page is not as expected.
    differences: list[str]
    #: How many requests for statistics the crowd's vendor had had when the exporter was stopped.
    asked: int


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    """Runs the crowd, beside it a few sessions whose statistics grow, to their end, and the exporter twice."""
    folder = tmp_path_factory.mktemp("crowd")
    # The oldest meetings ended minutes before: on a slow machine ten minutes are over for them before it is their turn.
    pace: dict[str, object] = {
        "requests_per_second": RATE,
        "concurrency": CONCURRENCY,
        "give_up_after": "2h",
    }
    # Beside a crowd the first statistics may come late, and a look must be left for those that follow.
    rechecks = [*RECHECKS, "512s", "1024s"]
    growing = Case(signs=True, faults=growth_too, peer_stats={"recheck_after": rechecks}, versions=2)
    runs = (
        Run("crowd", Case(signs=True, faults=every_fault, peer_stats=pace), folder, crowd(time.time() - 3.0)),
        Run("grown", growing, folder),
    )
    with in_a_thread(by_first_part({run.name: run.vendor for run in runs}), tells_time=False) as url:
        config = folder / "config.yaml"
        sources = [run.source(url) for run in runs]
        config.write_text(json.dumps({"sources": sources, "metrics": {"zero_hold": "1s"}}), encoding="utf-8")
        with running_exporter(config, folder / "state", measured=False) as exporter:
            exporter.until("all is given", lambda: all(run.is_given() for run in runs), PATIENCE, 0.5)
            exporter.until("all is shown", lambda: _is_shown(exporter, runs), PATIENCE, 1.0)
            wanted = _expected(runs)
            page, found = _settled(exporter, wanted)
            assert exporter.stop() == 0
        asked = len(runs[0].vendor.visits_to(STATS))
        with running_exporter(config, folder / "state", measured=False) as exporter:
            exporter.until("polled again", lambda: _least_polls(exporter) > 2, PATIENCE, 1.0)
            again = scrape(exporter)
    return Crowd(runs=runs, page=page, page_after_restart=again, differences=found, asked=asked)


def _is_shown(exporter: Exporter, runs: Sequence[Run]) -> bool:
    shown = sums(scrape(exporter), "webrtc_peer_sessions_total")
    return all(shown[run.name] == len(run.peers) for run in runs)


def _least_polls(exporter: Exporter) -> float:
    return min(sums(exporter.page(), "webrtc_exporter_source_polls_total").values(), default=0)


def _expected(runs: Sequence[Run]) -> Expected:
    rooms = {room: what for run in runs for room, what in run.rooms().items()}
    return expected({run.name: run.told() for run in runs}, {}, hundredms_rooms=rooms)


def _settled(exporter: Exporter, wanted: Expected) -> tuple[str, list[str]]:
    """The page, and what of it is not as expected: the gauges of a large room follow a little later."""
    deadline = time.monotonic() + PATIENCE
    while True:
        page = scrape(exporter)
        found = _differences(wanted, page)
        if not found or time.monotonic() > deadline:
            return page, found
        time.sleep(2.0)


def _differences(wanted: Expected, page: str) -> list[str]:
    return differences(wanted, query_of_page(page))


def test_everybody_is_counted_once(seen: Crowd) -> None:
    """Every gauge, counter and histogram is what the documents say that came through in the end."""
    assert not seen.differences, "\n".join(seen.differences[:20])
    assert sums(seen.page, "webrtc_sessions_total") == {"crowd": MEETINGS + 1, "grown": 3}
    assert sums(seen.page, "webrtc_peer_sessions_total") == {"crowd": 4 * MEETINGS + LISTENERS + 2, "grown": 8}


def test_every_fault_befell_them(seen: Crowd) -> None:
    """Or the test would show less than it says."""
    statuses = seen.runs[0].vendor.statuses()
    assert all(statuses[status] for status in (200, 401, 403, 404, 429, 500, 502, 503))
    manners = {visit.answer.manner for visit in seen.runs[0].vendor.visits if visit.answer}
    assert manners == {"whole", "slow", "cut"}


def test_lies_are_counted_once(seen: Crowd) -> None:
    """Each document once for each session, by what is wrong with it."""
    for run in seen.runs:
        assert rejections(seen.page, run.name) == run.lies()
    assert min(seen.runs[0].lies().values()) > 5


def test_the_pace_is_kept(seen: Crowd) -> None:
    """Never more requests in a second, or in all, than configured, and never more at a time."""
    vendor = seen.runs[0].vendor
    times = [visit.began for visit in vendor.visits]
    # Those that are on their way may arrive together.
    assert most_within(times, 1.0) <= RATE + CONCURRENCY
    assert most_within(times, 10.0) <= 10 * RATE + CONCURRENCY
    assert vendor.most_running <= CONCURRENCY


def test_nothing_is_counted_again_after_a_restart(seen: Crowd) -> None:
    """Three polls later everything about sessions, rooms and peers is as it was, and nobody was asked for again."""
    assert about_calls(seen.page_after_restart) == about_calls(seen.page)
    assert len(seen.runs[0].vendor.visits_to(STATS)) == seen.asked
