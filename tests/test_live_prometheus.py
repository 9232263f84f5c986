"""The main job, end to end: simulated vendors, the real process, a real Prometheus, compared with the raw documents."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from dashboards.queries import SEVERITIES, STAY
from exporter.demo.hundredms_server import Faults
from tests.dashboards.boards import committed
from tests.dashboards.live import SCRAPED_ONLY, Absence, absences, answer, live_findings
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import TOKEN, Vendors, expected_of, simulated_vendors
from tests.oracle import Expected, Prometheus, check_exposition, differences, query_of_page, running_prometheus
from tests.oracle.prometheus import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


pytestmark = pytest.mark.live

BOARDS = committed()
KEYS = ("tenant", "plan")
#: Peers that never connected are given up so long after their session's end.
GIVE_UP_SECONDS = 30.0


class Running(Struct, frozen=True, kw_only=True):
    """Everything at work, after all meetings were ingested and all counts are shown."""

    vendors: Vendors
    exporter: Exporter
    #: Scrapes the exporter, and is sent the timeline.
    prometheus: Prometheus
    #: Scrapes the exporter and nothing else.
    scraping_only: Prometheus
    expected: Expected
    config: Path
    storage: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Vendors whose meetings ended a few seconds ago, an exporter that asks them, a Prometheus that scrapes it."""
    folder = tmp_path_factory.mktemp("live")
    faults = Faults(ready_after_seconds=12.0, too_many_requests_every=40, retry_after_seconds=1)
    address = f"127.0.0.1:{free_port()}"
    target = {"exporter": address}
    with (
        simulated_vendors(folder / "streams", time.time() - 5.0, faults, announced=False) as vendors,
        running_prometheus(folder / "one", target, flags=["--web.enable-remote-write-receiver"]) as prometheus,
        running_prometheus(folder / "two", target) as scraping_only,
    ):
        config, storage = folder / "config.yaml", folder / "state"
        config.write_text(json.dumps(_configuration(vendors, folder, prometheus.url)), encoding="utf-8")
        expected = expected_of(vendors, KEYS)
        with running_exporter(config, storage, address=address, measured=False) as exporter:
            exporter.until_ready()
            for each in (prometheus, scraping_only):
                # What the exporter says of itself is not held at zero: it must have been read before it counts.
                each.wait_for("webrtc_exporter_samples_rejected_total == 0")
            vendors.announce()
            exporter.until("every report counted and shown", lambda: _is_settled(expected, prometheus, scraping_only))
            yield Running(
                vendors=vendors,
                exporter=exporter,
                prometheus=prometheus,
                scraping_only=scraping_only,
                expected=expected,
                config=config,
                storage=storage,
            )


def _configuration(vendors: Vendors, folder: Path, receiver: str) -> dict[str, object]:
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
        "remote_write": [{"name": "prometheus", "url": f"{receiver}/api/v1/write"}],
    }


def _is_settled(expected: Expected, prometheus: Prometheus, scraping_only: Prometheus) -> bool:
    """Whether every peer has its verdict, no count is held at zero any more, and the timeline was sent."""
    peers = sum(value for (family, _), value in expected.counters.items() if family == "webrtc_peer_sessions_total")
    # Of one scrape: what came after it may be held again.
    counted = f"sum(webrtc_peer_sessions_total) == {peers:.0f} and sum(webrtc_exporter_held_series) == 0"
    remote = "webrtc_exporter_remote_write"
    sent = f"sum({remote}_samples_sent_total) > 0 and sum({remote}_queue_samples) == 0"
    return bool(prometheus.query(counted) and prometheus.query(sent) and scraping_only.query(counted))


def test_prometheus_answers_what_the_documents_say(running: Running) -> None:
    """Every family, every series, every label and value."""
    found = differences(running.expected, running.prometheus.query)
    assert not found, "\n".join(found[:40])


def test_the_page_is_well_formed(running: Running) -> None:
    """Both formats: accepted by parsers, nothing for promtool to say, no duplicate series, no timestamps."""
    check_exposition(running.exporter.page(), running.exporter.page(open_metrics=True))


#: What no call of the simulation has, whoever looks.
_NEVER = (
    Absence("[$__interval]", "the run is shorter than a column of five minutes"),
    Absence("_reports_rejected_total", "every document of the simulated vendors can be read"),
)


@pytest.mark.parametrize("name", ["overview", "room", "exporter"])
def test_every_query_of_a_board_has_an_answer(running: Running, name: str) -> None:
    """With both vendors chosen no panel is empty, whatever one vendor alone does not measure."""
    board = BOARDS[f"webrtc-quality-{name}"]
    assert live_findings(running.prometheus.url, board, time.time(), {}, may_be_empty=_NEVER) == []


@pytest.mark.parametrize("name", ["overview", "room", "exporter"])
def test_with_scrapes_alone_only_the_timeline_is_missing(running: Running, name: str) -> None:
    """A Prometheus that is sent nothing has an answer for every other query."""
    board = BOARDS[f"webrtc-quality-{name}"]
    # Of the exporter's remote write it knows as much as it scrapes.
    missing = (*_NEVER, *(absence for absence in SCRAPED_ONLY if "timeline" in absence.text))
    assert live_findings(running.scraping_only.url, board, time.time(), {}, may_be_empty=missing) == []
    assert running.scraping_only.query('{__name__=~"webrtc_timeline_.+"}') == []


