"""What no single value shows: rules between keys, as pairs of a place within the part and what was expected there."""

from __future__ import annotations

from typing import Protocol, TypeAlias

#: The place as messages write it (`auth.access_key`, `sessions[0]`, empty for the part itself), and the message.
Broken: TypeAlias = tuple[str, str]


class Ruled(Protocol):
    """A part of the configuration that has rules of its own."""

    def problems(self) -> list[Broken]:
        """Names each rule that is broken."""
        ...


def within(key: str, part: Ruled | None) -> list[Broken]:
    """The broken rules of a part, with places as the part around it sees them."""
    return [(inside(key, place), message) for place, message in part.problems()] if part else []


def inside(key: str, place: str) -> str:
    """A place within the value of `key`, as seen from outside."""
    return f"{key}.{place}" if place and not place.startswith("[") else f"{key}{place}"


def at_most_one(**given: object) -> list[Broken]:
    """Refuses two ways to say the same thing. The second that is not None is the one named."""
    keys = [key for key, value in given.items() if value is not None]
    return [(keys[1], f"expected one of {_names(given)}, not both")] if len(keys) > 1 else []


def exactly_one(**given: object) -> list[Broken]:
    """Like `at_most_one`, and refuses none as well."""
    if all(value is None for value in given.values()):
        return [("", f"expected one of {_names(given)}")]
    return at_most_one(**given)


def _names(keys: dict[str, object]) -> str:
    return " and ".join(f"`{key}`" for key in keys)
