"""Text from strangers becomes text that SQLite, UTF-8 and a page of metrics can hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sources.text import LONGEST_TEXT, encodable, label_text

#: Any characters at all; hypothesis leaves halves of surrogate pairs out unless it is asked for them.
ANYTHING = st.text(st.characters(codec=None, categories=None) | st.characters(categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("café \U0001f680", "café \U0001f680"),
        ("a\0b\n", "a\0b\n"),
        ("a\ud800", "a\ufffd"),
        ("\udc00b", "\ufffdb"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("\ud83d\ude80", "\U0001f680"),
    ],
)
def test_halves_of_surrogate_pairs_are_replaced(text: str, clean: str) -> None:
    """Each by one replacement character; two that make a pair are the character that they mean."""
    assert encodable(text) == clean
    assert label_text(text) == clean


@given(ANYTHING)
def test_every_text_can_be_encoded(text: str) -> None:
    """What is encodable already stays as it is, and so does what was made so."""
    clean = label_text(text)
    assert clean.encode().decode() == clean
    assert label_text(clean) == clean
    try:
        text.encode()
    except UnicodeEncodeError:
        assert "\ufffd" in clean or len(clean) < len(text)
    else:
        assert encodable(text) == text


def test_the_longest_text_stays_whole() -> None:
    """One character more, and it is shortened."""
    assert label_text("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    shortened = label_text("x" * (LONGEST_TEXT + 1))
    assert shortened.startswith("x" * 1000 + "…")
    assert len(shortened) == 1000 + 1 + 16


def test_long_texts_that_begin_alike_stay_distinct() -> None:
    """Two sessions must not become one because their ids are long."""
    texts = {label_text("x" * length) for length in range(LONGEST_TEXT + 1, LONGEST_TEXT + 50)}
    assert len(texts) == 49


@given(st.integers(LONGEST_TEXT - 2, 5000), st.sampled_from(["x", "é", "\U0001f680", "\ud800"]))
def test_no_text_is_longer_than_the_longest(length: int, character: str) -> None:
    """Shortened once, it is shortened no more: a value that is read back is the same value."""
    text = label_text(character * length)
    assert len(text) <= LONGEST_TEXT
    assert label_text(text) == text
