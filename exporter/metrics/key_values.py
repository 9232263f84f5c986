"""Keeps the values of the application's own keys few: each is a label value, and the application may write anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What stands for every value past the limit.
OTHER = "other"


class KeyValues:
    """Which values of each key are shown: the first that come, while the process runs.

    A restart begins with what is in view, in the order in which it came.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        """Begins without values.

        Args:
            limits: the most values of each key by source; a source that is not there has no limit.
        """
        self._limits = limits
        self._kept: dict[tuple[str, str], set[str]] = {}

    def shown(self, source: str, key: str, value: str) -> str:
        """The value itself, or `OTHER` past the limit. An empty value is none and counts for nothing."""
        limit = self._limits.get(source)
        if limit is None or not value:
            return value
        kept = self._kept.setdefault((source, key), set())
        if value in kept:
            return value
        if len(kept) >= limit:
            return OTHER
        kept.add(value)
        return value
