"""Polls a store for data streams that are new or changed, and delivers their rooms."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from exporter.sources.watchrtc.folder import FolderStore
from exporter.sources.watchrtc.reader import printable, read_deliveries
from exporter.sources.watchrtc.settings import WatchRtcSettings, local_folder
from exporter.sources.watchrtc.stores import ObjectMovedError, ObjectUnreadableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from exporter.sources.base import Delivery, Events, Intake, Source
    from exporter.sources.watchrtc.stores import ObjectStore, StoredObject

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _NotReadError(Exception):
    """An object was not read to its end and stays in the backlog."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__(trouble)
        #: For the log; empty where the object merely changed or vanished, and the next poll will tell.
        self.trouble = trouble


class WatchRtcSource:
    """One store of data streams."""

    def __init__(self, settings: WatchRtcSettings, store: ObjectStore, events: Events) -> None:
        self._settings = settings
        self._store = store
        self._events = events
        self._troubles: frozenset[str] = frozenset()

    async def poll(self, intake: Intake) -> None:
        """Reads what is new, the oldest first. A file that cannot be read stays in the backlog and is tried again."""
        listing = await _in_thread(self._store.list_objects)
        unread = set(await intake.unread([found.identity for found in listing.objects]))
        waiting = sorted(
            (found for found in listing.objects if found.identity in unread),
            key=lambda found: (found.modified, found.identity),
        )
        left = len(waiting)
        self._events.backlog(left)
        troubles = list(listing.problems)
        now = intake.now()
        for found in waiting:
            # A time in the future tells of another clock, not of a young file; such a file must not wait for years.
            if abs(now - found.modified) < self._settings.min_object_age:
                continue
            try:
                await self._read(found, intake)
            except _NotReadError as error:
                name = printable(found.identity.name)
                logger.debug("%s was not read to its end", name, exc_info=error)
                if error.trouble:
                    troubles.append(f"{name}: {error.trouble}")
            else:
                left -= 1
                self._events.backlog(left)
        self._warn(troubles)

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
            while delivery := await _in_thread(_next, deliveries):
                await intake.deliver(delivery)
        self._events.object_read(found.size)

    def _warn(self, troubles: list[str]) -> None:
        """Logs a trouble when it begins, not at every poll."""
        for trouble in troubles:
            if trouble not in self._troubles:
                logger.warning("source %s: %s", self._settings.name, trouble)
        self._troubles = frozenset(troubles)


@asynccontextmanager
async def open_source(settings: WatchRtcSettings, events: Events) -> AsyncIterator[Source]:
    """Opens the store that the settings name."""
    yield WatchRtcSource(settings, FolderStore(local_folder(settings.url)), events)


def _next(deliveries: Iterator[Delivery]) -> Delivery | None:
    try:
        return next(deliveries, None)
    except ObjectMovedError as error:
        raise _NotReadError from error
    except ObjectUnreadableError as error:
        msg = f"cannot be read: {error}"
        raise _NotReadError(msg) from error
    except Exception as error:
        # A fault of ours in one file must not keep the others from being read. Its text may hold what the file holds.
        msg = f"cannot be read, by a fault of this program: {type(error).__name__}"
        raise _NotReadError(msg) from error


async def _in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs a blocking step beside the event loop.

    A caller that is cancelled waits for the step to end: a generator cannot be closed while it runs.
    """
    step = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        # Asked for, or asyncio complains at some later time that nobody did.
        step.exception()
        raise
