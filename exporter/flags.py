"""The command line: its flags, spelt as Prometheus exporters spell them, and the command that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from exporter.flags_parser import PROGRAM, command_line
from exporter.logs import Format, Level
from exporter.options import (
    Backfill,
    CheckConfiguration,
    CheckState,
    Command,
    Demo,
    Ingest,
    ResetBuckets,
    Serve,
    ServeOptions,
    ShowState,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROGRAM", "Flags", "read_flags"]


class Flags(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    command: Command
    log_level: Level = "info"
    log_format: Format = "logfmt"


class _Kind(Struct, frozen=True, kw_only=True):
    """What one command takes, and what becomes of it."""

    takes: frozenset[str]
    make: Callable[[dict[str, Any]], Command]
    #: What it does not work without, beside the configuration.
    needs: tuple[str, ...] = ()
    #: Why it does not take other flags, where there is something to say.
    because: str = ""
    log_level: Level = "info"


def read_flags(argv: Sequence[str] | None) -> Flags:
    """Reads the arguments after the program's name; None: those of the process.

    Raises:
        SystemExit: as argparse ends: code 0 after `-h` and `--version`, 2 after a message on a wrong command line.
    """
    parser, spelt = command_line()
    parsed = vars(parser.parse_args(argv))
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in parsed.items()}
    name = " ".join(filter(None, (given.pop("command", None), given.pop("action", None))))
    kind = _KINDS[name]
    log_level, log_format = given.pop("log_level", kind.log_level), given.pop("log_format", "logfmt")
    for flag in given:
        if flag not in kind.takes:
            parser.error(f"{name} takes no {spelt[flag]}{kind.because}")
    if "config_file" in kind.takes and "config_file" not in given:
        parser.error(f"{name}: --config.file is required" if name else _NOTHING_TO_DO)
    for needed in kind.needs:
        if needed not in given:
            parser.error(f"{name}: {spelt[needed]} is required")
    return Flags(command=kind.make(given), log_level=log_level, log_format=log_format)


def _serve(given: dict[str, Any]) -> Command:
    if given.pop("config_check", False):
        return CheckConfiguration(config_file=given["config_file"], web_config_file=given.get("web_config_file"))
    return Serve(options=ServeOptions(**given))


def _demo(given: dict[str, Any]) -> Command:
    own = {name: given.pop(name) for name in ("speed", "seed") if name in given}
    return Demo(options=ServeOptions(config_file=Path(), **given), **own)


_NOTHING_TO_DO = "--config.file is required, or the command demo, which needs none"
_WEB = frozenset(ServeOptions.__struct_fields__) - {"config_file", "storage_path"}
_KINDS: dict[str, _Kind] = {
    "": _Kind(takes=_WEB | {"config_file", "config_check", "storage_path"}, make=_serve),
    "demo": _Kind(takes=_WEB | {"speed", "seed"}, make=_demo, because=": it brings its own configuration and state"),
    # It says itself what is wrong with its files.
    "ingest": _Kind(takes=frozenset(Ingest.__struct_fields__), make=lambda given: Ingest(**given), log_level="error"),
    "backfill": _Kind(
        takes=frozenset(Backfill.__struct_fields__),
        make=lambda given: Backfill(**given),
        needs=("begin", "end", "output"),
        log_level="error",
    ),
    "state": _Kind(takes=frozenset(ShowState.__struct_fields__), make=lambda given: ShowState(**given)),
    "state check": _Kind(takes=frozenset(CheckState.__struct_fields__), make=lambda given: CheckState(**given)),
    "state reset-buckets": _Kind(
        takes=frozenset(ResetBuckets.__struct_fields__), make=lambda given: ResetBuckets(**given)
    ),
}
