"""Answers of `GET /v2/sessions` become facts of finished sessions. Pure: bytes in, values out.

https://www.100ms.live/docs/server-side/v2/api-reference/Sessions/list-sessions
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Raw, Struct

from exporter.sources.base import RejectedDocument, digest
from exporter.sources.hundredms.document import MalformedError, clean_text, decode
from exporter.sources.hundredms.facts import PeerFacts, SessionFacts
from exporter.sources.text import encodable
from exporter.told import told

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.model import PersonalLabel, ReportRejection

logger = logging.getLogger(__name__)

#: The most rows that the vendor gives at once.
ROWS_PER_PAGE = 100
#: The fewest that it documents.
FEWEST_ROWS_PER_PAGE = 10

_NO_IDENTITY: Literal["missing_identity"] = "missing_identity"
_WRONG_TYPE: Literal["wrong_type"] = "wrong_type"


class FoundSession(Struct, frozen=True, kw_only=True):
    """One finished session with its peers, excluded roles left out."""

    session: SessionFacts
    peers: tuple[PeerFacts, ...]

    @property
    def ended(self) -> float | None:
        """When statistics can be waited for, in Unix seconds: the session's end, else when its last peer left."""
        return self.session.end or max((peer.left for peer in self.peers if peer.left), default=None)


class Page(Struct, frozen=True, kw_only=True):
    """What one answer lists."""

    found: tuple[FoundSession, ...] = ()
    rejected: tuple[RejectedDocument, ...] = ()
    #: What to ask for next; empty at the end.
    cursor: str = ""
    #: When it was given, by the vendor's clock, in Unix seconds; None where nobody knows.
    date: float | None = None

    @property
    def starts(self) -> tuple[float, ...]:
        """When its sessions started, in Unix seconds and its order; without those that do not say."""
        return tuple(each.session.start for each in self.found if each.session.start is not None)


class _Listing(Struct, frozen=True):
    """The page as it comes. Rows stay raw, so that a bad one costs only itself."""

    data: list[Raw] | None = None
    limit: Any = None
    last: Any = None


class _BadRowError(Exception):
    def __init__(self, reason: ReportRejection, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_page(
    raw: bytes, excluded_roles: Collection[str], personal: Collection[PersonalLabel] = (), limit: int = ROWS_PER_PAGE
) -> Page:
    """Reads one page of the listing.

    Args:
        raw: the body of the answer.
        excluded_roles: peers of these roles are left out.
        personal: what is read of peers beside what tells nobody who they are.
        limit: how many rows were asked for.

    Raises:
        MalformedError: it is no page at all.
    """
    try:
        listing = msgspec.json.decode(raw, type=_Listing)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = told(f"expected an object with data, a list of sessions, or null ({type(error).__name__})")
        raise MalformedError(message) from error
    found: list[FoundSession] = []
    rejected: list[RejectedDocument] = []
    rows = listing.data or []
    for number, row in enumerate(rows):
        problem: tuple[ReportRejection, str] | None = None
        try:
            session, nameless = _read_row(decode(bytes(row)), excluded_roles, personal)
        except MalformedError as error:
            problem = "malformed", str(error)
        except _BadRowError as error:
            problem = error.reason, str(error)
        else:
            found += [session] if session else []
            if nameless:
                problem = "missing_identity", f"peers: {nameless} of them without an id"
        if problem:
            message = told(f"sessions: data[{number}]: {problem[1]}")
            rejected.append(RejectedDocument(reason=problem[0], digest=digest(row), message=message))
    return Page(found=tuple(found), rejected=tuple(rejected), cursor=_cursor(listing, len(rows), limit))


def read_session(
    raw: bytes, excluded_roles: Collection[str], personal: Collection[PersonalLabel] = ()
) -> FoundSession | None:
    """Reads the answer of `GET /v2/sessions/{id}`; None where the session is still going on.

    https://www.100ms.live/docs/server-side/v2/api-reference/Sessions/retrieve-a-session

    Raises:
        MalformedError: it is no session.
    """
    try:
        found, nameless = _read_row(decode(raw), excluded_roles, personal)
    except _BadRowError as error:
        raise MalformedError(str(error)) from None
    if nameless:
        # The listing shows them too, and there they are counted.
        logger.info("a session has %d peers without an id to ask with", nameless)
    return found


def read_moment(value: object) -> float | None:
    """Reads an RFC 3339 time as Unix seconds; None where there is none, or the vendor's year 1, which says so too."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None


def _cursor(listing: _Listing, rows: int, asked: int) -> str:
    """The next page's cursor; a page that is not full is the last one, whatever it says."""
    limit = listing.limit if isinstance(listing.limit, int) and 0 < listing.limit < asked else asked
    return encodable(listing.last) if rows >= limit and isinstance(listing.last, str) else ""


def _read_row(
    row: Any,  # noqa: ANN401 - any JSON value
    excluded_roles: Collection[str],
    personal: Collection[PersonalLabel],
) -> tuple[FoundSession | None, int]:
    """The session, None where it is still going on, and how many of its peers have no id to ask with."""
    if not isinstance(row, dict):
        message = f"expected a session, got {type(row).__name__}"
        raise _BadRowError(_WRONG_TYPE, message)
    session_id = clean_text(row.get("id"))
    if not session_id:
        message = "id: expected a text that is not empty"
        raise _BadRowError(_NO_IDENTITY, message)
    # Only finished ones are asked for, but the vendor's own examples do not keep to the filter.
    if row.get("active", False) is not False:
        return None, 0
    everyone = _read_peers(row.get("peers"), personal)
    named = [peer for peer in everyone if peer.peer_id]
    peers = tuple(peer for peer in named if peer.role not in excluded_roles)
    session = SessionFacts(
        session_id=session_id,
        room_id=clean_text(row.get("room_id")),
        start=read_moment(row.get("created_at")),
        end=read_moment(row.get("updated_at")),
        peers=len(peers),
    )
    return FoundSession(session=session, peers=peers), len(everyone) - len(named)


def _read_peers(raw: object, personal: Collection[PersonalLabel]) -> list[PeerFacts]:
    """Reads the peers: a map by id, as real answers have it, or a list, as the documentation of the object says.

    A peer of whom nothing but the id can be read is a peer: its statistics may well be there.
    """
    match raw:
        case None:
            return []
        case dict():
            pairs = [(clean_text(name), value) for name, value in raw.items()]
        case list():
            pairs = [(clean_text(each.get("id") if isinstance(each, dict) else each), each) for each in raw]
        case _:
            message = f"peers: expected an object or a list, got {type(raw).__name__}"
            raise _BadRowError(_WRONG_TYPE, message)
    return [_read_peer(peer_id, value, personal) for peer_id, value in dict(pairs).items()]


def _read_peer(peer_id: str, value: object, personal: Collection[PersonalLabel]) -> PeerFacts:
    facts = value if isinstance(value, dict) else {}
    return PeerFacts(
        peer_id=peer_id,
        role=clean_text(facts.get("role")),
        joined=read_moment(facts.get("joined_at")),
        left=read_moment(facts.get("left_at")),
        user_id=clean_text(facts.get("user_id")) if "user_id" in personal else "",
        user_name=clean_text(facts.get("name")) if "user_name" in personal else "",
    )
