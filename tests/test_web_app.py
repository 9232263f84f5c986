"""The routes and what goes around them, asked without a socket."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx
import pytest

from exporter import __version__
from exporter.face import ReloadError, Scrape, SessionLine
from exporter.web.app import application, check_telemetry_path
from exporter.web.envelope import Envelope
from tests.web_fakes import TEXT_CONTENT_TYPE, FakeFace

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

NOW = 1_795_300_000.0


@pytest.fixture
def face() -> FakeFace:
    """A pipeline."""
    return FakeFace()


def client_of(
    face: FakeFace,
    *,
    telemetry_path: str = "/metrics",
    enable_lifecycle: bool = False,
    max_requests: int = 40,
    documentation_url: str = "",
) -> httpx.AsyncClient:
    """A client of an application before `face`."""
    app = application(
        face,
        telemetry_path=telemetry_path,
        enable_lifecycle=enable_lifecycle,
        max_requests=max_requests,
        documentation_url=documentation_url,
        clock=lambda: NOW,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://exporter")


class TestTimeline:
    """`GET /timeline`."""

    async def test_without_configuration_there_is_none(self, face: FakeFace) -> None:
        """And the answer says what to configure."""
        async with client_of(face) as client:
            answer = await client.get("/timeline")
        assert (answer.status_code, "timeline.endpoint" in answer.text) == (404, True)

    async def test_sends_what_the_face_rendered(self, face: FakeFace) -> None:
        """As the metrics are; and the face knows who asks."""
        face.timeline_page = Scrape(content_type="text/x", content_encoding="gzip", length=3, chunks=(b"abc",))
        async with client_of(face) as client:
            client.headers.clear()
            headers = {"User-Agent": "Prometheus/3", "Accept": "a/b", "Accept-Encoding": "gzip"}
            async with client.stream("GET", "/timeline", headers=headers) as answer:
                raw = b"".join([chunk async for chunk in answer.aiter_raw()])
            await client.head("/timeline", headers=headers)
        assert (answer.status_code, raw) == (200, b"abc")
        assert (answer.headers["content-type"], answer.headers["content-encoding"]) == ("text/x", "gzip")
        assert face.asked_timeline == [("a/b", "gzip", True), ("a/b", "gzip", False)]

    def test_no_other_page_can_have_its_path(self) -> None:
        """Nor the metrics: they would be scraped as the wrong ones."""
        with pytest.raises(ValueError, match="no other page has"):
            check_telemetry_path("/timeline")


class TestMetrics:
    """`GET /metrics`."""

    async def test_sends_what_the_face_rendered(self, face: FakeFace) -> None:
        """Body, content type, encoding and length are those of the scrape."""
        face.content_encoding = "identity"
        async with client_of(face) as client:
            answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert answer.content == b"# HELP up Up.\n# TYPE up gauge\nup 1\n"
        assert answer.headers["content-type"] == TEXT_CONTENT_TYPE
        assert answer.headers["content-encoding"] == "identity"
        assert answer.headers["content-length"] == "35"
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_names_no_encoding_where_there_is_none(self, face: FakeFace) -> None:
        """Identity has no Content-Encoding header."""
        async with client_of(face) as client:
            answer = await client.get("/metrics")
        assert "content-encoding" not in answer.headers

    async def test_hands_the_headers_on(self, face: FakeFace) -> None:
        """The face sees what the client accepts; several headers of a name count as one list."""
        headers = [
            ("Accept", "application/openmetrics-text;q=0.9"),
            ("Accept", "text/plain;q=0.5"),
            ("Accept-Encoding", "gzip"),
        ]
        async with client_of(face) as client:
            client.headers.clear()
            await client.get("/metrics", headers=headers)
            await client.get("/metrics")
        assert face.asked == [("application/openmetrics-text;q=0.9, text/plain;q=0.5", "gzip", None), ("", "", None)]

    @pytest.mark.parametrize(
        ("method", "headers", "expected"),
        [
            ("GET", {"User-Agent": "Prometheus/2.42.0"}, True),
            ("GET", {"User-Agent": "vm_promscrape"}, True),
            ("GET", {"User-Agent": "vmagent/1.99"}, True),
            ("GET", {"User-Agent": "Alloy/v1.2", "X-Prometheus-Scrape-Timeout-Seconds": "10"}, True),
            ("GET", {"User-Agent": "Mozilla/5.0"}, False),
            ("GET", {"User-Agent": "curl/8 Prometheus/2"}, False),
            ("HEAD", {"User-Agent": "Prometheus/2.42.0"}, False),
        ],
    )
    async def test_knows_a_prometheus(
        self, face: FakeFace, *, method: str, headers: dict[str, str], expected: bool
    ) -> None:
        """Only what a Prometheus really reads counts as read."""
        async with client_of(face) as client:
            await client.request(method, "/metrics", headers=headers)
        assert (face.asked[0][2] is not None) is expected

    async def test_tells_prometheis_apart(self, face: FakeFace) -> None:
        """By address, user agent, time-out and for whom a proxy asks."""
        timeout = "X-Prometheus-Scrape-Timeout-Seconds"
        agent = {"User-Agent": "Prometheus/2.42.0"}
        requests = (
            agent,
            {"User-Agent": "Prometheus/3.5.0"},
            {**agent, timeout: "10"},
            {**agent, timeout: "9"},
            {**agent, "X-Forwarded-For": "10.1.1.1"},
            {**agent, "X-Forwarded-For": "10.1.1.2"},
            {**agent, "Forwarded": "for=10.1.1.2"},
            agent,
        )
        async with client_of(face) as client:
            for headers in requests:
                await client.get("/metrics", headers=headers)
        scrapers = [asked[2] for asked in face.asked if asked[2] is not None]
        assert [each.looks[0] for each in scrapers] == ["127.0.0.1"] * len(requests)
        assert len({each.looks for each in scrapers}) == len(requests) - 1
        assert scrapers[0].looks == scrapers[-1].looks
        # Nothing between the client and the application tells connections apart.
        assert scrapers[0].connection is not scrapers[-1].connection

    async def test_head_has_the_length_and_no_body(self, face: FakeFace) -> None:
        """HEAD tells what GET would send."""
        async with client_of(face) as client:
            answer = await client.head("/metrics")
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "35")

    async def test_sends_large_chunks_in_pieces(self, face: FakeFace) -> None:
        """A slow reader makes the server wait, instead of holding the whole answer in its buffers."""
        face.chunks = (bytes(1_000_000), b"", b"end")
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "query_string": b""}
        await application(face)(scope, receive, send)
        sizes = [len(message["body"]) for message in sent[1:]]
        assert sum(sizes) == 1_000_003
        assert max(sizes) <= 262_144
        assert [message["more_body"] for message in sent[1:]] == [True] * (len(sizes) - 1) + [False]
        sent.clear()
        await application(face)(scope | {"method": "HEAD"}, receive, send)
        assert [message["body"] for message in sent[1:]] == [b""]
        assert face.delivered == 1

    async def test_what_nobody_waited_for_was_not_delivered(self, face: FakeFace) -> None:
        """A server that has lost the client takes the answer all the same."""

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(_: Message) -> None:
            """Goes nowhere."""

        scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "query_string": b""}
        await application(face)(scope, receive, send)
        assert len(face.asked) == 1
        assert face.delivered == 0

    async def test_lives_at_another_path(self, face: FakeFace) -> None:
        """`--web.telemetry-path` moves the metrics and the page's link."""
        async with client_of(face, telemetry_path="/a:b/metrics") as client:
            assert (await client.get("/a:b/metrics")).content == b"".join(face.chunks)
            assert (await client.get("/metrics")).status_code == 404
            assert 'href="./a%3Ab/metrics"' in (await client.get("/")).text

    async def test_can_take_the_root(self, face: FakeFace) -> None:
        """With `/` as its path there is no page for a person."""
        async with client_of(face, telemetry_path="/") as client:
            assert (await client.get("/")).content == b"".join(face.chunks)

    async def test_costs_itself_only_when_it_fails(self, face: FakeFace, caplog: pytest.LogCaptureFixture) -> None:
        """A failing scrape is a plain 500 that tells no insides, logged once, and the next one works."""
        face.failure = RuntimeError("the inside")
        async with client_of(face) as client:
            answer = await client.get("/metrics")
            face.failure = None
            again = await client.get("/metrics")
        assert answer.status_code == 500
        assert answer.text == "The answer could not be made; the exporter's log says why.\n"
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
            "GET /metrics failed"
        ]
        assert again.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "",
        "metrics",
        "/metrics?x",
        "/me trics",
        "/{id}",
        "/a%20",
        "/#",
        "/\n",
        "/-/ready",
        "/-",
        "/config",
        "/webhooks/x",
        "/ingest",
    ],
)
async def test_telemetry_path_must_be_free_and_plain(path: str) -> None:
    """A path that cannot be asked for, or that is taken, is refused at start."""
    with pytest.raises(ValueError, match="expected a path"):
        check_telemetry_path(path)


