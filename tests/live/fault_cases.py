"""Each fault alone: what is wrong, at which vendor, asked by a source with which settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from exporter.demo.hundredms_server import Credentials, Faults, HundredMsServer
from tests.live import faults
from tests.live.faulty_vendor import ROOMS, SESSIONS, STATS, Answer, Fault, FaultyVendor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.live.faulty_vendor import Asked, Proceed

OLD_TOKEN = "a-management-token"  # noqa: S105 - of a vendor that is simulated
NEW_TOKEN = "the-token-after-that"  # noqa: S105 - of a vendor that is simulated
RATE: Final = 20
CONCURRENCY: Final = 2
#: The first one after everybody's first statistics is the one that sees them grown.
RECHECKS: Final = ["8s", "16s", "32s", "64s", "128s", "256s"]
_TRANSIENT: Final = (faults.HTML, Answer(status=502), Answer(status=503, body=b"<p>busy</p>"))


class Place(Struct, frozen=True, kw_only=True):
    """What faults may be made of."""

    vendor: FaultyVendor
    api: HundredMsServer
    #: Session and peer ids, in the order of the meetings.
    peers: tuple[tuple[str, str], ...]
    #: Holds the management token.
    token_file: Path


class Case(Struct, frozen=True, kw_only=True):
    """One fault."""

    #: What the simulated API does wrong by itself.
    api: Faults = Faults()
    #: What is done to its answers; the first one sees them last.
    faults: Callable[[Place], Sequence[Fault]] = lambda _: ()
    #: Scenarios of one-minute meetings, with the number of people.
    meetings: tuple[tuple[str, int], ...] = (("good_call", 3), ("screen_share", 3), ("bad_uplink", 2))
    poll_interval: str = "1s"
    peer_stats: dict[str, Any] = field(default_factory=dict)
    #: Whether the exporter signs its tokens.
    signs: bool = False
    #: The vendor's clock against ours, in seconds; tokens are checked by it, too.
    clock: int = 0
    #: How many different statistics the vendor gives of each peer, one after the other.
    versions: int = 1
    #: Whether the names of rooms can be had.
    names: bool = True
    #: Peers, by their place, that nothing is ever given of.
    never: tuple[int, ...] = ()


def _rotated(place: Place) -> Sequence[Fault]:
    """From the third peer on another token is good; its file is written when the old one was refused three times."""
    refusals = 0

    async def fault(asked: Asked, proceed: Proceed) -> Answer:
        nonlocal refusals
        if len(place.vendor.visits_to(STATS)) == 2:
            place.api.credentials = Credentials(token=NEW_TOKEN)
        answer = await proceed()
        refusals += answer.status == 401 and asked.token == OLD_TOKEN
        if refusals == 3:
            place.token_file.write_text(NEW_TOKEN, encoding="utf-8")
        return answer

    # A report does not wait for its room's name until there is a good token: whether it has one would be chance.
    return (faults.every(1, Answer(status=404), path=ROOMS), fault)


def _refusals(status: int) -> Sequence[Fault]:
    """Every third request for statistics, fourth for sessions and fifth for rooms, whatever the token."""
    answer = faults.problem(status, "Token validation error")
    return tuple(faults.every(3 + place, answer, path=path) for place, path in enumerate((STATS, SESSIONS, ROOMS)))


def _circle(rows: Sequence[Any], page: int) -> tuple[Sequence[Any] | None, int]:
    """One row a page; after the last one the second page's cursor comes again."""
    return rows[page : page + 1], (page + 1) % len(rows) or 1


def _endless(rows: Sequence[Any], page: int) -> tuple[Sequence[Any] | None, int]:
    """One row a page, and when all were there they come again under new cursors, for ever."""
    return [rows[page % len(rows)]], page + 1


def _null(rows: Sequence[Any], page: int) -> tuple[Sequence[Any] | None, int]:
    """One row a page; after the last one there is a page without rows that names another one."""
    return rows[page : page + 1] or None, page + 1


