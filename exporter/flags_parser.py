"""The commands and flags as argparse knows them, with their help."""

from __future__ import annotations

import platform
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from exporter import __doc__ as description
from exporter import __version__
from exporter.flags_values import address, count, moment, speed, telemetry_path
from exporter.logs import FORMATS, LEVELS
from exporter.options import Form, ServeOptions

if TYPE_CHECKING:
    from argparse import _ActionsContainer

PROGRAM = "webrtc-quality-exporter"

# Written out, because the list of all flags would hide what is wrong with one of them.
_USAGE = f"""{PROGRAM} --config.file=FILE [FLAG...]
       {PROGRAM} --config.file=FILE --config.check
       {PROGRAM} ingest --config.file=FILE [FLAG...] PATH...
       {PROGRAM} backfill --config.file=FILE --from T --to T --output FILE
       {PROGRAM} state [check | reset-buckets] [FLAG...]
       {PROGRAM} demo [--speed N] [FLAG...]"""
_EPILOG = """\
Exit codes: 0 done, 1 something that was given is not right, or the start has
failed, 2 the command line is wrong. SIGHUP reads the configuration again;
SIGTERM finishes the commit in hand and ends.
"""
_INGEST = """\
Feeds data-stream files of watchRTC or saved peer-stats responses of 100ms into
the state, as if they had been polled: what was counted before, in whatever way,
adds nothing. The state must be free; a running exporter takes documents by
POST /ingest/NAME.
"""
_INGEST_EPILOG = """\
Exit codes: 0 every file could be used, 1 not every one, 130 and 143 stopped by
SIGINT and SIGTERM, after the commit in hand.
"""
_BACKFILL = """\
Writes the timeline of a span of time into an OpenMetrics file, of which
`promtool tsdb create-blocks-from openmetrics` makes blocks: from what the state
still holds (timeline.keep), or from files of the vendors. Nothing is counted and
nothing changed; an exporter may be running. What is newer than three hours is
refused, as its blocks would cost a Prometheus what it scraped itself.
"""
_BACKFILL_EPILOG = """\
Times are such as 2026-03-01T10:00:00Z, or Unix seconds. Exit codes: 0 the file is
there, 1 it is not, or not every PATH could be used, 130 and 143 stopped by SIGINT
and SIGTERM.
"""
_STATE = """\
Tells what is in the state. It only reads: nothing is changed, and an exporter
may be running.
"""
_CHECK = """\
Verifies the state: the database, every series and every mark, and that what was
counted adds up. It only reads: nothing is changed, and an exporter may be
running.
"""
_CHECK_EPILOG = """\
Exit codes: 0 nothing is wrong, 1 something is; then there is a line for each:
FILE: what: found X, expected Y.
"""
_RESET = """\
Starts those histograms afresh whose buckets (metrics.buckets, or the defaults)
are no longer the ones that their counts were made with: what they counted is
dropped. All other families keep their counts. The state must be free.
"""
_DEFAULTS = ServeOptions(config_file=Path())


def command_line() -> tuple[ArgumentParser, dict[str, str]]:
    """The parser and, by the name of each value, how its flag is spelt.

    A flag that is not given leaves no value, so that it can stand before or after a command's name.
    """
    spelt: dict[str, str] = {}
    # Abbreviations would turn into errors when a flag with the same beginning is added.
    parser = ArgumentParser(
        prog=PROGRAM,
        usage=_USAGE,
        description=description,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )
    version = f"{PROGRAM}, version {__version__} (python {platform.python_version()})"
    parser.add_argument("--version", action="version", version=version)
    _add_config(parser, spelt)
    _add(
        parser,
        spelt,
        "--config.check",
        "config_check",
        action="store_true",
        help="print what is wrong with the configuration and exit with 0 or 1",
    )
    _add_storage(parser, spelt)
    _add_web(parser, spelt)
    _add_log(parser, spelt)
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND", prog=PROGRAM)
    _demo(commands, spelt)
    _ingest(commands, spelt)
    _backfill(commands, spelt)
    _state(commands, spelt)
    return parser, spelt


def _command(commands: Any, name: str, usage: str, summary: str, **texts: str) -> ArgumentParser:  # noqa: ANN401 - argparse names its type nowhere
    parser: ArgumentParser = commands.add_parser(
        name,
        usage=f"{PROGRAM} {usage}",
        help=summary,
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
        **texts,
    )
    return parser


def _demo(commands: Any, spelt: dict[str, str]) -> None:  # noqa: ANN401 - as above
    about = "the whole pipeline against simulated vendors; nothing to configure"
    long = "The whole pipeline, real HTTP and real files, against simulated vendors; nothing to configure."
    parser = _command(commands, "demo", "demo [--speed N] [--seed N] [FLAG...]", about, description=long)
    _add(
        parser,
        spelt,
        "--speed",
        "speed",
        metavar="N",
        type=speed,
        help="how many times as fast as the real time it runs until it has caught up (default: 60)",
    )
    _add(parser, spelt, "--seed", "seed", metavar="N", type=int, help="another seed, other meetings (default: 1)")
    _add_web(parser, spelt)
    _add_log(parser, spelt)


