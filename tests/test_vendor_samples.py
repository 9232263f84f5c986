"""The two vendors' own sample documents give exactly the page that was written by hand.

The pages stand beside the samples, with the arithmetic of each number in comments that begin with `#:`. They were
computed from the documents and the metric contract, not by the exporter.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.ledger import Ledger
from exporter.metrics.catalogue import catalogue
from exporter.model import Report
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.publisher import Publisher
from exporter.quality import Thresholds
from exporter.settings import MetricsSettings
from exporter.sources.base import Delivery
from exporter.sources.hundredms.facts import PeerFacts, SessionFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.sources.watchrtc.reader import read_document
from tests.oracle import check_exposition
from tests.oracle.exposition import page_findings, promtool_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES = Path(__file__).parent / "fixtures" / "vendor_samples"
#: 2025-02-06T12:05:50Z and 12:06:20Z: the sample's windows begin with the one and end before the other.
JOINED, LEFT = 1_738_843_550.0, 1_738_843_580.0
#: 2022-09-04T00:17:06.149Z: the end of watchRTC's sample.
ROOM_END = 1_662_250_626.149
#: From the end of the session to the report.
LAG = 600.0
#: The default `metrics.zero_hold`.
ZERO_HOLD = 30.0


class Exposition:
    """Reports go in at a given time, the page comes out."""

    def __init__(self, folder: Path, now: float, keys: Sequence[str] = ()) -> None:
        families = catalogue(key_labels=[f"key_{key}" for key in keys])
        self.now = now
        self.ledger = Ledger.open(folder)
        self.ingest = Ingest(self.ledger, families, Thresholds(), Border())
        self.publisher = Publisher(self.ledger, families, MetricsSettings(), Thresholds(), ZeroHold())
        self.publisher.load()

    def take(self, source: str, report: Report) -> None:
        """Ingests a report; the page shows it, its counts still at zero."""
        self.publisher.take(self.ingest.commit(source, Delivery(reports=(report,)), self.now), self.now)
        self.publisher.publish(self.now, Audience())

    def release(self) -> None:
        """A Prometheus has read the zeros and the hold is over."""
        self.publisher.publish(self.now + ZERO_HOLD, Audience(self.publisher.generation.number))

    def page(self, *, open_metrics: bool = False) -> str:
        """The page as it stands."""
        body = self.publisher.generation.body(b"", open_metrics=open_metrics, gzip=False)
        return b"".join(body.chunks).decode()

    def lines(self) -> list[str]:
        """The page in text format 0.0.4, line by line, its numbers without the rounding errors of doubles."""
        return [line if line.startswith("#") else without_rounding_error(line) for line in self.page().splitlines()]


def without_rounding_error(line: str) -> str:
    """The sample with 15 significant digits, all that doubles can promise: 2.1 / 1000 is 0.0021000000000000003."""
    series, value = line.rsplit(" ", 1)
    # How a number is written is part of the page: only its last digits may differ.
    assert repr(float(value)) == value
    return f"{series} {float(f'{float(value):.15g}')!r}"


@pytest.fixture
def hundredms(tmp_path: Path) -> Iterator[Exposition]:
    """The sample of 100ms, asked for as the one peer of its session, ingested ten minutes after the end."""
    session = SessionFacts(
        session_id="6977b3f3cdd1e423f8b2cxxx", room_id="6977b3f3cdd1e423f8b2xxxx", start=JOINED, end=LEFT, peers=1
    )
    peer = PeerFacts(peer_id="1169b4b7-68c2-4d39-8568-5618433958ac", role="host", joined=JOINED, left=LEFT)
    raw = (SAMPLES / "100ms-peer-stats.json").read_bytes()
    report = parse_peer_stats(raw, session.session("prod"), peer)
    assert isinstance(report, Report)
    assert report.rejected_samples == ()
    exposition = Exposition(tmp_path, LEFT + LAG)
    exposition.take("prod", report)
    yield exposition
    exposition.ledger.close()


@pytest.fixture
def watchrtc(tmp_path: Path) -> Iterator[Exposition]:
    """The sample of watchRTC with one of its two keys allow-listed, ingested ten minutes after the end."""
    raw = (SAMPLES / "watchrtc-room.json").read_bytes()
    (report,) = read_document([raw], "watch", ("keyA",))
    assert isinstance(report, Report)
    assert report.rejected_samples == ()
    exposition = Exposition(tmp_path, ROOM_END + LAG, ("keyA",))
    exposition.take("watch", report)
    yield exposition
    exposition.ledger.close()


def by_hand(name: str) -> list[str]:
    """The lines of a page that was written by hand, without its comments."""
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#: ")]


def at_zero(lines: Sequence[str]) -> list[str]:
    """The same page while the new counters and histograms are held at zero; gauges and the exporter's own stay."""
    held = {
        match[1]
        for line in lines
        if (match := re.fullmatch(r"# TYPE (\w+) (?:counter|histogram)", line))
        and not match[1].startswith("webrtc_exporter_")
    }
    name = re.compile(r"(\w+?)(?:_bucket|_sum|_count)?\{")

    def zero(line: str) -> str:
        match = name.match(line)
        return line.rpartition(" ")[0] + " 0.0" if match and match[1] in held else line

    return [zero(line) for line in lines]


def test_the_sample_of_100ms_gives_the_page_by_hand(hundredms: Exposition) -> None:
    """Every family, HELP, TYPE, label and number; the counts first at zero, then as they are."""
    page = by_hand("100ms-page.txt")
    assert hundredms.lines() == at_zero(page)
    hundredms.release()
    assert hundredms.lines() == page
    check_exposition(hundredms.page(), hundredms.page(open_metrics=True))


def test_the_sample_of_watchrtc_gives_the_page_by_hand(watchrtc: Exposition) -> None:
    """Every family, HELP, TYPE, label and number; the counts first at zero, then as they are."""
    page = by_hand("watchrtc-page.txt")
    assert watchrtc.lines() == at_zero(page)
    watchrtc.release()
    assert watchrtc.lines() == page
    for open_metrics in (False, True):
        assert page_findings(watchrtc.page(open_metrics=open_metrics), openmetrics=open_metrics) == []
    # The key is the application's own, and so is the case of its letters.
    camel_case = "webrtc_peer_info label names should be written in 'snake_case' not 'camelCase'"
    assert set(promtool_findings(watchrtc.page())) <= {camel_case}


def test_the_pages_by_hand_leave_no_family_out() -> None:
    """Together they have every family about rooms and peers, save those that neither sample has a value for."""
    lines = [*by_hand("100ms-page.txt"), *by_hand("watchrtc-page.txt")]
    shown = {line.split(" ")[2] for line in lines if line.startswith("# TYPE ")}
    families = {family.name for family in catalogue() if family.scope not in {"exporter", "exporter_count", "timeline"}}
    assert families - shown == {
        # Nobody in the samples gave a rating; no document or value in them is rejected, repeated or left out.
        "webrtc_room_user_rating",
        "webrtc_peer_user_rating",
        "webrtc_exporter_reports_duplicate_total",
        "webrtc_exporter_reports_rejected_total",
        "webrtc_exporter_samples_rejected_total",
        "webrtc_exporter_peers_skipped_total",
    }
