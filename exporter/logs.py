"""Logging to standard error: one line an event, as logfmt or JSON, without secrets and without control characters."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias, get_args

if TYPE_CHECKING:
    from exporter.told import Discretion

Level: TypeAlias = Literal["debug", "info", "warn", "error"]
Format: TypeAlias = Literal["logfmt", "json"]

LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)

_NUMBERS: dict[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
#: httpx logs whole URLs at INFO, queries and all; uvicorn has start-up lines of its own.
_QUIET = ("httpx", "httpcore", "uvicorn", "uvicorn.access", "uvicorn.error")

#: What a message may hold by mistake: a vendor's document, a page of HTML.
_LONGEST_FIELD = 16_384
_BARE = re.compile(r"[!#-<>-\[\]-~]+")

_OURS = "exporter."
#: Where text from vendors passes through; what is logged elsewhere of ours holds none.
_NEAR_STRANGERS = ("exporter.sources.", "exporter.pipeline.")
_LEFT_OUT = "left out, as metrics.pseudonyms is set"

_HIDDEN = "<secret>"
_AUTHORIZATION = re.compile(r"\b(authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?\w{1,20} +)[^\s\"',]+", re.IGNORECASE)
#: "bearer token" in a sentence is no token.
_BEARER = re.compile(r"\b(bearer +)(?!tokens?\b|auth)[^\s\"',]+", re.IGNORECASE)
_WEB_TOKEN = re.compile(r"\beyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*)?")
_URL_USER = re.compile(r"(://)[^\s/?#\"'<>]*@")
_PARAMETER = re.compile(r"([?&])([\w.%~-]{1,64})=[^\s&#\"'<>]*")
_SECRET_PARAMETER = re.compile(r"token|secret|passw|signature|^sig$|credential|key|auth|jwt|^code$", re.IGNORECASE)


def setup(level: Level, line_format: Format, stream: TextIO | None = None) -> None:
    """Makes the process log to `stream` (None: standard error). Called again, it replaces what it did before."""
    handler = _LineHandler(stream)
    handler.setFormatter(LineFormatter(line_format))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _LineHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_NUMBERS[level])
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(_NUMBERS[level], logging.WARNING))


def conceal(discretion: Discretion | None) -> None:
    """From now on leaves out of every line what strangers wrote; None: nothing any more.

    Messages and the texts of errors near the sources lose their quotes, all tracebacks the texts of errors, and what
    libraries log keeps its level and its logger: nobody knows what they quote.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _LineHandler) and isinstance(handler.formatter, LineFormatter):
            handler.formatter.discretion = discretion


def mask(text: str) -> str:
    """Hides what looks like a secret: the last line of defence, as nothing that logs should hand one over.

    Credentials of an `Authorization` header, bearer and JSON web tokens, user and password of a URL, and the parameters
    of its query whose names say so.
    """
    text = _AUTHORIZATION.sub(rf"\1{_HIDDEN}", text)
    text = _BEARER.sub(rf"\1{_HIDDEN}", text)
    text = _WEB_TOKEN.sub(_HIDDEN, text)
    text = _URL_USER.sub(rf"\1{_HIDDEN}@", text)
    return _PARAMETER.sub(_mask_parameter, text)


_Arguments: TypeAlias = tuple[object, ...] | Mapping[str, object] | None


class LineFormatter(logging.Formatter):
    """Writes a record as one line: `ts`, `level`, `logger`, `msg` and, after a failure, `exception`."""

    def __init__(self, line_format: Format) -> None:
        super().__init__()
        self._write = _logfmt if line_format == "logfmt" else json.dumps
        #: Leaves out what strangers wrote, where that is asked for.
        self.discretion: Discretion | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Writes a record; a traceback becomes part of the line."""
        fields = {
            "ts": _timestamp(record.created),
            "level": _level(record.levelno),
            "logger": _clean(record.name),
            "msg": _clean(self._message(record)),
        }
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            told = self.discretion.traceback(error) if self.discretion else self.formatException(record.exc_info)
            fields["exception"] = _clean(told)
        return self._write(fields)

    def _message(self, record: logging.LogRecord) -> str:
        arguments = record.args
        if self.discretion and not record.name.startswith(_OURS):
            return _LEFT_OUT
        if self.discretion and record.name.startswith(_NEAR_STRANGERS):
            arguments = _discreet(arguments, self.discretion)
        try:
            return str(record.msg) % arguments if arguments else str(record.msg)
        except (TypeError, ValueError, KeyError):
            # A mistake in a log call must not lose the event, nor print a traceback among the lines.
            return str(record.msg)


class _LineHandler(logging.StreamHandler[TextIO]):
    """Tells the handler of `setup` from others."""


def _mask_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={_HIDDEN}" if _SECRET_PARAMETER.search(match[2]) else match[0]


def _discreet(arguments: _Arguments, discretion: Discretion) -> _Arguments:
    if isinstance(arguments, Mapping):
        return {key: discretion.argument(value) for key, value in arguments.items()}
    return tuple(map(discretion.argument, arguments or ()))


def _clean(text: str) -> str:
    masked = mask(text)
    return masked if len(masked) <= _LONGEST_FIELD else f"{masked[:_LONGEST_FIELD]}..."


def _timestamp(seconds: float) -> str:
    milliseconds = int(seconds * 1000)
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{date}.{milliseconds % 1000:03d}Z"


def _level(number: int) -> Level:
    return next((level for level in reversed(LEVELS) if number >= _NUMBERS[level]), "debug")


def _logfmt(fields: dict[str, str]) -> str:
    return " ".join(f"{key}={_value(text)}" for key, text in fields.items())


def _value(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    # What would move the cursor, turn the writing direction or cannot be encoded is escaped.
    return quoted if quoted.isprintable() else json.dumps(text)
