"""The program: reads the command line, does what it says and gives the exit code.

What a command needs is imported when it runs, so that `--version` and `--config.check` answer at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from exporter import logs
from exporter.flags import PROGRAM, read_flags
from exporter.options import Backfill, CheckConfiguration, CheckState, Demo, Ingest, ResetBuckets, Serve, ShowState
from exporter.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.options import Command

_DONE = 0
_FAILED = 1
#: As shells have it for a process that SIGINT ended: 128 + 2.
_INTERRUPTED = 130
#: The same for SIGPIPE.
_NOT_READ = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program.

    Args:
        argv: the arguments after the program's name; None: those of the process.

    Returns:
        The exit code: 0 done, 1 something that was given is not right or the start has failed, 2 the command line is
        wrong, 128 and the number of the signal that ended a command which does not wait for one.
    """
    try:
        flags = read_flags(argv)
    except SystemExit as ended:
        return int(ended.code or _DONE)
    logs.setup(flags.log_level, flags.log_format)
    try:
        code = _run(flags.command)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has had enough, as `head` has. What is still to be written at the end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOT_READ
    except KeyboardInterrupt:
        # Before the command took the signal over, or after it gave it back.
        return _INTERRUPTED
    except OSError as error:
        say(f"{PROGRAM}: {error}", sys.stderr)
        return _FAILED
    return code


def _run(command: Command) -> int:
    match command:
        case Demo():
            from exporter.demo.run import run_demo  # noqa: PLC0415 - slow to import

            return asyncio.run(run_demo(command.options, command.speed, command.seed))
        case Ingest():
            from exporter.feed.command import feed  # noqa: PLC0415 - slow to import

            return feed(command)
        case Backfill():
            from exporter.backfill.command import backfill  # noqa: PLC0415 - slow to import

            return backfill(command)
        case ShowState() | CheckState() | ResetBuckets():
            from exporter.state.command import run  # noqa: PLC0415 - slow to import

            return run(command)
        case Serve():
            from exporter.service import serve  # noqa: PLC0415 - slow to import

            return asyncio.run(serve(command.options))
        case CheckConfiguration():
            return _check(command)


def _check(command: CheckConfiguration) -> int:
    from exporter import config  # noqa: PLC0415 - slow to import
    from exporter.metrics.catalogue import configurable_buckets  # noqa: PLC0415 - slow to import
    from exporter.sources import source_types  # noqa: PLC0415 - slow to import

    file, problems = command.config_file, _web_problems(command.web_config_file)
    try:
        settings = config.load(file, source_types(), configurable_buckets())
    except config.ConfigError as error:
        say("\n".join([str(error), *problems]), sys.stdout)
        return _FAILED
    if problems:
        say("\n".join(problems), sys.stdout)
        return _FAILED
    names = ", ".join(
        f"{source.name} ({kind})" for source, kind in zip(settings.sources, settings.source_types, strict=True)
    )
    say(f"{file}: OK, sources: {names}", sys.stdout)
    return _DONE


def _web_problems(file: Path | None) -> list[str]:
    if file is None:
        return []
    from exporter.web.web_config import WebConfigError, parse_web_config  # noqa: PLC0415 - slow to import

    try:
        parse_web_config(file)
    except WebConfigError as error:
        return [str(error)]
    return []
