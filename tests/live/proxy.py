"""A forward proxy as simple as they come: a new connection for each request, and not a word about who asks."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 30.0


class _Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Asks for the page and hands it on."""
        wanted = urlsplit(self.path)
        connection = http.client.HTTPConnection(wanted.netloc, timeout=_PATIENCE)
        try:
            connection.request("GET", wanted.path, headers={**self.headers, "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
        except OSError:
            self.send_error(502)
            return
        finally:
            connection.close()
        self.send_response(answer.status)
        for name in ("Content-Type", "Content-Encoding"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def running_proxy() -> Iterator[str]:
    """Serves until the end of the context; gives the proxy's URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Forward) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
