"""Plain values to frozen settings, with every mistake on the way and not only the first.

msgspec stops at the first mistake and names it in the words of Python. Here each value is converted for itself, what is
wrong is noted and left out, and the rest goes on with defaults.
"""

from __future__ import annotations

import re
import types
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from exporter.config_place import Place, shorten, split_place
from exporter.config_yaml import LeftOut
from exporter.values import Duration, Secret, Url, decode_value, kind_of, quote_hint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

T = TypeVar("T")

#: A type as an annotation writes it: a class, `Literal[...]`, `X | None`, `tuple[X, ...]`, `Annotated[X, ...]`.
Annotation: TypeAlias = object

_EXPECTED: dict[Annotation, str] = {
    bool: "`true` or `false`",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    Duration: "a duration such as `30s`",
    Secret: "text",
    Url: "a URL such as `https://host/path`",
}
_MSGSPEC_WORDS = {
    "null": "nothing",
    "bool": "`true` or `false`",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "object": "a mapping",
    "array": "a list",
}
_WITH_PATH = re.compile(r"(?P<message>.*) - at `(?:key` in `)?\$(?P<path>.*)`", re.DOTALL)


class Mistake(Struct, frozen=True):
    """Something wrong at a place of the data."""

    place: Place
    message: str
    #: The place that holds a default, or nothing, because of it.
    left_out: Place | None = None


def convert(data: object, kind: type[T], place: Place) -> tuple[T | None, list[Mistake]]:
    """Makes a `kind` of plain values.

    Returns:
        The value made of all that was right, with defaults for the rest, or None where too little was right; and every
        mistake, with places that begin with `place`.
    """
    reader = _Reader()
    cleaned = reader.read(data, kind, place)
    if isinstance(cleaned, LeftOut):
        return None, reader.mistakes
    return msgspec.convert(cleaned, kind, dec_hook=decode_value), reader.mistakes


def one_of(choices: Iterable[str]) -> str:
    """Lists what may be written: "one of `a`, `b`"."""
    return f"one of {', '.join(f'`{each}`' for each in choices)}"


def follows_from(place: Place, message: str, mistakes: Iterable[Mistake]) -> bool:
    """Whether a rule was broken only because a value was left out: the rule is about that value, or names it."""
    words = set(re.findall(r"\w+", message))
    return any(each.left_out is not None and _concerns(each.left_out, place, words) for each in mistakes)


def _concerns(left_out: Place, place: Place, words: set[str]) -> bool:
    if left_out == place:
        return True
    apart = next((at for at, parts in enumerate(zip(left_out, place, strict=False)) if parts[0] != parts[1]), None)
    if apart is not None and (apart == 0 or isinstance(left_out[apart], int)):
        # Another section or another element: what is called the same there is something else.
        return False
    return not words.isdisjoint(part for part in left_out[len(place) if apart is None else apart :])


class _Reader:
    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def read(self, value: object, kind: Annotation, place: Place) -> object:
        """Leaves out of plain values what `kind` does not take, and notes it."""
        base, optional = _base(kind)
        if isinstance(value, LeftOut) or (value is None and optional):
            return value
        container = _container(base)
        if container and not isinstance(value, container):
            return self._wrong(place, f"expected {_expected(base)}, got {kind_of(value)}")
        cleaned: object = value
        if isinstance(value, list) and container:
            cleaned = self._list(value, get_args(base)[0], place)
        elif isinstance(value, dict) and container:
            cleaned = self._struct(value, base, place) if _is_struct(base) else self._dict(value, base, place)
        if isinstance(cleaned, LeftOut):
            return cleaned
        try:
            msgspec.convert(cleaned, kind, dec_hook=decode_value)
        except msgspec.ValidationError as error:
            message, within = _explain(str(error), cleaned, base)
            return self._wrong((*place, *within), message)
        return cleaned

    def _list(self, value: list[object], kind: Annotation, place: Place) -> list[object] | LeftOut:
        children = [self.read(child, kind, (*place, index)) for index, child in enumerate(value)]
        # A list without some of its elements would give the others wrong places.
        return LeftOut.LEFT_OUT if any(isinstance(child, LeftOut) for child in children) else children

    def _dict(self, value: dict[str, object], kind: Annotation, place: Place) -> dict[str, object]:
        before = len(self.mistakes)
        children = {key: self.read(child, get_args(kind)[1], (*place, key)) for key, child in value.items()}
        # Such keys are free: no rule is about one of them, though a message may well name it.
        self.mistakes[before:] = [replace(each, left_out=None) for each in self.mistakes[before:]]
        return {key: child for key, child in children.items() if not isinstance(child, LeftOut)}

    def _struct(self, value: dict[str, object], kind: type[Struct], place: Place) -> dict[str, object] | LeftOut:
        fields = msgspec.structs.fields(kind)
        unknown = unknown_keys(value, [each.encode_name for each in fields], place)
        self.mistakes += unknown
        cleaned: dict[str, object] = {}
        for each in fields:
            key, here = each.encode_name, (*place, each.encode_name)
            base, optional = _base(each.type)
            # A section whose keys are all commented out is null to YAML, and means its defaults.
            if key not in value or (value[key] is None and not optional and _container(base)):
                if each.required and all(misspelt.left_out != here for misspelt in unknown):
                    self._wrong(here, f"missing; expected {_expected(base)}")
                continue
            child = self.read(value[key], each.type, here)
            if not isinstance(child, LeftOut):
                cleaned[key] = child
        return cleaned if all(each.encode_name in cleaned for each in fields if each.required) else LeftOut.LEFT_OUT

    def _wrong(self, place: Place, message: str) -> LeftOut:
        self.mistakes.append(Mistake(place, message, left_out=place))
        return LeftOut.LEFT_OUT


