"""Values that the configuration is made of: durations as Prometheus writes them, and text that does not show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: Milliseconds of each unit, longest first; a duration is written in this order, each unit once at most.
_UNITS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
#: Units that are only written when nothing is left over: `400d` says more than `1y5w`. Prometheus does the same.
_ONLY_WHOLE = frozenset({"y", "w"})
_DURATION = re.compile(
    r"(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?(?:([0-9]+)ms)?",
)
#: What Prometheus can hold: 64 bits of nanoseconds, about 292 years.
_LONGEST_MILLISECONDS = 9_223_372_036_854
#: A duration of more digits than this is a mistake, and too long a number costs time before it is refused.
_LONGEST_DURATION_TEXT = 40

#: Past this a secret's file is not one: a device, a log, the wrong path.
_LONGEST_SECRET_BYTES = 65_536

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Hides in a URL what may be a secret: user and password, and everything after the question mark.
_URL_USER = re.compile(r"://[^\s/?#]*@")
_URL_QUERY = re.compile(r"(://[^\s?#]*)\?[^\s#]+")

MASK = "<secret>"

#: What a value is called in a message for the person who wrote it.
_KINDS: dict[type, str] = {
    type(None): "nothing",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


def kind_of(raw: object) -> str:
    """Names the kind of a plain value in the words of YAML, not of Python."""
    return _KINDS.get(type(raw), type(raw).__name__)


def quote_hint(raw: object) -> str:
    """What to add to "expected text, got a number": the way to write text that YAML takes for something else."""
    return "; quote what is text" if isinstance(raw, bool | int | float) else ""


def mask_url(text: str) -> str:
    """Hides the user, the password and the query of a URL; other text stays as it is."""
    return _URL_QUERY.sub(rf"\1?{MASK}", _URL_USER.sub(f"://{MASK}@", text))


class Duration(float):
    """Seconds. Written as in Prometheus: `30s`, `5m`, `1h30m`, `1d`."""

    __slots__ = ()

    @classmethod
    def parse(cls, raw: object) -> Duration:
        """Reads a duration: `30s`, `1h30m`, or `0`, which needs no unit.

        Raises:
            ValueError: `raw` is not a duration, or one of more than 292 years.
        """
        if raw == "0" or (type(raw) is int and raw == 0):
            return cls(0)
        match = _DURATION.fullmatch(raw) if isinstance(raw, str) and 0 < len(raw) <= _LONGEST_DURATION_TEXT else None
        if match is None:
            got = repr(raw) if isinstance(raw, str | float) or type(raw) is int else kind_of(raw)
            got = got if len(got) <= _LONGEST_DURATION_TEXT else kind_of(raw)
            msg = f"Expected a duration such as `30s`, `5m` or `1h30m`, got {got}"
            raise ValueError(msg)
        milliseconds = sum(int(n) * unit for n, unit in zip(match.groups(), _UNITS.values(), strict=True) if n)
        if milliseconds > _LONGEST_MILLISECONDS:
            msg = f"Expected a duration of at most 292 years, got {raw!r}"
            raise ValueError(msg)
        return cls(milliseconds / 1000)

    def __str__(self) -> str:
        left, out = round(self * 1000), ""
        for name, unit in _UNITS.items():
            count, rest = divmod(left, unit)
            if count and (not rest or name not in _ONLY_WHOLE):
                out, left = f"{out}{count}{name}", rest
        return out or "0s"


class Secret:
    """Text that shows in no log, error or repr."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends or compares it."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class Url:
    """An http or https URL, of which user, password and query show in no log, error or repr."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, raw: object) -> Url:
        """Reads a URL.

        Raises:
            ValueError: `raw` is not an http or https URL with a host. The text is left out, as it may hold a password.
        """
        if not isinstance(raw, str):
            got = kind_of(raw)
        elif _is_http_url(raw):
            return cls(raw)
        else:
            got = "other text" if raw else "empty text"
        msg = f"Expected a URL such as `https://host/path`, got {got}"
        raise ValueError(msg)

    def reveal(self) -> str:
        """The whole URL, for the one place that opens it."""
        return self._text

    def __repr__(self) -> str:
        return mask_url(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _is_http_url(text: str) -> bool:
    if _CONTROL.search(text) or any(character.isspace() for character in text):
        # urlsplit would drop some of them silently.
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def read_secret(value: Secret | None, file: str | None) -> Secret | None:
    """The secret that is given, or that stands in `file`; read anew at each call, so that it can be rotated.

    White space around the text is no part of it: editors and `echo` end a file with a newline.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is empty, too large, not UTF-8 or more than one line. No part of it is in the error.
    """
    if file is None:
        return value
    with Path(file).open("rb") as stream:
        raw = stream.read(_LONGEST_SECRET_BYTES + 1)
    if len(raw) > _LONGEST_SECRET_BYTES:
        msg = f"{file}: expected a secret, the file is larger than {_LONGEST_SECRET_BYTES} bytes"
        raise ValueError(msg)
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        msg = f"{file}: expected a secret, the file is not UTF-8 text"
        # `from None`: the decoding error carries the bytes themselves.
        raise ValueError(msg) from None
    if not text:
        msg = f"{file}: expected a secret, the file is empty"
        raise ValueError(msg)
    if _CONTROL.search(text):
        # In a header it would be refused by the HTTP library, with the whole header in the error.
        msg = f"{file}: expected a secret of one line without control characters"
        raise ValueError(msg)
    return Secret(text)


def decode_value(kind: type, raw: Any) -> Any:  # noqa: ANN401 - msgspec's hook is untyped
    """Reads the types of this module: the `dec_hook` of msgspec.

    Raises:
        ValueError: `raw` is not such a value. What may be a secret is not in the error.
        NotImplementedError: `kind` is no type of this module.
    """
    if kind is Duration:
        return Duration.parse(raw)
    if kind is Url:
        return Url.parse(raw)
    if kind is Secret:
        if not isinstance(raw, str):
            # A secret of digits is a number to YAML; its value stays out of the message all the same.
            msg = f"Expected text, got {kind_of(raw)}{quote_hint(raw)}"
            raise ValueError(msg)
        if not raw or _CONTROL.search(raw):
            msg = f"Expected text of one line without control characters, got {'other' if raw else 'empty'} text"
            raise ValueError(msg)
        return Secret(raw)
    msg = f"no way to read a {kind}"
    raise NotImplementedError(msg)
