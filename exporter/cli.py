"""The program: reads the command line, does what it says and gives the exit code.

What a command needs is imported when it runs, so that `--version` and `--config.check` answer at once.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, TextIO

from exporter import logs
from exporter.flags import PROGRAM, read_flags

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from exporter.flags import Flags
    from exporter.options import ServeOptions

_DONE = 0
_FAILED = 1
#: As shells have it for a process that SIGINT ended: 128 + 2.
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: the arguments after the program's name; None: those of the process.

    Returns:
        The exit code: 0 done, 1 the configuration is not valid or the start has failed, 2 the command line is wrong.
    """
    try:
        flags = read_flags(argv)
    except SystemExit as ended:
        return int(ended.code or _DONE)
    if flags.command == "check":
        return _check(flags.options)
    logs.setup(flags.log_level, flags.log_format)
    try:
        return asyncio.run(_command(flags))
    except KeyboardInterrupt:
        # Before the service took the signal over, or after it gave it back.
        return _INTERRUPTED
    except OSError as error:
        _say(f"{PROGRAM}: {error}", sys.stderr)
        return _FAILED


def _command(flags: Flags) -> Coroutine[None, None, int]:
    if flags.command == "demo":
        from exporter.demo.run import run_demo  # noqa: PLC0415 - slow to import

        return run_demo(flags.options, flags.speed, flags.seed)
    from exporter.service import serve  # noqa: PLC0415 - slow to import

    return serve(flags.options)


def _check(options: ServeOptions) -> int:
    from exporter import config  # noqa: PLC0415 - slow to import
    from exporter.metrics.catalogue import configurable_buckets  # noqa: PLC0415 - slow to import
    from exporter.sources import source_types  # noqa: PLC0415 - slow to import

    file, problems = options.config_file, _web_problems(options)
    try:
        settings = config.load(file, source_types(), configurable_buckets())
    except config.ConfigError as error:
        _say("\n".join([str(error), *problems]), sys.stdout)
        return _FAILED
    if problems:
        _say("\n".join(problems), sys.stdout)
        return _FAILED
    names = ", ".join(
        f"{source.name} ({kind})" for source, kind in zip(settings.sources, settings.source_types, strict=True)
    )
    lines = [f"{file}: OK, sources: {names}"]
    lines += [f"{file}: {key}: valid, but not part of this version yet" for key in config.unsupported(settings)]
    _say("\n".join(lines), sys.stdout)
    return _DONE


def _web_problems(options: ServeOptions) -> list[str]:
    if options.web_config_file is None:
        return []
    from exporter.web.web_config import WebConfigError, parse_web_config  # noqa: PLC0415 - slow to import

    try:
        parse_web_config(options.web_config_file)
    except WebConfigError as error:
        return [str(error)]
    return []


def _say(text: str, stream: TextIO) -> None:
    """Writes a line that holds names of files and keys, whatever the terminal's encoding can show of them."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
