"""A data stream is split into its rooms, whatever form it has, in bounded memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.sources.base import digest
from exporter.sources.watchrtc.brackets import BracketFinder
from exporter.sources.watchrtc.documents import Damage, Element, json_end, split
from tests.watchrtc_support import in_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B, C = b'{"room_id":"a"}', b'{"room_id":"b"}', b'{"room_id":"c"}'


def elements(raw: bytes, size: int = 1 << 20) -> list[bytes]:
    """The elements of a document of which nothing is wrong."""
    found = list(split(in_pieces(raw, size)))
    assert all(isinstance(each, Element) for each in found), found
    return [each.raw for each in found if isinstance(each, Element)]


def told(raw: bytes, size: int = 1 << 20, limit: int = 1 << 20) -> list[bytes | str]:
    """Elements as bytes, damages as their reason."""
    found = split(in_pieces(raw, size), limit=limit)
    return [each.raw if isinstance(each, Element) else each.reason for each in found]


FORMS = {
    "array": b"[" + A + b"," + B + b"," + C + b"]",
    "blanks": b"\r\n [ " + A + b" ,\t" + B + b"\n,\n" + C + b"\n]\n",
    "wrapper": b'{"rooms":[' + A + b"," + B + b"," + C + b"]}",
    "wrapper with more": b'{"v":1,"a":{"rooms":2},"s":"]}","rooms" : ['
    + A
    + b","
    + B
    + b","
    + C
    + b'],"n":["]"],"m":{}}',
    "lines": A + b"\n" + B + b"\n" + C + b"\n",
    "lines that end otherwise": A + b"\r\n\r\n" + B + b"\r\n" + C,
    "no separator": A + B + C,
    "record separators": b"\x1e" + A + b"\n\x1e" + B + b"\n\x1e" + C + b"\n",
    "arrays": b"[" + A + b"]\n[]\n[" + B + b"," + C + b"]",
    "wrappers and rooms": b'{"rooms":[' + A + b"]}\n" + B + b'\n{"rooms":[' + C + b"]}",
    "byte order mark": b"\xef\xbb\xbf[" + A + b"," + B + b"," + C + b"]",
    "byte order marks": b"\xef\xbb\xbf" + A + b"\n\xef\xbb\xbf" + B + b"\n\xef\xbb\xbf" + C,
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, size: int) -> None:
    """An array; one object; an object around them; lines; each in pieces of any size, compressed or not."""
    assert elements(FORMS[form], size) == [A, B, C]
    assert elements(gzip.compress(FORMS[form]), size) == [A, B, C]


@pytest.mark.parametrize("raw", [b"[]", b" [ ] ", b'{"rooms":[]}', b"[][]", b'{"rooms":[],"next":null}'])
def test_no_rooms(raw: bytes) -> None:
    """An interval without a meeting is nothing wrong."""
    assert elements(raw) == []


@pytest.mark.parametrize(
    "raw", [A, b'{"rooms":null}', b'{"rooms":{"a":1}}', b'{"a":{"rooms":[1]},"b":1}', b'{"a":"\\"rooms\\":["}']
)
def test_an_object_without_an_array_of_rooms_is_one_room(raw: bytes) -> None:
    """Whether it is a good one is not for the splitter to say."""
    assert elements(raw) == elements(raw, 1) == [raw]


@pytest.mark.parametrize("raw", [b"null", b"12", b"-1.5e3", b'"a,b]["', b"true", b"[[1,2],[]]"])
def test_values_that_are_no_rooms_are_handed_out(raw: bytes) -> None:
    """Alone, and among rooms."""
    inner = raw[1:-1].split(b",", 2) if raw.startswith(b"[") else [raw]
    assert b",".join(elements(raw, 1)) == b",".join(inner) if not raw.startswith(b"[") else True
    assert elements(b"[" + A + b"," + raw + b"," + B + b"]", 1) == [A, raw, B]


def test_places() -> None:
    """The number of the element, and its first byte in the text."""
    found = list(split([b" [" + A + b",", b"\n" + B + b"]"]))
    assert [each.place for each in found] == ["element 1 at byte 2", "element 2 at byte 19"]


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":1 "b":2}',
        b'{"a":[1,2}',
        b'{"a":{"b":1]}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b'{"a":"tab\t"}',
        b'{"a":1} x',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1}}',
        b'{"a":01,}',
        b'{"a":"x" /* "quoted" */}',
        b'{"a":"\\x{"}',
        b"undefined",
        b"-",
        b"tru",
        b'{"a":[{"b":1},{"b":2}}',
        b'{"a":"no end, "b":"x"}',
        b'{"a":{"b":1',
        b'{"a":{"b":1}',
        b'{"a":"unterminated}',
        b'{"a":[1,2]',
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_bad_element_costs_only_itself(bad: bytes, size: int) -> None:
    """In an array on one line, on lines of their own, and in an object around them."""
    for raw in (
        b"[" + A + b"," + bad + b"," + B + b"," + C + b"]",
        b"[\n" + A + b",\n" + bad + b",\n" + B + b",\n" + C + b"\n]",
        A + b"\n" + bad + b"\n" + B + b"\n" + C,
        b'{"rooms":[' + A + b"," + bad + b"," + B + b"," + C + b"]}",
    ):
        found = told(raw, size)
        good = [each for each in found if each in {A, B, C}]
        lost_end = bad in {b'{"a":"unterminated}', b'{"a":[1,2]'} and b"\n" not in raw
        assert good[:1] == [A]
        assert good == [A, B, C] or lost_end
        assert len(found) > len(good)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ["malformed"]),
        (b" \n", ["malformed"]),
        (b"[" + A, [A, "malformed"]),
        (b"[" + A + b",", [A, "malformed"]),
        (b"[" + A + b',{"room', [A, "malformed"]),
        (b"[" + A + b",tr", [A, "malformed"]),
        (A + b'\n{"room_id', [A, "malformed"]),
        (b'{"rooms":[' + A, [A, "malformed"]),
        (b'{"rooms":[' + A + b"]", [A, "malformed"]),
        (b'{"rooms":[' + A + b'],"a":"', [A, "malformed"]),
        (b'{"rooms":', ["malformed"]),
        (b"[" + A + b",]", [A, "malformed"]),
        (b"[," + A + b"]", [A, "malformed"]),
        (b"[" + A + B + b"]", [A, B, "malformed"]),
        (b"[" + A + b",," + B + b"]", [A, B, "malformed"]),
        (A + b"," + B, [A, B, "malformed"]),
        (b"[" + A + b"}," + B + b"]", [A, B, "malformed"]),
        (b'{"rooms":[' + A + b"}" + B, [A, B, "malformed"]),
        (b"[" + A + b"]]" + B, [A, B, "malformed"]),
        (b"[" + A + b"]\0\0", [A, b"\0\0"]),
        (b"[" + A + b',{"a":{"b":1]\n[' + B + b"]", [A, b'{"a":{"b":1', B]),
        (b"<html>\n<p>[1]\n</html>\n[" + A + b"]", [b"<html>\n<p>[1]\n</html>", A]),
        (b"Internal Server Error\n", [b"Internal Server Error\n"]),
        (b'\n"room_id": "r",\n"stats": {', [b'"room_id": "r",\n"stats": {']),
    ],
)
def test_damaged_documents(raw: bytes, expected: list[bytes | str], size: int) -> None:
    """What is whole is kept, and what is wrong is told once."""
    assert told(raw, size) == expected


def test_a_damage_is_told_with_its_place() -> None:
    """Of several faults between elements, the first; of a cut-off element, where it begins."""
    *_, damage = split([b"[" + A + B + b",,", C + b",]"])
    assert isinstance(damage, Damage)
    assert (damage.place, damage.problem) == ("byte 16", "expected one comma before this")
    *_, damage = split([b"[" + A + b"," + B[:-1]])
    assert isinstance(damage, Damage)
    assert (damage.place, damage.problem) == ("element 2 at byte 17", "cut off, or no JSON; expected a room")
    assert damage.digest == digest(B[:-1])


def test_the_digest_of_a_damage_depends_on_the_text_alone() -> None:
    """Not on its pieces, nor on how it was compressed; and another text has another digest."""

    def damage_of(raw: bytes, size: int) -> bytes:
        *_, damage = split(in_pieces(raw, size))
        assert isinstance(damage, Damage)
        return damage.digest

    raw = b"[" + A + B + b"]"
    assert damage_of(raw, 1) == damage_of(raw, 100) == damage_of(gzip.compress(raw, 1), 7)
    assert damage_of(raw, 1) != damage_of(b"[" + A + C + b"]", 1)
    assert damage_of(raw.decode().encode("utf-16"), 5) == damage_of(raw.decode().encode("utf-16"), 50)
    assert damage_of(A.decode().encode("utf-16"), 5) != damage_of(B.decode().encode("utf-16"), 5)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_refused_at_once(encoding: str) -> None:
    """One damage, not one for each piece of rubbish."""
    (damage,) = split(in_pieces((b"[" + A + b"]").decode().encode(encoding), 10))
    assert isinstance(damage, Damage)
    assert damage.reason == "malformed"
    assert "expected UTF-8" in damage.problem


# --- gzip ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 10, 10_000])
def test_gzip_members_are_joined(size: int) -> None:
    """As appending to a compressed file makes them; zeros between and after them are padding."""
    members = gzip.compress(b"[" + A + b",") + gzip.compress(b"") + b"\0\0" + gzip.compress(B + b"]") + b"\0" * 600
    assert elements(members, size) == [A, B]


@pytest.mark.parametrize("size", [1, 10_000])
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda raw: raw[:-8], "cut off"),
        (lambda raw: raw[:-3], "cut off"),
        (lambda raw: raw[:-8] + b"\0" * 8, "broken"),
        (lambda raw: raw + b"PK", "other bytes"),
        (lambda raw: raw + b"\x1f\x8c", "broken"),
    ],
)
def test_broken_gzip_keeps_what_came_before(spoil: Any, problem: str, size: int) -> None:  # noqa: ANN401 - a lambda
    """Even what zlib throws away with the piece in which it finds the fault."""
    *found, damage = split(in_pieces(spoil(gzip.compress(b"[" + A + b"," + B + b"]")), size))
    assert [each.raw for each in found if isinstance(each, Element)] == [A, B]
    assert isinstance(damage, Damage)
    assert damage.reason == "malformed"
    assert problem in damage.problem


def test_gzip_that_is_cut_within_a_room_is_told_once() -> None:
    """The room's rejection says why."""
    *_, damage = found = list(split([gzip.compress(b"[" + A + b',{"room_id":"' + bytes(range(48, 90)) * 50)[:-30]]))
    assert len(found) == 2
    assert isinstance(damage, Damage)
    assert "gzip stream is cut off" in damage.problem
    assert damage.place == "element 2 at byte 17"


