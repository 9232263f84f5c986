"""Malformed and odd peer-stats documents of 100ms."""

from __future__ import annotations

import codecs
import copy
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
    from collections.abc import Callable, Iterator

    from tests.corpus.case import Outcome

Document: TypeAlias = dict[str, Any]

_NO_OBJECT: dict[str, object] = {"null": None, "empty": {}}
_NO_ARRAY: dict[str, object] = {"null": None, "empty": []}
_TIMES = [1_738_843_560_000, 1_738_843_570_000, 1_738_843_580_000]
_MANY_TRACKS = 10
_SAMPLES_OF_TWELVE_HOURS = 4_320
_ENORMOUS = 300_000
_TRUNCATIONS = 12


def good_peer_stats() -> Document:
    """A document without fault: one track in each branch, three samples ten seconds apart."""
    return {
        "peer_id": "1169b4b7-68c2-4d39-8568-5618433958ac",
        "session_id": "6977b3f3cdd1e423f8b2c001",
        "room_id": "6977b3f3cdd1e423f8b2a001",
        "publisher": {
            "video": [
                {
                    "track_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
                    "type": "regular",
                    "rid": "h",
                    "time_series": {
                        "timestamps": list(_TIMES),
                        "bitrate": [2_500_000, 2_480_000, 2_490_000],
                        "fps": [30, 30, 29],
                        "packet_loss_percent": [0.3, 0.2, 0.1],
                        "rtt_ms": [45, 47, 46],
                    },
                }
            ],
            "audio": [
                {
                    "track_id": "c3d4e5f6-a7b8-9012-cdef-123456789012",
                    "time_series": {
                        "timestamps": list(_TIMES),
                        "bitrate": [64_000, 63_000, 64_000],
                        "packet_loss_percent": [0.1, 0, 0.2],
                        "rtt_ms": [45, 44, 46],
                        "jitter_ms": [2.1, 2.4, 2.2],
                    },
                }
            ],
        },
        "subscriber": {
            "video": [
                {
                    "track_id": "4334da7c-1d73-4e19-9d63-4b0571f5acd4",
                    "type": "regular",
                    "time_series": {
                        "timestamps": list(_TIMES),
                        "bitrate": [None, 900_000, 910_000],
                        "fps": [15, 24, 25],
                        "freeze_count": [0, 1, 0],
                    },
                }
            ],
            "audio": [
                {
                    "track_id": "fbc9c8f8-70ea-4d24-9699-12bf3eba94d8",
                    "time_series": {
                        "timestamps": list(_TIMES),
                        "bitrate": [None, 32_000, 31_000],
                        "concealed_samples": [0, 480, 0],
                        "packet_loss_percent": [0.2, 0.1, 0],
                    },
                }
            ],
        },
    }


def _changed(change: Callable[[Document], object]) -> Document:
    document = copy.deepcopy(good_peer_stats())
    change(document)
    return document


def _set(path: str, value: object) -> Document:
    """The good document with another value at a path such as `publisher.audio.0.time_series`."""

    def change(document: Document) -> None:
        place: Any = document
        *way, last = path.split(".")
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[int(last) if isinstance(place, list) else last] = value

    return _changed(change)


def _without(path: str) -> Document:
    def change(document: Document) -> None:
        place: Any = document
        *way, last = path.split(".")
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        del place[last]

    return _changed(change)


def _case(
    name: str, raw: bytes, outcome: Outcome, *, reason: str | None = None, samples: dict[str, int] | None = None
) -> Case:
    return Case(name=name, vendor="100ms", raw=raw, outcome=outcome, reason=reason, samples=samples)


def hundredms_cases() -> tuple[Case, ...]:
    """All of them; their names are unique."""
    return (
        *_of_bytes(),
        *_of_identity(),
        *_of_branches(),
        *_of_tracks(),
        *_of_series(),
        *_of_numbers(),
        *_of_text(),
        *_of_size(),
    )


def _of_bytes() -> Iterator[Case]:
    good = dump(good_peer_stats())
    malformed = not_documents() | spoilt(good) | misspelt(good_peer_stats())
    places = sorted(seeded("peer-stats").sample(range(1, len(good)), _TRUNCATIONS))
    malformed |= {f"truncated-at-{place}": good[:place] for place in (*places, len(good) - 1)}
    malformed |= {
        "brace-too-many": good + b"}",
        "two-documents": good + b"\n" + good,
        "garbage-behind": good + b"<!-- cached -->",
        "nul-bytes-behind": good + b"\0" * 16,
        "beginning-lost": good[20:],
    }
    for name, raw in malformed.items():
        yield _case(name, raw, "rejected", reason="malformed")
    for name, raw in deeply_nested().items():
        yield _case(name, raw, "rejected")
    yield _case("blanks-around", b"\n\t " + good + b"\r\n ", "accepted", samples={})
    yield _case("byte-order-mark", codecs.BOM_UTF8 + good, "either")
    yield _case("gzip", compress(good), "either")
    yield _case("gzip-twice", compress(compress(good)), "either")


