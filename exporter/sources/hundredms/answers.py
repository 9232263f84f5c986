"""What comes of a call: an answer, or why there is none, and what the vendor says about trying again."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from exporter.sources.base import PollFailure

OK = 200
NOT_FOUND = 404
TOO_MANY_REQUESTS = 429
_UNAUTHORIZED = 401
_REFUSED = frozenset({_UNAUTHORIZED, 403})
_SERVER_ERROR = 500
_LONGEST_MESSAGE = 200
# "rate limit exceeded, retry after 45 seconds": the vendor documents no header for it.
_RETRY_AFTER_TEXT = re.compile(rb"retry after (\d{1,9}) ?s", re.IGNORECASE)


class Answer(Struct, frozen=True):
    """What the vendor said: the body of a 200, or a 404 without one."""

    status: int
    body: bytes
    #: When it was given, by the vendor's clock, in Unix seconds; None where the answer does not say.
    date: float | None = None

    @property
    def found(self) -> bool:
        """Whether what was asked for is there."""
        return self.status == OK


class RequestError(Exception):
    """A call failed for good. The text is for the log and holds no secret."""

    def __init__(self, reason: PollFailure, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RefusedError(RequestError):
    """The vendor does not accept our token, not even a renewed one, for this call."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__("unauthorized", message)
        #: Else it is, as far as 100ms tells, about what was asked for; it says 403 to some invalid tokens, too.
        self.is_about_token = status == _UNAUTHORIZED


class AnswerTooLargeError(RequestError):
    """The answer is larger than fits into memory; asking again gives the same."""


class PauseError(RequestError):
    """The vendor asked for a pause: every other call would fail the same way now."""

    def __init__(self, message: str) -> None:
        super().__init__("http_status", message)


class Attempt(Struct, frozen=True):
    """One request and what came of it."""

    #: The status, `timeout`, or `error` where there was no answer or none that could be read to its end.
    code: str
    body: bytes = b""
    #: When it was given, as in `Answer`.
    date: float | None = None
    #: Seconds.
    retry_after: float | None = None
    #: For the log; empty where there is an answer to return.
    failure: str = ""
    too_large: bool = False

    @property
    def status(self) -> int:
        """The HTTP status, or 0."""
        return int(self.code) if self.code.isdigit() else 0

    @property
    def refused(self) -> bool:
        """Whether the token was not accepted. The vendor answers 403 to invalid tokens, too."""
        return self.status in _REFUSED

    @property
    def may_pass(self) -> bool:
        """Whether the same call may work a little later."""
        return self.status in {0, TOO_MANY_REQUESTS} or self.status >= _SERVER_ERROR

    @property
    def reason(self) -> PollFailure:
        """The failure in the words of the exporter's own metrics."""
        match self.code:
            case "timeout":
                return "timeout"
            case "error":
                return "unreachable"
            case _:
                return "malformed" if self.too_large else "http_status"


def retry_after(header: str, body: bytes, now: float) -> float | None:
    """How many seconds the vendor asks to wait; None where it does not say.

    Args:
        header: the `Retry-After` (RFC 9110, section 10.2.3): seconds or a date, or anything.
        body: the error, whose message may say `retry after N seconds`.
        now: Unix seconds when it said so, by its own clock where that is known.
    """
    header = header.strip()
    if header.isascii() and header.isdigit():
        return float(header)
    until = http_date(header)
    if until is not None:
        return max(0.0, until - now)
    found = _RETRY_AFTER_TEXT.search(body)
    return float(found[1]) if found else None


def http_date(header: str) -> float | None:
    """A date as HTTP writes it (RFC 9110, section 5.6.7), in Unix seconds; None where it is none."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None


def vendor_message(body: bytes, token: str) -> str:
    """The `message` of an error body, for the log; empty where there is none, or where it repeats the token."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    message = value.get("message") if isinstance(value, dict) else None
    if not isinstance(message, str) or token in message:
        return ""
    return repr(message[:_LONGEST_MESSAGE])
