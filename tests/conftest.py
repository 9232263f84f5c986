"""What every test may ask for."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
from coverage import Coverage
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# How long an example takes depends on what else the machine does; no test is about time.
settings.register_profile("untimed", deadline=None)
# A change is judged by the same examples each time; new ones are looked for on people's machines.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Ends the measuring that a worker has begun, as any process of the tests does, before pytest-cov begins its own.

    It would go on whenever that one pauses, so that `no_cover` would save nothing.
    """
    while hasattr(config, "workerinput") and (measuring := Coverage.current()):
        measuring.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measures processes alone where real ones run: beside them a test plays the vendors, whom others cover."""
    measuring = Coverage.current() if item.get_closest_marker("live") else None
    if measuring is not None:
        measuring.stop()
    try:
        return (yield)
    finally:
        # After one that is marked `no_cover` pytest-cov has begun again already; begun twice, it would never pause.
        if measuring is not None and Coverage.current() is None:
            measuring.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what waits for real processes, so that at the end no worker waits for another that does."""
    items.sort(key=lambda item: item.get_closest_marker("live") is None)
    for item in items:
        # A hundred examples take several times as long where coverage is measured, and cover what one does.
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture
def anyio_backend() -> str:
    """The exporter runs on asyncio."""
    return "asyncio"


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leaves the process' logging as it was: the program sets it up for a process of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
