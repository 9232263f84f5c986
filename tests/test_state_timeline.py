"""`state` and `state check` tell of the timeline that waits, and find what is wrong with it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter import cli
from exporter.ledger import Ledger, Place
from exporter.metrics.catalogue import FAMILIES
from exporter.pipeline.border import Border
from exporter.pipeline.handing_over import HandingOver
from exporter.pipeline.ingest import Ingest
from exporter.quality import Thresholds
from exporter.sources.base import Delivery
from exporter.timeline.shape import Shape
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("restored_logging")

#: Of a peer with one stream of one window in a stay of a minute: four families, verdict and connected, with markers.
SAMPLES = 4 * 2 + 2 + 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state with three stays in its log, of which one receiver has the first."""
    with closing(Ledger.open(tmp_path)) as ledger:
        writing = HandingOver(Shape(FAMILIES))
        ingest = Ingest(ledger, FAMILIES, Thresholds(), Border(), handing_over=writing)
        ledger.timeline.set_receivers({"remote_write/mimir": None, "/timeline": None}, START)
        for name in "abc":
            ingest.commit("prod", Delivery(reports=(report(peer(name, audio([0.1])), of=key("s")),)), START)
        (first,) = ledger.timeline.read(0, 1)
        ledger.timeline.acknowledge("remote_write/mimir", first.place, START)
        assert first.place == Place(1, SAMPLES, len(first.payload))
    return tmp_path


def test_it_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How much there is, from when to when, and who waits for how much of it."""
    assert cli.main(["state", f"--storage.path={folder}"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "stay" in line]
    assert lines == [
        "timeline 3 stays in 0.0 MB, from 2026-03-01T10:00:00Z to 2026-03-01T10:01:00Z",
        f"         /timeline waits for 3 stays, {3 * SAMPLES} samples",
        f"         remote_write/mimir waits for 2 stays, {2 * SAMPLES} samples",
    ]
    assert cli.main(["state", "--format=json", f"--storage.path={folder}"]) == 0
    found = json.loads(capsys.readouterr().out)["timeline"]
    assert (found["stays"], found["first"], found["last"]) == (3, START, START + 60.001)
    assert [each["samples"] for each in found["receivers"]] == [3 * SAMPLES, 2 * SAMPLES]


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What the check says."""
    code = cli.main(["state", "check", f"--storage.path={folder}"])
    return code, capsys.readouterr().out


def test_what_is_right_is_found_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is looked at."""
    code, text = check(folder, capsys)
    assert code == 0
    assert "  timeline: 3 rows, 2 receivers" in text.splitlines()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE timeline SET payload = x'01ff' WHERE id = 1", "row 1 of the timeline: found what cannot be read"),
        ("UPDATE timeline SET samples = 7 WHERE id = 1", "row 1 of the timeline: samples: found 7, expected 13"),
        ('UPDATE timeline SET "last" = 9 WHERE id = 3', "row 3 of the timeline: first and last: found"),
        ("UPDATE timeline SET samples_through = 1 WHERE id = 2", "row 2 of the timeline: its sums: found row 2, 1 "),
        ("DELETE FROM timeline WHERE id = 2", "row 3 of the timeline: its sums: found row 3, 39 samples"),
        ("UPDATE timeline_receivers SET id = 9", "the place of /timeline in the timeline: found row 9"),
        ("UPDATE seen_peers SET sent = x'78'", "in seen_peers: what was sent: found what cannot be read"),
    ],
)
def test_what_is_wrong_is_found(folder: Path, capsys: pytest.CaptureFixture[str], change: str, expected: str) -> None:
    """Each for itself."""
    with closing(sqlite3.connect(folder / "state.sqlite")) as connection, connection:
        connection.execute(change)
    code, text = check(folder, capsys)
    assert code == 1
    assert expected in text
