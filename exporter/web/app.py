"""The routes: `/metrics`, the page for a person, health, readiness, reload, the configuration in force, inboxes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter import __version__
from exporter.face import Connection, ReloadError, Scraper
from exporter.web.envelope import Envelope, RequestLimit
from exporter.web.landing import CONTENT_SECURITY_POLICY, Landing, landing_page
from exporter.web.protocol import CONNECTION
from exporter.web.receiving import INBOXES, receiving_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from exporter.face import Face, Scrape

_HEALTHY, _READY = "/-/healthy", "/-/ready"
_TIMELINE = "/timeline"
_RESERVED_PREFIXES = ("/-/", "/config/", "/webhooks/", "/ingest/", f"{_TIMELINE}/")
#: Prometheus itself, VictoriaMetrics' vmagent. Others that are built on Prometheus' code send its time-out header.
_PROMETHEUS_AGENTS = ("Prometheus/", "vm_promscrape", "vmagent")
_SCRAPE_TIMEOUT = "x-prometheus-scrape-timeout-seconds"
#: For whom a proxy asks. Nobody is trusted to say it truly: the worst that a lie does is to hold zeros for minutes.
_FORWARDED_FOR = ("x-forwarded-for", "forwarded")
_LATEST_SESSIONS = 25
#: Small enough that a slow reader holds little of a large answer, large enough to cost few calls.
_PIECE_BYTES = 262_144


def check_telemetry_path(path: str) -> str:
    """Checks the path of the metrics (`--web.telemetry-path`) and gives it back.

    Raises:
        ValueError: it is no plain path, or that of another page.
    """
    plain = path.startswith("/") and path.isprintable() and not set(path) & set(" ?#{}%\\")
    if not plain:
        msg = f"expected a path such as /metrics, got {path!r}"
        raise ValueError(msg)
    if f"{path}/".startswith(_RESERVED_PREFIXES):
        msg = f"expected a path that no other page has, got {path!r}"
        raise ValueError(msg)
    return path


def application(
    face: Face,
    *,
    telemetry_path: str = "/metrics",
    enable_lifecycle: bool = False,
    max_requests: int = 40,
    documentation_url: str = "",
    clock: Callable[[], float] = time.time,
) -> ASGIApp:
    """Makes the ASGI application that answers for the pipeline behind `face`.

    Args:
        face: the pipeline.
        telemetry_path: where the metrics are; `/` leaves no room for the page for a person.
        enable_lifecycle: whether `/-/reload` reloads, or answers 403.
        max_requests: requests that are answered at the same time; those beyond get 503, health and readiness apart.
            What is sent to sources is counted by itself. 0: no limit.
        documentation_url: linked from the page, where there is one.
        clock: Unix seconds.

    Raises:
        ValueError: `telemetry_path` is no plain path, or that of another page.
    """
    pages = _Pages(face, check_telemetry_path(telemetry_path), documentation_url, clock)
    routes = [
        Route(telemetry_path, pages.metrics),
        Route(_TIMELINE, pages.timeline),
        Route(_HEALTHY, pages.healthy),
        Route(_READY, pages.ready),
        Route("/-/reload", pages.reload if enable_lifecycle else pages.reload_disabled, methods=["POST", "PUT"]),
        Route("/config", pages.config),
        *receiving_routes(face, max_requests),
    ]
    if telemetry_path != "/":
        routes.append(Route("/", pages.landing))
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Envelope),
            Middleware(RequestLimit, limit=max_requests, exempt=frozenset({_HEALTHY, _READY, *INBOXES})),
        ],
        exception_handlers={404: _not_found, 405: _method_not_allowed},
    )
    # `/metrics/` is an unknown path, not another name of `/metrics`.
    app.router.redirect_slashes = False
    return app


class _Pages:
    """What each route answers."""

    def __init__(self, face: Face, telemetry_path: str, documentation_url: str, clock: Callable[[], float]) -> None:
        self._face = face
        self._telemetry_path = telemetry_path
        self._documentation_url = documentation_url
        self._clock = clock

    async def metrics(self, request: Request) -> Response:
        scrape = await self._face.scrape(
            accept=_joined(request, "accept"),
            accept_encoding=_joined(request, "accept-encoding"),
            scraper=_scraper(request),
        )
        return ScrapeResponse(scrape)

    async def timeline(self, request: Request) -> Response:
        scrape = await self._face.timeline(
            accept=_joined(request, "accept"),
            accept_encoding=_joined(request, "accept-encoding"),
            by_prometheus=_scraper(request) is not None,
        )
        if scrape is None:
            text = "There is no such page: set timeline.endpoint in the configuration.\n"
            return PlainTextResponse(text, status_code=404)
        return ScrapeResponse(scrape)

    async def landing(self, _: Request) -> Response:
        page = landing_page(
            Landing(
                version=__version__,
                now=self._clock(),
                telemetry_path=self._telemetry_path,
                not_ready=self._face.not_ready(),
                sources=tuple(self._face.sources()),
                sessions=tuple(self._face.latest_sessions(_LATEST_SESSIONS)),
                documentation_url=self._documentation_url,
            ),
        )
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(_encoded(page), headers=headers)

    async def healthy(self, _: Request) -> Response:
        return PlainTextResponse("The exporter is healthy.\n")

    async def ready(self, _: Request) -> Response:
        reason = self._face.not_ready()
        if reason:
            return PlainTextResponse(_encoded(f"The exporter is not ready: {reason}\n"), status_code=503)
        return PlainTextResponse("The exporter is ready.\n")

    async def reload(self, _: Request) -> Response:
        try:
            await self._face.reload()
        except ReloadError as error:
            text = f"The configuration was not reloaded, the old one goes on: {error}\n"
            return PlainTextResponse(_encoded(text), status_code=500)
        return PlainTextResponse("The configuration was reloaded.\n")

    async def reload_disabled(self, _: Request) -> Response:
        text = "Reloading over HTTP is off: start with --web.enable-lifecycle, or send SIGHUP.\n"
        return PlainTextResponse(text, status_code=403)

    async def config(self, _: Request) -> Response:
        # Plain text, because a browser would save application/yaml as a file.
        headers = {"Cache-Control": "no-store"}
        return PlainTextResponse(_encoded(self._face.effective_configuration()), headers=headers)


class ScrapeResponse(Response):
    """One exposition, sent piece by piece without copying it into one."""

    def __init__(self, scrape: Scrape) -> None:
        headers = {
            "Content-Type": scrape.content_type,
            "Content-Length": f"{scrape.length}",
            "Vary": "Accept, Accept-Encoding",
        }
        if scrape.content_encoding:
            headers["Content-Encoding"] = scrape.content_encoding
        super().__init__(headers=headers)
        self._scrape = scrape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer; the server waits between pieces until the client has read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            for chunk in self._scrape.chunks:
                for begin in range(0, len(chunk), _PIECE_BYTES):
                    piece = chunk[begin : begin + _PIECE_BYTES]
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            # A server drops silently what it is given for a client that has gone.
            if not await Request(scope, receive).is_disconnected():
                self._scrape.delivered()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 Not Found\n", status_code=404)


async def _method_not_allowed(request: Request, _: Exception) -> Response:
    headers = {"Allow": ", ".join(sorted(request.scope["route"].methods))}
    return PlainTextResponse("405 Method Not Allowed\n", status_code=405, headers=headers)


def _scraper(request: Request) -> Scraper | None:
    """Who asks; None for a person's browser or curl, which store nothing."""
    agent, timeout = request.headers.get("user-agent", ""), request.headers.get(_SCRAPE_TIMEOUT)
    # A HEAD reads nothing, so it must not end the time in which new series are held at zero.
    if request.method != "GET" or (timeout is None and not agent.startswith(_PROMETHEUS_AGENTS)):
        return None
    address = request.client.host if request.client else ""
    forwarded = (_joined(request, header) for header in _FORWARDED_FOR)
    # Without a server that tells connections apart, each request has one of its own.
    connection = request.scope.get("state", {}).get(CONNECTION) or Connection()
    return Scraper(looks=(address, agent, timeout or "", *forwarded), connection=connection)


def _joined(request: Request, header: str) -> str:
    return ", ".join(request.headers.getlist(header))


def _encoded(text: str) -> bytes:
    # A lone surrogate in a name must not cost the page.
    return text.encode("utf-8", "replace")
