"""The simulated 100ms API: pages, tokens, faults on demand, and an account of what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from exporter.demo.hundredms_documents import peer_id, peer_stats, room_id, session_id, session_row
from exporter.demo.hundredms_server import Credentials, Faults, HundredMsServer, RecordedRequest
from exporter.demo.media import record
from exporter.demo.serving import serving
from exporter.demo.simulation import meeting
from exporter.demo.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.demo.truth import Meeting

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0
TOKEN = "a-token-from-the-dashboard"  # noqa: S105 - of a simulated vendor
SECRET = "a-secret-that-is-long-enough-for-hs256"  # noqa: S105 - of a simulated vendor
STATS = "/v2/analytics/peer-stats"


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time that was set."""
        return self.now


def meetings(count: int) -> list[Meeting]:
    """One-minute meetings in two rooms by turns, one every 100 s."""
    rooms = ("red", "blue")
    return [
        meeting(number, "audio_only", START + 100 * number, room=rooms[number % 2], minutes=1)
        for number in range(count)
    ]


class Vendor:
    """A server over some meetings, a clock, and a client that shows a good token."""

    def __init__(self, held: list[Meeting], faults: Faults = Faults()) -> None:  # noqa: B008 - frozen
        self.clock = Clock(START + 1_000_000)
        credentials = Credentials(token=TOKEN, access_key="key", app_secret=SECRET)
        world = World(held, memory_seconds=10_000_000)
        self.server = HundredMsServer(world, self.clock, credentials, faults, token_clock=self.clock)

    async def get(self, path: str, query: Mapping[str, str] = {}, token: str = TOKEN) -> httpx.Response:
        """One GET with a bearer token; without one where it is empty."""
        transport = httpx.ASGITransport(self.server.application)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://vendor", headers=headers) as client:
            return await client.get(path, params=query)

    async def listed(self, **query: str) -> list[str]:
        """The ids on one page of finished sessions."""
        answer = await self.get("/v2/sessions", {"active": "false", "limit": "100"} | query)
        assert answer.status_code == 200
        return [row["id"] for row in answer.json()["data"] or []]

    async def stats(self, held: Meeting, number: int = 0) -> httpx.Response:
        """The statistics of one peer."""
        return await self.get(STATS, {"session_id": session_id(held), "peer_id": peer_id(held, number)})


async def test_pages_give_every_session_once_newest_first() -> None:
    """Following the cursor gives all finished sessions in order; after the last one comes an empty page."""
    held = meetings(25)
    vendor = Vendor(held)
    pages: list[Any] = []
    cursor = ""
    for _ in range(4):
        page = (await vendor.get("/v2/sessions", {"active": "false", "limit": "10", "start": cursor})).json()
        pages.append(page)
        cursor = page["last"]
        assert cursor == (page["data"][-1]["id"] if page["data"] else "")
    assert [len(page["data"] or []) for page in pages] == [10, 10, 5, 0]
    assert pages[-1] == {"limit": 10, "data": None, "last": ""}
    assert [row["id"] for page in pages for row in page["data"] or []] == [session_id(each) for each in reversed(held)]
    assert pages[0]["data"][0] == session_row(held[-1], vendor.clock())


async def test_a_page_is_ten_sessions_by_default_and_the_slash_does_not_matter() -> None:
    """Without a limit there are ten rows; the address works with a slash at its end, too."""
    vendor = Vendor(meetings(12))
    for path in ("/v2/sessions", "/v2/sessions/"):
        assert len((await vendor.get(path, {"active": "false"})).json()["data"]) == 10
    assert vendor.server.answers == {("/v2/sessions", 200): 2}


async def test_sessions_are_filtered_by_their_start_and_room() -> None:
    """`after` and `before` include the limits and look at the start, `room_id` at the room."""
    held = meetings(6)
    vendor = Vendor(held)
    ids = [session_id(each) for each in held]
    assert await vendor.listed(after="2026-09-21T14:16:40.000Z") == ids[:1:-1]
    assert await vendor.listed(after="2026-09-21T14:16:40.001Z") == ids[:2:-1]
    assert await vendor.listed(before="2026-09-21T14:16:40.000Z") == ids[2::-1]
    assert await vendor.listed(before="2026-09-21T14:16:39.999") == ids[1::-1]
    assert await vendor.listed(room_id=room_id("blue")) == [ids[5], ids[3], ids[1]]
    assert await vendor.listed(room_id="nowhere") == []


