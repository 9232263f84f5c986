"""The server on real sockets: addresses, slow and silent clients, too many of them, and the end."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import httpx
import pytest

from exporter.web.addresses import Address, ListenError, bound, listen, read_address
from exporter.web.protocol import Limits
from exporter.web.server import serving
from tests.web_fakes import FakeFace, application_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

LOCAL = ("127.0.0.1:0",)
#: Long enough for a busy machine; nothing waits for it to pass.
PATIENCE = 30


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """All bytes until the server ends or cuts the connection."""
    received = b""
    async with asyncio.timeout(PATIENCE):
        try:
            while piece := await reader.read(65_536):
                received += piece
        except ConnectionResetError:
            pass
    return received


class TestAddresses:
    """`--web.listen-address`."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (":10210", Address("", 10210)),
            ("localhost:80", Address("localhost", 80)),
            ("127.0.0.1:0", Address("127.0.0.1", 0)),
            ("[::1]:10210", Address("::1", 10210)),
            ("[::]:65535", Address("::", 65535)),
        ],
    )
    def test_read(self, text: str, expected: Address) -> None:
        """An address is read, and written as it was."""
        assert read_address(text) == expected
        assert str(expected) == text

    @pytest.mark.parametrize(
        "text", ["", "10210", "localhost", ":", ":http", ":65536", ":-1", "::1:80", ":\u0661", "a:1:2", ":0000010"]
    )
    def test_refused(self, text: str) -> None:
        """What is none is refused with an example of one."""
        with pytest.raises(ValueError, match="expected a listen address such as :10210"):
            read_address(text)

    def test_busy_port(self) -> None:
        """A port that is taken is a clear error, and the addresses before it are given back."""
        (taken,) = listen([Address("127.0.0.1", 0)])
        with closing(taken):
            port = bound(taken).port
            with pytest.raises(ListenError, match=f"^cannot listen on 127.0.0.1:{port}: another process listens there"):
                listen([Address("127.0.0.1", 0), Address("127.0.0.1", port)])

    @pytest.mark.parametrize(
        ("address", "said"),
        [
            (Address("192.0.2.1", 0), r"192\.0\.2\.1:0: this machine has no such address"),
            (Address("nowhere.invalid", 0), "nowhere.invalid:0: "),
            (Address("a" * 70, 0), "no name of a host"),
        ],
    )
    def test_impossible_address(self, address: Address, said: str) -> None:
        """What cannot be listened on says why."""
        with pytest.raises(ListenError, match=said):
            listen([address])

    @pytest.mark.parametrize("host", ["", "::"])
    def test_every_address_is_both_families(self, host: str) -> None:
        """Without a host, clients of both families get in."""
        (listener,) = listen([Address(host, 0)])
        with closing(listener):
            port = bound(listener).port
            for family, place in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family) as client:
                    client.connect((place, port))

    def test_every_address_without_ipv6(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A kernel without IPv6 listens on IPv4."""
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
        (listener,) = listen([Address("", 0)])
        with closing(listener):
            assert listener.family == socket.AF_INET


class TestServing:
    """The server."""

    async def test_answers_on_each_address(self) -> None:
        """Several addresses serve the same application; no answer tells the server's name."""
        async with serving(application_of(FakeFace()), ("127.0.0.1:0", "[::1]:0", ":0")) as places:
            assert [place.host for place in places] == ["127.0.0.1", "::1", "::"]
            async with httpx.AsyncClient() as client:
                for place in places:
                    answer = await client.get(f"http://{place}/metrics")
                    assert answer.text.endswith("up 1\n")
                    assert "server" not in answer.headers
                    assert answer.headers["date"].endswith(" GMT")

    async def test_head_sends_headers_only(self) -> None:
        """HEAD works on pages as GET does, without the body, and the connection stays usable."""
        async with serving(application_of(FakeFace()), LOCAL) as (place,), httpx.AsyncClient() as client:
            for path in ("/", "/metrics", "/config", "/-/healthy", "/-/ready"):
                get, head = await client.get(f"http://{place}{path}"), await client.head(f"http://{place}{path}")
                assert (head.status_code, head.content) == (200, b"")
                assert head.headers["content-length"] == f"{len(get.content)}"

    async def test_large_answer_arrives_whole(self) -> None:
        """Many pieces with one length."""
        face = FakeFace()
        face.chunks = (b"a" * 3_000_000, b"b" * 5, b"c" * 700_000)
        async with serving(application_of(face), LOCAL) as (place,), httpx.AsyncClient() as client:
            answer = await client.get(f"http://{place}/metrics")
        assert answer.content == b"".join(face.chunks)

    async def test_addresses_are_all_or_nothing(self) -> None:
        """When one address is busy nothing is served, and the other port is free again."""
        (taken,) = listen([Address("127.0.0.1", 0)])
        with closing(taken), pytest.raises(ListenError):
            async with serving(application_of(FakeFace()), (*LOCAL, f"{bound(taken)}")):
                raise AssertionError

    async def test_signals_stay_with_the_program(self) -> None:
        """The server neither takes signal handlers nor leaves others behind."""
        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
        async with serving(application_of(FakeFace()), LOCAL):
            during = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
        assert during == before

    async def test_connection_is_kept_between_scrapes(self) -> None:
        """The second request comes over the first one's connection."""
        async with serving(application_of(FakeFace()), LOCAL) as (place,), connected(place) as (reader, writer):
            for _ in range(2):
                writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(len("The exporter is healthy.\n"))
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")


class TestDelivery:
    """Which scrapes count as read, and over which connection."""

    async def test_connections_are_told_apart(self) -> None:
        """Two requests over one connection, and one over another; each is open until it is lost."""
        face = FakeFace()
        async with (
            serving(application_of(face), LOCAL) as (place,),
            connected(place) as (reader, writer),
            connected(place) as (other, other_writer),
        ):
            for to, back in ((writer, reader), (writer, reader), (other_writer, other)):
                to.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    await back.readuntil(b"up 1\n")
            first, second, third = (asked[2].connection for asked in face.asked if asked[2] is not None)
            assert first is second
            assert first is not third
            assert (first.is_open, third.is_open) == (True, True)
            other_writer.close()
            async with asyncio.timeout(PATIENCE):
                while third.is_open:  # noqa: ASYNC110 - a connection tells nobody that it was lost
                    await asyncio.sleep(0.01)
            assert first.is_open
        assert [asked[2].connection.is_open for asked in face.asked if asked[2] is not None] == [False] * 3
        assert face.delivered == 3

    async def test_who_goes_away_has_read_nothing(self) -> None:
        """In the middle of a large answer, or before a small one was made."""
        face = FakeFace()
        face.gate = asyncio.Event()
        async with serving(application_of(face), LOCAL) as (place,):
            async with connected(place) as (_, writer):
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n")
                await face.entered.acquire()
            async with connected(place) as (reader, writer):
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n")
                await face.entered.acquire()
                face.chunks = (bytes(50_000_000),)
                face.gate.set()
                async with asyncio.timeout(PATIENCE):
                    await reader.readuntil(b"\r\n\r\n")
        # The end of the server waits for both answers.
        assert len(face.asked) == 2
        assert face.delivered == 0

    async def test_a_head_reads_nothing(self) -> None:
        """It tells the length and is no page."""
        face = FakeFace()
        async with serving(application_of(face), LOCAL) as (place,), httpx.AsyncClient() as client:
            await client.head(f"http://{place}/metrics", headers={"User-Agent": "Prometheus/2.42.0"})
            assert (len(face.asked), face.delivered) == (1, 0)
            await client.get(f"http://{place}/metrics", headers={"User-Agent": "Prometheus/2.42.0"})
            assert (len(face.asked), face.delivered) == (2, 1)


class TestSlowClients:
    """What a client can hold by being slow."""

    @pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost:", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"])
    async def test_half_a_request_is_cut(self, sent: bytes) -> None:
        """A client that does not finish its headers is cut off; others are served meanwhile."""
        face, limits = FakeFace(), Limits(head=0.2)
        async with (
            serving(application_of(face), LOCAL, limits=limits) as (place,),
            connected(place) as (reader, writer),
        ):
            writer.write(sent)
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"http://{place}/metrics")).status_code == 200
            assert await everything(reader) == b""

    async def test_a_second_half_request_is_cut(self) -> None:
        """The time for headers begins anew with the first byte after an answer."""
        limits = Limits(head=0.2, keep_alive=600)
        server = serving(application_of(FakeFace()), LOCAL, limits=limits)
        async with server as (place,), connected(place) as (reader, writer):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"healthy.\n")
            writer.write(b"GET /-/he")
            writer.write(b"althy")
            assert await everything(reader) == b""

    async def test_an_endless_body_is_cut(self) -> None:
        """A client cannot hold a connection with the body of a request that was answered long ago."""
        limits = Limits(head=0.2, keep_alive=600)
        server = serving(application_of(FakeFace()), LOCAL, limits=limits)
        async with server as (place,), connected(place) as (reader, writer):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"healthy.\n")
            writer.write(b"drip")
            assert await everything(reader) == b""

    async def test_an_idle_connection_is_closed(self) -> None:
        """Between requests a connection stays for the keep-alive time, and no longer."""
        limits = Limits(keep_alive=0)
        server = serving(application_of(FakeFace()), LOCAL, limits=limits)
        async with server as (place,), connected(place) as (reader, writer):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await everything(reader)).endswith(b"healthy.\n")

    async def test_a_working_request_has_all_its_time(self) -> None:
        """The time for headers does not run while the answer is made."""
        face, limits = FakeFace(), Limits(head=0.05)
        face.gate = asyncio.Event()
        async with serving(application_of(face), LOCAL, limits=limits) as (place,), httpx.AsyncClient() as client:
            scrape = asyncio.create_task(client.get(f"http://{place}/metrics"))
            await face.entered.acquire()
            async with connected(place) as (reader, _):
                # The silent neighbour came later and is cut: the scrape's own time has passed, too.
                assert await everything(reader) == b""
            face.gate.set()
            assert (await scrape).status_code == 200

    async def test_a_client_that_does_not_read_is_cut(self) -> None:
        """An answer that nobody reads holds neither memory nor one of the limited requests."""
        face, limits, over = FakeFace(), Limits(stalled_write=0.2), asyncio.Event()
        face.chunks = (bytes(50_000_000),)
        app = application_of(face)

        async def noting_the_end(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            over.set()

        async with serving(noting_the_end, LOCAL, limits=limits) as (place,):
            # asyncio's streams read ahead, a plain socket does not.
            with socket.socket() as client:
                client.connect((place.host, place.port))
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    await over.wait()
                assert len(await asyncio.to_thread(what_is_left, client)) < 50_000_000

    async def test_a_client_that_reads_again_is_served(self) -> None:
        """The limit is on standing still: once the client has read, the answer has all its time again."""
        limits, read = Limits(stalled_write=0.5), asyncio.Event()

        async def in_two_parts(_: Scope, __: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"20000003")]})
            await send({"type": "http.response.body", "body": bytes(20_000_000), "more_body": True})
            await read.wait()
            await send({"type": "http.response.body", "body": b"end"})

        async with serving(in_two_parts, LOCAL, limits=limits) as (place,), connected(place) as (reader, writer):
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(20_000_000)
            await asyncio.sleep(2 * limits.stalled_write)
            read.set()
            assert await everything(reader) == b"end"

    async def test_too_many_connections(self) -> None:
        """Past the limit a connection is cut at once while the others are at work; when one goes, another may come."""
        face, limits = FakeFace(), Limits(connections=1, head=600)
        face.gate = asyncio.Event()
        async with serving(application_of(face), LOCAL, limits=limits) as (place,):
            async with connected(place) as (first, writer):
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                await face.entered.acquire()
                async with connected(place) as (reader, _):
                    assert await everything(reader) == b""
                face.gate.set()
                assert (await everything(first)).endswith(b"up 1\n")
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"http://{place}/-/healthy")).status_code == 200

    async def test_idle_connections_make_room(self) -> None:
        """Past the limit the one that has been idle longest goes; neither one at work nor a silent one does."""
        face, limits = FakeFace(), Limits(connections=4, head=600, keep_alive=600)
        face.gate = asyncio.Event()
        server = serving(application_of(face), LOCAL, limits=limits)
        async with (
            server as (place,),
            connected(place) as (busy, busy_writer),
            connected(place) as (idle, idle_writer),
            connected(place) as (later, later_writer),
            connected(place) as (silent, silent_writer),
        ):
            busy_writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await face.entered.acquire()
            for reader, writer in ((idle, idle_writer), (later, later_writer)):
                writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    await reader.readuntil(b"healthy.\n")
            async with connected(place) as (new, new_writer):
                assert await everything(idle) == b""
                for reader, writer in ((new, new_writer), (later, later_writer), (silent, silent_writer)):
                    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
                    async with asyncio.timeout(PATIENCE):
                        await reader.readuntil(b"healthy.\n")
            face.gate.set()
            async with asyncio.timeout(PATIENCE):
                await busy.readuntil(b"up 1\n")

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000,
            b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 10_000,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        ],
    )
    async def test_what_is_no_request_is_refused(self, request_bytes: bytes) -> None:
        """Headers without end, other protocols and requests without a host get 400 and the connection ends."""
        async with serving(application_of(FakeFace()), LOCAL) as (place,), connected(place) as (reader, writer):
            writer.write(request_bytes)
            assert (await everything(reader)).startswith(b"HTTP/1.1 400 ")

    async def test_an_upgrade_is_answered_as_a_request(self) -> None:
        """There are no web sockets here."""
        headers = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
        async with serving(application_of(FakeFace()), LOCAL) as (place,), connected(place) as (reader, writer):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
            assert (await everything(reader)).startswith(b"HTTP/1.1 200 ")


