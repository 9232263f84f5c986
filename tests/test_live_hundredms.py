"""The real process before a simulated 100ms: downtimes, crashes in the middle of catching up, pushed statistics."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from exporter.demo.hundredms_server import Faults
from exporter.ledger import Ledger
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import TOKEN, Vendors, simulated_vendors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.live

PUSH_TOKEN = "push-token"  # noqa: S105 - of a sender that is simulated
DAY = 86_400.0
RECORDER = "__internal_recorder"


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    """Meetings of three days ago, which no look-back covers."""
    with simulated_vendors(tmp_path / "streams", time.time() - 3 * DAY, Faults()) as running:
        yield running


def configure(vendors: Vendors, folder: Path, *, rate: float = 200.0, **discovery: object) -> Path:
    """Writes a configuration of one source."""
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    source: Mapping[str, object] = {
        "name": "meetings",
        "type": "100ms",
        "base_url": vendors.base_url,
        "auth": {"management_token_file": str(folder / "token")},
        "discovery": {"poll_interval": "1s", **discovery},
        "peer_stats": {
            "requests_per_second": rate,
            "settle_delay": "0s",
            "recheck_after": ["7d"],
            "give_up_after": "1s",
        },
        "push": {"token": PUSH_TOKEN},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps({"sources": [source]}), encoding="utf-8")
    return path


def people(vendors: Vendors) -> list[tuple[str, str]]:
    """Session and peer of everybody who counts; a session without anybody counts as such."""
    found = []
    for row in vendors.session_rows():
        peers = [peer for peer, facts in row["peers"].items() if facts["role"] != RECORDER]
        found += [(row["id"], peer) for peer in peers or [""]]
    return found


def value(exporter: Exporter, family: str) -> float:
    """The value of a family of the exporter itself that has one series."""
    (line,) = (line for line in exporter.page().splitlines() if line.startswith(f"webrtc_exporter_{family}{{"))
    return float(line.split()[-1])


def was_down(folder: Path, seconds: float) -> None:
    """Makes a stopped exporter's last listing that much older than it is."""
    ledger = Ledger.open(folder)
    mark = json.loads(ledger.source_fact("meetings", "listed/") or b"")
    mark["at"] -= seconds
    with ledger.transaction(time.time()) as transaction:
        transaction.put_source_fact("meetings", "listed/", json.dumps(mark).encode())
    ledger.close()


def test_a_downtime_is_caught_up_with_over_crashes(vendors: Vendors, tmp_path: Path) -> None:
    """Each peer of the days without exporter counts once; what is left to do is shown from a process' start on."""
    config, state = configure(vendors, tmp_path), tmp_path / "state"
    everyone = people(vendors)
    with running_exporter(config, state) as exporter:
        exporter.until_ready()
        assert value(exporter, "reports_ingested_total") == 0.0
        assert exporter.stop() == 0
    was_down(state, 5 * DAY)

    configure(vendors, tmp_path, rate=20.0)
    with running_exporter(config, state) as exporter:
        exporter.until("half of them counted", lambda: value(exporter, "reports_ingested_total") > len(everyone) / 2)
        assert exporter.stop(signal.SIGKILL) == -signal.SIGKILL

    vendors.server.faults = Faults(server_error_every=1)
    with running_exporter(config, state) as exporter:
        exporter.until_ready()
        ingested = value(exporter, "reports_ingested_total")
        assert len(everyone) / 2 < ingested < len(everyone)
        assert value(exporter, "source_backlog") == len(everyone) - ingested
        assert value(exporter, "source_up") == 0.0
        vendors.server.faults = Faults()
        exporter.until("all counted", lambda: value(exporter, "reports_ingested_total") == len(everyone))
        exporter.until("nothing left", lambda: value(exporter, "source_backlog") == 0.0)
        assert value(exporter, "reports_duplicate_total") == 0.0
        assert exporter.stop() == 0


