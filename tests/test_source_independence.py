"""Each source can be unreachable, slow or lying while all others keep their pace and `/metrics` answers."""

from __future__ import annotations

import json
import signal
import socket
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct

from exporter.demo import hundredms_documents, watchrtc_documents
from exporter.demo.media import record
from exporter.demo.simulation import meeting
from exporter.demo.truth import Meeting
from tests.live import faults
from tests.live.fault_cases import Case
from tests.live.fault_run import Run
from tests.live.faulty_vendor import SESSIONS, STATS, Answer, by_first_part
from tests.live.hostile_store import HostileStore
from tests.live.pages import failures, rejections, scrape, sums
from tests.live.process import Exporter, running_exporter
from tests.live.vendors import in_a_thread
from tests.oracle import Expected, differences, expected, query_of_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from tests.live.faulty_vendor import Asked, Fault, Proceed
    from tests.live.hostile_store import Mood

pytestmark = pytest.mark.live

ROUNDS = 4
READY_BUT_ONE = "The exporter is not ready: waiting for the first poll of silent\n"
HTML = Answer(body=b"<html><body>Sign in to the network<br></body></html>", headers={"content-type": "text/html"})


def _invented() -> Fault:
    """Pages of sessions that nobody had, without end."""
    numbers = count()

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        if asked.path != SESSIONS:
            return await proceed()
        number = next(numbers)
        rows = [{"id": f"invented-{number}", "room_id": "invented", "active": False, "peers": {}}]
        return Answer(body=json.dumps({"limit": 1, "data": rows, "last": f"{number}"}).encode())

    return fault


#: What the vendor of each 100ms source does, and as what its polls fail; nothing where its poll does not end.
VENDORS: dict[str, tuple[Fault, str]] = {
    "api-silent": (faults.every(1, Answer(manner="silent")), ""),
    "api-drips": (faults.every(1, Answer(manner="drip")), ""),
    "api-silent-on-peers": (faults.every(1, Answer(manner="silent"), path=STATS), ""),
    "api-invents": (_invented(), ""),
    "api-is-html": (faults.every(1, HTML), "malformed"),
    "api-is-no-list": (faults.every(1, Answer(body=b'{"data": {"id": [7]}, "last": {}}')), "malformed"),
    "api-is-endless": (faults.every(1, Answer(manner="endless", body=b" " * 65536)), "malformed"),
    "api-fails": (faults.every(1, faults.HTML), "http_status"),
    "api-refuses": (faults.every(1, faults.problem(401, "Token validation error")), "unauthorized"),
    "api-names-others": (faults.every(1, Answer(body=b'{"session_id": "x"}'), path=STATS), "-"),
}
#: The same for stores. Several are silent, so that they would take all threads that are there for everybody.
STORES: dict[str, tuple[Mood, str]] = {
    **{f"store-silent-{number}": ("silent", "") for number in range(8)},
    "store-drips": ("drip", ""),
    "store-keeps-objects": ("silent objects", ""),
    "store-in-empty-circle": ("empty circle", ""),
    "store-in-circle": ("circle", "malformed"),
    "store-is-html": ("html", "malformed"),
}
#: Nothing answers there.
NOWHERE = {"api-away": "unreachable", "store-away": "unreachable", "folder-away": "not_found"}
#: Of those whose poll does not end, the ones that are not even given up in the time of this test.
STUCK = {"api-drips", "api-invents", "store-drips", "store-in-empty-circle"}
FAILING = {
    **{name: reason for name, (_, reason) in VENDORS.items() if reason not in {"", "-"}},
    **{name: reason for name, (_, reason) in STORES.items() if reason},
    **NOWHERE,
}


