"""What can go wrong at a vendor, one fault each; all of it by counting, so that every run goes wrong alike."""

from __future__ import annotations

import gzip
import json
import math
import time
from email.utils import formatdate
from itertools import count
from typing import TYPE_CHECKING, Any
from zlib import crc32

from msgspec import structs

from tests.live.faulty_vendor import SESSIONS, STATS, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.live.faulty_vendor import Asked, Fault, FaultyVendor, Proceed

HTML = Answer(
    status=500,
    body=b"<html><body><h1>500 Internal Server Error</h1></body></html>",
    headers={"content-type": "text/html"},
)
#: What is said in place of statistics, beside those of other peers, and why it is rejected.
REJECTIONS = {HTML.body: "malformed", b"[1]": "wrong_type"}


#: Past every id, so that the API behind gives all rows.
_CURSOR = "page-"
_NOTHING: dict[str, list[Any]] = {"video": [], "audio": []}
#: Statistics without samples.
EMPTY = json.dumps({"publisher": _NOTHING, "subscriber": _NOTHING}).encode()


def problem(status: int, message: str, **headers: str) -> Answer:
    """An error as the vendor writes it; header names are written with `_` for `-`."""
    body = json.dumps({"code": status, "message": message}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, body=body, headers={"content-type": "application/json", **named})


def every(number: int, *answers: Answer | Callable[[], Answer], path: str = "") -> Fault:
    """Each so many requests for the path, or for any, one is answered so; several answers take turns."""
    counter, turns = count(1), count()

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        if not asked.path.startswith(path) or next(counter) % number:
            return await proceed()
        answer = answers[next(turns) % len(answers)]
        return answer if isinstance(answer, Answer) else answer()

    return fault


def spoilt_every(number: int, *changes: Callable[[Answer], Answer], path: str = "") -> Fault:
    """Each so many good answers one is changed; several changes take turns."""
    counter, turns = count(1), count()

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        answer = await proceed()
        if answer.status == 200 and asked.path.startswith(path) and next(counter) % number == 0:
            return changes[next(turns) % len(changes)](answer)
        return answer

    return fault


def wait_until(seconds: int) -> Answer:
    """429 with the time to wait for, which HTTP writes in whole seconds; at least so many from now."""
    return problem(429, "slow down", retry_after=formatdate(math.ceil(time.time()) + seconds, usegmt=True))


def cut(answer: Answer) -> Answer:
    """Half of the body, then the connection is closed."""
    return structs.replace(answer, manner="cut")


def packed_and_cut(answer: Answer) -> Answer:
    """The body packed, and half of that passed for the whole."""
    packed = gzip.compress(answer.body)
    headers = {**answer.headers, "content-encoding": "gzip"}
    return structs.replace(answer, body=packed[: len(packed) // 2], headers=headers, lie=True)


def slow(seconds: float) -> Callable[[Answer], Answer]:
    """The body in pieces over so long a time."""
    return lambda answer: structs.replace(answer, manner="slow", seconds=seconds)


def lies() -> Fault:
    """What is first said about each peer is one of `REJECTIONS`, or another peer's statistics, in turns."""
    others: dict[tuple[str, str], Answer] = {}
    answers = [None, *(Answer(body=body) for body in REJECTIONS)]

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        answer = await proceed()
        if asked.path != STATS or answer.status != 200:
            return answer
        if asked.peer in others:
            return answer
        before = next(reversed(others.values()), None)
        others[asked.peer] = answer
        said = answers[len(others) % len(answers)] or before
        return structs.replace(said, lie=True) if said else answer

    return fault


def never(*peers: tuple[str, str]) -> Fault:
    """The statistics of these peers are not for us: 403."""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        return problem(403, "no permission for this peer") if asked.peer in peers else await proceed()

    return fault


def rewritten(change: Callable[[Any], Any], path: str) -> Fault:
    """All good answers about the path say something else."""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        answer = await proceed()
        if asked.path != path or answer.status != 200:
            return answer
        return structs.replace(answer, body=json.dumps(change(answer.json())).encode())

    return fault


def growing(vendor: FaultyVendor) -> Fault:
    """The first statistics that a client gets of a peer have the first half of the samples only."""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        answer = await proceed()
        if asked.path != STATS or answer.status != 200 or vendor.given.get(asked.peer):
            return answer
        return structs.replace(answer, body=json.dumps(first_half(answer.json())).encode())

    return fault


def first_half(document: Any) -> Any:  # noqa: ANN401 - JSON
    """Statistics with the first half of each track's samples, one at least."""
    for branch in ("publisher", "subscriber"):
        for track in (track for kind in document[branch].values() for track in kind):
            series = track["time_series"]
            samples = len(series["timestamps"])
            kept = -(-samples // 2)
            # A column that is shorter than the others stays so, or it would count now and not later.
            track["time_series"] = {
                name: column[: max(0, kept - samples + len(column))] for name, column in series.items()
            }
    return document


def skewed(seconds: int) -> Callable[[Any], Any]:
    """Clients' clocks: a third right, a third ahead, a third behind by so much."""

    def change(document: Any) -> Any:  # noqa: ANN401 - JSON
        wrong = (0, seconds, -seconds)[crc32(document["peer_id"].encode()) % 3] * 1000
        for branch in ("publisher", "subscriber"):
            for track in (track for kind in document[branch].values() for track in kind):
                series = track["time_series"]
                series["timestamps"] = [each + wrong for each in series["timestamps"]]
        return document

    return change


def paged(pages: Callable[[Sequence[Any], int], tuple[Sequence[Any] | None, int]]) -> Fault:
    """The listing in pages of another making: of all rows and a page's number, its rows and the next page's number."""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        answer = await proceed()
        if asked.path != SESSIONS or answer.status != 200:
            return answer
        rows, following = pages(
            answer.json()["data"] or [], int(asked.query.get("start", _CURSOR)[len(_CURSOR) :] or 0)
        )
        page = {"limit": len(rows or [0]), "data": rows, "last": f"{_CURSOR}{following}"}
        return structs.replace(answer, body=json.dumps(page).encode())

    return fault


def empty_at_first(times: int) -> Fault:
    """The first answers about each peer have no samples yet."""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        if asked.path != STATS or asked.time > times:
            return await proceed()
        return structs.replace(await proceed(), body=EMPTY, lie=True)

    return fault


def not_ready(times: int) -> Fault:
    """The first answers about each peer are 404."""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        if asked.path != STATS or asked.time > times:
            return await proceed()
        return problem(404, "stats not found")

    return fault


def for_some(one_in: int, fault: Fault) -> Fault:
    """A fault that befalls one in so many peers only."""

    async def chosen(asked: Asked, proceed: Proceed) -> Answer:
        if asked.path == STATS and crc32(asked.peer[1].encode()) % one_in == 0:
            return await fault(asked, proceed)
        return await proceed()

    return chosen


def circle() -> Fault:
    """The last page of the listing names the second one as the next."""
    second = ""

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        nonlocal second
        answer = await proceed()
        if asked.path != SESSIONS or answer.status != 200:
            return answer
        page = answer.json()
        second = second or page["last"]
        if not page["data"] or len(page["data"]) == page["limit"]:
            return answer
        page |= {"limit": len(page["data"]), "last": second}
        return structs.replace(answer, body=json.dumps(page).encode())

    return fault