def _ingest(commands: Any, spelt: dict[str, str]) -> None:  # noqa: ANN401 - as above
    usage = "ingest --config.file=FILE [--source NAME] [--storage.path=FOLDER] PATH..."
    texts = {"description": _INGEST, "epilog": _INGEST_EPILOG}
    parser = _command(commands, "ingest", usage, "feed files into the state, once", **texts)
    parser.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="a file, or a folder")
    spelt["paths"] = "PATH"
    _add_config(parser, spelt)
    _add_source(parser, spelt, "the source that the files count for (default: the one that can read them)")
    _add_storage(parser, spelt)
    _add_log(parser, spelt)


def _backfill(commands: Any, spelt: dict[str, str]) -> None:  # noqa: ANN401 - as above
    usage = "backfill --config.file=FILE --from T --to T --output FILE [--storage.path=FOLDER] [PATH...]"
    texts = {"description": _BACKFILL, "epilog": _BACKFILL_EPILOG}
    parser = _command(commands, "backfill", usage, "write the timeline into a file for promtool", **texts)
    parser.add_argument("paths", metavar="PATH", type=Path, nargs="*", help="a file, or a folder")
    spelt["paths"] = "PATH"
    _add_config(parser, spelt)
    _add(parser, spelt, "--from", "begin", metavar="T", type=moment, help="the first time")
    _add(parser, spelt, "--to", "end", metavar="T", type=moment, help="the time before which it ends")
    _add(parser, spelt, "--output", "output", metavar="FILE", type=Path, help="where to write; replaced when complete")
    _add_source(parser, spelt, "the source that the files are of (default: the one that can read them)")
    _add_storage(parser, spelt)
    _add_log(parser, spelt)


def _state(commands: Any, spelt: dict[str, str]) -> None:  # noqa: ANN401 - as above
    usage = "state [--storage.path=FOLDER] [--format text|json] [--sessions]"
    parser = _command(commands, "state", usage, "tell what is in the state, or verify it", description=_STATE)
    _add_storage(parser, spelt)
    _add(
        parser,
        spelt,
        "--format",
        "form",
        choices=get_args(Form),
        help="how it is written (default: text)",
    )
    _add(parser, spelt, "--sessions", "sessions", action="store_true", help="list the sessions in view")
    _add_log(parser, spelt)
    actions = parser.add_subparsers(dest="action", title="commands", metavar="COMMAND")
    texts = {"description": _CHECK, "epilog": _CHECK_EPILOG}
    check = _command(actions, "check", "state check [--storage.path=FOLDER]", "verify it", **texts)
    _add_storage(check, spelt)
    _add_log(check, spelt)
    usage = "state reset-buckets --config.file=FILE [--storage.path=FOLDER]"
    about = "start the histograms afresh whose configured buckets have changed"
    reset = _command(actions, "reset-buckets", usage, about, description=_RESET)
    _add_config(reset, spelt)
    _add_storage(reset, spelt)
    _add_log(reset, spelt)


def _add(parser: _ActionsContainer, spelt: dict[str, str], flag: str, name: str, **how: Any) -> None:  # noqa: ANN401 - as argparse takes it
    parser.add_argument(flag, dest=name, default=SUPPRESS, **how)
    spelt[name] = flag


def _add_source(parser: ArgumentParser, spelt: dict[str, str], text: str) -> None:
    _add(parser, spelt, "--source", "source", metavar="NAME", help=text)


def _add_config(parser: ArgumentParser, spelt: dict[str, str]) -> None:
    _add(parser, spelt, "--config.file", "config_file", metavar="FILE", type=Path, help="the configuration, YAML")


def _add_storage(parser: ArgumentParser, spelt: dict[str, str]) -> None:
    text = f"where the state is kept (default: {_DEFAULTS.storage_path}/)"
    _add(parser, spelt, "--storage.path", "storage_path", metavar="FOLDER", type=Path, help=text)


def _add_web(parser: ArgumentParser, spelt: dict[str, str]) -> None:
    """Adds what serve and demo take."""
    web = parser.add_argument_group("web")
    _add(
        web,
        spelt,
        "--web.listen-address",
        "listen_addresses",
        metavar="ADDRESS",
        action="append",
        type=address,
        help=f":PORT, HOST:PORT or [IPV6]:PORT; repeatable (default: {_DEFAULTS.listen_addresses[0]})",
    )
    _add(
        web,
        spelt,
        "--web.telemetry-path",
        "telemetry_path",
        metavar="PATH",
        type=telemetry_path,
        help=f"where the metrics are (default: {_DEFAULTS.telemetry_path})",
    )
    _add(
        web,
        spelt,
        "--web.config.file",
        "web_config_file",
        metavar="FILE",
        type=Path,
        help="TLS, client certificates and users, as exporter-toolkit has them",
    )
    _add(
        web,
        spelt,
        "--web.enable-lifecycle",
        "enable_lifecycle",
        action="store_true",
        help="let POST /-/reload read the configuration again",
    )
    _add(
        web,
        spelt,
        "--web.max-requests",
        "max_requests",
        metavar="N",
        type=count,
        help=f"requests that are answered at the same time (default: {_DEFAULTS.max_requests})",
    )
    _add(
        web,
        spelt,
        "--web.disable-exporter-metrics",
        "exporter_metrics",
        action="store_false",
        help="leave out process_* and python_*",
    )


def _add_log(parser: ArgumentParser, spelt: dict[str, str]) -> None:
    log = parser.add_argument_group("log")
    text = "the least severe messages that are shown (default: info; of ingest: error)"
    _add(log, spelt, "--log.level", "log_level", choices=LEVELS, help=text)
    _add(log, spelt, "--log.format", "log_format", choices=FORMATS, help="how they are written (default: logfmt)")
