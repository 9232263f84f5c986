"""What `GET /config` shows, and what this version does not carry out yet."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from msgspec import Struct

from exporter.config import Settings, effective, load
from exporter.logs import LineFormatter
from exporter.metrics.catalogue import configurable_buckets
from exporter.sources import source_types
from exporter.values import Duration
from tests.config_vendors import FAMILIES, VENDORS

if TYPE_CHECKING:
    from exporter.logs import Format

GOOD = Path(__file__).parent / "fixtures" / "config" / "good"
#: Every secret of good/everything.yaml.
SECRETS = (
    "in-the-file",
    "in-the-file-too",
    "pepper",
    "writer",
    "hidden-password",
    "hidden-tenant",
    "hidden-header",
    "hidden-credentials",
)
SMALLEST = """\
sources:
- name: read
  type: read
  url: data
  options: {}
  keys_as_labels: []
  poll_interval: 1m
quality:
  packet_loss_ratio:
    fair: 0.01
    poor: 0.05
  jitter_seconds:
    fair: 0.02
    poor: 0.03
  round_trip_time_seconds:
    fair: 0.25
    poor: 0.4
  mos:
    fair: 3.6
    poor: 3.1
  frames_per_second:
    fair: 15.0
    poor: 7.0
  screen_frames_per_second:
    fair: 5.0
    poor: 2.0
  concealment_ratio:
    fair: 0.03
    poor: 0.07
  freezes_per_window:
    fair: 1.0
    poor: 2.0
  freezes_per_minute: 1.0
  call_setup_seconds:
    fair: 1.5
    poor: 5.0
  poor_time_share: 0.2
  poor_peer_share: 0.2
  minimum_seconds: 10.0
  mos_loss_impairment_per_percent: 2.5
metrics:
  series_ttl: 1h
  max_series: 500000
  histogram_rooms: true
  room_ttl: 1d
  zero_hold: 30s
  per_track: false
  buckets: {}
remote_write: []
timeline:
  keep: 0s
  max_age: 1w
  max_bytes: 1073741824
  endpoint: false
  expose_for: 1m
  out_of_order_time_window: 1d
shard:
  index: 0
  count: 1
"""


def test_defaults_are_written_out() -> None:
    """A person sees what is in force, whoever set it."""
    assert effective(load(GOOD / "smallest.yaml", VENDORS, FAMILIES)) == SMALLEST


@pytest.mark.parametrize("name", ["smallest", "commented-out"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    """Without secrets it is a configuration that says the same."""
    found = load(GOOD / f"{name}.yaml", VENDORS, FAMILIES)
    file = tmp_path / "again.yaml"
    file.write_text(effective(found), encoding="utf-8")
    assert load(file, VENDORS, FAMILIES) == found


def test_secrets_are_masked() -> None:
    """Each secret is said to be there, and is not shown; what is no secret stays."""
    parts = yaml.safe_load(effective(load(GOOD / "everything.yaml", VENDORS, FAMILIES)))
    assert parts["sources"][0]["token_file"] == "/run/secrets/token"  # noqa: S105 - a file's name
    assert parts["sources"][1]["token"] == "<secret>"  # noqa: S105 - it is none
    assert parts["sources"][2]["push"] == {"header": "X-Secret", "secret": "<secret>"}
    assert parts["metrics"]["pseudonyms"] == {"labels": ["peer_id", "room_id"], "salt": "<secret>"}
    receiver = parts["remote_write"][0]
    assert receiver["url"] == "https://<secret>@mimir.example/api/v1/push?<secret>"
    assert receiver["headers"] == {"X-Scope-OrgID": "<secret>"}
    assert receiver["authorization"] == {"type": "Bearer", "credentials": "<secret>"}
    assert receiver["tls_config"]["key_file"] == "key.pem"
    assert parts["remote_write"][1]["basic_auth"] == {"username": "exporter", "password_file": "/run/secrets/password"}


@pytest.mark.parametrize("line_format", ["logfmt", "json"])
def test_secrets_show_nowhere(line_format: Format) -> None:
    """Neither in the effective configuration, nor in repr, nor in a log line that holds the settings."""
    found = load(GOOD / "everything.yaml", VENDORS, FAMILIES)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "settings %s, %r", (found, found.remote_write), None)
    for shown in (effective(found), repr(found), str(found.sources), LineFormatter(line_format).format(record)):
        # The file's keys may hold the words, its values may not.
        assert [secret for secret in SECRETS if secret in shown] == []


class Store(Struct, frozen=True, kw_only=True):
    """A vendor that took no care to call its secrets so."""

    name: str = "store"
    url: str = "s3://key:hidden@bucket/prefix?token=hidden"
    storage_options: dict[str, str] = {}
    keys_as_labels: tuple[str, ...] = ("tenant",)
    poll_interval: Duration = Duration(5400)
    ca_key_file: str = "ca.key"
    tokens: tuple[str, ...] = ()

    @property
    def poll_seconds(self) -> float:
        """As every vendor has it."""
        return float(self.poll_interval)

    @property
    def max_key_values(self) -> int:
        """As every vendor has it."""
        return 100

    def problems(self) -> list[tuple[str, str]]:
        """None."""
        return []


def test_secrets_by_name() -> None:
    """Options that are called like secrets are masked even where nobody typed them so."""
    secrets = (
        "aws_secret_access_key",
        "account_key",
        "sas_token",
        "password",
        "client_secret",
        "azure_storage_sas_key",
    )
    harmless = {"region": "eu", "endpoint": "http://u:p@localhost:9000", "skip_check": "true", "key_file": "x"}
    options = {**dict.fromkeys(secrets, "hidden"), **harmless}
    shown = effective(Settings(sources=(Store(storage_options=options, tokens=("hidden",)),), source_types=("store",)))
    assert "hidden" not in shown
    (source,) = yaml.safe_load(shown)["sources"]
    assert source == {
        "name": "store",
        "type": "store",
        "url": "s3://<secret>@bucket/prefix?<secret>",
        "storage_options": {
            **dict.fromkeys(secrets, "<secret>"),
            "region": "eu",
            "endpoint": "http://<secret>@localhost:9000",
            "skip_check": "true",
            "key_file": "x",
        },
        "keys_as_labels": ["tenant"],
        "poll_interval": "1h30m",
        "ca_key_file": "ca.key",
        "tokens": ["<secret>"],
    }


def test_ids_of_hidden_labels_are_masked(tmp_path: Path) -> None:
    """Rooms, sessions and peers that the configuration names, where the page does not show them either."""
    file = tmp_path / "config.yaml"

    def shown(*labels: str) -> object:
        chosen = f"metrics: {{pseudonyms: {{labels: [{', '.join(labels)}], salt: s}}}}" if labels else ""
        file.write_text(
            f"""\
sources:
  - type: 100ms
    auth: {{management_token: t}}
    discovery:
      rooms: [the-room]
      sessions: [{{session_id: the-session, peer_ids: [one, two], room_id: the-room}}]
{chosen}
""",
            encoding="utf-8",
        )
        found = load(file, source_types(), configurable_buckets())
        discovery = yaml.safe_load(effective(found))["sources"][0]["discovery"]
        (session,) = discovery["sessions"]
        return discovery["rooms"], session["session_id"], session["peer_ids"], session["room_id"]

    hidden = "<secret>"
    assert shown() == (["the-room"], "the-session", ["one", "two"], "the-room")
    assert shown("city") == shown()
    assert shown("room_id") == ([hidden], "the-session", ["one", "two"], hidden)
    assert shown("session_id", "peer_id") == (["the-room"], hidden, [hidden, hidden], "the-room")
