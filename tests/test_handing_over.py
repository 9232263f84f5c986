"""The timeline is written with the counts: what is new of each report, once, in the same transaction."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.config import MetricsSettings, Settings, TimelineSettings
from exporter.feed.counter import Counter
from exporter.ledger import Ledger
from exporter.metrics.catalogue import FAMILIES
from exporter.pipeline.border import Border
from exporter.pipeline.handing_over import HandingOver
from exporter.pipeline.ingest import Ingest
from exporter.quality import Thresholds
from exporter.sources.base import Delivery, Receipt
from exporter.timeline import payload
from exporter.timeline.remembered import decode_sent, encode_sent
from exporter.timeline.sent import Sent, SentSpan
from exporter.timeline.shape import Shape
from exporter.values import Duration
from tests.reports import START, audio, key, peer, report, summarised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.model import Report

NOW = START + 600.0
LOSS = "webrtc_timeline_packet_loss_ratio"
CONNECTED = "webrtc_timeline_connected"
#: Unix milliseconds of the start.
BEGIN = round(START * 1000)

Samples = list[tuple[int, float | None]]


class Desk:
    """An ingest that hands over, and what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger.open(folder)
        shape = Shape(FAMILIES)
        self.ingest = Ingest(self.ledger, FAMILIES, Thresholds(), Border(), handing_over=HandingOver(shape))
        self.without = Ingest(self.ledger, FAMILIES, Thresholds(), Border())
        self._read = 0

    def deliver(self, *reports: Report, now: float = NOW) -> Receipt:
        """Delivers reports."""
        return self.ingest.commit("prod", Delivery(reports=reports), now).receipt

    def written(self, family: str) -> list[tuple[str, Samples]]:
        """Peer and samples of each series of a family that was written since the last call, in their order."""
        found = []
        for row in self.ledger.timeline.read(self._read, 1 << 40):
            self._read = row.place.id
            found += [
                (dict(series.labels)["peer_id"], list(series.samples()))
                for series in payload.decode(row.payload)
                if series.family == family
            ]
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new state."""
    made = Desk(tmp_path)
    with closing(made.ledger):
        yield made


def test_a_new_peer_is_written_once(desk: Desk) -> None:
    """Each window at its end; the same again adds nothing."""
    desk.deliver(report(peer("p1", audio([0.01, 0.02]))))
    assert desk.written(LOSS) == [("p1", [(BEGIN + 10_000, 0.01), (BEGIN + 20_000, 0.02), (BEGIN + 29_999, None)])]
    desk.deliver(report(peer("p1", audio([0.01, 0.02]))))
    assert desk.written(LOSS) == []


def test_a_row_says_what_is_in_it(desk: Desk) -> None:
    """First and last sample in seconds, and how many there are."""
    desk.deliver(report(peer("p1", audio([0.01]), seconds=10.0)))
    (row,) = desk.ledger.timeline.read(0, 1)
    series = payload.decode(row.payload)
    assert (row.first, row.last) == (START, START + 19.999)
    assert row.samples == sum(len(each.times) for each in series)
    assert row.added == NOW


def test_growth_adds_what_is_new(desk: Desk) -> None:
    """Later windows, though the earlier ones' values are others now; after a restart as before it."""
    desk.deliver(report(peer("p1", audio([0.01, 0.02]))))
    desk.written(LOSS)
    desk.deliver(report(peer("p1", audio([0.5, 0.5, 0.03]))))
    assert desk.written(LOSS) == [("p1", [(BEGIN + 30_000, 0.03), (BEGIN + 39_999, None)])]
    desk.deliver(report(peer("p1", audio([0.5, 0.5, 0.03, 0.04]))))
    assert desk.written(LOSS) == [("p1", [(BEGIN + 40_000, 0.04), (BEGIN + 49_999, None)])]


def test_what_was_counted_before_there_was_a_receiver_is_not_forgotten(desk: Desk) -> None:
    """A peer that grows is written whole where nothing of it was; and what was, is known after a time without any."""
    desk.without.commit("prod", Delivery(reports=(report(peer("p1", audio([0.01]))),)), NOW)
    assert desk.ledger.timeline.read(0, 1) == []
    desk.deliver(report(peer("p1", audio([0.01, 0.02]))))
    assert [time for time, _ in desk.written(LOSS)[0][1]] == [BEGIN + 10_000, BEGIN + 20_000, BEGIN + 29_999]
    desk.without.commit("prod", Delivery(reports=(report(peer("p1", audio([0.01, 0.02, 0.03]))),)), NOW)
    desk.deliver(report(peer("p1", audio([0.01, 0.02, 0.03, 0.04]))))
    assert [time for time, _ in desk.written(LOSS)[0][1]] == [BEGIN + 30_000, BEGIN + 40_000, BEGIN + 49_999]