async def test_telemetry_path_may_begin_like_another_page() -> None:
    """Only the pages themselves are taken."""
    assert check_telemetry_path("/configured/metrics") == "/configured/metrics"


class TestLifecycle:
    """Health, readiness, reload."""

    async def test_healthy_even_when_nothing_is_ready(self, face: FakeFace) -> None:
        """The process lives, so that nobody restarts it."""
        face.reason = "the state is not open"
        async with client_of(face) as client:
            answer = await client.get("/-/healthy")
        assert (answer.status_code, answer.text) == (200, "The exporter is healthy.\n")

    async def test_ready(self, face: FakeFace) -> None:
        """200 when there is no reason against it."""
        async with client_of(face) as client:
            answer = await client.get("/-/ready")
        assert (answer.status_code, answer.text) == (200, "The exporter is ready.\n")

    async def test_not_ready_says_why(self, face: FakeFace) -> None:
        """503 with the reason, whatever is in it."""
        face.reason = "the first poll of caf\u00e9 \ud800 has not ended"
        async with client_of(face) as client:
            answer = await client.get("/-/ready")
        assert answer.status_code == 503
        assert answer.text == "The exporter is not ready: the first poll of caf\u00e9 ? has not ended\n"

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_reload(self, face: FakeFace, method: str) -> None:
        """With the lifecycle on, both methods reload."""
        async with client_of(face, enable_lifecycle=True) as client:
            answer = await client.request(method, "/-/reload")
        assert (answer.status_code, face.reloads) == (200, 1)

    async def test_reload_that_is_refused_says_why(self, face: FakeFace) -> None:
        """500 with the reason; the old configuration goes on."""
        face.failure = ReloadError("conf.yml:3: sources[0].url: missing")
        async with client_of(face, enable_lifecycle=True) as client:
            answer = await client.post("/-/reload")
        assert answer.status_code == 500
        assert "conf.yml:3: sources[0].url: missing" in answer.text

    async def test_reload_is_off_by_default(self, face: FakeFace) -> None:
        """403, and nothing is reloaded."""
        async with client_of(face) as client:
            answer = await client.post("/-/reload")
        assert (answer.status_code, face.reloads) == (403, 0)
        assert "--web.enable-lifecycle" in answer.text


