"""Three real processes on the same input, behind one real Prometheus: together they are one exporter."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from exporter.demo.hundredms_server import Faults
from exporter.demo.media import record
from exporter.demo.watchrtc_documents import room_document
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import TOKEN, Vendors, meetings, simulated_vendors
from tests.oracle import Expected, Prometheus, differences, expected, running_prometheus
from tests.oracle.compare import NAMES_QUERY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.live

SHARDS = 3
KEYS = ("tenant",)
PUSH_TOKEN = SECRET = "s3cret"  # noqa: S105 - of vendors that are simulated
#: Elements that are no rooms: each is rejected, by one exporter.
BROKEN = [f"not a room {number}" for number in range(20)]


class Running(Struct, frozen=True, kw_only=True):
    """All of them at work, after everything was counted and is shown."""

    vendors: Vendors
    exporters: tuple[Exporter, ...]
    prometheus: Prometheus
    expected: Expected


def configure(folder: Path, vendors: Vendors, index: int) -> Path:
    """Writes the configuration of one shard."""
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    hundredms = {
        "name": "meetings",
        "type": "100ms",
        "base_url": vendors.base_url,
        "auth": {"management_token_file": str(folder / "token")},
        "discovery": {"poll_interval": "1s", "lookback": "1h"},
        "peer_stats": {
            "requests_per_second": 100,
            "settle_delay": "0s",
            "recheck_after": [],
            "give_up_after": "15s",
        },
        "webhook": {"secret_file": str(folder / "secret")},
    }
    watchrtc = {
        "name": "watch",
        "type": "watchrtc",
        "url": str(vendors.folder),
        "poll_interval": "1s",
        "min_object_age": "0s",
        "keys_as_labels": list(KEYS),
        "push": {"token_file": str(folder / "secret")},
    }
    path = folder / f"config-{index}.yaml"
    shard = {"index": index, "count": SHARDS}
    path.write_text(
        json.dumps({"sources": [hundredms, watchrtc], "shard": shard, "metrics": {"zero_hold": "1s"}}), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Both vendors, files that are broken, documents by push to all, webhooks to all or to one of them."""
    folder = tmp_path_factory.mktemp("shards")
    ended = time.time() - 5.0
    pushed = [json.loads(json.dumps(room_document(record(held)))) for held in meetings("three", ended, "pushed")]
    with simulated_vendors(folder / "streams", ended, Faults()) as vendors, ExitStack() as stack:
        (folder / "streams" / "broken.json").write_text(json.dumps(BROKEN), encoding="utf-8")
        exporters = tuple(
            stack.enter_context(
                running_exporter(configure(folder, vendors, index), folder / f"state-{index}", measured=False)
            )
            for index in range(SHARDS)
        )
        targets = {f"shard-{index}": exporter.address for index, exporter in enumerate(exporters)}
        prometheus = stack.enter_context(running_prometheus(folder / "prometheus", targets))
        for number, row in enumerate(vendors.session_rows()):
            event = json.dumps({"type": "session.close.success", "data": {"session_id": row["id"]}}).encode()
            for exporter in exporters if number % 2 else exporters[number % SHARDS :][:1]:
                exporter.until_ready()
                assert exporter.post("/webhooks/meetings", event, x_webhook_secret=SECRET).status_code == 200
        body = json.dumps(pushed).encode()
        for exporter in exporters:
            assert exporter.post("/ingest/watch", body, authorization=f"Bearer {PUSH_TOKEN}").status_code == 200
        whole = expected(
            {"meetings": (vendors.session_rows(), vendors.peer_stats())},
            {"watch": ([*vendors.rooms(), *pushed], KEYS)},
            hundredms_rooms=vendors.hundredms_rooms(),
        )
        peers = sum(value for (family, _), value in whole.counters.items() if family == "webrtc_peer_sessions_total")
        exporters[0].until(
            "every report is counted and shown",
            lambda: [value for _, value in prometheus.query("sum(webrtc_peer_sessions_total)")] == [peers],
        )
        yield Running(vendors=vendors, exporters=exporters, prometheus=prometheus, expected=whole)


def test_their_sums_are_what_the_documents_say(running: Running) -> None:
    """Every family, every label and value, added up over the exporters."""

    def summed(expression: str) -> Iterable[tuple[Mapping[str, str], float]]:
        if expression == NAMES_QUERY:
            return running.prometheus.query(expression)
        return running.prometheus.query(f"sum without (job, instance) ({expression})")

    found = differences(running.expected, summed)
    assert not found, "\n".join(found[:40])


@pytest.mark.parametrize("family", ["webrtc_room_info", "webrtc_room_verdict", "webrtc_peer_verdict"])
def test_each_session_is_with_one_of_them(running: Running, family: str) -> None:
    """With all of its peers; and each of them has some."""
    owners = running.prometheus.query(f"count by (source, room_id, session_id, peer_id) ({family}) > 1")
    assert owners == []
    spread = running.prometheus.query(
        "count by (source, session_id) (count by (job, source, session_id) (webrtc_peer_info)) > 1"
    )
    assert spread == []
    assert len(running.prometheus.query(f"count by (job) ({family})")) == SHARDS


def test_rejected_documents_are_counted_by_one_of_them(running: Running) -> None:
    """Though all read the file; and none by all."""
    rejected = running.prometheus.query('webrtc_exporter_reports_rejected_total{reason="wrong_type"} > 0')
    assert sum(value for _, value in rejected) == len(BROKEN)
    assert len(rejected) > 1
    read = running.prometheus.query('webrtc_exporter_objects_read_total{source="watch"}')
    assert [value for _, value in read] == [len(list(running.vendors.folder.iterdir()))] * SHARDS


def test_the_vendor_is_asked_for_each_peer_once(running: Running) -> None:
    """Three exporters cost as many calls for statistics as one does."""
    asked = Counter(
        (request.query["session_id"], request.query["peer_id"])
        for request in running.vendors.server.requests
        if request.path.endswith("/peer-stats")
    )
    everyone = {
        (row["id"], peer)
        for row in running.vendors.session_rows()
        for peer, facts in row["peers"].items()
        if facts["role"] != "__internal_recorder"
    }
    assert asked.keys() == everyone
    with_data = {key for key, document in running.vendors.peer_stats().items() if "time_series" in json.dumps(document)}
    assert {asked[each] for each in everyone & with_data} == {1}
    assert len(with_data) > len(everyone) / 2


def test_which_of_them_each_is_can_be_seen(running: Running) -> None:
    """So that a missing one, or two with the same index, can be alerted on."""
    indexes = running.prometheus.query("webrtc_exporter_shard_index")
    assert {(labels["job"], value) for labels, value in indexes} == {(f"shard-{each}", each) for each in range(SHARDS)}
    assert {value for _, value in running.prometheus.query("webrtc_exporter_shards")} == {SHARDS}
