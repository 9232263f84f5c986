"""How far back sessions are listed: over the look-back at each poll, further back once after a time without polls.

Pure rules. Sessions are listed by their start, in the vendor's time; all times are Unix seconds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct, structs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.sources.hundredms.settings import Discovery

#: What was missed in less than that is listed together with what is new.
SHORT_SECONDS = 3600.0
#: A moment that lies further ahead was noted while a clock was wrong, and tells nothing about what was listed.
WRONG_CLOCK_SECONDS = 3600.0
#: Rows of a listing are ordered by id, which may be made a little before or after the moment that the row shows.
ORDER_SECONDS = 60.0
#: Our clock is that wrong at least where the vendor's is ahead by more; by less, it only makes us list a little more.
FAR_AHEAD_SECONDS = 86_400.0


class Stretch(Struct, frozen=True):
    """Sessions that started in it, both ends included."""

    since: float
    until: float


class Listed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known to be listed: all that had ended by `at`, but for those that started in `missed`."""

    at: float
    missed: Stretch | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What a poll lists."""

    #: All that started from then on.
    since: float
    #: And, as far as time allows, from the end of this to its beginning.
    missed: Stretch | None = None


def plan(listed: Listed | None, now: float, discovery: Discovery) -> Plan:
    """What to list.

    Args:
        listed: what was, None at the first start.
        now: the vendor's time (`vendor_time`).
        discovery: the look-back, and how far back what was missed is listed at most.
    """
    recent = now - discovery.lookback
    if listed is None:
        return Plan(since=recent)
    farthest = now - max(discovery.lookback, discovery.catch_up)
    trusted = listed.at <= now + WRONG_CLOCK_SECONDS
    reach = max(min(listed.at, now) - discovery.lookback, farthest) if trusted else farthest
    missed = _within(listed.missed, farthest, now)
    if reach >= recent - SHORT_SECONDS:
        return Plan(since=min(reach, recent), missed=missed)
    return Plan(since=recent, missed=_around(missed, Stretch(reach, recent)))


def narrowed(missed: Stretch, starts: Sequence[float]) -> Stretch:
    """What is left of it after a page of sessions that started then, in the order of the page.

    A page that is not in order, or does not go on where the one before ended, proves nothing about what lies between.
    """
    down = [missed.until, *starts]
    if any(later > earlier + ORDER_SECONDS for earlier, later in pairwise(down)):
        return missed
    return structs.replace(missed, until=max(missed.since, min(missed.until, down[-1] + ORDER_SECONDS)))


def vendor_time(ours: float, ahead: float | None) -> float:
    """What the vendor's clock says, or ours where that is earlier and may be right: to list more harms nobody.

    Args:
        ours: what our clock says.
        ahead: by how much the vendor's was ahead when it last answered; None where it did not say.
    """
    if ahead is None or 0 <= ahead <= FAR_AHEAD_SECONDS:
        return ours
    return ours + ahead


def _within(missed: Stretch | None, farthest: float, now: float) -> Stretch | None:
    if missed is None or missed.until <= farthest or missed.since >= now:
        return None
    return Stretch(max(missed.since, farthest), min(missed.until, now))


def _around(one: Stretch | None, other: Stretch) -> Stretch:
    return Stretch(min(one.since, other.since), max(one.until, other.until)) if one else other
