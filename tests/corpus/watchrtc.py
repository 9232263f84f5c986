"""Malformed and odd data streams of watchRTC, most of them beside good rooms."""

from __future__ import annotations

import codecs
import copy
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.corpus.case import Case
from tests.corpus.damage import (
    DEPTH,
    HOLE,
    ODD_TEXTS,
    compress,
    deeply_nested,
    dump,
    misspelt,
    not_documents,
    seeded,
    spoilt,
    with_literal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.case import Outcome

Room: TypeAlias = dict[str, Any]

_HUGE = 16 * 2**20
_MANY = 20_000
_MANY_PEERS = 3_000
_TRUNCATIONS = 8


def _stats() -> Room:
    return {
        "mos": 4.1,
        "score": 8.2,
        "call_setup_time": 320,
        "audio": {
            "send": {"mos": 4.1, "score": 8.2, "bitrate": 31, "packet_loss": 0.4, "jitter": 6, "rtt": 88},
            "recv": {"mos": 4.0, "score": 8.0, "bitrate": 29, "packet_loss": 0.2, "jitter": 8},
            "bitrate": 30,
            "packet_loss": 0.3,
            "jitter": 7,
        },
        "video": {
            "send": {"mos": 4.1, "bitrate": 1500, "packet_loss": 0.6, "jitter": 12, "rtt": 90},
            "recv": {"mos": 4.1, "bitrate": 1400, "packet_loss": 0.4, "jitter": 14},
            "bitrate": 1450,
            "packet_loss": 0.5,
            "jitter": 13,
        },
    }


def good_room(room_id: str) -> Room:
    """A room without fault, of one peer."""
    return {
        "room_url": f"https://app.testrtc.com/app/watchrtc-room/{room_id}-opaque",
        "room_id": room_id,
        "start_time": "2022-09-04T00:09:22.885Z",
        "end_time": "2022-09-04T00:17:06.149Z",
        "duration": 463,
        "users": 1,
        "stats": _stats(),
        "peers": [
            {
                "peer_id": "peer",
                "os": "Linux",
                "os_version": "64-bit",
                "browser": "Chrome",
                "browser_version": "102.0.5005.61",
                "location": {"city": "Frankfurt am Main", "country": "Germany", "organization": "Google"},
                "sdk_version": "1.34.1-beta.1",
                "start_time": "2022-09-04T00:10:00.547Z",
                "duration": 392,
                "keys": {"tenant": "acme"},
                "features": {"connection_type": "TURN", "media_transport": "udp"},
                "stats": _stats(),
                "audio_device": "Fake Default Audio Input",
                "video_device": "/video/camera.y4m",
            }
        ],
    }


def _good(number: int) -> bytes:
    return dump(good_room(f"good-{number}"))


def _set(path: str, value: object) -> Room:
    """A room named `odd` with another value at a path such as `stats.audio.send`."""
    room = copy.deepcopy(good_room("odd"))
    place: Any = room
    *way, last = path.split(".")
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    return room


def _without(*keys: str) -> Room:
    return {key: value for key, value in good_room("odd").items() if key not in keys}


def _case(
    name: str,
    raw: bytes,
    outcome: Outcome,
    neighbours: int = 0,
    *,
    reason: str | None = None,
    samples: dict[str, int] | None = None,
) -> Case:
    return Case(
        name=name,
        vendor="watchrtc",
        raw=raw,
        outcome=outcome,
        reason=reason,
        samples=samples,
        good_neighbours=neighbours,
    )


def _between(name: str, odd: bytes, outcome: Outcome, **options: Any) -> Case:  # noqa: ANN401 - those of _case
    """A file in which the odd room stands between two good ones."""
    return _case(name, b"[" + _good(0) + b",\n" + odd + b",\n" + _good(1) + b"]", outcome, 2, **options)


def watchrtc_cases() -> tuple[Case, ...]:
    """All of them; their names are unique."""
    return (
        *_of_forms(),
        *_of_bytes(),
        *_of_cuts(),
        *_of_lines(),
        *_of_identity(),
        *_of_structure(),
        *_of_numbers(),
        *_of_ranges(),
        *_of_attributes(),
        *_of_text(),
        *_of_size(),
    )


def _of_forms() -> Iterator[Case]:
    """What must be read, so that what is refused is not refused for its form."""
    rooms = [_good(number) for number in range(3)]
    array, lines = b"[" + b",".join(rooms) + b"]", b"\n".join(rooms) + b"\n"
    pretty = json.dumps([json.loads(room) for room in rooms], indent=2).encode()
    forms = {
        "array": array,
        "pretty-array": pretty,
        "array-with-carriage-returns": pretty.replace(b"\n", b"\r\n"),
        "wrapper": b'{"rooms":' + array + b"}",
        "wrapper-with-more-keys": b'{"version":1,"rooms":' + array + b',"next":null}',
        "lines": lines,
        "lines-without-last-end": lines.rstrip(),
        "lines-with-carriage-returns": lines.replace(b"\n", b"\r\n"),
        "lines-with-blank-ones": lines.replace(b"\n", b"\n\n \n"),
        "byte-order-mark": codecs.BOM_UTF8 + array,
        "byte-order-mark-and-lines": codecs.BOM_UTF8 + lines,
        "gzip": compress(array),
        "gzip-of-lines": compress(lines),
        "gzip-with-byte-order-mark": compress(codecs.BOM_UTF8 + array),
        "gzip-in-two-members": compress(array[:500]) + compress(array[500:]),
        "blanks-around": b"\r\n\t " + array + b" \n\n",
        "each-room-twice": b"[" + b",".join([*rooms, *rooms]) + b"]",
    }
    for name, raw in forms.items():
        yield _case(f"form-{name}", raw, "accepted", 3, samples={})
    yield _case("form-one-room", rooms[0], "accepted", 1, samples={})
    yield _case("form-empty-array", b"[]", "accepted", samples={})
    yield _case("form-empty-array-with-blanks", b" [ \n ] ", "accepted", samples={})
    yield _case("form-empty-wrapper", b'{"rooms":[]}', "accepted", samples={})
    for name, raw in {
        "two-arrays": array + b"\n" + array,
        "lines-of-arrays": b"[" + rooms[0] + b"]\n[" + rooms[1] + b"]\n",
        "lines-with-commas": b",\n".join(rooms),
        "rooms-without-separator": b"".join(rooms),
        "gzip-twice": compress(compress(array)),
        "gzip-with-zeros-behind": compress(array) + b"\0" * 64,
        "wrapper-of-null": b'{"rooms":null}',
    }.items():
        yield _case(f"form-{name}", raw, "either")


def _of_bytes() -> Iterator[Case]:
    for name, raw in not_documents().items():
        yield _case(name, raw, "rejected", reason="malformed")
    for name, raw in spoilt(b"[" + _good(0) + b"," + _good(1) + b"]").items():
        yield _case(name, raw, "rejected", reason="malformed")
    for name, raw in deeply_nested().items():
        yield _case(name, raw, "rejected")
    # Brackets and quotes pair up, so it is plain where the bad room ends.
    for name, raw in misspelt(good_room("odd")).items():
        yield _between(f"between-{name}", raw, "rejected", reason="malformed")
        yield _case(f"alone-{name}", raw, "rejected", reason="malformed")
    array = b"[" + _good(0) + b"," + _good(1)
    for name, behind in {
        "trailing-comma-of-file": b",]",
        "two-brackets-at-the-end": b"]]",
        "brace-for-bracket": b"}",
        "garbage-behind": b"]\n<!-- cached -->",
        "nul-bytes-behind": b"]" + b"\0" * 16,
        "unpaired-quote-in-the-last-room": b',{"room_id":"odd,"room_url":"x"}]',
        "unpaired-brace-in-the-last-room": b',{"room_id":"odd","stats":{"mos":4]',
    }.items():
        yield _case(name, array + behind, "rejected", 2, reason="malformed")
    published = (
        b'[\n  {\n    "room_id": "roomid",\n    "duration": 463, // in seconds\n    "stats": {\n      "mos": 4.35'
    )
    yield _case("as-published", published, "rejected", reason="malformed")


def _of_cuts() -> Iterator[Case]:
    """Files that end too early: the rooms before the cut are whole."""
    rooms = [_good(number) for number in range(3)]
    for form, head, joint in (("array", b"[", b","), ("pretty", b"[\n  ", b",\n  "), ("lines", b"", b"\n")):
        ends = [len(head + joint.join(rooms[:count])) for count in (1, 2, 3)]
        whole = head + joint.join(rooms)
        chance = seeded(f"cut {form}")
        # Inside of a room, since lines may end behind one.
        places = {
            chance.randrange(end - len(room) + 1, end) for end, room in zip(ends, rooms, strict=True) for _ in "ab"
        }
        while len(places) < _TRUNCATIONS:
            places.add(chance.randrange(ends[1] + len(joint) + 1, ends[2]))
        for place in sorted(places):
            complete = sum(end <= place for end in ends)
            yield _case(f"cut-{form}-at-{place}", whole[:place], "rejected", complete, reason="malformed")
    array = b"[" + b",".join(rooms) + b"]"
    yield _case("cut-array-before-its-bracket", array[:-1], "rejected", 3, reason="malformed")
    yield _case("cut-array-behind-a-comma", b"[" + rooms[0] + b",", "rejected", 1, reason="malformed")
    yield _case("cut-wrapper", b'{"rooms":' + array[:-30], "rejected", reason="malformed")
    yield _case("cut-wrapper-before-its-brace", b'{"rooms":' + array, "rejected", reason="malformed")
    yield _case("cut-one-room", rooms[0][:-1], "rejected", reason="malformed")
    yield _case("cut-of-the-beginning", array[30:], "rejected")


def _of_lines() -> Iterator[Case]:
    """Newline-delimited rooms: a bad line is a bad room."""
    bad = {
        "cut": (_good(7)[:100], "malformed"),
        "text": (b"Internal Server Error", "malformed"),
        "not-utf-8": (b'{"room_id":"\xff"}', "malformed"),
        "number": (b"12", "wrong_type"),
        "array-of-numbers": (b"[1]", "wrong_type"),
        "empty-object": (b"{}", "missing_identity"),
        "brackets": (b"[" * DEPTH + b"]" * DEPTH, None),
        "open-brackets": (b"[" * DEPTH, None),
    }
    for name, (line, reason) in bad.items():
        raw = b"\n".join([_good(0), line, _good(1)]) + b"\n"
        yield _case(f"line-{name}", raw, "rejected", 2, reason=reason)


def _of_identity() -> Iterator[Case]:
    for literal in ("null", "true", "false", "0", "-1.5", '"text"', '""'):
        yield _case(f"top-level-{literal}", literal.encode(), "rejected", reason="wrong_type")
    yield _case("top-level-1e999", b"1e999", "rejected")
    yield _case("top-level-empty-object", b"{}", "rejected", reason="missing_identity")
    for name, inner in {"object": b"{}", "text": b'"x"', "number": b"1", "true": b"true"}.items():
        yield _case(f"wrapper-of-{name}", b'{"rooms":' + inner + b"}", "rejected")
    wrapped = b'{"rooms":[' + _good(0) + b",5," + _good(1) + b"]}"
    yield _case("wrapper-with-a-number", wrapped, "rejected", 2, reason="wrong_type")
    array_in_array = b"[[" + _good(0) + b"," + _good(1) + b"]]"
    yield _case("array-in-array", array_in_array, "rejected", reason="wrong_type")
    for name, odd in {
        "true": b"true",
        "number": b"5",
        "text": b'"a,b]["',
        "array": b"[1]",
        "arrays": b"[[],[]]",
    }.items():
        yield _between(f"room-{name}", odd, "rejected", reason="wrong_type")
    yield _between("room-null", b"null", "either")
    yield _between("room-1e999", b"1e999", "rejected")
    yield _between("room-empty", b"{}", "rejected", reason="missing_identity")
    nameless = _without("room_url", "start_time")
    yield _between("room-without-url-and-start", dump(nameless), "rejected", reason="missing_identity")
    for name, blank in {"null": None, "empty": ""}.items():
        raw = dump(nameless | {"room_url": blank, "start_time": blank})
        yield _between(f"room-with-{name}-url-and-start", raw, "rejected", reason="missing_identity")
    yield _between("room-without-url", dump(_without("room_url")), "accepted", samples={})
    yield _between("room-with-empty-url", dump(_set("room_url", "")), "accepted", samples={})
    yield _between("room-without-start", dump(_without("start_time")), "accepted", samples={})
    yield _between("room-without-id", dump(_without("room_id")), "either")
    for key in ("room_id", "room_url"):
        for name, value in {"number": 12, "object": {"a": 1}, "array": ["a"], "true": True, "null": None}.items():
            yield _between(f"{key}-{name}", dump(_set(key, value)), "either")
    yield _between("room_id-empty", dump(_set("room_id", "")), "either")
    for name, url in {
        "broken": "https://[/room",
        "bare-host": "https://example.org",
        "slash": "/",
        "blank": " ",
    }.items():
        yield _between(f"room_url-{name}", dump(_set("room_url", url)), "either")
    odd = dump(good_room("odd"))
    yield _between("room_id-twice", odd[:-1] + b',"room_id":"other"}', "either")
    yield _between("stats-twice", odd[:-1] + b',"stats":null}', "either")


def _of_structure() -> Iterator[Case]:
    """Parts that are missing or not what they should be: the rest of the room stays."""
    bare = {"room_id": "odd", "start_time": "2022-09-04T00:09:22.885Z"}
    yield _between("room-with-identity-only", dump(bare), "accepted", samples={})
    for key in ("stats", "peers", "users", "duration", "end_time"):
        yield _between(f"{key}-missing", dump(_without(key)), "accepted", samples={})
        yield _between(f"{key}-null", dump(_set(key, None)), "accepted", samples={})
    yield _between("peers-empty", dump(_set("peers", [])), "accepted", samples={})
    for name, odd in {"object": {"peer": {}}, "text": "none", "number": 2, "true": True}.items():
        yield _between(f"peers-{name}", dump(_set("peers", odd)), "either")
    for name, odd_peer in {"text": "a", "number": 1, "true": True, "array": [[]]}.items():
        yield _between(f"peer-{name}", dump(_set("peers.0", odd_peer)), "accepted", samples={"wrong_type": 1})
    yield _between("peer-null", dump(_set("peers.0", None)), "accepted")
    yield _between("peer-empty", dump(_set("peers.0", {})), "accepted")
    identities: dict[str, object] = {"null": None, "empty": "", "number": 4, "object": {}, "array": [1], "true": True}
    for name, identity in identities.items():
        yield _between(f"peer_id-{name}", dump(_set("peers.0.peer_id", identity)), "accepted")
    twice = good_room("odd")["peers"] * 2
    yield _between("peer-twice", dump(_set("peers", twice)), "accepted", samples={})
    for part in ("stats", "stats.audio", "stats.audio.send", "peers.0.stats", "peers.0.stats.video.recv"):
        yield _between(f"{part}-is-null", dump(_set(part, None)), "accepted", samples={})
        yield _between(f"{part}-is-empty", dump(_set(part, {})), "accepted", samples={})
        for name, other in {"array": [1], "text": "a", "number": 1, "true": True}.items():
            yield _between(f"{part}-is-{name}", dump(_set(part, other)), "accepted")


def _of_numbers() -> Iterator[Case]:
    """One value among good ones."""
    value = "peers.0.stats.audio.send.jitter"
    # null, NaN and infinity are missing and no rejection.
    for literal in ("null", "NaN", "Infinity", "-Infinity", "1e999", "-1e999"):
        yield _between(f"value-{literal}", with_literal(_set(value, HOLE), literal), "accepted", samples={})
    for literal in ("0", "-0", "1e-400", '"6"', '"6.5e0"'):
        yield _between(f"value-{literal}", with_literal(_set(value, HOLE), literal), "accepted", samples={})
    for literal in ("true", "false", '"fast"', '""', '"6 ms"', "[6]"):
        raw = with_literal(_set(value, HOLE), literal)
        yield _between(f"value-{literal}", raw, "accepted", samples={"not_a_number": 1})
    for name, literal in {
        "object": "{}",
        "400-digits": "9" * 400,
        "5000-digits": "9" * 5000,
        "1e308": "1e308",
        "exponent-of-20-digits": "1e" + "9" * 20,
        "text-nan": '"NaN"',
        "text-1e999": '"1e999"',
    }.items():
        yield _between(f"value-{name}", with_literal(_set(value, HOLE), literal), "accepted")


def _of_ranges() -> Iterator[Case]:
    """Numbers at their limits and past them."""
    out_of_range = {
        "stats.mos": (0, 0.99, 5.01, -1),
        "stats.score": (-0.1, 10.1),
        "stats.user": (0, 6),
        "stats.call_setup_time": (-1,),
        "stats.audio.send.rtt": (-1, -1e308),
        "stats.video.recv.packet_loss": (-0.1, 100.1, 4000),
        "peers.0.stats.mos": (0, 9),
        "peers.0.stats.user": (0, 5.5),
        "peers.0.stats.audio.recv.mos": (0.5,),
        "peers.0.stats.audio.recv.score": (11,),
        "peers.0.stats.video.send.bitrate": (-1,),
        "peers.0.stats.video.send.jitter": (-1,),
        "users": (-1,),
    }
    for place, values in out_of_range.items():
        for odd in values:
            yield _between(f"{place}-{odd}", dump(_set(place, odd)), "accepted", samples={"out_of_range": 1})
    within = {
        "stats.mos": (1, 5),
        "stats.score": (0, 10),
        "stats.user": (1, 5),
        "stats.audio.recv.packet_loss": (0, 100),
    }
    for place, values in within.items():
        for fine in values:
            yield _between(f"{place}-{fine}", dump(_set(place, fine)), "accepted", samples={})
    for name, literal in {"text": '"463"', "zero": "0", "1e999": "1e999"}.items():
        yield _between(f"duration-{name}", with_literal(_set("duration", HOLE), literal), "accepted", samples={})
    for name, literal in {"negative": "-5", "object": "{}", "400-digits": "9" * 400, "word": '"long"'}.items():
        yield _between(f"duration-{name}", with_literal(_set("duration", HOLE), literal), "accepted")


def _of_attributes() -> Iterator[Case]:
    """Times, and whatever the application put in."""
    for name, time in {
        "number": 1_662_250_162_885,
        "object": {},
        "words": "yesterday",
        "impossible": "2022-13-45T99:99:99Z",
        "year-10000": "10000-01-01T00:00:00Z",
        "year-1": "0001-01-01T00:00:00Z",
        "year-9999": "9999-12-31T23:59:59.999999999Z",
        "zone": "2022-09-04T05:39:22.885+05:30",
        "no-zone": "2022-09-04T00:09:22.885",
        "date-only": "2022-09-04",
        "long": "2" * 10_000,
    }.items():
        for place in ("start_time", "end_time", "peers.0.start_time"):
            yield _between(f"{place}-{name}", dump(_set(place, time)), "accepted")
    backwards = good_room("odd") | {"end_time": "2022-09-03T00:00:00Z", "duration": None}
    yield _between("end-before-start", dump(backwards), "accepted")
    for name, keys in {
        "null": None,
        "empty": {},
        "of-lists": {"tenant": ["a", "b"]},
        "of-numbers": {"tenant": 12.5},
        "of-booleans": {"tenant": True},
        "of-null": {"tenant": None},
    }.items():
        yield _between(f"keys-{name}", dump(_set("peers.0.keys", keys)), "accepted", samples={})
    for name, odd in {
        "text": "tenant",
        "array": ["tenant"],
        "number": 1,
        "of-objects": {"tenant": {"a": [1]}},
        "of-lists-of-lists": {"tenant": [["a"], [None, 1, {}]]},
        "many": {f"key-{number}": "x" for number in range(5000)},
    }.items():
        yield _between(f"keys-{name}", dump(_set("peers.0.keys", odd)), "accepted")
    for part in ("location", "features", "os", "browser_version", "audio_device"):
        for name, strange in {"number": 5, "array": ["a"], "object": {"city": {"a": 1}}, "null": None}.items():
            yield _between(f"{part}-{name}", dump(_set(f"peers.0.{part}", strange)), "accepted")


def _of_text() -> Iterator[Case]:
    for name, text in ODD_TEXTS.items():
        for place in ("room_id", "peers.0.peer_id", "peers.0.os"):
            yield _between(f"{place}-{name}", dump(_set(place, text)), "accepted", samples={})
    for name, literal in {"high": '"a\\ud800"', "low": '"\\udc00b"', "swapped": '"\\udc00\\ud800"'}.items():
        for place in ("room_id", "peers.0.os"):
            raw = with_literal(_set(place, HOLE), literal)
            yield _between(f"{place}-lone-surrogate-{name}", raw, "either")


def _of_size() -> Iterator[Case]:
    arrays = "[" * DEPTH + "]" * DEPTH
    yield _between("room-of-brackets", arrays.encode(), "rejected")
    yield _between("room-with-deep-key", with_literal(good_room("odd") | {"x": HOLE}, arrays), "either")
    yield _between("peers-of-brackets", with_literal(_set("peers", HOLE), arrays), "either")
    yield _case("brackets-at-the-end", b"[" + _good(0) + b"," + b"[" * DEPTH, "rejected", 1)
    yield _case("braces-at-the-end", b"[" + _good(0) + b"," + b'{"a":' * DEPTH, "rejected", 1)
    yield _between("room-with-huge-text", dump(_set("room_url", "x" * _HUGE)), "either")
    yield _between("room-of-huge-text", b'"' + b"x" * _HUGE + b'"', "rejected")
    peers = [{"peer_id": f"peer-{number}", "duration": number} for number in range(_MANY_PEERS)]
    yield _between("room-with-many-peers", dump(_set("peers", peers)), "either")
    yield _between("many-numbers", b",".join([b"1"] * _MANY), "rejected", reason="wrong_type")
    yield _between("blanks-between", b" " * 2**20 + _good(2), "accepted", samples={})
