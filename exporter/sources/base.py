"""The seam between a vendor and the rest: a source of one method, what it hands over, and what it may ask.

A new vendor is one package beside this file that defines a `SourceType`; nothing else changes. Sources know no
metrics: they hand over deliveries and tell events. The runner owns timing, back-off and failure counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from exporter.model import PersonalLabel, Report, ReportRejection
from exporter.remembered import ASIDE, Fact, ObjectIdentity, SkippedPeers, Task
from exporter.values import Secret

__all__ = [
    "ASIDE",
    "Delivery",
    "Events",
    "Fact",
    "Intake",
    "ObjectIdentity",
    "PollError",
    "PollFailure",
    "Receipt",
    "Receiver",
    "RejectedDocument",
    "SavedDocuments",
    "SkippedPeers",
    "Source",
    "SourceSettings",
    "SourceType",
    "Task",
    "UnusableBodyError",
    "digest",
]

#: Why a poll as a whole failed.
PollFailure: TypeAlias = Literal[
    "http_status",  # the vendor answered with an error
    "malformed",  # the vendor's answer is not what its documentation says
    "not_found",  # the folder or bucket is not there
    "other",  # a fault of ours
    "permission",  # the folder or bucket may not be read
    "state",  # what was found cannot be written down
    "timeout",  # no answer in time
    "unauthorized",  # the vendor does not accept our token
    "unreachable",  # no connection
]


def digest(raw: bytes | bytearray | memoryview) -> bytes:
    """Tells one document from another without keeping it."""
    return blake2b(raw, digest_size=16).digest()


class PollError(Exception):
    """A poll failed as a whole; what it delivered before stays. The text is for the log and holds no secret."""

    def __init__(self, reason: PollFailure, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RejectedDocument(Struct, frozen=True, kw_only=True):
    """A document that could not become a report. It is counted once, however often it comes again."""

    reason: ReportRejection
    #: Digest of the raw bytes (`exporter.sources.base.digest`).
    digest: bytes
    #: For the log: file or request, the place in it, what is wrong and what was expected; never the document.
    message: str
    #: The session that it was asked for on behalf of; empty where every exporter of a shard reads the document.
    session_id: str = ""


class Delivery(Struct, frozen=True, kw_only=True):
    """What a source hands over at once. All of it is committed in one transaction, or none."""

    reports: tuple[Report, ...] = ()
    rejected: tuple[RejectedDocument, ...] = ()
    #: Tasks to remember; those whose key is known already are left as they are.
    new_tasks: tuple[Task, ...] = ()
    #: Known tasks with a new due time, attempts and notes.
    postponed_tasks: tuple[Task, ...] = ()
    #: Keys of tasks that need no more asking.
    finished_tasks: tuple[str, ...] = ()
    #: Object versions that were read to their end.
    read_objects: tuple[ObjectIdentity, ...] = ()
    #: The source's own facts, each in place of the earlier one of its name.
    facts: tuple[Fact, ...] = ()
    skipped_peers: tuple[SkippedPeers, ...] = ()


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of a delivery's peers and documents."""

    new: int = 0
    grown: int = 0
    duplicate: int = 0
    rejected: int = 0
    #: New tasks whose key was not known.
    tasks: int = 0


class Intake(Protocol):
    """The ledger and the clock as a source sees them during a poll."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def is_mine(self, session_id: str) -> bool:
        """Whether this exporter is the one, of several, to report a session; what it is not need not be asked for."""
        ...

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Commits a delivery; returns when it is safe on disk."""
        ...

    async def due_tasks(self, limit: int) -> Sequence[Task]:
        """Unfinished tasks of this source that are due now, the longest due first, at most `limit`."""
        ...

    async def waiting_tasks(self) -> int:
        """How many tasks of this source are unfinished, due or not, but for those whose key begins with `ASIDE`."""
        ...

    async def fact(self, name: str) -> bytes | None:
        """What the source last delivered as the fact of that name; None where it never did."""
        ...

    async def unread(self, objects: Sequence[ObjectIdentity]) -> Sequence[ObjectIdentity]:
        """Those of the given object versions that were never read to their end, in the given order."""
        ...


