"""Stores of many objects: what a poll asks for and holds depends on what is new, not on what is there."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from exporter.sources.base import ObjectIdentity
from tests.stores.place import Asked
from tests.stores.stand import Stand, rooms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores.place import Place

pytestmark = pytest.mark.anyio

#: What one poll may hold at once, in bytes: about what 5 000 listed objects take, 20 times less than all of them.
_HELD = 8 << 20


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("place", "count"),
    [
        ("folder", 100_000),
        pytest.param("s3", 100_000, marks=pytest.mark.live),
        # The same server and another listing; Azurite lists fewer in the time.
        pytest.param("google", 10_000, marks=pytest.mark.live),
        pytest.param("azure", 20_000, marks=pytest.mark.live),
    ],
    indirect=["place"],
)
async def test_what_is_known_costs_a_listing(place: Place, tmp_path: Path, count: int) -> None:
    """One request a page; only what is new is read, wherever its name stands; nothing else is held."""
    tag = place.fill(count)
    new = (0, count // 2, count - 1)
    known = [ObjectIdentity(place.name(f"{number:06}.json"), tag) for number in range(count) if number not in new]
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.know(known)
        place.put("000000-.json", rooms("early"))
        place.asked()
        await stand.poll()
        assert (stand.rooms, stand.value("objects_read_total")) == ({"early": 1}, 4)
        assert stand.value("source_backlog") == 0
        first = place.asked()
        tracemalloc.start()
        try:
            await stand.poll()
            _, held = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (stand.rooms, stand.value("objects_read_total")) == ({"early": 1}, 4)
    pages = count // place.page + 1 if place.page else 0
    assert (first, place.asked()) == (Asked(pages, 4 if pages else 0), Asked(pages, 0))
    assert held < _HELD
