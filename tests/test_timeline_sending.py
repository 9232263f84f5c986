"""From the ledger to receivers: in order, acknowledged, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from exporter.config import MetricsSettings, Settings
from exporter.ledger import Ledger, Place, StateUnavailableError
from exporter.metrics.catalogue import catalogue
from exporter.metrics.instruments import Instruments
from exporter.pipeline.border import Border
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.ledger_thread import LedgerThread
from exporter.pipeline.timeline import Timeline, handing_over
from exporter.settings import TimelineSettings
from exporter.sources.base import Delivery
from exporter.timeline import payload
from exporter.timeline.sender import Sender
from exporter.values import Duration
from tests.reports import START, audio, key, peer, report
from tests.timeline_support import ACCEPTED, Reply, Request, in_turn, read_settings, recording_receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from exporter.remote_write_settings import RemoteWriteSettings
    from exporter.timeline.batching import Batch
    from exporter.timeline.sender import Packed

pytestmark = pytest.mark.anyio

NOW = START + 7200.0
LOSS = "webrtc_timeline_packet_loss_ratio"
#: Of a peer with one stream of two windows in a stay of a minute: four families with a marker each, verdict, connected.
SAMPLES = 4 * 3 + 3 + 3
FAST = {"batch_send_deadline": "0s", "min_backoff": "1ms", "max_backoff": "5ms"}


class Bench:
    """A ledger with receivers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.thread = LedgerThread()
        self.ledger = Ledger.open(folder)
        self.instruments = Instruments(with_process=False)
        self.timeline: Timeline

    def settings(self, *receivers: RemoteWriteSettings, **timeline: object) -> Settings:
        """A configuration."""
        return Settings(
            sources=(),
            metrics=MetricsSettings(),
            remote_write=receivers,
            timeline=TimelineSettings(**timeline),  # type: ignore[arg-type] # any fields
        )

    @asynccontextmanager
    async def at_work(self, settings: Settings) -> AsyncIterator[Timeline]:
        """Sends, until the block ends."""
        families = catalogue()
        timeline = Timeline(settings, families, self.ledger, self.thread, self.instruments, lambda: self.now)
        self.timeline = timeline
        self.ingest = Ingest(
            self.ledger, families, settings.quality, Border(), handing_over=handing_over(settings, families)
        )
        running = asyncio.create_task(timeline.run())
        try:
            yield timeline
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def deliver(self, *peers: str, session: str = "s1") -> None:
        """Ingests a report of each peer, with two windows."""
        for name in peers:
            found = Delivery(reports=(report(peer(name, audio([0.01, 0.02])), of=key(session)),))
            await self.thread.run(self.ingest.commit, "prod", found, self.now)
        self.timeline.arrived()

    def waits(self, name: str) -> bool:
        """Whether something in the state waits for a receiver; what is shown may be of a moment ago."""
        return bool(self.ledger.timeline.waiting(f"remote_write/{name}").rows)

    async def tick(self) -> None:
        """What the pipeline does every second."""
        await self.thread.run(self.timeline.keep_bounds, self.now)

    def shows(self, line: str) -> bool:
        """Whether the page has a line about the exporter."""
        return f"webrtc_exporter_{line}" in self.instruments.render(open_metrics=False).decode().splitlines()

    def close(self) -> None:
        """Ends thread and ledger."""
        self.thread.close()
        self.ledger.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A new state."""
    made = Bench(tmp_path)
    yield made
    made.close()


def receiver_at(url: str, name: str = "", **queue: object) -> RemoteWriteSettings:
    """A receiver that is not waited for."""
    return read_settings(url, name=name, queue_config={**FAST, **queue})


async def until(holds: Callable[[], object]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(120.0):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


def peers_of(requests: list[Request]) -> list[str]:
    """The peers whose loss was sent, in the order of their samples."""
    return [labels["peer_id"] for each in requests for labels, _ in each.series if labels["__name__"] == LOSS]


async def test_what_is_ingested_is_sent_and_acknowledged(bench: Bench) -> None:
    """In order, with labels of our own; then nothing waits and the log is empty."""
    with recording_receiver() as receiver:
        async with bench.at_work(bench.settings(receiver_at(receiver.url, "one"))):
            await bench.deliver("a", "b", "c")
            await until(lambda: bench.shows(f'remote_write_samples_sent_total{{remote="one"}} {3.0 * SAMPLES}'))
            await until(lambda: not bench.waits("one"))
            await bench.tick()
            assert bench.shows('remote_write_queue_samples{remote="one"} 0.0')
        assert peers_of(receiver.requests) == ["a", "b", "c"]
        labels = receiver.requests[0].series[0][0]
        assert (labels["job"], labels["instance"]) == ("webrtc-quality-exporter", "shard-0")
    assert await bench.thread.run(bench.ledger.timeline.size) == 0
    # The marker after the end of the stay.
    assert bench.shows('remote_write_highest_sent_timestamp_seconds{remote="one"} 1.772359260001e+09')
    assert bench.shows('remote_write_up{remote="one"} 1.0')
    assert bench.shows(f'remote_write_requests_total{{code="204",remote="one"}} {len(receiver.requests)}.0')


async def test_nothing_goes_before_the_receivers_have_their_places(bench: Bench) -> None:
    """What the command `ingest` wrote is there for the receivers of the next serve, however soon that looks."""
    with recording_receiver() as receiver:
        settings = bench.settings(receiver_at(receiver.url, "one"))
        async with bench.at_work(bench.settings(keep=Duration(60))):
            await bench.deliver("a")
        families = catalogue()
        early = Timeline(settings, families, bench.ledger, bench.thread, bench.instruments, lambda: bench.now + 3600.0)
        await bench.thread.run(early.keep_bounds, bench.now + 3600.0)
        async with bench.at_work(settings):
            await until(lambda: peers_of(receiver.requests) == ["a"])


async def test_requests_are_filled_over_several_rows(bench: Bench) -> None:
    """What waits goes out in as few requests as allowed, none larger. Compliance: size_based_flush."""
    with recording_receiver() as receiver:
        settings = bench.settings(receiver_at(receiver.url, "one", max_samples_per_send=50, capacity=100))
        async with bench.at_work(bench.settings(keep=Duration(60))):
            await bench.deliver(*(f"p{number}" for number in range(10)))
        async with bench.at_work(settings):
            await until(lambda: sum(each.samples for each in receiver.requests) >= 10 * SAMPLES)
    assert [each.samples for each in receiver.requests] == [50, 50, 50, 10 * SAMPLES - 150]


async def test_the_next_request_is_made_ready_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is under way, so that neither side waits for the other; it is sent after that one only."""
    made: list[str] = []
    under_way = threading.Event()
    real = Sender.pack

    def pack(self: Sender, batch: Batch) -> Packed:
        made.extend(labels["peer_id"] for labels in (dict(each.labels) for each in batch[:1]))
        return real(self, batch)

    def answer(_: Request) -> Reply:
        assert under_way.wait(120.0)
        return ACCEPTED

    monkeypatch.setattr(Sender, "pack", pack)
    with recording_receiver(answer) as receiver:
        settings = bench.settings(receiver_at(receiver.url, "one", max_samples_per_send=SAMPLES))
        async with bench.at_work(settings):
            await bench.deliver("a", "b", "c")
            await until(lambda: made == ["a", "b"] and receiver.requests)
            assert peers_of(receiver.requests) == ["a"]
            under_way.set()
            await until(lambda: peers_of(receiver.requests) == ["a", "b", "c"])
        assert made == ["a", "b", "c"]


