"""`state reset-buckets`: what has other buckets begins afresh, everything else goes on."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter import cli
from exporter.ledger import Ledger, StateError
from exporter.metrics.catalogue import FAMILIES
from exporter.pipeline.opening import bounds_of
from exporter.state.reset import ResetFamily, reset_buckets
from tests.reports import audio, key, peer, report
from tests.state_support import NOW, Exporter, busy_state, exporting, findings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("restored_logging")

LOSS = "webrtc_sample_packet_loss_ratio"
JITTER = "webrtc_sample_jitter_seconds"
LOSS_SERIES = (LOSS, "prod", "standup", "send", "audio")
#: Other bounds for the samples' loss; as many as there are by default, so that the length of a vector tells nothing.
BUCKETS = {LOSS: (0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.25, 0.5)}
BOUNDS = {**bounds_of(FAMILIES), **BUCKETS}


def configuration(folder: Path, buckets: dict[str, list[float]] | None = None) -> Path:
    """A configuration of one source with some buckets."""
    file = folder / "config.yaml"
    source = {"name": "prod", "type": "watchrtc", "url": str(folder)}
    file.write_text(json.dumps({"sources": [source], "metrics": {"buckets": buckets or {}}}))
    return file


def amounts(folder: Path) -> dict[tuple[str, ...], list[float]]:
    """All vectors of a state."""
    with closing(Ledger.open(folder)) as ledger:
        return {series: count.amounts for series, count in ledger.counts.items()}


class TestReset:
    """In the state."""

    def test_only_what_has_other_buckets(self, tmp_path: Path) -> None:
        """Its counts go, and what they were is told; every other family keeps its own to the last bit."""
        busy_state(tmp_path)
        before = amounts(tmp_path)
        dropped = {series: vector for series, vector in before.items() if series[0] == LOSS}
        assert dropped == {LOSS_SERIES: [3.0, *[0.0] * 8, 2.0, 0.0, 0.0, 0.6]}
        with closing(Ledger.open(tmp_path)) as ledger:
            (reset,) = reset_buckets(ledger, BOUNDS, NOW)
        assert reset == ResetFamily(LOSS, tuple(bounds_of(FAMILIES)[LOSS]), series=1, observations=5.0)
        assert amounts(tmp_path) == {series: vector for series, vector in before.items() if series not in dropped}
        assert findings(tmp_path) == []

    def test_it_counts_in_the_new_buckets(self, tmp_path: Path) -> None:
        """As any new series: held at zero at first, then from there on."""
        busy_state(tmp_path)
        with closing(Ledger.open(tmp_path)) as ledger:
            reset_buckets(ledger, BOUNDS, NOW)
        with closing(Exporter(tmp_path, buckets=BUCKETS)) as exporter:
            exporter.deliver("prod", report(peer("p7", audio([0.0, 0.3])), of=key("s7")))
            assert exporter.ledger.counts[LOSS_SERIES].held
            assert exporter.ledger.counts[LOSS_SERIES].amounts == [1.0, *[0.0] * 9, 1.0, 0.0, 0.3]
        assert findings(tmp_path) == []

    def test_growth_across_it(self, tmp_path: Path) -> None:
        """What was counted before is not counted again in the new buckets; what comes after the next growth is."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("prod", report(peer("p1", audio([0.0, 0.0]))))
            reset_buckets(exporter.ledger, BOUNDS, NOW)
        with closing(Exporter(tmp_path, buckets=BUCKETS)) as exporter:
            counts = exporter.ledger.counts
            jitter = (JITTER, *LOSS_SERIES[1:])
            assert exporter.deliver("prod", report(peer("p1", audio([0.0, 0.0, 0.0])))).grown == 1
            assert LOSS_SERIES not in counts
            assert sum(counts[jitter].amounts[:-1]) == 3.0
            assert exporter.deliver("prod", report(peer("p1", audio([0.0, 0.0, 0.0, 0.3])))).grown == 1
            assert counts[LOSS_SERIES].amounts == [0.0] * 10 + [1.0, 0.0, 0.3]
            assert sum(counts[jitter].amounts[:-1]) == 4.0
        assert findings(tmp_path) == []

    def test_a_peer_in_hand_is_known_still(self, tmp_path: Path) -> None:
        """The same report again is a duplicate as before."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("prod", report(peer("p1", audio([0.1]))))
            reset_buckets(exporter.ledger, BOUNDS, NOW)
        with closing(Exporter(tmp_path, buckets=BUCKETS)) as exporter:
            assert exporter.deliver("prod", report(peer("p1", audio([0.1])))).duplicate == 1
            assert LOSS_SERIES not in exporter.ledger.counts

    def test_nothing_to_do(self, tmp_path: Path) -> None:
        """The buckets that are kept change nothing, not even on disk."""
        busy_state(tmp_path)
        with closing(Ledger.open(tmp_path)) as ledger:
            before = (tmp_path / "state.sqlite-wal").read_bytes()
            assert reset_buckets(ledger, bounds_of(FAMILIES), NOW) == []
            assert (tmp_path / "state.sqlite-wal").read_bytes() == before

    def test_all_or_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What fails on the way leaves the counts and the buckets that were."""
        busy_state(tmp_path)
        before = amounts(tmp_path)

        def fail(_: bytes) -> None:
            raise OSError

        monkeypatch.setattr("exporter.state.reset.decode_growth", fail)
        with closing(Ledger.open(tmp_path)) as ledger:
            with pytest.raises(OSError):  # noqa: PT011 - as it was raised
                reset_buckets(ledger, BOUNDS, NOW)
            ledger.keep_bounds(bounds_of(FAMILIES), NOW)
        assert amounts(tmp_path) == before


