"""The page: held zeros, the store of rendered bytes, and bodies in two formats and two encodings."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.cumulative import Shown, render_counts
from exporter.metrics.exposition import Generation, Headers
from exporter.metrics.family import Family
from exporter.metrics.store import BLOCK_ENTRIES, SeriesStore

if TYPE_CHECKING:
    from exporter.metrics.exposition import Body

GAUGE = Family(name="webrtc_a_ratio", type="gauge", scope="peer", help="A.", labels=("source",), unit="ratio")
COUNTER = Family(name="webrtc_b_total", type="counter", scope="room_count", help="B.", labels=("source",))
HISTOGRAM = Family(
    name="webrtc_c", type="histogram", scope="room_count", help="C.", labels=("source",), bounds=(1.0, 2.0)
)
UNUSED = Family(name="webrtc_d", type="gauge", scope="peer", help="D.", labels=("source",))
HEADERS = Headers((GAUGE, COUNTER, HISTOGRAM, UNUSED))


def text(body: Body, *, gzipped: bool = False) -> str:
    """A body as a client sees it; its length is the one that was announced."""
    whole = b"".join(body.chunks)
    assert len(whole) == body.length
    return (gzip.decompress(whole) if gzipped else whole).decode()


def test_counts_are_rendered_or_held() -> None:
    """A held series shows zeros of its shape, its neighbour what it has."""
    families = {family.name: family for family in (COUNTER, HISTOGRAM)}
    rendered = render_counts(
        families,
        [
            Shown(("webrtc_b_total", "x"), [5.0], held=False),
            Shown(("webrtc_b_total", "y"), [5.0], held=True),
            Shown(("webrtc_c", "x"), [1.0, 0.0, 2.0, 9.5], held=True),
        ],
    )
    assert rendered["webrtc_b_total"].decode() == ('webrtc_b_total{source="x"} 5.0\nwebrtc_b_total{source="y"} 0.0\n')
    assert rendered["webrtc_c"].decode() == (
        'webrtc_c_bucket{source="x",le="1.0"} 0.0\n'
        'webrtc_c_bucket{source="x",le="2.0"} 0.0\n'
        'webrtc_c_bucket{source="x",le="+Inf"} 0.0\n'
        'webrtc_c_sum{source="x"} 0.0\n'
        'webrtc_c_count{source="x"} 0.0\n'
    )


def test_a_page_has_each_family_once_in_the_order_of_the_catalogue() -> None:
    """Entries of a family stand together under one header; a family without series has none; the tail is last."""
    store = SeriesStore()
    store.put("one", {"webrtc_b_total": b"webrtc_b_total{} 1.0\n", "webrtc_a_ratio": b"webrtc_a_ratio{} 0.1\n"})
    store.put("two", {"webrtc_a_ratio": b"webrtc_a_ratio{} 0.2\n"})
    generation = Generation(1, HEADERS, store.segments())
    assert text(generation.body(b"tail 1.0\n", open_metrics=False, gzip=False)) == (
        "# HELP webrtc_a_ratio A.\n# TYPE webrtc_a_ratio gauge\n"
        "webrtc_a_ratio{} 0.1\nwebrtc_a_ratio{} 0.2\n"
        "# HELP webrtc_b_total B.\n# TYPE webrtc_b_total counter\n"
        "webrtc_b_total{} 1.0\n"
        "tail 1.0\n"
    )
    assert text(generation.body(b"tail 1.0\n", open_metrics=True, gzip=True), gzipped=True) == (
        "# HELP webrtc_a_ratio A.\n# TYPE webrtc_a_ratio gauge\n# UNIT webrtc_a_ratio ratio\n"
        "webrtc_a_ratio{} 0.1\nwebrtc_a_ratio{} 0.2\n"
        "# HELP webrtc_b B.\n# TYPE webrtc_b counter\n"
        "webrtc_b_total{} 1.0\n"
        "tail 1.0\n# EOF\n"
    )


def test_gzip_is_one_member() -> None:
    """curl, wget and httpx read the first gzip member only: there is no second one."""
    store = SeriesStore()
    for number in range(BLOCK_ENTRIES * 3):
        store.put(number, {"webrtc_a_ratio": b'webrtc_a_ratio{source="%d"} 0.5\n' % number * 50})
    generation = Generation(1, HEADERS, store.segments())
    plain = text(generation.body(b"tail 1.0\n", open_metrics=False, gzip=False))
    inflate = zlib.decompressobj(wbits=31)
    whole = b"".join(generation.body(b"tail 1.0\n", open_metrics=False, gzip=True).chunks)
    assert inflate.decompress(whole).decode() == plain
    assert inflate.eof
    assert inflate.unused_data == b""


def test_a_published_generation_does_not_change() -> None:
    """What a scrape began to read stays as it was, whatever the store does next."""
    store = SeriesStore()
    store.put("one", {"webrtc_a_ratio": b"webrtc_a_ratio{} 0.1\n"})
    generation = Generation(1, HEADERS, store.segments())
    store.put("one", {"webrtc_a_ratio": b"webrtc_a_ratio{} 0.9\n"})
    store.put("two", {"webrtc_a_ratio": b"webrtc_a_ratio{} 0.8\n"})
    assert "0.1" in text(generation.body(b"", open_metrics=False, gzip=False))
    later = text(Generation(2, HEADERS, store.segments()).body(b"", open_metrics=False, gzip=False))
    assert later.endswith("webrtc_a_ratio{} 0.9\nwebrtc_a_ratio{} 0.8\n")


_CHANGES = st.lists(st.tuples(st.integers(0, 400), st.none() | st.integers(1, 3)), max_size=600)


@given(_CHANGES)
def test_the_store_holds_what_was_put_and_not_removed(changes: list[tuple[int, int | None]]) -> None:
    """Like a plain dictionary, with its series counted, across any number of blocks."""
    store, plain = SeriesStore(), dict[int, bytes]()
    for entry, lines in changes:
        if lines is None:
            assert store.remove(entry) == plain.pop(entry, b"").count(b"\n")
        else:
            plain[entry] = b"webrtc_a_ratio{entry=%d} 1.0\n" % entry * lines
            store.put(entry, {"webrtc_a_ratio": plain[entry]})
    joined = b"".join(segment.plain for segment in store.segments().get("webrtc_a_ratio", ()))
    assert sorted(joined.splitlines()) == sorted(b"".join(plain.values()).splitlines())
    assert store.series == joined.count(b"\n")
    assert all((entry in store) == (entry in plain) for entry in range(401))
