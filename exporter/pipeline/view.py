"""What is shown of a session and its peers where several reports tell of them: each says what it knows.

The listing of a vendor knows who somebody was and when they came, an answer that is sent by itself does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from exporter.model import Attributes
from exporter.quality.stays import ended_at, lasted_seconds

if TYPE_CHECKING:
    from exporter.model import Peer, Session
    from exporter.quality import PeerAssessment

_S = TypeVar("_S", bound=Struct)

_NOBODY = Attributes()


def completed(newer: _S, known: _S) -> _S:
    """The newer of two values of one kind, with what the other says where it says nothing."""
    missing = [name for name in newer.__struct_fields__ if getattr(newer, name) in (None, "", ())]
    return structs.replace(newer, **{name: getattr(known, name) for name in missing})


def session_in_view(newer: Session, known: Session) -> Session:
    """What is shown of a session of which a report adds something."""
    return completed(_best_known(newer, known), known)


def peer_in_view(newer: PeerAssessment, known: PeerAssessment) -> PeerAssessment:
    """What is shown of a stay of which a report adds something: its values, and who it was."""
    attributes = completed(newer.attributes, known.attributes)
    if newer.attributes != _NOBODY or known.attributes == _NOBODY:
        return structs.replace(newer, attributes=attributes)
    # Without a listing the times are those of the first and last sample.
    return structs.replace(
        newer, attributes=attributes, start=known.start, end=known.end, duration_seconds=known.duration_seconds
    )


def retold(newer: Peer, known: PeerAssessment) -> PeerAssessment:
    """What is shown of a stay of which a report adds nothing: the same, unless only now is said who it was."""
    if known.attributes != _NOBODY or newer.attributes == _NOBODY:
        return known
    return structs.replace(
        known,
        attributes=newer.attributes,
        start=newer.start,
        end=ended_at(newer.start, newer.end, newer.duration_seconds),
        duration_seconds=lasted_seconds(newer.start, newer.end, newer.duration_seconds),
    )


def _best_known(session: Session, known: Session) -> Session:
    """The session, with the times of an earlier report that knew of more peers.

    A peer is handed over with what the listing said when that peer was found, and a listing may lag behind.
    """
    if known.peers is None or session.peers is None or known.peers <= session.peers:
        return session
    return structs.replace(
        session, start=known.start, end=known.end, duration_seconds=known.duration_seconds, peers=known.peers
    )
