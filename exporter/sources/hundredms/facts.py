"""What discovery knows of a session and its peers, as the ledger keeps it between polls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from exporter.model import Session, SessionKey
from exporter.remembered import ASIDE

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.model import PersonalLabel
    from exporter.sources.base import Task


class SessionFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finished session as `GET /v2/sessions` lists it; times are Unix seconds."""

    session_id: str
    room_id: str = ""
    #: `created_at`.
    start: float | None = None
    #: `updated_at`, which is the end of an inactive session.
    end: float | None = None
    #: How many peers it had, excluded roles left out. None: not known.
    peers: int | None = None

    def session(self, source: str, room_id: str = "") -> Session:
        """The model's session of the source of that name; in `room_id` where the facts do not know the room."""
        return Session(
            key=SessionKey(source, self.room_id or room_id, self.session_id),
            start=self.start,
            end=self.end,
            duration_seconds=stay_seconds(self.start, self.end),
            peers=self.peers,
        )


class PeerFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One peer as the session's listing shows it; times are Unix seconds."""

    peer_id: str
    role: str = ""
    #: `joined_at`.
    joined: float | None = None
    #: `left_at`.
    left: float | None = None
    #: Empty unless the configuration asks for it, as is the name: they tell who somebody is.
    user_id: str = ""
    user_name: str = ""

    def known_as(self, personal: Collection[PersonalLabel]) -> PeerFacts:
        """The same without what is not asked for (any more)."""
        return structs.replace(
            self,
            user_id=self.user_id if "user_id" in personal else "",
            user_name=self.user_name if "user_name" in personal else "",
        )


class Notes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a task needs to go on after a restart: all that its report says beside the statistics."""

    session: SessionFacts
    #: None: the session had no peers, so that there is nothing to ask for.
    peer: PeerFacts | None
    #: What settling, rechecks and giving up count from: the session's end, else when it was first seen.
    ended: float
    #: Whether statistics came already, so that the task only waits for more.
    delivered: bool = False

    def encode(self) -> bytes:
        """The notes as a task carries them."""
        return msgspec.json.encode(self)


#: What the keys of tasks begin with that only look for statistics that have grown.
AGAIN = f"{ASIDE}again:"


def task_key(session_id: str, peer_id: str) -> str:
    """The key of the task that asks for one peer of one session; without a peer it stands for an empty session."""
    return f"{session_id}/{peer_id}"


def recheck_key(key: str) -> str:
    """The key of the task that looks again for what the task of that key has found."""
    return key if key.startswith(AGAIN) else f"{AGAIN}{key}"


def read_notes(task: Task) -> Notes:
    """Reads a task's notes; from its key alone where they cannot be read, as after a change of their form."""
    try:
        return msgspec.json.decode(task.notes, type=Notes)
    except (msgspec.DecodeError, UnicodeDecodeError):
        session_id, _, peer_id = task.key.removeprefix(AGAIN).partition("/")
        return Notes(
            session=SessionFacts(session_id=session_id),
            peer=PeerFacts(peer_id=peer_id) if peer_id else None,
            ended=task.due,
            delivered=task.key.startswith(AGAIN),
        )


def stay_seconds(start: float | None, end: float | None) -> float | None:
    """The time between two moments; None where one is missing or clocks disagree so far that it is negative."""
    if start is None or end is None or end < start:
        return None
    return end - start
