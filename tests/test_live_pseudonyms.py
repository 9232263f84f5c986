"""The real process with every label hidden that can be: what vendors say of whom and where is nowhere to be found."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from exporter.pseudonyms import LABELS
from tests.live.marked import (
    KEY,
    MARK,
    PEERS,
    ROOM,
    ROOM_NAME,
    SESSIONS,
    SOON,
    MarkedVendor,
    broken_stream,
    marked_vendor,
    room,
    write_streams,
)
from tests.live.process import Exporter, running_exporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

SALT = "9b1dbd0ed4ab5a0fa2c3f35a7d6a4f1e"
SECRET = "s3cret"  # noqa: S105 - of vendors that are simulated
EVERYTHING = (*sorted(LABELS), f"key_{KEY}")


@pytest.fixture
def vendor() -> Iterator[MarkedVendor]:
    """100ms, its sessions over since a minute."""
    with marked_vendor() as server:
        yield server


def configure(folder: Path, vendor: MarkedVendor, labels: tuple[str, ...], salt: str = SALT) -> Path:
    """Writes a configuration with both vendors, webhook, push and a fixed session."""
    if not (folder / "streams").exists():
        write_streams(folder / "streams")
    for name, text in (("salt", salt), ("secret", SECRET)):
        (folder / name).write_text(text, encoding="utf-8")
    hundredms = {
        "name": "meetings",
        "type": "100ms",
        "base_url": vendor.base_url,
        "auth": {"management_token_file": str(folder / "secret")},
        "discovery": {
            "poll_interval": "1s",
            "lookback": "1h",
            "sessions": [{"session_id": SESSIONS[3], "peer_ids": sorted(PEERS)}],
        },
        "peer_stats": {
            "requests_per_second": 200,
            "settle_delay": "0s",
            "recheck_after": ["3s"],
            "give_up_after": "2s",
            "max_peers_per_session": len(PEERS),
        },
        "webhook": {"secret_file": str(folder / "secret")},
    }
    watchrtc = {
        "name": "watch",
        "type": "watchrtc",
        "url": str(folder / "streams"),
        "poll_interval": "1s",
        "min_object_age": "0s",
        "keys_as_labels": [KEY],
        "push": {"token_file": str(folder / "secret")},
    }
    pseudonyms = {"labels": list(labels), "salt_file": str(folder / "salt")} if labels else None
    metrics = {"zero_hold": "0s", "pseudonyms": pseudonyms}
    path = folder / "config.yaml"
    path.write_text(json.dumps({"sources": [hundredms, watchrtc], "metrics": metrics}), encoding="utf-8")
    return path


def count(exporter: Exporter, family: str, *also: str) -> int:
    """The sum of a family's series whose labels hold all of these."""
    page = exporter.get("/metrics", x_prometheus_scrape_timeout_seconds="10").text
    lines = (line for line in page.splitlines() if line.startswith(f"{family}{{"))
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if all(part in line for part in also)))


def send_everything(exporter: Exporter) -> None:
    """Webhooks and pushes, good and bad ones."""
    for session in (SESSIONS[2], f"{MARK}-session-unknown"):
        for kind in ("session.close.success", "peer.leave.success"):
            body = json.dumps({"type": kind, "data": {"session_id": session, "peer_id": f"{MARK}-peer"}})
            assert exporter.post("/webhooks/meetings", body.encode(), x_webhook_secret=SECRET).status_code == 200
    odd = json.dumps({"type": "session.close.success", "data": {"session_id": f"{MARK}/../rooms"}})
    assert exporter.post("/webhooks/meetings", odd.encode(), x_webhook_secret=SECRET).status_code == 200
    assert exporter.post("/webhooks/meetings", f"{MARK}".encode(), x_webhook_secret=SECRET).status_code == 400
    for content in (json.dumps([room(2, peers=3)]).encode(), broken_stream()):
        assert exporter.post("/ingest/watch", content, authorization=f"Bearer {SECRET}").status_code == 200
    assert exporter.get(f"/{MARK}").status_code == 404


def is_settled(exporter: Exporter) -> bool:
    """Whether the peers of four sessions that are counted soon, and all viewers, are counted."""
    return (
        count(exporter, "webrtc_peer_sessions_total", 'source="meetings"') >= len(SESSIONS) * len(SOON)
        and count(exporter, "webrtc_peer_sessions_total", 'source="watch"') == 2 + 2 + 2 + 3
    )


def where_the_mark_is(exporter: Exporter, storage: Path) -> set[str]:
    """The places that hold something of what the vendors said, in any spelling."""
    places = {path.name: path.read_bytes() for path in storage.iterdir()}
    places["log"] = exporter.log.read_bytes()
    for path in ("/metrics", "/", "/config", "/-/ready"):
        places[path] = exporter.get(path).content
    return {name for name, content in places.items() if MARK.encode() in content.lower()}


def work(exporter: Exporter, vendor: MarkedVendor) -> None:
    """Lets it go through all that can be read, and through a vendor that fails as a whole."""
    exporter.until_ready()
    send_everything(exporter)
    exporter.until("all is counted", lambda: is_settled(exporter))
    vendor.is_down = True
    failures = "webrtc_exporter_source_poll_failures_total"
    # Another poll may fail before it, for want of a session that nobody but a webhook knows of.
    exporter.until("a listing failed", lambda: count(exporter, failures, '"meetings"', '"http_status"') > 0)