def unknown_keys(value: Collection[str], known: Sequence[str], place: Place) -> list[Mistake]:
    """Names the keys that do not exist. One that resembles a key that is not there is taken for it."""
    found = []
    for key in value:
        if key not in known:
            meant = get_close_matches(key, [each for each in known if each not in value], n=1, cutoff=0.7)
            perhaps = f", perhaps `{meant[0]}` is meant" if meant else ""
            message = f"unknown key{perhaps}; expected {one_of(known)}"
            found.append(Mistake((*place, key), message, left_out=(*place, meant[0]) if meant else None))
    return found


def _base(kind: Annotation) -> tuple[Annotation, bool]:
    """The type without its constraints and without None, and whether it takes None."""
    if get_origin(kind) is Annotated:
        return _base(get_args(kind)[0])
    if get_origin(kind) in {Union, types.UnionType}:
        others = [each for each in get_args(kind) if each is not types.NoneType]
        if len(others) == 1 < len(get_args(kind)):
            return _base(others[0])[0], True
    return kind, False


def _is_struct(base: Annotation) -> TypeGuard[type[Struct]]:
    return isinstance(base, type) and issubclass(base, Struct)


def _container(base: Annotation) -> type | None:
    """The plain type of what is read part by part: a Struct, a list, a mapping; None for all that is read at once."""
    if _is_struct(base) or get_origin(base) is dict:
        return dict
    if get_origin(base) is list or (get_origin(base) is tuple and get_args(base)[-1] is Ellipsis):
        return list
    return None


def _expected(base: Annotation) -> str:
    if get_origin(base) is Literal:
        return one_of(str(each) for each in get_args(base))
    return _EXPECTED.get(dict if _is_struct(base) else get_origin(base) or base, "another value")


def _explain(error: str, value: object, base: Annotation) -> tuple[str, Place]:
    """Says what msgspec says in the words of YAML, and where within the value."""
    if get_origin(base) is Literal:
        got = repr(shorten(value)) if isinstance(value, str) else kind_of(value)
        return f"expected {_expected(base)}, got {got}", ()
    if base in _EXPECTED and re.fullmatch("Expected `[^`]*`, got `[^`]*`", error):
        quote = quote_hint(value) if base is str else ""
        return f"expected {_expected(base)}, got {kind_of(value)}{quote}", ()
    match = _WITH_PATH.fullmatch(error)
    message = match["message"] if match else error
    within = split_place(match["path"].partition("[...]")[0]) if match else ()
    said = re.sub("`([^`]+)`", lambda word: _words(word[1]), message)
    got = f", got {value}" if isinstance(value, int | float) and "got" not in said else ""
    return f"{said[:1].lower()}{said[1:]}{got}", within


def _words(quoted: str) -> str:
    parts = quoted.split(" | ")
    known = all(part in _MSGSPEC_WORDS for part in parts)
    return " or ".join(_MSGSPEC_WORDS[part] for part in parts) if known else f"`{quoted}`"
