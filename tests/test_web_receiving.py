"""The routes by which others send, asked without a socket: who gets in, how much is read, what is answered."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from exporter.face import Inbox, NotNowError, Received
from exporter.web.app import application
from tests.web_fakes import FakeEndpoint, FakeFace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import Message

pytestmark = pytest.mark.anyio

PLEASE = {"X-Secret": "please"}
INBOXES: tuple[Inbox, ...] = ("webhooks", "ingest")


@pytest.fixture
def face() -> FakeFace:
    """A pipeline with both routes of a source `one`."""
    made = FakeFace()
    made.endpoints = {("webhooks", "one"): FakeEndpoint(), ("ingest", "one"): FakeEndpoint()}
    return made


def client_of(face: FakeFace, max_requests: int = 40) -> httpx.AsyncClient:
    """A client of an application before `face`."""
    transport = httpx.ASGITransport(application(face, max_requests=max_requests))
    return httpx.AsyncClient(transport=transport, base_url="http://exporter")


async def pieces(*chunks: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    """A body of unknown length."""
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(pause)


@pytest.mark.parametrize("inbox", INBOXES)
class TestBothRoutes:
    """What events and documents have in common."""

    async def test_the_body_reaches_the_endpoint(self, face: FakeFace, inbox: Inbox) -> None:
        """Whole, whether its length is known or not."""
        async with client_of(face) as client:
            assert (await client.post(f"/{inbox}/one", content=b"{}", headers=PLEASE)).status_code == 200
            sent = await client.post(f"/{inbox}/one", content=pieces(b"[", b"]"), headers=PLEASE)
        assert sent.status_code == 200
        assert face.endpoints[inbox, "one"].bodies == [b"{}", b"[]"]

    @pytest.mark.parametrize("headers", [{}, {"X-Secret": "wrong"}])
    async def test_who_does_not_know_the_secret_is_refused(
        self, face: FakeFace, inbox: Inbox, headers: dict[str, str]
    ) -> None:
        """401, and the body is not read."""
        read: list[bytes] = []

        async def body() -> AsyncIterator[bytes]:
            read.append(b"x")
            yield b"x"

        async with client_of(face) as client:
            answer = await client.post(f"/{inbox}/one", content=body(), headers=headers)
        assert (answer.status_code, answer.text) == (401, "401 Unauthorized\n")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert read == []

    @pytest.mark.parametrize("path", ["two", "", "one/two", "."])
    async def test_unknown_names(self, face: FakeFace, inbox: Inbox, path: str) -> None:
        """404, whatever is shown."""
        async with client_of(face) as client:
            assert (await client.post(f"/{inbox}/{path}", headers=PLEASE)).status_code == 404

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    async def test_other_methods(self, face: FakeFace, inbox: Inbox, method: str) -> None:
        """405, which names the one that there is."""
        async with client_of(face) as client:
            answer = await client.request(method, f"/{inbox}/one", headers=PLEASE)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    async def test_a_body_past_the_limit(self, face: FakeFace, inbox: Inbox) -> None:
        """413: by its length before a byte is read, without one as soon as it is too long. The limit itself fits."""
        endpoint = face.endpoints[inbox, "one"]
        endpoint.most_bytes = 10
        read: list[bytes] = []

        async def noted() -> AsyncIterator[bytes]:
            read.append(b"x")
            yield b"x"

        async with client_of(face) as client:
            told = PLEASE | {"Content-Length": "11"}
            announced = await client.post(f"/{inbox}/one", content=noted(), headers=told)
            endless = await client.post(f"/{inbox}/one", content=pieces(*[b"xxxx"] * 1000), headers=PLEASE)
            absurd = await client.post(f"/{inbox}/one", content=b"", headers=PLEASE | {"Content-Length": "9" * 5000})
            fits = await client.post(f"/{inbox}/one", content=b"x" * 10, headers=PLEASE)
        for answer in (announced, endless, absurd):
            assert answer.status_code == 413
            assert answer.text == "413 Content Too Large: expected at most 10 bytes\n"
        assert fits.status_code == 200
        assert (endpoint.bodies, read) == ([b"x" * 10], [])

    async def test_a_body_that_does_not_end(self, face: FakeFace, inbox: Inbox) -> None:
        """408 after its time, however many bytes drip in."""
        endpoint = face.endpoints[inbox, "one"]
        endpoint.most_seconds = 0.05
        async with client_of(face) as client:
            answer = await client.post(f"/{inbox}/one", content=pieces(*[b"x"] * 1000, pause=0.01), headers=PLEASE)
        assert answer.status_code == 408
        assert endpoint.bodies == []

    async def test_what_cannot_be_taken_now(self, face: FakeFace, inbox: Inbox) -> None:
        """503, and when to try again."""
        face.endpoints[inbox, "one"].failure = NotNowError("the configuration is being replaced")
        async with client_of(face) as client:
            answer = await client.post(f"/{inbox}/one", content=b"x", headers=PLEASE)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.text == "the configuration is being replaced; try again.\n"

    async def test_a_large_body_goes_through_a_file(self, face: FakeFace, inbox: Inbox) -> None:
        """It arrives as it was sent."""
        sent = [bytes([number]) * 300_000 for number in range(10)]
        endpoint = face.endpoints[inbox, "one"]
        endpoint.most_bytes = 1 << 24
        async with client_of(face) as client:
            answer = await client.post(f"/{inbox}/one", content=pieces(*sent), headers=PLEASE)
        assert answer.status_code == 200
        assert endpoint.bodies == [b"".join(sent)]

    async def test_a_sender_that_goes_away(self, face: FakeFace, inbox: Inbox) -> None:
        """Nothing of its body is taken, and nobody takes it for a failure of the exporter."""
        messages: Iterator[Message] = iter(
            [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
        )
        answered: list[Message] = []

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            answered.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/{inbox}/one",
            "query_string": b"",
            "headers": [(b"x-secret", b"please")],
        }
        await application(face)(scope, receive, send)
        assert answered[0]["status"] == 400
        assert face.endpoints[inbox, "one"].bodies == []

    async def test_senders_and_scrapes_do_not_crowd_each_other_out(self, face: FakeFace, inbox: Inbox) -> None:
        """Each has a limit of its own: past it 503, while the other is answered."""
        entered, gate = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            entered.set()
            await gate.wait()
            yield b"x"

        async with client_of(face, max_requests=1) as client:
            sending = asyncio.create_task(client.post(f"/{inbox}/one", content=slow(), headers=PLEASE))
            await entered.wait()
            assert (await client.get("/metrics")).status_code == 200
            assert (await client.post(f"/{inbox}/one", content=b"x", headers=PLEASE)).status_code == 503
            gate.set()
            assert (await sending).status_code == 200


async def test_an_event_is_accepted(face: FakeFace) -> None:
    """200, whatever follows from it."""
    async with client_of(face) as client:
        answer = await client.post("/webhooks/one", content=b"{}", headers=PLEASE)
    assert (answer.status_code, answer.text) == (200, "Accepted.\n")


async def test_what_is_no_event(face: FakeFace) -> None:
    """400 with the reason."""
    face.endpoints["webhooks", "one"].received = Received(usable=False, problems=("expected an event, got \ud800",))
    async with client_of(face) as client:
        answer = await client.post("/webhooks/one", content=b"[]", headers=PLEASE)
    assert (answer.status_code, answer.text) == (400, "expected an event, got ?\n")


async def test_a_document_is_answered_with_what_was_counted(face: FakeFace) -> None:
    """200 and JSON; what is wrong beside what is good is named."""
    counted = Received(usable=True, new=3, grown=1, duplicate=2, rejected=1, problems=("element 4 at byte 9: \ud800",))
    face.endpoints["ingest", "one"].received = counted
    async with client_of(face) as client:
        answer = await client.post("/ingest/one", content=b"[]", headers=PLEASE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.content) == {
        "new": 3,
        "grown": 1,
        "duplicate": 2,
        "rejected": 1,
        "problems": ["element 4 at byte 9: \ud800"],
    }


async def test_a_document_of_no_use(face: FakeFace) -> None:
    """400 and JSON that says what is wrong, and where."""
    face.endpoints["ingest", "one"].received = Received(usable=False, rejected=2, problems=("at 1: x", "at 2: y"))
    async with client_of(face) as client:
        answer = await client.post("/ingest/one", content=b"{", headers=PLEASE)
    assert answer.status_code == 400
    assert json.loads(answer.content)["error"] == "nothing of it can be used: at 1: x"
    assert json.loads(answer.content)["problems"] == ["at 1: x", "at 2: y"]