def _of_identity() -> Iterator[Case]:
    for literal in ("null", "true", "false", "0", "-1.5", '"text"', '""', "[]", "[[]]", "[1,2]", "[null]"):
        yield _case(f"top-level-{literal}", literal.encode(), "rejected", reason="wrong_type")
    yield _case("top-level-1e999", b"1e999", "rejected")
    yield _case("array-around", dump([good_peer_stats()]), "either")
    error = {"code": 401, "message": "Token validation error", "details": ["expired"]}
    yield _case("error-body", dump(error), "rejected", reason="missing_identity")
    yield _case("empty-object", b"{}", "rejected", reason="missing_identity")
    for key in ("peer_id", "session_id"):
        yield _case(f"{key}-missing", dump(_without(key)), "rejected", reason="missing_identity")
        for name, value in {"null": None, "empty": ""}.items():
            yield _case(f"{key}-{name}", dump(_set(key, value)), "rejected", reason="missing_identity")
        for name, other in {"object": {"id": "a"}, "array": ["a"]}.items():
            yield _case(f"{key}-{name}", dump(_set(key, other)), "rejected")
        for name, scalar in {"number": 12, "true": True}.items():
            yield _case(f"{key}-{name}", dump(_set(key, scalar)), "either")
        yield _case(f"{key}-huge-number", with_literal(_set(key, HOLE), "1e999"), "either")
    yield _case("room-id-missing", dump(_without("room_id")), "either")
    yield _case("room-id-object", dump(_set("room_id", {})), "either")
    good = dump(good_peer_stats())
    yield _case("peer-id-twice", good[:-1] + b',"peer_id":"other"}', "either")
    yield _case("publisher-twice", good[:-1] + b',"publisher":{}}', "either")


def _of_branches() -> Iterator[Case]:
    """Parts that are missing, empty, or not what they should be, beside parts that are."""
    for branch in ("publisher", "subscriber"):
        yield _case(f"{branch}-missing", dump(_without(branch)), "accepted", samples={})
        for name, nothing in _NO_OBJECT.items():
            yield _case(f"{branch}-{name}", dump(_set(branch, nothing)), "accepted", samples={})
        for name, other in {"array": [1], "text": "video", "number": 1, "false": False}.items():
            yield _case(f"{branch}-{name}", dump(_set(branch, other)), "accepted")
    empty: dict[str, object] = {"publisher": {"video": [], "audio": []}, "subscriber": {"video": [], "audio": []}}
    yield _case("no-data-at-all", dump(good_peer_stats() | empty), "accepted", samples={})
    unknown = {"version": 2, "labels": {"a": [1, {"b": None}]}, "publisher_v2": {"video": [1]}}
    yield _case("unknown-keys", dump(good_peer_stats() | unknown), "accepted", samples={})


def _of_tracks() -> Iterator[Case]:
    for name, no_tracks in _NO_ARRAY.items():
        yield _case(f"tracks-{name}", dump(_set("publisher.video", no_tracks)), "accepted", samples={})
    for name, other in {"object": {"0": {}}, "text": "none", "number": 3, "true": True}.items():
        yield _case(f"tracks-{name}", dump(_set("publisher.video", other)), "accepted")
    for name, other in {"text": "a", "number": 1, "true": True, "array": [[]]}.items():
        yield _case(f"track-{name}", dump(_set("publisher.video.0", other)), "accepted", samples={"wrong_type": 1})
    yield _case("track-null", dump(_set("publisher.video.0", None)), "accepted")
    yield _case("track-empty", dump(_set("publisher.video.0", {})), "accepted", samples={})
    series = "publisher.audio.0.time_series"
    yield _case("series-missing", dump(_without(series)), "accepted", samples={})
    for name, nothing in _NO_OBJECT.items():
        yield _case(f"series-{name}", dump(_set(series, nothing)), "accepted", samples={})
    for name, other in {"array": [_TIMES], "text": "none", "number": 1, "true": True}.items():
        yield _case(f"series-{name}", dump(_set(series, other)), "accepted", samples={"wrong_type": 1})
    for name, other in {"null": None, "unknown": "videoplaylist", "empty": ""}.items():
        yield _case(f"type-{name}", dump(_set("publisher.video.0.type", other)), "accepted", samples={})
    for key in ("type", "rid", "track_id"):
        for name, odd in {"number": 7, "object": {"a": 1}, "array": ["h"], "true": True}.items():
            yield _case(f"{key}-{name}", dump(_set(f"publisher.video.0.{key}", odd)), "accepted")
        yield _case(f"{key}-missing", dump(_without(f"publisher.video.0.{key}")), "accepted", samples={})