def test_statistics_by_push_and_by_polling_count_once(vendors: Vendors, tmp_path: Path) -> None:
    """Whichever comes first; one alone, an array, lines."""
    config = configure(vendors, tmp_path, lookback="0s")
    everyone = people(vendors)
    # A document does not tell the role of its peer: who sends knows whom not to send.
    documents = [document for peer, document in vendors.peer_stats().items() if peer in everyone]
    first, second, others = documents[0], documents[1:3], documents[3:]

    with running_exporter(config, tmp_path / "state", "--web.enable-lifecycle") as exporter:
        exporter.until_ready()

        def push(*bodies: object, token: str = PUSH_TOKEN) -> tuple[int, dict[str, Any]]:
            body = "\n".join(json.dumps(each) for each in bodies).encode()
            answer = exporter.post("/ingest/meetings", body, authorization=f"Bearer {token}")
            return answer.status_code, answer.json() if answer.headers["content-type"] == "application/json" else {}

        counted = {"new": 0, "grown": 0, "duplicate": 0, "rejected": 0, "problems": []}
        assert push(first, token="wrong") == (401, {})  # noqa: S106 - a guess
        assert push(first) == (200, {**counted, "new": 1})
        assert push(first) == (200, {**counted, "duplicate": 1})
        assert push([first, *second]) == (200, {**counted, "new": 2, "duplicate": 1})
        code, said = push({"peer_id": "p"})
        assert (code, said["error"]) == (
            400,
            "nothing of it can be used: body: session_id: expected a text that is not empty",
        )
        assert value(exporter, "source_up") == 1.0

        configure(vendors, tmp_path, lookback="5d")
        assert exporter.post("/-/reload").status_code == 200
        exporter.until("all counted", lambda: value(exporter, "reports_ingested_total") == len(everyone))
        exporter.until("those that were pushed asked for, too", lambda: value(exporter, "source_backlog") == 0.0)
        assert value(exporter, "reports_duplicate_total") == 1 + 1 + 3
        assert push(*others) == (200, {**counted, "duplicate": len(others)})
        assert value(exporter, "reports_ingested_total") == len(everyone)
        sessions = {
            (line.split('session_id="')[1].split('"')[0])
            for line in exporter.page().splitlines()
            if line.startswith("webrtc_room_info{")
        }
        assert sessions == {row["id"] for row in vendors.session_rows()}
        assert exporter.stop() == 0


def test_names_are_nowhere_unless_they_are_asked_for(vendors: Vendors, tmp_path: Path) -> None:
    """Neither on the page nor in the state or the log; then they are labels."""
    facts = [facts for row in vendors.session_rows() for facts in row["peers"].values() if facts["role"] != RECORDER]
    # Short ones may stand in an id by chance.
    names = {each["name"] for each in facts if len(each["name"]) >= 5}
    user_ids = {each["user_id"] for each in facts if "user_id" in each}
    assert len(names) >= 5
    assert user_ids

    def traces(exporter: Exporter, state: Path) -> set[str]:
        files = [path.read_bytes() for path in [*state.iterdir(), exporter.log] if path.is_file()]
        seen = [exporter.page().encode(), exporter.get("/").content, *files]
        return {each for each in names | user_ids if any(each.encode() in text for text in seen)}

    with running_exporter(configure(vendors, tmp_path, lookback="5d"), tmp_path / "without") as exporter:
        exporter.until("all counted", lambda: value(exporter, "reports_ingested_total") == len(people(vendors)))
        assert traces(exporter, tmp_path / "without") == set()
    config = configure(vendors, tmp_path, lookback="5d", personal_labels=["user_id", "user_name"])
    with running_exporter(config, tmp_path / "with") as exporter:
        exporter.until("all counted", lambda: value(exporter, "reports_ingested_total") == len(people(vendors)))
        shown = [line for line in exporter.page().splitlines() if line.startswith("webrtc_peer_info{")]
        for name in names:
            assert any(f'user_name="{name}"' in line for line in shown)
        for user_id in user_ids:
            assert any(f'user_id="{user_id}"' in line for line in shown)