async def test_little_waits_for_more(bench: Bench) -> None:
    """For `batch_send_deadline`: what comes meanwhile shares the request; then it goes alone.

    Compliance: time_based_flush.
    """
    with recording_receiver() as receiver:
        patient = receiver_at(receiver.url, "one", batch_send_deadline="1h", max_samples_per_send=2 * SAMPLES)
        async with bench.at_work(bench.settings(patient)):
            await bench.deliver("a")
            (sending,) = bench.timeline._sendings  # noqa: SLF001 - nothing else tells what is in hand
            await until(lambda: sending.read.id == 1)
            assert not receiver.requests
            await bench.deliver("b")
            await until(lambda: receiver.requests)
            assert peers_of(receiver.requests) == ["a", "b"]
            await until(lambda: not bench.waits("one"))
        async with bench.at_work(bench.settings(receiver_at(receiver.url, "one", batch_send_deadline="50ms"))):
            await bench.deliver("c")
            await until(lambda: peers_of(receiver.requests) == ["a", "b", "c"])


async def test_one_that_fails_does_not_hold_up_the_others(bench: Bench) -> None:
    """Each has a place of its own; what one lacks waits for it."""
    with recording_receiver() as good, recording_receiver(in_turn(Reply(503))) as bad:
        settings = bench.settings(receiver_at(good.url, "good"), receiver_at(bad.url, "bad"))
        async with bench.at_work(settings):
            await bench.deliver("a", "b")
            await until(lambda: len(peers_of(good.requests)) == 2)
            await until(lambda: len(bad.requests) > 3)
            await until(lambda: not bench.waits("good"))
            await bench.tick()
            assert bench.shows('remote_write_up{remote="bad"} 0.0')
            assert bench.shows(f'remote_write_queue_samples{{remote="bad"}} {2.0 * SAMPLES}')
            assert bench.shows('remote_write_queue_stays{remote="bad"} 2.0')
            assert bench.shows('remote_write_queue_samples{remote="good"} 0.0')
            bench.now += 500.0
            await bench.tick()
            assert bench.shows('remote_write_queue_wait_seconds{remote="bad"} 500.0')
            assert bench.shows('remote_write_oldest_sample_age_seconds{remote="bad"} 7700.0')
            bad.answer = in_turn(ACCEPTED)
            await until(lambda: bench.shows('remote_write_queue_samples{remote="bad"} 0.0'))
        assert peers_of(bad.requests)[-2:] == ["a", "b"]


