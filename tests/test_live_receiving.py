"""What is sent to the real process, beside and instead of what it finds by itself."""

from __future__ import annotations

import gzip
import json
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from exporter.demo.hundredms_server import Faults
from exporter.sources.push import MOST_BYTES
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import TOKEN, Vendors, simulated_vendors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

SECRET = "webhook-secret"  # noqa: S105 - of a vendor that is simulated
PUSH_TOKEN = "push-token"  # noqa: S105 - of a sender that is simulated


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    """Meetings that ended a minute ago: none of them began within a look-back of a second."""
    with simulated_vendors(tmp_path / "streams", time.time() - 60.0, Faults()) as running:
        yield running


def configure(vendors: Vendors, folder: Path, **discovery: str) -> Path:
    """Writes a configuration with a webhook and a push; secrets stand in files."""
    (folder / "empty").mkdir(exist_ok=True)
    for name, secret in (("token", TOKEN), ("webhook", SECRET), ("push", PUSH_TOKEN)):
        (folder / name).write_text(f"{secret}\n", encoding="utf-8")
    sources = [
        {
            "name": "meetings",
            "type": "100ms",
            "base_url": vendors.base_url,
            "auth": {"management_token_file": str(folder / "token")},
            "discovery": {"poll_interval": "1s", "lookback": "1s", **discovery},
            "peer_stats": {
                "requests_per_second": 200,
                "settle_delay": "0s",
                "recheck_after": [],
                "give_up_after": "1s",
            },
            "webhook": {"secret_file": str(folder / "webhook")},
        },
        {
            "name": "watch",
            "type": "watchrtc",
            "url": str(folder / "empty"),
            "poll_interval": "1s",
            "min_object_age": "0s",
            "push": {"token_file": str(folder / "push")},
        },
    ]
    path = folder / "config.yaml"
    path.write_text(json.dumps({"sources": sources}), encoding="utf-8")
    return path


def event(kind: str, session_id: str, **data: str) -> bytes:
    """A webhook's body."""
    return json.dumps({"version": "2.0", "id": "e", "type": kind, "data": {"session_id": session_id, **data}}).encode()


def peers_of(row: dict[str, Any]) -> list[str]:
    """Those that are asked for."""
    return [peer for peer, facts in row["peers"].items() if facts["role"] != "__internal_recorder"]


def count(exporter: Exporter, family: str, source: str) -> int:
    """The value of a counter of the exporter itself."""
    start = f'webrtc_exporter_{family}_total{{source="{source}"}} '
    (line,) = (line for line in exporter.page().splitlines() if line.startswith(start))
    return int(float(line.removeprefix(start)))


def counts(exporter: Exporter, source: str) -> tuple[int, int]:
    """Reports that added something, and that added nothing."""
    return count(exporter, "reports_ingested", source), count(exporter, "reports_duplicate", source)


def test_announced_sessions_are_counted_once(vendors: Vendors, tmp_path: Path) -> None:
    """By webhook alone, with its room's name; replays, duplicates, leaves and the listing add nothing to it."""
    config = configure(vendors, tmp_path)
    first, *others = [row for row in vendors.session_rows() if len(peers_of(row)) > 1]
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until_ready()

        def send(*bodies: bytes) -> None:
            for body in bodies:
                assert exporter.post("/webhooks/meetings", body, x_webhook_secret=SECRET).status_code == 200

        assert exporter.post("/webhooks/meetings", b"{}", x_webhook_secret="wrong").status_code == 401  # noqa: S106 - a guess
        assert exporter.post("/webhooks/watch", b"{}", x_webhook_secret=SECRET).status_code == 404
        close = event("session.close.success", first["id"])
        leaves = [event("peer.leave.success", first["id"], peer_id=peer) for peer in peers_of(first)]
        send(event("nobody.knows.this", others[0]["id"]), leaves[0], close, close)
        exporter.until("counted", lambda: counts(exporter, "meetings") == (len(peers_of(first)), 0))
        (info,) = (line for line in exporter.page().splitlines() if line.startswith("webrtc_room_info{"))
        (room,) = {held.room for held in vendors.hundredms if f'room_name="{held.room}"' in info}
        assert room
        send(*leaves, close, *leaves, event("session.close.success", others[0]["id"]))
        expected = len(peers_of(first)) + len(peers_of(others[0]))
        exporter.until("the next one counted", lambda: counts(exporter, "meetings") == (expected, 0))

        configure(vendors, tmp_path, lookback="12h")
        exporter.process.send_signal(signal.SIGHUP)
        everyone = sum(max(1, len(peers_of(row))) for row in vendors.session_rows())
        exporter.until("all listed", lambda: counts(exporter, "meetings")[0] == everyone)
        send(*(event("session.close.success", row["id"]) for row in vendors.session_rows()))
        polls = count(exporter, "source_polls", "meetings")
        exporter.until("polled again", lambda: count(exporter, "source_polls", "meetings") > polls + 2)
        assert counts(exporter, "meetings") == (everyone, 0)
        assert exporter.stop() == 0
    asked = Counter(
        (request.query["session_id"], request.query["peer_id"])
        for request in vendors.server.requests
        if request.path.endswith("/peer-stats") and request.status == 200
    )
    assert set(asked.values()) == {1}
    assert SECRET not in exporter.log_end()


