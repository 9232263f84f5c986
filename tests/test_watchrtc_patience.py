"""When an object that could not be read is tried again."""

from __future__ import annotations

from exporter.sources.base import ObjectIdentity
from exporter.sources.watchrtc.patience import Patience

A, B = ObjectIdentity("a", "1"), ObjectIdentity("b", "1")


def test_gaps_double_up_to_five_minutes() -> None:
    """Or the interval of polls, where that is longer."""
    for interval, gaps in ((60, [60, 120, 240, 300, 300]), (0, [0, 0]), (3600, [3600, 3600])):
        patience, now = Patience(interval), 1000.0
        for gap in gaps:
            patience.failed(A, "store", now)
            assert gap == 0 or not patience.may_try(A, now + gap - 0.1)
            assert patience.may_try(A, now + gap)
            now += gap


def test_five_tries() -> None:
    """That speak against the object; a busy store between them is none."""
    patience = Patience(0)
    given_up = [patience.failed(A, blame, 0) for blame in ("object", "store", "object", "object", "store", "object")]
    assert given_up == [False] * 6
    assert patience.failed(A, "object", 0)
    assert not patience.failed(B, "object", 0)


def test_permission_counts_while_others_are_read() -> None:
    """Since the poll in which the object first failed; before, it may have been the credentials of all."""
    patience = Patience(0)
    patience.read(B, 10)
    assert [patience.failed(A, "permission", now) for now in range(20, 30)] == [False] * 10
    patience.read(B, 30)
    assert [patience.failed(A, "permission", now) for now in range(31, 36)] == [False] * 4 + [True]


def test_what_was_read_or_is_gone_is_forgotten() -> None:
    """So that memory does not grow, and a later failure begins anew."""
    patience = Patience(60)
    for each in (A, B):
        patience.failed(each, "object", 0, f"{each.name}: no way")
    assert (patience.told(A), patience.failing) == ("a: no way", frozenset({A, B}))
    patience.read(A, 60)
    assert (patience.told(A), patience.may_try(A, 60), patience.failing) == ("", True, frozenset({B}))
    patience.keep_only({A})
    assert patience.failing == frozenset()
