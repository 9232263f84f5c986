"""An HTTP server that speaks the 100ms API about simulated meetings, with the vendor's manners and faults on demand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import jwt
from anyio import to_thread
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from exporter.demo import hundredms_documents as documents
from exporter.demo.media import record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from exporter.demo.truth import Clock, Meeting, Recording
    from exporter.demo.world import World

_LEAST_LIMIT: Final = 10
_DEFAULT_LIMIT: Final = 10
_MOST_LIMIT: Final = 100
_REQUESTS_KEPT: Final = 10_000


class Credentials(Struct, frozen=True, kw_only=True):
    """What the server accepts as a bearer token; what is empty is not accepted."""

    #: A management token as the vendor's dashboard hands it out.
    token: str = ""
    #: Management tokens that carry this access key and are signed (HS256) with this secret are good until they expire.
    access_key: str = ""
    app_secret: str = ""


class Faults(Struct, frozen=True, kw_only=True):
    """What goes wrong, by counting, so that every run goes wrong alike. Zero: never."""

    #: So many requests for the statistics of each peer are answered with 404 although the session is over.
    not_ready_requests: int = 0
    #: Statistics are not there until so many seconds after the session's end.
    ready_after_seconds: float = 0.0
    #: Every n-th request with a good token is answered with 429.
    too_many_requests_every: int = 0
    #: What `Retry-After` says then; None leaves the header out.
    retry_after_seconds: int | None = 1
    #: Every n-th request with a good token is answered with 500 and a page of HTML.
    server_error_every: int = 0


class RecordedRequest(Struct, frozen=True, kw_only=True):
    """One request that the server had, and its answer."""

    #: Unix seconds by the server's clock.
    at: float
    path: str
    query: dict[str, str]
    status: int


class _Held:
    """A meeting that has begun, and what is not worked out anew for each request about it."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting = meeting
        self._finished_row: documents.Document | None = None

    @cached_property
    def places(self) -> dict[str, int]:
        """The participants' places in the meeting, by the ids of their peers."""
        people = range(len(self.meeting.participants))
        return {documents.peer_id(self.meeting, number): number for number in people}

    def row(self, now: float) -> documents.Document:
        """Its session; that of a meeting that is over stays as it is, and may have thousands of peers."""
        if self._finished_row is not None:
            return self._finished_row
        row = documents.session_row(self.meeting, now)
        if self.meeting.end <= now:
            self._finished_row = row
        return row


