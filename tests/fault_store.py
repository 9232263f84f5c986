"""An object store that fails as a test says: enough of S3 to list and to read, on a port of this machine."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What becomes of one request: an HTTP status, or a body that breaks off or stalls in its middle.
Fault: TypeAlias = int | Literal["cut", "stall"]

_PATIENCE = 30.0
_REFUSED = "<Error><Code>AccessDenied</Code><StringToSign>s3cret</StringToSign></Error>"


class FaultStore:
    """A bucket with objects, and the faults of requests to come."""

    def __init__(self, url: str, objects: dict[str, bytes] | None = None) -> None:
        self.url = url
        self.objects = objects or {}
        #: By key; the empty key is the listing. The last fault of a key stays, a status of 200 is none.
        self.faults: dict[str, list[Fault]] = {}
        #: Keys in the order of requests.
        self.asked: list[str] = []
        self.last_modified = "2026-03-01T10:00:00.000Z"
        self.with_etags = True
        self.released = threading.Event()

    def fault(self, key: str) -> Fault:
        """The fault of a request."""
        self.asked.append(key)
        faults = self.faults.get(key, [200])
        return faults.pop(0) if len(faults) > 1 else faults[0]

    def listing(self) -> str:
        """The bucket as S3 lists it."""
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{self.last_modified}</LastModified>"
            f"<Size>{len(raw)}</Size>{f'<ETag>&quot;{len(raw)}&quot;</ETag>' if self.with_etags else ''}</Contents>"
            for key, raw in self.objects.items()
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"


def _handler(store: FaultStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave together; apart, the second waits for the acknowledgement of the first.
        wbufsize = -1

        def do_GET(self) -> None:
            """Answers a listing or an object."""
            key = unquote(urlsplit(self.path).path.removeprefix("/bucket").removeprefix("/"))
            fault = store.fault(key)
            body = store.objects.get(key, b"") if key else store.listing().encode()
            if isinstance(fault, int) and fault != 200:
                self._answer(fault, _REFUSED.encode())
                return
            first = int((re.findall(r"bytes=(\d+)-", self.headers.get("Range", "")) or ["0"])[0])
            headers = {"Last-Modified": "Sun, 01 Mar 2026 10:00:00 GMT"}
            if store.with_etags:
                headers["ETag"] = f'"{len(body)}"'
            if first:
                headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            self._answer(206 if first else 200, body[first:], fault, **headers)

        def _answer(self, status: int, body: bytes, fault: Fault = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if fault == 200:
                self.wfile.write(body)
                return
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if fault == "stall":
                store.released.wait(_PATIENCE)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def running_fault_store() -> Iterator[FaultStore]:
    """Starts the store on a port that the system chooses."""
    store = FaultStore("")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that goes away is what the tests are about."""

    with Server(("127.0.0.1", 0), _handler(store)) as server:
        store.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield store
        finally:
            store.released.set()
            server.shutdown()
            thread.join()
