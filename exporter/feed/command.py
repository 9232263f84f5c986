"""`ingest`: files into the state, a line for each on standard output, what is wrong on standard error."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from exporter import logs
from exporter.feed.choice import ChoiceError, Readers
from exporter.feed.counter import Counter
from exporter.feed.feeding import Feeding, Outcome
from exporter.feed.files import find_files
from exporter.ledger import Ledger, StateError, StateInUseError
from exporter.pipeline.border import Border
from exporter.progress import Progress
from exporter.service import StartError, load_settings
from exporter.sources import source_types
from exporter.sources.text import printable
from exporter.stopping import Stop
from exporter.terminal import say

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.config import Settings
    from exporter.options import Ingest

_DONE = 0
_FAILED = 1


def feed(command: Ingest) -> int:
    """Feeds the files that the command line names.

    Returns:
        The exit code: 0 where every file could be used, 1 where one could not or nothing could be begun, 128 and the
        number of the signal that stopped it.
    """
    try:
        settings = load_settings(command.config_file)
        readers = Readers(settings, source_types(), command.source)
        border = _border(settings)
        discretion = border.discretion([source.name for source in settings.sources])
        logs.conceal(discretion)
        words = discretion.told if discretion else str
        with Stop().on_signals() as stop, closing(Ledger.open(command.storage_path)) as ledger:
            counter = Counter(ledger, settings, border)
            progress = Progress(sys.stderr)
            code = _feed_all(command.paths, Feeding(readers, counter.commit, stop, progress.add, words), progress, stop)
            counter.trim()
            return code
    except StateInUseError as error:
        name = readers.names[0] if len(readers.names) == 1 else "NAME"
        _complain(f"{error}; a running exporter takes documents by POST /ingest/{name}")
    except (StartError, ChoiceError, StateError) as error:
        _complain(str(error))
    return _FAILED


def _border(settings: Settings) -> Border:
    try:
        return Border.of(settings)
    except ValueError as error:
        raise StartError(str(error)) from error


def _feed_all(named: tuple[Path, ...], feeding: Feeding, progress: Progress, stop: Stop) -> int:
    files = find_files(named)
    progress.total = files.size
    total, unusable = Outcome(), len(files.problems)
    for problem in files.problems:
        _complain(problem)
    for path in files.paths:
        if stop():
            break
        name = printable(str(path))
        progress.begin(name)
        outcome = feeding.feed(path)
        progress.end()
        for problem in outcome.problems:
            _complain(problem)
        if outcome.more_problems:
            _complain(f"{name}: {outcome.more_problems} more problems")
        _tell(f"{name}: {_counts(outcome)}{'; stopped before its end' if outcome.stopped else ''}")
        unusable += not outcome.usable
        total.add(outcome)
    if len(files.paths) != 1:
        _tell(f"all: {_counts(total)}")
    if stop():
        _complain("stopped; the same command goes on: what was counted adds nothing again")
        return stop.exit_code
    return _FAILED if unusable else _DONE


def _counts(outcome: Outcome) -> str:
    return f"{outcome.new} new, {outcome.grown} grown, {outcome.duplicate} duplicate, {outcome.rejected} rejected"


def _tell(text: str) -> None:
    say(text, sys.stdout)
    # Whoever reads it through a pipe, too, sees how far it is.
    sys.stdout.flush()


def _complain(text: str) -> None:
    say(text, sys.stderr)