def _of_series() -> Iterator[Case]:
    """Timestamps and arrays that do not fit."""
    series = "publisher.audio.0.time_series"
    times = f"{series}.timestamps"
    first, second, third = _TIMES
    fitting = {
        "unordered": [third, first, second],
        "as-text": [str(time) for time in _TIMES],
        "with-fractions": [first + 0.5, second + 0.25, third],
        "irregular": [first, first + 1, third],
    }
    for name, value in fitting.items():
        yield _case(f"timestamps-{name}", dump(_set(times, value)), "accepted", samples={})
    one_bad = {
        "one-is-a-word": ("not_a_number", [first, "noon", third]),
        "one-is-iso-8601": ("not_a_number", [first, "2025-02-06T12:06:10Z", third]),
        "one-is-true": ("not_a_number", [first, True, third]),
        "one-is-an-array": ("not_a_number", [first, [second], third]),
        "one-stands-twice": ("duplicate_timestamp", [first, first, third]),
    }
    for name, (reason, value) in one_bad.items():
        yield _case(f"timestamps-{name}", dump(_set(times, value)), "accepted", samples={reason: 1})
    same = dump(_set(times, [first, first, first]))
    yield _case("timestamps-all-the-same", same, "accepted", samples={"duplicate_timestamp": 2})
    open_ends: dict[str, object] = {
        "null": None,
        "text": str(first),
        "number": first,
        "object": {"0": first},
        "of-objects": [{"t": time} for time in _TIMES],
        "with-null": [first, None, third],
        "in-seconds": [time / 1000 for time in _TIMES],
        "zero": [0, 0, 0],
        "negative": [-first, -second, -third],
        "huge": [1e308, 1.1e308, 1.2e308],
        "tiny-steps": [first, first + 1e-4, first + 2e-4],
    }
    for name, other in open_ends.items():
        yield _case(f"timestamps-{name}", dump(_set(times, other)), "accepted")
    yield _case("timestamps-1e999", with_literal(_set(times, [first, second, HOLE]), "1e999"), "accepted")
    yield _case("timestamps-400-digits", with_literal(_set(times, [first, HOLE, third]), "9" * 400), "accepted")
    yield _case("timestamps-missing", dump(_without(times)), "accepted")
    yield _case("timestamps-shorter", dump(_set(times, [first])), "accepted", samples={"length_mismatch": 4})
    yield _case("timestamps-empty", dump(_set(times, [])), "accepted", samples={"length_mismatch": 4})
    metric = f"{series}.rtt_ms"
    for name, value in {"shorter": [45, 44], "longer": [45, 44, 46, 47]}.items():
        yield _case(f"metric-{name}", dump(_set(metric, value)), "accepted", samples={"length_mismatch": 1})
    for name, value in {"empty": [], "of-nulls": [None, None, None]}.items():
        yield _case(f"metric-{name}", dump(_set(metric, value)), "accepted", samples={})
    yield _case("metric-null", dump(_set(metric, None)), "accepted", samples={})
    yield _case("metric-missing", dump(_without(metric)), "accepted", samples={})
    for name, other in {"object": {"0": 45}, "text": "454446", "number": 45, "true": True}.items():
        yield _case(f"metric-{name}", dump(_set(metric, other)), "accepted")


