"""A source's own thread: nobody else waits for it, and its waits end."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack

import pytest

from exporter.sources.watchrtc import worker as worker_module
from exporter.sources.watchrtc.worker import Worker

pytestmark = pytest.mark.anyio


async def test_steps_run_one_after_another_in_one_thread() -> None:
    """With what they are called with; what they raise comes out."""
    async with Worker() as worker:
        names = [await worker.run(lambda: threading.current_thread().name) for _ in range(3)]
        assert len({*names}) == 1
        assert threading.current_thread().name not in names
        assert await worker.run(int, "ff", base=16) == 255
        with pytest.raises(ValueError, match="invalid literal"):
            await worker.run(int, "x")


async def test_hanging_ones_take_no_thread_from_anybody() -> None:
    """There are no more than 32 threads for everybody on any machine."""
    hold = threading.Event()
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(Worker()) for _ in range(33)]
        steps = [asyncio.ensure_future(worker.run(hold.wait, 60.0)) for worker in workers]
        assert await asyncio.to_thread(lambda: "free") == "free"
        hold.set()
        assert await asyncio.gather(*steps) == [True] * 33


async def test_a_step_waits_for_the_event_loop() -> None:
    """As if it blocked; what the loop raises comes out, a time-out of its own too."""

    async def fail(error: Exception) -> None:
        await asyncio.sleep(0)
        raise error

    async with Worker() as worker:
        assert await worker.run(lambda: worker.wait(asyncio.sleep(0, "there"))) == "there"
        for error in (OSError("no"), TimeoutError("its own")):
            with pytest.raises(type(error), match=str(error)):
                await worker.run(lambda error=error: worker.wait(fail(error)))  # type: ignore[misc]  # bound at once


async def test_a_wait_is_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was waited for is given up, too."""
    monkeypatch.setattr(worker_module, "LONGEST_WAIT_SECONDS", 0.05)
    given_up = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async with Worker() as worker:
        with pytest.raises(TimeoutError, match="operation timed out"):
            await worker.run(lambda: worker.wait(never()))
        await given_up.wait()


async def test_a_cancelled_step_is_called_off() -> None:
    """Its caller waits until it has ended; nothing that it waits for later keeps it."""
    seen: list[type[BaseException]] = []
    waiting = asyncio.Event()

    async def never() -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with Worker() as worker:

        def stubborn() -> None:
            for _ in range(3):
                try:
                    worker.wait(never())
                except CancelledError as error:
                    seen.append(type(error))

        step = asyncio.ensure_future(worker.run(stubborn))
        await waiting.wait()
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
    assert seen == [CancelledError] * 3
