"""Deliveries that wait for the ledger's thread are committed together: under load they share the wait for the disk."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from exporter.sources.base import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.pipeline.ledger_thread import LedgerThread
    from exporter.sources.base import Delivery

#: Reports past which no more deliveries join a commit: the page and other askers wait for the thread, too.
_MOST_REPORTS = 200


class Commits:
    """Takes deliveries from the event loop, and gives each its receipt when what it says is safe on disk."""

    def __init__(
        self,
        thread: LedgerThread,
        commit: Callable[[Sequence[tuple[str, Delivery]]], Sequence[Receipt | Exception]],
    ) -> None:
        """Begins with nothing waiting.

        Args:
            thread: the one in which to commit.
            commit: commits deliveries, each with its source's name, and returns what became of each.
        """
        self._thread = thread
        self._commit = commit
        self._waiting: deque[_Waiting] = deque()

    async def deliver(self, source: str, delivery: Delivery) -> Receipt:
        """Commits a delivery, perhaps together with others; returns or raises what became of it alone."""
        mine = _Waiting(source, delivery)
        self._waiting.append(mine)
        try:
            # One call for each that waits, and each takes one at least: when this one has run, mine is done.
            await self._thread.run(self._commit_some)
        except BaseException:
            # Whoever waited is gone, and with them perhaps the page that would show it.
            mine.withdrawn = True
            raise
        return mine.receipt()

    def _commit_some(self) -> None:
        together: list[_Waiting] = []
        reports = 0
        while self._waiting and (not together or reports < _MOST_REPORTS):
            each = self._waiting.popleft()
            if not each.withdrawn:
                together.append(each)
                reports += len(each.delivery.reports)
        if together:
            results: Sequence[Receipt | Exception]
            try:
                results = self._commit([(each.source, each.delivery) for each in together])
            except Exception as error:  # noqa: BLE001 - each that waits raises it
                results = [error] * len(together)
            for each, result in zip(together, results, strict=True):
                each.result = result


class _Waiting:
    """One delivery, and what became of it."""

    def __init__(self, source: str, delivery: Delivery) -> None:
        self.source = source
        self.delivery = delivery
        self.withdrawn = False
        self.result: Receipt | Exception | None = None

    def receipt(self) -> Receipt:
        if isinstance(self.result, Receipt):
            return self.result
        if self.result is None:
            msg = "a delivery was neither committed nor did it fail"
            raise RuntimeError(msg)
        raise self.result
