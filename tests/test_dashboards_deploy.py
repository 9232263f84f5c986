"""The shipped configuration of Prometheus and Grafana fits the exporter and the dashboards."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.dashboards.boards import committed
from tests.dashboards.grafana import parse_seconds

DEPLOY: Final = Path(__file__).parent.parent / "deploy"
PROMETHEUS: Final = DEPLOY / "prometheus" / "prometheus.yml"
PROVISIONING: Final = DEPLOY / "grafana" / "provisioning"


def _read(file: Path) -> Any:  # noqa: ANN401 - any YAML
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _job() -> dict[str, Any]:
    (job,) = _read(PROMETHEUS)["scrape_configs"]
    assert isinstance(job, dict)
    return job


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_the_configuration() -> None:
    """Promtool has nothing to say against the file."""
    check = subprocess.run(
        ["promtool", "check", "config", str(PROMETHEUS)], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_exporter_is_scraped_where_it_listens() -> None:
    """The job scrapes the exporter's default address under the name that the documentation uses."""
    job = _job()
    assert job["job_name"] == "webrtc-quality-exporter"
    assert job["static_configs"] == [{"targets": ["localhost:10210"]}]


def test_the_limit_of_samples_is_above_the_exporters_own() -> None:
    """The exporter lets old calls go at 500 000 series; Prometheus must not drop the page before that."""
    assert _job()["sample_limit"] > 500_000


def test_grafana_knows_the_scrape_interval() -> None:
    """Grafana's $__rate_interval is made of it: were it shorter than the scrapes, panels would be empty."""
    (source,) = _read(PROVISIONING / "datasources" / "prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == _job()["scrape_interval"]


def test_dashboards_refresh_no_faster_than_scrapes() -> None:
    """A refresh between two scrapes loads the same again."""
    interval = parse_seconds(_job()["scrape_interval"])
    assert all(parse_seconds(board["refresh"]) >= interval for board in committed().values())


def test_grafana_finds_the_dashboards() -> None:
    """The provider reads files from a folder, and has one of the two ways to name folders."""
    (provider,) = _read(PROVISIONING / "dashboards" / "webrtc-quality.yaml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/var/lib/grafana/dashboards")
    assert bool(provider["folder"]) != provider["options"]["foldersFromFilesStructure"]