class Events(Protocol):
    """What a source tells about its own doings; each call is cheap and thread-safe."""

    def http_request(self, code: str, seconds: float) -> None:
        """One HTTP request was answered with `code`, or failed before an answer (`error`, `timeout`).

        Where a library asks in our place, that is what it makes known: its last answer, and the seconds until then.
        """
        ...

    def rate_limit_wait(self, seconds: float) -> None:
        """A request had to wait that long for its turn."""
        ...

    def object_read(self, size: int) -> None:
        """A file or object of `size` stored bytes was read."""
        ...

    def listing_problems(self, count: int) -> None:
        """So many folders and keys could not be listed in the last poll; the rest was."""
        ...

    def object_quarantined(self) -> None:
        """A file or object could not be read time and again, and is left until it changes."""
        ...

    def backlog(self, count: int) -> None:
        """That many things are known and not yet ingested: peers to ask for, objects to read."""
        ...


class Source(Protocol):
    """One configured input."""

    async def poll(self, intake: Intake) -> None:
        """Looks once for what is new or due, and delivers it.

        One bad file, room, peer or answer costs only itself. Raises `PollError` when the source as a whole failed.
        """
        ...


class SourceSettings(Protocol):
    """What the settings of every vendor have."""

    @property
    def name(self) -> str:
        """The source label."""
        ...

    @property
    def poll_seconds(self) -> float:
        """The time between the starts of two polls."""
        ...

    @property
    def keys_as_labels(self) -> Sequence[str]:
        """The application's own keys that become labels of `webrtc_peer_info`."""
        ...

    @property
    def max_key_values(self) -> int:
        """The most values that each of these labels takes."""
        ...

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong between keys: each key's path within the source, and what is wrong and was expected."""
        ...


class UnusableBodyError(Exception):
    """What was sent to a source is not what its sender should send; the text says what is wrong and quotes nothing."""


class Receiver(Struct, frozen=True, kw_only=True):
    """What is sent to a source over HTTP: what the sender has to show, how much is taken, and what it becomes."""

    #: The headers in which the secret may be shown, each with the scheme before it (`Bearer`), empty where it has none.
    headers: tuple[tuple[str, str], ...]
    secret: Secret | None = None
    #: Read at each request, so that the secret can be rotated.
    secret_file: str | None = None
    #: The most bytes of a body, as it is sent.
    most_bytes: int
    #: The most seconds that a body may take to arrive.
    most_seconds: float
    #: Makes deliveries of a body that is complete, given in pieces, and the time (Unix seconds) at which it came. Runs
    #: beside the event loop. Raises `UnusableBodyError`.
    read: Callable[[Iterable[bytes], float], Iterator[Delivery]]


class SavedDocuments(Struct, frozen=True, kw_only=True):
    """A vendor's documents as they lie in files: how to tell them, and what they become."""

    #: Whether a document with this beginning (unpacked; all of it where it is short) may be one of the vendor's.
    looks_like: Callable[[bytes], bool]
    #: Makes deliveries of a document: of the settings of the source that it counts for, its bytes in pieces, and what
    #: to call it in messages. Errors that the pieces raise pass through. Raises `UnusableBodyError`.
    read: Callable[..., Iterator[Delivery]]


class SourceType(Struct, frozen=True, kw_only=True):
    """What a vendor's package defines."""

    #: As written in the configuration, and the value of the `type` label.
    name: str
    #: The msgspec Struct of its part of the configuration (without `type`).
    settings: type[Struct]
    #: Opens a source: an async context manager, so that connections are closed at the end.
    open: Callable[..., AbstractAsyncContextManager[Source]]
    #: Makes, of a source's settings, the receiver of `POST /webhooks/NAME`; None where they configure none.
    webhook: Callable[..., Receiver | None] | None = None
    #: The same for `POST /ingest/NAME`.
    push: Callable[..., Receiver | None] | None = None
    #: What the command `ingest` reads; None where the vendor has no documents.
    saved: SavedDocuments | None = None
    #: Takes, of a source's settings, what is to be shown of who its peers were; None where the vendor does not tell.
    personal_labels: Callable[..., Sequence[PersonalLabel]] | None = None
