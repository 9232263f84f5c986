"""A simulated year in its small form: `make year` runs the large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.year import DAY, Measured, Year, simulate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.no_cover
def test_state_and_memory_are_flat(tmp_path: Path) -> None:
    """1500 sessions in 60 days with a history of 10: from day 15 on nothing grows, not by a tenth."""
    seen: list[Measured] = []
    year = Year(sessions=1500, days=60.0, history_seconds=10 * DAY, every_days=5.0, series_every=2, peers=2)
    simulate(year, tmp_path, seen.append)
    full, *later = [each for each in seen if each.day >= 15.0]
    assert len(later) >= 8
    # 25 sessions a day, for 10 days and the day that a round takes; two peers each, one task for each of every other.
    for each in (full, *later):
        assert 10 * 25 <= each.rows["seen_sessions"] <= 12 * 26
        assert 10 * 50 <= each.rows["seen_peers"] <= 12 * 52
        assert 10 * 25 <= each.rows["tasks"] <= 12 * 26
        assert each.rows["objects"] <= 12 * 26 / 42 + 1
        # In view are those of the last burst, with counts the rooms of the last day.
        assert each.rows["sessions"] <= 14
        assert each.rows["rooms"] <= 26 + 14
    for each in later:
        assert each.pages <= full.pages * 1.1
        assert each.counts <= full.counts * 1.1
        assert each.series <= full.series * 1.1
    # Before, there was less: it is the forgetting that keeps it flat.
    assert seen[0].pages < full.pages
    assert seen[0].rows["seen_peers"] < full.rows["seen_peers"] * 0.7