def test_stays_of_one_peer_never_meet(desk: Desk) -> None:
    """The longest is shown where they overlap, and a later delivery knows of what came before it."""
    long = replace(peer("p1", audio([0.01, 0.01, 0.01])), stay="long")
    short = replace(peer("p1", audio([0.2, 0.2]), seconds=20.0), stay="short")
    desk.deliver(report(short, long))
    assert desk.written(LOSS) == [("p1", [*((BEGIN + 10_000 * n, 0.01) for n in (1, 2, 3)), (BEGIN + 39_999, None)])]
    third = replace(peer("p1", audio([0.3] * 4)), stay="third")
    desk.deliver(report(short, long, third))
    assert desk.written(LOSS) == [("p1", [(BEGIN + 40_000, 0.3), (BEGIN + 49_999, None)])]


def test_summaries_are_level_lines(desk: Desk) -> None:
    """And need not be remembered: they never grow."""
    desk.deliver(summarised(0.25))
    assert desk.written(LOSS) == [("w1", [(BEGIN, 0.25), (BEGIN + 60_000, 0.25), (BEGIN + 60_001, None)])]
    rows = desk.ledger._connection.execute("SELECT sent FROM seen_peers").fetchall()  # noqa: SLF001 - nobody else asks
    assert rows == [(b"",)]


def test_what_is_counted_and_what_is_written_belong_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that fails in the end leaves neither."""
    with monkeypatch.context() as patched:
        patched.setattr(Ingest, "_remember", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            desk.deliver(report(peer("p1", audio([0.01]))))
    assert (desk.written(LOSS), desk.ledger.counts) == ([], {})
    assert desk.deliver(report(peer("p1", audio([0.01])))).new == 1
    assert len(desk.written(LOSS)) == 1


def test_what_was_sent_is_forgotten_with_the_base_of_growth(desk: Desk) -> None:
    """After eight days: from then on the peer does not grow."""
    desk.deliver(report(peer("p1", audio([0.01]))))
    later = NOW + 9 * 86_400.0
    desk.deliver(report(peer("p2", audio([0.01])), of=key("s2"), end=later), now=later)
    for _ in range(20):
        desk.ledger.forget(later)
    rows = desk.ledger._connection.execute("SELECT sent <> x'' FROM seen_peers ORDER BY seen").fetchall()  # noqa: SLF001 - as above
    assert rows == [(0,), (1,)]
    desk.written(LOSS)
    assert desk.deliver(report(peer("p1", audio([0.01, 0.02])))) == Receipt(duplicate=1)
    assert desk.written(CONNECTED) == []


def test_nobody_to_hand_over_to_costs_nothing(desk: Desk) -> None:
    """Neither rows nor memory of them."""
    desk.without.commit("prod", Delivery(reports=(report(peer("p1", audio([0.01]))),)), NOW)
    assert desk.ledger.timeline.size() == 0
    assert desk.ledger._connection.execute("SELECT sent FROM seen_peers").fetchall() == [(b"",)]  # noqa: SLF001 - as above


_SPANS = st.builds(SentSpan, st.integers(0, 1 << 42), st.integers(0, 1 << 42), st.integers(0, 1 << 42))


@given(
    st.dictionaries(
        st.lists(st.text(max_size=9), min_size=1, max_size=5).map(tuple), st.lists(_SPANS, min_size=1, unique=True)
    )
)
def test_what_was_sent_comes_back(lines: dict[tuple[str, ...], list[SentSpan]]) -> None:
    """Whatever it was, and once where several stays tell it."""
    sent = Sent(tuple((line, tuple(spans)) for line, spans in lines.items()))
    written = encode_sent(sent)
    assert decode_sent([written]) == sent
    assert decode_sent([b"", written, written]) == sent
    assert bool(written) == bool(lines)


def test_what_several_stays_tell_is_put_together() -> None:
    """Line by line."""
    first = Sent(((("a",), (SentSpan(1, 2, 3),)),))
    second = Sent(((("a",), (SentSpan(7, 8, 9),)), (("b",), (SentSpan(1, 1, 2),))))
    assert decode_sent(map(encode_sent, (first, second))) == Sent(
        ((("a",), (SentSpan(1, 2, 3), SentSpan(7, 8, 9))), (("b",), (SentSpan(1, 1, 2),)))
    )


@pytest.mark.parametrize("per_track", [False, True])
def test_what_is_fed_from_files_is_handed_over_as_configured(tmp_path: Path, *, per_track: bool) -> None:
    """As if it had been polled; with `per_track` a series for each track."""
    settings = Settings(
        sources=(),
        metrics=MetricsSettings(per_track=per_track),
        timeline=TimelineSettings(keep=Duration(60)),
    )
    with closing(Ledger.open(tmp_path)) as ledger:
        counter = Counter(ledger, settings, Border(), lambda: NOW)
        counter.commit("prod", Delivery(reports=(report(peer("p1", audio([0.01]))),)))
        (row,) = ledger.timeline.read(0, 1)
    (labels,) = (dict(series.labels) for series in payload.decode(row.payload) if series.family == LOSS)
    assert labels.get("track_id") == ("t" if per_track else None)
