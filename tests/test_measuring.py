"""The tests' own measuring of coverage: what asks to be left out is, or it takes several times as long."""

from __future__ import annotations

import sys

import pytest
from coverage import Coverage


@pytest.mark.no_cover
def test_what_is_not_to_be_measured_is_not() -> None:
    """Whatever ran before it in the same process."""
    assert Coverage.current() is None
    assert sys.gettrace() is None
