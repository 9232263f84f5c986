"""What the web layer needs of the rest; `exporter.service` implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Where something is sent to: `POST /webhooks/NAME` or `POST /ingest/NAME`.
Inbox: TypeAlias = Literal["webhooks", "ingest"]


class Connection:
    """One client's connection, by its identity."""

    def __init__(self) -> None:
        #: Until it is lost, whoever ended it.
        self.is_open = True


class Scraper(Struct, frozen=True, kw_only=True):
    """A Prometheus, or what counts and stores as one, as far as its request tells."""

    #: What all of its requests have in common, and perhaps those of others.
    looks: tuple[str, ...]
    connection: Connection


def _nobody_reads() -> None:
    """A visitor's page is no page read."""


class Scrape(Struct, frozen=True, kw_only=True):
    """One answer to `GET /metrics`."""

    content_type: str
    #: `gzip`, or empty for identity.
    content_encoding: str = ""
    length: int
    chunks: tuple[bytes, ...]
    #: To be called when all of it has been sent to a client that was still there.
    delivered: Callable[[], None] = _nobody_reads


class SourceState(Struct, frozen=True, kw_only=True):
    """One source, for the landing page. Moments are Unix seconds."""

    name: str
    type: str
    #: None before the first poll ended.
    up: bool | None = None
    last_success: float | None = None
    last_attempt: float | None = None
    backlog: int = 0
    #: What the last failed poll said; empty when the last one was good.
    problem: str = ""


class SessionLine(Struct, frozen=True, kw_only=True):
    """One of the latest sessions, for the landing page."""

    source: str
    room_id: str
    room_name: str
    session_id: str
    start: float | None
    end: float | None
    peers: int
    verdict: str
    reason: str


class Received(Struct, frozen=True, kw_only=True):
    """What became of a body that was sent to a source; all of it is committed."""

    #: Whether there was anything in it that the source can use, were it only known already.
    usable: bool
    new: int = 0
    grown: int = 0
    duplicate: int = 0
    rejected: int = 0
    #: What is wrong and where, the first few of them.
    problems: tuple[str, ...] = ()


class NotNowError(Exception):
    """What was sent cannot be taken at the moment; the same may be sent again. The text is for the sender."""


class Endpoint(Protocol):
    """One source's side of `POST /webhooks/NAME` or `POST /ingest/NAME`."""

    @property
    def most_bytes(self) -> int:
        """The most bytes of a body."""
        ...

    @property
    def most_seconds(self) -> float:
        """The most seconds that a body may take to arrive."""
        ...

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the sender shows the configured secret.

        Args:
            headers: of the request, looked up without regard to case.

        Raises:
            NotNowError: the secret cannot be read.
        """
        ...

    async def take(self, chunks: Iterable[bytes]) -> Received:
        """Commits what a complete body says.

        Args:
            chunks: the body in pieces; read in a thread, once.

        Raises:
            NotNowError: the configuration is being replaced.
        """
        ...


class ReloadError(Exception):
    """A reload was refused and the old configuration stays; the text says why."""


class Face(Protocol):
    """The pipeline as the web layer sees it."""

    async def scrape(self, *, accept: str, accept_encoding: str, scraper: Scraper | None) -> Scrape:
        """Renders the exposition in the format and encoding that the headers ask for.

        Args:
            accept: the `Accept` header, empty where there is none.
            accept_encoding: the `Accept-Encoding` header, empty where there is none.
            scraper: who asks, where it is one whose reading counts; None: a visitor.
        """
        ...

    async def timeline(self, *, accept: str, accept_encoding: str, by_prometheus: bool) -> Scrape | None:
        """Renders the page of the timeline; arguments as in `scrape`; None where it is not configured."""
        ...

    def not_ready(self) -> str:
        """Why the process is not ready yet; empty when it is."""
        ...

    def sources(self) -> Sequence[SourceState]:
        """Every configured source, in the order of the configuration."""
        ...

    def latest_sessions(self, limit: int) -> Sequence[SessionLine]:
        """Sessions in view, the last ingested first."""
        ...

    def endpoint(self, inbox: Inbox, source: str) -> Endpoint | None:
        """Where what is sent to a source goes; None where there is no such source, or nothing may be sent to it."""
        ...

    async def reload(self) -> None:
        """Reads the configuration again, whole or not at all.

        Raises:
            ReloadError: it is not valid; the old one goes on.
        """
        ...

    def effective_configuration(self) -> str:
        """The configuration in force as YAML, secrets masked."""
        ...
