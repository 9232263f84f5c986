"""The exporter as a process of its own, over each of the stores."""

from __future__ import annotations

import gzip
import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from exporter.ledger import Ledger
from tests.live.process import Exporter, running_exporter
from tests.stores.stand import rooms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores.place import Place

pytestmark = pytest.mark.live

_SESSIONS = "webrtc_sessions_total"


def configure(place: Place, folder: Path) -> Path:
    """Writes a configuration with one source, `watch`."""
    source = {"name": "watch", "type": "watchrtc", "poll_interval": "1s", "min_object_age": "0s", **place.settings}
    path = folder / "config.yaml"
    path.write_text(json.dumps({"sources": [source], "metrics": {"zero_hold": "0s"}}), encoding="utf-8")
    return path


def sessions(exporter: Exporter) -> dict[str, float]:
    """Sessions by room, as a Prometheus reads them."""
    page = exporter.get("/metrics", user_agent="Prometheus/2.53.0").text
    lines = re.findall(r'^webrtc_sessions_total\{source="watch",room_id="([^"]+)"\} (\S+)$', page, re.MULTILINE)
    return {room_id: float(value) for room_id, value in lines}


@pytest.mark.parametrize("place", ["folder", "s3", "emulator", "azure"], indirect=True)
def test_the_page_shows_what_is_in_the_store(place: Place, tmp_path: Path) -> None:
    """Its secrets it does not show, and it ends as it should."""
    place.put("a.json.gz", gzip.compress(rooms("a1", "a2")))
    place.put("b.json", rooms("b"))
    with running_exporter(configure(place, tmp_path), tmp_path / "state", measured=False) as exporter:
        exporter.until("counted", lambda: sessions(exporter) == {"a1": 1, "a2": 1, "b": 1})
        place.put("b.json", rooms("b", "c"))
        exporter.until("counted", lambda: sessions(exporter) == {"a1": 1, "a2": 1, "b": 1, "c": 1})
        shown = exporter.get("/config").text + exporter.page() + exporter.log_end()
        options = place.settings.get("storage_options", {})
        assert isinstance(options, dict)
        assert not [name for name, value in options.items() if ("key" in name or "token" in name) and value in shown]
        assert exporter.stop() == 0


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_killed_in_the_middle_of_an_object(place: Place, tmp_path: Path) -> None:
    """The next process reads the object again and counts what the first one did not."""
    room_ids = [f"r{number:04}" for number in range(3000)]
    place.put("a.json", rooms(*room_ids))
    config, state = configure(place, tmp_path), tmp_path / "state"
    written = state / "state.sqlite-wal"
    with running_exporter(config, state, measured=False) as exporter:
        exporter.until("some is committed", lambda: written.exists() and written.stat().st_size > 500_000)
        assert exporter.stop(signal.SIGKILL) == -signal.SIGKILL
    assert 0 < len(counted(state)) < 3000
    with running_exporter(config, state, measured=False) as exporter:
        # The first poll has ended.
        exporter.until_ready()
        assert exporter.stop() == 0
    assert counted(state) == dict.fromkeys(room_ids, 1)


def counted(state: Path) -> dict[str, float]:
    """Sessions by room, as the ledger has them."""
    ledger = Ledger.open(state)
    counts = {series[2]: count.amounts[0] for series, count in ledger.counts.items() if series[0] == _SESSIONS}
    ledger.close()
    return counts
