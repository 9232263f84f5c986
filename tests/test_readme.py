"""The README does not drift from the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter import config
from exporter.metrics.catalogue import configurable_buckets
from exporter.sources import source_types
from tests.readme import README, generated

ROOT = Path(__file__).parent.parent
TEXT = README.read_text(encoding="utf-8")


def test_generated_parts_are_up_to_date() -> None:
    """`make readme` would change nothing."""
    assert generated(TEXT) == TEXT


def test_a_missing_part_is_named() -> None:
    """A README that lost a marker is an error, not an unnoticed gap."""
    with pytest.raises(ValueError, match="expected the part `<!-- gauges -->` once, found it 0 times"):
        generated(TEXT.replace("<!-- gauges -->", ""))


def test_the_configuration_in_it_is_valid(tmp_path: Path) -> None:
    """What people copy works."""
    (yaml,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    path = tmp_path / "config.yaml"
    path.write_text(yaml, encoding="utf-8")
    assert config.check(path, source_types(), configurable_buckets()) == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))))
def test_links_within_the_project_lead_somewhere(target: str) -> None:
    """Pictures and files that it names are there."""
    assert (ROOT / target).exists()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?:\$ |`)make ([a-z]+)", TEXT))))
def test_make_targets_exist(command: str) -> None:
    """Every `make` target that it names is in the Makefile."""
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
