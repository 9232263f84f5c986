"""Plain values to frozen settings: every mistake with its place, and nothing said twice."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from exporter.config_place import Place, show
from exporter.config_schema import Mistake, convert, follows_from, one_of, unknown_keys
from exporter.config_yaml import LeftOut
from exporter.values import Duration, Secret, Url


class Inner(Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A part with a key that must be there, and one that has another name in the file."""

    id: str
    kind: Literal["a", "b"] = "a"


class Outer(Struct, frozen=True, kw_only=True):
    """Every shape that settings have."""

    text: str = "default"
    number: int = 1
    ratio: float = 0.5
    flag: bool = False
    few: Annotated[int, Meta(ge=1, le=9)] = 1
    word: Annotated[str, Meta(min_length=2, pattern="^[a-z]+$")] = "ab"
    maybe: int | None = None
    either: int | str = 0
    wait: Duration = Duration(1)
    waits: list[Duration] = []
    secret: Secret | None = None
    url: Url | None = None
    inner: Inner = Inner(id="default")
    perhaps: Inner | None = None
    parts: tuple[Inner, ...] = ()
    pair: tuple[int, int] = (1, 2)
    short: Annotated[tuple[int, ...], Meta(min_length=1, max_length=2)] = (1,)
    free: dict[str, int] = {}
    by_name: dict[str, Inner] = {}
    anything: Any = None
    bare: dict = {}  # type: ignore[type-arg]


def mistakes(data: object) -> list[str]:
    """All mistakes of `data` as an `Outer`, written as the user sees them."""
    return [f"{show(each.place)}: {each.message}" for each in convert(data, Outer, ())[1]]


class TestRight:
    """Values that are right."""

    def test_all(self) -> None:
        """Each becomes what its type says; the rest keeps its default."""
        data = {
            "text": "x",
            "ratio": 2,
            "flag": True,
            "maybe": 7,
            "either": "seven",
            "wait": "5m",
            "waits": ["1s", "2s"],
            "secret": "s",
            "url": "http://host",
            "inner": {"id": "i", "type": "b"},
            "parts": [{"id": "p"}],
            "pair": [3, 4],
            "free": {"k": 1},
            "by_name": {"n": {"id": "m"}},
            "anything": {"x": [1]},
        }
        value, found = convert(data, Outer, ())
        assert found == []
        assert value == Outer(
            text="x",
            ratio=2.0,
            flag=True,
            maybe=7,
            either="seven",
            wait=Duration(300),
            waits=[Duration(1), Duration(2)],
            secret=Secret("s"),
            url=Url("http://host"),
            inner=Inner(id="i", kind="b"),
            parts=(Inner(id="p"),),
            pair=(3, 4),
            free={"k": 1},
            by_name={"n": Inner(id="m")},
            anything={"x": [1]},
        )

    def test_nothing_means_the_default(self) -> None:
        """A part or list whose content is commented out is null to YAML."""
        data = {"inner": None, "parts": None, "free": None, "waits": None, "maybe": None, "perhaps": None}
        assert convert(data, Outer, ()) == (Outer(), [])


