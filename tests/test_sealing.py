"""Notes that only the salt opens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import sealing
from exporter.sealing import BrokenSealError, Seal


@given(st.binary(max_size=3000), st.binary(max_size=50))
def test_what_was_sealed_opens(plain: bytes, about: bytes) -> None:
    """To the same bytes, and not to a reader of the sealed ones: twice the same text is sealed differently."""
    sealed = Seal(b"secret").close(plain, about)
    assert Seal(b"secret").open(sealed, about) == plain
    assert sealed != Seal(b"secret").close(plain, about)
    assert len(plain) < 8 or plain not in sealed


@pytest.mark.parametrize(
    ("secret", "about", "change"),
    [
        (b"another", b"about", lambda sealed: sealed),
        (b"secret", b"else", lambda sealed: sealed),
        (b"secret", b"about", lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (b"secret", b"about", lambda sealed: sealed[:-1]),
        (b"secret", b"about", lambda sealed: sealed[:5]),
        (b"secret", b"about", lambda _: b""),
    ],
    ids=["another secret", "about something else", "a bit changed", "cut off", "too short", "nothing"],
)
def test_anything_else_does_not_open(secret: bytes, about: bytes, change: object) -> None:
    """And says so in one way."""
    assert callable(change)
    sealed = change(Seal(b"secret").close(b"plain", b"about"))
    with pytest.raises(BrokenSealError):
        Seal(secret).open(sealed, about)


def test_the_library_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is there can be told without importing it."""
    assert sealing.is_installed()
    monkeypatch.setattr(sealing, "find_spec", lambda _: None)
    assert not sealing.is_installed()
