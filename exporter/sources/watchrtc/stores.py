"""The seam between the source and where its data streams lie: a folder, or an object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from msgspec import Struct

from exporter.sources.base import ObjectIdentity

if TYPE_CHECKING:
    from collections.abc import Generator

#: What a failed read speaks against.
Blame: TypeAlias = Literal[
    "object",  # the object itself: it breaks off, or is listed and not there
    "permission",  # the object may not be read: a setting of its own, or our credentials
    "store",  # the store is down, slow or too busy; the object may be fine
]


class ObjectMovedError(Exception):
    """The object changed or vanished since it was listed; the next listing tells what is there then."""


class ObjectUnreadableError(Exception):
    """The object is there and cannot be read; the text says why, for the log."""

    def __init__(self, message: str, blame: Blame = "object") -> None:
        super().__init__(message)
        self.blame = blame


class StoredObject(Struct, frozen=True, kw_only=True):
    """One version of a file or object that may hold a data stream."""

    identity: ObjectIdentity
    #: Stored bytes.
    size: int
    #: Unix seconds of the last change.
    modified: float
    #: What the store finds it by; the identity's name is for people and for the ledger.
    address: str


class Listing(Struct, frozen=True, kw_only=True):
    """A part of what a store holds."""

    objects: tuple[StoredObject, ...] = ()
    #: Parts that could not be listed, as messages for the log.
    problems: tuple[str, ...] = ()


class ObjectStore(Protocol):
    """Where data streams lie. Its methods block, and are called from worker threads, one at a time."""

    def list_objects(self) -> Generator[Listing, None, None]:
        """Everything that may be a data stream, in parts of bounded size and any order; a version may come twice.

        Raises:
            PollError: the store as a whole cannot be read.
        """
        ...

    def read_object(self, found: StoredObject) -> Generator[bytes, None, None]:
        """The object's bytes as they are stored, in pieces.

        Raises:
            ObjectMovedError: it is no longer the version that was listed; what was read must not count as all of it.
            ObjectUnreadableError: it cannot be read.
        """
        ...
