"""YAML with positions: the values of YAML 1.2, the line of each, and limits that no input gets around."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config_place import Place, shorten, show, split_place
from exporter.config_yaml import LOADER, LeftOut, SafeLoader, YamlError, dump, read

LOADERS = pytest.mark.parametrize("loader", [LOADER, yaml.SafeLoader], ids=["fast", "pure"])


def refused(raw: bytes, loader: SafeLoader = LOADER) -> tuple[int, str]:
    """The line and message with which a text is refused."""
    with pytest.raises(YamlError) as caught:
        read(raw, loader)
    return caught.value.line, str(caught.value)


@LOADERS
class TestValues:
    """Plain words mean what YAML 1.2's core schema says."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("", None),
            ("~", None),
            ("null", None),
            ("true", True),
            ("FALSE", False),
            ("no", "no"),
            ("on", "on"),
            ("Yes", "Yes"),
            ("nULL", "nULL"),
            ("12", 12),
            ("-7", -7),
            ("+7", 7),
            ("010", 10),
            ("0o17", 15),
            ("0x1F", 31),
            ("-0x1F", "-0x1F"),
            ("9223372036854775807", 9_223_372_036_854_775_807),
            ("1:30", "1:30"),
            ("1_000", "1_000"),
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("-1.5E-1", -0.15),
            ("1e", "1e"),
            (".", "."),
            ("100ms", "100ms"),
            ("2026-11-21", "2026-11-21"),
            ("=", "="),
            ("'12'", "12"),
            ('"true"', "true"),
            ("!!str 12", "12"),
            ("! 12", "12"),
            ("!!str", ""),
            ("[a, {b: 1}]", ["a", {"b": 1}]),
            ("!!seq [1]", [1]),
            ("!!map {a: 1}", {"a": 1}),
        ],
    )
    def test_reads(self, loader: SafeLoader, text: str, value: object) -> None:
        """A word is a value only where the core schema says so; `==` alone would take 1 for true."""
        data = read(f"key: {text}\n".encode(), loader).data
        assert data == {"key": value}
        assert repr(data) == repr({"key": value})

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("9223372036854775808", "number out of range; expected a whole number of at most 64 bits"),
            ("9" * 5000, "number out of range; expected a whole number of at most 64 bits"),
            ("1e999", "expected a finite number"),
            (".inf", "expected a finite number"),
            ("-.INF", "expected a finite number"),
            (".NaN", "expected a finite number"),
            ('"a\\0b"', "expected text without NUL and without halves of surrogate pairs"),
            ("!!int 5", "the tag '!!int' is not allowed; expected a plain value"),
            ("!!python/name:os.system", "the tag '!!python/name:os.system' is not allowed; expected a plain value"),
            ("!!python/object/apply:os.system [x]", "is not allowed; expected a plain value"),
            ("!!timestamp 2026-11-21", "the tag '!!timestamp' is not allowed; expected a plain value"),
            ("!own {a: 1}", "the tag '!own' is not allowed; expected a plain value"),
        ],
    )
    def test_leaves_out(self, loader: SafeLoader, text: str, message: str) -> None:
        """A value that cannot be is noted and left out; its neighbours stay."""
        document = read(f"a: 1\nkey: {text}\nz: 2\n".encode(), loader)
        (finding,) = document.findings
        assert (finding.line, finding.place) == (2, ("key",))
        assert finding.message.endswith(message)
        assert document.data == {"a": 1, "key": LeftOut.LEFT_OUT, "z": 2}

    def test_byte_order_mark(self, loader: SafeLoader) -> None:
        """Editors on Windows write one; it is no part of the first key."""
        assert read(b"\xef\xbb\xbfa: 1", loader).data == {"a": 1}

    @pytest.mark.parametrize("raw", [b"", b"\n\n", b"# only this\n", b"---"])
    def test_empty(self, loader: SafeLoader, raw: bytes) -> None:
        """A file without a value is null."""
        document = read(raw, loader)
        assert document.data is None
        assert document.line(("sources",)) == 1


def test_half_a_surrogate_pair() -> None:
    """The pure loader lets an escape make one, which could be neither logged nor sent."""
    (finding,) = read(rb'key: "\ud800"', yaml.SafeLoader).findings
    assert finding.message == "expected text without NUL and without halves of surrogate pairs"


