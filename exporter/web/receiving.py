"""The routes by which others send: `POST /webhooks/NAME` for events of a vendor, `POST /ingest/NAME` for documents."""

from __future__ import annotations

import asyncio
import json
import logging
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Final, get_args

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.face import Inbox, NotNowError, Received
from exporter.web.envelope import RequestLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from exporter.face import Endpoint, Face

logger = logging.getLogger(__name__)

#: The paths below which things are sent to.
INBOXES: Final = tuple(f"/{inbox}/" for inbox in get_args(Inbox))
#: A body past this goes to a temporary file: many at once must not fill the memory.
_BYTES_IN_MEMORY = 1 << 20
_PIECE_BYTES = 65_536
#: A length of more digits is past every limit, and takes time to read.
_LONGEST_NUMBER = 20


class _RefusedError(Exception):
    """The request is not worked with.

    The connection stays open: a sender that is still sending would get a reset in place of the answer. What it sends
    is dropped, and `exporter.web.protocol` ends that after a while.
    """

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = PlainTextResponse(f"{text}\n", status, told)


def receiving_routes(face: Face, max_requests: int) -> list[Route]:
    """Makes the routes.

    Args:
        face: the pipeline.
        max_requests: bodies that are taken at the same time on each route, beside the pages: senders come in bursts,
            and must not keep a Prometheus from its scrape. 0: no limit.
    """
    answers: dict[Inbox, Callable[[Received], Response]] = {"webhooks": _event_answer, "ingest": _document_answer}
    limit = Middleware(RequestLimit, limit=max_requests, exempt=frozenset())
    return [
        Route(f"/{inbox}/{{name}}", _Receiving(face, inbox, answer).take, methods=["POST"], middleware=[limit])
        for inbox, answer in answers.items()
    ]


class _Receiving:
    """What one of the routes answers."""

    def __init__(self, face: Face, inbox: Inbox, answer: Callable[[Received], Response]) -> None:
        self._face = face
        self._inbox = inbox
        self._answer = answer

    async def take(self, request: Request) -> Response:
        """Takes a body from whoever knows the secret."""
        try:
            # Before the body: what strangers send is not even read.
            endpoint = self._admitted(request)
            with SpooledTemporaryFile(_BYTES_IN_MEMORY) as body:
                await _read_body(request, endpoint, body)
                return self._answer(await endpoint.take(_pieces(body)))
        except _RefusedError as refused:
            return refused.response
        except NotNowError as error:
            return PlainTextResponse(f"{error}; try again.\n", 503, {"Retry-After": "1"})
        except ClientDisconnect:
            logger.debug("a sender to %s went away before its end", self._inbox)
            return Response(status_code=400)

    def _admitted(self, request: Request) -> Endpoint:
        endpoint = self._face.endpoint(self._inbox, request.path_params["name"])
        if endpoint is None:
            raise _RefusedError(404, "404 Not Found")
        if not endpoint.admits(request.headers):
            raise _RefusedError(401, "401 Unauthorized", WWW_Authenticate="Bearer")
        return endpoint


async def _read_body(request: Request, endpoint: Endpoint, body: IO[bytes]) -> None:
    """Puts the whole body into a file, as far as it may be long and may take time."""
    most = endpoint.most_bytes
    too_large = f"413 Content Too Large: expected at most {most} bytes"
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > _LONGEST_NUMBER or int(length) > most):
        raise _RefusedError(413, too_large)
    size = 0
    try:
        async with asyncio.timeout(endpoint.most_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _RefusedError(413, too_large)
                if size > _BYTES_IN_MEMORY:
                    await asyncio.to_thread(body.write, chunk)
                else:
                    body.write(chunk)
    except TimeoutError:
        raise _RefusedError(408, "408 Request Timeout: the body took too long to arrive") from None
    body.seek(0)


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    while piece := body.read(_PIECE_BYTES):
        yield piece


def _event_answer(received: Received) -> Response:
    if received.usable:
        return PlainTextResponse("Accepted.\n")
    return PlainTextResponse(f"{'; '.join(received.problems)}\n".encode("utf-8", "replace"), 400)


def _document_answer(received: Received) -> Response:
    said: dict[str, object] = {
        "new": received.new,
        "grown": received.grown,
        "duplicate": received.duplicate,
        "rejected": received.rejected,
        "problems": received.problems,
    }
    if not received.usable:
        said["error"] = f"nothing of it can be used: {received.problems[0]}"
    # The standard library's: it escapes what UTF-8 cannot hold, such as half a surrogate pair.
    return Response(json.dumps(said) + "\n", 200 if received.usable else 400, media_type="application/json")