async def test_active_sessions() -> None:
    """What goes on is active, what is to come is not there, and active is what is listed by default."""
    held = meetings(3)
    vendor = Vendor(held)
    vendor.clock.now = held[1].start + 30
    active = (await vendor.get("/v2/sessions")).json()["data"]
    assert [row["id"] for row in active] == [session_id(held[1])]
    assert active[0]["active"] is True
    assert await vendor.listed() == [session_id(held[0])]
    assert (await vendor.get(f"/v2/sessions/{session_id(held[2])}")).status_code == 404
    assert (await vendor.stats(held[1])).status_code == 404
    vendor.clock.now = held[1].end
    assert await vendor.listed() == [session_id(held[1]), session_id(held[0])]
    assert (await vendor.stats(held[1])).status_code == 200


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "9"}, "limit must be a number from 10 to 100"),
        ({"limit": "101"}, "limit must be a number from 10 to 100"),
        ({"limit": "many"}, "limit must be a number from 10 to 100"),
        ({"limit": "9" * 6000}, "limit must be a number from 10 to 100"),
        ({"after": "yesterday"}, "after and before must be times such as 2026-03-01T10:00:00.000Z"),
        ({"active": "perhaps"}, "active must be true or false"),
    ],
)
async def test_wrong_queries(query: dict[str, str], message: str) -> None:
    """A query that makes no sense is answered with 400 and the reason."""
    answer = await Vendor([]).get("/v2/sessions", query)
    assert answer.status_code == 400
    assert answer.json() == {"code": 400, "message": message}


async def test_one_session_and_its_room() -> None:
    """A session by id is the row of the list; a room is known once somebody has met in it."""
    (held,) = meetings(1)
    vendor = Vendor([held])
    answer = await vendor.get(f"/v2/sessions/{session_id(held)}")
    assert answer.json() == session_row(held, vendor.clock())
    room = await vendor.get(f"/v2/rooms/{room_id('red')}")
    assert (room.json()["id"], room.json()["name"]) == (room_id("red"), "red")
    missing = await vendor.get(f"/v2/rooms/{room_id('blue')}")
    assert (missing.status_code, missing.json()) == (404, {"code": 404, "message": "room not found"})


async def test_peer_stats() -> None:
    """The statistics of each peer are the document of that peer; of anybody else there are none."""
    held, other = meetings(2)
    vendor = Vendor([held, other])
    recording = record(held)
    for number in range(3):
        answer = await vendor.stats(held, number)
        assert answer.status_code == 200
        assert answer.json() == peer_stats(recording, number)
    stranger = await vendor.get(STATS, {"session_id": session_id(held), "peer_id": peer_id(other, 0)})
    assert (stranger.status_code, stranger.json()["message"]) == (404, "peer not found")
    nowhere = await vendor.get(STATS, {"session_id": "0" * 24, "peer_id": peer_id(held, 0)})
    assert (nowhere.status_code, nowhere.json()["message"]) == (404, "session not found")
    for query in ({"session_id": session_id(held)}, {"peer_id": peer_id(held, 0)}, {}):
        assert (await vendor.get(STATS, query)).status_code == 400


async def test_only_a_few_recordings_are_kept() -> None:
    """Meetings are played anew when they are asked for again after many others: memory stays bounded."""
    held = meetings(9)
    vendor = Vendor(held)
    first = [(await vendor.stats(each)).json() for each in held]
    assert [(await vendor.stats(each)).json() for each in held] == first


async def test_stats_are_not_ready_at_first() -> None:
    """The first requests for each peer are answered with 404, counted for each peer alone."""
    (held,) = meetings(1)
    vendor = Vendor([held], Faults(not_ready_requests=2))
    statuses = [(await vendor.stats(held, number)).status_code for number in (0, 0, 1, 0, 1, 1, 1)]
    assert statuses == [404, 404, 404, 200, 404, 200, 200]
    vendor = Vendor([held], Faults(not_ready_requests=1))
    vendor.clock.now = held.end - 1
    # Requests while the meeting lasts are in vain and do not count.
    assert [(await vendor.stats(held)).status_code for _ in range(3)] == [404] * 3
    vendor.clock.now = held.end
    assert [(await vendor.stats(held)).status_code for _ in range(2)] == [404, 200]


async def test_stats_are_ready_some_time_after_the_end() -> None:
    """Statistics appear so many seconds after the end of the session."""
    (held,) = meetings(1)
    vendor = Vendor([held], Faults(ready_after_seconds=30))
    vendor.clock.now = held.end + 29.9
    answer = await vendor.stats(held)
    assert (answer.status_code, answer.json()) == (404, {"code": 404, "message": "stats not found"})
    vendor.clock.now = held.end + 30
    assert (await vendor.stats(held)).status_code == 200