async def test_config_is_shown_as_plain_text(face: FakeFace) -> None:
    """A browser shows the configuration instead of saving it, and keeps no copy."""
    face.configuration = "sources:\n- name: caf\u00e9\n  token: <secret>\n"
    async with client_of(face) as client:
        answer = await client.get("/config")
    assert (answer.status_code, answer.text) == (200, face.configuration)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_landing_page_shows_the_pipeline(face: FakeFace) -> None:
    """The page is HTML under a policy that runs no script, and shows what the face says."""
    face.session_lines = (
        SessionLine(
            source="meetings",
            room_id="r1",
            room_name="<b>Standup</b>",
            session_id="s1",
            start=NOW - 100,
            end=NOW - 10,
            peers=2,
            verdict="good",
            reason="",
        ),
    )
    async with client_of(face, documentation_url="https://docs.example/") as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "&lt;b&gt;Standup&lt;/b&gt;" in answer.text
    assert __version__ in answer.text
    assert '<a href="https://docs.example/">' in answer.text
    assert face.limits == [25]


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/-/healthy/x", "/favicon.ico", "//", "/Metrics"])
async def test_unknown_paths_are_404(face: FakeFace, path: str) -> None:
    """There are no other pages, and no redirects to those there are."""
    async with client_of(face) as client:
        answer = await client.get(f"http://exporter{path}")
    assert (answer.status_code, answer.text) == (404, "404 Not Found\n")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/config", "GET, HEAD"),
        ("/-/healthy", "GET, HEAD"),
        ("/-/ready", "GET, HEAD"),
        ("/-/reload", "POST, PUT"),
    ],
)
async def test_other_methods_are_405(face: FakeFace, path: str, allowed: str) -> None:
    """Each path names the methods that it takes."""
    async with client_of(face, enable_lifecycle=True) as client:
        for method in {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} - set(allowed.split(", ")):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert (face.asked, face.reloads) == ([], 0)


class TestRequestLimit:
    """`--web.max-requests`."""

    async def test_turns_away_what_is_too_much(self, face: FakeFace) -> None:
        """Beyond the limit requests get 503, health and readiness are answered, and the room comes back."""
        face.gate = asyncio.Event()
        async with client_of(face, max_requests=2) as client:
            running = [asyncio.create_task(client.get("/metrics")) for _ in range(2)]
            for _ in running:
                await face.entered.acquire()
            refused = await client.get("/metrics")
            statuses = [(await client.get(path)).status_code for path in ("/-/healthy", "/-/ready", "/config")]
            face.gate.set()
            answers = await asyncio.gather(*running)
            after = await client.get("/metrics")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "2 requests" in refused.text
        assert statuses == [200, 200, 503]
        assert [answer.status_code for answer in (*answers, after)] == [200, 200, 200]

    async def test_gives_room_back_after_a_failure(self, face: FakeFace) -> None:
        """A request that fails is over, too."""
        face.failure = RuntimeError()
        async with client_of(face, max_requests=1) as client:
            assert [(await client.get("/metrics")).status_code for _ in range(2)] == [500, 500]

    async def test_zero_is_no_limit(self, face: FakeFace) -> None:
        """As in other exporters, 0 switches the limit off."""
        async with client_of(face, max_requests=0) as client:
            assert (await client.get("/metrics")).status_code == 200


async def test_half_an_answer_is_not_followed_by_another() -> None:
    """A failure after the start of an answer is left to the server, which cuts the connection."""

    async def breaks_off(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        msg = "in the middle"
        raise RuntimeError(msg)

    transport = httpx.ASGITransport(Envelope(breaks_off))
    async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
        with pytest.raises(RuntimeError, match="in the middle"):
            await client.get("/")