def _repeated(rows: Sequence[Any], page: int) -> tuple[Sequence[Any] | None, int]:
    """Every row again and again on one page."""
    return [*rows, *rows, *rows], page + 1


def _late_peers(place: Place) -> Sequence[Fault]:
    """The first three listings show one peer of each session only; the statistics of those are the last to be ready."""
    first = {session: (session, peer) for session, peer in reversed(place.peers)}

    async def listing(asked: Asked, proceed: Proceed) -> Answer:
        if asked.path != SESSIONS or asked.time > 3:
            return await proceed()
        return await faults.rewritten(_with_first_peer, SESSIONS)(asked, proceed)

    async def statistics(asked: Asked, proceed: Proceed) -> Answer:
        others = set(place.peers) - set(first.values())
        if asked.peer in first.values() and not others <= place.vendor.given.keys():
            return faults.problem(404, "stats not found")
        return await proceed()

    return (listing, statistics)


def _with_first_peer(listing: Any) -> Any:  # noqa: ANN401 - JSON
    for row in listing["data"]:
        row["peers"] = dict([next(iter(row["peers"].items()))])
    return listing


CASES: Final[Mapping[str, Case]] = {
    "401-mid-run": Case(signs=True, faults=lambda _: _refusals(401)),
    "token-rotated": Case(faults=_rotated, names=False),
    "403-mid-run": Case(signs=True, faults=lambda _: _refusals(403)),
    "403-for-a-peer": Case(
        faults=lambda place: (faults.never(place.peers[0]),),
        poll_interval="0s",
        peer_stats={"give_up_after": "3s"},
        never=(0,),
    ),
    "404-until-ready": Case(api=Faults(not_ready_requests=2)),
    "empty-until-ready": Case(faults=lambda _: (faults.empty_at_first(2),)),
    "429-with-retry-after": Case(api=Faults(too_many_requests_every=6, retry_after_seconds=1)),
    "429-with-a-date": Case(faults=lambda _: (faults.every(8, partial(faults.wait_until, 1)),)),
    "429-in-words": Case(api=Faults(too_many_requests_every=6, retry_after_seconds=None)),
    "429-without-a-word": Case(faults=lambda _: (faults.every(4, Answer(status=429)),)),
    "5xx-with-html": Case(faults=lambda _: (faults.every(3, *_TRANSIENT),)),
    "slow-answers": Case(faults=lambda _: (faults.spoilt_every(1, faults.slow(0.5)),)),
    "cut-answers": Case(faults=lambda _: (faults.spoilt_every(3, faults.cut, faults.packed_and_cut),)),
    "cursor-circle": Case(faults=lambda _: (faults.paged(_circle),)),
    "cursors-for-ever": Case(faults=lambda _: (faults.paged(_endless),)),
    "null-page": Case(faults=lambda _: (faults.paged(_null),)),
    "rows-again": Case(faults=lambda _: (faults.paged(_repeated),)),
    "late-peers": Case(faults=_late_peers),
    "clocks-of-clients": Case(faults=lambda _: (faults.rewritten(faults.skewed(7200), STATS),)),
    "vendor-ahead": Case(signs=True, clock=3600),
    "vendor-a-little-behind": Case(signs=True, clock=-8),
    "vendor-behind": Case(signs=True, clock=-3600),
    "vendor-a-day-behind": Case(signs=True, clock=-86_400 - 3600),
    "growth": Case(
        faults=lambda place: (faults.growing(place.vendor),), peer_stats={"recheck_after": RECHECKS}, versions=2
    ),
    "lies": Case(faults=lambda _: (faults.lies(),)),
    "a-webinar": Case(
        meetings=(("all_hands", 60),), api=Faults(too_many_requests_every=35), peer_stats={"concurrency": 4}
    ),
}
