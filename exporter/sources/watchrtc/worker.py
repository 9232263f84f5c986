"""The thread in which one source's blocking steps run, and waits in it that end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Any, Self

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: A store that drips a byte a second never falls silent. It is given so long for a page of its listing, or a piece of
#: an object.
LONGEST_WAIT_SECONDS = 300.0


class Worker:
    """Runs blocking steps one after another, in a thread of its own.

    The threads that asyncio has for everybody are few: some stores that hang would keep all others waiting, and those
    who log in. An async context manager: the thread ends with it. Works in the event loop in which it is made.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="source")
        self._waiting: Future[Any] | None = None
        self._called_off = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=False)

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Runs a step beside the event loop.

        A caller that is cancelled waits for the step to end, as a generator cannot be closed while it runs; what the
        step itself waits for is called off, so that this does not take long.
        """
        step = self._loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            self._call_off()
            await asyncio.wait([step])
            # Asked for, or asyncio complains at some later time that nobody did.
            step.exception()
            raise

    def wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Waits, in a step, for what the event loop does.

        Raises:
            TimeoutError: it takes too long.
            concurrent.futures.CancelledError: whoever runs the step was cancelled.
        """
        self._waiting = waiting = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        if self._called_off:
            waiting.cancel()
        try:
            return waiting.result(LONGEST_WAIT_SECONDS)
        except TimeoutError:
            if not waiting.cancel():
                raise
            # As the object-store library says it.
            message = "operation timed out"
            raise TimeoutError(message) from None

    def _call_off(self) -> None:
        self._called_off = True
        if self._waiting:
            self._waiting.cancel()
