"""`metrics.pseudonyms`: a label that is misspelt would be shown as it is, so it is a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter import settings
from exporter.config import check, load
from exporter.pseudonyms import LABELS
from tests.config_vendors import FAMILIES, VENDORS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PSEUDONYMS = """\
metrics:
  pseudonyms:
    salt: hidden
    labels:
"""


def findings(folder: Path, source: str, *labels: str) -> list[str]:
    """What is wrong with a configuration of these labels: line, place and the message up to its list of labels."""
    file = folder / "config.yaml"
    lines = "".join(f"      - {label}\n" for label in labels)
    file.write_text(f"sources: [{source}]\n{PSEUDONYMS}{lines}", encoding="utf-8")
    found = [str(problem).removeprefix(f"{file}:") for problem in check(file, VENDORS, FAMILIES)]
    if not found:
        chosen = load(file, VENDORS, FAMILIES).metrics.pseudonyms
        assert chosen is not None
        assert chosen.labels == labels
    return [each.partition(" of `")[0] for each in found]


READ = "{type: read, url: x, keys_as_labels: [tenant, plan-name]}"


def test_every_label_that_says_who_or_where(tmp_path: Path) -> None:
    """Keys by the label that they make."""
    assert findings(tmp_path, READ, *sorted(LABELS), "key_tenant", "key_plan_name") == []


def test_no_other_label(tmp_path: Path) -> None:
    """Those that are never hidden, misspelt ones, keys that no source has; the message lists what there is."""
    labels = ("peer_id", "key_tenent", "source", "verdict", "peer", "tenant", "key_plan-name")
    assert findings(tmp_path, READ, *labels) == [
        f"{line}: metrics.pseudonyms.labels[{line - 6}]: no label that can be a pseudonym; expected one"
        for line in range(7, 13)
    ]
    (message,) = (problem.message for problem in check(tmp_path / "config.yaml", VENDORS, FAMILIES)[:1])
    assert all(f"`{label}`" in message for label in (*LABELS, "key_tenant", "key_plan_name"))


def test_keys_of_a_source_that_cannot_be_read_are_not_judged(tmp_path: Path) -> None:
    """It may well have them; other labels are judged all the same."""
    broken = "{type: read, keys_as_labels: [tenant]}"
    assert findings(tmp_path, broken, "key_tenant", "source") == [
        "1: sources[0].url: missing; expected text",
        "7: metrics.pseudonyms.labels[1]: no label that can be a pseudonym; expected one",
    ]


def test_the_extra_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the word that installs it, and only where pseudonyms are configured."""
    monkeypatch.setattr(settings, "is_installed", lambda: False)
    assert findings(tmp_path, READ, "peer_id") == [
        "3: metrics.pseudonyms: needs an extra: pip install 'webrtc-quality-exporter[pseudonyms]'"
    ]
    (tmp_path / "config.yaml").write_text(f"sources: [{READ}]\n", encoding="utf-8")
    assert check(tmp_path / "config.yaml", VENDORS, FAMILIES) == []
