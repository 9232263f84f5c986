"""Calls of the 100ms API: tokens, retries, pauses, sizes, and what is told about them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import tracemalloc
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from exporter import __version__
from exporter.sources.base import PollError
from exporter.sources.hundredms.answers import (
    AnswerTooLargeError,
    PauseError,
    RefusedError,
    RequestError,
    retry_after,
    vendor_message,
)
from exporter.sources.hundredms.body import BrokenBodyError, TooLargeError, read_body
from exporter.sources.hundredms.client import ApiClient, Limits, Surroundings
from tests.hundredms_support import NOON, FakeClock, RecordedEvents, make_client, read_settings, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path


class Answer(NamedTuple):
    """What the vendor says, as often as it is asked."""

    status: int
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Vendor:
    """Answers one request after another, the last answer for ever, and remembers what was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return reply(answer.status, answer.content, **dict(answer.headers))

    @property
    def tokens(self) -> list[str]:
        """What each request showed."""
        return [request.headers["Authorization"] for request in self.requests]


def error(status: int, message: str = "no", **headers: str) -> Answer:
    """An error as the vendor documents it."""
    return Answer(status, json.dumps({"code": status, "message": message}).encode(), tuple(headers.items()))


def packed(plain: bytes) -> Answer:
    """An answer in gzip."""
    return Answer(200, gzip.compress(plain), (("Content-Encoding", "gzip"),))


FINE = Answer(200, b"{}")
LATE = "Sun, 01 Mar 2026 15:00:00 GMT"
ODDLY_PACKED = Answer(200, b"x", (("Content-Encoding", "br"),))


@pytest.mark.anyio
async def test_a_request_says_what_it_has_to() -> None:
    """Path below the base URL, the query, the token, and who asks."""
    vendor, events = Vendor(Answer(200, b'{"a": 1}')), RecordedEvents()
    settings = read_settings({"base_url": "http://vendor:81/v2/"})
    async with make_client(vendor, settings, events) as client:
        answer = await client.get("analytics/peer-stats", {"peer_id": "a b&c", "session_id": "s"})
    assert (answer.status, answer.body, answer.found) == (200, b'{"a": 1}', True)
    (request,) = vendor.requests
    assert str(request.url) == "http://vendor:81/v2/analytics/peer-stats?peer_id=a+b%26c&session_id=s"
    assert request.method == "GET"
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert request.headers["User-Agent"] == f"webrtc-quality-exporter/{__version__}"
    assert events.requests == {"200": 1}


@pytest.mark.anyio
async def test_what_is_not_there_is_an_answer() -> None:
    """404 is how a session that is not worked up yet looks: no error, and nothing to try again at once."""
    vendor = Vendor(error(404))
    async with make_client(vendor) as client:
        answer = await client.get("x", {})
    assert (answer.status, answer.found) == (404, False)
    assert len(vendor.requests) == 1


class TestRetries:
    """Calls that may pass are made again, a few times."""

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("failure", "code"),
        [
            (error(500), "500"),
            (Answer(502, b"<html>Bad Gateway</html>"), "502"),
            (error(503), "503"),
            (httpx.ConnectError("refused"), "error"),
            (httpx.RemoteProtocolError("gone"), "error"),
            (httpx.ReadError("reset"), "error"),
            (httpx.ConnectTimeout("slow"), "timeout"),
            (httpx.ReadTimeout("slow"), "timeout"),
            (httpx.PoolTimeout("full"), "timeout"),
            (ODDLY_PACKED, "error"),
        ],
    )
    async def test_a_passing_failure(self, failure: Answer | Exception, code: str) -> None:
        """The third try is as good as the first; waits grow, and each request is counted."""
        vendor = Vendor(failure, failure, FINE)
        clock, events = FakeClock(), RecordedEvents()
        async with make_client(vendor, events=events, clock=clock) as client:
            assert (await client.get("x", {})).body == b"{}"
        assert events.requests == {code: 2, "200": 1}
        # The back-off is 0.5 s and then 1 s; the rate adds nothing to waits that are longer than a tenth.
        assert clock.slept == [0.5, 1.0]

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("failure", "reason"),
        [
            (error(500, "broken"), "http_status"),
            (httpx.ConnectError("refused"), "unreachable"),
            (httpx.ReadTimeout("slow"), "timeout"),
        ],
    )
    async def test_patience_ends(self, failure: Answer | Exception, reason: str) -> None:
        """After three tries it is an error that says what was asked for."""
        vendor = Vendor(failure)
        async with make_client(vendor) as client:
            with pytest.raises(RequestError, match="sessions: ") as raised:
                await client.get("sessions", {})
        assert raised.value.reason == reason
        assert len(vendor.requests) == 3

    @pytest.mark.anyio
    @pytest.mark.parametrize("status", [204, 301, 400, 405, 413, 418])
    async def test_what_stays_is_not_asked_again(self, status: int) -> None:
        """The same call would be answered the same."""
        vendor = Vendor(error(status, "bad"))
        async with make_client(vendor) as client:
            with pytest.raises(RequestError, match=f"status {status}") as raised:
                await client.get("x", {})
        assert raised.value.reason == "http_status"
        assert len(vendor.requests) == 1


