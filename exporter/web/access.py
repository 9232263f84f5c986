"""Who gets in: the guard around every route, as the web configuration in force says."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from exporter.web.basic_auth import CHALLENGE, BasicAuth, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from exporter.web.live_web_config import LiveWebConfig
    from exporter.web.web_config import RateLimit, WebConfig


class Access:
    """Dates each answer, and where there is a web configuration limits, authenticates and adds its headers."""

    def __init__(
        self,
        app: ASGIApp,
        web_config: LiveWebConfig | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Puts the guard around an application.

        Args:
            app: what answers to those who get in.
            web_config: None: everybody gets in.
            clock: seconds that never go back, for the rate limit.
        """
        self._app = app
        self._web_config = web_config
        self._basic_auth = BasicAuth()
        self._bucket = TokenBucket(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        config = self._web_config.in_force().config if self._web_config else None
        extra = config.headers if config else ()

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = formatdate(usegmt=True)
                for name, value in extra:
                    headers[name] = value
            await send(message)

        refusal = await self._refusal(config, scope) if config else None
        await (refusal or self._app)(scope, receive, send_on)

    async def _refusal(self, config: WebConfig, scope: Scope) -> PlainTextResponse | None:
        if config.rate_limit and not self._bucket.take(config.rate_limit):
            return PlainTextResponse("429 Too Many Requests\n", status_code=429)
        if config.users is None:
            return None
        try:
            accepted = await self._basic_auth.accepts(config.users, Headers(scope=scope).get("authorization", ""))
        except OverloadedError:
            text = "Too many passwords are being checked; try again.\n"
            return PlainTextResponse(text, status_code=503, headers={"Retry-After": "1"})
        if accepted:
            return None
        return PlainTextResponse("401 Unauthorized\n", status_code=401, headers={"WWW-Authenticate": CHALLENGE})


class TokenBucket:
    """Lets so many requests through at once, and one more with each interval."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._limit: RateLimit | None = None
        self._tokens = 0.0
        self._at = 0.0

    def take(self, limit: RateLimit) -> bool:
        """Takes a token, if there is one. A limit that is new begins with a full bucket."""
        now = self._clock()
        if limit != self._limit:
            self._limit, self._tokens = limit, float(limit.burst)
        else:
            self._tokens = min(limit.burst, self._tokens + (now - self._at) / limit.interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
