"""What docs/timeline.md and deploy/ say about the timeline works as it stands there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import cli, config
from exporter.metrics.catalogue import configurable_buckets
from exporter.settings import TimelineSettings
from exporter.sources import source_types
from exporter.timeline.page import MOST_SAMPLES
from exporter.values import Duration
from tests.oracle.prometheus import require_tool

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "timeline.md").read_text(encoding="utf-8")
SHIPPED = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
RECIPES = ROOT / "deploy" / "timeline"
RECIPE_NAMES = {"grafana-cloud", "mimir", "thanos", "victoria-metrics"}
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


@pytest.mark.parametrize("part", sorted(RECIPES.glob("*/exporter.yaml")), ids=lambda part: part.parent.name)
def test_the_recipes_are_those_of_the_page(tmp_path: Path, part: Path) -> None:
    """Each is a part that the exporter takes, word for word what the page says."""
    text = part.read_text(encoding="utf-8")
    (receiver,) = read(tmp_path, text).remote_write
    documented = [each for block in OURS for each in read(tmp_path, block).remote_write]
    assert receiver in documented


@pytest.mark.usefixtures("restored_logging")
def test_the_exporter_itself_finds_nothing_wrong_with_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them together, as one configuration: `--config.check` as a person runs it."""
    config_file = tmp_path / "config.yaml"
    receivers = [
        receiver
        for part in RECIPES.glob("*/exporter.yaml")
        for receiver in yaml.safe_load(part.read_text(encoding="utf-8"))["remote_write"]
    ]
    assert len(receivers) == len(RECIPE_NAMES)
    whole = {"sources": [{"type": "watchrtc", "url": "data"}], "remote_write": receivers}
    config_file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    assert cli.main(["--config.check", f"--config.file={config_file}"]) == 0, capsys.readouterr().err


def test_windows_are_longer_than_what_is_sent(tmp_path: Path) -> None:
    """A receiver's own limit is never the first: it costs others of the same request their place."""
    receivers = {
        name: read(tmp_path, (RECIPES / name / "exporter.yaml").read_text(encoding="utf-8")).remote_write[0]
        for name in RECIPE_NAMES
    }
    tenants = yaml.safe_load((RECIPES / "mimir" / "runtime.yaml").read_text(encoding="utf-8"))["overrides"]
    tenant = receivers["mimir"].headers["X-Scope-OrgID"].reveal()
    limits = {
        "mimir": tenants[tenant]["out_of_order_time_window"],
        "thanos": flags("thanos/receive.flags")["--tsdb.out-of-order.time-window"],
        "victoria-metrics": flags("victoria-metrics/victoria-metrics.flags")["-retentionPeriod"],
    }
    for name, limit in limits.items():
        age = receivers[name].max_sample_age
        assert age is not None
        assert age <= Duration.parse(limit)
    assert flags("thanos/compact.flags") == {"--compact.enable-vertical-compaction": ""}


def flags(name: str) -> dict[str, str]:
    """What a file of flags says, comments left out."""
    lines = (RECIPES / name).read_text(encoding="utf-8").splitlines()
    found = [line.partition("=") for line in lines if not line.startswith("#")]
    return {flag: value for flag, _, value in found}


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
    assert yaml.safe_load(mimir) == yaml.safe_load((RECIPES / "mimir" / "runtime.yaml").read_text(encoding="utf-8"))
    for name in (
        "../prometheus/prometheus.flags",
        "thanos/receive.flags",
        "thanos/compact.flags",
        "victoria-metrics/victoria-metrics.flags",
    ):
        said = [f"{flag}={value}" if value else flag for flag, value in flags(name).items()]
        assert all(each in TEXT for each in said)


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