class TestCommand:
    """As a person asks for it."""

    def test_it_says_what_it_drops(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A line for each family, and a second time that there is nothing to do."""
        state = tmp_path / "state"
        busy_state(state)
        config = configuration(tmp_path, {LOSS: [0.05, 0.5], JITTER: [1.0]})
        argv = ["state", "reset-buckets", f"--config.file={config}", f"--storage.path={state}"]
        assert cli.main(argv) == 0
        file = state / "state.sqlite"
        jitter = "0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5"
        loss = "0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.2, 0.5, 1"
        assert capsys.readouterr().out.splitlines() == [
            f"{file}: {JITTER}: 1 series with 5 observations dropped; its buckets were {jitter} and are 1",
            f"{file}: {LOSS}: 1 series with 5 observations dropped; its buckets were {loss} and are 0.05, 0.5",
        ]
        assert cli.main(argv) == 0
        assert capsys.readouterr().out == (f"{file}: all buckets are those of the configuration; nothing was changed\n")

    def test_who_is_refused_is_told_of_it(self, tmp_path: Path) -> None:
        """The error of other buckets names the command, which then lets the exporter start."""
        busy_state(tmp_path)
        with closing(Ledger.open(tmp_path)) as ledger, pytest.raises(StateError) as refused:
            ledger.keep_bounds(BOUNDS, NOW)
        assert f"{LOSS}: the buckets differ from those that its counts were made with (expected 0.0, 0.005," in str(
            refused.value
        )
        assert "`webrtc-quality-exporter state reset-buckets`" in str(refused.value)
        with closing(Ledger.open(tmp_path)) as ledger:
            reset_buckets(ledger, BOUNDS, NOW)
            ledger.keep_bounds(BOUNDS, NOW)

    def test_while_an_exporter_has_it(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is refused, and says so."""
        state = tmp_path / "state"
        with exporting(state):
            argv = [f"--config.file={configuration(tmp_path)}", f"--storage.path={state}"]
            assert cli.main(["state", "reset-buckets", *argv]) == 1
        assert "another process uses this state; stop it" in capsys.readouterr().err

    def test_no_state(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """None is begun."""
        argv = [f"--config.file={configuration(tmp_path)}", f"--storage.path={tmp_path}/none"]
        assert cli.main(["state", "reset-buckets", *argv]) == 1
        assert "none/state.sqlite: expected a state that an exporter has begun" in capsys.readouterr().err
        assert not (tmp_path / "none").exists()

    def test_a_wrong_configuration(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Its mistakes are named, and nothing is changed."""
        busy_state(tmp_path)
        config = configuration(tmp_path, {LOSS: [2.0, 1.0]})
        argv = [f"--config.file={config}", f"--storage.path={tmp_path}"]
        assert cli.main(["state", "reset-buckets", *argv]) == 1
        assert f"{config}:1: metrics.buckets.{LOSS}[1]: expected ascending numbers" in capsys.readouterr().err
        assert findings(tmp_path) == []
