"""A bucket that speaks S3 and means no good, until it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl

import anyio

from tests.fault_store import FaultStore
from tests.live.faulty_vendor import Answer, send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Mood: TypeAlias = Literal[
    "good",
    "silent",  # takes requests and never answers
    "drip",  # lists a byte a second
    "html",  # lists a page for people
    "circle",  # each page of the listing is followed by the same one
    "empty circle",  # the same, without objects on it
    "silent objects",  # lists, and never gives an object
]

_HTML = Answer(body=b"<html><body>Sign in to the network<br></body></html>", headers={"content-type": "text/html"})


class HostileStore:
    """An ASGI application; the bucket's name is the first part of the path."""

    def __init__(self, mood: Mood, objects: dict[str, bytes]) -> None:
        #: May be exchanged while the server runs.
        self.mood: Mood = mood
        self.objects = objects
        #: How many requests have come.
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        self.asked += 1
        _, _, key = scope["path"].removeprefix("/").partition("/")
        lists = "list-type" in dict(parse_qsl(scope["query_string"].decode()))
        if "circle" in self.mood:
            # As far away as stores are: without it, client and server would only keep each other busy.
            await anyio.sleep(0.05)
        answer = self._list() if lists else self._give(key)
        await send_answer(answer, receive, send)

    def _list(self) -> Answer:
        match self.mood:
            case "silent" | "drip":
                return Answer(manner=self.mood)
            case "html":
                return _HTML
            case "circle":
                page = _continued(FaultStore("", {f"{number:04}.json": b"[]" for number in range(1000)}))
            case "empty circle":
                page = _continued(FaultStore("", {}))
            case _:
                page = FaultStore("", self.objects).listing()
        return Answer(body=page.encode(), headers={"content-type": "application/xml"})

    def _give(self, key: str) -> Answer:
        raw = self.objects.get(key)
        if self.mood == "silent objects":
            return Answer(manner="silent")
        if raw is None:
            return Answer(status=404)
        return Answer(body=raw, headers={"etag": f'"{len(raw)}"', "last-modified": "Sun, 01 Mar 2026 10:00:00 GMT"})


def _continued(bucket: FaultStore) -> str:
    """A listing that says there is more, and always by the same token."""
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
    return bucket.listing().replace("<IsTruncated>false</IsTruncated>", more)
