"""Which exposition format and content coding a client asks for (RFC 9110 section 12.5).

What cannot be understood asks for nothing: the answer falls back to text 0.0.4 without coding, and no header raises.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token in the words of RFC 9110, no secret
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
# Possessive, and balanced before it is split: a header made of quotes and backslashes must not take quadratic time.
_BALANCED = re.compile(rf'(?:{_QUOTED}|[^"])*+')
#: One element of a list: what stands between commas that are not inside quotes.
_ELEMENT = re.compile(rf'(?:{_QUOTED}|[^",])++')
_RANGE = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN}|{_TOKEN})[ \t]*")
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({_TOKEN})=({_TOKEN}|{_QUOTED})[ \t]*")
_EMPTY_PARAMETER = re.compile(r"[ \t]*;[ \t]*(?=;|\Z)")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_OPENMETRICS = "application/openmetrics-text"
#: How exactly a version names what we write: OpenMetrics 1.0.0. Prometheus takes it where it offers 0.0.1, too.
_OPENMETRICS_VERSIONS = {"0.0.1": 0, "": 1, "1.0.0": 2}
#: How names outside [a-zA-Z0-9_:] would be spelt. All of ours are inside, so that each scheme gives the same bytes.
_ESCAPING_SCHEMES = frozenset({"", "allow-utf-8", "dots", "underscores", "values"})
_CHARSETS = frozenset({"", "utf-8"})
_OPENMETRICS_PARAMETERS = frozenset({"charset", "escaping", "version"})
_TEXT_PARAMETERS = frozenset({"charset", "version"})


class ExpositionFormat(Enum):
    """What `/metrics` can be written in; the value is the content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    @property
    def content_type(self) -> str:
        """The `Content-Type` header; Prometheus 3 refuses a scrape where it is missing or unknown."""
        return self.value


class _Offer(Struct, frozen=True):
    """One element of an `Accept` or `Accept-Encoding` header."""

    position: int
    name: str
    quality: float
    parameters: dict[str, str]


class _Match(Struct, frozen=True, order=True):
    """How well an offer fits a format: of several, the most exact one speaks for it (RFC 9110 section 12.5.1)."""

    exactness: int
    quality: float
    #: Negative, so that the first of equals is the greatest.
    minus_position: int


def choose_format(accept: str) -> ExpositionFormat:
    """Chooses the exposition format for an `Accept` header (empty where there is none).

    OpenMetrics must be asked for by name, in version 1.0.0, 0.0.1 (answered with 1.0.0, as client libraries do) or
    without a version, and be wanted at least as much as text. Everything else gets text 0.0.4, even where that was
    refused, because a scraper can read an unexpected format but not an error page.
    """
    offers = tuple(_offers(accept))
    openmetrics = max((match for offer in offers if (match := _match_openmetrics(offer))), default=None)
    text = max((match for offer in offers if (match := _match_text(offer))), default=None)
    if openmetrics is None or openmetrics.quality == 0:
        return ExpositionFormat.TEXT
    if text is None or openmetrics.quality > text.quality:
        return ExpositionFormat.OPENMETRICS
    if openmetrics.quality < text.quality:
        return ExpositionFormat.TEXT
    # Wanted alike: a format that was named goes before a wildcard, and the first before the second.
    named = text.exactness >= _TEXT_EXACTNESS["text/plain"]
    text_first = named and text.minus_position > openmetrics.minus_position
    return ExpositionFormat.TEXT if text_first else ExpositionFormat.OPENMETRICS


def choose_encoding(accept_encoding: str) -> Literal["gzip", ""]:
    """Chooses the content coding for an `Accept-Encoding` header: `gzip`, or empty for identity.

    gzip needs a quality above 0, by its name or by `*`, and not below that of an identity that is named.
    """
    quality: dict[str, float] = {}
    for offer in _offers(accept_encoding):
        name = "gzip" if offer.name == "x-gzip" else offer.name
        quality[name] = max(quality.get(name, 0.0), offer.quality)
    gzip = quality.get("gzip", quality.get("*", 0.0))
    return "gzip" if gzip > 0 and gzip >= quality.get("identity", 0.0) else ""


def _match_openmetrics(offer: _Offer) -> _Match | None:
    given = offer.parameters
    exactness = _OPENMETRICS_VERSIONS.get(given.get("version", ""))
    if (
        offer.name != _OPENMETRICS
        or exactness is None
        or not given.keys() <= _OPENMETRICS_PARAMETERS
        or given.get("escaping", "") not in _ESCAPING_SCHEMES
        or given.get("charset", "").lower() not in _CHARSETS
    ):
        return None
    return _Match(exactness, offer.quality, -offer.position)


_TEXT_EXACTNESS = {"*/*": 0, "text/*": 1, "text/plain": 2}


def _match_text(offer: _Offer) -> _Match | None:
    given = offer.parameters
    exactness = _TEXT_EXACTNESS.get(offer.name)
    if (
        exactness is None
        or not given.keys() <= _TEXT_PARAMETERS
        or given.get("version", "0.0.4") != "0.0.4"
        or given.get("charset", "").lower() not in _CHARSETS
    ):
        return None
    return _Match(exactness + len(given), offer.quality, -offer.position)


def _offers(header: str) -> Iterator[_Offer]:
    """Reads the elements of a header that are well formed, and passes over the others."""
    if _BALANCED.fullmatch(header) is None:
        return
    for position, element in enumerate(_ELEMENT.finditer(header)):
        offer = _offer(position, element.group())
        if offer is not None:
            yield offer


def _offer(position: int, element: str) -> _Offer | None:
    head = _RANGE.match(element)
    if head is None:
        return None
    parameters: dict[str, str] = {}
    at = head.end()
    while at < len(element):
        parameter = _PARAMETER.match(element, at)
        if parameter is None:
            parameter = _EMPTY_PARAMETER.match(element, at)
            if parameter is None:
                return None
        else:
            parameters[parameter[1].lower()] = _unquoted(parameter[2])
        at = parameter.end()
    quality = parameters.pop("q", "1")
    if _QUALITY.fullmatch(quality) is None:
        return None
    return _Offer(position, head[1].lower(), float(quality), parameters)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