class HundredMsServer:
    """The 100ms API about the meetings of a world: an ASGI application, and what it was asked.

    Args:
        world: the meetings.
        clock: Unix seconds by which meetings begin and end.
        credentials: the tokens that are accepted.
        faults: what goes wrong.
        token_clock: Unix seconds by which signed tokens expire; the real time, where `clock` is a simulated one.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        credentials: Credentials,
        faults: Faults = Faults(),  # noqa: B008 - frozen
        token_clock: Clock = time.time,
    ) -> None:
        self._world = world
        self._clock = clock
        self._token_clock = token_clock
        #: May be exchanged while the server runs, as may `faults`.
        self.credentials = credentials
        self.faults = faults
        #: Peers of one session are asked for one after the other: playing it once is enough.
        self.recordings_kept = 4
        #: The latest requests, the oldest first.
        self.requests: deque[RecordedRequest] = deque(maxlen=_REQUESTS_KEPT)
        #: How often each path (as routed, ids left out) was answered with each status.
        self.answers: Counter[tuple[str, int]] = Counter()
        self._authorized = 0
        self._asked: Counter[tuple[str, str]] = Counter()
        #: Those that had begun when they were last listed, or an unknown one was asked for, by their id.
        self._sessions: dict[str, _Held] = {}
        self._recordings: OrderedDict[str, Recording] = OrderedDict()
        self._playing = asyncio.Lock()
        self.application = Starlette(
            routes=[
                # The documentation shows the list with and without a slash at its end.
                self._route("/v2/sessions", self._list_sessions),
                self._route("/v2/sessions/", self._list_sessions),
                self._route("/v2/sessions/{session_id}", self._session),
                self._route("/v2/rooms/{room_id}", self._room),
                self._route("/v2/analytics/peer-stats", self._peer_stats),
            ],
            exception_handlers={HTTPException: _problem},
        )

    def _route(self, path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
        async def recorded(request: Request) -> Response:
            try:
                response = self._fault(request) or await answer(request)
            except HTTPException as problem:
                response = _problem(request, problem)
            self.answers[path.rstrip("/"), response.status_code] += 1
            self.requests.append(
                RecordedRequest(
                    at=self._clock(),
                    path=request.url.path,
                    query=dict(request.query_params),
                    status=response.status_code,
                )
            )
            return response

        return Route(path, recorded, methods=["GET"])

    def _fault(self, request: Request) -> Response | None:
        """The answer to a request that is not let through."""
        if not self._is_authorized(request.headers.get("authorization", "")):
            raise HTTPException(401, "Token validation error")
        self._authorized += 1
        if _is_due(self._authorized, self.faults.server_error_every):
            return HTMLResponse("<html><body><h1>500 Internal Server Error</h1></body></html>", 500)
        if _is_due(self._authorized, self.faults.too_many_requests_every):
            wait = self.faults.retry_after_seconds
            told = {} if wait is None else {"Retry-After": str(wait)}
            raise HTTPException(429, f"rate limit exceeded, retry after {wait or 1} seconds", told)
        return None

    def _is_authorized(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return False
        known = self.credentials
        return token == known.token or (bool(known.app_secret) and self._is_signed(token))

    def _is_signed(self, token: str) -> bool:
        try:
            claims = jwt.decode(
                token,
                self.credentials.app_secret,
                algorithms=["HS256"],
                # The times are checked below: the library knows the real time only.
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["exp", "iat", "nbf", "jti"],
                },
            )
            in_time = int(claims["nbf"]) <= self._token_clock() < int(claims["exp"])
        except (jwt.InvalidTokenError, TypeError, ValueError):
            return False
        said = (claims.get("type"), claims.get("version"), claims.get("access_key"))
        return in_time and said == ("management", 2, self.credentials.access_key)

    async def _list_sessions(self, request: Request) -> Response:
        query = request.query_params
        limit = _read_limit(query.get("limit"))
        after, before = _read_time(query.get("after")), _read_time(query.get("before"))
        active = query.get("active", "true")
        if active not in {"true", "false"}:
            raise HTTPException(400, "active must be true or false")
        now = self._clock()
        rows = sorted(
            (
                (session, held)
                for session, held in self._begun().items()
                if (held.meeting.end > now) == (active == "true")
                and query.get("room_id") in {None, documents.room_id(held.meeting.room)}
                and (after is None or held.meeting.start >= after)
                and (before is None or held.meeting.start <= before)
            ),
            key=lambda row: row[0],
            reverse=True,
        )
        # Ids begin with the time of the session's start: whatever comes after the cursor's session has a smaller one.
        cursor = query.get("start") or None
        page = [(key, held) for key, held in rows if cursor is None or key < cursor][:limit]
        data = [held.row(now) for _, held in page]
        # An empty list is null, as the vendor's older documentation of this address says.
        return JSONResponse({"limit": limit, "data": data or None, "last": page[-1][0] if page else ""})

    async def _session(self, request: Request) -> Response:
        held = self._held(request.path_params["session_id"])
        return JSONResponse(held.row(self._clock()))

    async def _room(self, request: Request) -> Response:
        wanted = request.path_params["room_id"]
        for meeting in self._world.begun(self._clock()):
            if documents.room_id(meeting.room) == wanted:
                return JSONResponse(documents.room_document(meeting.room))
        raise HTTPException(404, "room not found")

    async def _peer_stats(self, request: Request) -> Response:
        session, peer = request.query_params.get("session_id"), request.query_params.get("peer_id")
        if not session or not peer:
            raise HTTPException(400, "session_id and peer_id are required")
        held = self._held(session)
        if peer not in held.places:
            raise HTTPException(404, "peer not found")
        if self._clock() < held.meeting.end + self.faults.ready_after_seconds:
            raise HTTPException(404, "stats not found")
        self._asked[session, peer] += 1
        if self._asked[session, peer] <= self.faults.not_ready_requests:
            raise HTTPException(404, "stats not found")
        recording = await self._play(held.meeting)
        return JSONResponse(documents.peer_stats(recording, held.places[peer]))

    def _held(self, session: str) -> _Held:
        held = self._sessions.get(session) or self._begun().get(session)
        if held is None:
            raise HTTPException(404, "session not found")
        return held

    def _begun(self) -> dict[str, _Held]:
        begun = {documents.session_id(meeting): meeting for meeting in self._world.begun(self._clock())}
        self._sessions = {key: self._sessions.get(key) or _Held(meeting) for key, meeting in begun.items()}
        return self._sessions

    async def _play(self, meeting: Meeting) -> Recording:
        # Peers of one session are asked for at the same time: one request plays it, the others wait.
        async with self._playing:
            if meeting.key not in self._recordings:
                # A large meeting takes a tenth of a second, in which the event loop has others to serve.
                self._recordings[meeting.key] = await to_thread.run_sync(record, meeting)
            if len(self._recordings) > self.recordings_kept:
                self._recordings.popitem(last=False)
            return self._recordings[meeting.key]


def _problem(_request: Request, problem: Exception) -> Response:
    """Errors as the vendor writes them."""
    # Starlette calls this for no other kind, but says so only in words.
    error = cast("HTTPException", problem)
    return JSONResponse({"code": error.status_code, "message": error.detail}, error.status_code, error.headers)


def _is_due(count: int, every: int) -> bool:
    return every > 0 and count % every == 0


def _read_limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not (text.isdecimal() and len(text) <= len(str(_MOST_LIMIT))) or not _LEAST_LIMIT <= int(text) <= _MOST_LIMIT:
        raise HTTPException(400, f"limit must be a number from {_LEAST_LIMIT} to {_MOST_LIMIT}")
    return int(text)


def _read_time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, "after and before must be times such as 2026-03-01T10:00:00.000Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