class TestTooManyRequests:
    """The vendor wants fewer calls."""

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("answer", "wait"),
        [
            (error(429, **{"Retry-After": "7"}), 7.0),
            (error(429, "rate limit exceeded, retry after 45 seconds"), 45.0),
            (error(503, **{"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT"}), 30.0),
            # By the vendor's own clock, where it tells the time.
            (error(429, **{"Retry-After": LATE, "Date": "Sun, 01 Mar 2026 14:59:48 GMT"}), 12.0),
            (error(429), 0.5),
            (error(429, **{"Retry-After": "-5"}), 0.5),
        ],
    )
    async def test_its_pause_is_kept(self, answer: Answer, wait: float) -> None:
        """By every call of the source, and counted as waiting for the rate limit."""
        clock, events = FakeClock(), RecordedEvents()
        async with make_client(Vendor(answer, FINE), events=events, clock=clock) as client:
            await client.get("x", {})
        assert clock.time == 1000.0 + wait
        assert events.waits == [wait]

    @pytest.mark.anyio
    async def test_a_long_pause_fails_all_calls_without_making_them(self) -> None:
        """Until it is over."""
        vendor, clock = Vendor(error(429, **{"Retry-After": "600"}), FINE), FakeClock()
        async with make_client(vendor, clock=clock) as client:
            for _ in range(2):
                with pytest.raises(PauseError, match="asked to wait 600 s") as raised:
                    await client.get("x", {})
                assert raised.value.reason == "http_status"
            assert len(vendor.requests) == 1
            clock.time += 600.0
            assert (await client.get("x", {})).found

    @pytest.mark.anyio
    async def test_a_pause_is_kept_after_the_last_try_as_well(self) -> None:
        """The call that fails leaves the pause to the next one."""
        clock = FakeClock()
        limits = Limits(attempts=1)
        async with make_client(Vendor(error(429, **{"Retry-After": "9"}), FINE), clock=clock, limits=limits) as client:
            with pytest.raises(RequestError):
                await client.get("x", {})
            await client.get("x", {})
        assert clock.time == 1009.0

    @pytest.mark.anyio
    async def test_all_calls_share_the_rate(self) -> None:
        """Retries and calls side by side, too."""
        clock = FakeClock()
        starts: list[float] = []

        def handler(_: httpx.Request) -> httpx.Response:
            starts.append(clock.time)
            return reply(200, b"{}")

        settings = read_settings({"peer_stats": {"requests_per_second": 4}})
        async with make_client(handler, settings, clock=clock) as client, asyncio.TaskGroup() as group:
            for _ in range(9):
                group.create_task(client.get("x", {}))
        assert starts == [1000.0 + number / 4 for number in range(9)]


