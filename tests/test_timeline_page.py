"""The page of the timeline shows each sample for a while, and none that would cost its scrape."""

from __future__ import annotations

import re

from exporter.metrics.catalogue import FAMILIES
from exporter.timeline.openmetrics import text
from exporter.timeline.page import MOST_SAMPLES, Page
from exporter.timeline.series import TimelineSeries
from tests.timeline_support import series

NOW = 1_772_359_200.0
#: Unix milliseconds.
AT = round(NOW * 1000)
LOSS = "webrtc_timeline_packet_loss_ratio"


def line(name: str, *ages: float) -> TimelineSeries:
    """Samples so many seconds old, and a stale marker."""
    samples: list[tuple[int, float | None]] = [(round((NOW - age) * 1000), 0.5) for age in ages]
    return series(LOSS, [*samples, (samples[-1][0] + 1, None)], peer_id=name)


def shown(page: Page[int], now: float, *, counts: bool = True) -> dict[str, list[int]]:
    """Ages in seconds at NOW of what a scrape reads, by peer."""
    found: dict[str, list[int]] = {}
    for each in page.read(now, counts=counts).series:
        ages = [round(NOW - time / 1000) for time in each.times]
        found.setdefault(dict(each.labels)["peer_id"], []).extend(ages)
    return found


def test_a_row_is_there_for_a_while_after_it_was_first_read() -> None:
    """However long nobody comes; somebody who stores nothing does not begin it."""
    page: Page[int] = Page(60.0, 86_400.0)
    page.add(1, [line("a", 20, 10)])
    assert page.leave(NOW + 1000.0) is None
    assert shown(page, NOW + 1000.0, counts=False) == {"a": [20, 10]}
    assert page.leave(NOW + 2000.0) is None
    assert shown(page, NOW + 2000.0) == {"a": [20, 10]}
    page.add(2, [line("b", 5)])
    assert page.leave(NOW + 2059.0) is None
    assert shown(page, NOW + 2059.0) == {"a": [20, 10], "b": [5]}
    assert page.leave(NOW + 2060.0) == 1
    assert shown(page, NOW + 2060.0) == {"b": [5]}
    assert page.leave(NOW + 2119.0) == 2
    assert shown(page, NOW + 2119.0) == {}


def test_a_clock_set_back_does_not_keep_it() -> None:
    """What was read is gone then."""
    page: Page[int] = Page(60.0, 86_400.0)
    page.add(1, [line("a", 10)])
    shown(page, NOW)
    assert page.leave(NOW - 3600.0) == 1


def test_what_would_be_too_old_is_not_there() -> None:
    """A quarter of an hour before the window ends; it goes while it is on the page, too."""
    page: Page[int] = Page(600.0, 7200.0)
    page.add(1, [line("a", 7000, 6300, 6299, 6000)])
    first = page.read(NOW, counts=True)
    assert [round(NOW - time / 1000) for time in first.series[0].times] == [6299, 6000]
    assert (first.new, first.too_old) == (2, 2)
    assert shown(page, NOW + 300.0) == {}
    again = page.read(NOW + 301.0, counts=True)
    assert (list(again.series), again.new, again.too_old) == ([], 0, 0)


def test_what_is_ahead_is_not_there() -> None:
    """A sample in the future would move the end of a Prometheus' head. It is counted, and does not come later."""
    page: Page[int] = Page(60.0, 7200.0)
    page.add(1, [line("a", 10, -59, -61)])
    assert shown(page, NOW, counts=False) == {"a": [10, -59]}
    first = page.read(NOW, counts=True)
    assert (first.new, first.in_future) == (2, 1)
    assert shown(page, NOW + 30.0) == {"a": [10, -59]}
    assert page.read(NOW + 30.0, counts=True).in_future == 0


def test_there_is_a_most_of_one_scrape() -> None:
    """What does not fit waits until something has left; a row larger than all comes alone."""
    page: Page[int] = Page(60.0, 1e9)
    times = tuple(range(AT - MOST_SAMPLES - 10, AT))
    assert page.add(1, [TimelineSeries(family=LOSS, labels=(), times=times, values=bytes(8 * len(times)))])
    assert page.room == 0
    assert not page.add(2, [line("b", 5)])
    (large,) = page.read(NOW, counts=True).series
    assert large.times == times
    assert page.leave(NOW + 60.0) == 1
    assert page.room == MOST_SAMPLES
    assert page.add(2, [line("b", 5)])
    assert page.room == MOST_SAMPLES - 1


def test_the_text_is_that_of_a_scrape() -> None:
    """Milliseconds, ascending, one block a family, each series in one piece; and no stale marker."""
    page: Page[int] = Page(60.0, 86_400.0)
    other = series("webrtc_timeline_jitter_seconds", [(AT - 1500, 0.25)], peer_id="a")
    page.add(1, [line("a", 20, 10), other])
    page.add(2, [line("a", 5), line("b", 30)])
    written = "".join(text(FAMILIES, page.read(NOW, counts=False).series, {}, open_metrics=False))
    samples = [line for line in written.splitlines() if not line.startswith("#")]
    assert samples == [
        f'{LOSS}{{peer_id="a"}} 0.5 {AT - 20_000}',
        f'{LOSS}{{peer_id="a"}} 0.5 {AT - 10_000}',
        f'{LOSS}{{peer_id="a"}} 0.5 {AT - 5000}',
        f'{LOSS}{{peer_id="b"}} 0.5 {AT - 30_000}',
        f'webrtc_timeline_jitter_seconds{{peer_id="a"}} 0.25 {AT - 1500}',
    ]
    assert re.findall(r"# TYPE (\S+)", written) == [LOSS, "webrtc_timeline_jitter_seconds"]
    assert "EOF" not in written
