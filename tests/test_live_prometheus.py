"""The main job, end to end: simulated vendors, the real process, a real Prometheus, compared with the raw documents."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from exporter.demo.hundredms_server import Faults
from tests.dashboards.boards import committed
from tests.dashboards.live import SCRAPED_ONLY, Absence, live_findings
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import TOKEN, Vendors, expected_of, simulated_vendors
from tests.oracle import Expected, Prometheus, check_exposition, differences, query_of_page, running_prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.live

BOARDS = committed()
KEYS = ("tenant", "plan")
#: Peers that never connected are given up so long after their session's end.
GIVE_UP_SECONDS = 30.0


class Running(Struct, frozen=True, kw_only=True):
    """Everything at work, after all meetings were ingested and all counts are shown."""

    vendors: Vendors
    exporter: Exporter
    prometheus: Prometheus
    expected: Expected
    config: Path
    storage: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Vendors whose meetings ended a few seconds ago, an exporter that asks them, a Prometheus that scrapes it."""
    folder = tmp_path_factory.mktemp("live")
    faults = Faults(ready_after_seconds=12.0, too_many_requests_every=40, retry_after_seconds=1)
    with simulated_vendors(folder / "streams", time.time() - 5.0, faults) as vendors:
        config, storage = folder / "config.yaml", folder / "state"
        config.write_text(json.dumps(_configuration(vendors, folder)), encoding="utf-8")
        expected = expected_of(vendors, KEYS)
        with (
            running_exporter(config, storage) as exporter,
            running_prometheus(folder / "prometheus", {"exporter": exporter.address}) as prometheus,
        ):
            exporter.until_ready()
            exporter.until("every report counted and shown", lambda: _is_settled(expected, prometheus))
            yield Running(
                vendors=vendors,
                exporter=exporter,
                prometheus=prometheus,
                expected=expected,
                config=config,
                storage=storage,
            )


def _configuration(vendors: Vendors, folder: Path) -> dict[str, object]:
    token = folder / "token"
    token.write_text(TOKEN, encoding="utf-8")
    return {
        "sources": [
            {
                "name": "meetings",
                "type": "100ms",
                "base_url": vendors.base_url,
                "auth": {"management_token_file": str(token)},
                "discovery": {"poll_interval": "1s", "lookback": "1h"},
                "peer_stats": {
                    "requests_per_second": 200,
                    "settle_delay": "0s",
                    "recheck_after": [],
                    "give_up_after": f"{GIVE_UP_SECONDS:.0f}s",
                },
            },
            {
                "name": "watch",
                "type": "watchrtc",
                "url": str(vendors.folder),
                "poll_interval": "1s",
                "min_object_age": "0s",
                "keys_as_labels": list(KEYS),
            },
        ],
        "metrics": {"zero_hold": "1s"},
    }


def _is_settled(expected: Expected, prometheus: Prometheus) -> bool:
    """Whether Prometheus has seen the verdict of every peer counted."""
    peers = sum(value for (family, _), value in expected.counters.items() if family == "webrtc_peer_sessions_total")
    answer = prometheus.query("sum(webrtc_peer_sessions_total)")
    return bool(answer) and answer[0][1] == peers


def test_prometheus_answers_what_the_documents_say(running: Running) -> None:
    """Every family, every series, every label and value."""
    found = differences(running.expected, running.prometheus.query)
    assert not found, "\n".join(found[:40])


def test_the_page_is_well_formed(running: Running) -> None:
    """Both formats: accepted by parsers, nothing for promtool to say, no duplicate series, no timestamps."""
    check_exposition(running.exporter.page(), running.exporter.page(open_metrics=True))


@pytest.mark.parametrize("name", ["overview", "room", "exporter"])
def test_every_query_of_a_board_has_an_answer(running: Running, name: str) -> None:
    """With both vendors chosen no panel is empty, whatever one vendor alone does not measure."""
    board = BOARDS[f"webrtc-quality-{name}"]
    may_be_empty = (
        *SCRAPED_ONLY,
        Absence("[$__interval]", "the run is shorter than a column of five minutes"),
        Absence("_reports_rejected_total", "every document of the simulated vendors can be read"),
    )
    assert live_findings(running.prometheus.url, board, time.time(), {}, may_be_empty=may_be_empty) == []


def test_every_query_of_the_peer_board_has_an_answer(running: Running) -> None:
    """For each peer no query is empty but those of what its source cannot say; and none is empty for all peers."""
    board = BOARDS["webrtc-quality-peer"]
    empty_for_all: set[str] | None = None
    for labels, _ in running.prometheus.query("webrtc_peer_verdict"):
        variables = {"source": "source", "room": "room_id", "session": "session_id", "peer": "peer_id"}
        choose = {variable: [labels[label]] for variable, label in variables.items()}
        assert live_findings(running.prometheus.url, board, time.time(), choose) == []
        found = live_findings(running.prometheus.url, board, time.time(), choose, may_be_empty=SCRAPED_ONLY)
        places = {line.partition(":")[0] for line in found}
        empty_for_all = places if empty_for_all is None else empty_for_all & places
    assert empty_for_all == set()


def test_a_restart_continues(running: Running) -> None:
    """SIGTERM ends with 0; the next process shows the same page at once and counts nothing again."""
    with running_exporter(running.config, running.storage.with_name("other")) as other:
        other.until_ready()
        assert other.stop() == 0
    assert running.exporter.stop() == 0
    with running_exporter(running.config, running.storage) as again:
        again.until_ready()
        found = differences(running.expected, query_of_page(again.page(open_metrics=True)))
        assert not found, "\n".join(found[:40])