@LOADERS
class TestLines:
    """Every value knows its line."""

    def test_each_place(self, loader: SafeLoader) -> None:
        """A mapping's value has its key's line, an element of a list its own."""
        document = read(
            b"# comment\na: 1\nb:\n  - x: 1\n    y:\n      - 2\n  -\n    z: 3\n\nc: {d: 4,\n  e: 5}\n", loader
        )
        assert document.lines == {
            (): 2,
            ("a",): 2,
            ("b",): 3,
            ("b", 0): 4,
            ("b", 0, "x"): 4,
            ("b", 0, "y"): 5,
            ("b", 0, "y", 0): 6,
            ("b", 1): 8,
            ("b", 1, "z"): 8,
            ("c",): 10,
            ("c", "d"): 10,
            ("c", "e"): 11,
        }

    def test_what_is_missing(self, loader: SafeLoader) -> None:
        """It has the line of what it would stand in."""
        document = read(b"\na:\n  - b: 1\n", loader)
        assert document.line(("a", 0, "missing", "deeper")) == 3
        assert document.line(("missing",)) == 2

    def test_aliases(self, loader: SafeLoader) -> None:
        """An alias stands where it is written, what it stands for where that is written."""
        document = read(b"a: &x\n  b: 1\nc: *x\nd:\n  - *x\n", loader)
        assert document.data == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}]}
        assert document.line(("c",)) == 3
        assert document.line(("c", "b")) == 2
        assert document.line(("d", 0)) == 5


@LOADERS
class TestKeys:
    """Keys are text, and stand once."""

    def test_duplicates(self, loader: SafeLoader) -> None:
        """Each repetition is named with the first line, and the first value counts."""
        document = read(b"a: 1\nb:\n  c: 1\n  c: 2\na: 2\n'a': 3\n", loader)
        assert [(each.line, each.place, each.message) for each in document.findings] == [
            (4, ("b", "c"), "duplicate key, first on line 3; expected once"),
            (5, ("a",), "duplicate key, first on line 1; expected once"),
            (6, ("a",), "duplicate key, first on line 1; expected once"),
        ]
        assert document.data == {"a": 1, "b": {"c": 1}}

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("5", "expected text as a key, got a whole number; quote what is text"),
            ("true", "expected text as a key, got a boolean; quote what is text"),
            ("~", "expected text as a key, got nothing; quote what is text"),
            ("? [a, b]\n", "expected text as a key, got a list; quote what is text"),
            ("? {a: b}\n", "expected text as a key, got a mapping; quote what is text"),
            ("!own x", "the tag '!own' is not allowed; expected a plain value"),
            ("<<", "merge keys are no part of YAML 1.2; expected the keys themselves"),
        ],
    )
    def test_no_text(self, loader: SafeLoader, key: str, message: str) -> None:
        """Another key is noted and its value is left out."""
        document = read(f"{key}: {{x: 1}}\na: 1\n".encode(), loader)
        assert [each.message for each in document.findings] == [message]
        assert document.data == {"a": 1}

    def test_quoted_merge_key(self, loader: SafeLoader) -> None:
        """In quotes it is text like any other, and an alias may be a key."""
        assert read(b"'<<': 1\na: &k b\n*k : 2\n", loader).data == {"<<": 1, "a": "b", "b": 2}


