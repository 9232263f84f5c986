"""What one entry of the corpus is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Vendor: TypeAlias = Literal["100ms", "watchrtc"]
#: What becomes of a document. `either` where nothing that is documented decides: it only must be survived, and be one
#: or the other. Of a file of several rooms, `rejected` means that at least one rejection is told.
Outcome: TypeAlias = Literal["rejected", "accepted", "either"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One document that should not be, or is at the edge of what should be."""

    name: str
    vendor: Vendor
    raw: bytes = field(repr=False)
    outcome: Outcome
    #: The reason of the rejected document (`malformed`, `missing_identity`, `too_large`, `wrong_type`); None: any.
    reason: str | None = None
    #: The rejected samples by reason, over all reports of the document; empty for none at all, None: any.
    samples: dict[str, int] | None = None
    #: How many good rooms beside it must come through: `good_room_ids`.
    good_neighbours: int = 0


def good_room_ids(case: Case) -> frozenset[str]:
    """The `room_id`s that must be among the reports of the document."""
    return frozenset(f"good-{number}" for number in range(case.good_neighbours))
