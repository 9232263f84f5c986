"""What a receiver's answer means for the samples that were sent, and for those that wait.

Receivers differ: Prometheus and Thanos take a request whole or not at all (Prometheus before 2.50 says 500 to samples
that are too old), Mimir and VictoriaMetrics take what they can.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Final, Literal, TypeAlias

from msgspec import Struct

#: What to do next.
Meaning: TypeAlias = Literal[
    "accepted",
    "later",  # it may pass: the same again after a pause
    "rejected",  # something in the request is never taken
    "too_old",  # the oldest sample in the request is never taken
    "too_large",  # less at once may be taken
    "refused",  # nothing is taken from us, whatever we send: credentials, address, permissions
]

_OK: Final = range(200, 300)
_INTERNAL_ERROR: Final = 500
#: Bad Request, Conflict (Thanos), Unprocessable Content.
_ABOUT_SAMPLES: Final = frozenset({400, 409, 422})
_TOO_LARGE: Final = 413
_TOO_MANY_REQUESTS: Final = 429
_CLIENT_ERRORS: Final = range(300, 500)

# Prometheus up to 2.49 answers 500 to what is not its own fault. Repeating it would block the queue for ever.
_NO_INTERNAL_ERROR: Final = re.compile(rb"too old sample|native histograms are disabled|is not unique")
#: Prometheus with and without an out-of-order window, Mimir, Thanos.
_TOO_OLD: Final = re.compile(rb"too old|too-old|out of bounds|too far in the past|too-far-in-past")

#: A receiver that asks for a longer pause is asked again all the same.
_LONGEST_PAUSE_SECONDS: Final = 3600.0
_LONGEST_MESSAGE: Final = 300


class Answer(Struct, frozen=True):
    """What came of one request."""

    meaning: Meaning
    #: The status, `timeout` or `error`.
    code: str
    #: Seconds that the receiver asks to wait; None where it does not say.
    retry_after: float | None = None
    #: For the log: why, without secrets; empty where it was accepted.
    message: str = ""


def meaning(status: int, content: bytes) -> Meaning:
    """Tells what a status means, and for some what the text beside it says.

    Args:
        status: the HTTP status.
        content: the beginning of the body.
    """
    if status in _OK:
        return "accepted"
    if status in _ABOUT_SAMPLES or (status == _INTERNAL_ERROR and _NO_INTERNAL_ERROR.search(content)):
        return "too_old" if _TOO_OLD.search(content) else "rejected"
    if status == _TOO_LARGE:
        return "too_large"
    if status != _TOO_MANY_REQUESTS and status in _CLIENT_ERRORS:
        return "refused"
    return "later"


def retry_after(header: str, now: float) -> float | None:
    """How many seconds a `Retry-After` header (RFC 9110, section 10.2.3) asks to wait; None where it says nothing.

    Args:
        header: seconds or a date, or anything.
        now: Unix seconds.
    """
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header), _LONGEST_PAUSE_SECONDS)
    try:
        seconds = parsedate_to_datetime(header).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), _LONGEST_PAUSE_SECONDS)


def message(content: bytes, secrets: tuple[str, ...]) -> str:
    """The beginning of an error's text on one line, for the log; empty where it repeats a secret."""
    text = content.decode("utf-8", "replace").strip()
    if any(secret in text for secret in secrets):
        return ""
    return repr(text[:_LONGEST_MESSAGE]) if text else ""
