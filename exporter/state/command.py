"""`state`, `state check` and `state reset-buckets`: what they say and how they end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from exporter.ledger import StateError
from exporter.ledger.ledger import FILE
from exporter.ledger.reading import look
from exporter.options import CheckState, ResetBuckets, ShowState
from exporter.sources.text import printable
from exporter.state.check import check
from exporter.state.description import describe
from exporter.state.overview import overview
from exporter.terminal import say

if TYPE_CHECKING:
    from pathlib import Path

_DONE = 0
_FAILED = 1


def run(command: ShowState | CheckState | ResetBuckets) -> int:
    """Runs one of the commands.

    Returns:
        The exit code: 0 done, 1 something is wrong with the state or the configuration.
    """
    try:
        match command:
            case ShowState():
                return _show(command)
            case CheckState():
                return _check(command.storage_path)
            case ResetBuckets():
                from exporter.state.reset import reset  # noqa: PLC0415 - slow to import

                return reset(command)
    except StateError as error:
        say(str(error), sys.stderr)
    return _FAILED


def _show(command: ShowState) -> int:
    path = command.storage_path / FILE
    found = look(command.storage_path, lambda connection: overview(connection, path, with_sessions=command.sessions))
    if command.form == "json":
        say(msgspec.json.format(msgspec.json.encode(found), indent=2).decode(), sys.stdout)
    else:
        say(describe(found), sys.stdout)
    return _DONE


def _check(folder: Path) -> int:
    file = printable(str(folder / FILE))
    parts = look(folder, check)
    findings = [finding for part in parts for finding in part.findings]
    for finding in findings:
        say(f"{file}: {finding}", sys.stdout)
    if findings:
        return _FAILED
    say(f"{file}: OK", sys.stdout)
    for part in parts:
        say(f"  {part.name}: {part.looked_at}", sys.stdout)
    return _DONE
