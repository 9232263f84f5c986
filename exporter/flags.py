"""The flags of the command line, spelt as Prometheus exporters spell them."""

from __future__ import annotations

import math
import platform
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from exporter import __doc__ as description
from exporter import __version__
from exporter.logs import FORMATS, LEVELS, Format, Level
from exporter.options import ServeOptions
from exporter.web.addresses import read_address

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "webrtc-quality-exporter"

# Written out, because the list of all flags would hide what is wrong with one of them.
_USAGE = f"""{PROGRAM} --config.file=FILE [FLAG...]
       {PROGRAM} --config.file=FILE --config.check
       {PROGRAM} demo [--speed N] [FLAG...]"""
_EPILOG = """\
Exit codes: 0 done, 1 the configuration is not valid or the start has failed, 2 the command line is wrong.
SIGHUP reads the configuration again; SIGTERM finishes the commit in hand and ends.
"""
_DEFAULTS = ServeOptions(config_file=Path())


class Flags(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    command: Literal["serve", "check", "demo"]
    #: For demo without a meaning where they name the configuration file and the storage: it brings its own.
    options: ServeOptions
    log_level: Level
    log_format: Format
    #: How many times as fast as the real time the demo runs until it has caught up.
    speed: float
    #: Another seed, other meetings in the demo.
    seed: int


def read_flags(argv: Sequence[str] | None) -> Flags:
    """Reads the arguments after the program's name; None: those of the process.

    Raises:
        SystemExit: as argparse ends: code 0 after `-h` and `--version`, 2 after a message on a wrong command line.
    """
    parser = _parser()
    given = parser.parse_args(argv)
    command: Literal["serve", "check", "demo"] = "check" if given.config_check else "serve"
    if given.command == "demo":
        command = "demo"
        for flag, value in (
            ("--config.file", given.config_file),
            ("--config.check", given.config_check or None),
            ("--storage.path", given.storage_path),
        ):
            if value is not None:
                parser.error(f"demo takes no {flag}: it brings its own configuration and state")
    elif given.config_file is None:
        parser.error("--config.file is required, or the command demo, which needs none")
    options = ServeOptions(
        config_file=given.config_file or _DEFAULTS.config_file,
        listen_addresses=tuple(given.listen_addresses or _DEFAULTS.listen_addresses),
        telemetry_path=given.telemetry_path,
        web_config_file=given.web_config_file,
        enable_lifecycle=given.enable_lifecycle,
        max_requests=given.max_requests,
        exporter_metrics=not given.disable_exporter_metrics,
        storage_path=given.storage_path or _DEFAULTS.storage_path,
    )
    return Flags(
        command=command,
        options=options,
        log_level=given.log_level,
        log_format=given.log_format,
        speed=getattr(given, "speed", 1.0),
        seed=getattr(given, "seed", 0),
    )


def _parser() -> ArgumentParser:
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
    parser.add_argument("--config.file", dest="config_file", metavar="FILE", type=Path, help="the configuration, YAML")
    parser.add_argument(
        "--config.check",
        dest="config_check",
        action="store_true",
        help="print what is wrong with the configuration and exit with 0 or 1",
    )
    parser.add_argument(
        "--storage.path",
        dest="storage_path",
        metavar="FOLDER",
        type=Path,
        help=f"where the state is kept (default: {_DEFAULTS.storage_path}/)",
    )
    _add_shared(parser)
    commands = parser.add_subparsers(dest="command", title="commands", metavar="demo", prog=PROGRAM)
    demo = commands.add_parser(
        "demo",
        usage=f"{PROGRAM} demo [--speed N] [--seed N] [FLAG...]",
        help="the whole pipeline against simulated vendors; nothing to configure",
        description="The whole pipeline, real HTTP and real files, against simulated vendors; nothing to configure.",
        allow_abbrev=False,
    )
    demo.add_argument(
        "--speed",
        metavar="N",
        type=_speed,
        default=60.0,
        help="how many times as fast as the real time it runs until it has caught up (default: 60)",
    )
    demo.add_argument("--seed", metavar="N", type=int, default=1, help="another seed, other meetings (default: 1)")
    _add_shared(demo, suppress=True)
    return parser


def _add_shared(parser: ArgumentParser, *, suppress: bool = False) -> None:
    """Adds the flags of serve that demo takes too, before or after its name.

    Args:
        parser: of serve or demo.
        suppress: leave a flag that is not given without a value, so that demo's parser keeps what stands before it.
    """

    def default(value: object) -> object:
        return SUPPRESS if suppress else value

    web, log = parser.add_argument_group("web"), parser.add_argument_group("log")
    web.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        metavar="ADDRESS",
        action="append",
        type=_address,
        default=default(None),
        help=f":PORT, HOST:PORT or [IPV6]:PORT; repeatable (default: {_DEFAULTS.listen_addresses[0]})",
    )
    web.add_argument(
        "--web.telemetry-path",
        dest="telemetry_path",
        metavar="PATH",
        type=_telemetry_path,
        default=default(_DEFAULTS.telemetry_path),
        help=f"where the metrics are (default: {_DEFAULTS.telemetry_path})",
    )
    web.add_argument(
        "--web.config.file",
        dest="web_config_file",
        metavar="FILE",
        type=Path,
        default=default(None),
        help="TLS, client certificates and users, as exporter-toolkit has them",
    )
    web.add_argument(
        "--web.enable-lifecycle",
        dest="enable_lifecycle",
        action="store_true",
        default=default(value=False),
        help="let POST /-/reload read the configuration again",
    )
    web.add_argument(
        "--web.max-requests",
        dest="max_requests",
        metavar="N",
        type=_count,
        default=default(_DEFAULTS.max_requests),
        help=f"requests that are answered at the same time (default: {_DEFAULTS.max_requests})",
    )
    web.add_argument(
        "--web.disable-exporter-metrics",
        dest="disable_exporter_metrics",
        action="store_true",
        default=default(value=False),
        help="leave out process_* and python_*",
    )
    log.add_argument(
        "--log.level",
        dest="log_level",
        choices=LEVELS,
        default=default("info"),
        help="the least severe messages that are shown (default: info)",
    )
    log.add_argument(
        "--log.format",
        dest="log_format",
        choices=FORMATS,
        default=default("logfmt"),
        help="how they are written (default: logfmt)",
    )


def _address(text: str) -> str:
    try:
        read_address(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    return text


def _telemetry_path(text: str) -> str:
    if text != _DEFAULTS.telemetry_path:
        from exporter.web.app import check_telemetry_path  # noqa: PLC0415 - slow to import, and rarely needed

        try:
            check_telemetry_path(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len("1000000") and int(text) > 0):
        msg = f"expected a whole number from 1 on, got {text!r}"
        raise ArgumentTypeError(msg)
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        msg = f"expected a number above 0, got {text!r}"
        raise ArgumentTypeError(msg)
    return speed
