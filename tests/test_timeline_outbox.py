"""Requests are cut of rows in their order, and tell which rows are over with them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.timeline.outbox import Outbox
from exporter.timeline.series import TimelineSeries, count
from tests.timeline_support import series


def line(name: str, *times: int) -> TimelineSeries:
    """A series that is told by its name."""
    return series("f", [(time, float(time)) for time in times], peer_id=name)


def test_rows_share_a_request() -> None:
    """Two small ones and the beginning of a third; its end comes with the next, and only then it is over."""
    outbox: Outbox[int] = Outbox(5)
    outbox.add(1, [line("a", 1, 2)])
    outbox.add(2, [line("b", 1)])
    outbox.add(3, [line("c", 1, 2, 3)])
    assert (outbox.samples, outbox.is_full) == (6, True)
    first = outbox.cut()
    assert (first.batch, first.complete) == ((line("a", 1, 2), line("b", 1), line("c", 1, 2)), 2)
    assert (outbox.samples, outbox.is_full, outbox.has_rows) == (1, False, True)
    then = outbox.cut()
    assert (then.batch, then.complete) == ((line("c", 3),), 3)
    assert (outbox.samples, outbox.has_rows) == (0, False)


def test_a_long_row_is_over_with_its_last_request() -> None:
    """None before that."""
    outbox: Outbox[int] = Outbox(2)
    outbox.add(7, [line("a", 1, 2, 3), line("b", 1, 2)])
    assert [outbox.cut().complete for _ in range(3)] == [None, None, 7]


def test_a_row_without_samples_is_over_in_its_turn() -> None:
    """What could not be read holds nothing up, and does not overtake."""
    outbox: Outbox[int] = Outbox(2)
    outbox.add(1, [line("a", 1, 2, 3)])
    outbox.add(2, [])
    outbox.add(3, [])
    assert outbox.cut().complete is None
    assert outbox.cut().complete == 3
    outbox.add(4, [])
    assert outbox.has_rows
    assert (outbox.cut().batch, outbox.has_rows) == ((), False)


def test_a_series_that_comes_again_earlier_waits_for_the_next_request() -> None:
    """A request has each series once, ascending; so the first one ends before it."""
    outbox: Outbox[int] = Outbox(100)
    outbox.add(1, [line("a", 5, 6)])
    outbox.add(2, [line("b", 1), line("a", 1, 2)])
    first = outbox.cut()
    assert (first.batch, first.complete) == ((line("a", 5, 6), line("b", 1)), 1)
    then = outbox.cut()
    assert (then.batch, then.complete) == ((line("a", 1, 2),), 2)


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 9)), max_size=4), max_size=8),
    st.integers(1, 7),
)
def test_every_sample_goes_out_once_before_its_row_is_over(rows: list[list[tuple[str, int, int]]], most: int) -> None:
    """Whatever the rows: in order, no request too large, and a row is over when its last sample is out."""
    outbox: Outbox[int] = Outbox(most)
    through, total = [], 0
    expected = []
    for place, row in enumerate(rows):
        lines = [line(name, *range(begin, begin + length)) for name, length, begin in row]
        outbox.add(place, lines)
        total += count(lines)
        through.append(total)
        expected += [(each.labels, sample) for each in lines for sample in each.samples()]
    found: list[tuple[object, object]] = []
    over = -1
    while outbox.has_rows:
        cut = outbox.cut()
        assert count(cut.batch) <= most
        assert len({each.labels for each in cut.batch}) == len(cut.batch)
        found += [(each.labels, sample) for each in cut.batch for sample in each.samples()]
        over = over if cut.complete is None else cut.complete
        assert over == max((place for place in range(len(rows)) if through[place] <= len(found)), default=-1)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert outbox.samples == 0