class TestTokens:
    """What happens when the vendor does not accept a token."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("status", [401, 403])
    async def test_it_is_renewed_once(self, status: int, tmp_path: Path) -> None:
        """A rotated token is found without a failed call."""
        file = tmp_path / "token"
        file.write_text("old", encoding="utf-8")
        vendor = Vendor(error(status), FINE)

        def handler(request: httpx.Request) -> httpx.Response:
            file.write_text("fresh", encoding="utf-8")
            return vendor(request)

        settings = read_settings({"auth": {"management_token_file": str(file)}})
        async with make_client(handler, settings) as client:
            assert (await client.get("x", {})).found
        assert vendor.tokens == ["Bearer old", "Bearer fresh"]

    @pytest.mark.anyio
    @pytest.mark.parametrize(("status", "about_token"), [(401, True), (403, False)])
    async def test_a_second_refusal_is_final(self, status: int, *, about_token: bool) -> None:
        """A signed token is signed again once."""
        vendor = Vendor(error(status, "Token validation error"))
        settings = read_settings({"auth": {"access_key": "key", "app_secret": "hush"}})
        async with make_client(vendor, settings) as client:
            with pytest.raises(RefusedError, match="Token validation error") as raised:
                await client.get("x", {})
        assert raised.value.reason == "unauthorized"
        assert raised.value.is_about_token is about_token
        assert len(set(vendor.tokens)) == 2

    @pytest.mark.anyio
    @pytest.mark.parametrize(("told", "issued"), [({}, NOON - 10.0), ({"Date": LATE}, NOON + 10_800.0 - 10.0)])
    async def test_a_signed_token_is_renewed_by_the_vendors_clock(self, told: dict[str, str], issued: float) -> None:
        """Where it tells the time: ours may be so wrong that the token is not good yet, or no more."""
        vendor = Vendor(error(401, **told), FINE)
        settings = read_settings({"auth": {"access_key": "key", "app_secret": "hush"}})
        async with make_client(vendor, settings) as client:
            await client.get("x", {})
        first, second = (_claims(token) for token in vendor.tokens)
        assert (first["iat"], second["iat"]) == (NOON - 10.0, issued)

    @pytest.mark.anyio
    async def test_the_same_token_is_not_tried_twice(self) -> None:
        """Where there is no other one, asking again is noise."""
        vendor = Vendor(error(401))
        async with make_client(vendor) as client:
            with pytest.raises(RefusedError):
                await client.get("x", {})
        assert len(vendor.requests) == 1

    @pytest.mark.anyio
    async def test_without_a_token_nothing_is_asked(self, tmp_path: Path) -> None:
        """The poll fails, and says which file is missing."""
        vendor = Vendor(FINE)
        settings = read_settings({"auth": {"management_token_file": str(tmp_path / "gone")}})
        async with make_client(vendor, settings) as client:
            with pytest.raises(PollError, match="gone: cannot be read"):
                await client.get("x", {})
        assert vendor.requests == []

    @pytest.mark.anyio
    async def test_nothing_that_is_logged_or_raised_holds_it(self, caplog: pytest.LogCaptureFixture) -> None:
        """Whatever the vendor says back."""
        caplog.set_level(logging.DEBUG)
        answers: list[Answer | Exception] = [
            error(500, "you sent t0ken"),
            httpx.ConnectError("Authorization: Bearer t0ken"),
        ]
        for answer in answers:
            async with make_client(Vendor(answer)) as client:
                with pytest.raises(RequestError) as raised:
                    await client.get("x", {})
            assert "t0ken" not in repr(raised.value)
        assert "t0ken" not in caplog.text


def _claims(shown: str) -> dict[str, Any]:
    """What a signed token says, as it was shown."""
    payload = shown.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class TestSizes:
    """Answers that are larger than memory allows."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("is_packed", [False, True])
    async def test_a_body_past_the_limit(self, *, is_packed: bool) -> None:
        """It is dropped without being read to its end, and not asked for again."""
        plain = b"0" * 1001
        vendor, events = Vendor(packed(plain) if is_packed else Answer(200, plain)), RecordedEvents()
        async with make_client(vendor, events=events, limits=Limits(body_bytes=1000)) as client:
            with pytest.raises(AnswerTooLargeError, match="larger than 1000 bytes") as raised:
                await client.get("x", {})
        assert raised.value.reason == "malformed"
        assert len(vendor.requests) == 1
        assert events.requests == {"200": 1}

    @pytest.mark.anyio
    async def test_a_packed_answer_is_unpacked(self) -> None:
        """Packed is what the client asks for."""
        vendor = Vendor(packed(b'{"a": 1}'))
        async with make_client(vendor) as client:
            assert (await client.get("x", {})).body == b'{"a": 1}'
        assert vendor.requests[0].headers["Accept-Encoding"] == "gzip"

    @pytest.mark.anyio
    @pytest.mark.parametrize("headers", [(), (("Content-Encoding", "br"),)])
    async def test_a_large_or_odd_error_body_is_no_other_error(self, headers: tuple[tuple[str, str], ...]) -> None:
        """The status says enough."""
        async with make_client(Vendor(Answer(400, b"x" * 70_000, headers))) as client:
            with pytest.raises(RequestError, match=r"status 400$"):
                await client.get("x", {})


