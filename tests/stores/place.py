"""A place for data streams, as a test fills it and as a source finds it; one adapter for each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Asked(NamedTuple):
    """Requests of the exporter, as the server counted them."""

    #: Pages of a listing.
    listings: int
    #: Reads, of an object or of a part of one.
    reads: int


class Place(Protocol):
    """A folder of a bucket or file system that nobody else uses. Keys are below it."""

    @property
    def settings(self) -> dict[str, object]:
        """`url` and `storage_options`, with credentials that may list and read."""
        ...

    @property
    def page(self) -> int:
        """The most objects that one answer of the server lists; 0 where there is no server."""
        ...

    @property
    def absent(self) -> str:
        """Why a poll fails where there is no such folder or bucket."""
        ...

    @property
    def odd_keys(self) -> tuple[str, ...]:
        """Keys that the store takes and the object-store library cannot address, each in a folder named `odd`."""
        ...

    def put(self, key: str, raw: bytes, encoding: str = "") -> None:
        """Writes an object, in place of an earlier one; with `Content-Encoding`, where the store knows of such."""
        ...

    def put_beside(self, key: str, raw: bytes) -> None:
        """Writes an object outside of the folder, where names begin as the folder's does."""
        ...

    def delete(self, key: str) -> None:
        """Removes an object."""
        ...

    def copy(self, key: str, to: str) -> None:
        """Copies an object, within the store."""
        ...

    def uploading(self, key: str, raw: bytes) -> AbstractContextManager[None]:
        """Begins to write an object in parts as the store has it; at the end of the block it is complete."""
        ...

    def mark_folder(self, key: str) -> None:
        """Makes an empty folder, as the store's console does."""
        ...

    def fill(self, count: int) -> str:
        """Makes objects `000000.json` and on, each holding `[]`; returns the tag of each version."""
        ...

    def name(self, key: str) -> str:
        """How an object is called in the ledger."""
        ...

    def asked(self) -> Asked:
        """What the exporter asked since the last call."""
        ...
