"""A pipeline that answers what a test wants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exporter.face import Received, Scrape, Scraper, SessionLine, SourceState
from exporter.web.app import application

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import ASGIApp

    from exporter.face import Inbox

TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class FakeFace:
    """A face whose answers are attributes; it notes how it was asked."""

    def __init__(self) -> None:
        self.chunks: tuple[bytes, ...] = (b"# HELP up Up.\n", b"# TYPE up gauge\n", b"up 1\n")
        self.content_encoding = ""
        self.reason = ""
        self.source_states: tuple[SourceState, ...] = ()
        self.session_lines: tuple[SessionLine, ...] = ()
        self.configuration = "sources: []\n"
        self.failure: Exception | None = None
        #: Where it is set, a scrape waits for it.
        self.gate: asyncio.Event | None = None
        #: Released once for each scrape that began.
        self.entered = asyncio.Semaphore(0)
        self.asked: list[tuple[str, str, Scraper | None]] = []
        #: The same of the page of the timeline, and whether a Prometheus asked.
        self.asked_timeline: list[tuple[str, str, bool]] = []
        #: Scrapes that were sent whole.
        self.delivered = 0
        self.limits: list[int] = []
        self.reloads = 0
        self.timeline_page: Scrape | None = None
        self.endpoints: dict[tuple[Inbox, str], FakeEndpoint] = {}

    async def scrape(self, *, accept: str, accept_encoding: str, scraper: Scraper | None) -> Scrape:
        """Gives the chunks."""
        self.asked.append((accept, accept_encoding, scraper))
        self.entered.release()
        if self.gate is not None:
            await self.gate.wait()
        self._fail()
        return Scrape(
            content_type=TEXT_CONTENT_TYPE,
            content_encoding=self.content_encoding,
            length=sum(map(len, self.chunks)),
            chunks=self.chunks,
            delivered=self._note_delivery,
        )

    async def timeline(self, *, accept: str, accept_encoding: str, by_prometheus: bool) -> Scrape | None:
        """Gives what there is."""
        self.asked_timeline.append((accept, accept_encoding, by_prometheus))
        return self.timeline_page

    def not_ready(self) -> str:
        """Gives the reason."""
        return self.reason

    def sources(self) -> tuple[SourceState, ...]:
        """Gives the states."""
        self._fail()
        return self.source_states

    def latest_sessions(self, limit: int) -> tuple[SessionLine, ...]:
        """Gives the lines, all of them."""
        self.limits.append(limit)
        return self.session_lines

    def endpoint(self, inbox: Inbox, source: str) -> FakeEndpoint | None:
        """Gives the one that is there."""
        return self.endpoints.get((inbox, source))

    async def reload(self) -> None:
        """Counts, or fails."""
        self._fail()
        self.reloads += 1

    def effective_configuration(self) -> str:
        """Gives the text."""
        return self.configuration

    def _note_delivery(self) -> None:
        self.delivered += 1

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class FakeEndpoint:
    """An endpoint that lets in who says `please` in `X-Secret`, and notes what it was given."""

    def __init__(self, received: Received | None = None) -> None:
        self.most_bytes = 1 << 20
        self.most_seconds = 10.0
        self.received = received or Received(usable=True)
        self.failure: Exception | None = None
        self.bodies: list[bytes] = []

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Looks at the header."""
        return headers.get("x-secret") == "please"

    async def take(self, chunks: Iterable[bytes]) -> Received:
        """Reads the body, or fails."""
        if self.failure is not None:
            raise self.failure
        self.bodies.append(b"".join(chunks))
        return self.received


def application_of(face: FakeFace) -> ASGIApp:
    """The application before a face, with everything on."""
    return application(face, enable_lifecycle=True)
