"""Labels, numbers and headers as both text formats want them."""

from __future__ import annotations

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_fd_to_metric_families

from exporter.metrics.family import Family
from exporter.metrics.text import escape, header, histogram_lines, label_block, number


def test_escapes_what_would_end_a_label_value() -> None:
    """Backslash, quote and line feed are escaped; everything else stays as it is."""
    assert escape('a\\b"c\nd\re{}=,é😀') == r"a\\b\"c\nd" + "\re{}=,é😀"


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    """Text that UTF-8 cannot carry does not break the page."""
    assert escape("a\ud800b").encode() == b"a?b"


@given(st.text())
def test_any_label_value_survives_the_way_through_a_parser(value: str) -> None:
    """What a stranger calls a room is read back as it was, lone surrogates apart."""
    page = f"# TYPE webrtc_x gauge\nwebrtc_x{{{label_block(['a', 'b'], [value, 'z'])}}} 1.0\n"
    (family,) = text_fd_to_metric_families(StringIO(page, newline="\n"))
    assert family.samples[0].labels == {"a": value.encode("utf-8", "replace").decode(), "b": "z"}


def test_numbers_are_float_like() -> None:
    """Whole numbers keep their point, so that `le` is spelt as Prometheus 3 spells it."""
    assert [number(each) for each in (1, 0.005, 1e21, 1738843560.25)] == ["1.0", "0.005", "1e+21", "1738843560.25"]


def test_headers_in_both_formats() -> None:
    """OpenMetrics knows a counter without its suffix, and has a UNIT line."""
    family = Family(
        name="webrtc_media_seconds_total",
        type="counter",
        scope="room_count",
        help='Time "so\\to say".',
        labels=("source",),
        unit="seconds",
    )
    assert header(family, open_metrics=False).decode() == (
        '# HELP webrtc_media_seconds_total Time "so\\\\to say".\n# TYPE webrtc_media_seconds_total counter\n'
    )
    assert header(family, open_metrics=True).decode() == (
        '# HELP webrtc_media_seconds Time \\"so\\\\to say\\".\n'
        "# TYPE webrtc_media_seconds counter\n"
        "# UNIT webrtc_media_seconds seconds\n"
    )


def test_histograms_are_cumulative() -> None:
    """Buckets add up, `+Inf` equals the count, the sum stands between them."""
    assert histogram_lines("m", 'a="b"', (0.5, 1.0), [2.0, 0.0, 1.0], 7.25) == (
        'm_bucket{a="b",le="0.5"} 2.0\n'
        'm_bucket{a="b",le="1.0"} 2.0\n'
        'm_bucket{a="b",le="+Inf"} 3.0\n'
        'm_sum{a="b"} 7.25\n'
        'm_count{a="b"} 3.0\n'
    )