class TestWrong:
    """Values that are wrong."""

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ([], ": expected a mapping, got a list"),
            (None, ": expected a mapping, got nothing"),
            ({"text": 5}, "text: expected text, got a whole number; quote what is text"),
            ({"text": True}, "text: expected text, got a boolean; quote what is text"),
            ({"text": None}, "text: expected text, got nothing"),
            ({"text": ["a"]}, "text: expected text, got a list"),
            ({"number": 1.5}, "number: expected a whole number, got a number"),
            ({"number": "1"}, "number: expected a whole number, got text"),
            ({"number": True}, "number: expected a whole number, got a boolean"),
            ({"ratio": "a"}, "ratio: expected a number, got text"),
            ({"flag": "yes"}, "flag: expected `true` or `false`, got text"),
            ({"flag": 1}, "flag: expected `true` or `false`, got a whole number"),
            ({"few": 0}, "few: expected a whole number >= 1, got 0"),
            ({"few": 10}, "few: expected a whole number <= 9, got 10"),
            ({"word": "a"}, "word: expected text of length >= 2"),
            ({"word": "AB"}, "word: expected text matching regex '^[a-z]+$'"),
            ({"maybe": "x"}, "maybe: expected a whole number, got text"),
            ({"either": 1.5}, "either: expected a whole number or text, got a number"),
            ({"wait": "soon"}, "wait: expected a duration such as `30s`, `5m` or `1h30m`, got 'soon'"),
            ({"wait": 5}, "wait: expected a duration such as `30s`, `5m` or `1h30m`, got 5"),
            ({"wait": None}, "wait: expected a duration such as `30s`, `5m` or `1h30m`, got nothing"),
            ({"waits": ["1s", "x"]}, "waits[1]: expected a duration such as `30s`, `5m` or `1h30m`, got 'x'"),
            ({"waits": "1s"}, "waits: expected a list, got text"),
            ({"secret": 5}, "secret: expected text, got a whole number; quote what is text"),
            ({"url": "host"}, "url: expected a URL such as `https://host/path`, got other text"),
            ({"inner": {}}, "inner.id: missing; expected text"),
            ({"inner": "x"}, "inner: expected a mapping, got text"),
            ({"inner": {"id": "x", "type": "c"}}, "inner.type: expected one of `a`, `b`, got 'c'"),
            ({"inner": {"id": "x", "type": 1}}, "inner.type: expected one of `a`, `b`, got a whole number"),
            ({"inner": {"id": "x", "kind": "a"}}, "inner.kind: unknown key; expected one of `id`, `type`"),
            ({"parts": [{"id": "x"}, {}]}, "parts[1].id: missing; expected text"),
            ({"parts": [None]}, "parts[0]: expected a mapping, got nothing"),
            ({"parts": {"id": "x"}}, "parts: expected a list, got a mapping"),
            ({"pair": [1, "x"]}, "pair[1]: expected a whole number, got text"),
            ({"pair": [1]}, "pair: expected a list of length 2, got 1"),
            ({"short": []}, "short: expected a list of length >= 1"),
            ({"short": [1, 2, 3]}, "short: expected a list of length <= 2"),
            ({"free": {"k": "x"}}, "free.k: expected a whole number, got text"),
            ({"by_name": {"n m": {}}}, 'by_name["n m"].id: missing; expected text'),
            ({"bare": 5}, "bare: expected a mapping, got a whole number"),
        ],
    )
    def test_message(self, data: object, expected: str) -> None:
        """The message names the place, what is expected there and what was found, in the words of YAML."""
        assert mistakes(data) == [expected]

    def test_all_at_once(self) -> None:
        """One mistake hides no other, whatever it stands in, and what is right is kept."""
        data = {
            "text": "kept",
            "number": "x",
            "inner": {"typ": "a"},
            "parts": [{"id": 1}, {"id": "x", "type": 5, "more": 1}],
            "free": {"a": "x", "b": 2},
            "zzz": 1,
        }
        value, found = convert(data, Outer, ("root", 0))
        assert value == Outer(text="kept", free={"b": 2})
        assert sorted(show(each.place) for each in found) == [
            "root[0].free.a",
            "root[0].inner.id",
            "root[0].inner.typ",
            "root[0].number",
            "root[0].parts[0].id",
            "root[0].parts[1].more",
            "root[0].parts[1].type",
            "root[0].zzz",
        ]

    def test_a_key_that_must_be_there(self) -> None:
        """Without it there is no value, and what else is wrong is said all the same."""
        value, found = convert({"type": "c"}, Inner, ())
        assert value is None
        assert sorted(show(each.place) for each in found) == ["id", "type"]

    def test_a_misspelt_key_that_must_be_there(self) -> None:
        """It is not called missing as well."""
        assert mistakes({"inner": {"idd": "x"}}) == [
            "inner.idd: unknown key, perhaps `id` is meant; expected one of `id`, `type`"
        ]

    def test_what_was_left_out_already(self) -> None:
        """Its mistake is noted elsewhere."""
        left_out = LeftOut.LEFT_OUT
        data = {"text": left_out, "inner": left_out, "waits": ["1s", left_out], "free": {"k": left_out}}
        assert convert(data, Outer, ()) == (Outer(), [])
        assert convert({"id": left_out}, Inner, ()) == (None, [])
        assert convert(left_out, Inner, ()) == (None, [])

    def test_long_words_are_cut(self) -> None:
        """What stands where a word belongs may be a page of text."""
        (message,) = mistakes({"inner": {"id": "x", "type": "c" * 5000}})
        assert len(message) < 150

    @settings(deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text() | st.just("1s"),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(Outer.__struct_fields__) | st.text(max_size=3), inner, max_size=4)
            ),
        )
    )
    def test_any_data(self, data: object) -> None:
        """Whatever the data: no exception, and no value without everything that must be there."""
        value, found = convert(data, Outer, ())
        assert value is not None or found


class TestFollowsFrom:
    """Rules that are broken only because a value was left out."""

    @pytest.mark.parametrize(
        ("place", "message", "left_out", "follows"),
        [
            (("a", "x"), "expected more", ("a", "x"), True),
            (("a",), "expected one of `x` and `y`", ("a", "x"), True),
            (("a",), "expected one of `x_file` and `y`", ("a", "x"), False),
            (("a", "most"), "expected more than `lower`", ("a", "lower"), True),
            (("a", "most"), "expected at least 5", ("a", "lower"), False),
            (("a",), "expected some `list`", ("a", "list", 0, "id"), True),
            (("s", 0, "y"), "expected `x`", ("s", 1, "x"), False),
            (("s", "y"), "expected `x`", ("t", "x"), False),
            (("s", 0, "y"), "expected `x`", None, False),
        ],
    )
    def test_examples(self, place: Place, message: str, left_out: Place | None, *, follows: bool) -> None:
        """It is about the value that was left out, or names it, in the same part."""
        mistake = Mistake(("wherever",), "whatever", left_out=left_out)
        assert follows_from(place, message, [mistake]) is follows


def test_unknown_keys() -> None:
    """A key that resembles one that is not there stands for it; another stands for itself."""
    assert unknown_keys({"urll": 1, "namee": 1, "name": 1}, ["url", "name"], ("s", 0)) == [
        Mistake(
            ("s", 0, "urll"),
            "unknown key, perhaps `url` is meant; expected one of `url`, `name`",
            left_out=("s", 0, "url"),
        ),
        Mistake(("s", 0, "namee"), "unknown key; expected one of `url`, `name`"),
    ]


def test_one_of() -> None:
    """Choices are listed as code."""
    assert one_of(["a", "b"]) == "one of `a`, `b`"
