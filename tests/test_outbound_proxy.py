"""Requests to 100ms and to receivers of the timeline go where the environment says: by a proxy, or past it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.sources.hundredms.answers import RequestError
from exporter.sources.hundredms.client import ApiClient, Limits
from exporter.timeline.client import Client
from tests import hundredms_support, timeline_support
from tests.timeline_support import Reply, recording_receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.timeline_support import Receiver

pytestmark = pytest.mark.anyio


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The one that the environment names for everything but one host; it answers all by itself."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with recording_receiver(lambda _: Reply(200, b"{}")) as receiver:
        monkeypatch.setenv("HTTP_PROXY", receiver.url.removesuffix("/api/v1/write"))
        monkeypatch.setenv("NO_PROXY", "nearby.invalid")
        yield receiver


def asked(proxy: Receiver) -> list[str]:
    """What a proxy was asked for, as the request lines have it."""
    return [f"{request.method} {request.path}" for request in proxy.requests]


async def test_100ms_is_asked_by_the_proxy(proxy: Receiver) -> None:
    """With the whole address."""
    settings = hundredms_support.read_settings({"base_url": "http://far.invalid/v2"})
    async with ApiClient(settings, hundredms_support.RecordedEvents()) as client:
        assert (await client.get("sessions", {})).body == b"{}"
    assert asked(proxy) == ["GET http://far.invalid/v2/sessions"]


async def test_100ms_is_asked_past_the_proxy(proxy: Receiver) -> None:
    """Where the environment makes an exception of the host, which is then looked for and not found."""
    settings = hundredms_support.read_settings({"base_url": "http://nearby.invalid/v2"})
    async with ApiClient(settings, hundredms_support.RecordedEvents(), Limits(attempts=1)) as client:
        with pytest.raises(RequestError, match="ConnectError"):
            await client.get("sessions", {})
    assert asked(proxy) == []


@pytest.mark.parametrize(
    ("host", "code", "requests"),
    [("far.invalid", "200", ["POST http://far.invalid/api/v1/write"]), ("nearby.invalid", "error", [])],
)
async def test_the_timeline_is_sent_by_the_proxy(proxy: Receiver, host: str, code: str, requests: list[str]) -> None:
    """Or past it."""
    async with Client(timeline_support.read_settings(f"http://{host}/api/v1/write")) as client:
        answer, _ = await client.post(b"")
    assert (answer.code, asked(proxy)) == (code, requests)
