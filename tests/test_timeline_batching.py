"""How series are spread over requests, and which samples are left out for their time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.timeline.ages import newest_acceptable, oldest_acceptable, within
from exporter.timeline.batching import Batch, batches
from exporter.timeline.series import TimelineSeries, count
from tests.timeline_support import series

NOW = 1_772_359_200.0
T0 = 1_772_359_200_000


def line(name: str, *times: int) -> TimelineSeries:
    """A series whose values are its times."""
    return series("f", [(time, float(time)) for time in times], n=name)


def seen(batch: Batch) -> list[tuple[str, tuple[int, ...]]]:
    """Name and times of each series."""
    return [(dict(each.labels)["n"], each.times) for each in batch]


def test_requests_are_filled_and_a_long_series_goes_on_in_the_next() -> None:
    """In the order given; each series once in a request."""
    found = [seen(batch) for batch in batches([line("a", 1, 2, 3), line("b", 1, 2, 3, 4, 5), line("c", 9)], 4)]
    assert found == [[("a", (1, 2, 3)), ("b", (1,))], [("b", (2, 3, 4, 5))], [("c", (9,))]]


def test_a_series_that_comes_again_later_goes_on_in_the_same_request() -> None:
    """The growth of a report that still waits: one series, ascending."""
    (batch,) = batches([line("a", 1, 2), line("b", 1), line("a", 3)], 10)
    assert seen(batch) == [("a", (1, 2, 3)), ("b", (1,))]
    assert list(batch[0].samples()) == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_series_that_comes_again_earlier_waits_for_the_next_request() -> None:
    """Within a request nothing descends; a receiver that takes late samples takes them there."""
    found = [seen(batch) for batch in batches([line("a", 5, 6), line("a", 1, 6), line("b", 1)], 10)]
    assert found == [[("a", (5, 6))], [("a", (1, 6)), ("b", (1,))]]


def test_nothing_makes_no_request() -> None:
    """Neither no series nor one without samples."""
    assert list(batches([], 5)) == []
    assert list(batches([line("a")], 5)) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sets(st.integers(0, 30), max_size=12)).map(
            lambda drawn: line(drawn[0], *sorted(drawn[1]))
        ),
        max_size=8,
    ),
    st.integers(1, 9),
)
def test_every_sample_goes_out_once_in_order(many: list[TimelineSeries], most: int) -> None:
    """Whatever the sizes: no sample is lost or doubled, no request too large, no series twice or descending in it."""
    found = list(batches(many, most))
    for batch in found:
        assert 0 < count(batch) <= most
        assert len({each.labels for each in batch}) == len(batch)
        assert all(list(each.times) == sorted(set(each.times)) for each in batch)
    for name in "abc":
        sent = [time for batch in found for each in batch if dict(each.labels)["n"] == name for time in each.times]
        assert sent == [time for each in many if dict(each.labels)["n"] == name for time in each.times]


def test_samples_outside_the_limits_are_left_out_and_counted() -> None:
    """Both limits belong to what is sent; a series without samples left is none."""
    taken = within([line("a", 9, 10, 11, 20, 21), line("b", 8, 9), line("c", 22), line("d", 10, 20)], 10, 20)
    assert seen(taken.series) == [("a", (10, 11, 20)), ("d", (10, 20))]
    assert (taken.too_old, taken.in_future) == (3, 2)


def test_a_marker_goes_with_the_run_that_it_ends() -> None:
    """A marker without a sample before it would make an empty series, but it does end what an earlier request began."""
    cut = series("f", [(9, 1.0), (12, None), (15, 2.0), (18, None)])
    assert list(within([cut], 10, 20).series[0].samples()) == [(15, 2.0), (18, None)]
    assert within([cut], 10, 20).too_old == 2
    alone = series("f", [(9, 1.0), (12, None)])
    assert within([alone], 10, 20).series == ()
    goes_on = series("f", [(12, None), (15, 2.0)])
    assert within([goes_on], 10, 20).series == (goes_on,)


def test_without_a_limit_nothing_is_too_old() -> None:
    """As with VictoriaMetrics, whose limit is its retention."""
    taken = within([line("a", 0, 1)], oldest_acceptable(NOW, None, 30.0), newest_acceptable(NOW))
    assert seen(taken.series) == [("a", (0, 1))]


def test_the_limits_follow_the_clock() -> None:
    """A minute ahead at most; not older than the age, less the time that a request may take."""
    assert newest_acceptable(NOW) == T0 + 60_000
    assert oldest_acceptable(NOW, 3600.0, 30.0) == T0 - 3_570_000
    # A tenth of the age at most: of a minute, six seconds.
    assert oldest_acceptable(NOW, 60.0, 30.0) == T0 - 54_000
