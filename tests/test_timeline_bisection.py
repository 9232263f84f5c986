"""Finding what a receiver will not take, against receivers that take all of a request or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.timeline.bisection import Bisection
from exporter.timeline.series import count
from tests.timeline_support import series

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.timeline.answers import Meaning
    from exporter.timeline.batching import Batch


class Stored:
    """A receiver that judges requests by a rule, and what became of a batch there."""

    def __init__(self, judge: Callable[[Batch], Meaning], batch: Batch) -> None:
        self.samples: set[tuple[str, int]] = set()
        self.requests = 0
        bisection = Bisection(batch)
        while (part := bisection.take()) is not None:
            self.requests += 1
            verdict = judge(part)
            if verdict == "accepted":
                new = {(dict(each.labels)["n"], time) for each in part for time in each.times}
                assert not new & self.samples
                self.samples |= new
            else:
                bisection.rejected(part, verdict)
        self.dropped = dict(bisection.dropped)


def batch_of(names: range, times: range) -> Batch:
    """As many series with the same times."""
    return tuple(series("f", [(time, 1.0) for time in times], n=f"{name}") for name in names)


def without(bad: set[str]) -> Callable[[Batch], Meaning]:
    """Takes nothing in which one of these series is."""
    return lambda batch: "rejected" if any(dict(each.labels)["n"] in bad for each in batch) else "accepted"


def not_before(oldest: int) -> Callable[[Batch], Meaning]:
    """Takes nothing in which a sample is older."""
    return lambda batch: "too_old" if any(each.times[0] < oldest for each in batch) else "accepted"


def at_most(samples: int) -> Callable[[Batch], Meaning]:
    """Takes no more than so many."""
    return lambda batch: "too_large" if count(batch) > samples else "accepted"


def test_a_good_batch_is_one_request() -> None:
    """Nothing is tried out where nothing is wrong."""
    found = Stored(without(set()), batch_of(range(100), range(10)))
    assert (found.requests, len(found.samples), found.dropped) == (1, 1000, {})


def test_one_bad_series_costs_itself_only() -> None:
    """All others are stored, in about two requests a halving: 1024 series are halved ten times."""
    found = Stored(without({"700"}), batch_of(range(1024), range(3)))
    assert found.dropped == {"rejected": 3}
    assert len(found.samples) == 1023 * 3
    assert found.requests == 1 + 2 * 10


@given(st.sets(st.integers(0, 39)), st.integers(1, 40))
def test_only_bad_series_are_given_up(bad: set[int], size: int) -> None:
    """Any number of them, in any place, and never more requests than two a series."""
    names = {f"{number}" for number in bad}
    found = Stored(without(names), batch_of(range(size), range(2)))
    good = {f"{number}" for number in range(size)} - names
    assert found.samples == {(name, time) for name in good for time in range(2)}
    assert found.dropped.get("rejected", 0) == 2 * (size - len(good))
    assert found.requests <= 2 * size


@given(st.integers(0, 70), st.integers(1, 6), st.integers(1, 64))
def test_what_is_too_old_costs_nothing_newer(oldest: int, size: int, times: int) -> None:
    """Found by halving the time of all series at once: some two requests a halving, whatever the number of series."""
    found = Stored(not_before(oldest), batch_of(range(size), range(times)))
    assert found.samples == {(f"{name}", time) for name in range(size) for time in range(oldest, times)}
    assert found.dropped.get("too_old", 0) == size * min(oldest, times)
    assert found.requests <= 2 + 2 * times.bit_length()


def test_a_request_that_is_wholly_too_old_is_soon_given_up() -> None:
    """A receiver without an out-of-order window: a hundred thousand samples in a handful of requests."""
    found = Stored(not_before(10**9), batch_of(range(100), range(1000)))
    assert found.samples == set()
    assert found.dropped == {"too_old": 100_000}
    assert found.requests <= 12


def test_old_and_bad_together() -> None:
    """One series is bad, and part of all is too old: which of the two the receiver says does not matter."""

    def judge(batch: Batch) -> Meaning:
        by_name = without({"3"})(batch)
        return by_name if by_name != "accepted" else not_before(40)(batch)

    found = Stored(judge, batch_of(range(8), range(100)))
    assert found.samples == {(f"{name}", time) for name in range(8) if name != 3 for time in range(40, 100)}
    assert sum(found.dropped.values()) == 800 - len(found.samples)


@given(st.integers(1, 50), st.integers(1, 5), st.integers(1, 20))
def test_what_is_too_large_is_sent_in_parts(limit: int, size: int, times: int) -> None:
    """Down to samples of one series."""
    found = Stored(at_most(limit), batch_of(range(size), range(times)))
    assert len(found.samples) == size * times
    assert found.dropped == {}


def test_a_sample_that_is_too_large_alone_is_given_up() -> None:
    """Or it would be sent for ever."""
    assert Stored(at_most(0), batch_of(range(2), range(3))).dropped == {"too_large": 6}


def test_a_receiver_that_rejects_everything_is_not_asked_for_ever() -> None:
    """Past a thousand rejections of one batch the rest of it goes with them."""
    found = Stored(lambda _: "rejected", batch_of(range(5000), range(1)))
    assert found.requests == 1001
    assert found.dropped == {"rejected": 5000}


def test_a_part_that_is_put_back_is_taken_again() -> None:
    """As when a receiver was busy."""
    batch = batch_of(range(2), range(2))
    bisection = Bisection(batch)
    part = bisection.take()
    assert part == batch
    bisection.put_back(batch)
    assert bisection.take() == batch
    assert bisection.take() is None


def test_a_marker_stays_with_the_sample_before_it() -> None:
    """Else the half that is stored might be a series of nothing but a marker."""
    batch = (series("f", [(10, 1.0), (20, None)], n="a"), series("f", [(20, 1.0), (30, None)], n="b"))
    bisection = Bisection(batch)
    part = bisection.take()
    assert part is not None
    bisection.rejected(part, "too_old")
    assert bisection.take() == (batch[1],)
    assert bisection.take() is None
    assert dict(bisection.dropped) == {"too_old": 2}
