"""The log of the timeline: one for all receivers, each with a place of its own, bounded whatever happens."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.ledger import Bounds, Dropped, Ledger, Place, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.ledger.timeline import TimelineLog

NOW = 1_772_359_200.0
WIDE = Bounds(keep=0.0, max_age=1e9, max_bytes=1 << 40)
KEEP = Bounds(keep=600.0, max_age=1e9, max_bytes=1 << 40)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one."""
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def append(ledger: Ledger, *sizes: int, now: float = NOW, last: float = NOW - 60.0) -> None:
    """Appends rows with so many samples, each of ten bytes, in one transaction."""
    with ledger.transaction(now) as transaction:
        for size in sizes:
            transaction.add_to_timeline(last - 300.0, last, size, b"0123456789" * size)


def ids(log: TimelineLog, after: int = 0) -> list[int]:
    """The rows that are there."""
    return [row.place.id for row in log.read(after, 1 << 40)]


def test_rows_come_in_their_order_and_only_as_many_as_are_wanted(ledger: Ledger) -> None:
    """At least one, and no more than it takes to have so many samples."""
    append(ledger, 3, 4, 5)
    (first,) = ledger.timeline.read(0, 1)
    assert (first.place, first.samples, first.payload) == (Place(1, 3, 30), 3, b"0123456789" * 3)
    assert (first.added, first.first, first.last) == (NOW, NOW - 360.0, NOW - 60.0)
    assert [row.place for row in ledger.timeline.read(0, 4)] == [Place(1, 3, 30), Place(2, 7, 70)]
    assert [row.place.id for row in ledger.timeline.read(2, 100)] == [3]
    assert ledger.timeline.read(3, 100) == []


def test_what_a_transaction_takes_back_was_never_there(ledger: Ledger) -> None:
    """Neither the row nor its number."""
    with suppress(ZeroDivisionError), ledger.transaction(NOW) as transaction:
        transaction.add_to_timeline(NOW, NOW, 1, b"x")
        raise ZeroDivisionError
    with ledger.transaction(NOW) as whole:
        with suppress(ZeroDivisionError), whole.savepoint() as part:
            part.add_to_timeline(NOW, NOW, 1, b"x")
            raise ZeroDivisionError
        whole.add_to_timeline(NOW, NOW, 2, b"yy")
    assert [row.place for row in ledger.timeline.read(0, 9)] == [Place(1, 2, 2)]


def test_each_receiver_has_a_place_of_its_own(ledger: Ledger) -> None:
    """What one has the other may still wait for."""
    ledger.timeline.set_receivers({"a": None, "b": None}, NOW)
    append(ledger, 3, 4)
    append(ledger, 5, now=NOW + 10.0, last=NOW)
    ledger.timeline.acknowledge("a", Place(2, 7, 70), NOW)
    assert ledger.timeline.waiting("a") == Waiting(rows=1, samples=5, bytes=50, since=NOW + 10.0, oldest=NOW - 300.0)
    assert ledger.timeline.waiting("b") == Waiting(rows=3, samples=12, bytes=120, since=NOW, oldest=NOW - 360.0)
    assert ledger.timeline.waiting("nobody") == Waiting()


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """Rows, places and sums."""
    before = Ledger.open(tmp_path)
    before.timeline.set_receivers({"a": None}, NOW)
    append(before, 3, 4)
    before.timeline.acknowledge("a", Place(1, 3, 30), NOW)
    before.timeline.trim(NOW, WIDE, {})
    before.close()
    after = Ledger.open(tmp_path)
    assert [row.place for row in after.timeline.read(0, 9)] == [Place(2, 7, 70)]
    assert (after.timeline.place("a"), after.timeline.size()) == (Place(1, 3, 30), 40)
    after.close()


def test_a_place_never_goes_back(ledger: Ledger) -> None:
    """Nor is one made for somebody who is not configured."""
    ledger.timeline.set_receivers({"a": None}, NOW)
    append(ledger, 1, 1)
    ledger.timeline.acknowledge("a", Place(2, 2, 20), NOW)
    ledger.timeline.acknowledge("a", Place(1, 1, 10), NOW)
    ledger.timeline.acknowledge("gone", Place(1, 1, 10), NOW)
    assert (ledger.timeline.place("a"), ledger.timeline.place("gone")) == (Place(2, 2, 20), None)


def test_rows_go_when_all_have_them(ledger: Ledger) -> None:
    """Not before the slowest; and nothing of it is dropped."""
    ledger.timeline.set_receivers({"a": None, "b": None}, NOW)
    append(ledger, 1, 1, 1)
    ledger.timeline.acknowledge("a", Place(3, 3, 30), NOW)
    assert ledger.timeline.trim(NOW, WIDE, {}) == []
    assert ids(ledger.timeline) == [1, 2, 3]
    ledger.timeline.acknowledge("b", Place(2, 2, 20), NOW)
    assert ledger.timeline.trim(NOW, WIDE, {}) == []
    assert (ids(ledger.timeline), ledger.timeline.size()) == ([3], 10)
    ledger.timeline.acknowledge("b", Place(3, 3, 30), NOW)
    assert ledger.timeline.trim(NOW, WIDE, {}) == []
    assert (ids(ledger.timeline), ledger.timeline.size()) == ([], 0)
    # Numbers and sums go on where they were, though the log was empty.
    append(ledger, 2)
    assert [row.place for row in ledger.timeline.read(0, 9)] == [Place(4, 5, 50)]
    assert ledger.timeline.waiting("a").samples == 2