@LOADERS
class TestRefuses:
    """Texts that are no configuration at all."""

    @pytest.mark.parametrize(
        ("raw", "line", "message"),
        [
            (
                b"a: 1\nb: 'x\nc: 2\n",
                4,
                "found unexpected end of stream while scanning a quoted scalar that begins on line 2",
            ),
            (b"a: 1\n---\nb: 1\n", 2, "a second document begins here; expected one"),
            (b"a: 1\n...\n---\n", 3, "a second document begins here; expected one"),
            (b"a: *x\n", 1, "an alias without its anchor; expected the anchor above it, and not around it"),
            (b"a: &x [*x]\n", 1, "an alias without its anchor; expected the anchor above it, and not around it"),
            (b"a: 1\nb: \xff\n", 2, "not UTF-8 text; expected YAML in UTF-8"),
            ("a: 1".encode("utf-16"), 1, "not UTF-8 text; expected YAML in UTF-8"),
            (b"a: 1\n\nb: \x01", 3, "not valid YAML: U+0001 is not allowed; expected printable text"),
            (b"#" * 1_048_577, 1, "too large; expected a configuration of at most 1048576 bytes"),
            (b"[" * 2000, 1, "nested too deep; expected at most 40 levels"),
            (b"- " * 2000, 1, "nested too deep; expected at most 40 levels"),
            (b"? " * 2000, 1, "nested too deep; expected at most 40 levels"),
            (b"a: &x " + b"[" * 30 + b"]" * 30 + b"\nb: " + b"[" * 30 + b"*x" + b"]" * 30, 1, "nested too deep"),
        ],
    )
    def test_with_line(self, loader: SafeLoader, raw: bytes, line: int, message: str) -> None:
        """The error has the line and says what was expected."""
        found = refused(raw, loader)
        assert found[0] == line
        assert message in found[1]

    @pytest.mark.parametrize("raw", [b"a: b: c", b"@a", b"a:\n\t- b", b"%YAML 3.0\n---\na: 1", b"a: [1, 2\nb: 3", b"}"])
    def test_syntax(self, loader: SafeLoader, raw: bytes) -> None:
        """What PyYAML refuses is refused in its words."""
        assert refused(raw, loader)[1].startswith("not valid YAML: ")

    def test_many_laughs(self, loader: SafeLoader) -> None:
        """Aliases of aliases are counted as often as they stand, before they take memory."""
        lines = [b"l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [b"l%d: &l%d [%s]" % (n, n, b", ".join([b"*l%d" % (n - 1)] * 10)) for n in range(1, 12)]
        started = time.process_time()
        assert "at most 100000 values, aliases counted" in refused(b"\n".join(lines), loader)[1]
        assert time.process_time() - started < 10


def test_errors_hold_no_text() -> None:
    """PyYAML quotes the text around a mistake, and a secret may stand there."""
    for raw in (b"token: do-not-show-me: x", b"token: 'do-not-show-me", b"token: do-not-show-me\xff"):
        with pytest.raises(YamlError) as caught:
            read(raw, yaml.SafeLoader)
        assert "do-not-show-me" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-?[]{},&*!|>'\"%@`#<~ \n\t01.é")) | st.text())
def test_any_text(text: str) -> None:
    """Whatever the text, there is a document or a YamlError with a line."""
    for loader in (LOADER, yaml.SafeLoader):
        with suppress(YamlError):
            document = read(text.encode("utf-8", "surrogatepass"), loader)
            assert all(finding.line >= 1 for finding in document.findings)


@given(st.binary())
def test_any_bytes(raw: bytes) -> None:
    """The same holds for bytes that are no text."""
    with suppress(YamlError):
        read(raw)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))
    | st.sampled_from(["no", "010", "0o7", "1e5", "0x1f", "1:30", "~", "", "2026-11-21", "<<", "=", ".inf", "5."]),
    lambda children: st.lists(children) | st.dictionaries(st.text(alphabet="abc", min_size=1), children),
    max_leaves=15,
)


@settings(deadline=None)
@given(PLAIN)
def test_dump_is_read_back(data: object) -> None:
    """What `dump` writes reads as it was, text that looks like a number included."""
    document = read(dump({"data": data}).encode())
    assert document.findings == ()
    assert document.data == {"data": data}


class TestPlaces:
    """Places as messages write them."""

    @pytest.mark.parametrize(
        ("place", "text"),
        [
            ((), ""),
            (("sources",), "sources"),
            (("sources", 0, "url"), "sources[0].url"),
            (("a", 1, 2), "a[1][2]"),
            (("headers", "X-Scope-OrgID"), "headers.X-Scope-OrgID"),
            (("labels", "a.b"), 'labels["a.b"]'),
            (("labels", 'a"]\n'), 'labels["a\\"]\\n"]'),
            (("", "é"), '[""]["\\u00e9"]'),
        ],
    )
    def test_round_trip(self, place: Place, text: str) -> None:
        """What `show` writes is one line, and `split_place` reads it."""
        assert show(place) == text
        assert split_place(text) == place

    @given(st.lists(st.text(max_size=60) | st.integers(min_value=0)).map(tuple))
    def test_any_place(self, place: Place) -> None:
        """Whatever the keys are: nothing in them breaks the line or the way back."""
        assert show(place).isprintable()
        assert show(place).isascii()
        assert split_place(show(place)) == place

    def test_long_keys(self) -> None:
        """A key that is far too long is no key of ours, and is cut."""
        assert show(("a" * 100,)) == f'["{"a" * 60}..."]'
        assert shorten("a" * 60) == "a" * 60