class World(Struct, frozen=True, kw_only=True):
    """Two sources that are well, and all that are not."""

    calls: Run
    files: Path
    #: What is written into the folder, round by round.
    rooms: tuple[Meeting, ...]
    vendors: dict[str, Run]
    stores: dict[str, HostileStore]
    config: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serves everything from one thread; nothing asks yet."""
    folder = tmp_path_factory.mktemp("world")
    files = folder / "files"
    files.mkdir()
    now = time.time()
    # One ends every two seconds from soon after the start.
    held = [meeting(number, "one_on_one", now - 55 + 2 * number, room="calls", minutes=1) for number in range(ROUNDS)]
    calls = Run("calls", Case(), folder, held)
    vendors = {name: Run(name, Case(), folder) for name in VENDORS}
    for name, (fault, _) in VENDORS.items():
        vendors[name].vendor.faults = (fault,)
    stores = {name: HostileStore(mood, {"one.json": _document(name, now)}) for name, (mood, _) in STORES.items()}
    applications: dict[str, ASGIApp] = {**{run.name: run.vendor for run in (calls, *vendors.values())}, **stores}
    with socket.socket() as nobody, in_a_thread(by_first_part(applications), tells_time=False) as url:
        # Bound and not listening: nobody else gets the port, and every connection is refused.
        nobody.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        away = Run("api-away", Case(), folder)
        sources = [
            calls.source(url),
            _files("files", files),
            *(run.source(url) for run in vendors.values()),
            *(_bucket(name, f"{url}/{name}") for name in stores),
            away.source(nowhere),
            _bucket("store-away", nowhere),
            _files("folder-away", folder / "missing"),
        ]
        yield World(
            calls=calls,
            files=files,
            rooms=tuple(_held_elsewhere(f"room-{number}", "files", now) for number in range(ROUNDS)),
            vendors=vendors,
            stores=stores,
            config=_configured(folder, sources),
        )


def _configured(folder: Path, sources: list[dict[str, Any]]) -> Path:
    config = folder / "config.yaml"
    config.write_text(json.dumps({"sources": sources, "metrics": {"zero_hold": "0s"}}), encoding="utf-8")
    return config


def _held_elsewhere(seed: str, room: str, now: float) -> Meeting:
    return meeting(seed, "good_call", now - 90.0, room=room, people=2, minutes=1)


def _document(name: str, now: float) -> bytes:
    return json.dumps([watchrtc_documents.room_document(record(_held_elsewhere(name, name, now)))]).encode()


def _files(name: str, folder: Path) -> dict[str, Any]:
    return {"name": name, "type": "watchrtc", "url": str(folder), "poll_interval": "1s", "min_object_age": "0s"}


def _bucket(name: str, endpoint: str) -> dict[str, Any]:
    options = {"endpoint": endpoint, "access_key_id": "test", "secret_access_key": "s3cret", "region": "eu-west-1"}
    return {"name": name, "type": "watchrtc", "url": "s3://bucket", "poll_interval": "1s", "storage_options": options}


class Seen(Struct, frozen=True, kw_only=True):
    """What was seen while everything else was unwell."""

    #: How often `files` was polled until the next file was counted.
    polls: list[float]
    page: str
    not_ready: str
    healthy: int
    landing: int
    exit_code: int
    #: What is not as expected when the others have recovered; what was invented is left out.
    differences: list[str]


@pytest.fixture(scope="module")
def seen(world: World) -> Seen:
    """Lets calls end and files be written, reloads and ends the exporter, heals everybody and begins again."""
    storage = world.config.with_name("state")
    with running_exporter(world.config, storage, measured=False) as exporter:
        exporter.until("polled", lambda: all(_polls(exporter)))
        rounds = [_round(exporter, world, number) for number in range(ROUNDS)]
        exporter.until("failed", lambda: all(failures(page, name) for page in [exporter.page()] for name in FAILING))
        page, answers = exporter.page(), [exporter.get(path) for path in ("/-/ready", "/-/healthy", "/")]
        assert answers[0].status_code == 503
        before = _polls(exporter)
        exporter.process.send_signal(signal.SIGHUP)
        exporter.until("goes on after a reload", lambda: _are_past(exporter, before))
        code = exporter.stop()
    for run in world.vendors.values():
        run.vendor.faults = ()
    for store in world.stores.values():
        store.mood = "good"
    with running_exporter(world.config, storage, measured=False) as exporter:
        exporter.until("recovered", lambda: _is_recovered(exporter, world))
        wanted = _expected(world)
        found = [line for line in differences(wanted, query_of_page(scrape(exporter))) if "invented" not in line]
    return Seen(
        polls=rounds,
        page=page,
        not_ready=answers[0].text,
        healthy=answers[1].status_code,
        landing=answers[2].status_code,
        exit_code=code,
        differences=found,
    )


def _polls(exporter: Exporter) -> tuple[float, float]:
    polls = sums(exporter.page(), "webrtc_exporter_source_polls_total")
    return polls["calls"], polls["files"]


def _are_past(exporter: Exporter, before: tuple[float, float]) -> bool:
    return all(now > then + 2 for now, then in zip(_polls(exporter), before, strict=True))


def _round(exporter: Exporter, world: World, number: int) -> float:
    """One more call ends and one more file is written: gives the polls of the folder until that is read."""
    seen = [_reading(exporter)]
    document = json.dumps([watchrtc_documents.room_document(record(world.rooms[number]))])
    (world.files / f"{number}.json").write_text(document, encoding="utf-8")

    def are_counted() -> bool:
        sessions = sums(scrape(exporter), "webrtc_sessions_total")
        return all(sessions[name] > number for name in ("files", "calls"))

    def is_read() -> bool:
        seen.append(_reading(exporter))
        return seen[-1][0] > seen[0][0]

    exporter.until(f"file {number} is read", is_read)
    exporter.until(f"file and call {number} are counted", are_counted)
    return seen[-1][1] - seen[0][1]


def _reading(exporter: Exporter) -> tuple[float, float]:
    """Files read and polls of the folder. Of one page, which tells both as they are, while counts follow later."""
    page = exporter.page()
    families = ("webrtc_exporter_objects_read_total", "webrtc_exporter_source_polls_total")
    read, polls = (sums(page, family)["files"] for family in families)
    return read, polls


def _is_recovered(exporter: Exporter, world: World) -> bool:
    sessions = sums(scrape(exporter), "webrtc_peer_sessions_total")
    return all(sessions[name] == 8 for name in world.vendors) and all(sessions[name] == 2 for name in world.stores)


def _expected(world: World) -> Expected:
    runs = (world.calls, *world.vendors.values())
    rooms = {room: what for run in runs for room, what in run.rooms().items()}
    files = [watchrtc_documents.room_document(record(held)) for held in world.rooms]
    stores = {name: (json.loads(store.objects["one.json"]), ()) for name, store in world.stores.items()}
    return expected({run.name: run.told() for run in runs}, {"files": (files, ()), **stores}, hundredms_rooms=rooms)


def test_files_are_read_as_ever(seen: Seen) -> None:
    """A file is read with one of the next polls, though most threads of a small machine would be taken."""
    assert all(polls <= 3 for polls in seen.polls)


def test_calls_are_asked_for_as_ever(world: World, seen: Seen) -> None:
    """A call is listed at the next poll after its end, or the one after that, and its peers are asked for at once."""
    assert len(seen.polls) == ROUNDS
    visits = world.calls.vendor.visits
    for held in world.calls.meetings:
        session = hundredms_documents.session_id(held)
        asked = next(visit.began for visit in visits if visit.asked.peer[0] == session)
        listings = [visit for visit in world.calls.vendor.visits_to(SESSIONS) if visit.began < asked]
        assert sum(session in str(visit.answer) for visit in listings) == 1
        # By the vendor's clock, as it decides itself what has ended.
        assert sum(visit.answered_at > held.end for visit in listings) <= 2


@pytest.mark.parametrize(("name", "reason"), FAILING.items())
def test_failures_tell_the_truth(seen: Seen, name: str, reason: str) -> None:
    """A source that fails is down, for the reason that it has."""
    assert failures(seen.page, name).keys() == {reason}
    assert sums(seen.page, "webrtc_exporter_source_up")[name] == 0


@pytest.mark.parametrize("name", sorted(STUCK))
def test_what_hangs_is_not_up(seen: Seen, name: str) -> None:
    """It was tried, and that is all."""
    assert sums(seen.page, "webrtc_exporter_source_up")[name] == 0
    assert sums(seen.page, "webrtc_exporter_source_last_success_timestamp_seconds")[name] == 0
    assert sums(seen.page, "webrtc_exporter_source_last_attempt_timestamp_seconds")[name] > 0


def test_what_is_well_is_up(seen: Seen) -> None:
    """Also a source whose peers' statistics are somebody else's: its vendor answers, and what it says is rejected."""
    up = sums(seen.page, "webrtc_exporter_source_up")
    assert [up[name] for name in ("calls", "files", "api-names-others")] == [1, 1, 1]
    assert not any(failures(seen.page, name) for name in ("calls", "files", "api-names-others"))
    # The same document for three sessions.
    assert rejections(seen.page, "api-names-others") == {"missing_identity": 3}
    assert sums(seen.page, "webrtc_sessions_total")["api-names-others"] == 0


def test_only_those_that_hang_are_waited_for(seen: Seen) -> None:
    """A first poll that failed has ended; a page for people and the sign of life are there all the time."""
    named = set(seen.not_ready.rpartition(" of ")[2].strip().split(", "))
    assert named >= STUCK
    assert not named & {*FAILING, "calls", "files"}
    assert (seen.healthy, seen.landing) == (200, 200)


def test_the_process_ends_all_the_same(seen: Seen) -> None:
    """What hangs is called off, at a reload and at the end."""
    assert seen.exit_code == 0


def test_nothing_is_lost(seen: Seen) -> None:
    """When all are well again, everything that they have is counted, once."""
    assert not seen.differences, "\n".join(seen.differences[:20])


def test_ready_when_the_last_one_answers(tmp_path: Path) -> None:
    """One vendor away and one silent: not ready as long as nobody knows of the silent one."""
    silent = Run("silent", Case(), tmp_path)
    silent.vendor.faults = (faults.every(1, Answer(manner="silent")),)
    with socket.socket() as nobody, in_a_thread(by_first_part({"silent": silent.vendor}), tells_time=False) as url:
        nobody.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        config = _configured(tmp_path, [Run("away", Case(), tmp_path).source(nowhere), silent.source(url)])
        with running_exporter(config, tmp_path / "state", measured=False) as exporter:
            exporter.until("failed", lambda: failures(exporter.page(), "away"))
            answer = exporter.get("/-/ready")
            assert (answer.status_code, answer.text) == (503, READY_BUT_ONE)
            silent.vendor.faults = ()
            silent.vendor.awake.set()
            exporter.until_ready()
            assert failures(exporter.page(), "silent") == {}
            exporter.until("counted", lambda: sums(scrape(exporter), "webrtc_peer_sessions_total")["silent"] == 8)
