"""The corpus of malformed documents goes through the parsers, the ledger, the page and the real process."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from exporter.ledger import Ledger
from exporter.metrics.catalogue import catalogue
from exporter.model import Report, Session, SessionKey
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.publisher import Publisher
from exporter.quality import Thresholds
from exporter.settings import MetricsSettings
from exporter.sources.base import Delivery, Receipt, RejectedDocument
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats, parse_saved_peer_stats
from exporter.sources.watchrtc.reader import read_document
from tests.corpus import good_room_ids, hundredms_cases, watchrtc_cases
from tests.corpus.server import PEER_ID, SESSION_ID, corpus_vendor
from tests.corpus.watchrtc import good_room
from tests.live.process import running_exporter
from tests.oracle import check_exposition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.corpus import Case
    from tests.corpus.server import CorpusVendor
    from tests.live.process import Exporter

HUNDREDMS, WATCHRTC = hundredms_cases(), watchrtc_cases()
#: No document takes longer than a second or two; one that takes this long would take the process with it.
LONGEST_SECONDS = 900.0
#: 2027-01-15T08:00:00Z, later than any time in the documents that is not absurd.
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ends a test that hangs, so that the document that did it has a name."""
    if request.node.get_closest_marker("live"):
        yield
        return

    def give_up(*_: object) -> None:
        pytest.fail(f"not done within {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def ids(cases: Sequence[Case]) -> list[str]:
    """What pytest calls each case; only plain characters."""
    return [re.sub(r"[^\w.-]", "_", f"{case.vendor}-{case.name}", flags=re.ASCII) for case in cases]


def parsed(case: Case) -> list[Report | RejectedDocument]:
    """Everything that the vendor's parser makes of a case."""
    if case.vendor == "100ms":
        return [parse_saved_peer_stats(case.raw, "prod", case.name)]
    return list(read_document([case.raw], "watch", ("tenant",), document=case.name))


def reports_of(outcomes: Iterable[Report | RejectedDocument]) -> list[Report]:
    """Those that were accepted."""
    return [outcome for outcome in outcomes if isinstance(outcome, Report)]


def rejections_of(outcomes: Iterable[Report | RejectedDocument]) -> list[RejectedDocument]:
    """Those that were rejected."""
    return [outcome for outcome in outcomes if isinstance(outcome, RejectedDocument)]


def rejected_samples(reports: Iterable[Report]) -> Counter[str]:
    """The values that were left out, by reason."""
    return sum((Counter[str](dict(report.rejected_samples)) for report in reports), Counter[str]())


# Through the parsers


@pytest.mark.parametrize("case", [*HUNDREDMS, *WATCHRTC], ids=ids([*HUNDREDMS, *WATCHRTC]))
def test_a_document_is_read_or_clearly_rejected(case: Case) -> None:
    """The outcome, the reason and the rejected samples that the case expects; its good neighbours come through.

    A rejection is one sentence for the log that begins with the document's name and has bounded length.
    """
    outcomes = parsed(case)
    reports, rejections = reports_of(outcomes), rejections_of(outcomes)
    assert len(reports) + len(rejections) == len(outcomes)
    if case.vendor == "100ms":
        assert len(outcomes) == 1
    if case.outcome != "either":
        assert bool(rejections) == (case.outcome == "rejected"), [rejection.message for rejection in rejections]
    if case.reason is not None:
        assert {rejection.reason for rejection in rejections} == {case.reason}
    if case.samples is not None:
        assert rejected_samples(reports) == case.samples
    assert {report.session.key.room_id for report in reports} >= good_room_ids(case)
    for rejection in rejections:
        assert rejection.message.startswith(f"{case.name}: ")
        assert len(rejection.message) < 400
        assert rejection.message.isprintable()


@pytest.mark.parametrize("case", HUNDREDMS, ids=ids(HUNDREDMS))
def test_an_answer_is_read_or_rejected_like_a_saved_one(case: Case) -> None:
    """Asked for, a document need not say whom it is about; what is no such document is rejected all the same."""
    session = Session(key=SessionKey("prod", "room", SESSION_ID))
    outcome = parse_peer_stats(case.raw, session, PeerFacts(peer_id=PEER_ID))
    if isinstance(outcome, RejectedDocument):
        assert case.outcome != "accepted" or outcome.reason == "missing_identity"
    else:
        assert outcome.session == session
        assert [peer.peer_id for peer in outcome.peers] == [PEER_ID]
        assert case.reason in {None, "missing_identity"}
        if case.samples is not None:
            assert dict(outcome.rejected_samples) == case.samples


# Through ledger and page


def apart(case: Case, outcomes: Sequence[Report | RejectedDocument]) -> Delivery:
    """A delivery in which the odd sessions of each case are sessions of their own; the good rooms stay the same."""

    def of_case(report: Report) -> Report:
        key = report.session.key
        if key.room_id.startswith("good-"):
            return report
        own = SessionKey(key.source, key.room_id, f"{case.name} {key.session_id}")
        return replace(report, session=replace(report.session, key=own))

    reports = tuple(of_case(report) for report in reports_of(outcomes))
    return Delivery(reports=reports, rejected=tuple(rejections_of(outcomes)))


@pytest.mark.no_cover
def test_the_whole_corpus_goes_through_ledger_and_page(tmp_path: Path) -> None:
    """In one go: no exception, each rejection counted once, nothing added by a second delivery, a well-formed page."""
    families = catalogue(key_labels=["key_tenant"])
    ledger = Ledger.open(tmp_path)
    ingest = Ingest(ledger, families, Thresholds(), Border())
    publisher = Publisher(ledger, families, MetricsSettings(), Thresholds(), ZeroHold())
    publisher.load()
    documents: dict[tuple[str, bytes], str] = {}
    seen: dict[SessionKey, Report] = {}
    for again in (False, True):
        for case in (*HUNDREDMS, *WATCHRTC):
            source = "prod" if case.vendor == "100ms" else "watch"
            delivery = apart(case, parsed(case))
            committed = ingest.commit(source, delivery, NOW)
            publisher.take(committed, NOW)
            if again:
                assert committed.receipt == Receipt(duplicate=committed.receipt.duplicate), case.name
            documents |= {(source, document.digest): document.reason for document in delivery.rejected}
            seen = {report.session.key: report for report in delivery.reports} | seen
        publisher.publish(NOW, Audience())
        counts = {series: count.amounts[0] for series, count in ledger.counts.items()}
        for source in ("prod", "watch"):
            reasons = Counter(reason for (of, _), reason in documents.items() if of == source)
            assert reasons["malformed"] > 60
            assert label_counts(counts, "webrtc_exporter_reports_rejected_total", source) == reasons
            left_out = rejected_samples(report for key, report in seen.items() if key.source == source)
            assert label_counts(counts, "webrtc_exporter_samples_rejected_total", source) == left_out
    assert ("webrtc_exporter_series_evicted_total",) not in ledger.counts
    publisher.publish(NOW + 300.0, Audience(publisher.generation.number))
    text, open_metrics = (
        b"".join(publisher.generation.body(b"", open_metrics=form, gzip=False).chunks).decode()
        for form in (False, True)
    )
    assert len(text) < 32 * 2**20
    check_exposition(text, open_metrics)
    ledger.close()
    # What was written can be read: the next process shows the same sessions and counts.
    again_opened = Ledger.open(tmp_path)
    assert {series: count.amounts[0] for series, count in again_opened.counts.items()} == counts
    restarted = Publisher(again_opened, families, MetricsSettings(), Thresholds(), ZeroHold())
    restarted.load()
    restarted.publish(NOW + 300.0, Audience())
    page = b"".join(restarted.generation.body(b"", open_metrics=False, gzip=False).chunks).decode()
    assert sorted(page.splitlines()) == sorted(text.splitlines())
    again_opened.close()


def label_counts(counts: dict[tuple[str, ...], float], family: str, source: str) -> dict[str, float]:
    """The values of a family of one source by its reason."""
    return {series[2]: value for series, value in counts.items() if series[:2] == (family, source)}


# Through the real process


def write_configuration(folder: Path, base_url: str) -> Path:
    """Both sources; the 100ms one asks for each peer at once and does not tire."""
    config = folder / "config.yaml"
    peer_stats = {"requests_per_second": 1000, "settle_delay": "0s", "recheck_after": [], "give_up_after": "10d"}
    hundredms = {
        "name": "prod",
        "type": "100ms",
        "base_url": base_url,
        "auth": {"management_token": "a-token"},
        "discovery": {"poll_interval": "1s"},
        "peer_stats": peer_stats,
    }
    watchrtc = {
        "name": "watch",
        "type": "watchrtc",
        "url": str(folder / "streams"),
        "poll_interval": "1s",
        "min_object_age": "0s",
        "keys_as_labels": ["tenant"],
    }
    config.write_text(json.dumps({"sources": [hundredms, watchrtc]}), encoding="utf-8")
    return config


def page_counts(page: str) -> dict[tuple[str, str], float]:
    """Rejected documents by source and reason, as the page has them."""
    line = re.compile(r'webrtc_exporter_reports_rejected_total\{source="(\w+)",reason="(\w+)"\} (\S+)')
    return {(match[1], match[2]): float(match[3]) for match in line.finditer(page) if float(match[3])}


@pytest.mark.live
def test_the_real_process_survives_the_whole_corpus(tmp_path: Path) -> None:
    """It stays alive and answers; the good rooms and peers are there, each rejection is counted once."""
    streams = tmp_path / "streams"
    streams.mkdir()
    for number, case in enumerate(WATCHRTC):
        (streams / f"{number:04d}.json").write_bytes(case.raw)
    (streams / "9999.json").write_text(json.dumps([good_room("the-last")]), encoding="utf-8")
    with corpus_vendor() as server:
        wanted = expected_rejections(server)
        config = write_configuration(tmp_path, server.base_url)
        with running_exporter(config, tmp_path / "state", measured=False) as exporter:
            exporter.until_ready()
            exporter.until("the last room", lambda: 'room_id="the-last"' in exporter.page())
            exporter.until("every rejection", lambda: page_counts(exporter.page()) == wanted)
            hold_against_corpus(exporter, server)
            # Rejected answers are asked for again; the same documents count no second time.
            polls = 'webrtc_exporter_source_polls_total{source="prod"} '
            before = metric(exporter.page(), polls)
            exporter.until("two more polls", lambda: metric(exporter.page(), polls) >= before + 2)
            assert page_counts(exporter.page()) == wanted
            assert exporter.stop() == 0
            assert "Traceback" not in exporter.log.read_text(encoding="utf-8")


def expected_rejections(server: CorpusVendor) -> dict[tuple[str, str], float]:
    """What the parsers reject, each document once, by source and reason."""
    documents: dict[tuple[str, bytes], str] = {}
    session = Session(key=SessionKey("prod", "", SESSION_ID))
    for peer_id, raw in server.documents.items():
        outcome = parse_peer_stats(raw, session, PeerFacts(peer_id=peer_id))
        if isinstance(outcome, RejectedDocument):
            documents["prod", outcome.digest] = outcome.reason
    for case in WATCHRTC:
        documents |= {("watch", document.digest): document.reason for document in rejections_of(parsed(case))}
    wanted = Counter((source, reason) for (source, _), reason in documents.items())
    return {each: float(count) for each, count in wanted.items()}


def hold_against_corpus(exporter: Exporter, server: CorpusVendor) -> None:
    """The page is well formed and has what is good in the corpus; both sources are up."""
    text = exporter.page()
    check_exposition(text, exporter.page(open_metrics=True))
    assert exporter.get("/-/healthy").status_code == 200
    for source in ("prod", "watch"):
        assert f'webrtc_exporter_source_up{{source="{source}"}} 1.0' in text.splitlines()
    rooms = set(re.findall(r'webrtc_room_info\{source="watch",room_id="([^"]*)"', text))
    assert rooms >= frozenset[str]().union(*map(good_room_ids, WATCHRTC))
    peers = set(re.findall(r'webrtc_peer_info\{source="prod",.*?peer_id="([^"]*)"', text))
    for peer_id, case in zip(server.documents, HUNDREDMS, strict=True):
        # A document that says another peer's id is not the one that was asked for; one without data is waited for.
        if (
            case.outcome == "accepted"
            and peer_id.encode() in server.documents[peer_id]
            and case.name != "no-data-at-all"
        ):
            assert peer_id in peers, case.name


def metric(page: str, beginning: str) -> float:
    """The value of the series whose line begins so; 0 where there is none."""
    return next((float(line.removeprefix(beginning)) for line in page.splitlines() if line.startswith(beginning)), 0.0)
