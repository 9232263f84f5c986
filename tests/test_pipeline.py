"""Sources, ledger and page together: polls and their failures, deliveries, scrapes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest
from msgspec import Struct

from exporter.config import MetricsSettings, Settings
from exporter.face import Connection, NotNowError, Received, Scraper
from exporter.ledger import Ledger
from exporter.metrics.instruments import Instruments
from exporter.pipeline import Pipeline, PipelineError
from exporter.pipeline.exposure import Exposure
from exporter.pipeline.ledger_thread import LedgerThread
from exporter.pipeline.runner import wait_seconds
from exporter.sources.base import Delivery, Fact, ObjectIdentity, PollError, Receipt, Receiver, SourceType, Task
from exporter.values import Duration, Secret
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

    from exporter.sources.base import Events, Intake

    Poll = Callable[[Intake, Events], Awaitable[None]]

pytestmark = pytest.mark.anyio


class FakeSettings(Struct, frozen=True, kw_only=True):
    """A source that can be polled without a pause."""

    name: str = "prod"
    poll_seconds: float = 0.0
    keys_as_labels: tuple[str, ...] = ()
    max_key_values: int = 100

    def problems(self) -> list[tuple[str, str]]:
        """None."""
        return []


class FakeSource:
    """Polls as a test says."""

    def __init__(self, poll: Poll, events: Events) -> None:
        self._poll, self._events = poll, events

    async def poll(self, intake: Intake) -> None:
        """One poll."""
        await self._poll(intake, self._events)


def fake_type(poll: Poll) -> SourceType:
    """A vendor whose sources poll as a test says."""

    @asynccontextmanager
    async def opened(_: FakeSettings, events: Events) -> AsyncIterator[FakeSource]:
        yield FakeSource(poll, events)

    def no_webhook(_: FakeSettings) -> None:
        """Not configured."""

    return SourceType(name="fake", settings=FakeSettings, open=opened, webhook=no_webhook, push=fake_push)


def fake_push(settings: FakeSettings) -> Receiver:
    """Takes the ids of peers, one a piece."""

    def read(chunks: Iterable[bytes], _: float) -> Iterator[Delivery]:
        for chunk in chunks:
            yield Delivery(reports=(report(peer(chunk.decode(), audio([0.4])), of=key(source=settings.name)),))

    return Receiver(headers=(("X-Own", ""),), secret=Secret("s"), most_bytes=9, most_seconds=9.0, read=read)


class Bench:
    """A pipeline over a fake vendor, and what it shows."""

    def __init__(self, folder: Path, *, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(
            sources=(FakeSettings(),), source_types=("fake",), metrics=MetricsSettings(zero_hold=Duration(0))
        )
        self.ledger = Ledger.open(folder)
        self.thread = LedgerThread()
        self.instruments = Instruments(with_process=False)
        self.now = START + 600.0
        self.exposure = Exposure(self.now)
        self.prometheus = Scraper(looks=(), connection=Connection())

    def pipeline(self, poll: Poll) -> Pipeline:
        """Not open yet."""
        return Pipeline(
            self.settings,
            {"fake": fake_type(poll)},
            self.ledger,
            self.thread,
            self.instruments,
            clock=lambda: self.now,
            exposure=self.exposure,
        )

    def page(self, pipeline: Pipeline) -> list[str]:
        """The lines of the page, read as a Prometheus reads them."""
        body, generation = pipeline.render(open_metrics=False, gzip=False)
        self.exposure.scrapers.delivered(self.prometheus, generation, self.now)
        return b"".join(body.chunks).decode().splitlines()

    async def shown(self, pipeline: Pipeline, line: str) -> None:
        """Waits until the page has a line, reading as a Prometheus does."""
        async with asyncio.timeout(10.0):
            while line not in self.page(pipeline):  # noqa: ASYNC110 - a page is looked at, it tells nobody
                await asyncio.sleep(0.01)

    def close(self) -> None:
        """Ends thread and ledger."""
        self.thread.close()
        self.ledger.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One source named `prod`."""
    made = Bench(tmp_path)
    yield made
    made.close()


@asynccontextmanager
async def at_work(pipeline: Pipeline) -> AsyncIterator[Pipeline]:
    """Opens and runs a pipeline, and ends it."""
    await pipeline.open()
    running = asyncio.create_task(pipeline.run())
    try:
        yield pipeline
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pipeline.close()


async def nothing(_: Intake, __: Events) -> None:
    """A poll that finds nothing."""


