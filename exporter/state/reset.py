"""`state reset-buckets`: histograms that begin afresh with the buckets that the configuration has now."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.ledger import Ledger
from exporter.ledger.reading import find
from exporter.pipeline.growth import decode_growth, encode_growth
from exporter.pipeline.opening import bounds_of, families_of
from exporter.service import StartError, load_settings
from exporter.sources.text import printable
from exporter.terminal import say

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from exporter.options import ResetBuckets

_DONE = 0
_FAILED = 1


class ResetFamily(Struct, frozen=True):
    """A histogram that begins afresh, and what it held."""

    family: str
    #: The upper bounds that its counts were made with.
    before: tuple[float, ...]
    series: int
    observations: float


def reset(command: ResetBuckets) -> int:
    """Resets what the configuration asks for, and says what went.

    Returns:
        The exit code: 0 done, 1 the configuration is not valid.

    Raises:
        StateError: there is no state, or it cannot be used.
    """
    try:
        settings = load_settings(command.config_file)
    except StartError as error:
        say(str(error), sys.stderr)
        return _FAILED
    # Opening would begin a state where none is.
    file = printable(str(find(command.storage_path)))
    bounds = bounds_of(families_of(settings))
    with closing(Ledger.open(command.storage_path)) as ledger:
        families = reset_buckets(ledger, bounds, time.time())
    for each in families:
        say(
            f"{file}: {each.family}: {each.series} series with {each.observations:g} observations dropped;"
            f" its buckets were {_shown(each.before)} and are {_shown(bounds[each.family])}",
            sys.stdout,
        )
    if not families:
        say(f"{file}: all buckets are those of the configuration; nothing was changed", sys.stdout)
    return _DONE


def reset_buckets(ledger: Ledger, bounds: Mapping[str, Sequence[float]], now: float) -> list[ResetFamily]:
    """Lets those histograms begin afresh that have other buckets than those that the ledger keeps, in one transaction.

    Their counts go. When a report that they counted grows later, what of it is new cannot be told in other buckets:
    that growth adds nothing to them, the next one does.

    Args:
        ledger: the state.
        bounds: the buckets of each histogram from now on.
        now: Unix seconds.
    """
    kept = ledger.bounds()
    families = sorted(family for family, wanted in bounds.items() if kept.get(family, list(wanted)) != list(wanted))
    reset: list[ResetFamily] = []
    with ledger.transaction(now) as transaction:
        for family in families:
            counts = {series: count for series, count in ledger.counts.items() if series[0] == family}
            transaction.remove(counts)
            observations = sum(sum(count.amounts[:-1]) for count in counts.values())
            reset.append(ResetFamily(family, tuple(kept[family]), len(counts), observations))
        if families:
            transaction.change_counted(lambda counted: _without(counted, families))
            transaction.put_fact("bounds", {**kept, **{family: list(bounds[family]) for family in families}})
    return reset


def _without(counted: bytes, families: Collection[str]) -> bytes:
    """What a report has added so far, without numbers for some families; see `exporter.metrics.counts.grown`."""
    growth = decode_growth(counted)
    if not any(series[0] in families for series in growth):
        return counted
    return encode_growth({series: [] if series[0] in families else vector for series, vector in growth.items()})


def _shown(bounds: Iterable[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds)
