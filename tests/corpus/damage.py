"""Ways to spoil the bytes of any JSON document, whatever it tells."""

from __future__ import annotations

import codecs
import gzip
import json
import random
import zlib
from typing import Any

#: Stands for a literal that no JSON writer would write; see `with_literal`.
HOLE = "@HOLE@"
DEPTH = 100_000
_BOMB_BYTES = 32 * 2**20
_SEED = 20_220_904


def dump(document: object) -> bytes:
    """The document as compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def with_literal(document: object, literal: str) -> bytes:
    """The document as JSON, with `literal` as it stands in place of each `HOLE`."""
    return dump(document).replace(f'"{HOLE}"'.encode(), literal.encode())


def seeded(name: str) -> random.Random:
    """Chance that is the same in every run."""
    return random.Random(f"{_SEED} {name}")  # noqa: S311 - no secret is made of it


def compress(raw: bytes) -> bytes:
    """gzip, the same bytes in every run."""
    return gzip.compress(raw, mtime=0)


def not_documents() -> dict[str, bytes]:
    """Bytes that are no document of anybody's: each is malformed."""
    noise = {f"noise-{size}": seeded(f"noise {size}").randbytes(size) for size in (1, 64, 4096)}
    return noise | {
        "empty": b"",
        "one-blank": b" ",
        "whitespace": b" \t\r\n \n" * 50,
        "byte-order-mark-only": codecs.BOM_UTF8,
        "nul-bytes": b"\0" * 512,
        "html-error-page": b"<!DOCTYPE html>\n<html><head><title>502</title></head><body>Bad Gateway</body></html>",
        "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
        "csv": b"room_id,mos\nroom-1,4.2\n",
        "yaml": b"room_id: room-1\nmos: 4.2\n",
        "plain-text": b"Internal Server Error",
        "zip-archive": b"PK\x03\x04\x14\0\0\0\x08\0" + seeded("zip").randbytes(64),
        "lone-bracket": b"[",
        "lone-brace": b"{",
        "closing-bracket": b"]",
        "closing-brace": b"}",
        "lone-quote": b'"',
        "lone-minus": b"-",
        "lone-comma": b",",
        "python-none": b"None",
        "undefined": b"undefined",
        "truncated-word": b"tru",
        "single-quoted": b"{'room_id': 'room-1'}",
        "unquoted-key": b'{room_id: "room-1"}',
        "gzip-magic-only": b"\x1f\x8b",
        "gzip-header-only": compress(b"")[:10],
        "gzip-of-noise": b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\xff" * 256,
        "gzip-of-nothing": compress(b""),
        "gzip-of-text": compress(b"Internal Server Error"),
        "gzip-bomb-of-nul": compress(b"\0" * _BOMB_BYTES),
    }


def deeply_nested() -> dict[str, bytes]:
    """Brackets without end and without sense: rejected, for one reason or another."""
    return {
        "deep-open-arrays": b"[" * DEPTH,
        "deep-arrays": b"[" * DEPTH + b"]" * DEPTH,
        "deep-open-objects": b'{"a":' * DEPTH,
        "deep-objects": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
        "deep-mixed": b'[{"a":' * DEPTH + b"1" + b"}]" * DEPTH,
        "gzip-bomb-of-brackets": compress(b"[" * _BOMB_BYTES),
    }


def spoilt(good: bytes) -> dict[str, bytes]:
    """A good document in a bad dress: nothing in it can be told for sure, each is malformed.

    `good` must be one JSON object that begins with a member, or an array of such.
    """
    text = good.decode()
    packed = compress(good)
    cut = seeded("gzip").randrange(12, len(packed) - 8)
    return {
        "utf-16-le-without-mark": text.encode("utf-16-le"),
        "utf-16-be-without-mark": text.encode("utf-16-be"),
        "utf-16-with-mark": text.encode("utf-16"),
        "utf-32-with-mark": text.encode("utf-32"),
        "base64": codecs.encode(good, "base64"),
        "zlib-stream": zlib.compress(good),
        "gzip-truncated": packed[:cut],
        "gzip-without-checksum": packed[:-8],
        "gzip-with-wrong-checksum": packed[:-8] + b"\xde\xad\xbe\xef" + packed[-4:],
        "gzip-with-wrong-length": packed[:-4] + b"\xff\xff\xff\x7f",
        "mark-in-the-middle": good[:1] + codecs.BOM_UTF8 + good[1:],
    }


def misspelt(room_or_peer: dict[str, Any]) -> dict[str, bytes]:
    """An object whose JSON is wrong inside, while its brackets and quotes pair up: each is malformed."""
    good = dump(room_or_peer)

    def with_member(member: bytes) -> bytes:
        return good[:-1] + b"," + member + b"}"

    return {
        "trailing-comma": good[:-1] + b",}",
        "trailing-comma-in-array": with_member(b'"x":[1,2,]'),
        "two-commas": with_member(b'"x":[1,,2]'),
        "missing-comma": with_member(b'"x":1 "y":2'),
        "missing-colon": with_member(b'"x" 1'),
        "missing-value": with_member(b'"x":'),
        "bare-word": with_member(b'"x":unknown'),
        "python-literals": with_member(b'"x":None,"y":True'),
        "number-as-key": with_member(b"1:2"),
        "line-comment": good[:-1] + b" // in seconds\n}",
        "block-comment": good[:-1] + b" /* in seconds */}",
        "leading-zero": with_member(b'"x":012'),
        "hexadecimal": with_member(b'"x":0x1F'),
        "plus-sign": with_member(b'"x":+1'),
        "dot-without-digits": with_member(b'"x":1.'),
        "digits-missing-before-dot": with_member(b'"x":.5'),
        "exponent-without-digits": with_member(b'"x":1e'),
        "thousands-separators": with_member(b'"x":1_000'),
        "bad-escape": with_member(b'"x":"\\q"'),
        "short-unicode-escape": with_member(b'"x":"\\u12"'),
        "raw-newline-in-text": with_member(b'"x":"a\nb"'),
        "raw-tab-in-text": with_member(b'"x":"a\tb"'),
        "raw-nul-in-text": with_member(b'"x":"a\0b"'),
        "raw-nul-between": with_member(b'\0"x":1'),
        "latin-1-in-text": with_member('"x":"Zürich"'.encode("latin-1")),
        "lone-continuation-byte": with_member(b'"x":"\x80"'),
        "overlong-utf-8": with_member(b'"x":"\xc0\xaf"'),
        "encoded-surrogate": with_member(b'"x":"\xed\xa0\x80"'),
        "past-unicode": with_member(b'"x":"\xf5\x80\x80\x80"'),
        "cut-multi-byte": with_member(b'"x":"\xe2\x82"'),
    }


#: Text that is odd and still text: labels must carry it.
ODD_TEXTS = {
    "emoji": "caf\u00e9 \U0001f680",
    "quotes-and-backslashes": 'a"b\\c\\n"',
    "newline": "a\nb",
    "carriage-return": "a\rb\r\n",
    "control-characters": "a\x01\x1b[31m\x7fb",
    "nul": "a\0b",
    "line-separators": "a\u2028b\u2029c\x85d",
    "right-to-left-override": "\u202egnp.exe",
    "byte-order-mark": "\ufeffa",
    "noncharacter": "a\uffffb",
    "combining": "e\u0301\u0301\u0301",
    "braces": '{a="b"} 1',
    "hash": "# EOF",
    "blanks": "  a  ",
    "only-a-blank": " ",
    "url": "https://example.org/?a=b&c=d#e",
    "comma-list": "a,b,,c",
    "long": "x" * 5000,
}
