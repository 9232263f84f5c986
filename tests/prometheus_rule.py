"""The shipped rules as a PrometheusRule of the Prometheus operator: `make rules` writes it, a test holds it to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
FILES = (RULES / "recording.yaml", RULES / "alerts.yaml")
MANIFEST = DEPLOY / "kubernetes" / "prometheusrule.yaml"

_HEAD = "# Made by `make rules` of deploy/prometheus/rules/*.yaml: change those.\n"


class _Dumper(yaml.SafeDumper):
    """Writes an expression of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def groups() -> list[dict[str, Any]]:
    """The groups of all rule files, in the order of the files."""
    return [group for file in FILES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]


def manifest() -> str:
    """The manifest as it is shipped."""
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "webrtc-quality-exporter",
            "labels": {"app.kubernetes.io/name": "webrtc-quality-exporter"},
        },
        "spec": {"groups": groups()},
    }
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000)


if __name__ == "__main__":
    MANIFEST.write_text(manifest(), encoding="utf-8")
    print(MANIFEST)  # noqa: T201 - a command that says what it wrote
