"""Requests to 100ms and to receivers of the timeline go where the environment says: by a proxy, or past it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from exporter.sources.hundredms.answers import RequestError
from exporter.sources.hundredms.client import ApiClient, Limits
from exporter.timeline.client import Client
from tests import hundredms_support, timeline_support

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


class Proxy:
    """What it is asked for, as the request line has it; it answers all by itself."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """Serves on a free port of this machine."""
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            proxy.asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The one that the environment names for everything but one host."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "nearby.invalid")
        yield proxy


@pytest.mark.parametrize(
    ("host", "asked"), [("far.invalid", ["GET http://far.invalid/v2/sessions"]), ("nearby.invalid", [])]
)
async def test_100ms_is_asked_by_the_proxy(proxy: Proxy, host: str, asked: list[str]) -> None:
    """Unless the environment makes an exception of the host, which is then looked for and not found."""
    settings = hundredms_support.read_settings({"base_url": f"http://{host}/v2"})
    limits = Limits(attempts=1)
    async with ApiClient(settings, hundredms_support.RecordedEvents(), limits) as client:
        if asked:
            assert (await client.get("sessions", {})).body == b"{}"
        else:
            with pytest.raises(RequestError, match="ConnectError"):
                await client.get("sessions", {})
    assert proxy.asked == asked


@pytest.mark.parametrize(("host", "code"), [("far.invalid", "200"), ("nearby.invalid", "error")])
async def test_the_timeline_is_sent_by_the_proxy(proxy: Proxy, host: str, code: str) -> None:
    """As above."""
    async with Client(timeline_support.read_settings(f"http://{host}/api/v1/write")) as client:
        answer, _ = await client.post(b"")
    assert answer.code == code
    assert proxy.asked == ([f"POST http://{host}/api/v1/write"] if code == "200" else [])
