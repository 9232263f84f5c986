"""The simulated 100ms API behind faults that only tests need, and an account of every request as the server saw it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import parse_qsl

import anyio
from msgspec import Struct, field, structs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How an answer comes.
Manner: TypeAlias = Literal[
    "whole",
    "slow",  # in pieces, with pauses between them
    "cut",  # broken off in the middle
    "silent",  # never, until the client goes away
    "drip",  # a byte a second, of a megabyte of blanks
    "endless",  # without end, as fast as it is taken
]

STATS = "/v2/analytics/peer-stats"
SESSIONS = "/v2/sessions"
ROOMS = "/v2/rooms/"
_SLOW_PIECES = 8
_DRIPS = 1 << 20


class Asked(Struct, frozen=True, kw_only=True):
    """A request."""

    path: str
    query: dict[str, str]
    token: str
    #: How often the same was asked for, this time included.
    time: int

    @property
    def key(self) -> tuple[str, ...]:
        """What is asked for, whatever the token."""
        return (self.path, *(f"{name}={value}" for name, value in sorted(self.query.items()) if name != "after"))

    @property
    def peer(self) -> tuple[str, str]:
        """The session and the peer that statistics are asked for."""
        return self.query.get("session_id", ""), self.query.get("peer_id", "")


class Answer(Struct, frozen=True, kw_only=True):
    """What is said to a request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    manner: Manner = "whole"
    #: Seconds that a slow body takes.
    seconds: float = 0.0
    #: The body is not what it passes for, so that nothing of it may count.
    lie: bool = False

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body, decoded."""
        return json.loads(self.body)


class Visit(Struct, kw_only=True):
    """A request and its answer, at the server; times are seconds of a clock that never goes back."""

    asked: Asked
    began: float
    #: Just before the answer was sent.
    answered: float = 0.0
    #: The same in Unix seconds: a machine that is held and set right would have the two clocks disagree later.
    answered_at: float = 0.0
    answer: Answer | None = None


#: Goes on to the next fault, and to the API in the end.
Proceed: TypeAlias = Callable[[], Awaitable[Answer]]
Fault: TypeAlias = Callable[[Asked, Proceed], Awaitable[Answer]]


class FaultyVendor:
    """An ASGI application that asks the simulated API and spoils what it says.

    Args:
        api: the simulated API.
        faults: the first one sees the request first, and the answer last.
        clock: Unix seconds by which answers say when they were given; None where they do not say it themselves.
    """

    def __init__(self, api: ASGIApp, faults: Iterable[Fault] = (), *, clock: Callable[[], float] | None = None) -> None:
        self._api = api
        self._clock = clock
        #: May be exchanged while the server runs.
        self.faults: Sequence[Fault] = tuple(faults)
        #: In the order in which they came.
        self.visits: list[Visit] = []
        #: The different true statistics that were sent to their end, by session and peer.
        self.given: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        self.most_running = 0
        #: Ends all silence when it is set; what was asked then fails.
        self.awake = threading.Event()
        self._running = 0
        self._times: Counter[tuple[str, ...]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        began = time.monotonic()
        self._running += 1
        self.most_running = max(self.most_running, self._running)
        try:
            asked = self._read(scope)
            visit = Visit(asked=asked, began=began)
            self.visits.append(visit)
            visit.answer = self._dated(await self._answer(asked, scope, self.faults))
            visit.answered, visit.answered_at = time.monotonic(), time.time()
            if visit.answer.manner == "silent":
                await self._keep_silent(receive)
                return
            await send_answer(visit.answer, receive, send)
            self._remember(asked, visit.answer)
        finally:
            self._running -= 1

    def visits_to(self, path: str) -> list[Visit]:
        """The requests for a path that were answered."""
        return [visit for visit in self.visits if visit.asked.path == path and visit.answer]

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(visit.answer.status for visit in self.visits if visit.answer)

    def _read(self, scope: Scope) -> Asked:
        headers = dict(scope["headers"])
        asked = Asked(
            path=scope["path"].rstrip("/"),
            query=dict(parse_qsl(scope["query_string"].decode())),
            token=headers.get(b"authorization", b"").decode().removeprefix("Bearer "),
            time=0,
        )
        self._times[asked.key] += 1
        return Asked(path=asked.path, query=asked.query, token=asked.token, time=self._times[asked.key])

    async def _keep_silent(self, receive: Receive) -> None:
        while not self.awake.is_set():
            with anyio.move_on_after(0.1):
                await _gone(receive)
                return

    async def _answer(self, asked: Asked, scope: Scope, faults: Sequence[Fault]) -> Answer:
        if not faults:
            return await _ask(self._api, scope)
        first, *others = faults
        return await first(asked, lambda: self._answer(asked, scope, others))

    def _dated(self, answer: Answer) -> Answer:
        if self._clock is None:
            return answer
        return structs.replace(answer, headers={"date": formatdate(self._clock(), usegmt=True), **answer.headers})

    def _remember(self, asked: Asked, answer: Answer) -> None:
        true = answer.status == 200 and answer.manner in {"whole", "slow"} and not answer.lie
        if asked.path == STATS and true and answer.body not in self.given[asked.peer]:
            self.given[asked.peer].append(answer.body)


async def _ask(api: ASGIApp, scope: Scope) -> Answer:
    """The answer of the application behind."""
    start: Message = {}
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await api(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    headers.pop("content-length", None)
    return Answer(status=start["status"], headers=headers, body=b"".join(parts))


async def send_answer(answer: Answer, receive: Receive, send: Send) -> None:
    """Sends an answer in its manner."""
    if answer.manner == "silent":
        await _gone(receive)
        return
    headers = dict(answer.headers)
    if answer.manner != "endless":
        headers = {"content-length": str(_DRIPS if answer.manner == "drip" else len(answer.body)), **headers}
    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": named})
    if answer.manner in {"drip", "endless"}:
        await _go_on(answer, receive, send)
        return
    pieces = [answer.body]
    if answer.manner == "cut":
        pieces = [answer.body[: len(answer.body) // 2]]
    elif answer.manner == "slow":
        size = max(1, -(-len(answer.body) // _SLOW_PIECES))
        pieces = [answer.body[first : first + size] for first in range(0, len(answer.body), size)]
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if answer.manner == "slow":
            await anyio.sleep(answer.seconds / len(pieces))
    # An application that returns before the end has its connection closed.
    if answer.manner != "cut":
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _go_on(answer: Answer, receive: Receive, send: Send) -> None:
    """Sends until the client goes away."""
    gone = False
    while not gone:
        body = b" " if answer.manner == "drip" else answer.body
        await send({"type": "http.response.body", "body": body, "more_body": True})
        with anyio.move_on_after(1.0 if answer.manner == "drip" else 0.0) as waiting:
            await _gone(receive)
        gone = not waiting.cancelled_caught


async def _gone(receive: Receive) -> None:
    """Waits until the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def by_first_part(applications: Mapping[str, ASGIApp]) -> ASGIApp:
    """Several applications behind one address, each under its name as the first part of the path."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        _, name, rest = scope["path"].split("/", 2)
        path = f"/{rest}"
        await applications[name]({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    return choose


def most_within(times: Iterable[float], seconds: float) -> int:
    """The most of some moments that lie within any span of that length, its end left out."""
    ordered = sorted(times)
    most = first = 0
    for last, moment in enumerate(ordered):
        while ordered[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
