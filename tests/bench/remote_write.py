"""What sending the timeline costs: encoding against protobuf's own library, and all of it into a local Prometheus."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo import hundredms_documents, simulation
from exporter.metrics.catalogue import FAMILIES
from exporter.model import Report, Session, SessionKey
from exporter.quality import Thresholds, assess_peer
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.timeline import payload
from exporter.timeline.batching import batches
from exporter.timeline.series import count
from exporter.timeline.shape import Shape
from exporter.timeline.wire import body, wire_labels, write_request
from tests.live.receivers import receiving_prometheus
from tests.timeline_support import FakeTime, RecordedEvents, WriteRequest, read_settings, sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.timeline.batching import Batch
    from exporter.timeline.series import TimelineSeries

#: Of a session: everybody sees and hears everybody.
_PEERS = 6
_OWN = {"job": "webrtc-quality-exporter", "instance": "bench"}
#: What is sent into the database.
_SENT_SAMPLES = 2_000_000


def rows() -> Iterator[str]:
    """Yields the lines of the report."""
    peers = list(_peers(time.time() - 7200.0))
    series = [each for peer in peers for each in peer]
    samples = count(series)
    yield f"cramjam {version('cramjam')}, protobuf {version('protobuf')}\n"
    yield f"{len(peers)} peers of 30 minutes, {len(series)} series, {samples} samples\n"
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


def _peers(end: float) -> Iterator[tuple[TimelineSeries, ...]]:
    """The peers of a few simulated 100ms sessions that ended before `end`."""
    shape, thresholds = Shape(FAMILIES, Thresholds()), Thresholds()
    for recording in simulation.volume("bench", 4, _PEERS, end - 2000.0, minutes=30.0):
        for number in range(_PEERS):
            raw = json.dumps(hundredms_documents.peer_stats(recording, number)).encode()
            key = SessionKey("bench", "room", hundredms_documents.session_id(recording.meeting))
            facts = PeerFacts(peer_id=hundredms_documents.peer_id(recording.meeting, number))
            report = parse_peer_stats(raw, Session(key=key), facts)
            assert isinstance(report, Report)
            (peer,) = report.peers
            yield shape.peer(key, peer, assess_peer(peer, thresholds)).series


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
    """From the queue's bytes to a Prometheus that has acknowledged all: which of the two is busier."""
    queue: list[bytes] = []
    total = 0
    while total < _SENT_SAMPLES:
        for peer in peers:
            # Another session each time: a database takes new series and times as they come in a day.
            named = [replace(each, labels=(*each.labels, ("copy", f"{len(queue)}"))) for each in peer]
            queue.append(payload.encode(named))
            total += count(named)
    programme = subprocess.run(["prometheus", "--version"], check=False, capture_output=True, text=True)
    folder = Path(tempfile.mkdtemp())
    try:
        with receiving_prometheus(folder / "prometheus") as database:
            before, wall, ours = _cpu_of(database.url), time.perf_counter(), time.process_time()
            events = asyncio.run(_send(database.url, queue))
            ours, wall = time.process_time() - ours, time.perf_counter() - wall
            theirs = _cpu_of(database.url) - before
    finally:
        shutil.rmtree(folder)
    assert events.stored == total, events.given_up
    name = (programme.stdout or programme.stderr).partition(" (")[0]
    yield f"{name}, {total} samples from the queue\n"
    yield f"  {total / wall / 1e6:7.2f} M samples/s       acknowledged, one connection, 5000 a request\n"
    yield f"  {ours / total * 1e6:7.2f} us CPU a sample     the sender; {theirs / total * 1e6:.2f} us Prometheus\n"


async def _send(url: str, queue: Sequence[bytes]) -> RecordedEvents:
    events = RecordedEvents()
    async with sending(read_settings(url), FakeTime(time.time()), events) as sender:
        waiting = (each for raw in queue for each in payload.decode(raw))
        batch: Batch
        for batch in batches(waiting, 5000):
            await sender.send(batch)
    return events


def _cpu_of(url: str) -> float:
    page = httpx.get(url.replace("/api/v1/write", "/metrics"), trust_env=False).text
    (seconds,) = (
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "process_cpu_seconds_total"
    )
    return seconds
