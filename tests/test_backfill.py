"""`backfill` writes what promtool takes: from the state or from documents, without counting or changing anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from exporter import cli
from exporter.backfill.command import backfill
from exporter.backfill.span import Span
from exporter.backfill.spool import Spool, SpoolError
from exporter.demo import watchrtc_documents
from exporter.demo.media import record
from exporter.demo.simulation import meeting
from exporter.ledger import Ledger
from exporter.metrics.catalogue import FAMILIES
from exporter.options import Backfill
from exporter.pipeline.border import Border
from exporter.pipeline.handing_over import HandingOver
from exporter.pipeline.ingest import Ingest
from exporter.quality import Thresholds
from exporter.sources.base import Delivery
from exporter.timeline.shape import Shape
from tests.reports import START, audio, key, peer, report
from tests.timeline_support import series

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("restored_logging")

NOW = START + 86_400.0
LOSS = "webrtc_timeline_packet_loss_ratio"
IDENTITY = (
    'source="prod",room_id="standup",session_id="s1",peer_id="{}",direction="send",kind="audio",track_type="",rid=""'
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that keeps what was handed over."""
    path = tmp_path / "config.yaml"
    path.write_text("sources: [{name: prod, type: watchrtc, url: data}]\ntimeline: {keep: 2d}\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def state(tmp_path: Path) -> Path:
    """Two peers; the first has grown."""
    folder = tmp_path / "state"
    with closing(Ledger.open(folder)) as ledger:
        writing = HandingOver(Shape(FAMILIES))
        ingest = Ingest(ledger, FAMILIES, Thresholds(), Border(), handing_over=writing)
        for name, losses in (("b", [0.1]), ("a", [0.25, 0.5]), ("b", [0.1, 0.2])):
            ingest.commit("prod", Delivery(reports=(report(peer(name, audio(list(losses))), of=key("s1")),)), NOW)
    return folder


def command(config: Path, tmp_path: Path, begin: float = START, end: float = START + 60.0, **more: object) -> Backfill:
    """What the command line would ask for."""
    return Backfill(
        config_file=config,
        begin=begin,
        end=end,
        output=tmp_path / "out.om",
        storage_path=tmp_path / "state",
        **more,  # type: ignore[arg-type] # any fields
    )


def lines(path: Path, family: str = LOSS) -> list[str]:
    """The samples of a family."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(f"{family}{{")]


def test_what_the_state_holds_is_written(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each series in one piece, ascending, with the labels that it is sent with; what has grown goes on."""
    assert backfill(command(config, tmp_path), NOW) == 0
    written = (tmp_path / "out.om").read_text(encoding="utf-8")
    own = 'job="webrtc-quality-exporter",instance="shard-0"'
    a, b = (f"{LOSS}{{{own},{IDENTITY.format(name)}}}" for name in "ab")
    at = round(START)
    assert lines(tmp_path / "out.om") == [
        f"{a} 0.25 {at + 10}.000",
        f"{a} 0.5 {at + 20}.000",
        f"{b} 0.1 {at + 10}.000",
        f"{b} 0.2 {at + 20}.000",
    ]
    assert written.endswith("\n# EOF\n")
    families = re.findall(r"# TYPE (\S+)", written)
    assert len(families) == len(set(families)) == 6
    assert capsys.readouterr().out == (
        f"{tmp_path}/out.om: 12 series from 2026-03-01T10:00:00Z to 2026-03-01T10:01:00Z\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "out.om", "state"]


def test_only_the_span_is_written(config: Path, tmp_path: Path) -> None:
    """From its first time on, before its last."""
    assert backfill(command(config, tmp_path, START + 10.0, START + 20.0), NOW) == 0
    assert [line.rpartition(" ")[2] for line in lines(tmp_path / "out.om")] == [f"{round(START) + 10}.000"] * 2


def test_labels_are_those_that_are_sent(config: Path, tmp_path: Path) -> None:
    """With several receivers, what all of them have."""
    urls = [
        f"{{url: http://{name}/, external_labels: {{cluster: eu, replica: {name}, instance: one}}}}" for name in "ab"
    ]
    with config.open("a", encoding="utf-8") as file:
        file.write(f"remote_write: [{', '.join(urls)}]\n")
    assert backfill(command(config, tmp_path), NOW) == 0
    assert lines(tmp_path / "out.om")[0].startswith(
        f'{LOSS}{{job="webrtc-quality-exporter",instance="one",cluster="eu",source="prod",'
    )


def test_what_is_too_new_is_refused(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says why: a Prometheus would throw away what it scraped itself."""
    assert backfill(command(config, tmp_path), START + 60.0 + 3 * 3600.0 - 0.75) == 1
    said = capsys.readouterr().err
    assert said.startswith("--to: expected a time three hours ago or earlier (2026-03-01T10:00:59Z), got 2026-03-01T1")
    assert "throws away at its next start what it scraped itself" in said
    assert backfill(command(config, tmp_path, START, START), NOW) == 1
    assert "--to: expected a time after --from (2026-03-01T10:00:00Z)" in capsys.readouterr().err
    assert not (tmp_path / "out.om").exists()
    assert backfill(command(config, tmp_path), START + 60.0 + 3 * 3600.0) == 0


def test_nothing_found_is_said(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the way out; and what was there before stays."""
    (tmp_path / "out.om").write_text("before")
    assert backfill(command(config, tmp_path, START - 100.0, START - 50.0), NOW) == 1
    assert "keeps the timeline for timeline.keep (2d) after every receiver has it" in capsys.readouterr().err
    assert (tmp_path / "out.om").read_text() == "before"


def test_a_row_that_cannot_be_read_costs_itself(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, and the code is 1; the others are written."""
    with closing(Ledger.open(tmp_path / "state")) as ledger, ledger.transaction(NOW) as transaction:
        transaction.add_to_timeline(START, START + 1.0, 1, b"damaged")
    assert backfill(command(config, tmp_path), NOW) == 1
    assert "1 rows of the state cannot be read" in capsys.readouterr().err
    assert len(lines(tmp_path / "out.om")) == 4


def test_no_state_is_said(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the other commands say it."""
    shutil.rmtree(tmp_path / "state")
    assert backfill(command(config, tmp_path), NOW) == 1
    assert "expected a state that an exporter has begun" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["no/folder/out.om", "state"])
def test_where_nothing_can_be_written(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    """A folder that is not there, or a folder in the way, is one line."""
    asked = Backfill(
        config_file=config, begin=START, end=START + 60.0, output=tmp_path / output, storage_path=tmp_path / "state"
    )
    assert backfill(asked, NOW) == 1
    said = capsys.readouterr().err
    assert "expected a f" in said
    assert said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "state"]


def room() -> dict[str, object]:
    """A room as watchRTC tells it: a call of four minutes."""
    return watchrtc_documents.room_document(record(meeting("backfill", "good_call", START, minutes=4.0)))


def test_the_command_line_reads_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice the same adds nothing, and no state is made."""
    config = tmp_path / "config.yaml"
    config.write_text("sources: [{name: watch, type: watchrtc, url: data}]\n", encoding="utf-8")
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in "ab":
        (documents / f"{name}.json").write_text(json.dumps([room()]), encoding="utf-8")
    (documents / "c.json").write_text("broken", encoding="utf-8")
    out = tmp_path / "out.om"
    argv = [
        "backfill",
        f"--config.file={config}",
        "--from=2026-03-01T09:00:00+00:00",
        f"--to={START + 3600.0}",
        f"--output={out}",
        f"--storage.path={tmp_path / 'none'}",
        str(documents),
    ]
    assert cli.main(argv) == 1
    captured = capsys.readouterr()
    peers = len(room()["peers"])  # type: ignore[arg-type] # a list
    assert captured.out.splitlines()[:2] == [f"{documents}/{name}.json: {peers} peers" for name in "ab"]
    assert f"{documents}/c.json" in captured.err
    connected = lines(out, "webrtc_timeline_connected")
    assert len({line.partition("}")[0] for line in connected}) == peers
    assert len(set(connected)) == len(connected) > peers
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--to=1", "--output=x"], "backfill: --from is required"),
        (["--from=1", "--output=x"], "backfill: --to is required"),
        (["--from=1", "--to=2"], "backfill: --output is required"),
        (
            ["--from=2026-03-01T10:00:00", "--to=2", "--output=x"],
            "expected a time such as 2026-03-01T10:00:00Z, 2026-03-01",
        ),
        (["--from=yesterday", "--to=2", "--output=x"], "(Unix seconds), got 'yesterday'"),
        (["--from=2026-02-30", "--to=2", "--output=x"], "got '2026-02-30'"),
        (["--from=2026-W10-1", "--to=2", "--output=x"], "got '2026-W10-1'"),
        (["--from=nan", "--to=2", "--output=x"], "got 'nan'"),
        (["--from=-1", "--to=2", "--output=x"], "got '-1'"),
        (["--from=1e12", "--to=2", "--output=x"], "got '1e12'"),
    ],
)
def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str], argv: list[str], expected: str) -> None:
    """Ends with 2 and says what was expected."""
    assert cli.main(["backfill", "--config.file=c", *argv]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-01T11:00:00.5+01:00", START + 0.5),
        ("2026-03-01T10:00:00Z", START),
        ("2026-03-01 10:00Z", START),
        (f"{START + 1}", START + 1.0),
        # Ten hours before.
        ("2026-03-01", START - 36_000.0),
    ],
)
def test_times_are_read(written: str, expected: float) -> None:
    """RFC 3339 with any offset, a date as its beginning in UTC, or Unix seconds."""
    from exporter.flags import read_flags  # noqa: PLC0415 - of this test only

    flags = read_flags(["backfill", "--config.file=c", f"--from={written}", "--to=2026-03-02", "--output=x"])
    assert isinstance(flags.command, Backfill)
    assert (flags.command.begin, flags.command.end) == (expected, START + 14 * 3600.0)


class TestSpan:
    """What is in it."""

    def test_its_end_is_not(self) -> None:
        """Spans that follow each other have each sample once."""
        line = series("f", [(1000, 1.0), (2000, 2.0), (3000, 3.0)])
        first, then = Span(0.5, 2.0).part(line), Span(2.0, 4.0).part(line)
        assert first is not None
        assert then is not None
        assert (list(first.samples()), list(then.samples())) == ([(1000, 1.0)], [(2000, 2.0), (3000, 3.0)])
        assert Span(4.0, 5.0).part(line) is None


class TestSpool:
    """Parts in any order, series in one piece."""

    def test_parts_come_together(self, tmp_path: Path) -> None:
        """By family in the order given, then by labels, parts in the order in which they came."""
        with Spool.beside(tmp_path / "out", ["g", "f"]) as spool:
            spool.add([series("f", [(5, 1.0)], a="x"), series("g", [(1, 1.0)], a="y")])
            spool.add([series("f", [(1, 2.0), (2, None)], a="w"), series("f", [(3, 4.0)], a="x")])
            assert spool.samples == 5
            found = [
                (family, [(dict(labels), [list(part.samples()) for part in parts]) for labels, parts in of_family])
                for family, of_family in spool.by_family()
            ]
            assert found == [
                ("g", [({"a": "y"}, [[(1, 1.0)]])]),
                ("f", [({"a": "w"}, [[(1, 2.0), (2, None)]]), ({"a": "x"}, [[(5, 1.0)], [(3, 4.0)]])]),
            ]
            assert [path.name for path in tmp_path.glob(".out.*/*")] == ["spool"]
        assert list(tmp_path.glob(".*")) == []

    def test_it_can_begin_anew(self, tmp_path: Path) -> None:
        """When what it is filled from has changed meanwhile."""
        with Spool.beside(tmp_path / "out", ["f"]) as spool:
            spool.add([series("f", [(5, 1.0)])])
            spool.clear()
            assert (spool.samples, spool.bytes, list(spool.by_family())) == (0, 0, [])

    def test_no_room_is_said(self, tmp_path: Path) -> None:
        """And not taken for something wrong with the state that is read meanwhile."""
        with Spool.beside(tmp_path / "out", ["f"]) as spool:
            spool._connection.execute("PRAGMA max_page_count = 3")  # noqa: SLF001 - a disk that is full
            large = [series("f", [(5, 1.0)], a="x" * 100_000)]
            with pytest.raises(SpoolError, match="expected room"):
                spool.add(large)


def test_a_signal_while_writing_leaves_what_was_there(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file would pass for a whole one."""

    def interrupted(*_: object) -> str:
        signal.raise_signal(signal.SIGTERM)
        return ""

    monkeypatch.setattr("exporter.backfill.command.series_text", interrupted)
    (tmp_path / "out.om").write_text("before")
    assert backfill(command(config, tmp_path), NOW) == 143
    assert "stopped; there is no file" in capsys.readouterr().err
    assert (tmp_path / "out.om").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "out.om", "state"]


@pytest.mark.live
def test_a_signal_leaves_nothing_behind(config: Path, tmp_path: Path) -> None:
    """No half file, and the code of the signal; what was there before stays."""
    fifo, out = tmp_path / "fifo", tmp_path / "out.om"
    os.mkfifo(fifo)
    out.write_text("before")
    argv = [sys.executable, "-m", "exporter", "backfill", f"--config.file={config}", "--from=1", "--to=2"]
    with subprocess.Popen([*argv, f"--output={out}", str(fifo)], stderr=subprocess.PIPE, text=True) as process:
        # Opened when it reads: then it listens to signals.
        with fifo.open("wb") as writer:
            writer.write(json.dumps([room()]).encode())
            writer.flush()
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "stopped; there is no file" in said
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "fifo", "out.om", "state"]
