"""`backfill`: samples of a span of time into a file, which comes into its place when it is complete."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter import logs
from exporter.backfill.reading import Documents, from_state
from exporter.backfill.span import Span, SpanError, moment
from exporter.backfill.spool import Spool, SpoolError
from exporter.feed.choice import ChoiceError, Readers
from exporter.feed.feeding import Feeding, Outcome
from exporter.feed.files import find_files
from exporter.ledger import StateError
from exporter.ledger.reading import find
from exporter.metrics.text import header
from exporter.pipeline.border import Border
from exporter.pipeline.opening import families_of
from exporter.progress import Progress
from exporter.service import StartError, load_settings
from exporter.sources import source_types
from exporter.sources.text import printable
from exporter.stopping import Stop
from exporter.terminal import say
from exporter.timeline.openmetrics import END, series_text
from exporter.timeline.sender import instance_of, own_labels

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from exporter.config import Settings
    from exporter.metrics.family import Family
    from exporter.options import Backfill

_DONE = 0
_FAILED = 1


def backfill(command: Backfill, now: float | None = None) -> int:
    """Writes the file that the command line asks for.

    Args:
        command: the command line.
        now: Unix seconds; None: by the clock.

    Returns:
        The exit code: 0 where it is there, 1 where it is not, or a document could not be used, 128 and the number of
        the signal that stopped it.
    """
    try:
        span = Span(command.begin, command.end)
        span.check(time.time() if now is None else now)
        settings = load_settings(command.config_file)
        families = [family for family in families_of(settings) if family.scope == "timeline"]
        with Stop().on_signals() as stop, Spool.beside(command.output, [each.name for each in families]) as spool:
            code = _read(command, settings, families, span, spool, stop)
            if stop():
                _complain("stopped; there is no file")
                return stop.exit_code
            if not spool.samples:
                _complain(_nothing(command, settings, span))
                return _FAILED
            series = _write(command.output, spool, families, _labels(settings), stop)
            if stop():
                _complain("stopped; there is no file")
                return stop.exit_code
        _tell(f"{printable(str(command.output))}: {series} series from {moment(span.begin)} to {moment(span.end)}")
    except (StartError, ChoiceError, StateError, SpanError, SpoolError) as error:
        _complain(str(error))
        return _FAILED
    return code


def _read(
    command: Backfill, settings: Settings, families: Sequence[Family], span: Span, spool: Spool, stop: Stop
) -> int:
    progress = Progress(sys.stderr)
    if not command.paths:
        progress.begin(printable(str(find(command.storage_path))))
        unreadable = from_state(command.storage_path, span, spool, progress, stop)
        progress.end()
        if unreadable:
            _complain(f"{unreadable} rows of the state cannot be read and are left out; `state check` names them")
        return _FAILED if unreadable else _DONE
    border = _border(settings)
    discretion = border.discretion([source.name for source in settings.sources])
    logs.conceal(discretion)
    documents = Documents(span, spool, border, families, settings.quality)
    readers = Readers(settings, source_types(), command.source)
    words = discretion.told if discretion else str
    return _read_files(command.paths, Feeding(readers, documents.commit, stop, progress.add, words), progress, stop)


def _read_files(named: tuple[Path, ...], feeding: Feeding, progress: Progress, stop: Stop) -> int:
    files = find_files(named)
    progress.total = files.size
    unusable = len(files.problems)
    for problem in files.problems:
        _complain(problem)
    for path in files.paths:
        if stop():
            break
        name = printable(str(path))
        progress.begin(name)
        outcome: Outcome = feeding.feed(path)
        progress.end()
        for problem in outcome.problems:
            _complain(problem)
        if outcome.more_problems:
            _complain(f"{name}: {outcome.more_problems} more problems")
        _tell(f"{name}: {outcome.new} peers")
        unusable += not outcome.usable
    return _FAILED if unusable else _DONE


def _write(output: Path, spool: Spool, families: Sequence[Family], own: Mapping[str, str], stop: Stop) -> int:
    by_name = {family.name: family for family in families}
    progress = Progress(sys.stderr, spool.bytes)
    written = 0
    progress.begin(printable(str(output)))
    with _replacing(output, stop) as file:
        for name, series in spool.by_family():
            headed = False
            for labels, parts in series:
                if stop():
                    break
                text = series_text(by_name[name], labels, parts, own)
                if text and not headed:
                    headed = True
                    file.write(header(by_name[name], open_metrics=True).decode())
                file.write(text)
                written += bool(text)
                progress.add(sum(len(part.values) for part in parts) * 2)
        file.write(END)
    progress.end()
    return written


@contextmanager
def _replacing(output: Path, stop: Stop) -> Generator[TextIO]:
    """Writes beside the file, and puts it into its place when it is complete and on disk."""
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", errors="replace") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not stop():
            unfinished.replace(output)
    except OSError as error:
        message = f"{printable(str(output))}: expected a file that can be written ({error.strerror})"
        raise SpoolError(message) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _labels(settings: Settings) -> Mapping[str, str]:
    """Those that the series have that are sent; with several receivers, what all of them have."""
    instance = instance_of(settings.shard.index)
    each = [own_labels(receiver, instance) for receiver in settings.remote_write] or [own_labels(None, instance)]
    return {name: value for name, value in each[0].items() if all(other.get(name) == value for other in each)}


def _nothing(command: Backfill, settings: Settings, span: Span) -> str:
    between = f"from {moment(span.begin)} to {moment(span.end)}"
    if command.paths:
        return f"the documents have nothing {between}"
    where = printable(str(find(command.storage_path)))
    return (
        f"{where}: it has nothing {between}: it keeps the timeline for timeline.keep ({settings.timeline.keep}) after"
        " every receiver has it; set that longer, or name documents of the vendors"
    )


def _border(settings: Settings) -> Border:
    try:
        return Border.of(settings)
    except ValueError as error:
        raise StartError(str(error)) from error


def _tell(text: str) -> None:
    say(text, sys.stdout)
    sys.stdout.flush()


def _complain(text: str) -> None:
    say(text, sys.stderr)
