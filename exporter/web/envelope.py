"""What goes around every answer: one failing page costs that answer only, and too many at once are turned away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)


class Envelope:
    """Answers 500 where the application fails, and forbids browsers to guess what an answer is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the application."""
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception:
            if started:
                # Half an answer cannot be taken back: the server logs it and cuts the connection.
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            text = "The answer could not be made; the exporter's log says why.\n"
            await PlainTextResponse(text, status_code=500)(scope, receive, send_on)


class RequestLimit:
    """Answers 503 to requests beyond a number at the same time."""

    def __init__(self, app: ASGIApp, limit: int, exempt: AbstractSet[str]) -> None:
        """Makes the limit.

        Args:
            app: what answers.
            limit: how many at the same time; 0: no limit.
            exempt: paths that are neither counted nor refused, so that a busy exporter is not taken for a dead one; one
                that ends with a slash stands for all below it.
        """
        self._app = app
        self._limit = limit
        self._exempt = frozenset(exempt)
        self._exempt_below = tuple(path for path in exempt if path.endswith("/"))
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the application, if there is room."""
        path = scope["path"]
        if not self._limit or path in self._exempt or path.startswith(self._exempt_below):
            await self._app(scope, receive, send)
            return
        if self._running >= self._limit:
            text = f"{self._limit} requests are being answered already; try again.\n"
            response = PlainTextResponse(text, status_code=503, headers={"Retry-After": "1"})
            await response(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
