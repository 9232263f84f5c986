"""Reports become deliveries of bounded size: one transaction each is slow, one for all may be too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model import Report
from exporter.sources.base import Delivery

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from exporter.sources.base import ObjectIdentity, RejectedDocument

#: A delivery is closed when it holds so many reports and rejections, or so many bytes were read for it.
_DELIVERY_ITEMS = 50
_DELIVERY_BYTES = 1 << 20


def in_deliveries(
    outcomes: Iterable[tuple[Report | RejectedDocument, int]], read_objects: tuple[ObjectIdentity, ...] = ()
) -> Generator[Delivery, None, None]:
    """Puts reports and rejections, each with the bytes that were read for it, into deliveries.

    The last delivery, which always comes, has `read_objects`.
    """
    reports: list[Report] = []
    rejected: list[RejectedDocument] = []
    size = 0
    for outcome, length in outcomes:
        if isinstance(outcome, Report):
            reports.append(outcome)
        else:
            rejected.append(outcome)
        size += length
        if len(reports) + len(rejected) >= _DELIVERY_ITEMS or size >= _DELIVERY_BYTES:
            yield Delivery(reports=tuple(reports), rejected=tuple(rejected))
            reports, rejected, size = [], [], 0
    yield Delivery(reports=tuple(reports), rejected=tuple(rejected), read_objects=read_objects)
