"""What the object-store library's errors mean: its texts are for debugging, long, and hold what must not be logged."""

from __future__ import annotations

import re

from msgspec import Struct

from exporter.sources.base import PollFailure
from exporter.sources.watchrtc.stores import Blame
from exporter.told import told
from exporter.values import mask_url

_STATUS = re.compile(r"status code: (\d{3}) ?([A-Za-z' -]*)")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,60})</Code>")
#: Where the library looks for credentials on a virtual machine or in a container when it was given none.
_CREDENTIALS = re.compile(r"169\.254\.|/latest/api/token|metadata|credential", re.IGNORECASE)
#: How long it took and how often it was tried differ each time, and would make each time a new trouble in the log.
_VARYING = re.compile(r" in [\d.]+(?:ns|µs|ms|s)\b(?:, after \d+ retries, max_retries: \d+, retry_timeout: \S+)?")
#: Only the part for debugging tells a connection that broke off from one on which nothing came any more.
_TIMEOUT = re.compile(r"kind: Timeout|TimedOut|operation timed out")
_PREFIX = re.compile(r"^Generic \S+ error: ")
_LONGEST = 200

#: What stores say of credentials that they do not know, or no longer: S3, then Azure. All else is about permissions.
_UNKNOWN_CREDENTIALS = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
}
#: By status. Codes of the client's own making are told apart by what they mean for the next try.
_FAILURES: dict[int, PollFailure] = {401: "unauthorized", 403: "permission", 404: "not_found"}


class StoreTrouble(Struct, frozen=True):
    """An error of the library, understood."""

    failure: PollFailure
    blame: Blame
    #: As requests are counted: the status, or what came instead of an answer.
    code: str
    #: For the log: of bounded length, the same each time, without secrets.
    text: str


def is_of_library(error: BaseException) -> bool:
    """Whether an error is the library's to be understood, and not one that asks this process to stop.

    A panic of the library is no `Exception`, and would end the process with whatever it is doing.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def understand(error: BaseException) -> StoreTrouble:
    """What an error of the library says about the store and about the object that was asked for."""
    whole = str(error)
    first = whole.partition("\n\nDebug source")[0]
    status = _STATUS.search(first)
    if status is None:
        if _TIMEOUT.search(whole):
            return StoreTrouble("timeout", "store", "timeout", told("no answer in time"))
        return _without_status(type(error).__name__, first)
    number = int(status[1])
    code = _CODE.search(first)
    text = told(f"{number} {status[2].strip()}".rstrip(), f" ({code[1]})" if code else "")
    if _CREDENTIALS.search(first.partition("status code")[0]):
        # Asked of the machine's own metadata service, so nothing nearer was there.
        said = told("no credentials were found: their service answered ", text)
        return StoreTrouble("unauthorized", "store", "error", said)
    failure = _FAILURES.get(number, "http_status")
    if number == 403 and code and code[1] in _UNKNOWN_CREDENTIALS:  # noqa: PLR2004 - Forbidden
        return StoreTrouble("unauthorized", "store", status[1], text)
    if number == 403:  # noqa: PLR2004 - Forbidden
        return StoreTrouble(failure, "permission", status[1], text)
    transient = number >= 500 or number in {401, 408, 429}  # noqa: PLR2004 - server errors, RFC 9110
    return StoreTrouble(failure, "store" if transient else "object", status[1], text)


#: By what the text of an error without a status has in it; the first that fits counts. An answer that is not
#: understood had a status of success.
_WITHOUT_STATUS: tuple[tuple[re.Pattern[str], PollFailure, Blame, str], ...] = (
    (re.compile("error sending request|builder error"), "unreachable", "store", "error"),
    (re.compile("invalid list response|invalid path|header missing", re.IGNORECASE), "malformed", "object", "200"),
)


def _without_status(kind: str, first: str) -> StoreTrouble:
    if kind == "PanicException":
        return StoreTrouble("other", "store", "error", told("a fault of the object-store library"))
    text = mask_url(_PREFIX.sub("", _VARYING.sub("", " ".join(first.split()))))
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    text = text if text.isprintable() else ascii(text)
    if _CREDENTIALS.search(text):
        return StoreTrouble("unauthorized", "store", "error", f"no credentials were found: {text}")
    for pattern, failure, blame, code in _WITHOUT_STATUS:
        if pattern.search(text):
            return StoreTrouble(failure, blame, code, text)
    return StoreTrouble("unreachable", "object", "error", text)
