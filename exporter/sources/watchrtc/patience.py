"""When an object that could not be read is tried again, and when no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from exporter.sources.base import ObjectIdentity
    from exporter.sources.watchrtc.stores import Blame

#: Tries that an object gets before it is left for good.
MOST_TRIES = 5
#: The longest wait between two tries in seconds, unless polls are further apart.
_LONGEST_WAIT = 300.0


class _Trouble(Struct):
    """What is remembered of an object version that could not be read."""

    #: Unix seconds of the poll in which it first failed.
    since: float
    #: Unix seconds before which it is not tried again.
    due: float
    #: Reads in vain, whatever the cause.
    failures: int = 0
    #: Those of them that speak against the object.
    tries: int = 0
    #: What the log was told of it.
    told: str = ""


class Patience:
    """Remembers, while the process runs, which object versions could not be read. After a restart all are tried again.

    A store that is down, and credentials that no longer do, make every object fail; such objects are tried again for as
    long as it takes. What counts against an object is that it breaks off or is not there, and that it may not be read
    while others may.
    """

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._troubles: dict[ObjectIdentity, _Trouble] = {}
        self._last_read: float | None = None

    def may_try(self, identity: ObjectIdentity, now: float) -> bool:
        """Whether an object is due; what never failed always is."""
        trouble = self._troubles.get(identity)
        return trouble is None or trouble.due <= now

    def told(self, identity: ObjectIdentity) -> str:
        """What the log was told of an object that is not due, so that it is not told again; empty where nothing."""
        trouble = self._troubles.get(identity)
        return "" if trouble is None else trouble.told

    def read(self, identity: ObjectIdentity, now: float) -> None:
        """Notes that an object was read in a poll that began then (Unix seconds)."""
        self._last_read = now
        self._troubles.pop(identity, None)

    def failed(self, identity: ObjectIdentity, blame: Blame, now: float, told: str = "") -> bool:
        """Notes that an object could not be read in a poll that began then; returns whether to leave it for good."""
        trouble = self._troubles.setdefault(identity, _Trouble(since=now, due=now))
        trouble.failures += 1
        trouble.told = told
        others_are_read = self._last_read is not None and self._last_read >= trouble.since
        if blame == "object" or (blame == "permission" and others_are_read):
            trouble.tries += 1
        longest = max(self._poll_seconds, _LONGEST_WAIT)
        trouble.due = now + min(self._poll_seconds * 2.0 ** min(trouble.failures - 1, 32), longest)
        return trouble.tries >= MOST_TRIES

    def keep_only(self, unread: AbstractSet[ObjectIdentity]) -> None:
        """Forgets objects that are no longer there, or were replaced."""
        for identity in self._troubles.keys() - unread:
            del self._troubles[identity]

    @property
    def failing(self) -> frozenset[ObjectIdentity]:
        """The object versions that are remembered."""
        return frozenset(self._troubles)
