"""Known work for a real process: what both vendors hold and send, shown to it little by little, and its counts."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
from msgspec import Struct

from exporter.demo import hundredms_documents, watchrtc_documents
from exporter.demo.hundredms_server import Credentials, Faults, HundredMsServer
from exporter.demo.media import record
from exporter.demo.scenarios import SCENARIOS
from exporter.demo.simulation import meeting
from exporter.demo.world import World
from tests.live.vendors import TOKEN, in_a_thread
from tests.oracle import Expected, expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from exporter.demo.truth import Meeting

WEBHOOK_SECRET = "webhook-secret"  # noqa: S105 - of a vendor that is simulated
PUSH_TOKEN = "push-token"  # noqa: S105 - of a sender that is simulated
KEYS = ("tenant", "plan")
_MINUTES = 4.0
_PATIENCE = 60.0
_PAUSE = 0.02


class Post(Struct, frozen=True, kw_only=True):
    """Something to be sent until it is answered with 2xx."""

    path: str
    body: bytes
    headers: dict[str, str]


class Work:
    """What is to be counted, in the order in which it comes up."""

    def __init__(self, folder: Path, rng: Random, meetings_of: tuple[str, ...] = ("one", "two")) -> None:
        """Prepares everything and shows nothing.

        Args:
            folder: for configuration, secrets and files.
            rng: decides the order, and what comes twice.
            meetings_of: seeds of the 100ms meetings, one of every scenario for each.
        """
        self.folder = folder
        self._rng = rng
        # The vendor's clock stands still until the next meeting is to be over; all were over a minute ago in truth.
        plans = [(seed, scenario) for seed in meetings_of for scenario in SCENARIOS]
        over = time.time() - 60.0 - len(plans)
        self._hundredms = [_held(seed, scenario, over + place, "hms") for place, (seed, scenario) in enumerate(plans)]
        self._now = self._hundredms[0].start - 1.0
        self.server = HundredMsServer(
            World(self._hundredms),
            lambda: self._now,
            Credentials(token=TOKEN),
            Faults(too_many_requests_every=29, server_error_every=37),
        )
        self._files = [_room(_held("three", scenario, over, "file")) for scenario in SCENARIOS]
        self._pushed = [_room(_held("four", scenario, over, "push")) for scenario in SCENARIOS]
        (folder / "streams").mkdir()
        (folder / "empty").mkdir()
        for name, secret in (("token", TOKEN), ("webhook", WEBHOOK_SECRET), ("push", PUSH_TOKEN)):
            (folder / name).write_text(f"{secret}\n", encoding="utf-8")
        #: What is sent next.
        self.posts: deque[Post] = deque()
        self._steps: list[Callable[[], None]] = [
            *(lambda held=held: self._end(held) for held in self._hundredms),
            *(lambda place=place: self._write(place) for place in range(len(self._files))),
            *(lambda place=place: self._push(place) for place in range(len(self._pushed))),
        ]
        self._mix_steps()
        self._shown = 0
        #: Its name, and its first room.
        self._last_file = "", 0

    def _mix_steps(self) -> None:
        # Meetings and files keep their order among themselves: only what comes when is drawn.
        kinds = [len(self._hundredms), len(self._files), len(self._pushed)]
        order = self._rng.sample([kind for kind, number in enumerate(kinds) for _ in range(number)], sum(kinds))
        begins = [0, kinds[0], kinds[0] + kinds[1]]
        mixed = []
        for kind in order:
            mixed.append(self._steps[begins[kind]])
            begins[kind] += 1
        self._steps = mixed

    def configure(self, base_url: str, **metrics: object) -> Path:
        """Writes the configuration: each vendor asked and told, as two sources that count for themselves."""
        stats = {"requests_per_second": 30, "settle_delay": "0s", "recheck_after": [], "give_up_after": "1s"}
        hundredms = {
            "type": "100ms",
            "base_url": base_url,
            "auth": {"management_token_file": str(self.folder / "token")},
            "peer_stats": stats,
        }
        watchrtc = {"type": "watchrtc", "poll_interval": "300ms", "min_object_age": "0s", "keys_as_labels": list(KEYS)}
        sources = [
            {**hundredms, "name": "meetings", "discovery": {"poll_interval": "300ms", "lookback": "1h"}},
            {
                **hundredms,
                "name": "announced",
                "discovery": {"poll_interval": "300ms", "lookback": "1s"},
                "webhook": {"secret_file": str(self.folder / "webhook")},
            },
            {**watchrtc, "name": "watch", "url": str(self.folder / "streams")},
            {
                **watchrtc,
                "name": "pushed",
                "url": str(self.folder / "empty"),
                "push": {"token_file": str(self.folder / "push")},
            },
        ]
        path = self.folder / "config.yaml"
        settings = {"sources": sources, "metrics": {"zero_hold": "1s", **metrics}}
        # In one go: the process may read it at any moment.
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(settings), encoding="utf-8")
        return partial.replace(path)

    def show(self, share: float) -> None:
        """Lets come up what there is, up to a share of it; 1: everything."""
        for step in self._steps[self._shown : round(share * len(self._steps))]:
            step()
            self._shown += 1

    def expected(self) -> Expected:
        """What the page must show when all of it was counted once."""
        rows = [_plain(hundredms_documents.session_row(held, time.time())) for held in self._hundredms]
        stats: dict[tuple[str, str], Any] = {}
        for held in self._hundredms:
            recording, session = record(held), hundredms_documents.session_id(held)
            for number in range(len(held.participants)):
                peer = hundredms_documents.peer_id(held, number)
                stats[session, peer] = _plain(hundredms_documents.peer_stats(recording, number))
        rooms = [hundredms_documents.room_document(held.room) for held in self._hundredms]
        return expected(
            {"meetings": (rows, stats), "announced": (rows, stats)},
            {"watch": (self._files, KEYS), "pushed": (self._pushed, KEYS)},
            hundredms_rooms={room["id"]: (room["name"], room["template"]) for room in rooms},
        )

    def answered(self) -> int:
        """How many requests the 100ms API has answered."""
        return sum(self.server.answers.values())

    def again(self) -> Post:
        """Something that was sent before, or something that says nothing new."""
        held = self._rng.choice(self._hundredms[: max(1, self._ended())])
        return self._rng.choice([self._event(held, "session.close.success"), self._event(held, "nobody.knows.this")])

    def _ended(self) -> int:
        return sum(held.end <= self._now for held in self._hundredms)

    def _end(self, held: Meeting) -> None:
        """A meeting is over: the list tells so, and so does one webhook, or do several in any order."""
        self._now = max(self._now, held.end)
        news = [self._event(held, "session.close.success")]
        if self._rng.random() < 0.3:
            news += [*news, *[self._event(held, "peer.leave.success")] * self._rng.randint(1, 2)]
        self._rng.shuffle(news)
        self.posts.extend(news)

    def _write(self, place: int) -> None:
        """A file: some take the place of the one before, some hold rooms of others as well, some are packed."""
        name, first = f"{place:03}.json", max(0, place - self._rng.randint(0, 2))
        if place and self._rng.random() < 0.3:
            # With all of its rooms: what is overwritten before it was read is lost with any reader.
            name, first = self._last_file[0], min(first, self._last_file[1])
        self._last_file = name, first
        raw = json.dumps(self._files[first : place + 1]).encode()
        partial = self.folder / "streams" / f".{name}.part"
        partial.write_bytes(gzip.compress(raw) if self._rng.random() < 0.4 else raw)
        partial.replace(self.folder / "streams" / name)

    def _push(self, place: int) -> None:
        """A document by push: some hold the rooms before as well, some come twice."""
        first = max(0, place - self._rng.randint(0, 2))
        raw = json.dumps(self._pushed[first : place + 1]).encode()
        for _ in range(self._rng.randint(1, 2)):
            body = gzip.compress(raw) if self._rng.random() < 0.5 else raw
            self.posts.append(Post(path="/ingest/pushed", body=body, headers={"Authorization": f"Bearer {PUSH_TOKEN}"}))

    @staticmethod
    def _event(held: Meeting, kind: str) -> Post:
        data = {"session_id": hundredms_documents.session_id(held)}
        body = json.dumps({"version": "2.0", "id": "e", "type": kind, "data": data}).encode()
        return Post(path="/webhooks/announced", body=body, headers={"X-Webhook-Secret": WEBHOOK_SECRET})


class Sender(threading.Thread):
    """Sends what comes up, each until it is answered with 2xx, as vendors do."""

    def __init__(self, work: Work, address: str) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._address = address
        self._ended = threading.Event()
        #: Posts that were begun, answered or not.
        self.begun = 0
        #: How often each status came, and `lost` for connections that broke.
        self.answers: Counter[int | str] = Counter()

    @property
    def is_done(self) -> bool:
        """Whether everything was sent."""
        return not self._work.posts

    def run(self) -> None:
        """Sends until it is ended."""
        with httpx.Client(base_url=f"http://{self._address}", timeout=_PATIENCE, trust_env=False) as client:
            while not self._ended.is_set():
                if not self._work.posts or not self._send(client, self._work.posts[0]):
                    self._ended.wait(_PAUSE)
                else:
                    self._work.posts.popleft()

    def end(self) -> None:
        """Ends it, whatever is left."""
        self._ended.set()
        self.join()

    def _send(self, client: httpx.Client, post: Post) -> bool:
        self.begun += 1
        try:
            answer = client.post(post.path, content=post.body, headers=post.headers)
        except httpx.TransportError:
            self.answers["lost"] += 1
            return False
        self.answers[answer.status_code] += 1
        return answer.is_success


@contextmanager
def known_work(folder: Path, seed: int, meetings_of: Sequence[str] = ("one", "two")) -> Iterator[tuple[Work, str]]:
    """Work and the base URL of the 100ms API, which is served as long as the context is open."""
    work = Work(folder, Random(seed), tuple(meetings_of))  # noqa: S311 - to be drawn again
    with in_a_thread(work.server.application) as url:
        yield work, f"{url}/v2"


def _held(seed: str, scenario: str, end: float, rooms: str) -> Meeting:
    start = end - _MINUTES * 60.0 - 1.0
    return meeting(seed, scenario, start, room=f"{rooms}-{scenario}", minutes=_MINUTES)


def _room(held: Meeting) -> dict[str, Any]:
    return _plain(watchrtc_documents.room_document(record(held)))  # type: ignore[no-any-return]


def _plain(document: object) -> Any:  # noqa: ANN401 - JSON
    """A document as it comes out of the vendor's JSON."""
    return json.loads(json.dumps(document))