def what_is_left(client: socket.socket) -> bytes:
    """Reads the rest of a connection that was cut."""
    received = b""
    try:
        while piece := client.recv(1_000_000):
            received += piece
    except ConnectionResetError:
        pass
    return received


class TestStop:
    """The end of the context."""

    async def test_idle_connections_do_not_hold_it_up(self) -> None:
        """Kept connections, half requests and silent clients are closed at once."""
        limits = Limits(head=600, keep_alive=600, shutdown=600)
        async with (
            asyncio.timeout(PATIENCE),
            serving(application_of(FakeFace()), LOCAL, limits=limits) as (place,),
            connected(place) as (idle, idle_writer),
            connected(place) as (half, half_writer),
            connected(place) as (silent, _),
        ):
            idle_writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            half_writer.write(b"GET /")
            async with asyncio.timeout(PATIENCE):
                await idle.readuntil(b"healthy.\n")
            readers = (idle, half, silent)
            ends = asyncio.gather(*(everything(reader) for reader in readers))
        assert await ends == [b"", b"", b""]

    async def test_a_request_in_work_is_finished(self) -> None:
        """Who was let in gets an answer; nobody new is let in meanwhile."""
        face = FakeFace()
        face.gate = asyncio.Event()
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
            server = serving(application_of(face), LOCAL, limits=Limits(shutdown=600))
            (place,) = await server.__aenter__()
            scrape = asyncio.create_task(client.get(f"http://{place}/metrics"))
            await face.entered.acquire()
            stop = asyncio.create_task(server.__aexit__(None, None, None))
            await asyncio.sleep(0)
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://{place}/-/healthy")
            assert not stop.done()
            face.gate.set()
            assert (await scrape).text.endswith("up 1\n")
            await stop

    async def test_a_request_that_never_ends_is_given_up(self, caplog: pytest.LogCaptureFixture) -> None:
        """The stop has a bound, whatever a request waits for."""
        face = FakeFace()
        face.gate = asyncio.Event()
        limits = Limits(shutdown=0.1)
        async with httpx.AsyncClient() as client:
            async with serving(application_of(face), LOCAL, limits=limits) as (place,):
                scrape = asyncio.create_task(client.get(f"http://{place}/metrics"))
                await face.entered.acquire()
            with pytest.raises(httpx.HTTPError):
                await scrape
        assert "Exception in ASGI application" in caplog.text

    async def test_a_client_that_does_not_read_is_given_up(self) -> None:
        """A stop does not wait for a reader that stands still."""
        face, limits = FakeFace(), Limits(shutdown=0.1)
        face.chunks = (bytes(50_000_000),)
        with socket.socket() as client:
            async with serving(application_of(face), LOCAL, limits=limits) as (place,):
                client.connect((place.host, place.port))
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                await face.entered.acquire()
            assert len(await asyncio.to_thread(what_is_left, client)) < 50_000_000

    async def test_an_answer_that_broke_off_is_no_obstacle(self) -> None:
        """An answer that is shorter than announced costs its connection only."""
        over = asyncio.Event()

        async def too_short(_: Scope, __: Receive, send: Send) -> None:
            headers = [(b"content-length", b"60000000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                await send({"type": "http.response.body", "body": bytes(50_000_000)})
            finally:
                over.set()

        with socket.socket() as client:
            async with serving(too_short, LOCAL, limits=Limits(shutdown=0.1)) as (place,):
                client.connect((place.host, place.port))
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                async with asyncio.timeout(PATIENCE):
                    await over.wait()
