"""What every test may ask for."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does; no test is about time.
settings.register_profile("untimed", deadline=None)
# A change is judged by the same examples each time; new ones are looked for on people's machines.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "untimed")


@pytest.fixture
def anyio_backend() -> str:
    """The exporter runs on asyncio."""
    return "asyncio"
