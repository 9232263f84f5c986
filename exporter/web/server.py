"""Serves an ASGI application on several addresses with uvicorn, without taking over signals or the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import h11
from uvicorn.config import Config

from exporter.web.access import Access
from exporter.web.addresses import bound, listen, read_address
from exporter.web.live_web_config import LiveWebConfig
from exporter.web.protocol import Connections, HttpProtocol, Limits
from exporter.web.tls import CurrentContext

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

    from exporter.web.addresses import Address

logger = logging.getLogger(__name__)

_DEFAULT_LIMITS = Limits()


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    addresses: Sequence[str],
    web_config: Path | None = None,
    *,
    limits: Limits = _DEFAULT_LIMITS,
) -> AsyncIterator[tuple[Address, ...]]:
    """Serves `app` as long as the context is open.

    On the way out no new connection is taken; what is being answered has `limits.shutdown` seconds to end.

    Args:
        app: what answers.
        addresses: `:port` for every address of the machine, `host:port`, `[::1]:port`; port 0 for one that the system
            chooses.
        web_config: the file of `--web.config.file`: TLS, passwords, headers. It is read again when it changes.
        limits: how long a connection may take.

    Yields:
        Where it listens, in the order of `addresses`.

    Raises:
        ValueError: an address is none.
        ListenError: an address cannot be listened on.
        WebConfigError: the web configuration cannot be used.
    """
    wanted = [read_address(address) for address in addresses]
    live = LiveWebConfig(web_config) if web_config else None
    connections = Connections()
    config = _uvicorn_config(Access(app, live), limits)
    with contextlib.ExitStack() as sockets:
        listeners = [sockets.enter_context(listener) for listener in listen(wanted)]
        context = _context(live)
        servers = [
            await asyncio.get_running_loop().create_server(
                lambda: HttpProtocol(config, connections, limits, lambda: _allowed_names(live)),
                sock=listener,
                ssl=context,
                ssl_handshake_timeout=limits.head if context else None,
                ssl_shutdown_timeout=limits.shutdown if context else None,
            )
            for listener in listeners
        ]
        places = tuple(bound(listener) for listener in listeners)
        logger.info("listening on %s, TLS %s", ", ".join(f"{place}" for place in places), "on" if context else "off")
        try:
            yield places
        finally:
            for server in servers:
                server.close()
            await _finish(connections, limits.shutdown)


def _uvicorn_config(app: ASGIApp, limits: Limits) -> Config:
    config = Config(
        app,
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        # Logging is the program's; a stranger's broken request is not worth a line above debug.
        log_config=None,
        log_level="error",
        access_log=False,
        # Who asks is not looked at, so that nobody needs to be trusted to say it.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        # Given, so that the environment is not asked.
        workers=1,
        timeout_keep_alive=limits.keep_alive,
        h11_max_incomplete_event_size=limits.head_bytes,
    )
    config.load()
    return config


def _context(live: LiveWebConfig | None) -> ssl.SSLContext | None:
    first = live.in_force().context if live else None
    if live is None or first is None:
        return None
    return CurrentContext.following(lambda: live.in_force().context or first)


def _allowed_names(live: LiveWebConfig | None) -> frozenset[str]:
    tls = live.in_force().config.tls if live else None
    return tls.client_allowed_sans if tls else frozenset()


async def _finish(connections: Connections, seconds: float) -> None:
    """Closes idle connections at once, the others when they are answered or the time is over."""
    connections.all_gone.clear()
    for connection in tuple(connections.connections):
        # A connection whose answer broke off cannot say goodbye; it is cut below.
        with contextlib.suppress(h11.LocalProtocolError):
            connection.shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            if connections.connections:
                await connections.all_gone.wait()
            await asyncio.gather(*connections.tasks, return_exceptions=True)
    for connection in tuple(connections.connections):
        connection.transport.abort()
    for task in tuple(connections.tasks):
        task.cancel()
    await asyncio.gather(*connections.tasks, return_exceptions=True)
