"""Polls a store for data streams that are new or changed, and delivers their rooms."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

from exporter.sources.base import Delivery
from exporter.sources.text import printable
from exporter.sources.watchrtc.cloud_options import open_cloud
from exporter.sources.watchrtc.folder import FolderStore
from exporter.sources.watchrtc.location import cloud_bucket, local_folder
from exporter.sources.watchrtc.patience import MOST_TRIES, Patience
from exporter.sources.watchrtc.reader import read_deliveries
from exporter.sources.watchrtc.setbacks import Setbacks
from exporter.sources.watchrtc.stores import ObjectMovedError, ObjectUnreadableError
from exporter.sources.watchrtc.worker import Worker
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from exporter.sources.base import Events, Intake, ObjectIdentity, Source
    from exporter.sources.watchrtc.settings import WatchRtcSettings
    from exporter.sources.watchrtc.stores import Blame, ObjectStore, StoredObject

logger = logging.getLogger(__name__)

#: Objects that are held at once of those that wait; more of them wait for a later poll, the oldest come first.
_MOST_WAITING = 10_000
#: Troubles that one poll adds to the log, each with a line of its own.
_MOST_TOLD = 20


class _NotReadError(Exception):
    """An object was not read to its end and stays in the backlog."""

    def __init__(self, trouble: str, blame: Blame, *, tell: bool = True) -> None:
        super().__init__(trouble)
        #: For the log.
        self.trouble = trouble
        self.blame = blame
        #: Whether to log it at once.
        self.tell = tell


class WatchRtcSource:
    """One store of data streams."""

    def __init__(
        self, settings: WatchRtcSettings, store: ObjectStore, events: Events, worker: Worker | None = None
    ) -> None:
        """Makes the source; nothing is asked yet.

        Args:
            settings: the configuration's.
            store: where the data streams lie.
            events: told what happens.
            worker: in whose steps the store is asked; one of its own by default.
        """
        self._settings = settings
        self._store = store
        self._worker = worker or Worker()
        self._events = events
        self._patience = Patience(settings.poll_seconds)
        self._troubles: frozenset[str] = frozenset()

    async def poll(self, intake: Intake) -> None:
        """Reads what is new, the oldest first; what failed before comes last, so that it is in nobody's way."""
        now = intake.now()
        found = await self._find(intake, now)
        self._patience.keep_only(found.failing)
        left = found.unread
        self._events.backlog(left)
        setbacks = Setbacks()
        for each in found.due():
            try:
                await self._read(each, intake)
            except _NotReadError as error:
                if await self._failed(each, error, intake, now, found.troubles):
                    left -= 1
                    self._events.backlog(left)
                setbacks.failed(error.blame, error.trouble)
            else:
                self._patience.read(each.identity, now)
                left -= 1
                self._events.backlog(left)
                setbacks.read()
        setbacks.end()
        # Not where the poll fails: that tells enough, and each object would say the same.
        self._warn(found.troubles)

    async def _find(self, intake: Intake, now: float) -> _Found:
        """Lists the store page by page, and keeps what is new of each."""
        found = _Found(self._patience.failing)
        problems = 0
        pages = self._store.list_objects()
        with closing(pages):
            while page := await self._worker.run(next, pages, None):
                found.troubles += page.problems
                problems += len(page.problems)
                unread = set(await intake.unread([each.identity for each in page.objects]))
                for each in page.objects:
                    if each.identity in unread:
                        # A time in the future tells of another clock, not of a young file; it must not wait for years.
                        young = abs(now - each.modified) < self._settings.min_object_age
                        due = not young and self._patience.may_try(each.identity, now)
                        found.add(each, due=due)
                        found.troubles += [said] if not due and (said := self._patience.told(each.identity)) else []
        self._events.listing_problems(problems)
        return found

    async def _failed(
        self, each: StoredObject, error: _NotReadError, intake: Intake, now: float, troubles: list[str]
    ) -> bool:
        """Notes a failed read; returns whether the object is given up."""
        name = printable(each.identity.name)
        logger.debug("%s was not read to its end", name, exc_info=error)
        trouble = told(quote(name), ": ", quote(error.trouble)) if error.tell else ""
        if not self._patience.failed(each.identity, error.blame, now, trouble):
            troubles += [trouble] if trouble else []
            return False
        await intake.deliver(Delivery(read_objects=(each.identity,)))
        if each.size:
            # What is empty and not there is how some consoles make folders.
            self._events.object_quarantined()
            given_up = f": given up after {MOST_TRIES} tries, until it changes: "
            troubles.append(told(quote(name), given_up, quote(error.trouble)))
        return True

    async def _read(self, found: StoredObject, intake: Intake) -> None:
        """Delivers one object; parsing one delivery and committing it take turns, so that memory is bounded."""
        chunks = self._store.read_object(found)
        deliveries = read_deliveries(
            chunks,
            self._settings.name,
            self._settings.keys_as_labels,
            document=found.identity.name,
            read_object=found.identity,
        )
        with closing(chunks), closing(deliveries):
            while delivery := await self._worker.run(_next, deliveries):
                await intake.deliver(delivery)
        self._events.object_read(found.size)

    def _warn(self, troubles: list[str]) -> None:
        """Logs a trouble when it begins, not at every poll."""
        new = [trouble for trouble in troubles if trouble not in self._troubles]
        for trouble in new[:_MOST_TOLD]:
            logger.warning("source %s: %s", self._settings.name, trouble)
        if len(new) > _MOST_TOLD:
            logger.warning("source %s: and %d more of the kind", self._settings.name, len(new) - _MOST_TOLD)
        self._troubles = frozenset(troubles)


