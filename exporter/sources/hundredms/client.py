"""The 100ms REST API over HTTP: one place for tokens, turns, time limits, retries and sizes.

https://www.100ms.live/docs/server-side/v2/how-to-guides/make-api-calls
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
from msgspec import Struct

from exporter import __version__
from exporter.sources.hundredms.answers import (
    NOT_FOUND,
    OK,
    TOO_MANY_REQUESTS,
    Answer,
    AnswerTooLargeError,
    Attempt,
    PauseError,
    RefusedError,
    RequestError,
    http_date,
    retry_after,
    vendor_message,
)
from exporter.sources.hundredms.auth import credentials
from exporter.sources.hundredms.body import BrokenBodyError, TooLargeError, read_body
from exporter.sources.hundredms.pacing import HeldOffError, Pacer
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from exporter.sources.base import Events
    from exporter.sources.hundredms.settings import HundredMsSettings


class Limits(Struct, frozen=True, kw_only=True):
    """How long and how large one call may be."""

    connect_seconds: float = 10.0
    #: The longest silence of the vendor while it answers.
    read_seconds: float = 30.0
    #: One call with its body: a vendor that drips a byte a second never falls silent.
    total_seconds: float = 120.0
    body_bytes: int = 64 * 1024 * 1024
    error_body_bytes: int = 64 * 1024
    #: How often a call that may pass is made in all.
    attempts: int = 3
    first_backoff_seconds: float = 0.5


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the client asks of the world, so that tests need not wait."""

    #: Unix seconds.
    now: Callable[[], float] = time.time
    #: Seconds that never go back.
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    #: A number from 0 to 1, not for secrets.
    chance: Callable[[], float] = random.random
    transport: httpx.AsyncBaseTransport | None = None


class ApiClient:
    """Makes idempotent calls. An async context manager: its connections are closed at the end."""

    def __init__(
        self,
        settings: HundredMsSettings,
        events: Events,
        limits: Limits | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._around = surroundings or Surroundings()
        self._events = events
        self._base = settings.base_url.reveal().rstrip("/")
        self._credentials = credentials(settings.auth, self._around.now)
        concurrency = settings.peer_stats.concurrency
        rate = settings.peer_stats.requests_per_second
        self._pacer = Pacer(rate, events, self._around.clock, self._around.sleep)
        # In front of httpx's own pool, whose waiting is slow and has a time limit.
        self._free = asyncio.Semaphore(concurrency)
        self._http = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            timeout=httpx.Timeout(self._limits.read_seconds, connect=self._limits.connect_seconds),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"webrtc-quality-exporter/{__version__}",
            },
            transport=self._around.transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """Asks until there is an answer, a final refusal, or patience ends.

        Args:
            path: below the base URL, without a slash in front.
            query: the parameters.

        Raises:
            RequestError: no answer, or none that can be used.
            PollError: there is no token to send.
        """
        renewed = False
        failures = 0
        while True:
            token, attempt = await self._attempt(path, query)
            if not attempt.failure:
                return Answer(attempt.status, attempt.body, attempt.date)
            if attempt.too_large:
                raise AnswerTooLargeError(attempt.reason, attempt.failure)
            if attempt.refused:
                self._credentials.renew(token, 0.0 if attempt.date is None else attempt.date - self._around.now())
                if renewed or self._credentials.token() == token:
                    raise RefusedError(attempt.status, attempt.failure)
                renewed = True
                continue
            failures += 1
            if attempt.retry_after is not None:
                self._pacer.hold(attempt.retry_after)
            if not attempt.may_pass or failures >= self._limits.attempts:
                raise RequestError(attempt.reason, attempt.failure)
            await self._back_off(attempt, failures)

    async def _back_off(self, attempt: Attempt, failures: int) -> None:
        """Waits, alone or with all calls of the source; a pause that the vendor asked for is held already."""
        wait = self._limits.first_backoff_seconds * 2.0 ** (failures - 1) * (0.5 + self._around.chance())
        if attempt.retry_after is None and attempt.status == TOO_MANY_REQUESTS:
            self._pacer.hold(wait)
        elif attempt.retry_after is None:
            await self._around.sleep(wait)

    async def _attempt(self, path: str, query: Mapping[str, str]) -> tuple[str, Attempt]:
        async with self._free:
            try:
                await self._pacer.turn()
            except HeldOffError as error:
                raise PauseError(str(error)) from None
            token = self._credentials.token()
            started = self._around.clock()
            attempt = await self._ask(path, query, token)
            self._events.http_request(attempt.code, self._around.clock() - started)
            return token, attempt

    async def _ask(self, path: str, query: Mapping[str, str], token: str) -> Attempt:
        url = f"{self._base}/{path}"
        try:
            async with (
                asyncio.timeout(self._limits.total_seconds),
                self._http.stream("GET", url, params=query, headers={"Authorization": f"Bearer {token}"}) as response,
            ):
                return await self._read(response, path, token)
        except (TimeoutError, httpx.TimeoutException) as error:
            return Attempt("timeout", failure=told(_called(path), f": no answer in time ({type(error).__name__})"))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The library's text may quote headers.
            return Attempt("error", failure=told(_called(path), f": {type(error).__name__}"))

    async def _read(self, response: httpx.Response, path: str, token: str) -> Attempt:
        code = str(response.status_code)
        usable = response.status_code == OK
        largest = self._limits.body_bytes if usable else self._limits.error_body_bytes
        try:
            body = await read_body(response.aiter_raw(), response.headers.get("Content-Encoding", ""), largest)
        except (BrokenBodyError, TooLargeError) as error:
            if isinstance(error, BrokenBodyError) and usable:
                return Attempt("error", failure=told(_called(path), ": ", quote(error)))
            if usable:
                told_so = told(_called(path), f": the answer is larger than {largest} bytes")
                return Attempt(code, failure=told_so, too_large=True)
            body = b""
        date = http_date(response.headers.get("Date", ""))
        if usable or response.status_code == NOT_FOUND:
            return Attempt(code, body, date)
        said = vendor_message(body, token)
        failure = told(_called(path), f": answered with status {code}", ": " if said else "", quote(said))
        wait = retry_after(response.headers.get("Retry-After", ""), body, self._around.now() if date is None else date)
        return Attempt(code, body, date, retry_after=wait, failure=failure)


def _called(path: str) -> str:
    """The path as messages have it: what follows the kind of thing that is asked for is its id."""
    kind, slash, name = path.partition("/")
    return told(path) if kind == "analytics" else told(kind, slash, quote(name))
