"""The seam between the source and where its data streams lie: a folder now; an object store is one more file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from exporter.sources.base import ObjectIdentity

if TYPE_CHECKING:
    from collections.abc import Generator


class ObjectMovedError(Exception):
    """The object changed or vanished since it was listed; the next listing tells what is there then."""


class ObjectUnreadableError(Exception):
    """The object is there and cannot be read; the text says why, for the log."""


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
    """What a store holds."""

    objects: tuple[StoredObject, ...] = ()
    #: Parts that could not be listed, as messages for the log.
    problems: tuple[str, ...] = ()


class ObjectStore(Protocol):
    """Where data streams lie. Its methods block, and are called from worker threads, one at a time."""

    def list_objects(self) -> Listing:
        """Everything that may be a data stream.

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
