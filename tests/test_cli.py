"""The command line: what it takes, what it says and how it ends."""

from __future__ import annotations

import io
import logging
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exporter import __version__, cli
from exporter.flags import read_flags
from exporter.options import CheckState, Command, Ingest, ResetBuckets, ServeOptions, ShowState

pytestmark = pytest.mark.usefixtures("restored_logging")

GOOD = "sources:\n  - {name: watch, type: watchrtc, url: data}\n  - {type: 100ms, auth: {management_token_file: t}}\n"


class Called:
    """Stands for serve and demo, and remembers what they were asked for."""

    def __init__(self, *, code: int = 0, error: BaseException | None = None) -> None:
        self.code, self.error = code, error
        self.options: ServeOptions | None = None
        self.demo: tuple[float, int] | None = None

    async def serve(self, options: ServeOptions) -> int:
        """Stands for `exporter.service.serve`."""
        self.options = options
        if self.error:
            raise self.error
        return self.code

    async def run_demo(self, options: ServeOptions, speed: float, seed: int) -> int:
        """Stands for `exporter.demo.run.run_demo`."""
        self.options, self.demo = options, (speed, seed)
        return self.code


def command(monkeypatch: pytest.MonkeyPatch, called: Called, *argv: str) -> int:
    """Runs the program with serve and demo replaced."""
    monkeypatch.setattr("exporter.service.serve", called.serve)
    monkeypatch.setattr("exporter.demo.run.run_demo", called.run_demo)
    return cli.main(argv)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A configuration that is right."""
    file = tmp_path / "good.yaml"
    file.write_text(GOOD, encoding="utf-8")
    return file


class TestServe:
    """Without a command."""

    def test_defaults(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the configuration file is required."""
        called = Called()
        assert command(monkeypatch, called, "--config.file=conf.yaml") == 0
        assert called.options == ServeOptions(
            config_file=Path("conf.yaml"),
            listen_addresses=(":10210",),
            telemetry_path="/metrics",
            web_config_file=None,
            enable_lifecycle=False,
            max_requests=40,
            exporter_metrics=True,
            storage_path=Path("data"),
        )
        assert logging.getLogger().level == logging.INFO

    def test_every_flag(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every flag arrives, with `=` or a space before its value."""
        called = Called()
        argv = (
            *("--config.file", "conf.yaml", "--storage.path", "/var/lib/x"),
            *("--web.listen-address=127.0.0.1:0", "--web.listen-address", "[::1]:9000", "--web.telemetry-path=/m"),
            *("--web.config.file=web.yaml", "--web.enable-lifecycle", "--web.max-requests=7"),
            *("--web.disable-exporter-metrics", "--log.level=debug", "--log.format=json"),
        )
        assert command(monkeypatch, called, *argv) == 0
        assert called.options == ServeOptions(
            config_file=Path("conf.yaml"),
            listen_addresses=("127.0.0.1:0", "[::1]:9000"),
            telemetry_path="/m",
            web_config_file=Path("web.yaml"),
            enable_lifecycle=True,
            max_requests=7,
            exporter_metrics=False,
            storage_path=Path("/var/lib/x"),
        )
        assert logging.getLogger().level == logging.DEBUG

    @pytest.mark.parametrize("code", [0, 1])
    def test_exit_code(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        """It ends as the service does."""
        assert command(monkeypatch, Called(code=code), "--config.file=x") == code

    def test_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C outside the service's reach ends without a traceback."""
        assert command(monkeypatch, Called(error=KeyboardInterrupt()), "--config.file=x") == 130

    def test_start_fails(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What the system refuses is said in a line."""
        assert command(monkeypatch, Called(error=OSError(28, "No space left")), "--config.file=x") == 1
        assert capsys.readouterr().err == "webrtc-quality-exporter: [Errno 28] No space left\n"

    def test_configuration_is_wrong(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The real service says what is wrong on standard error, without a traceback."""
        file = tmp_path / "bad.yaml"
        file.write_text("source: []\n", encoding="utf-8")
        assert cli.main([f"--config.file={file}", f"--storage.path={tmp_path / 'data'}"]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"{file}:1: source: unknown key" in captured.err
        assert "Traceback" not in captured.err
        assert not (tmp_path / "data").exists()


class TestDemo:
    """The command `demo`."""

    def test_defaults(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is nothing to configure."""
        called = Called()
        assert command(monkeypatch, called, "demo") == 0
        assert called.demo == (60.0, 1)
        assert called.options is not None
        assert called.options.listen_addresses == (":10210",)

    @pytest.mark.parametrize(
        "argv",
        [
            (
                "demo",
                "--speed=2.5",
                "--seed=7",
                "--web.listen-address=:9000",
                "--web.max-requests=3",
                "--log.level=warn",
            ),
            (
                "--web.listen-address=:9000",
                "--web.max-requests=3",
                "--log.level=warn",
                "demo",
                "--speed=2.5",
                "--seed=7",
            ),
        ],
    )
    def test_flags(self, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]) -> None:
        """Flags of the web server and the log stand before or after its name."""
        called = Called()
        assert command(monkeypatch, called, *argv) == 0
        assert called.demo == (2.5, 7)
        assert called.options is not None
        assert called.options.listen_addresses == (":9000",)
        assert called.options.max_requests == 3
        assert logging.getLogger().level == logging.WARNING

    @pytest.mark.parametrize(
        ("flag", "name"),
        [
            ("--config.file=x", "--config.file"),
            ("--config.check", "--config.check"),
            ("--storage.path=x", "--storage.path"),
        ],
    )
    def test_brings_its_own(self, capsys: pytest.CaptureFixture[str], flag: str, name: str) -> None:
        """A configuration or state that it would not use is refused."""
        assert cli.main([flag, "demo"]) == 2
        assert f"demo takes no {name}: it brings its own configuration and state" in capsys.readouterr().err


class TestOtherCommands:
    """What arrives at the commands that work on the state."""

    @pytest.mark.parametrize(
        ("argv", "command"),
        [
            (["state"], ShowState(storage_path=Path("data"), form="text", sessions=False)),
            (
                ["state", "--storage.path", "/s", "--format", "json", "--sessions"],
                ShowState(storage_path=Path("/s"), form="json", sessions=True),
            ),
            (["--storage.path=/s", "state", "check"], CheckState(storage_path=Path("/s"))),
            (["state", "--storage.path=/s", "check"], CheckState(storage_path=Path("/s"))),
            (["state", "check", "--storage.path=/s"], CheckState(storage_path=Path("/s"))),
            (
                ["state", "reset-buckets", "--config.file=c"],
                ResetBuckets(config_file=Path("c"), storage_path=Path("data")),
            ),
            (
                ["--config.file=c", "ingest", "--source=s", "a", "b", "--storage.path=/s"],
                Ingest(config_file=Path("c"), paths=(Path("a"), Path("b")), storage_path=Path("/s"), source="s"),
            ),
        ],
    )
    def test_flags(self, argv: list[str], command: Command) -> None:
        """Flags stand before or after the command's name."""
        assert read_flags(argv).command == command

    def test_their_log(self) -> None:
        """Feeding says itself what is wrong with its files, so that the log tells only of what is worse."""
        assert read_flags(["ingest", "--config.file=c", "a"]).log_level == "error"
        assert read_flags(["ingest", "--config.file=c", "a", "--log.level=info"]).log_level == "info"
        assert read_flags(["state"]).log_level == "info"


class TestUsage:
    """Command lines that are wrong, and questions about them."""

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            ([], "--config.file is required, or the command demo, which needs none"),
            (["--config.check"], "--config.file is required"),
            (["serve"], "invalid choice: 'serve'"),
            (["--config.file=x", "--no-such-flag"], "unrecognized arguments: --no-such-flag"),
            (["--config.file=x", "--web.max=3"], "unrecognized arguments: --web.max=3"),
            (["--config.file=x", "--web.listen-address=10210"], "expected a listen address such as :10210"),
            (["--config.file=x", "--web.listen-address=::1:10210"], "expected a listen address such as :10210"),
            (["--config.file=x", "--web.listen-address=:65536"], "expected a listen address such as :10210"),
            (["--config.file=x", "--web.telemetry-path=metrics"], "expected a path such as /metrics, got 'metrics'"),
            (["--config.file=x", "--web.telemetry-path=/-/ready"], "expected a path that no other page has"),
            (["--config.file=x", "--web.max-requests=0"], "expected a whole number from 1 on, got '0'"),
            (["--config.file=x", "--web.max-requests=1e9"], "expected a whole number from 1 on, got '1e9'"),
            (["--config.file=x", "--web.max-requests=" + "9" * 5000], "expected a whole number from 1 on"),
            (["--config.file=x", "--log.level=warning"], "invalid choice: 'warning'"),
            (["--config.file=x", "--log.format=text"], "invalid choice: 'text'"),
            (["demo", "--speed=0"], "expected a number above 0, got '0'"),
            (["demo", "--speed=nan"], "expected a number above 0, got 'nan'"),
            (["demo", "--speed=1e999"], "expected a number above 0, got '1e999'"),
            (["demo", "--speed=fast"], "expected a number above 0, got 'fast'"),
            (["demo", "--seed=x"], "invalid int value: 'x'"),
            (["ingest", "a.json"], "ingest: --config.file is required"),
            (["ingest", "--config.file=x"], "the following arguments are required: PATH"),
            (["ingest", "--config.file=x", "--format=json", "a"], "unrecognized arguments: --format=json"),
            (["--web.max-requests=3", "ingest", "--config.file=x", "a"], "ingest takes no --web.max-requests"),
            (["--config.check", "ingest", "--config.file=x", "a"], "ingest takes no --config.check"),
            (["state", "--format=yaml"], "invalid choice: 'yaml'"),
            (["state", "mend"], "invalid choice: 'mend'"),
            (["--config.file=x", "state"], "state takes no --config.file"),
            (["state", "--sessions", "check"], "state check takes no --sessions"),
            (["state", "--format=json", "reset-buckets", "--config.file=x"], "state reset-buckets takes no --format"),
            (["state", "reset-buckets"], "state reset-buckets: --config.file is required"),
        ],
    )
    def test_wrong(self, capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
        """Exit code 2, and a message on standard error that says what was expected."""
        assert cli.main(argv) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("usage: webrtc-quality-exporter ")
        assert message in captured.err

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """As exporters say it."""
        assert cli.main(["--version"]) == 0
        expected = f"webrtc-quality-exporter, version {__version__} (python {platform.python_version()})\n"
        assert capsys.readouterr().out == expected

    @pytest.mark.parametrize(
        ("argv", "flags"),
        [
            (["ingest", "-h"], ["config.file", "storage.path", "source"]),
            (["state", "-h"], ["storage.path", "format", "sessions"]),
            (["state", "check", "-h"], ["storage.path"]),
            (["state", "reset-buckets", "-h"], ["config.file", "storage.path"]),
        ],
    )
    def test_help_of_a_command(self, capsys: pytest.CaptureFixture[str], argv: list[str], flags: list[str]) -> None:
        """It names what the command takes, and nothing else; it fits a terminal of 80 columns but for the usage."""
        assert cli.main(argv) == 0
        usage, _, text = capsys.readouterr().out.partition("\n")
        assert usage.startswith(f"usage: webrtc-quality-exporter {' '.join(argv[:-1])} ")
        assert set(re.findall(r"--([a-z.-]+)", text)) == {*flags, "help", "log.level", "log.format"}
        assert max(map(len, text.splitlines())) <= 80

    @pytest.mark.parametrize("argv", [["-h"], ["--help"], ["demo", "-h"]])
    def test_help(self, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
        """Help names every flag that the command takes."""
        assert cli.main(argv) == 0
        text = capsys.readouterr().out
        own = ["speed", "seed"] if argv[0] == "demo" else ["config.file", "config.check", "storage.path", "version"]
        own += ["web.listen-address", "web.telemetry-path", "web.config.file", "web.enable-lifecycle"]
        own += ["web.max-requests", "web.disable-exporter-metrics", "log.level", "log.format"]
        for flag in own:
            assert f"--{flag}" in text

    def test_quick(self) -> None:
        """A process answers `--version` without loading what it does not need, as `python -m exporter` too."""
        code = "import sys; from exporter.cli import main; main(['--version']); print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert "exporter.cli" in loaded
        assert not {"httpx", "yaml", "starlette", "uvicorn", "prometheus_client"} & set(loaded)
        shown = subprocess.run(
            [sys.executable, "-m", "exporter", "--version"], capture_output=True, text=True, check=True
        )
        assert shown.stdout.startswith("webrtc-quality-exporter, version ")


class TestCheck:
    """`--config.check`."""

    def test_good(self, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It says what the file has, on standard output; the token's file is not there and not needed."""
        assert cli.main(["--config.check", f"--config.file={good}"]) == 0
        assert capsys.readouterr().out == f"{good}: OK, sources: watch (watchrtc), 100ms (100ms)\n"

    def test_bad(self, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It says every mistake, a line each, on standard output."""
        good.write_text(f"{GOOD}shard: {{count: 0}}\nmetrics: {{max_series: 0}}\n", encoding="utf-8")
        assert cli.main(["--config.check", f"--config.file={good}"]) == 1
        captured = capsys.readouterr()
        assert captured.out == (
            f"{good}:4: shard.count: expected at least 1, got 0\n"
            f"{good}:5: metrics.max_series: expected at least 1, got 0\n"
        )
        assert captured.err == ""

    def test_web_configuration(self, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The other file is checked too where it is named."""
        web = tmp_path / "web.yaml"
        argv = ["--config.check", f"--config.file={good}", f"--web.config.file={web}"]
        web.write_text("", encoding="utf-8")
        assert cli.main(argv) == 0
        capsys.readouterr()
        web.write_text("tls: {}\n", encoding="utf-8")
        assert cli.main(argv) == 1
        assert capsys.readouterr().out.startswith(f"{web}:1: tls: unknown key")
        good.write_text("sources: 5\n", encoding="utf-8")
        assert cli.main(argv) == 1
        lines = capsys.readouterr().out.splitlines()
        assert [text.split(": ")[0] for text in lines] == [f"{good}:1", f"{web}:1"]

    def test_any_terminal(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file's name that the terminal cannot show does not stop the message."""
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
        file = tmp_path / "Zürich\udcff.yaml"
        assert cli.main(["--config.check", f"--config.file={file}"]) == 1
        assert b"Z\\xfcrich\\udcff.yaml: cannot be read" in written.getvalue()