async def test_what_a_poll_delivers_is_shown(bench: Bench) -> None:
    """Gauges at once, counts after they were read as zeros; the receipt says what became of the reports."""
    receipts: list[Receipt] = []

    async def poll(intake: Intake, events: Events) -> None:
        receipts.append(await intake.deliver(Delivery(reports=(report(peer("p1", audio([0.4]))),))))
        events.backlog(3)

    async with at_work(bench.pipeline(poll)) as pipeline:
        await bench.shown(pipeline, 'webrtc_sessions_total{source="prod",room_id="standup"} 1.0')
        lines = bench.page(pipeline)
        assert pipeline.latest_sessions(1)[0].verdict == "poor"
    assert receipts[:2] == [Receipt(new=1), Receipt(duplicate=1)]
    assert 'webrtc_peer_packet_loss_ratio{source="prod",room_id="standup",session_id="s1",peer_id="p1",' in str(lines)
    assert 'webrtc_exporter_source_up{source="prod"} 1.0' in lines
    assert 'webrtc_exporter_source_backlog{source="prod"} 3.0' in lines
    (newest,) = (line for line in lines if line.startswith("webrtc_exporter_source_data_timestamp_seconds{"))
    assert float(newest.split()[-1]) == START + 60.0
    assert 'webrtc_exporter_source_info{source="prod",type="fake"} 1.0' in lines


async def test_known_label_values_begin_at_zero(bench: Bench) -> None:
    """Failures and rejections by reason are there before the first one, so that its increase is seen."""
    async with at_work(bench.pipeline(nothing)) as pipeline:
        lines = bench.page(pipeline)
    assert 'webrtc_exporter_source_poll_failures_total{reason="timeout",source="prod"} 0.0' in lines
    assert 'webrtc_exporter_reports_rejected_total{source="prod",reason="malformed"} 0.0' in lines
    assert 'webrtc_exporter_samples_rejected_total{source="prod",reason="out_of_range"} 0.0' in lines
    assert 'webrtc_exporter_reports_ingested_total{source="prod"} 0.0' in lines


@pytest.mark.parametrize(
    ("error", "reason", "problem"),
    [
        (PollError("unauthorized", "the token is not accepted"), "unauthorized", "the token is not accepted"),
        (RuntimeError("secret details"), "other", "RuntimeError; the log tells more"),
    ],
    ids=["of the vendor", "of ours"],
)
async def test_a_failed_poll_shows(bench: Bench, error: Exception, reason: str, problem: str) -> None:
    """It counts by its reason, the source is down, says why, and what it delivered before stays."""

    async def poll(intake: Intake, _: Events) -> None:
        await intake.deliver(Delivery(reports=(report(peer("p1", audio([0.0]))),)))
        raise error

    async with at_work(bench.pipeline(poll)) as pipeline:
        await bench.shown(pipeline, 'webrtc_exporter_source_up{source="prod"} 0.0')
        await bench.shown(pipeline, 'webrtc_sessions_total{source="prod",room_id="standup"} 1.0')
        (state,) = pipeline.sources()
        assert (state.up, state.problem, state.last_success) == (False, problem, None)
        assert pipeline.not_ready() == ""
        failures = [line for line in bench.page(pipeline) if f'failures_total{{reason="{reason}"' in line]
        assert float(failures[0].split()[-1]) >= 1.0


async def test_one_source_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    """The other delivers, the page answers; readiness names the one that is waited for."""
    sources = (FakeSettings(name="stuck"), FakeSettings(name="prod"))
    bench = Bench(tmp_path, settings=Settings(sources=sources, source_types=("fake", "fake")))

    async def poll(intake: Intake, _: Events) -> None:
        if intake._source == "stuck":  # type: ignore[attr-defined]  # noqa: SLF001 - which of the two it is
            await asyncio.Event().wait()
        await intake.deliver(Delivery(reports=(report(peer("p1", audio([0.0]))),)))

    async with at_work(bench.pipeline(poll)) as pipeline:
        await bench.shown(pipeline, 'webrtc_exporter_source_up{source="prod"} 1.0')
        assert pipeline.not_ready() == "waiting for the first poll of stuck"
    bench.close()


async def test_a_source_gets_back_what_it_wanted_remembered(bench: Bench) -> None:
    """Due tasks, how many wait, unread objects and its own facts come from the ledger."""
    found: list[object] = []
    done = asyncio.Event()

    async def poll(intake: Intake, _: Events) -> None:
        await intake.deliver(
            Delivery(
                new_tasks=(Task(key="a", due=intake.now()), Task(key="~b", due=intake.now() + 1.0)),
                read_objects=(ObjectIdentity("f", "1"),),
                facts=(Fact("mark", b"5"),),
            )
        )
        found.append([task.key for task in await intake.due_tasks(5)])
        found.append(await intake.unread([ObjectIdentity("f", "1"), ObjectIdentity("f", "2")]))
        found.append(await intake.waiting_tasks())
        found.append([await intake.fact("mark"), await intake.fact("other")])
        done.set()

    async with at_work(bench.pipeline(poll)):
        await asyncio.wait_for(done.wait(), 10.0)
    assert found[:4] == [["a"], [ObjectIdentity("f", "2")], 1, [b"5", None]]


