"""Crashes: killed at any moment, the real process counts everything once, and no counter ever goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.crashes import crash_again_and_again

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_whatever_moment_it_is_killed_at(tmp_path: Path) -> None:
    """Fifty times, or as often as fits into 45 s; `make soak` does it more often.

    Both vendors are asked, told by webhook and push, and read from files, while the page is scraped all the time.
    """
    report = crash_again_and_again(tmp_path, kills=50, seed=20260301, seconds=45.0)
    assert report.findings == []
    assert report.kills >= 10
    assert report.series > 10_000
    # It was not idle when it was killed.
    assert report.pages > report.kills
    assert report.answers["lost"] > 0
