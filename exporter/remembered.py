"""What a source asks the ledger to remember for it: things to ask for later, and objects that were read."""

from __future__ import annotations

from msgspec import Struct


class Task(Struct, frozen=True, kw_only=True):
    """Something a source wants to ask for later, remembered by the ledger across restarts."""

    #: Unique within the source, for ever: a key that is known, done or not, is never added again.
    key: str
    #: Unix seconds before which it is not asked for.
    due: float
    #: How often it was asked for in vain.
    attempts: int = 0
    #: The source's own notes, as it needs them to go on; at most a few kilobytes.
    notes: bytes = b""


class ObjectIdentity(Struct, frozen=True, order=True):
    """One version of a file or stored object: the same name with another tag is another version."""

    name: str
    tag: str