async def chunks(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    """A body as it comes over the wire."""
    for part in parts:
        yield part


class TestBodies:
    """Bodies on their own."""

    @pytest.mark.anyio
    @pytest.mark.parametrize("encoding", ["", "identity", " IDENTITY "])
    async def test_plain(self, encoding: str) -> None:
        """Joined as they are, up to the limit and including it."""
        assert await read_body(chunks([b"ab", b"", b"c"]), encoding, 3) == b"abc"

    @pytest.mark.anyio
    @pytest.mark.parametrize("size", [1, 7, 10_000])
    async def test_packed_in_pieces(self, size: int) -> None:
        """Wherever the network cuts them."""
        plain = json.dumps(list(range(2000))).encode()
        packed = gzip.compress(plain)
        parts = [packed[at : at + size] for at in range(0, len(packed), size)]
        assert await read_body(chunks(parts), "gzip", len(plain)) == plain

    @pytest.mark.anyio
    async def test_a_bomb_is_not_inflated(self) -> None:
        """One more byte than allowed is the most that is ever unpacked."""
        bomb = gzip.compress(b"\0" * 50_000_000)
        tracemalloc.start()
        with pytest.raises(TooLargeError):
            await read_body(chunks([bomb]), "x-gzip", 1000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_000_000

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("parts", "encoding", "said"),
        [
            ([gzip.compress(b"abc")[:-9]], "gzip", "cut off"),
            ([], "gzip", "cut off"),
            ([b"no gzip"], "gzip", "damaged"),
            ([b"x"], "deflate", "expected gzip or identity, got 'deflate'"),
            ([b"x"], "gzip, br", "expected gzip or identity"),
        ],
    )
    async def test_broken(self, parts: list[bytes], encoding: str, said: str) -> None:
        """What cannot be unpacked is said in one sentence."""
        with pytest.raises(BrokenBodyError, match=said):
            await read_body(chunks(parts), encoding, 1000)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("0", b"", 0.0),
        (" 120 ", b"", 120.0),
        ("9" * 400, b"", float("inf")),
        ("1.5", b"", None),
        ("-1", b"", None),
        ("soon", b"", None),
        ("\u0663", b"", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", b"", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", b"", 0.0),
        ("Sun, 01 Mar 99999 11:00:00 GMT", b"", None),
        ("", b"rate limit exceeded, retry after 45 seconds", 45.0),
        ("", b'{"message": "Retry after 3s"}', 3.0),
        ("", b"retry after a while", None),
        ("", b"", None),
    ],
)
def test_retry_after(header: str, body: bytes, seconds: float | None) -> None:
    """Seconds, a date, or words in the message; nothing else is taken for a number."""
    assert retry_after(header, body, NOON) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message": "Token validation error"}', "'Token validation error'"),
        (b'{"message": "two\\nlines"}', r"'two\nlines'"),
        (b'{"message": "about t0ken"}', ""),
        (b'{"message": 5}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b'{"message": "\xff"}', ""),
        (b"[" * 100_000, ""),
    ],
)
def test_vendor_message(body: bytes, said: str) -> None:
    """One printable line, never the token."""
    assert vendor_message(body, "t0ken") == said


def test_vendor_message_is_short() -> None:
    """A log line is no place for a page."""
    assert len(vendor_message(b'{"message": "' + b"x" * 5000 + b'"}', "t0ken")) == 202


class TestOverTheWire:
    """The real HTTP library against a real socket."""

    async def ask(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any], limits: Limits) -> Any:  # noqa: ANN401 - an answer or an error
        """Makes one call to a server that behaves as told; returns its answer or its error."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await serve(reader, writer)
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = read_settings({"base_url": f"http://127.0.0.1:{port}/v2"})
        self.events = RecordedEvents()
        clock = FakeClock()
        surroundings = Surroundings(clock=clock, sleep=clock.sleep)
        try:
            async with server, ApiClient(settings, self.events, limits, surroundings) as client:
                try:
                    return await client.get("sessions", {"limit": "100"})
                except RequestError as failure:
                    return failure
        finally:
            server.close()

    @pytest.mark.anyio
    async def test_an_answer(self) -> None:
        """As any server gives it, in chunks."""

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")

        answer = await self.ask(serve, Limits())
        assert (answer.status, answer.body) == (200, b"{}")
        assert self.events.requests == {"200": 1}

    @pytest.mark.anyio
    async def test_an_answer_that_is_cut(self) -> None:
        """A body that is shorter than announced is no body."""

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": []')

        failure = await self.ask(serve, Limits(attempts=2))
        assert isinstance(failure, RequestError)
        assert failure.reason == "unreachable"
        assert self.events.requests == {"error": 2}

    @pytest.mark.anyio
    async def test_a_vendor_that_falls_silent(self) -> None:
        """The longest silence ends the call."""
        done = asyncio.Event()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            await writer.drain()
            await done.wait()

        failure = await self.ask(serve, Limits(attempts=1, read_seconds=0.05))
        done.set()
        assert failure.reason == "timeout"
        assert self.events.requests == {"timeout": 1}

    @pytest.mark.anyio
    async def test_a_vendor_that_drips(self) -> None:
        """Never silent, never done: the whole call has a limit, too."""

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

        failure = await self.ask(serve, Limits(attempts=1, read_seconds=5.0, total_seconds=0.2))
        assert failure.reason == "timeout"
        assert self.events.requests == {"timeout": 1}

    @pytest.mark.anyio
    async def test_nobody_there(self) -> None:
        """A closed port is unreachable."""

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        failure = await self.ask(serve, Limits(attempts=1))
        assert failure.reason == "unreachable"
        assert self.events.requests == {"error": 1}
