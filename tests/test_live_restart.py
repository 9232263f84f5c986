"""A crash that nobody can tell from the page: what is in view, what was counted, what is held, and until when."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.process import Exporter, running_exporter
from tests.live.settling import polls
from tests.live.work import Sender, known_work
from tests.watchrtc_support import a_room

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

#: What is of the process, and not of what it has counted.
_OF_PROCESS = ("process_", "python_", "webrtc_exporter_", "# ")
_PATIENCE = 120.0


def lines_of(exporter: Exporter) -> list[str]:
    """All samples of sessions, counters and histograms, as they are written, in an order of their own."""
    page = exporter.page(open_metrics=True)
    return sorted(line for line in page.splitlines() if not line.startswith(_OF_PROCESS))


def has(exporter: Exporter, text: str) -> bool:
    """Whether a line of the page is so, or begins so."""
    return any(line.startswith(text) for line in exporter.page().splitlines())


def has_come_to_rest(exporter: Exporter, sender: Sender) -> bool:
    """Whether everything that came up is ingested, and two polls later still the same."""
    backlogs = [line for line in exporter.page().splitlines() if line.startswith("webrtc_exporter_source_backlog{")]
    if not sender.is_done or not all(line.endswith(" 0.0") for line in backlogs):
        return False
    before, polled = lines_of(exporter), polls(exporter)
    exporter.until("polled again", lambda: all(now > polled[of] + 2 for of, now in polls(exporter).items()))
    return lines_of(exporter) == before


def scrape(exporter: Exporter) -> None:
    """Reads the page as a Prometheus does."""
    assert exporter.get("/metrics", x_prometheus_scrape_timeout_seconds="10").status_code == 200


def test_the_page_is_the_same_after_a_crash(tmp_path: Path) -> None:
    """Line by line, to the byte: with all counts held at zero, with all of them shown, and with some of each."""
    with known_work(tmp_path, seed=5, meetings_of=["one"]) as (work, base_url):
        config, address = work.configure(base_url), ""
        for share, read in ((0.4, False), (0.4, True), (0.8, False)):
            with running_exporter(config, tmp_path / "state", address=address, measured=False) as exporter:
                work.show(share)
                address = exporter.address
                sender = Sender(work, address)
                sender.start()
                exporter.until_ready()
                exporter.until("all there", lambda: has_come_to_rest(exporter, sender))  # noqa: B023 - called at once
                sender.end()
                if read:
                    scrape(exporter)
                    exporter.until("all shown", lambda: has(exporter, "webrtc_exporter_held_series 0.0"))
                before = lines_of(exporter)
                assert has(exporter, "webrtc_exporter_held_series 0.0") == read
                exporter.stop(signal.SIGKILL)
            with running_exporter(config, tmp_path / "state", address=address, measured=False) as again:
                again.until_ready()
                assert lines_of(again) == before
                again.stop(signal.SIGKILL)
        assert len(before) > 3000


def test_a_session_leaves_when_it_would_have_left(tmp_path: Path) -> None:
    """A process that never lives as long as a session is in view still lets it go, and keeps what it counted."""
    streams = tmp_path / "streams"
    streams.mkdir()
    peers = [{"peer_id": "p1", "duration": 60, "stats": {"mos": 4.0}}]
    (streams / "a.json").write_text(json.dumps([a_room("standup", duration=60, peers=peers)]), encoding="utf-8")
    source = {
        "name": "watch",
        "type": "watchrtc",
        "url": str(streams),
        "poll_interval": "300ms",
        "min_object_age": "0s",
    }
    config = tmp_path / "config.json"
    metrics = {"series_ttl": "30s", "zero_hold": "0s"}
    config.write_text(json.dumps({"sources": [source], "metrics": metrics}), encoding="utf-8")
    counted = 'webrtc_sessions_total{source="watch",room_id="standup"} '
    with running_exporter(config, tmp_path / "state", measured=False) as exporter:
        exporter.until("in view", lambda: has(exporter, "webrtc_room_info{"))
        scrape(exporter)
        exporter.until("shown", lambda: has(exporter, f"{counted}1.0"))
        assert has(exporter, "webrtc_room_info{")
        exporter.stop(signal.SIGKILL)
    lives, deadline = 1, time.monotonic() + _PATIENCE
    while True:
        with running_exporter(config, tmp_path / "state", measured=False) as exporter:
            exporter.until_ready()
            assert has(exporter, f"{counted}1.0")
            in_view = has(exporter, "webrtc_room_info{")
            exporter.stop(signal.SIGKILL)
        lives += 1
        assert time.monotonic() < deadline
        if not in_view:
            break
    assert lives > 2