@asynccontextmanager
async def open_source(settings: WatchRtcSettings, events: Events) -> AsyncIterator[Source]:
    """Opens the store that the settings name."""
    bucket = cloud_bucket(settings.url)
    async with Worker() as worker:
        store = (
            open_cloud(bucket, settings.options(), events.http_request, worker)
            if bucket
            else FolderStore(local_folder(settings.url))
        )
        yield WatchRtcSource(settings, store, events, worker)


class _Found:
    """What a listing brought up that was not read yet."""

    def __init__(self, failing: frozenset[ObjectIdentity]) -> None:
        """Makes it empty.

        Args:
            failing: object versions that could not be read before.
        """
        self._failed_before = failing
        self._waiting: dict[ObjectIdentity, StoredObject] = {}
        #: Objects that are known and not read.
        self.unread = 0
        #: Those of the failing ones that are still there.
        self.failing: set[ObjectIdentity] = set()
        #: For the log.
        self.troubles: list[str] = []

    def add(self, found: StoredObject, *, due: bool) -> None:
        """Takes an object; of those that are due, not many more than `_MOST_WAITING` are held."""
        if found.identity in self._waiting:
            return
        self.unread += 1
        if found.identity in self._failed_before:
            self.failing.add(found.identity)
        if due:
            self._waiting[found.identity] = found
            if len(self._waiting) >= 2 * _MOST_WAITING:
                self._waiting = {each.identity: each for each in self.due()}

    def due(self) -> list[StoredObject]:
        """What to read now, in its order."""
        return sorted(
            self._waiting.values(),
            key=lambda found: (found.identity in self._failed_before, found.modified, found.identity),
        )[:_MOST_WAITING]


def _next(deliveries: Iterator[Delivery]) -> Delivery | None:
    try:
        return next(deliveries, None)
    except ObjectMovedError as error:
        # As a rule the next listing tells: it is gone, or there is another version.
        msg = told("it is listed, but not there in that version")
        raise _NotReadError(msg, "object", tell=False) from error
    except ObjectUnreadableError as error:
        msg = told("cannot be read: ", quote(error))
        raise _NotReadError(msg, error.blame) from error
    except Exception as error:
        # A fault of ours in one file must not keep the others from being read. Its text may hold what the file holds.
        msg = told(f"cannot be read, by a fault of this program: {type(error).__name__}")
        raise _NotReadError(msg, "object") from error
