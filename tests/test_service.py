"""The real process: start, signals, reload, and errors that name what is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from exporter import __version__
from tests.live.process import Exporter, running_exporter
from tests.oracle import check_exposition

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live

ROOM = {
    "room_url": "https://vendor.example/room/one",
    "room_id": "standup",
    "start_time": "2026-03-01T10:00:00.000Z",
    "duration": 60,
    "stats": {"mos": 4.2},
    "peers": [{"peer_id": "p1", "start_time": "2026-03-01T10:00:00.000Z", "duration": 60, "stats": {"mos": 2.0}}],
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One watchRTC source named `watch` over a folder with one room."""
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "a.json").write_text(json.dumps([ROOM]))
    path = tmp_path / "config.yaml"
    write(path, "watch")
    return path


def write(config: Path, *names: str, **metrics: object) -> None:
    """Writes a configuration with a source of each name over the same folder."""
    sources = [
        {
            "name": name,
            "type": "watchrtc",
            "url": str(config.parent / "streams"),
            "poll_interval": "1s",
            "min_object_age": "0s",
        }
        for name in names
    ]
    config.write_text(json.dumps({"sources": sources, "metrics": metrics}))


def has(exporter: Exporter, text: str) -> bool:
    """Whether a line of the page begins so."""
    return any(line.startswith(text) for line in exporter.page().splitlines())


def start(*flags: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    command = [sys.executable, "-m", "exporter", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_orderly(config: Path, tmp_path: Path, number: signal.Signals) -> None:
    """It serves, then ends with 0 and without a word of an error."""
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until_ready()
        exporter.until("shown", lambda: has(exporter, "webrtc_room_verdict{"))
        assert exporter.get("/-/healthy").status_code == 200
        check_exposition(exporter.page(), exporter.page(open_metrics=True))
        assert exporter.stop(number) == 0
        assert "error" not in exporter.log_end().lower()


def test_the_flags_of_the_web_layer(config: Path, tmp_path: Path) -> None:
    """Another telemetry path, and no metrics about the process itself."""
    flags = ("--web.telemetry-path=/m", "--web.disable-exporter-metrics")
    with running_exporter(config, tmp_path / "state", *flags) as exporter:
        exporter.until_ready()
        assert exporter.get("/metrics").status_code == 404
        text = exporter.get("/m").text
        assert "webrtc_exporter_build_info{" in text
        assert "process_cpu_seconds_total" not in text
        assert f'version="{__version__}"' in text


def test_sighup_reloads_the_whole_configuration(config: Path, tmp_path: Path) -> None:
    """The new source is polled, the one that went is gone from the page, what was counted goes on."""
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until("ingested", lambda: has(exporter, 'webrtc_room_verdict{source="watch"'))
        write(config, "other")
        exporter.process.send_signal(signal.SIGHUP)
        exporter.until("reloaded", lambda: has(exporter, 'webrtc_room_verdict{source="other"'))
        assert not has(exporter, 'webrtc_exporter_source_up{source="watch"')
        assert has(exporter, 'webrtc_room_verdict{source="watch"')
        assert "name: other" in exporter.get("/config").text
        assert has(exporter, "webrtc_exporter_config_last_reload_successful 1.0")


def test_a_reload_over_http(config: Path, tmp_path: Path) -> None:
    """200 when it was done; 500 with the file and line, and the old one kept, when it is wrong."""
    with running_exporter(config, tmp_path / "state", "--web.enable-lifecycle") as exporter:
        exporter.until_ready()
        exporter.get("/metrics", x_prometheus_scrape_timeout_seconds="10")
        exporter.until("known", lambda: has(exporter, "webrtc_exporter_scrapers 1.0"))
        write(config, "watch", series_ttl="2h")
        assert exporter.get("/-/reload").status_code == 405
        assert exporter.post("/-/reload").status_code == 200
        assert "series_ttl: 2h" in exporter.get("/config").text
        # Who has read what is known as before.
        assert has(exporter, "webrtc_exporter_scrapers 1.0")
        config.write_text("sources: []\nmetrics: {series_ttl: soon}\n")
        refused = exporter.post("/-/reload")
        assert refused.status_code == 500
        assert "config.yaml:2: metrics.series_ttl: " in refused.text
        assert "series_ttl: 2h" in exporter.get("/config").text
        assert has(exporter, "webrtc_exporter_config_last_reload_successful 0.0")
        write(config, "watch", buckets={"webrtc_peer_session_mos": [1.0, 2.0]})
        refused = exporter.post("/-/reload")
        assert refused.status_code == 500
        assert "webrtc_peer_session_mos: the buckets differ" in refused.text
        exporter.until("still polling", lambda: has(exporter, 'webrtc_exporter_source_up{source="watch"} 1.0'))


def test_a_broken_configuration_is_named_with_file_and_line(config: Path, tmp_path: Path) -> None:
    """Exit 1, on stderr, one line a mistake, no traceback."""
    config.write_text("sources:\n  - type: watchrtc\n    url: /nowhere\n    pol_interval: 1s\n")
    ended = start(f"--config.file={config}", f"--storage.path={tmp_path / 'state'}")
    assert ended.returncode == 1
    assert f"{config}:4: sources[0].pol_interval: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_salt_that_cannot_be_read_is_a_clear_error(config: Path, tmp_path: Path) -> None:
    """Without it everything would be shown: it does not start, and says which file it wanted."""
    write(config, "watch", pseudonyms={"labels": ["peer_id"], "salt_file": str(tmp_path / "salt")})
    ended = start(f"--config.file={config}", f"--storage.path={tmp_path / 'state'}")
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        f"metrics.pseudonyms.salt_file: {tmp_path / 'salt'}: cannot be read: No such file or directory\n"
    )


def test_a_second_process_on_the_same_state_is_refused(config: Path, tmp_path: Path) -> None:
    """It names the lock and the flag, and leaves the first one alone."""
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until_ready()
        ended = start(
            f"--config.file={config}", f"--storage.path={tmp_path / 'state'}", "--web.listen-address=127.0.0.1:0"
        )
        assert ended.returncode == 1
        assert "another process uses this state" in ended.stderr
        exporter.until_ready()


def test_a_busy_port_is_a_clear_error(config: Path, tmp_path: Path) -> None:
    """It names the address."""
    with running_exporter(config, tmp_path / "state") as exporter:
        exporter.until_ready()
        ended = start(
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'other'}",
            f"--web.listen-address={exporter.address}",
        )
        assert ended.returncode == 1
        assert exporter.address in ended.stderr
        assert "Traceback" not in ended.stderr
