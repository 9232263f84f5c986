"""Which reads that fail end a poll."""

from __future__ import annotations

import pytest

from exporter.sources.base import PollError
from exporter.sources.watchrtc.setbacks import Setbacks


def fail(setbacks: Setbacks, blames: str) -> None:
    """Reads that fail, by the first letters of what they speak against; `r` is one that does not fail."""
    for blame in blames:
        if blame == "r":
            setbacks.read()
        elif blame == "s":
            setbacks.failed("store", "503")
        elif blame == "p":
            setbacks.failed("permission", "403")
        else:
            setbacks.failed("object", "cut off")


@pytest.mark.parametrize("blames", ["ss", "ssossrss", "ssoss", "pssp", "o" * 1000])
def test_what_speaks_against_objects_ends_nothing(blames: str) -> None:
    """However often, and the store now and then."""
    setbacks = Setbacks()
    fail(setbacks, blames)
    setbacks.end()


@pytest.mark.parametrize("before", ["", "rr", "ss", "psso"])
def test_three_in_a_row_without_an_answer(before: str) -> None:
    """The store is down; what was read before does not help."""
    setbacks = Setbacks()
    fail(setbacks, f"{before}rss")
    with pytest.raises(PollError, match="but 3 in a row could not be read: 503") as caught:
        fail(setbacks, "s")
    assert caught.value.reason == "unreachable"


def test_a_hundred_refused_while_nothing_is_read() -> None:
    """The credentials may list only."""
    setbacks = Setbacks()
    fail(setbacks, "o" + "p" * 99)
    with pytest.raises(PollError, match="lets none of 100 be read: 403") as caught:
        fail(setbacks, "p")
    assert caught.value.reason == "permission"


def test_all_that_there_is_refused() -> None:
    """Three are enough at the end of a poll."""
    setbacks = Setbacks()
    fail(setbacks, "ppp")
    with pytest.raises(PollError, match="lets none of 3 be read: 403"):
        setbacks.end()


@pytest.mark.parametrize("blames", ["p", "pp", "rppp", "pppr", "r" + "p" * 500, "pppo"])
def test_some_objects_may_be_refused(blames: str) -> None:
    """They are in nobody's way: others were read, or they are few."""
    setbacks = Setbacks()
    fail(setbacks, blames)
    setbacks.end()