def test_every_query_of_the_peer_board_has_an_answer(running: Running) -> None:
    """For each kind of peer no query is empty but those of what its source cannot say; and none is for all of them."""
    board = BOARDS["webrtc-quality-peer"]
    allowed = [absence.text for absence in absences(board)]
    variables = {"source": "source", "room": "room_id", "session": "session_id", "peer": "peer_id"}
    empty_for_all: set[str] | None = None
    now = time.time()
    for stay in _one_of_each_kind(running.expected):
        choose = {variable: [stay[label]] for variable, label in variables.items()}
        found = live_findings(running.prometheus.url, board, now, choose, may_be_empty=())
        unexcused = (": no answer: " not in line or not any(text in line for text in allowed) for line in found)
        assert [line for line, told in zip(found, unexcused, strict=True) if told] == []
        places = {line.partition(":")[0] for line in found}
        empty_for_all = places if empty_for_all is None else empty_for_all & places
    assert empty_for_all == set()


def _one_of_each_kind(expected: Expected) -> Iterable[dict[str, str]]:
    """One stay of all that have the same series: the board asks the same of them."""
    series: dict[Labels, set[tuple[str, Labels]]] = {}
    for family, labels in expected.gauges:
        if family.startswith("webrtc_peer_"):
            media = frozenset(pair for pair in labels if pair[0] in {"source", "direction", "kind", "track_type"})
            series.setdefault(_stay(labels), set()).add((family, media))
    return [dict(stay) for stay in {frozenset(kind): stay for stay, kind in series.items()}.values()]


Labels = frozenset[tuple[str, str]]
_SENT, _RECEIVED = ("direction", "send"), ("direction", "recv")
_LOSS, _RATE = "webrtc_peer_packet_loss_ratio", "webrtc_peer_throughput_bytes_per_second"
#: For each column of the matrix the family, the label that its series have, and how they are made one.
MATRIX: dict[str, tuple[str, tuple[str, str] | None, Callable[[list[float]], float]]] = {
    "Poor time": ("webrtc_peer_poor_time_ratio", None, max),
    "MOS": ("webrtc_peer_mos", None, max),
    "MOS est.": ("webrtc_peer_estimated_mos", None, max),
    "Loss sent": (_LOSS, _SENT, max),
    "Loss recv.": (_LOSS, _RECEIVED, max),
    "Jitter": ("webrtc_peer_jitter_seconds", None, max),
    "RTT": ("webrtc_peer_round_trip_time_seconds", None, max),
    "Freezes": ("webrtc_peer_freezes", None, sum),
    "Concealed": ("webrtc_peer_concealment_ratio", None, max),
    "Sent": (_RATE, _SENT, lambda rates: 8 * sum(rates)),
    "Received": (_RATE, _RECEIVED, lambda rates: 8 * sum(rates)),
    "Setup": ("webrtc_peer_call_setup_seconds", None, max),
}


@pytest.mark.parametrize("column", ["Verdict", *MATRIX])
def test_matrix_shows_what_the_documents_say(running: Running, column: str) -> None:
    """Every stay of every peer has its row, and every cell the value that the raw documents give."""
    rows = answer(
        running.prometheus.url,
        BOARDS["webrtc-quality-room"],
        "Peers, worst first",
        time.time(),
        {},
        column=column,
    )
    shown = {_stay(row["metric"].items()): float(row["value"][1]) for row in rows}
    assert len(shown) == len(rows)
    assert shown == pytest.approx(_cells(running.expected, column))


def _cells(expected: Expected, column: str) -> dict[Labels, float]:
    """What the oracle says of each stay."""
    if column == "Verdict":
        verdicts = (dict(labels) for family, labels in expected.gauges if family == "webrtc_peer_verdict")
        return {_stay(labels.items()): SEVERITIES[labels["verdict"]] for labels in verdicts}
    family, label, combined = MATRIX[column]
    values: dict[Labels, list[float]] = {}
    for (name, labels), value in expected.gauges.items():
        if name == family and (label is None or label in labels):
            values.setdefault(_stay(labels), []).append(value)
    return {stay: float(combined(each)) for stay, each in values.items()}


def _stay(labels: Iterable[tuple[str, str]]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] in STAY)


def test_a_restart_continues(running: Running) -> None:
    """SIGTERM ends with 0; the next process shows the same page at once and counts nothing again."""
    with running_exporter(running.config, running.storage.with_name("other"), measured=False) as other:
        other.until_ready()
        assert other.stop() == 0
    assert running.exporter.stop() == 0
    with running_exporter(running.config, running.storage, measured=False) as again:
        again.until_ready()
        found = differences(running.expected, query_of_page(again.page(open_metrics=True)))
        assert not found, "\n".join(found[:40])