async def test_what_was_not_acknowledged_is_sent_by_whoever_comes_next(bench: Bench) -> None:
    """A configuration is replaced while a request is under way: at most that request is repeated, nothing is lost."""
    entered, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(request: Request) -> Reply | None:
        if peers_of([request]) == ["c"] and not go_on.is_set():
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(120.0)
        return ACCEPTED

    with recording_receiver(answer) as receiver:
        settings = bench.settings(receiver_at(receiver.url, "one", max_samples_per_send=SAMPLES))
        async with bench.at_work(settings):
            await bench.deliver("a", "b", "c", "d")
            await asyncio.wait_for(entered.wait(), 120.0)
        go_on.set()
        async with bench.at_work(settings):
            await until(lambda: "d" in peers_of(receiver.requests))
        assert peers_of(receiver.requests) == ["a", "b", "c", "c", "d"]


async def test_a_row_that_cannot_be_read_costs_itself(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and told, and its neighbours arrive."""
    caplog.set_level(logging.ERROR)
    with recording_receiver() as receiver:
        async with bench.at_work(bench.settings(keep=Duration(60))):
            await bench.deliver("a")

            def damage() -> None:
                with bench.ledger.transaction(NOW) as transaction:
                    transaction.add_to_timeline(NOW, NOW, 7, b"\x01damaged")

            await bench.thread.run(damage)
            await bench.deliver("b")
        async with bench.at_work(bench.settings(receiver_at(receiver.url, "one"))):
            await until(lambda: bench.shows('remote_write_queue_samples{remote="one"} 0.0'))
    assert peers_of(receiver.requests) == ["a", "b"]
    assert bench.shows('remote_write_samples_dropped_total{reason="damaged",remote="one"} 7.0')
    assert "one: row 2 of the queue is given up" in caplog.text


async def test_past_its_bounds_the_queue_drops_the_oldest(bench: Bench) -> None:
    """And counts it for whoever did not have it; what is in hand, under way and made ready, is not dropped."""
    with recording_receiver(in_turn(Reply(503))) as receiver:
        small = receiver_at(receiver.url, "one", max_samples_per_send=SAMPLES, capacity=1)
        settings = bench.settings(small, max_age=Duration(1000))
        async with bench.at_work(settings):
            await bench.deliver("a", "b", "c", "d")
            (sending,) = bench.timeline._sendings  # noqa: SLF001 - nothing else tells what is in hand
            await until(lambda: len(receiver.requests) > 1 and sending.read.id == 2)
            bench.now += 1001.0
            await bench.deliver("e")
            await bench.tick()
            lost = f'remote_write_samples_dropped_total{{reason="too_old",remote="one"}} {2.0 * SAMPLES}'
            assert bench.shows(lost)
            receiver.answer = in_turn(ACCEPTED)
            await until(lambda: "e" in peers_of(receiver.requests))
        assert list(dict.fromkeys(peers_of(receiver.requests))) == ["a", "b", "e"]
        assert bench.shows(lost)


async def test_receivers_come_and_go_with_the_configuration(bench: Bench) -> None:
    """A new one gets what is still there; one that is gone holds nothing back."""
    with recording_receiver() as first, recording_receiver() as second:
        one, two = receiver_at(first.url, "one"), receiver_at(second.url, "two")
        async with bench.at_work(bench.settings(one, keep=Duration(3600))):
            await bench.deliver("a")
            await until(lambda: peers_of(first.requests) == ["a"])
            await until(lambda: not bench.waits("one"))
        async with bench.at_work(bench.settings(two, one, keep=Duration(3600))):
            await until(lambda: peers_of(second.requests) == ["a"])
            await bench.deliver("b")
            await until(lambda: peers_of(first.requests) == ["a", "b"])
            await until(lambda: peers_of(second.requests) == ["a", "b"])
        async with bench.at_work(bench.settings()):
            async with asyncio.timeout(120.0):
                while await bench.thread.run(bench.ledger.timeline.size):
                    await bench.tick()
        assert bench.ledger.timeline.place("remote_write/one") is None


async def test_one_that_gets_another_name_or_address_loses_nothing(bench: Bench) -> None:
    """What waits for it is still there for the new name; under its old name it goes on at another address."""
    with recording_receiver(in_turn(Reply(503))) as first, recording_receiver() as second:
        async with bench.at_work(bench.settings(receiver_at(first.url, "one"))):
            await bench.deliver("a", "b")
            await until(lambda: first.requests)
        async with bench.at_work(bench.settings(receiver_at(first.url, "other"))):
            await until(lambda: bench.ledger.timeline.place("remote_write/other"))
            await bench.deliver("c")
        async with bench.at_work(bench.settings(receiver_at(second.url, "other"))):
            await until(lambda: peers_of(second.requests) == ["a", "b", "c"])
        assert bench.ledger.timeline.place("remote_write/one") is None


async def test_a_state_that_cannot_be_written_for_a_while_stops_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again when the state can be written, as nobody could note that it was."""
    monkeypatch.setattr("exporter.pipeline.sending._PAUSE", 0.01)
    monkeypatch.setattr("exporter.pipeline.timeline._PAUSE", 0.01)
    log = bench.ledger.timeline
    failures = {"set_receivers": 2, "acknowledge": 1, "read": 1}
    for name, times in failures.items():
        real, left = getattr(log, name), [times]

        def flaky(*arguments: object, real: Callable[..., object] = real, left: list[int] = left) -> object:
            if left[0]:
                left[0] -= 1
                message = "disk full"
                raise StateUnavailableError(message)
            return real(*arguments)

        monkeypatch.setattr(log, name, flaky)
    with recording_receiver() as receiver:
        async with bench.at_work(bench.settings(receiver_at(receiver.url, "one"))):
            await bench.deliver("a")
            await until(lambda: bench.shows('remote_write_queue_samples{remote="one"} 0.0'))
            await until(lambda: log.place("remote_write/one") == Place(1, SAMPLES, log.end().bytes))
    assert peers_of(receiver.requests) == ["a", "a"]


async def test_a_fault_of_ours_begins_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and nothing is lost."""
    monkeypatch.setattr("exporter.pipeline.sending._PAUSE", 0.01)
    left = [1]

    real = payload.decode

    def broken(raw: bytes) -> object:
        if left[0]:
            left[0] -= 1
            raise ZeroDivisionError
        return real(raw)

    monkeypatch.setattr(payload, "decode", broken)
    with recording_receiver() as receiver:
        async with bench.at_work(bench.settings(receiver_at(receiver.url, "one"))):
            await bench.deliver("a")
            await until(lambda: peers_of(receiver.requests) == ["a"])
    assert "one: sending is begun anew" in caplog.text


async def test_the_page_shows_what_waits_and_forgets_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a minute from the first read by a Prometheus; then it has left the log, too, once that can be written."""

    def unwritable(*_: object) -> None:
        message = "disk full"
        raise StateUnavailableError(message)

    async def read(*, by_prometheus: bool = True) -> str:
        body = await bench.timeline.scrape(open_metrics=False, compressed=False, by_prometheus=by_prometheus)
        assert body is not None
        return b"".join(body.chunks).decode()

    async with bench.at_work(bench.settings(endpoint=True)):
        await until(lambda: bench.ledger.timeline.place("/timeline"))
        await bench.deliver("a")
        for waited, is_there in ((0.0, True), (300.0, True)):
            bench.now = NOW + waited
            assert (f"{LOSS}{{" in await read(by_prometheus=False)) is is_there
        assert "EOF" not in await read()
        # Markers are no text: 2 windows of 4 families, 2 verdicts, connected at both ends.
        assert bench.shows('remote_write_samples_sent_total{remote="/timeline"} 12.0')
        bench.now += 59.0
        await bench.deliver("b")
        text = await read()
        assert ('peer_id="a"' in text, 'peer_id="b"' in text) == (True, True)
        bench.now += 1.0
        text = await read()
        assert ('peer_id="a"' in text, 'peer_id="b"' in text) == (False, True)
        await bench.tick()
        assert bench.shows('remote_write_queue_stays{remote="/timeline"} 1.0')
        with monkeypatch.context() as patched:
            patched.setattr(bench.ledger.timeline, "acknowledge", unwritable)
            bench.now += 60.0
            assert 'peer_id="b"' not in await read()
        await read()
        assert await bench.thread.run(bench.ledger.timeline.place, "/timeline") == bench.ledger.timeline.end()
    async with bench.at_work(bench.settings()):
        assert await bench.timeline.scrape(open_metrics=True, compressed=True, by_prometheus=True) is None


async def test_the_page_counts_what_it_never_shows(bench: Bench) -> None:
    """By reason, once: what is ahead, and what is older than the window of the Prometheus that reads."""

    async def dropped(reason: str) -> bool:
        body = await bench.timeline.scrape(open_metrics=False, compressed=False, by_prometheus=True)
        assert body is not None
        assert b"webrtc" not in b"".join(body.chunks)
        return bench.shows(f'remote_write_samples_dropped_total{{reason="{reason}",remote="/timeline"}} 12.0')

    async with bench.at_work(bench.settings(endpoint=True)):
        await until(lambda: bench.ledger.timeline.place("/timeline"))
        bench.now = START - 3600.0
        await bench.deliver("a")
        assert await dropped("in_future")
        assert await dropped("in_future")
        bench.now = START + 86_400.0
        await bench.deliver("b")
        assert await dropped("too_old")
        assert await dropped("too_old")
