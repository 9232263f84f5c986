"""What receivers' answers mean: those of the facts, of Prometheus, Mimir, Thanos and VictoriaMetrics."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from exporter.timeline.answers import Meaning, meaning, message, retry_after

NOW = 1_772_359_200.0


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (200, b"anything", "accepted"),
        (204, b"", "accepted"),
        (299, b"", "accepted"),
        # Prometheus without an out-of-order window, and with one.
        (400, b"out of bounds", "too_old"),
        (400, b"too old sample", "too_old"),
        (400, b"out of order sample", "rejected"),
        (400, b"duplicate sample for timestamp", "rejected"),
        (400, b"timestamp is too far in the future", "rejected"),
        (400, b"", "rejected"),
        # Prometheus up to 2.49.
        (500, b"too old sample", "too_old"),
        (500, b"native histograms are disabled", "rejected"),
        (500, b'label name "a" is not unique: invalid sample', "rejected"),
        (500, b"disk full", "later"),
        (500, b"out of bounds", "later"),
        # Mimir, Thanos.
        (
            400,
            b"its timestamp is too old (err-mimir-sample-timestamp-too-old)",
            "too_old",
        ),
        (400, b"sample is too far in the past (err-mimir-too-far-in-past)", "too_old"),
        (409, b"store locally for endpoint: out of order sample", "rejected"),
        (422, b"invalid", "rejected"),
        (413, b"too large", "too_large"),
        (429, b"slow down", "later"),
        (502, b"", "later"),
        (503, b"Service Unavailable", "later"),
        (504, b"", "later"),
        (599, b"", "later"),
        (999, b"", "later"),
        # Whatever we send, it would not be taken.
        (301, b"", "refused"),
        (307, b"", "refused"),
        (401, b"Unauthorized", "refused"),
        (403, b"", "refused"),
        (404, b"404 page not found", "refused"),
        (405, b"", "refused"),
        (415, b"", "refused"),
        # Of the moment, but the protocol forbids to repeat at once after any 4xx but 429.
        (408, b"", "refused"),
        (425, b"", "refused"),
    ],
)
def test_each_answer_has_one_meaning(status: int, content: bytes, expected: Meaning) -> None:
    """Passing, about the samples, about their age, about their number, or about us."""
    assert meaning(status, content) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        # An hour at most.
        ("86400", 3600.0),
        ("9" * 5000, 3600.0),
        (formatdate(NOW + 86_400, usegmt=True), 3600.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_a_pause_is_asked_for_in_seconds_or_by_a_date(header: str, expected: float | None) -> None:
    """RFC 9110, section 10.2.3; anything else is not followed."""
    assert retry_after(header, NOW) == expected


def test_a_message_is_one_short_line_without_secrets() -> None:
    """It goes into the log as it is, but never a secret that it repeats, and never all of a page."""
    assert message(b"Error: Invalid label name '__invalid__'\n", ()) == "\"Error: Invalid label name '__invalid__'\""
    assert message(b"two\nlines\xff", ()) == "'two\\nlines\N{REPLACEMENT CHARACTER}'"
    assert message(b"user sesame is unknown", ("open", "sesame")) == ""
    assert message(b"", ("open",)) == ""
    assert len(message(b"x" * 100_000, ())) == 302
