"""What a check of the state finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable


class Finding(Struct, frozen=True):
    """Something that is not as it must be."""

    #: The place: a table's row, a series, a sum.
    what: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.what}: found {self.found}, expected {self.expected}"


class Part(Struct, frozen=True):
    """One part of the check, done."""

    name: str
    #: What was looked at, for a person.
    looked_at: str
    findings: tuple[Finding, ...]


def shortened(findings: Iterable[Finding], most: int = 100) -> tuple[Finding, ...]:
    """The first findings and, of more, how many there are: a damaged table is not worth a million lines."""
    kept: list[Finding] = []
    more = 0
    for finding in findings:
        if len(kept) < most:
            kept.append(finding)
        else:
            more += 1
    if more:
        kept.append(Finding("the same part of the check", f"{more} more that are not right", "none"))
    return tuple(kept)