async def test_too_many_requests_now_and_then() -> None:
    """Every n-th request is answered with 429, its waiting time in the header and in words, or in words alone."""
    vendor = Vendor(meetings(1), Faults(too_many_requests_every=3, retry_after_seconds=7))
    answers = [await vendor.get("/v2/sessions") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 429]
    assert answers[2].headers["retry-after"] == "7"
    assert answers[2].json() == {"code": 429, "message": "rate limit exceeded, retry after 7 seconds"}
    vendor.server.faults = Faults(too_many_requests_every=1, retry_after_seconds=None)
    answer = await vendor.get("/v2/sessions")
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers


async def test_server_errors_now_and_then() -> None:
    """Every n-th request is answered with 500 and a page that is no JSON."""
    vendor = Vendor(meetings(1), Faults(server_error_every=2))
    answers = [await vendor.get("/v2/sessions") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 500, 200, 500]
    assert answers[1].headers["content-type"].startswith("text/html")


def signed(secret: str = SECRET, **claims: object) -> str:
    """A management token as the documentation makes it, with other claims where given; None leaves a claim out."""
    usual = {
        "access_key": "key",
        "type": "management",
        "version": 2,
        "jti": "1",
        "iat": int(START),
        "nbf": int(START),
        "exp": int(START + 2_000_000),
    }
    payload = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(payload, secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (TOKEN, 200),
        (signed(), 200),
        ("", 401),
        ("another-token", 401),
        (signed(SECRET.upper()), 401),
        (signed(exp=int(START + 1_000_000)), 401),
        (signed(nbf=int(START + 1_000_001)), 401),
        (signed(type="app"), 401),
        (signed(version=1), 401),
        (signed(access_key="another"), 401),
        (signed(jti=None), 401),
        (signed(exp=None), 401),
        (signed(exp="soon"), 401),
    ],
)
async def test_tokens(token: str, status: int) -> None:
    """Good are the static token and signed management tokens in their time; all else is refused."""
    answer = await Vendor([]).get("/v2/sessions", token=token)
    assert answer.status_code == status
    if status == 401:
        assert answer.json() == {"code": 401, "message": "Token validation error"}


async def test_a_signed_token_is_worth_nothing_without_a_secret() -> None:
    """A server that knows no secret accepts its static token only; and no token at all is never one."""
    server = HundredMsServer(World([]), Clock(START), Credentials())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server.application), base_url="http://vendor") as client:
        for header in (
            {},
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {signed()}"},
            {"Authorization": "Basic x"},
        ):
            assert (await client.get("/v2/sessions", headers=header)).status_code == 401


async def test_refused_requests_do_not_move_the_faults() -> None:
    """Faults count requests with a good token only, so that a test can foresee them."""
    vendor = Vendor([], Faults(too_many_requests_every=2))
    tokens = [TOKEN, "", "wrong", TOKEN]
    assert [(await vendor.get("/v2/sessions", token=token)).status_code for token in tokens] == [200, 401, 401, 429]


async def test_requests_are_recorded() -> None:
    """Every request to the API is kept with its answer, and counted by path."""
    (held,) = meetings(1)
    vendor = Vendor([held])
    await vendor.stats(held)
    await vendor.get(f"/v2/sessions/{session_id(held)}", token="wrong")  # noqa: S106 - wrong on purpose
    assert list(vendor.server.requests) == [
        RecordedRequest(
            at=vendor.clock(),
            path=STATS,
            query={"session_id": session_id(held), "peer_id": peer_id(held, 0)},
            status=200,
        ),
        RecordedRequest(at=vendor.clock(), path=f"/v2/sessions/{session_id(held)}", query={}, status=401),
    ]
    assert vendor.server.answers == {(STATS, 200): 1, ("/v2/sessions/{session_id}", 401): 1}


async def test_unknown_addresses() -> None:
    """What the API does not have is answered with an error in its own form."""
    vendor = Vendor([])
    assert (await vendor.get("/v2/nothing")).json() == {"code": 404, "message": "Not Found"}


async def test_over_a_real_connection() -> None:
    """The application is served on a port of this machine, and no longer when nobody needs it."""
    vendor = Vendor(meetings(2))
    async with serving(vendor.server.application) as url, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/v2/sessions?active=false", headers={"Authorization": f"Bearer {TOKEN}"})
        assert len(answer.json()["data"]) == 2
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)
