"""What sending the timeline costs: encoding against protobuf's own library, and all of it into a local Prometheus."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import version
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo import hundredms_documents, simulation
from exporter.ledger import Ledger
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.instruments import Instruments
from exporter.model import Peer, Report, Session, SessionKey
from exporter.pipeline.ledger_thread import LedgerThread
from exporter.pipeline.sending import Sending
from exporter.pipeline.sending_events import SendingEvents
from exporter.quality import Thresholds, judge_peer
from exporter.remote_write_settings import QueueConfig
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.timeline import payload
from exporter.timeline.series import count
from exporter.timeline.shape import Shape
from exporter.timeline.wire import body, wire_labels, write_request
from tests.live.receivers import receiving_prometheus
from tests.timeline_support import WriteRequest, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from exporter.timeline.series import TimelineSeries

#: Of a session: everybody sees and hears everybody.
_PEERS = 6
_OWN = {"job": "webrtc-quality-exporter", "instance": "bench"}
#: What a Prometheus counts of samples that it keeps.
_APPENDED = frozenset(
    {"prometheus_tsdb_head_samples_appended_total", "prometheus_tsdb_head_out_of_order_samples_appended_total"}
)
_A_REQUEST = QueueConfig().max_samples_per_send
#: What is sent into the database.
_SENT_SAMPLES = 2_000_000


def rows() -> Iterator[str]:
    """Yields the lines of the report."""
    stays = list(_stays(time.time() - 7200.0))
    shape, thresholds = Shape(FAMILIES), Thresholds()
    judged = [(key, judge_peer(peer, thresholds)) for key, peer in stays]
    peers = [shape.peer(key, peer).series for key, peer in judged]
    series = [each for peer in peers for each in peer]
    samples = count(series)
    yield f"cramjam {version('cramjam')}, protobuf {version('protobuf')}\n"
    yield f"{len(peers)} peers of 30 minutes, {len(series)} series, {samples} samples\n"
    for what, ingest in (
        ("judging: merging windows, verdicts, means", lambda: [judge_peer(peer, thresholds) for _, peer in stays]),
        ("shaping the timeline of what was judged", lambda: [shape.peer(key, peer) for key, peer in judged]),
    ):
        yield f"  {_cpu_seconds(ingest) / len(peers) * 1000:7.2f} ms CPU a peer        {what}\n"
    slow = _cpu_seconds(lambda: _by_protobuf(series))
    yield f"  {samples / slow / 1e6:7.2f} M samples/s       protobuf's library, not compressed\n"
    for what, work in (
        ("our encoder, not compressed", lambda: write_request(series, _OWN)),
        ("our encoder, compressed with snappy", lambda: body(series, _OWN)),
        ("packing for the queue", lambda: [payload.encode(peer) for peer in peers]),
    ):
        spent = _cpu_seconds(work)
        yield f"  {samples / spent / 1e6:7.2f} M samples/s {slow / spent:4.1f}x {what}\n"
    sent, kept = len(body(series, _OWN)), sum(len(payload.encode(peer)) for peer in peers)
    yield f"  {sent / samples:.1f} bytes a sample on the wire, {kept / samples:.1f} in the queue\n"
    if shutil.which("prometheus"):
        yield from _into_prometheus(peers)
    else:
        yield "  no Prometheus on PATH to send to\n"


def _stays(end: float) -> Iterator[tuple[SessionKey, Peer]]:
    """The peers of a few simulated 100ms sessions that ended before `end`."""
    for recording in simulation.volume("bench", 4, _PEERS, end - 2000.0, minutes=30.0):
        for number in range(_PEERS):
            raw = json.dumps(hundredms_documents.peer_stats(recording, number)).encode()
            key = SessionKey("bench", "room", hundredms_documents.session_id(recording.meeting))
            facts = PeerFacts(peer_id=hundredms_documents.peer_id(recording.meeting, number))
            report = parse_peer_stats(raw, Session(key=key), facts)
            assert isinstance(report, Report)
            yield key, report.peers[0]


def _by_protobuf(series: Sequence[TimelineSeries]) -> bytes:
    request = WriteRequest()
    for each in series:
        message = request.timeseries.add()
        for name, value in wire_labels(each, _OWN):
            message.labels.add(name=name, value=value)
        for at, number in each.samples():
            message.samples.add(value=float("nan") if number is None else number, timestamp=at)
    written: bytes = request.SerializeToString()
    return written


def _cpu_seconds(work: Callable[[], object], times: int = 5) -> float:
    """The least CPU time of a few runs."""
    spent = []
    for _ in range(times):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return min(spent)


def _into_prometheus(peers: Sequence[tuple[TimelineSeries, ...]]) -> Iterator[str]:
    """From the queue in the ledger to a Prometheus that has acknowledged all: which of the two is busier."""
    programme = subprocess.run(["prometheus", "--version"], check=False, capture_output=True, text=True)
    folder = Path(tempfile.mkdtemp())
    ledger, thread = Ledger.open(folder / "state"), LedgerThread()
    try:
        total = _fill(ledger, peers)
        with receiving_prometheus(folder / "prometheus") as database:
            before, wall, ours = _cpu_of(database.url), time.perf_counter(), time.process_time()
            asyncio.run(_send(database.url, ledger, thread))
            ours, wall = time.process_time() - ours, time.perf_counter() - wall
            theirs = _cpu_of(database.url) - before
            stored = _samples_in(database.url)
    finally:
        thread.close()
        ledger.close()
        shutil.rmtree(folder)
    assert stored == total, f"{stored} of {total} samples are there"
    name = (programme.stdout or programme.stderr).partition(" (")[0]
    yield f"{name}, {total} samples from the queue in the ledger, one connection, {_A_REQUEST} a request\n"
    yield f"  {total / wall / 1e6:7.2f} M samples/s       acknowledged, in {wall:.1f} s\n"
    for who, spent in (("the exporter: reading, encoding, sending, acknowledging", ours), ("Prometheus", theirs)):
        yield f"  {spent / total * 1e6:7.2f} us CPU a sample {spent:5.1f} s of CPU, {spent / wall:4.0%} busy: {who}\n"


def _fill(ledger: Ledger, peers: Sequence[tuple[TimelineSeries, ...]]) -> int:
    """Writes rows as ingestion does; returns how many samples they have."""
    total = 0
    with ledger.transaction(time.time()) as transaction:
        for copy in count_from(0):
            for peer in peers:
                # Another session each time: a database takes new series and times as they come in a day.
                named = [replace(each, labels=(*each.labels, ("copy", f"{copy}"))) for each in peer]
                first, last = named[0].times[0] / 1000, named[0].times[-1] / 1000
                transaction.add_to_timeline(first, last, count(named), payload.encode(named))
                total += count(named)
            if total >= _SENT_SAMPLES:
                break
    return total


async def _send(url: str, ledger: Ledger, thread: LedgerThread) -> None:
    """Sends until nothing waits any more."""
    # The last request is not full: five seconds of waiting for more would be most of what is measured.
    settings = read_settings(url, name="bench", queue_config={"batch_send_deadline": "50ms"})
    events = SendingEvents("bench", Instruments(with_process=False))
    sending = Sending(settings, "bench", ledger, thread, events, time.time)
    await thread.run(ledger.timeline.set_receivers, {sending.key: None}, time.time())
    running = asyncio.create_task(sending.run())
    while (await thread.run(ledger.timeline.waiting, sending.key)).rows:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _samples_in(url: str) -> float:
    """How many samples a Prometheus was sent and keeps."""
    return sum(sample.value for family in _page(url) for sample in family.samples if sample.name in _APPENDED)


def _cpu_of(url: str) -> float:
    (seconds,) = (
        sample.value for family in _page(url) for sample in family.samples if sample.name == "process_cpu_seconds_total"
    )
    return seconds


def _page(url: str) -> Iterable[Metric]:
    return text_string_to_metric_families(httpx.get(url.replace("/api/v1/write", "/metrics"), trust_env=False).text)
