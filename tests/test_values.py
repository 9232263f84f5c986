"""Durations, secrets and URLs as the configuration writes them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.values import Duration, Secret, Url, decode_value, kind_of, mask_url, quote_hint, read_secret

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "do-not-show-me"


class TestDuration:
    """Prometheus' notation."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0", 0.0),
            (0, 0.0),
            ("0s", 0.0),
            ("30s", 30.0),
            ("5m", 300.0),
            ("1h", 3600.0),
            ("1h30m", 5400.0),
            ("1d", 86_400.0),
            ("2w", 1_209_600.0),
            ("1y", 31_536_000.0),
            ("500ms", 0.5),
            ("1m500ms", 60.5),
            ("1y1w1d1h1m1s1ms", 31_536_000 + 604_800 + 86_400 + 3600 + 60 + 1 + 0.001),
            ("292y", 292 * 31_536_000.0),
        ],
    )
    def test_reads(self, text: object, seconds: float) -> None:
        """A duration is its seconds."""
        assert Duration.parse(text) == seconds

    @pytest.mark.parametrize(
        ("raw", "got"),
        [
            ("", "''"),
            ("5", "'5'"),
            ("-5s", "'-5s'"),
            ("1.5h", "'1.5h'"),
            ("5 m", "'5 m'"),
            ("30m1h", "'30m1h'"),
            ("1h1h", "'1h1h'"),
            ("٣s", "'٣s'"),
            ("1s\n", "'1s\\n'"),
            (60, "60"),
            (1.5, "1.5"),
            (False, "a boolean"),
            (None, "nothing"),
            (["1s"], "a list"),
            ("9" * 5000 + "s", "text"),
        ],
    )
    def test_refuses(self, raw: object, got: str) -> None:
        """What is no duration is named, unless it is too long to be shown."""
        with pytest.raises(ValueError, match="Expected a duration") as caught:
            Duration.parse(raw)
        assert str(caught.value) == f"Expected a duration such as `30s`, `5m` or `1h30m`, got {got}"

    def test_refuses_what_prometheus_cannot_hold(self) -> None:
        """More than 64 bits of nanoseconds are a mistake, and no OverflowError later."""
        with pytest.raises(ValueError, match="at most 292 years, got '293y'"):
            Duration.parse("293y")

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0s"),
            (60, "1m"),
            (90, "1m30s"),
            (0.25, "250ms"),
            (86_400, "1d"),
            (172_800, "2d"),
            (50_400, "14h"),
            (604_800, "1w"),
            (691_200, "8d"),
            (31_536_000, "1y"),
            (34_560_000, "400d"),
        ],
    )
    def test_writes(self, seconds: float, text: str) -> None:
        """Weeks and years are written only when nothing is left over."""
        assert str(Duration(seconds)) == text
        assert f"{Duration(seconds)}" == text

    @given(st.integers(min_value=0, max_value=9_223_372_036_854))
    def test_round_trip(self, milliseconds: int) -> None:
        """What is written reads as the same value."""
        duration = Duration(milliseconds / 1000)
        assert Duration.parse(str(duration)) == pytest.approx(duration, abs=0.0005)

    @given(st.text() | st.from_regex(r"[0-9]{1,60}(ms|[smhdwy])", fullmatch=True))
    def test_any_text(self, text: str) -> None:
        """Text is a duration or a ValueError, and nothing else."""
        with suppress(ValueError):
            assert Duration.parse(text) >= 0


class TestSecret:
    """Text that does not show."""

    def test_shows_nowhere(self) -> None:
        """Neither repr nor str nor format give the text away, in a Struct either."""
        secret = Secret(HIDDEN)
        holder = msgspec.defstruct("Holder", [("secret", Secret)])(secret=secret)
        for shown in (repr(secret), str(secret), f"{secret}", f"{secret!s:>20}", repr([secret]), repr(holder)):
            assert HIDDEN not in shown
            assert "<secret>" in shown
        assert secret.reveal() == HIDDEN

    def test_compares_by_text(self) -> None:
        """Two configurations with the same secrets are equal; a secret is not its text."""
        assert Secret("a") == Secret("a")
        assert hash(Secret("a")) == hash(Secret("a"))
        assert Secret("a") != Secret("b")
        assert Secret("a") != "a"