def _of_numbers() -> Iterator[Case]:
    """One value among good ones."""
    value = "publisher.audio.0.time_series.rtt_ms.1"
    # null, NaN and infinity are missing and no rejection.
    for literal in ("null", "NaN", "Infinity", "-Infinity", "1e999", "-1e999"):
        yield _case(f"value-{literal}", with_literal(_set(value, HOLE), literal), "accepted", samples={})
    for literal in ("0", "-0", "-0.0", "1e-400", "4.5e1", "45.000", '"45"', '"4.5e1"'):
        yield _case(f"value-{literal}", with_literal(_set(value, HOLE), literal), "accepted", samples={})
    for literal in ("true", "false", '"fast"', '""', '"12 ms"', '"0x10"', "[45]", "[]"):
        raw = with_literal(_set(value, HOLE), literal)
        yield _case(f"value-{literal}", raw, "accepted", samples={"not_a_number": 1})
    for literal in ("-1", "-1e308", "-1e-9", '"-1"'):
        raw = with_literal(_set(value, HOLE), literal)
        yield _case(f"value-{literal}", raw, "accepted", samples={"out_of_range": 1})
    for name, literal in {
        "object": "{}",
        "object-with-value": '{"value":45}',
        "400-digits": "9" * 400,
        "minus-400-digits": "-" + "9" * 400,
        "5000-digits": "9" * 5000,
        "5000-digits-behind-the-dot": "0." + "3" * 5000,
        "1e308": "1e308",
        "exponent-of-20-digits": "1e" + "9" * 20,
        "text-nan": '"NaN"',
        "text-infinity": '"Infinity"',
        "text-1e999": '"1e999"',
        "text-of-zero-with-huge-exponent": '"0e999999999"',
        "deep-arrays": "[" * DEPTH + "]" * DEPTH,
    }.items():
        outcome: Outcome = "either" if name == "deep-arrays" else "accepted"
        yield _case(f"value-{name}", with_literal(_set(value, HOLE), literal), outcome)
    for place in (
        "publisher.video.0.time_series.bitrate",
        "publisher.video.0.time_series.fps",
        "publisher.video.0.time_series.packet_loss_percent",
        "publisher.audio.0.time_series.jitter_ms",
        "subscriber.video.0.time_series.freeze_count",
        "subscriber.audio.0.time_series.concealed_samples",
    ):
        name = place.rpartition(".")[2]
        yield _case(f"{name}-negative", dump(_set(f"{place}.1", -1)), "accepted", samples={"out_of_range": 1})
        yield _case(f"{name}-all-negative", dump(_set(place, [-1, -2, -3])), "accepted", samples={"out_of_range": 3})
    loss = "subscriber.audio.0.time_series.packet_loss_percent"
    yield _case("loss-at-its-limits", dump(_set(loss, [0, 100, 50])), "accepted", samples={})
    yield _case("loss-above-100", dump(_set(loss, [100.1, 4000, 0])), "accepted", samples={"out_of_range": 2})
    mixed = {"timestamps": [*_TIMES, _TIMES[0]], "bitrate": [-1, "a", 1, 1], "fps": [1]}
    yield _case(
        "each-reason-once",
        dump(_set("publisher.video.0.time_series", mixed)),
        "accepted",
        samples={"out_of_range": 1, "not_a_number": 1, "duplicate_timestamp": 1, "length_mismatch": 1},
    )


def _of_text() -> Iterator[Case]:
    for name, text in ODD_TEXTS.items():
        for key in ("peer_id", "publisher.video.0.rid"):
            yield _case(f"{key.rpartition('.')[2]}-{name}", dump(_set(key, text)), "accepted", samples={})
    for name, literal in {"high": '"a\\ud800"', "low": '"\\udc00b"', "swapped": '"\\udc00\\ud800"'}.items():
        yield _case(f"peer-id-lone-surrogate-{name}", with_literal(_set("peer_id", HOLE), literal), "either")
    yield _case("peer-id-of-a-megabyte", dump(_set("peer_id", "x" * 2**20)), "either")


def _of_size() -> Iterator[Case]:
    def track(samples: int, number: int) -> Document:
        times = [_TIMES[0] + 10_000 * step for step in range(samples)]
        values = {"timestamps": times, "bitrate": [64_000 + number] * samples, "rtt_ms": [45.5] * samples}
        return {"track_id": f"track-{number}", "time_series": values}

    # As long as a session can be.
    twelve_hours = [track(_SAMPLES_OF_TWELVE_HOURS, number) for number in range(_MANY_TRACKS)]
    yield _case("twelve-hours", dump(_set("publisher.audio", twelve_hours)), "accepted", samples={})
    yield _case("enormous-arrays", dump(_set("publisher.audio", [track(_ENORMOUS, 0)])), "either")
    yield _case("enormous-array-of-nulls", dump(_set("publisher.audio", [None] * _ENORMOUS)), "either")
    deep = with_literal(good_peer_stats() | {"unknown": HOLE}, "[" * DEPTH + "]" * DEPTH)
    yield _case("deep-unknown-key", deep, "either")
    keys = good_peer_stats() | {f"key-{number}": number for number in range(20_000)}
    yield _case("many-unknown-keys", dump(keys), "accepted", samples={})