def test_what_was_announced_survives_a_crash(vendors: Vendors, tmp_path: Path) -> None:
    """Killed after the 200 and before the poll: the next process asks for it."""
    config = configure(vendors, tmp_path, poll_interval="1h")
    rows = [row for row in vendors.session_rows() if peers_of(row)]
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until_ready()
        for row in rows:
            body = event("session.close.success", row["id"])
            assert exporter.post("/webhooks/meetings", body, x_webhook_secret=SECRET).status_code == 200
        assert counts(exporter, "meetings") == (0, 0)
        assert exporter.stop(signal.SIGKILL) == -signal.SIGKILL
    with running_exporter(config, tmp_path / "state") as exporter:
        expected = sum(len(peers_of(row)) for row in rows)
        exporter.until_ready()
        exporter.until("counted", lambda: counts(exporter, "meetings") == (expected, 0))


def test_documents_by_push_are_counted_once(vendors: Vendors, tmp_path: Path) -> None:
    """Packed or not, again, and beside the same rooms in a file; after a reload the new token holds."""
    config = configure(vendors, tmp_path)
    rooms = vendors.rooms()
    body = json.dumps(rooms).encode()
    people = sum(len(room["peers"]) for room in rooms)
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until_ready()

        def push(content: bytes, token: str = PUSH_TOKEN) -> tuple[int, dict[str, Any]]:
            answer = exporter.post("/ingest/watch", content, authorization=f"Bearer {token}")
            return answer.status_code, answer.json() if answer.headers["content-type"] == "application/json" else {}

        nothing = {"new": 0, "grown": 0, "duplicate": 0, "rejected": 0, "problems": []}
        # Large enough that they are still being sent when they are answered: the answer must arrive all the same.
        assert push(body * 20, "wrong") == (401, {})
        assert push(b" " * (MOST_BYTES + 1)) == (413, {})
        assert push(gzip.compress(body)) == (200, {**nothing, "new": people})
        assert push(body) == (200, {**nothing, "duplicate": people})
        # The page follows a little later than the answer.
        exporter.until("shown", lambda: counts(exporter, "watch")[0] == len(rooms))
        (tmp_path / "empty" / "a.json").write_bytes(body)
        exporter.until("read", lambda: count(exporter, "objects_read", "watch") == 1)
        assert counts(exporter, "watch")[0] == len(rooms)

        code, said = push(b'[5, "x"]')
        assert (code, said["rejected"]) == (400, 2)
        assert said["error"].startswith("nothing of it can be used: body: element 1 at byte 1: ")
        again, said = push(b'[5, "x"]')
        assert (again, said["rejected"], len(said["problems"])) == (400, 0, 2)

        other = (
            configure(vendors, tmp_path).read_text(encoding="utf-8").replace(str(tmp_path / "push"), f"{tmp_path}/new")
        )
        (tmp_path / "new").write_text("new-token", encoding="utf-8")
        config.write_text(other, encoding="utf-8")
        exporter.process.send_signal(signal.SIGHUP)
        exporter.until("reloaded", lambda: push(b"[]", "new-token") == (200, nothing))
        assert push(b"[]") == (401, {})
        assert PUSH_TOKEN not in exporter.log_end()
