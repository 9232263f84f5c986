"""uvicorn's HTTP/1.1 connection, with the time limits that it does not have.

Source of the idea that a client must not hold a connection by sending or reading slowly: RFC 9110 section 17.13 speaks
of resource exhaustion; Go's net/http has ReadHeaderTimeout and WriteTimeout for it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from exporter.face import Connection
from exporter.web.tls import subject_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config

logger = logging.getLogger(__name__)

#: Where a request's ASGI scope has its `Connection`: a key of `state`.
CONNECTION = "connection"


class Limits(Struct, frozen=True, kw_only=True):
    """How long a connection may take. All in seconds but for the counts."""

    #: From the first byte of a request, or from the connection's start, to the end of its headers; for the TLS
    #: handshake as well.
    head: float = 10
    #: Between an answer and the next request. Longer than the five minutes for which Prometheus keeps an idle
    #: connection: scrapers that look alike are told apart by theirs.
    keep_alive: int = 330
    #: In which a client that reads slowly must have taken what fills the socket's buffers.
    stalled_write: float = 30
    #: For what is being answered when the server stops.
    shutdown: float = 5
    #: Bytes of a request's line and headers.
    head_bytes: int = 16_384
    #: Connections at the same time; past it a new one takes the place of the one that has been idle longest. It keeps
    #: descriptors free for the sources and the state.
    connections: int = 512


class Connections(ServerState):
    """What uvicorn's connections share, and a signal for when the last of them is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.all_gone = asyncio.Event()


class HttpProtocol(H11Protocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        connections: Connections,
        limits: Limits,
        allowed_names: Callable[[], frozenset[str]],
    ) -> None:
        """Makes a connection.

        Args:
            config: uvicorn's.
            connections: those of the server.
            limits: how long it may take.
            allowed_names: the subject alternative names of which a client's certificate needs one; empty: any client.
        """
        self._connection = Connection()
        super().__init__(config, connections, app_state={CONNECTION: self._connection})
        self._limits = limits
        self._all_gone = connections.all_gone
        self._allowed_names = allowed_names
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or cuts it when all others are busy or the client is not allowed in."""
        super().connection_made(transport)
        if not self._allowed() or (len(self.connections) > self._limits.connections and not self._make_room()):
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._connection.is_open = False
        self._stop_head_timer()
        self.resume_writing()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if not self.connections:
            self._all_gone.set()

    def data_received(self, data: bytes) -> None:
        """Takes bytes of a request. The first ones after an answer begin the time for its headers."""
        super().data_received(data)
        if self._answering():
            self._stop_head_timer()
        elif self._head_timer is None:
            self._expect_head()

    def pause_writing(self) -> None:
        """Waits for a client that does not read, for some time."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.stalled_write, self._cut, "did not read its answer")

    def resume_writing(self) -> None:
        """Goes on."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def _allowed(self) -> bool:
        allowed = self._allowed_names()
        if not allowed or allowed & subject_names(self.transport.get_extra_info("peercert") or {}):
            return True
        logger.warning("a client was refused: its certificate has none of client_allowed_sans")
        return False

    def _make_room(self) -> bool:
        """Cuts the connection that has been idle longest, if any is idle."""
        idle = [each for each in self.connections if isinstance(each, HttpProtocol) and each.idle_until is not None]
        longest = min(idle, key=lambda each: each.idle_until or 0.0, default=None)
        if longest is None:
            return False
        longest.transport.abort()
        return True

    @property
    def idle_until(self) -> float | None:
        """When the time between two requests will be over, by the event loop's clock; None when it does not run."""
        timer, closing = self.timeout_keep_alive_task, self.transport.is_closing()
        return None if timer is None or closing else timer.when()

    def _answering(self) -> bool:
        # uvicorn declares it as always there; before the first request it is None.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.head, self._cut, "did not finish its request's headers")

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut(self, why: str) -> None:
        logger.debug("a connection was cut: the client %s in time", why)
        self.transport.abort()
