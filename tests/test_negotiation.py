"""The choice of exposition format and content coding."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.negotiation import ExpositionFormat, choose_encoding, choose_format

TEXT = ExpositionFormat.TEXT
OPENMETRICS = ExpositionFormat.OPENMETRICS

#: What Prometheus 2.42 sends, and what Prometheus 3 sends by default.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + PROMETHEUS_3
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROTOBUF_FIRST, OPENMETRICS),
        (BROWSER, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", TEXT),
        ("application/json", TEXT),
        ("application/*", TEXT),
        # OpenMetrics by name, and never a version that we do not write.
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"; charset="UTF-8"', OPENMETRICS),
        (r'application/openmetrics-text; version="1\.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;escaping=underscores", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;", OPENMETRICS),
        ("application/openmetrics-text; ;version=1.0.0", OPENMETRICS),
        (",, application/openmetrics-text ,", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=9.9.9", TEXT),
        ("application/openmetrics-text;version=abc", TEXT),
        ("application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;escaping=rot13", TEXT),
        ("application/openmetrics-text;charset=latin-1", TEXT),
        ("application/openmetrics-text;flavour=mild", TEXT),
        # Qualities.
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0.000", TEXT),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.7", TEXT),
        ("application/openmetrics-text;q=0.7,text/plain;q=0.3", OPENMETRICS),
        ("application/openmetrics-text;q=0.7,*/*", TEXT),
        ("application/openmetrics-text;Q=0.7,*/*;Q=0.1", OPENMETRICS),
        ("application/openmetrics-text,text/plain;q=1.0", OPENMETRICS),
        ("text/plain,application/openmetrics-text", TEXT),
        ("*/*,application/openmetrics-text", OPENMETRICS),
        ("text/*;q=0.5,application/openmetrics-text;q=0.5", OPENMETRICS),
        # The most exact range speaks for a format: text is refused here although */* is welcome.
        ("text/plain;q=0,*/*,application/openmetrics-text;q=0.1", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;q=0,application/openmetrics-text;q=0.9", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.2,application/openmetrics-text;q=0.9,text/plain;q=0.5", TEXT),
        ("text/plain;version=0.0.4;q=0.1,text/plain;q=0.9,application/openmetrics-text;q=0.5", OPENMETRICS),
        # Out of shape.
        ("application/openmetrics-text;q=abc", TEXT),
        ("application/openmetrics-text;q=2", TEXT),
        ("application/openmetrics-text;q=-1", TEXT),
        ("application/openmetrics-text;q=1e0", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        ("application/openmetrics-text;q", TEXT),
        ("application/openmetrics-text;version", TEXT),
        ("application/openmetrics-text version=1.0.0", TEXT),
        ('"application/openmetrics-text', TEXT),
        ('application/openmetrics-text;version="1.0.0', TEXT),
        ("/,;,=;,application//openmetrics-text", TEXT),
        ('text/plain;version="a,b",application/openmetrics-text;q=0.4', OPENMETRICS),
        ("application/openmetrics-text;q=\udcff,\x00", TEXT),
        ("application/openmetrics-text;version=\uff11.0.0", TEXT),
    ],
)
def test_format(accept: str, expected: ExpositionFormat) -> None:
    """Each `Accept` header gets the format that it asks for, anything odd text 0.0.4."""
    assert choose_format(accept) is expected


def test_content_types_are_those_that_prometheus_3_accepts() -> None:
    """The two content types are exact: an unknown one fails the scrape."""
    assert TEXT.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert OPENMETRICS.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", ""),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, br", ""),
        ("*", "gzip"),
        ("*;q=0.1", "gzip"),
        ("identity", ""),
        ("identity, gzip", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.0, *", ""),
        ("*;q=0", ""),
        ("*;q=0, gzip", "gzip"),
        ("identity;q=1, gzip;q=0.5", ""),
        ("identity;q=0.5, gzip;q=1", "gzip"),
        ("identity;q=1, *;q=0.5", ""),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0", ""),
        ("gzip;q=0, x-gzip", "gzip"),
        ("gzip;q=abc", ""),
        ("gzip;q=2", ""),
        ("gzip;q", ""),
        ("gzip deflate", ""),
        ('"gzip', ""),
        ("gzipped", ""),
    ],
)
def test_encoding(accept_encoding: str, expected: str) -> None:
    """Each `Accept-Encoding` header gets gzip or identity, refusals and preferences honoured."""
    assert choose_encoding(accept_encoding) == expected


_PIECES = st.sampled_from(
    ["application/openmetrics-text", "text/plain", "*/*", "gzip", "q", "version", "1.0.0", *',;="\\ /*.0129\x00\udcff'],
)


@given(st.text() | st.lists(_PIECES).map("".join))
def test_no_header_raises(header: str) -> None:
    """Whatever a client sends, there is a choice."""
    assert choose_format(header) in ExpositionFormat
    assert choose_encoding(header) in {"gzip", ""}


_QUALITIES = st.integers(0, 1000)


@given(_QUALITIES, _QUALITIES)
def test_the_higher_quality_wins(openmetrics: int, text: int) -> None:
    """Between two named formats the quality alone decides; a refused one is not sent where the other is welcome."""
    header = f"application/openmetrics-text;q={openmetrics / 1000:.3f},text/plain;q={text / 1000:.3f}"
    if openmetrics > text:
        assert choose_format(header) is OPENMETRICS
    if openmetrics < text:
        assert choose_format(header) is TEXT


@pytest.mark.parametrize("header", ['"' + r"\"" * 30_000, '"' * 60_001, "a;" * 30_000, "a=" * 30_000, ",;" * 30_000])
def test_hostile_headers_take_linear_time(header: str) -> None:
    """A header as long as the server lets through does not hold up the event loop."""
    before = time.process_time()
    choose_format(header)
    choose_encoding(header)
    assert time.process_time() - before < 0.5
