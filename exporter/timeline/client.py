"""Requests to one receiver."""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import httpx
from msgspec import Struct

from exporter import __version__
from exporter.timeline.access import Access, AccessError
from exporter.timeline.answers import Answer, meaning, message, retry_after

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from exporter.remote_write_settings import RemoteWriteSettings

#: What the protocol asks for (remote write 1.0). `Accept-Encoding`, so that no answer is larger than it seems.
_HEADERS: Final = {
    "Accept-Encoding": "identity",
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "User-Agent": f"webrtc-quality-exporter/{__version__}",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
#: Of an answer no more is read.
_LARGEST_ANSWER: Final = 64 * 1024


class ClientSurroundings(Struct, frozen=True, kw_only=True):
    """What the client asks of the world, so that tests need not wait."""

    #: Unix seconds.
    now: Callable[[], float] = time.time
    #: Seconds that never go back.
    clock: Callable[[], float] = time.monotonic
    transport: httpx.AsyncBaseTransport | None = None


class Client:
    """Sends bodies to one receiver, one after the other over one connection. An async context manager."""

    def __init__(self, settings: RemoteWriteSettings, surroundings: ClientSurroundings | None = None) -> None:
        """Connects to nothing yet.

        Raises:
            AccessError: the URL is none that requests can be made of.
        """
        self._timeout = float(settings.remote_timeout)
        self._server_name = settings.tls_config.server_name
        self._around = surroundings or ClientSurroundings()
        self._http: httpx.AsyncClient | None = None
        self._context: object = None
        #: What the receiver asks of us.
        self.access = Access(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def post(self, body: bytes) -> tuple[Answer, float]:
        """Sends one body, once, and tells what came of it and how many seconds it took.

        Redirects are not followed: credentials are for the configured address.
        """
        started = self._around.clock()
        try:
            headers = self.access.headers()
            http = await self._connection()
            async with asyncio.timeout(self._timeout):
                answer = await self._ask(http, headers, body)
        except AccessError as error:
            answer = Answer("later", "error", message=str(error))
        except (TimeoutError, httpx.TimeoutException) as error:
            answer = Answer("later", "timeout", message=f"no answer in time ({type(error).__name__})")
        except httpx.ConnectError as error:
            # It says what is wrong with the certificate, and quotes nothing that we sent.
            answer = Answer("later", "error", message=f"cannot connect: {error}")
        except ssl.SSLError as error:
            # With TLS 1.3 a receiver that wants a certificate says so after the handshake, and the library lets that
            # pass as it is. It quotes nothing that we sent.
            answer = Answer("later", "error", message=f"cannot connect: {error}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The library's text may quote headers.
            answer = Answer("later", "error", message=type(error).__name__)
        return answer, self._around.clock() - started

    async def _connection(self) -> httpx.AsyncClient:
        if self.access.has_changed():
            # Away from the event loop, which answers scrapes meanwhile.
            await asyncio.to_thread(self.access.context)
        context = self.access.context()
        if self._http is None or context is not self._context:
            old, self._context = self._http, context
            self._http = httpx.AsyncClient(
                verify=context,
                limits=httpx.Limits(max_connections=1),
                timeout=httpx.Timeout(self._timeout),
                transport=self._around.transport,
                follow_redirects=False,
            )
            if old is not None:
                await old.aclose()
        return self._http

    async def _ask(self, http: httpx.AsyncClient, headers: dict[str, str], body: bytes) -> Answer:
        extensions = {} if self._server_name is None else {"sni_hostname": self._server_name}
        # As bytes: the library takes no text but ASCII, and a tenant's name may be any.
        # The protocol's come last and win, however a configured one is spelt.
        every = (*headers.items(), *_HEADERS.items())
        sent = {name.lower().encode(): value.encode() for name, value in every}
        request = http.build_request("POST", self.access.url, content=body, headers=sent, extensions=extensions)
        response = await http.send(request, stream=True)
        try:
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) >= _LARGEST_ANSWER:
                    break
        finally:
            await response.aclose()
        status = response.status_code
        found = meaning(status, bytes(content))
        if found == "accepted":
            return Answer(found, str(status))
        said = message(bytes(content), _secrets(headers))
        return Answer(
            found,
            str(status),
            retry_after(response.headers.get("Retry-After", ""), self._around.now()),
            f"answered with status {status}" + (f": {said}" if said else ""),
        )


def _secrets(headers: dict[str, str]) -> tuple[str, ...]:
    """All that an answer might repeat to us: whole values, credentials without their type, a password as it is."""
    parts = [part for value in headers.values() for part in (value, value.rpartition(" ")[2])]
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        parts.append(b64decode(credentials).decode().partition(":")[2])
    return tuple(filter(None, parts))