def test_gzip_is_told_by_its_first_bytes_only() -> None:
    """Not by a name, and not within."""
    assert elements(b'["\x1f\x8b"]') == [b'"\x1f\x8b"']


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 100, 1000])
@pytest.mark.parametrize(
    "large",
    [
        b'{"a":"' + b"x" * 200 + b'"}',
        b'{"a":[' + b'{"b":"]}"},' * 50 + b"1]}",
        b'{"a":[' + b'{"b":NaN},' * 50 + b"1]}",
        b"[" + b"[" * 150 + b"]" * 150 + b"]",
        b'"' + b"x" * 200 + b'"',
        b"9" * 200,
        b'{"a":' + b" " * 200 + b"1}",
    ],
)
def test_an_element_that_is_too_large_costs_only_itself(large: bytes, size: int) -> None:
    """Its neighbours are kept, wherever the pieces are cut."""
    assert told(b"[" + A + b"," + large + b"," + B + b"]", size, limit=100) == [A, "too_large", B]
    assert told(A + b"\n" + large + b"\n" + B, size, limit=100) == [A, "too_large", B]
    assert told(b"[" + large, size, limit=100) == ["too_large", "malformed"]


@pytest.mark.no_cover
@pytest.mark.parametrize("inner", [b"x", b"]", b"{", b'\\"', b"\\\\", b" "])
@pytest.mark.parametrize("size", [7, 100_000])
def test_brackets_in_a_long_string_are_no_brackets(inner: bytes, size: int) -> None:
    """Even where the string is longer than what is kept of an element."""
    large = b'{"a":"' + inner * (3_000_000 // len(inner)) + b'"}'
    assert told(b"[" + A + b"," + large + b"," + B + b"]", size * 7, limit=100) == [A, "too_large", B]


@pytest.mark.parametrize("blank", [b" ", b"\n", b"9"])
def test_a_long_gap_is_not_kept(blank: bytes) -> None:
    """Blanks between tokens, or a number without end."""
    large = b'{"a":' + blank * 3_000_000 + b"1}"
    assert told(b"[" + A + b"," + large + b"," + B + b"]", 100_000, limit=100) == [A, "too_large", B]


def test_a_room_as_large_as_allowed_is_kept() -> None:
    """The limit is the most, not the first that is too much."""
    assert told(b"[" + A + b"]", limit=len(A)) == [A]
    assert told(b"[" + A + b"]", limit=len(A) - 1) == ["too_large"]


def peak_of(pieces: Iterator[bytes], **options: int) -> tuple[int, list[Element | Damage]]:
    """The most bytes in memory while a document is split, and its last three elements."""
    last: list[Element | Damage] = []
    tracemalloc.start()
    try:
        for found in split(pieces, **options):
            last = [*last[-2:], found]
        return tracemalloc.get_traced_memory()[1], last
    finally:
        tracemalloc.stop()


def long_array(count: int, room: bytes) -> Iterator[bytes]:
    """An array of a room, again and again, in pieces of a thousand."""
    yield b"["
    for _ in range(count // 1000):
        yield (room + b",") * 1000
    yield room + b"]"


@pytest.mark.no_cover
@pytest.mark.parametrize("head", [b"", b'{"version":1,"rooms":'])
def test_memory_does_not_grow_with_the_document(head: bytes) -> None:
    """64 MB of rooms of 4 kB, in an array and in an object around one."""
    room = json.dumps({"room_id": "a", "peers": [{"peer_id": "p" * 50, "duration": n} for n in range(45)]}).encode()
    count = 64_000_000 // len(room) // 1000 * 1000

    def pieces() -> Iterator[bytes]:
        yield head
        yield from long_array(count, room)
        yield b"}" if head else b""

    peak, last = peak_of(pieces())
    assert peak < 24_000_000
    assert isinstance(last[-1], Element)
    assert last[-1].number == count + 1


@pytest.mark.parametrize("filler", [b" ", b"x", b"[", b"\\"])
def test_memory_does_not_grow_with_rubbish(filler: bytes) -> None:
    """8 MB of the same in one element, of which at most 64 kB may be kept, and the brackets that are open."""
    pieces = iter([b"[" + A + b",", *[filler * 8192] * 1024])
    peak, _ = peak_of(pieces, limit=1 << 16)
    assert peak < 2_500_000


@pytest.mark.no_cover
@pytest.mark.parametrize("filler", [b" ", b"x", b"["])
def test_a_gzip_bomb_is_inflated_in_pieces(filler: bytes) -> None:
    """32 MB out of 32 kB."""
    bomb = gzip.compress(b"[" + A + b',["' + filler * 32_000_000 + b'"],' + B + b"]")
    peak, last = peak_of(iter([bomb]), limit=1 << 20)
    assert peak < 16_000_000
    assert [each.raw if isinstance(each, Element) else each.reason for each in last] == [A, "too_large", B]


def test_thousands_of_tiny_gzip_members() -> None:
    """In one piece: what zlib does not take yet must not be copied whole for each of them."""
    member = zlib.compressobj(wbits=31).flush()
    assert elements(gzip.compress(b"[") + member * 50_000 + gzip.compress(A + b"]")) == [A]


# --- the ends of values ----------------------------------------------------------------------------------------------


def test_the_end_of_a_value_is_told_by_msgspec() -> None:
    """The text of its complaint is relied on; should it change, this fails first."""
    assert json_end(b'  {"a":[1,"}"]} , 2', 2, final=False) == 15
    assert json_end(b"[1]", 0, final=False) == 3
    assert json_end(b"[1] ", 0, final=False) == 3
    assert json_end(b'"a"x', 0, final=True) == 3
    assert json_end(b"12,", 0, final=False) == 2
    assert json_end(b"12", 0, final=False) == "partial"
    assert json_end(b"12", 0, final=True) == 2
    assert json_end(b"[12", 0, final=False) == "partial"
    assert json_end(b"[1.", 0, final=False) == "partial"
    assert json_end(b"[-", 0, final=False) == "partial"
    assert json_end(b"[12", 0, final=True) == "broken"
    assert json_end(b"[1 2" + b" " * 20, 0, final=False) == "broken"
    assert json_end(b"[" * 100_000, 0, final=False) == "broken"


def test_brackets_deeper_than_anything_end_at_a_line() -> None:
    """Past a million they are followed no further, so that memory and time are bounded."""
    finder = BracketFinder(in_array=True, lines=True)
    deep = b"[" * (1 << 20)
    assert finder.end(deep, 0, final=False) is None
    text = deep + b"]" * 100 + b'\n{"'
    assert finder.end(text[:-2], 0, final=False) is None
    assert finder.end(text, 0, final=True) == len(text) - 3


@pytest.mark.parametrize("size", [1, 1000])
def test_a_brace_at_the_beginning_of_a_line_is_a_room_only_with_a_key(size: int) -> None:
    """JSON that is indented by nothing has braces there too."""
    damaged = b'{\n"a": NaN,\n"b": [\n{\n"c": 1\n},\n{          \n"c": 2\n}\n]\n}'
    assert told(b"[\n" + damaged + b",\n" + A + b"\n]", size) == [damaged, A]
    assert told(damaged + b"\n" + A, size) == [damaged, A]


# --- properties ------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(['"', "\\", "}", "]", "{", ",", '"rooms":[', "\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
ROOMS = st.lists(st.dictionaries(TEXT.filter(lambda key: key != "rooms"), VALUES, max_size=4), max_size=5)


def joined(raws: list[str], form: str) -> str:
    """A document of some form."""
    if form == "array":
        return f"[{','.join(raws)}]"
    if form == "wrapper":
        return f'{{"a": {{"rooms": [1]}}, "rooms": [{" , ".join(raws)}], "b": [{{}}, "]"]}}'
    return {"lines": "\n", "blanks": " "}[form].join(raws) or "[]"


@given(
    rooms=ROOMS,
    form=st.sampled_from(["array", "wrapper", "lines", "blanks"]),
    style=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    compressed=st.booleans(),
    size=st.integers(1, 40),
)
def test_splitting_is_reading(
    *, rooms: list[Any], form: str, style: int | None, ascii_only: bool, compressed: bool, size: int
) -> None:
    """Any rooms, in any form, layout and pieces, come out as the JSON reader of Python reads them."""
    texts = [json.dumps(room, indent=style, ensure_ascii=ascii_only) for room in rooms]
    raw = joined(texts, form).encode(errors="surrogatepass")
    found = elements(gzip.compress(raw) if compressed else raw, size)
    expected = [json.loads(text) for text in texts]
    assert repr([json.loads(each.decode(errors="surrogatepass")) for each in found]) == repr(expected)


@given(
    count=st.integers(0, 3),
    keys=st.dictionaries(TEXT, VALUES, min_size=1, max_size=3),
    place=st.integers(0, 10_000),
    edit=st.sampled_from(["cut", *'{}[]",:\\x1 \n']),
    form=st.sampled_from(["lines", "array"]),
    size=st.integers(1, 1000),
)
def test_one_wrong_byte_costs_one_line(
    *, count: int, keys: dict[str, Any], place: int, edit: str, form: str, size: int
) -> None:
    """A byte too many or too few in one of several rooms, each on its line, never costs another room."""
    room = json.dumps({"room_id": "bad", **keys}).encode()
    place %= len(room)
    # That makes a good array of the rooms that follow, which is one element among the rooms, and no room.
    assume((form, edit, place) != ("array", "[", 0))
    bad = room[:place] + (b"" if edit == "cut" else edit.encode()) + room[place + (edit == "cut") :]
    before, after = [A] * count, [B, C]
    lines = [*before, bad, *after]
    raw = b"\n".join(lines) if form == "lines" else b"[\n" + b",\n".join(lines) + b"\n]"
    found = [each for each in told(raw, size) if each in {A, B, C}]
    assert found == [*before, *after]


@given(raw=st.binary() | st.text('[]{}",:\\ \n1a', max_size=60).map(str.encode), size=st.integers(1, 20))
def test_any_bytes_are_split_alike_in_any_pieces(raw: bytes, size: int) -> None:
    """Nothing raises, nothing hangs, and what is told does not depend on how the bytes arrive."""
    assert list(split(in_pieces(raw, size))) == list(split([raw]))
