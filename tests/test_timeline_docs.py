"""What docs/timeline.md and deploy/ say about the timeline works as it stands there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import config
from exporter.metrics.catalogue import configurable_buckets
from exporter.settings import TimelineSettings
from exporter.sources import source_types
from exporter.timeline.page import MOST_SAMPLES
from tests.oracle.prometheus import require_tool

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "timeline.md").read_text(encoding="utf-8")
SHIPPED = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n# ([^\n]*)\n(.*?)```", TEXT, flags=re.DOTALL)
OURS = [block for title, block in BLOCKS if title == "config.yaml of the exporter"]


def read(tmp_path: Path, block: str) -> config.Settings:
    """A part of a configuration, beside a source."""
    path = tmp_path / "config.yaml"
    path.write_text(f"sources: [{{type: watchrtc, url: data}}]\n{block}", encoding="utf-8")
    return config.load(path, source_types(), configurable_buckets())


@pytest.mark.parametrize("block", OURS, ids=lambda block: re.findall(r"name: (\S+)", block)[0])
def test_the_exporter_takes_its_parts(tmp_path: Path, block: str) -> None:
    """Each recipe names a receiver and how old samples may be for it."""
    (receiver,) = read(tmp_path, block).remote_write
    assert receiver.max_sample_age


def test_the_defaults_are_those_that_are_documented(tmp_path: Path) -> None:
    """The first block writes them out."""
    found = read(tmp_path, OURS[0])
    assert found.timeline == TimelineSettings()
    assert not found.metrics.per_track
    assert f"{MOST_SAMPLES:,}".replace(",", " ") in TEXT


def test_every_block_is_one_of_ours_or_parses(tmp_path: Path) -> None:
    """Those of Prometheus by promtool."""
    titles = {title for title, _ in BLOCKS}
    assert titles == {"config.yaml of the exporter", "prometheus.yml", "runtime configuration of Mimir"}
    (prometheus,) = (block for title, block in BLOCKS if title == "prometheus.yml")
    check(tmp_path, prometheus)
    (mimir,) = (block for title, block in BLOCKS if title == "runtime configuration of Mimir")
    assert yaml.safe_load(mimir) == {"overrides": {"calls": {"out_of_order_time_window": "24h"}}}


def test_the_shipped_prometheus_keeps_what_is_sent(tmp_path: Path) -> None:
    """Its window is the default of the page, and longer than what the README sends."""
    shipped = yaml.safe_load(SHIPPED)
    window = shipped["storage"]["tsdb"]["out_of_order_time_window"]
    assert read(tmp_path, f"timeline: {{out_of_order_time_window: {window}}}").timeline == TimelineSettings()
    (receiver,) = read(tmp_path, OURS[0]).remote_write
    assert receiver.max_sample_age is not None
    assert receiver.max_sample_age < TimelineSettings().out_of_order_time_window


def test_the_job_that_is_commented_out_is_right(tmp_path: Path) -> None:
    """Without the marks of comments it is a second job, of the page."""
    lines = [re.sub(r"^  # (?=- job|  )", "  ", line) for line in SHIPPED.splitlines()]
    text = "\n".join(lines).replace("rules/", f"{ROOT}/deploy/prometheus/rules/") + "\n"
    found: dict[str, Any] = yaml.safe_load(text)
    first, second = found["scrape_configs"]
    assert second["metrics_path"] == "/timeline"
    assert second["static_configs"] == first["static_configs"]
    assert second["job_name"] != first["job_name"]
    check(tmp_path, text)


def check(tmp_path: Path, text: str) -> None:
    """Holds that promtool has nothing to say."""
    path = tmp_path / "prometheus.yml"
    path.write_text(text, encoding="utf-8")
    found = subprocess.run([require_tool("promtool"), "check", "config", str(path)], check=False, capture_output=True)
    assert found.returncode == 0, found.stdout + found.stderr
