"""The whole program at work: configuration, ledger, pipeline and web server, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from exporter import __version__, config, logs
from exporter.face import ReloadError, Scrape
from exporter.ledger import Ledger, StateError
from exporter.metrics.catalogue import configurable_buckets
from exporter.metrics.instruments import Instruments
from exporter.metrics.negotiation import ExpositionFormat, choose_encoding, choose_format
from exporter.pipeline import Pipeline, PipelineError
from exporter.pipeline.exposure import Exposure
from exporter.pipeline.ledger_thread import LedgerThread
from exporter.sources import source_types
from exporter.web.addresses import ListenError
from exporter.web.app import application
from exporter.web.server import serving
from exporter.web.web_config import WebConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from exporter.config import Settings
    from exporter.face import Endpoint, Inbox, Scraper, SessionLine, SourceState
    from exporter.options import ServeOptions
    from exporter.pipeline.border import Border

logger = logging.getLogger(__name__)


class StartError(Exception):
    """The program cannot start; the text says why and is for the person who starts it."""


async def serve(options: ServeOptions, *, stop: asyncio.Event | None = None) -> int:
    """Serves until SIGTERM, SIGINT or `stop`.

    Returns:
        The exit code: 0 after an orderly end, 1 when it could not start (the reason is on stderr) or not go on (the log
        says why).
    """
    stop = stop or asyncio.Event()
    try:
        async with AsyncExitStack() as resources:
            service = await Service.open(options, resources, stop)
            app = application(
                service,
                telemetry_path=options.telemetry_path,
                enable_lifecycle=options.enable_lifecycle,
                max_requests=options.max_requests,
            )
            await resources.enter_async_context(serving(app, options.listen_addresses, options.web_config_file))
            await resources.enter_async_context(_signals(stop, service))
            logger.info("webrtc-quality-exporter %s is running", __version__)
            await stop.wait()
            logger.info("stopping")
            return 1 if service.has_failed else 0
    except (StartError, ListenError, WebConfigError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


class Service:
    """The running program as the web layer sees it: `exporter.face.Face`."""

    def __init__(
        self,
        options: ServeOptions,
        ledger: Ledger,
        thread: LedgerThread,
        instruments: Instruments,
        exposure: Exposure,
        stop: asyncio.Event,
    ) -> None:
        self._options = options
        self._stop = stop
        self._ledger = ledger
        self._thread = thread
        self._instruments = instruments
        self._exposure = exposure
        # One thread: scrapes that come at once wait for the first of them to put the page together, and share it.
        self._scrapes = ThreadPoolExecutor(1, thread_name_prefix="scrape")
        self._reloading = asyncio.Lock()
        self._pipeline: Pipeline
        self._running: asyncio.Task[None]
        #: Whether it stopped because it cannot go on.
        self.has_failed = False

    @classmethod
    async def open(cls, options: ServeOptions, resources: AsyncExitStack, stop: asyncio.Event) -> Service:
        """Reads the configuration, opens the state and starts to poll.

        Args:
            options: the flags.
            resources: closes at the end what is opened here.
            stop: is set when it cannot go on.

        Raises:
            StartError: the configuration is not valid, or the state cannot be used.
        """
        settings = load_settings(options.config_file)
        thread = LedgerThread()
        resources.callback(thread.close)
        try:
            ledger = await thread.run(Ledger.open, options.storage_path)
            resources.push_async_callback(thread.run, ledger.close)
            exposure = Exposure(time.time(), await thread.run(ledger.scrape_gap))
        except StateError as error:
            raise StartError(str(error)) from error
        instruments = Instruments(with_process=options.exporter_metrics)
        service = cls(options, ledger, thread, instruments, exposure, stop)
        resources.callback(service._scrapes.shutdown)
        await service._start(settings)
        resources.push_async_callback(service._end)
        return service

    # The web layer's questions

    async def scrape(self, *, accept: str, accept_encoding: str, scraper: Scraper | None) -> Scrape:
        """The page for one scrape."""
        page_format, encoding = choose_format(accept), choose_encoding(accept_encoding)
        body, generation = await asyncio.get_running_loop().run_in_executor(
            self._scrapes,
            lambda: self._pipeline.render(
                open_metrics=page_format is ExpositionFormat.OPENMETRICS, gzip=encoding == "gzip"
            ),
        )

        def delivered() -> None:
            if scraper is not None:
                self._exposure.scrapers.delivered(scraper, generation, time.time())

        return Scrape(
            content_type=page_format.content_type,
            content_encoding=encoding,
            length=body.length,
            chunks=body.chunks,
            delivered=delivered,
        )

    async def timeline(self, *, accept: str, accept_encoding: str, by_prometheus: bool) -> Scrape | None:
        """The page of the timeline for one scrape; None where it is not configured."""
        page_format, encoding = choose_format(accept), choose_encoding(accept_encoding)
        body = await self._pipeline.timeline(
            open_metrics=page_format is ExpositionFormat.OPENMETRICS,
            gzip=encoding == "gzip",
            by_prometheus=by_prometheus,
        )
        if body is None:
            return None
        return Scrape(
            content_type=page_format.content_type, content_encoding=encoding, length=body.length, chunks=body.chunks
        )

    def not_ready(self) -> str:
        """Why the first poll of each source has not ended yet; empty when all have."""
        return self._pipeline.not_ready()

    def sources(self) -> Sequence[SourceState]:
        """Every source, in the order of the configuration."""
        return self._pipeline.sources()

    def latest_sessions(self, limit: int) -> Sequence[SessionLine]:
        """Sessions in view, the last ingested first."""
        return self._pipeline.latest_sessions(limit)

    def effective_configuration(self) -> str:
        """The configuration in force, secrets masked."""
        return config.effective(self._pipeline.settings)

    def endpoint(self, inbox: Inbox, source: str) -> Endpoint | None:
        """Where what is sent to a source goes, by the configuration in force."""
        return self._pipeline.endpoint(inbox, source)

    async def reload(self) -> None:
        """Reads the configuration again, whole or not at all.

        Raises:
            ReloadError: it is not valid; the old one goes on.
        """
        async with self._reloading:
            loaded = self._instruments.gauge("config_last_reload_successful")
            try:
                await self._replace(load_settings(self._options.config_file))
            except (StartError, PipelineError) as error:
                loaded.set(0)
                logger.warning("the configuration was not reloaded: %s", error)
                raise ReloadError(str(error)) from error
            logger.info("the configuration was reloaded")

    # Pipelines come and go with their configuration

    async def _start(self, settings: Settings) -> None:
        try:
            pipeline = self._prepare(settings)
            await self._open(pipeline)
        except PipelineError as error:
            raise StartError(str(error)) from error
        self._put_in_force(pipeline)

    async def _replace(self, settings: Settings) -> None:
        old = self._pipeline
        new = self._prepare(settings)
        # The old one must be quiet before the new one takes the ledger's contents over, or a report would be missed.
        # The page of the old one is served meanwhile.
        await self._halt()
        try:
            await self._open(new)
        except PipelineError:
            # With the old salt, whatever its file holds by now.
            again = self._prepare(old.settings, old.border)
            try:
                await self._open(again)
            except PipelineError as error:
                logger.error("the old configuration cannot be taken up again: %s", error)  # noqa: TRY400 - it says all
                self._give_up()
                raise
            self._forget_remotes(new.remotes - old.remotes)
            self._put_in_force(again)
            raise
        for gone in {source.name for source in old.settings.sources} - {each.name for each in settings.sources}:
            self._instruments.forget("source", gone)
        self._forget_remotes(old.remotes - new.remotes)
        self._put_in_force(new)

    def _forget_remotes(self, gone: frozenset[str]) -> None:
        for remote in gone:
            self._instruments.forget("remote", remote)

    def _prepare(self, settings: Settings, border: Border | None = None) -> Pipeline:
        return Pipeline(
            settings,
            source_types(),
            self._ledger,
            self._thread,
            self._instruments,
            border=border,
            exposure=self._exposure,
        )

    @staticmethod
    async def _open(pipeline: Pipeline) -> None:
        # Before the first source says a word.
        logs.conceal(pipeline.discretion)
        await pipeline.open()

    def _put_in_force(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._running = asyncio.create_task(pipeline.run())
        self._running.add_done_callback(self._ended)
        self._instruments.gauge("config_last_reload_successful").set(1)
        self._instruments.gauge("config_last_reload_success_timestamp_seconds").set(time.time())

    def _ended(self, running: asyncio.Task[None]) -> None:
        """Stops the program when the pipeline ended by itself: what neither polls nor counts must not look alive."""
        if not running.cancelled():
            error = running.exception()
            if error is None or not _is_told(error):
                logger.error("the pipeline ended by a fault of this program", exc_info=error)
            self._give_up()

    def _give_up(self) -> None:
        self.has_failed = True
        self._stop.set()

    async def _halt(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        await self._pipeline.close()

    async def _end(self) -> None:
        async with self._reloading:
            await self._halt()


def _is_told(error: BaseException) -> bool:
    """Whether the log has all of it already."""
    return isinstance(error, BaseExceptionGroup) and error.split(StateError)[1] is None


def load_settings(file: Path) -> Settings:
    """Reads the configuration.

    Raises:
        StartError: it is not valid.
    """
    try:
        return config.load(file, source_types(), configurable_buckets())
    except config.ConfigError as error:
        raise StartError(str(error)) from error


@asynccontextmanager
async def _signals(stop: asyncio.Event, service: Service) -> AsyncIterator[None]:
    """SIGTERM and SIGINT stop, SIGHUP reloads, as long as the context is open."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        # The reason is in the log already.
        with suppress(ReloadError):
            await service.reload()

    def hang_up() -> None:
        task = asyncio.create_task(reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
        for task in tuple(reloads):
            task.cancel()
        await asyncio.gather(*reloads, return_exceptions=True)