async def test_other_buckets_than_those_of_the_state_are_refused(bench: Bench) -> None:
    """A change of bounds would mix two scales in one series."""
    async with at_work(bench.pipeline(nothing)):
        pass
    bench.settings = Settings(
        sources=(FakeSettings(),),
        source_types=("fake",),
        metrics=MetricsSettings(buckets={"webrtc_peer_session_mos": (2.0, 4.0)}),
    )
    with pytest.raises(PipelineError, match="webrtc_peer_session_mos: the buckets differ"):
        await bench.pipeline(nothing).open()


async def test_a_source_that_cannot_be_opened_is_a_clear_error(bench: Bench) -> None:
    """Its text is for the person who starts the program."""

    def opened(_: FakeSettings, __: Events) -> NoReturn:
        msg = "token.txt: expected a secret, the file is empty"
        raise ValueError(msg)

    kind = SourceType(name="fake", settings=FakeSettings, open=opened)
    pipeline = Pipeline(bench.settings, {"fake": kind}, bench.ledger, bench.thread, bench.instruments)
    with pytest.raises(PipelineError, match=r"token\.txt: expected a secret"):
        await pipeline.open()


async def test_the_page_goes_on_when_it_could_not_be_brought_up_to_date(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure of the ledger is logged, the page in force stays, the next look does better."""
    broken = True
    size = bench.ledger.size

    def sometimes() -> int:
        if broken:
            msg = "disk I/O error"
            raise OSError(msg)
        return size()

    monkeypatch.setattr(bench.ledger, "size", sometimes)
    async with at_work(bench.pipeline(nothing)) as pipeline:
        async with asyncio.timeout(10.0):
            while "could not be brought up to date" not in caplog.text:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert bench.page(pipeline)
        broken = False
        await bench.shown(pipeline, f"webrtc_exporter_state_bytes {float(size())}")


async def test_the_time_between_scrapes_is_remembered(bench: Bench) -> None:
    """A tenth more than the longest, for the next process; small changes are no news, a scraper that went is."""

    async def remembered(gap: float) -> None:
        async with asyncio.timeout(10.0):
            while await bench.thread.run(bench.ledger.scrape_gap) != pytest.approx(gap):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    async with at_work(bench.pipeline(nothing)) as pipeline:
        for gap, expected in ((20.0, 22.0), (21.0, 22.0), (30.0, 33.0)):
            bench.page(pipeline)
            bench.now += gap
            bench.page(pipeline)
            await remembered(expected)
        for _ in range(6):
            bench.now += 1.0
            bench.page(pipeline)
        await remembered(1.1)


@pytest.mark.parametrize(
    ("interval", "failures", "wait"),
    [(60.0, 0, 60.0), (60.0, 1, 120.0), (60.0, 3, 300.0), (600.0, 5, 600.0), (0.0, 9, 0.0), (1.0, 10_000, 300.0)],
)
def test_back_off(interval: float, failures: int, wait: float) -> None:
    """The interval doubles with each failure up to five minutes; a longer interval stays what it is."""
    assert wait_seconds(interval, failures) == wait


async def test_before_it_is_open_it_says_so(bench: Bench) -> None:
    """A programming mistake is not an empty page."""
    with pytest.raises(RuntimeError, match="not open"):
        bench.pipeline(nothing).latest_sessions(1)


async def test_what_is_sent_counts_like_what_is_polled(bench: Bench) -> None:
    """It is committed under the source's name and shown; the same again is a duplicate."""
    async with at_work(bench.pipeline(nothing)) as pipeline:
        endpoint = pipeline.endpoint("ingest", "prod")
        assert endpoint is not None
        assert await endpoint.take([b"p1", b"p2"]) == Received(usable=True, new=2)
        assert await endpoint.take([b"p2"]) == Received(usable=True, duplicate=1)
        await bench.shown(pipeline, 'webrtc_exporter_reports_ingested_total{source="prod"} 2.0')
        assert pipeline.endpoint("webhooks", "prod") is None
        assert pipeline.endpoint("ingest", "other") is None


async def test_nothing_is_taken_by_a_pipeline_that_was_closed(bench: Bench) -> None:
    """Its successor has taken the ledger over and would not show it; the sender is told to try again."""
    async with at_work(bench.pipeline(nothing)) as old:
        endpoint = old.endpoint("ingest", "prod")
    assert endpoint is not None
    with pytest.raises(NotNowError, match="the configuration is being replaced"):
        await endpoint.take([b"p1"])
    async with at_work(bench.pipeline(nothing)) as new:
        again = new.endpoint("ingest", "prod")
        assert again is not None
        assert (await again.take([b"p1"])).new == 1
