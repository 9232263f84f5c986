"""Both vendors with a mark in every id, name and attribute, so that whatever of them comes through can be found."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from exporter.demo.identities import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Stands in all that a vendor or an application wrote about whom and where, and nowhere else.
MARK = "zqraw"
SESSIONS = tuple(f"{MARK}-session-{number}" for number in range(4))
ROOM = f"{MARK}-room"
ROOM_NAME = f"{MARK} weekly"
ROLE = f"{MARK}-teacher"
#: What becomes of asking for each peer of each session.
PEERS = {
    f"{MARK}-peer-good": "statistics",
    f"{MARK}-peer-other": "those of somebody else",
    f"{MARK}-peer-never": "404",
    f"{MARK}-peer-html": "a page of HTML",
    f"{MARK}-peer-error": "500 with the id in its message",
}
#: Of so many peers as there are above, and this one, it is not among those that are asked for.
LEFT_OUT = f"{MARK}-peer-left-out-7"
#: Peers that are counted soon: they have statistics, or the vendor says that there are none.
SOON = (f"{MARK}-peer-good", f"{MARK}-peer-never")
KEY = "tenant"


def statistics(session_id: str, peer_id: str) -> dict[str, Any]:
    """An answer of `GET /v2/analytics/peer-stats`."""
    series = {"timestamps": [1_772_359_200_000 + 10_000 * step for step in range(4)], "packet_loss_percent": [1.0] * 4}
    track = {"track_id": "t1", "type": "regular", "rid": "h", "time_series": series}
    return {
        "session_id": session_id,
        "peer_id": peer_id,
        "room_id": ROOM,
        "publisher": {"audio": [track], "video": [track]},
    }


def session_row(session_id: str, ended: float) -> dict[str, Any]:
    """A session of `GET /v2/sessions`."""
    times = {"joined_at": rfc3339(ended - 60.0), "left_at": rfc3339(ended)}
    about = {"name": f"{MARK} name", "user_id": f"{MARK} user", "role": ROLE, **times}
    return {
        "id": session_id,
        "room_id": ROOM,
        "active": False,
        "peers": {peer: {"id": peer, **about} for peer in (*PEERS, LEFT_OUT)},
        "created_at": times["joined_at"],
        "updated_at": times["left_at"],
    }


def room(number: int, peers: int = 2) -> dict[str, Any]:
    """A room of a data stream."""
    start = "2026-03-01T10:00:00.000Z"
    people = [
        {
            "peer_id": f"{MARK}-viewer-{number}-{each}",
            "start_time": start,
            "duration": 60,
            "os": f"{MARK} os",
            "os_version": f"{MARK} 10",
            "browser": f"{MARK} browser",
            "browser_version": f"{MARK} 120",
            "sdk_version": f"{MARK} sdk",
            "location": {"city": f"{MARK} city", "country": f"{MARK} country", "organization": f"{MARK} isp"},
            "features": {"connection_type": f"{MARK} turn", "media_transport": f"{MARK} udp"},
            "audio_device": f"{MARK} microphone",
            "video_device": f"{MARK} camera",
            "keys": {KEY: [f"{MARK} tenant {each}"], "unused": f"{MARK} unused"},
            "stats": {"mos": 4.2, "audio": {"send": {"packet_loss": 1.0}}},
        }
        for each in range(peers)
    ]
    return {
        "room_id": f"{MARK}-hall-{number}",
        "room_url": f"https://app.testrtc.com/app/watchrtc-room/{MARK}-opaque-{number}",
        "start_time": start,
        "duration": 60,
        "peers": people,
    }


def broken_stream() -> bytes:
    """A room among elements that are none, some of them nothing but a value."""
    elements = [f'"{MARK}-text"', "{" + f'"room_id": "{MARK}-lost"' + "}", json.dumps(room(7)), f"{MARK}-junk {{"]
    return ("[" + ",\n".join(elements)).encode()


class MarkedVendor(ThreadingHTTPServer):
    """100ms, with whatever the exporter logs about put into its answers."""

    daemon_threads = True

    def __init__(self, ended: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ended = ended
        #: Listings that fail as a whole, with an id in the message.
        self.is_down = False

    @property
    def base_url(self) -> str:
        """What a source is configured with."""
        return f"http://127.0.0.1:{self.server_address[1]}/v2"

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        kind, _, name = path.removeprefix("/v2/").partition("/")
        if kind == "rooms":
            return (200, _json({"id": name, "name": ROOM_NAME})) if name == ROOM else _error(400, name)
        if kind == "analytics":
            return _peer_answer(query["session_id"], query["peer_id"])
        if name:
            known = name in SESSIONS
            return (200, _json(session_row(name, self.ended))) if known else _error(403, name)
        if self.is_down:
            return _error(400, SESSIONS[0])
        # The last two are known by webhook, and by configuration.
        rows = [session_row(each, self.ended) for each in SESSIONS[:2]]
        odd = {"id": f"{MARK}-session-odd", "peers": MARK}
        return 200, _json({"limit": 100, "data": [*rows, odd, f"{MARK}-row", {"id": 5, "room_id": ROOM}]})


def _peer_answer(session_id: str, peer_id: str) -> tuple[int, bytes]:
    match PEERS.get(peer_id):
        case "statistics":
            return 200, _json(statistics(session_id, peer_id))
        case "those of somebody else":
            return 200, _json(statistics(session_id, f"{MARK}-stranger"))
        case "a page of HTML":
            return 200, f"<h1>{MARK} {peer_id}</h1>".encode()
        case "404":
            return _error(404, peer_id)
        case _:
            return _error(500, f"{session_id} {peer_id}")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _error(status: int, about: str) -> tuple[int, bytes]:
    return status, _json({"code": status, "message": f"there is no {about}, said {MARK}"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MarkedVendor

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, body = self.server.answer(url.path, query)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output to what the test says."""


@contextmanager
def marked_vendor() -> Iterator[MarkedVendor]:
    """Serves sessions that ended a minute ago, as long as the context is open."""
    with MarkedVendor(time.time() - 60.0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def write_streams(folder: Path) -> None:
    """Files of a folder, whose own names are marked, too."""
    (folder / f"{MARK}-month").mkdir(parents=True)
    (folder / f"{MARK}-month" / f"{MARK}-good.json").write_text(json.dumps([room(0), room(1)]), encoding="utf-8")
    (folder / f"{MARK}-broken.json").write_bytes(broken_stream())
    # Cut off within gzip.
    (folder / f"{MARK}-cut.json.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut")
