"""Messages of ours that quote strangers (ids, names, a vendor's words), and how to tell them without the quotes.

Where labels are pseudonyms, a message must not hold what they stand for. What is said is then taken apart: text that
was put together here keeps its words and loses its quotes; any other text is taken for a quote as a whole, so that what
nobody thought of is hidden and not shown.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


class _Quote(Struct, frozen=True):
    text: str


class Told(str):
    """A message that knows which parts of it are quotes. It is text like any other, quotes and all."""

    __slots__ = ("parts",)

    parts: tuple[str | _Quote, ...]

    def __str__(self) -> str:
        # So that the text of an exception stays what it was made of.
        return self


def told(*parts: str) -> Told:
    """Puts a message together. Parts that were told or quoted keep their quotes; all others are words of ours."""
    flat: list[str | _Quote] = []
    for part in parts:
        flat += part.parts if isinstance(part, Told) else [part]
    return _made(tuple(flat))


def quote(said: object) -> Told:
    """Quotes text from strangers; what was told already keeps its own words, as does an error that was made of it."""
    if isinstance(said, BaseException) and said.args:
        text = str(said)
        return text if isinstance(text, Told) else _made((_Quote(text),))
    return said if isinstance(said, Told) else _made((_Quote(str(said)),))


class Discretion:
    """Tells messages without their quotes."""

    def __init__(self, hide: Callable[[str], str], public: Collection[str]) -> None:
        """Makes it.

        Args:
            hide: what to say in place of a quote.
            public: text that may be said wherever it comes from: names of sources, reasons.
        """
        self._hide = hide
        self._public = frozenset(public)

    def told(self, said: object) -> str:
        """A message, the text of an error, or anything else that stands for text from strangers."""
        if isinstance(said, BaseException):
            name, text = type(said).__name__, str(said)
            return self._without_quotes(text) if isinstance(text, Told) else f"{name} {self.hidden(text)}".rstrip()
        return self._without_quotes(said) if isinstance(said, Told) else self.hidden(str(said))

    def hidden(self, text: str) -> str:
        """What is said in place of a text; itself where it is empty or public."""
        return text if not text or text in self._public else self._hide(text)

    def argument(self, value: object) -> object:
        """The argument of a log call: numbers as they are, everything else as text from strangers."""
        return value if value is None or isinstance(value, int | float) else self.told(value)

    def traceback(self, error: BaseException) -> str:
        """Where an error and those behind it came from, without their texts, which may quote anything."""
        return "".join(self._traceback(error, set()))

    def _traceback(self, error: BaseException, seen: set[int]) -> Iterator[str]:
        seen.add(id(error))
        behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        for each in (*([behind] if behind else []), *within):
            if id(each) not in seen:
                yield from self._traceback(each, seen)
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
        yield f"{type(error).__name__}\n"

    def _without_quotes(self, said: Told) -> str:
        return "".join(self.hidden(part.text) if isinstance(part, _Quote) else part for part in said.parts)


def _made(parts: tuple[str | _Quote, ...]) -> Told:
    made = Told("".join(part.text if isinstance(part, _Quote) else part for part in parts))
    made.parts = parts
    return made
