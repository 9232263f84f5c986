"""100ms as it must never be: an API that answers with the documents of the corpus."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.corpus.hundredms import good_peer_stats, hundredms_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION_ID, PEER_ID = good_peer_stats()["session_id"], good_peer_stats()["peer_id"]


class CorpusVendor(ThreadingHTTPServer):
    """100ms with one session that has a peer for each case, and the case's document as that peer's statistics."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.documents = {
            f"{number:08d}{PEER_ID[8:]}": case.raw.replace(PEER_ID.encode(), f"{number:08d}{PEER_ID[8:]}".encode())
            for number, case in enumerate(hundredms_cases())
        }

    @property
    def base_url(self) -> str:
        """What a source is configured with."""
        return f"http://127.0.0.1:{self.server_address[1]}/v2"

    def sessions(self) -> bytes:
        """The listing, which is without fault: the peers left long ago, their session has just ended."""
        times = {"joined_at": "2025-02-06T12:05:50Z", "left_at": "2025-02-06T12:06:20Z"}
        peers = {peer_id: {"id": peer_id, "role": "host", **times} for peer_id in self.documents}
        row = {
            "id": SESSION_ID,
            "room_id": good_peer_stats()["room_id"],
            "active": False,
            "peers": peers,
            "created_at": times["joined_at"],
            "updated_at": datetime.now(UTC).isoformat(),
        }
        return json.dumps({"limit": 100, "data": [row], "last": SESSION_ID}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CorpusVendor

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/v2/sessions":
            body = self.server.sessions()
        else:
            body = self.server.documents[parse_qs(url.query)["peer_id"][0]]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output to what the test says."""


@contextmanager
def corpus_vendor() -> Iterator[CorpusVendor]:
    """Serves as long as the context is open."""
    with CorpusVendor() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
