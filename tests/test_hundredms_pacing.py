"""Turns: evenly spaced, in order, and none while the vendor wants a pause."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sources.hundredms.pacing import HeldOffError, Pacer
from tests.hundredms_support import FakeClock, RecordedEvents


def make(per_second: float) -> tuple[Pacer, FakeClock, RecordedEvents]:
    """A pacer on a clock that does not wait."""
    clock, events = FakeClock(), RecordedEvents()
    return Pacer(per_second, events, clock, clock.sleep), clock, events


@pytest.mark.anyio
async def test_the_first_call_does_not_wait() -> None:
    """Nothing was called before it."""
    pacer, clock, events = make(2.0)
    await pacer.turn()
    assert (clock.slept, events.waits) == ([], [])


@pytest.mark.anyio
async def test_no_burst_after_a_quiet_time() -> None:
    """Time that passed without calls is not saved up."""
    pacer, clock, _ = make(2.0)
    await pacer.turn()
    clock.time += 3600.0
    starts = []
    for _ in range(4):
        await pacer.turn()
        starts.append(clock.time - 4600.0)
    assert starts == [0.0, 0.5, 1.0, 1.5]


@given(st.lists(st.floats(0, 3), min_size=2, max_size=20), st.sampled_from([0.5, 2.0, 10.0]))
def test_turns_are_never_closer_than_the_rate(pauses: list[float], rate: float) -> None:
    """Whenever calls come, two starts are an interval apart."""

    async def starts() -> list[float]:
        pacer, clock, _ = make(rate)
        found = []
        for pause in pauses:
            clock.time += pause
            await pacer.turn()
            found.append(clock.time)
        return found

    found = asyncio.run(starts())
    assert all(later - earlier >= 1.0 / rate - 2e-6 for earlier, later in pairwise(found))


@pytest.mark.anyio
async def test_calls_at_the_same_time_take_turns_in_the_order_of_asking() -> None:
    """And each tells how long it waited."""
    pacer, clock, events = make(1.0)
    order: list[tuple[int, float]] = []

    async def call(number: int) -> None:
        await pacer.turn()
        order.append((number, clock.time - 1000.0))

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(call(number))
    assert order == [(0, 0.0), (1, 1.0), (2, 2.0)]
    # The third asked when the clock stood at 0 or, while the second slept, at 1.
    assert events.waits in ([1.0, 2.0], [1.0, 1.0])


@pytest.mark.anyio
async def test_a_pause_holds_all_calls() -> None:
    """A shorter one does not end it."""
    pacer, clock, events = make(10.0)
    pacer.hold(45.0)
    pacer.hold(1.0)
    await pacer.turn()
    assert clock.time == 1045.0
    assert events.waits == [45.0]


@pytest.mark.anyio
async def test_a_long_pause_fails_calls_instead_of_keeping_them() -> None:
    """A poll must end; the next one, after the pause, goes on."""
    pacer, clock, _ = make(10.0)
    pacer.hold(61.0)
    with pytest.raises(HeldOffError, match="asked to wait 61 s more"):
        await pacer.turn()
    clock.time += 1.0
    await pacer.turn()
    assert clock.time == 1061.0


@pytest.mark.anyio
async def test_no_pause_is_longer_than_an_hour() -> None:
    """A vendor that says a year by mistake is asked again."""
    pacer, clock, _ = make(10.0)
    pacer.hold(float("inf"))
    clock.time += 3600.0
    await pacer.turn()
    assert clock.slept == []
