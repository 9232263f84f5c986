"""What a source asks the ledger to remember for it: things to ask for later, objects that were read, its own facts."""

from __future__ import annotations

from msgspec import Struct

#: What the keys of tasks begin with that nothing is waited for with, such as another look at what is ingested already.
ASIDE = "~"


class Task(Struct, frozen=True, kw_only=True):
    """Something a source wants to ask for later, remembered by the ledger across restarts."""

    #: Unique within the source, for ever: a key that is known, done or not, is never added again. Those that begin with
    #: `ASIDE` are no backlog.
    key: str
    #: Unix seconds before which it is not asked for.
    due: float
    #: How often it was asked for in vain.
    attempts: int = 0
    #: The source's own notes, as it needs them to go on; at most a few kilobytes.
    notes: bytes = b""


class Fact(Struct, frozen=True):
    """Something that a source wants to know again after a restart, such as how far it has looked."""

    #: Unique within the source.
    name: str
    #: As the source writes it; at most a few kilobytes.
    value: bytes


class SkippedPeers(Struct, frozen=True):
    """Peers of one session that a source leaves out because it is told to. They are counted once for the session."""

    session_id: str
    count: int


class ObjectIdentity(Struct, frozen=True, order=True):
    """One version of a file or stored object: the same name with another tag is another version."""

    name: str
    tag: str