class TestUrl:
    """URLs that hide what may be a secret."""

    @pytest.mark.parametrize(
        "text",
        [
            "http://localhost",
            "https://host:9090/api/v1/write",
            "http://[::1]:9090/",
            f"https://user:{HIDDEN}@host/x?key={HIDDEN}",
        ],
    )
    def test_reads(self, text: str) -> None:
        """An http or https URL with a host is taken as it is."""
        assert Url.parse(text).reveal() == text
        assert HIDDEN not in repr(Url.parse(text))

    @pytest.mark.parametrize(
        ("raw", "got"),
        [
            ("", "empty text"),
            ("host/path", "other text"),
            ("ftp://host", "other text"),
            ("http://", "other text"),
            ("http:///path", "other text"),
            ("http://host:port", "other text"),
            ("http://host:0", "other text"),
            ("http://[::1", "other text"),
            ("http://ho st", "other text"),
            ("http://host/\n", "other text"),
            ("http://host/\u2000", "other text"),
            (f"https://u:{HIDDEN}/@host:x", "other text"),
            (5, "a whole number"),
            (None, "nothing"),
        ],
    )
    def test_refuses(self, raw: object, got: str) -> None:
        """What is no URL is not repeated, as it may hold a password."""
        with pytest.raises(ValueError, match="Expected a URL") as caught:
            Url.parse(raw)
        assert str(caught.value) == f"Expected a URL such as `https://host/path`, got {got}"

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("https://host/a@b", "https://host/a@b"),
            ("https://u:p@host/x", "https://<secret>@host/x"),
            ("https://u:p@w@host/x", "https://<secret>@host/x"),
            ("https://host/x?a=b&c=d#e", "https://host/x?<secret>#e"),
            ("s3://u@bucket?x", "s3://<secret>@bucket?<secret>"),
            ("plain text? yes, a@b", "plain text? yes, a@b"),
        ],
    )
    def test_masks(self, text: str, shown: str) -> None:
        """User, password and query are hidden, the rest stays."""
        assert mask_url(text) == shown

    def test_compares_by_text(self) -> None:
        """Two configurations with the same URLs are equal, although what differs may be hidden."""
        assert Url("http://a@b") == Url("http://a@b")
        assert hash(Url("http://a@b")) == hash(Url("http://a@b"))
        assert Url("http://a@b") != Url("http://c@b")
        assert Url("http://b") != "http://b"


class TestReadSecret:
    """Secrets in files."""

    def test_value(self) -> None:
        """Without a file it is the value, or nothing."""
        assert read_secret(Secret("a"), None) == Secret("a")
        assert read_secret(None, None) is None

    @pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "  s3cret \r\n", "\ufeffs3cret\n"])
    def test_white_space_around(self, tmp_path: Path, content: str) -> None:
        """What editors and echo add is no part of a secret."""
        file = tmp_path / "secret"
        file.write_bytes(content.encode())
        assert read_secret(None, str(file)) == Secret("s3cret")

    def test_rotation(self, tmp_path: Path) -> None:
        """A file that changes is read anew."""
        file = tmp_path / "secret"
        file.write_text("one", encoding="utf-8")
        assert read_secret(None, str(file)) == Secret("one")
        file.write_text("two", encoding="utf-8")
        assert read_secret(None, str(file)) == Secret("two")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "the file is empty"),
            (b" \n", "the file is empty"),
            (HIDDEN.encode() + b"\xff", "the file is not UTF-8 text"),
            (HIDDEN.encode() + b"\nmore", "one line without control characters"),
            (HIDDEN.encode() + b"\x00x", "one line without control characters"),
            (b"x" * 65_537, "larger than 65536 bytes"),
        ],
    )
    def test_refuses(self, tmp_path: Path, content: bytes, message: str) -> None:
        """The error names the file and what is wrong with it, and holds no part of it."""
        file = tmp_path / "secret"
        file.write_bytes(content)
        with pytest.raises(ValueError, match=message) as caught:
            read_secret(None, str(file))
        assert str(caught.value).startswith(f"{file}: expected a secret")
        assert HIDDEN not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is an OSError that names it."""
        with pytest.raises(OSError, match="no-such-file"):
            read_secret(None, os.fspath(tmp_path / "no-such-file"))


class TestDecode:
    """What msgspec calls for the types of this module."""

    def test_types(self) -> None:
        """Each type is read from what YAML gives for it."""
        assert decode_value(Duration, "5m") == Duration(300)
        assert decode_value(Url, "http://a") == Url("http://a")
        assert decode_value(Secret, "a b") == Secret("a b")

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (12345, "Expected text, got a whole number; quote what is text"),
            (1.5, "Expected text, got a number; quote what is text"),
            (None, "Expected text, got nothing"),
            ([HIDDEN], "Expected text, got a list"),
            ("", "Expected text of one line without control characters, got empty text"),
            (f"{HIDDEN}\n", "Expected text of one line without control characters, got other text"),
        ],
    )
    def test_secret_is_not_repeated(self, raw: object, message: str) -> None:
        """What stands in a secret's place may be one, whatever its type."""
        with pytest.raises(ValueError, match="Expected text") as caught:
            decode_value(Secret, raw)
        assert str(caught.value) == message

    def test_unknown_type(self) -> None:
        """A type that nobody taught it is a mistake of ours, said as msgspec wants it."""
        with pytest.raises(NotImplementedError, match="no way to read"):
            decode_value(complex, 1)


def test_words_of_yaml() -> None:
    """Kinds are named as a person who writes YAML knows them."""
    values: tuple[object, ...] = (None, True, 1, 1.5, "a", [], {}, 1j)
    assert [kind_of(value) for value in values] == [
        "nothing",
        "a boolean",
        "a whole number",
        "a number",
        "text",
        "a list",
        "a mapping",
        "complex",
    ]
    assert [bool(quote_hint(value)) for value in values] == [False, True, True, True, False, False, False, False]
