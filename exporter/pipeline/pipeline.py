"""Sources, ledger and page of one configuration, running."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, get_args

from msgspec import structs

from exporter.face import NotNowError
from exporter.ledger import StateDamagedError, StateError
from exporter.metrics.catalogue import UnknownFamilyError
from exporter.pipeline.border import Border
from exporter.pipeline.commits import Commits
from exporter.pipeline.exposure import Audience, Exposure
from exporter.pipeline.ingest import Committed, Ingest
from exporter.pipeline.opening import families_of, take_over
from exporter.pipeline.publisher import Publisher
from exporter.pipeline.receiving import SourceEndpoint
from exporter.pipeline.runner import Runner, SourceEvents
from exporter.pipeline.timeline import Timeline, handing_over
from exporter.sources.base import PollFailure
from exporter.timeline.access import AccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from exporter.config import Settings
    from exporter.face import Inbox, SessionLine, SourceState
    from exporter.ledger import Ledger
    from exporter.metrics.exposition import Body
    from exporter.metrics.instruments import Instruments
    from exporter.model import PersonalLabel
    from exporter.pipeline.ledger_thread import LedgerThread
    from exporter.remembered import ObjectIdentity, Task
    from exporter.sources.base import Delivery, Receipt, Receiver, SourceSettings, SourceType

logger = logging.getLogger(__name__)

#: Time between looks for what expires or may show, in seconds.
_TICK = 1.0
#: The shortest time between two generations of the page, in seconds: many reports at once share one.
_SETTLE = 0.2


class PipelineError(Exception):
    """The pipeline cannot run with this configuration; the text says why."""


class Pipeline:
    """Everything between the sources and the page, for one configuration.

    `open`, then `run` in a task of its own; `close` at the end.
    """

    def __init__(  # noqa: PLR0913 - the place where everything meets
        self,
        settings: Settings,
        source_types: Mapping[str, SourceType],
        ledger: Ledger,
        thread: LedgerThread,
        instruments: Instruments,
        *,
        clock: Callable[[], float] = time.time,
        border: Border | None = None,
        exposure: Exposure | None = None,
    ) -> None:
        """Makes it.

        Args:
            settings: the configuration.
            source_types: the vendors, by the `type` that the configuration writes.
            ledger: worked with in `thread` only.
            thread: the ledger's.
            instruments: what the exporter tells about itself.
            clock: Unix seconds.
            border: of an earlier pipeline with the same settings; None: made of them, which may read a file.
            exposure: what an earlier pipeline knew of scrapers and of what they have not read.

        Raises:
            PipelineError: it cannot run with this configuration.
        """
        self.settings = settings
        self._source_types = source_types
        self._ledger = ledger
        self._thread = thread
        self._instruments = instruments
        self._clock = clock
        self._runners: list[Runner] = []
        self._endpoints: dict[tuple[Inbox, str], SourceEndpoint] = {}
        self._closed = False
        self._resources = AsyncExitStack()
        self._changed = asyncio.Event()
        self._exposure = exposure or Exposure(clock())
        try:
            self._families = families_of(settings, self._personal_labels())
        except UnknownFamilyError as error:
            msg = f"metrics.buckets.{error}"
            raise PipelineError(msg) from error
        try:
            self.border = border or Border.of(settings)
        except ValueError as error:
            raise PipelineError(str(error)) from error
        if self.border.has_weak_salt:
            logger.warning("metrics.pseudonyms: the salt is so short that it can be guessed; use 32 random characters")
        #: How messages are told where there are pseudonyms; None where they may say everything.
        self.discretion = self.border.discretion([source.name for source in settings.sources])
        self._ingest = Ingest(
            ledger, self._families, settings.quality, self.border, handing_over=handing_over(settings, self._families)
        )
        try:
            self._timeline = Timeline(settings, self._families, ledger, thread, instruments, clock)
        except AccessError as error:
            msg = f"remote_write: {error}"
            raise PipelineError(msg) from error
        self._commits = Commits(thread, self._commit)
        self._publisher: Publisher | None = None

    async def open(self) -> None:
        """Takes over what the ledger holds and opens the sources.

        Raises:
            PipelineError: the ledger was begun with other buckets, pseudonyms or shards, or a source cannot be opened.
        """
        publisher = Publisher(
            self._ledger,
            self._families,
            self.settings.metrics,
            self.settings.quality,
            self._exposure.hold,
            key_limits={source.name: source.max_key_values for source in self.settings.sources},
        )
        try:
            await self._thread.run(self._take_over, publisher)
            for kind, source in zip(self.settings.source_types, self.settings.sources, strict=True):
                events = SourceEvents(source.name, self._instruments)
                opened = await self._resources.enter_async_context(self._source_types[kind].open(source, events))
                intake = _SourceIntake(source.name, self)
                self._runners.append(Runner(kind, source, opened, intake, events, self._instruments))
                self._endpoints.update(self._endpoints_of(self._source_types[kind], source))
        except (StateError, OSError, ValueError) as error:
            await self._resources.aclose()
            raise PipelineError(str(error)) from error
        self._publisher = publisher

    async def run(self) -> None:
        """Polls and publishes until cancelled.

        Raises:
            ExceptionGroup: with a StateDamagedError, when the state cannot be worked with any more.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish())
            tasks.create_task(self._timeline.run())
            for runner in self._runners:
                tasks.create_task(runner.run())

    async def close(self) -> None:
        """Takes nothing in any more and closes the sources' connections."""
        self._closed = True
        await self._resources.aclose()

    # What a source may ask for

    async def deliver(self, source: str, delivery: Delivery) -> Receipt:
        """Commits a delivery of a source and lets the page show it soon."""
        receipt = await self._commits.deliver(source, delivery)
        self._changed.set()
        self._timeline.arrived()
        return receipt

    async def due_tasks(self, source: str, limit: int) -> Sequence[Task]:
        """Unfinished tasks of a source that are due."""
        return await self._thread.run(self._due_tasks, source, limit)

    async def waiting_tasks(self, source: str) -> int:
        """How many tasks of a source are unfinished that something is waited for with."""
        return await self._thread.run(self._ledger.waiting_tasks, source)

    async def fact(self, source: str, name: str) -> bytes | None:
        """What a source last delivered as a fact of its own."""
        known_as = self.border.fact_name(name)
        value = await self._thread.run(self._ledger.source_fact, source, known_as)
        return None if value is None else self.border.fact_value(source, known_as, value)

    async def unread(self, source: str, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        """Those object versions that were never read."""
        return await self._thread.run(self._unread, source, objects)

    def is_mine(self, session_id: str) -> bool:
        """Whether a session belongs to this exporter's shard."""
        return self.border.shard.has_session(session_id)

    def now(self) -> float:
        """Unix seconds."""
        return self._clock()

    # What the web layer asks for

    @property
    def remotes(self) -> frozenset[str]:
        """Whoever takes the timeline, as the metrics call them."""
        return self._timeline.remotes

    def not_ready(self) -> str:
        """Why the first poll of each source has not ended yet; empty when all have."""
        waiting = [runner.state.name for runner in self._runners if not runner.polled.is_set()]
        return f"waiting for the first poll of {', '.join(waiting)}" if waiting else ""

    def sources(self) -> list[SourceState]:
        """Every source's state, in the order of the configuration."""
        states = [runner.state for runner in self._runners]
        if self.discretion is None:
            return states
        return [structs.replace(state, problem=self.discretion.told(state.problem)) for state in states]

    def latest_sessions(self, limit: int) -> list[SessionLine]:
        """Sessions in view, the last ingested first."""
        return self._page.latest_sessions(limit)

    def endpoint(self, inbox: Inbox, source: str) -> SourceEndpoint | None:
        """Where what is sent to a source goes; None where the configuration knows of no such thing."""
        return self._endpoints.get((inbox, source))

    def render(self, *, open_metrics: bool, gzip: bool) -> tuple[Body, int]:
        """The page for one scrape, and its generation; may take time, so not for the event loop."""
        started = time.perf_counter()
        generation = self._page.generation
        body = generation.body(
            self._instruments.render(open_metrics=open_metrics), open_metrics=open_metrics, gzip=gzip
        )
        self._instruments.gauge("scrape_render_seconds").set(time.perf_counter() - started)
        return body, generation.number

    async def timeline(self, *, open_metrics: bool, gzip: bool, by_prometheus: bool) -> Body | None:
        """The page of the timeline for one scrape; None where there is none."""
        return await self._timeline.scrape(open_metrics=open_metrics, compressed=gzip, by_prometheus=by_prometheus)

    def _personal_labels(self) -> list[PersonalLabel]:
        kinds = zip(self.settings.source_types, self.settings.sources, strict=True)
        types = ((self._source_types[kind], source) for kind, source in kinds)
        return [label for kind, source in types if kind.personal_labels for label in kind.personal_labels(source)]

    def _endpoints_of(
        self, kind: SourceType, settings: SourceSettings
    ) -> Iterator[tuple[tuple[Inbox, str], SourceEndpoint]]:
        async def deliver(delivery: Delivery) -> Receipt:
            # After the next configuration's pipeline has taken the ledger over, its page would not know of this.
            if self._closed:
                message = "the configuration is being replaced"
                raise NotNowError(message)
            try:
                return await self.deliver(settings.name, delivery)
            except StateError:
                # The log says more; the sender is told neither files nor folders.
                message = "the state cannot be written at the moment"
                raise NotNowError(message) from None

        inboxes: tuple[tuple[Inbox, Callable[..., Receiver | None] | None], ...] = (
            ("webhooks", kind.webhook),
            ("ingest", kind.push),
        )
        for inbox, receiver_of in inboxes:
            receiver = receiver_of(settings) if receiver_of else None
            if receiver:
                yield (inbox, settings.name), SourceEndpoint(settings.name, receiver, deliver, self.now)

    # In the ledger's thread

    def _take_over(self, publisher: Publisher) -> None:
        now = self._clock()
        take_over(self._ledger, self.settings, self._families, self.border.terms, now)
        for source in self.settings.sources:
            if (end := self._ledger.newest_end(source.name)) is not None:
                self._show_newest_end(source.name, end)
            for reason in get_args(PollFailure):
                self._instruments.counter("source_poll_failures", source=source.name, reason=reason)
        self._instruments.gauge("shard_index").set(self.settings.shard.index)
        self._instruments.gauge("shards").set(self.settings.shard.count)
        publisher.load()
        publisher.publish(now, Audience())

    def _commit(self, deliveries: Sequence[tuple[str, Delivery]]) -> list[Receipt | Exception]:
        now = self._clock()
        results = self._ingest.commit_together(deliveries, now)
        return [
            self._take(source, result, now) if isinstance(result, Committed) else result
            for (source, _), result in zip(deliveries, results, strict=True)
        ]

    def _take(self, source: str, committed: Committed, now: float) -> Receipt | Exception:
        try:
            self._page.take(committed, now)
        except Exception as error:  # noqa: BLE001 - whoever delivered raises it
            return error
        if committed.newest_end is not None:
            self._show_newest_end(source, committed.newest_end)
        return committed.receipt

    def _due_tasks(self, source: str, limit: int) -> Sequence[Task]:
        tasks, broken = self.border.outwards(source, self._ledger.due_tasks(source, self._clock(), limit))
        if broken:
            # They would come first for ever, and keep the others from being asked for.
            logger.error("%s: %d tasks of the state cannot be read and are given up", source, len(broken))
            with self._ledger.transaction(self._clock()) as transaction:
                for key in broken:
                    transaction.finish_task(source, key)
        return tasks

    def _unread(self, source: str, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        known_as = {self.border.object_identity(each): each for each in objects}
        return [known_as[each] for each in self._ledger.unread(source, list(known_as), self._clock())]

    def _show_newest_end(self, source: str, end: float) -> None:
        self._instruments.gauge("source_data_timestamp_seconds", source=source).set(end)

    def _publish_now(self, audience: Audience, longest_gap: float) -> None:
        publisher, gauge = self._page, self._instruments.gauge
        now = self._clock()
        publisher.publish(now, audience)
        self._remember_gap(longest_gap)
        self._ledger.forget(now)
        self._timeline.keep_bounds(now)
        for scope, count in publisher.series.items():
            gauge("series", scope=scope).set(count)
        gauge("held_series").set(len(self._exposure.hold))
        gauge("series_limit").set(self.settings.metrics.max_series)
        gauge("state_bytes").set(self._ledger.size())

    def _remember_gap(self, longest_gap: float) -> None:
        """Keeps the longest time between scrapes for the process after this one."""
        if longest_gap and not longest_gap <= self._ledger.scrape_gap() <= 2.0 * longest_gap:
            with self._ledger.transaction(self._clock()) as transaction:
                # A tenth more, so that not each scrape that is a little late costs a commit.
                transaction.put_fact("scrape_gap", 1.1 * longest_gap)

    @property
    def _page(self) -> Publisher:
        if self._publisher is None:
            msg = "the pipeline is not open"
            raise RuntimeError(msg)
        return self._publisher

    async def _publish(self) -> None:
        while True:
            scrapers, now = self._exposure.scrapers, self._clock()
            self._instruments.gauge("scrapers").set(len(scrapers))
            try:
                await self._thread.run(self._publish_now, scrapers.audience(now), scrapers.longest_gap(now))
            except StateDamagedError:
                raise
            except StateError:
                # The log has it already, once; the page in force stays.
                pass
            except Exception:
                # The page in force stays; the next look may do better.
                logger.exception("the page could not be brought up to date")
            await asyncio.sleep(_SETTLE)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._changed.wait()
            self._changed.clear()


class _SourceIntake:
    """The pipeline as one source sees it: `exporter.sources.base.Intake`."""

    def __init__(self, source: str, pipeline: Pipeline) -> None:
        self._source = source
        self._pipeline = pipeline

    def now(self) -> float:
        return self._pipeline.now()

    def is_mine(self, session_id: str) -> bool:
        return self._pipeline.is_mine(session_id)

    async def deliver(self, delivery: Delivery) -> Receipt:
        return await self._pipeline.deliver(self._source, delivery)

    async def due_tasks(self, limit: int) -> Sequence[Task]:
        return await self._pipeline.due_tasks(self._source, limit)

    async def waiting_tasks(self) -> int:
        return await self._pipeline.waiting_tasks(self._source)

    async def fact(self, name: str) -> bytes | None:
        return await self._pipeline.fact(self._source, name)

    async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        return await self._pipeline.unread(self._source, objects)
