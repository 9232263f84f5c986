"""Runs an HTTP application on this machine for as long as somebody needs it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.types import ASGIApp

_LOOPBACK = "127.0.0.1"


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(application: ASGIApp, port: int = 0, *, tells_time: bool = True) -> AsyncGenerator[str]:
    """Serves an application inside the running event loop, for this machine only.

    Args:
        application: what answers.
        port: 0 for one that the system chooses.
        tells_time: whether each answer says when it was given; else the application says so, or nobody does.

    Yields:
        The base URL, without a slash at the end.
    """
    with socket.socket() as listener:
        # Bound before the server starts, so that the port is known at once and connections wait instead of failing.
        listener.bind((_LOOPBACK, port))
        listener.listen()
        config = uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="off", ws="none", date_header=tells_time
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://{_LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
