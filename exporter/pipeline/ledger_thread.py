"""The one thread in which ledger and page are worked with."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class LedgerThread:
    """Runs one call after another, so that neither ledger nor page needs a lock."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def run(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Calls a function in the thread; a cancelled caller does not stop it half-way."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def close(self) -> None:
        """Waits for the call in hand, then ends the thread."""
        self._executor.shutdown(wait=True)