def test_without_pseudonyms_the_mark_is_everywhere(vendor: MarkedVendor, tmp_path: Path) -> None:
    """So that its absence says something."""
    config, storage = configure(tmp_path, vendor, ()), tmp_path / "state"
    with running_exporter(config, storage, "--log.level=debug") as exporter:
        work(exporter, vendor)
        found = where_the_mark_is(exporter, storage)
    assert found >= {"log", "/metrics", "/", "/config"}
    assert found & {"state.sqlite", "state.sqlite-wal"}


def test_with_pseudonyms_it_is_nowhere(vendor: MarkedVendor, tmp_path: Path) -> None:
    """Killed at work and started again, it still knows what it waits for, and counts nothing twice."""
    config, storage = configure(tmp_path, vendor, EVERYTHING), tmp_path / "state"
    with running_exporter(config, storage, "--log.level=debug") as exporter:
        exporter.until_ready()
        send_everything(exporter)
        exporter.until("all files are read", lambda: count(exporter, "webrtc_exporter_objects_read_total") == 3)
        exporter.until("some is counted", lambda: count(exporter, "webrtc_peer_sessions_total", '"meetings"') > 0)
        assert exporter.stop(signal.SIGKILL) == -signal.SIGKILL
        assert {path.name for path in storage.iterdir() if MARK.encode() in path.read_bytes().lower()} == set()
    with running_exporter(config, storage, "--log.level=debug") as exporter:
        work(exporter, vendor)
        assert where_the_mark_is(exporter, storage) == set()
        polls = count(exporter, "webrtc_exporter_source_polls_total", 'source="watch"')
        exporter.until(
            "polled again", lambda: count(exporter, "webrtc_exporter_source_polls_total", 'source="watch"') > polls + 1
        )
        assert is_settled(exporter)
        assert count(exporter, "webrtc_exporter_objects_read_total") == 0
        assert count(exporter, "webrtc_peer_sessions_total") == count(exporter, "webrtc_peer_verdict")
        check_page(exporter.page())
        said = exporter.log.read_text(encoding="utf-8")
        assert exporter.stop() == 0
    check_log(said)
    assert {path.name for path in storage.iterdir() if MARK.encode() in path.read_bytes().lower()} == set()


def check_page(page: str) -> None:
    """The pseudonyms are those that the documentation promises, the same in all families."""

    def hidden(label: str, value: str) -> str:
        digest = hmac.new(SALT.encode(), f"{label}\0{value}".encode(), hashlib.sha256).hexdigest()
        return f'{label}="{digest[:16]}"'

    rooms = {line for line in page.splitlines() if hidden("room_id", ROOM) in line}
    assert {hidden("session_id", session) for session in SESSIONS} == {
        f'session_id="{found}"' for line in rooms for found in re.findall(r'session_id="(\w+)"', line)
    }
    for family in ("webrtc_peer_info{", "webrtc_peer_verdict{"):
        (line,) = (
            line
            for line in page.splitlines()
            if line.startswith(family)
            and hidden("peer_id", "zqraw-peer-good") in line
            and hidden("session_id", SESSIONS[0]) in line
        )
        assert hidden("room_id", ROOM) in line
    (info,) = (
        line
        for line in page.splitlines()
        if line.startswith("webrtc_room_info{") and hidden("session_id", SESSIONS[0]) in line
    )
    assert hidden("room_name", ROOM_NAME) in info
    assert 'url=""' in info
    (viewer,) = (
        line
        for line in page.splitlines()
        if line.startswith("webrtc_peer_info{") and hidden("peer_id", "zqraw-viewer-0-1") in line
    )
    assert hidden("city", "zqraw city") in viewer
    assert hidden("key_tenant", "zqraw tenant 1") in viewer
    assert 'role=""' in viewer


def check_log(said: str) -> None:
    """What went wrong can still be told from the log."""
    for part in (
        r'msg="watch: malformed: <[0-9a-f]{16}>: element 4 at byte \d+: no valid JSON',
        r'msg="watch: malformed: <[0-9a-f]{16}>: byte \d+: the gzip stream is ',
        r'msg="meetings: missing_identity: peer-stats of session <[0-9a-f]{16}>, peer <[0-9a-f]{16}>: peer_id: expec',
        r'msg="meetings: poll failed: http_status: sessions: answered with status 400: <[0-9a-f]{16}>"',
        r"msg=\"session '<[0-9a-f]{16}>': asking for 5 of its 6 peers",
        r"msg=\"'<[0-9a-f]{16}>': no statistics came in time",
    ):
        assert re.search(part, said), f"{part}\n{said[-5000:]}"


def test_another_salt_is_refused(vendor: MarkedVendor, tmp_path: Path) -> None:
    """At the start and at a reload, after which the old one goes on with the salt that it had."""
    config, storage = configure(tmp_path, vendor, ("peer_id",)), tmp_path / "state"
    with running_exporter(config, storage, "--web.enable-lifecycle") as exporter:
        exporter.until("counted", lambda: count(exporter, "webrtc_peer_sessions_total") > 0)
        configure(tmp_path, vendor, ("peer_id",), salt=SALT[::-1])
        refused = exporter.post("/-/reload")
        assert refused.status_code == 500
        assert (
            "metrics.pseudonyms: the state holds pseudonyms of another salt; put the old salt back, or " in refused.text
        )
        polls = count(exporter, "webrtc_exporter_source_polls_total")
        exporter.until("goes on", lambda: count(exporter, "webrtc_exporter_source_polls_total") > polls)
        assert exporter.stop() == 0
    with running_exporter(config, storage) as exporter:
        assert exporter.process.wait(60.0) == 1
        assert "another salt" in exporter.log_end()
        assert "Traceback" not in exporter.log_end()
