"""The real exporter and the simulated 100ms API, each fault alone: all is counted once, and asked for at its pace.

Every fault has a source and a vendor of its own; one process asks all of them at the same time.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from tests.live.fault_cases import CASES, RATE
from tests.live.fault_run import Run
from tests.live.faulty_vendor import STATS, by_first_part, most_within
from tests.live.pages import about_calls, failures, rejections, scrape, sums
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import in_a_thread
from tests.oracle import Expected, differences, expected, query_of_page

if TYPE_CHECKING:
    from tests.live.faulty_vendor import Visit

pytestmark = pytest.mark.live

#: Seconds; a machine that has other things to do takes long for two dozen vendors.
PATIENCE = 600.0
every_fault = pytest.mark.parametrize("name", CASES)


class Matrix(Struct, frozen=True, kw_only=True):
    """What was seen, after everything was counted and after a restart."""

    runs: dict[str, Run]
    page: str
    page_after_restart: str
    #: What of the page is not as expected.
    differences: list[str]
    #: How many requests for statistics each vendor had had when the exporter was stopped.
    asked: dict[str, int]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """Runs all cases to their end, and the exporter twice."""
    folder = tmp_path_factory.mktemp("matrix")
    runs = {name: Run(name, case, folder) for name, case in CASES.items()}
    vendors = by_first_part({name: run.vendor for name, run in runs.items()})
    with in_a_thread(vendors, tells_time=False) as url:
        config = folder / "config.yaml"
        sources = [run.source(url) for run in runs.values()]
        config.write_text(json.dumps({"sources": sources, "metrics": {"zero_hold": "1s"}}), encoding="utf-8")
        with running_exporter(config, folder / "state", measured=False) as exporter:
            # What is missing in the end is told by the tests, fault by fault.
            with suppress(AssertionError):
                exporter.until("all is given and shown", lambda: _is_done(exporter, runs), PATIENCE)
            wanted = _expected(runs)
            with suppress(AssertionError):
                exporter.until("nothing is missing", lambda: not differences(wanted, query_of_page(scrape(exporter))))
            page = scrape(exporter)
            assert exporter.stop() == 0
        asked = {name: len(run.vendor.visits_to(STATS)) for name, run in runs.items()}
        with running_exporter(config, folder / "state", measured=False) as exporter:
            found = differences(wanted, query_of_page(page))
            exporter.until("polled again", lambda: _least_polls(exporter) > 2)
            again = scrape(exporter)
    return Matrix(runs=runs, page=page, page_after_restart=again, differences=found, asked=asked)


def _is_done(exporter: Exporter, runs: dict[str, Run]) -> bool:
    shown = sums(scrape(exporter), "webrtc_peer_sessions_total")
    return all(run.is_given() and shown[run.name] == len(run.peers) for run in runs.values())


def _least_polls(exporter: Exporter) -> float:
    return min(sums(exporter.page(), "webrtc_exporter_source_polls_total").values(), default=0)


def _expected(runs: dict[str, Run]) -> Expected:
    rooms = {room: what for run in runs.values() for room, what in run.rooms().items()}
    return expected({name: run.told() for name, run in runs.items()}, {}, hundredms_rooms=rooms)


@every_fault
def test_everything_is_counted_once(matrix: Matrix, name: str) -> None:
    """Every gauge, counter and histogram is what the documents say that came through in the end."""
    assert matrix.runs[name].is_given()
    found = [line for line in matrix.differences if f"source='{name}'" in line]
    assert not found, "\n".join(found[:20])


@every_fault
def test_nothing_is_counted_again_after_a_restart(matrix: Matrix, name: str) -> None:
    """Three polls later all is as it was, and nobody was asked for again who is not to be looked at later."""
    assert about_calls(matrix.page_after_restart, name) == about_calls(matrix.page, name)
    if matrix.runs[name].case.versions == 1:
        assert len(matrix.runs[name].vendor.visits_to(STATS)) == matrix.asked[name]


@every_fault
def test_the_pace_is_kept(matrix: Matrix, name: str) -> None:
    """No more a second than configured, but for those on their way; never more at a time; no burst after a pause."""
    run = matrix.runs[name]
    times = [visit.began for visit in run.vendor.visits]
    # Sent evenly (tests/test_hundredms_pacing.py), they may arrive together.
    assert most_within(times, 1.0) <= RATE + run.concurrency
    assert most_within(times, 3.0) <= 3 * RATE + run.concurrency
    assert run.vendor.most_running <= run.concurrency


@every_fault
def test_a_pause_that_the_vendor_asks_for_is_kept(matrix: Matrix, name: str) -> None:
    """Only what is on its way already still comes."""
    run = matrix.runs[name]
    for visit in run.vendor.visits:
        pause = asked_to_wait(visit)
        during = [each for each in run.vendor.visits if 0 < each.began - visit.answered < pause]
        assert len(during) < run.concurrency


def asked_to_wait(visit: Visit) -> float:
    """How many seconds a visitor was told to wait."""
    if visit.answer is None or visit.answer.status != 429:
        return 0.0
    header = visit.answer.headers.get("retry-after", "")
    if header.isdigit():
        return float(header)
    if header:
        return parsedate_to_datetime(header).timestamp() - visit.answered_at
    found = re.search(r"retry after (\d+) seconds", visit.answer.body.decode())
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(("name", "status"), [("401-mid-run", 401), ("403-mid-run", 403)])
def test_a_refused_token_is_renewed_once(matrix: Matrix, name: str, status: int) -> None:
    """The same is asked once more with another token, by every call that was refused."""
    visits = matrix.runs[name].vendor.visits_to(STATS)
    refused = [visit for visit in visits if visit.answer and visit.answer.status == status]
    assert refused
    for peer in {visit.asked.key for visit in refused}:
        calls = [visit for visit in visits if visit.asked.key == peer]
        refusals = [visit for visit in refused if visit.asked.key == peer]
        assert len(calls) == len(refusals) + 1
        assert len({visit.asked.token for visit in calls}) == len(calls)


def test_polls_that_failed_say_why(matrix: Matrix) -> None:
    """A token that is good no more fails them; in the end every source is up."""
    assert failures(matrix.page, "token-rotated")["unauthorized"] >= 1
    up = sums(matrix.page, "webrtc_exporter_source_up")
    assert {name for name in matrix.runs if up[name] != 1} == set()


def test_lies_are_counted_once(matrix: Matrix) -> None:
    """Each document once for each session, by what is wrong with it; nothing else is rejected."""
    assert matrix.runs["lies"].lies().keys() == {"malformed", "wrong_type", "missing_identity"}
    for name, run in matrix.runs.items():
        assert rejections(matrix.page, name) == run.lies()
