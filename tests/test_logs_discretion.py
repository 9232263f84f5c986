"""Log lines where labels are pseudonyms: what strangers wrote is in none of them."""

from __future__ import annotations

import ast
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.logs import LineFormatter, conceal, setup
from exporter.told import Discretion, quote, told

if TYPE_CHECKING:
    from collections.abc import Iterator

DISCREET = Discretion(lambda text: f"<{len(text)}>", {"meetings"})


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process logs, from info on; the process' logging is left as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    setup("info", "logfmt", stream)
    conceal(DISCREET)
    yield stream
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def message(log: io.StringIO) -> str:
    """The message of the only line."""
    (line,) = log.getvalue().splitlines()
    return line.partition("msg=")[2].strip('"')


@pytest.mark.parametrize("name", ["exporter.sources.hundredms.source", "exporter.pipeline.runner"])
def test_near_the_sources_every_argument_is_a_quote(log: io.StringIO, name: str) -> None:
    """Words of the call itself stay, as do numbers, names of sources, and what was told so."""
    trouble = told("answered with status 500: ", quote("no s1"))
    logging.getLogger(name).info("%s: session %r of %d: %s", "meetings", "s1", 5, ValueError(trouble))
    assert message(log) == "meetings: session '<2>' of 5: answered with status 500: <5>"


def test_the_words_of_a_log_call_are_its_own() -> None:
    """Near the sources each call has its template written out: what is not an argument is taken for words of ours."""
    for package in ("sources", "pipeline"):
        for file in sorted((Path(exporter.__file__).parent / package).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger."):
                    place = 1 if ast.unparse(call.func) == "logger.log" else 0
                    template = call.args[place]
                    assert isinstance(template, ast.Constant), f"{file}:{call.lineno}"


def test_arguments_by_name(log: io.StringIO) -> None:
    """They are arguments like others."""
    logging.getLogger("exporter.sources.x").info("%(who)s of %(many)d", {"who": "alice", "many": 3})
    assert message(log) == "<5> of 3"


def test_elsewhere_in_the_program_nothing_is_a_quote(log: io.StringIO) -> None:
    """Addresses and files of the operator's own."""
    logging.getLogger("exporter.web.server").info("listening on %s", ":10210")
    assert message(log) == "listening on :10210"


def test_what_libraries_say_is_left_out(log: io.StringIO) -> None:
    """Nobody knows what they quote; that they said something is seen."""
    logging.getLogger("asyncio").error("Task exception was never retrieved: KeyError('alice')")
    assert message(log) == "left out, as metrics.pseudonyms is set"
    assert "level=error logger=asyncio" in log.getvalue()


@pytest.mark.parametrize("name", ["exporter.sources.x", "exporter.web.app", "asyncio"])
def test_tracebacks_lose_the_texts_of_errors(log: io.StringIO, name: str) -> None:
    """And keep where it happened, whoever logs them."""

    def fail(text: str) -> None:
        raise KeyError(text)

    try:
        fail("alice")
    except KeyError:
        logging.getLogger(name).exception("failed")
    assert "in fail" in log.getvalue()
    assert log.getvalue().endswith('KeyError\\n"\n')
    assert "alice" not in log.getvalue().partition("in fail")[2]


@pytest.mark.parametrize(
    ("template", "argument"), [("%d peers", "many"), ("%s and %s", "one"), ("100%", "one"), ("%(who)s", "alice")]
)
def test_a_mistake_in_a_log_call_shows_no_argument(template: str, argument: str) -> None:
    """The event is not lost."""
    record = logging.LogRecord("exporter.sources.x", logging.INFO, "file", 1, template, (argument,), None)
    formatter = LineFormatter("logfmt")
    formatter.discretion = DISCREET
    assert formatter.format(record).partition("msg=")[2].strip('"') == template


def test_it_can_be_taken_back(log: io.StringIO) -> None:
    """For a configuration without pseudonyms everything is said again."""
    conceal(None)
    logging.getLogger("exporter.sources.x").info("session %s", "s1")
    assert message(log) == "session s1"