def test_rows_are_kept_for_those_who_ask_later(ledger: Ledger) -> None:
    """`keep` counts from the commit, with receivers and without; a clock set back does not keep them longer."""
    append(ledger, 1, now=NOW)
    append(ledger, 1, now=NOW + 300.0)
    assert ledger.timeline.trim(NOW + 599.0, KEEP, {}) == []
    assert ids(ledger.timeline) == [1, 2]
    ledger.timeline.trim(NOW + 600.0, KEEP, {})
    assert ids(ledger.timeline) == [2]
    ledger.timeline.trim(NOW - 86_400.0, KEEP, {})
    assert ids(ledger.timeline) == []


def test_past_the_bytes_the_oldest_go_and_are_counted(ledger: Ledger) -> None:
    """For each receiver what it did not have; what is in hand is sent all the same."""
    ledger.timeline.set_receivers({"has all": None, "has one": None, "has none": None, "reads": None}, NOW)
    append(ledger, 10, 20, 30, 40)
    ledger.timeline.acknowledge("has all", Place(4, 100, 1000), NOW)
    ledger.timeline.acknowledge("has one", Place(1, 10, 100), NOW)
    bounds = Bounds(keep=0.0, max_age=1e9, max_bytes=700)
    dropped = ledger.timeline.trim(NOW, bounds, {"reads": Place(2, 30, 300)})
    assert sorted(dropped, key=lambda each: each.receiver) == [
        Dropped("has none", "queue_full", 30),
        Dropped("has one", "queue_full", 20),
    ]
    assert (ids(ledger.timeline), ledger.timeline.size()) == ([3, 4], 700)
    assert ledger.timeline.place("has none") == Place(2, 30, 300)
    assert ledger.timeline.waiting("has none").samples == 70
    assert ledger.timeline.trim(NOW, bounds, {}) == []


def test_what_waits_for_too_long_goes_and_is_counted(ledger: Ledger) -> None:
    """By the time of the commit."""
    ledger.timeline.set_receivers({"down": None}, NOW)
    append(ledger, 10, now=NOW)
    append(ledger, 20, now=NOW + 100.0)
    bounds = Bounds(keep=0.0, max_age=500.0, max_bytes=1 << 40)
    assert ledger.timeline.trim(NOW + 500.0, bounds, {}) == []
    assert ledger.timeline.trim(NOW + 501.0, bounds, {}) == [Dropped("down", "too_old", 10)]
    assert ids(ledger.timeline) == [2]


def test_a_new_receiver_gets_what_is_still_there_and_not_too_old(ledger: Ledger) -> None:
    """From the first row that has a sample it takes; the places of others stay."""
    ledger.timeline.set_receivers({"first": None}, NOW)
    append(ledger, 1, last=NOW - 7200.0)
    append(ledger, 1, last=NOW - 3600.0)
    append(ledger, 1, last=NOW - 7200.0)
    ledger.timeline.acknowledge("first", Place(1, 1, 10), NOW)
    wanted = {"first": None, "all": None, "hour": NOW - 3600.0, "nothing": NOW - 60.0}
    ledger.timeline.set_receivers(wanted, NOW)
    found = {name: ledger.timeline.place(name) for name in wanted}
    assert found == {
        "first": Place(1, 1, 10),
        "all": Place(0, 0, 0),
        "hour": Place(1, 1, 10),
        "nothing": Place(3, 3, 30),
    }


def test_one_that_is_not_configured_any_more_loses_its_place(ledger: Ledger) -> None:
    """It holds nothing back, and is new when it comes again."""
    ledger.timeline.set_receivers({"a": None, "gone": None}, NOW)
    append(ledger, 1, 1)
    ledger.timeline.acknowledge("a", Place(2, 2, 20), NOW)
    ledger.timeline.set_receivers({"a": None}, NOW)
    assert ledger.timeline.trim(NOW, WIDE, {}) == []
    assert ids(ledger.timeline) == []
    ledger.timeline.set_receivers({"a": None, "gone": None}, NOW)
    assert ledger.timeline.place("gone") == Place(2, 2, 20)


def test_many_rows_go_step_by_step(ledger: Ledger) -> None:
    """A thousand at a time, so that others get their turn."""
    append(ledger, *[1] * 2500)
    left = []
    for _ in range(4):
        ledger.timeline.trim(NOW, WIDE, {})
        left.append(len(ids(ledger.timeline)))
    assert left == [1500, 500, 0, 0]


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 9)),
            st.tuples(st.just("send a"), st.integers(1, 3)),
            st.tuples(st.just("send b"), st.integers(1, 3)),
            st.tuples(st.just("trim"), st.integers(20, 400)),
        ),
        max_size=30,
    )
)
def test_every_sample_is_had_dropped_or_waits(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For each receiver, whatever happens in which order; and no row stays that nobody needs."""
    ledger = Ledger.open(tmp_path_factory.mktemp("state"))
    log = ledger.timeline
    log.set_receivers({"a": None, "b": None}, NOW)
    had = {"a": 0, "b": 0}
    lost = {"a": 0, "b": 0}
    appended = 0
    try:
        for what, amount in steps:
            if what == "append":
                append(ledger, amount)
                appended += amount
            elif what == "trim":
                for each in log.trim(NOW, Bounds(keep=0.0, max_age=1e9, max_bytes=amount), {}):
                    lost[each.receiver] += each.samples
                assert log.size() <= amount
            else:
                name = what[-1]
                place = log.place(name)
                assert place is not None
                rows = log.read(place.id, 1 << 40)[:amount]
                had[name] += sum(row.samples for row in rows)
                if rows:
                    log.acknowledge(name, rows[-1].place, NOW)
            for name, samples in had.items():
                assert samples + lost[name] + log.waiting(name).samples == appended
        log.trim(NOW, WIDE, {})
        waiting = max((log.waiting(name).bytes for name in had), default=0)
        assert log.size() == waiting
    finally:
        ledger.close()
