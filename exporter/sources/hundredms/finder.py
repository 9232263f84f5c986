"""Finds finished sessions: those of the look-back at each poll, and what was missed, bit by bit, after a downtime."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from exporter.sources.base import Delivery, Fact, PollError
from exporter.sources.hundredms import horizon
from exporter.sources.hundredms.answers import PauseError, RequestError
from exporter.sources.hundredms.discovery import Which, list_pages
from exporter.sources.hundredms.horizon import Listed, Stretch

if TYPE_CHECKING:
    from exporter.sources.base import Intake
    from exporter.sources.hundredms.announcer import Announcer
    from exporter.sources.hundredms.client import ApiClient
    from exporter.sources.hundredms.sessions import FoundSession, Page
    from exporter.sources.hundredms.settings import HundredMsSettings

logger = logging.getLogger(__name__)

#: What was missed is listed for so long before the poll goes on to ask for peers.
MISSED_SECONDS = 60.0
#: How far was listed is written down that often: an older mark only makes the next process list a little more.
MARK_SECONDS = 300.0


class SessionFinder:
    """Lists the sessions of one source and hands their tasks over."""

    def __init__(self, settings: HundredMsSettings, client: ApiClient, announcer: Announcer) -> None:
        self._settings = settings
        self._client = client
        self._announcer = announcer
        #: Sessions and rejected rows of the look-back that the ledger knows, so that it is not asked at each poll.
        self._known: set[object] = set()
        #: How far each configured room was listed (empty: all rooms), and how far that is written down.
        self._listed: dict[str, Listed | None] = {}
        self._written: dict[str, Listed | None] = {}
        #: By how much the vendor's clock is ahead of ours; None before it told the time.
        self._ahead: float | None = None

    async def find(self, intake: Intake) -> RequestError | None:
        """Lists what is new and what was missed.

        A failure that still lets peers be asked for is returned, any other one raised.

        Raises:
            PollError: the vendor cannot be asked.
        """
        failure = None
        seen: set[object] = set()
        ends = intake.now() + MISSED_SECONDS
        for room_id in self._settings.discovery.rooms or ("",):
            try:
                await self._list_recent(intake, room_id, seen)
                await self._list_missed(intake, room_id, ends)
            except RequestError as error:
                if isinstance(error, PauseError) or error.reason not in {"http_status", "malformed"}:
                    raise PollError(error.reason, str(error)) from None
                failure = error
        if failure is None:
            self._known = seen
        return failure

    async def _list_recent(self, intake: Intake, room_id: str, seen: set[object]) -> None:
        discovery = self._settings.discovery
        began = intake.now()
        listed = await self._progress(intake, room_id)
        plan = horizon.plan(listed, self._vendor_time(began), discovery)
        if plan.missed and not (listed and listed.missed):
            logger.info("%s: sessions are caught up with: %s", self._settings.name, _described(plan.missed))
        async for page in list_pages(self._client, discovery, Which(since=plan.since, room_id=room_id)):
            await self._take(intake, page, seen)
        # By what is known of the vendor's clock now: the first listing of a process is made before it told the time.
        await self._note(intake, room_id, Listed(at=self._vendor_time(began), missed=plan.missed))

    async def _list_missed(self, intake: Intake, room_id: str, ends: float) -> None:
        """Lists what was missed from its end to its beginning, until a listing of what is left goes no further."""
        listed = await self._progress(intake, room_id)
        while listed and listed.missed:
            before = left = listed.missed
            which = Which(since=before.since, until=before.until, room_id=room_id)
            async with aclosing(list_pages(self._client, self._settings.discovery, which)) as pages:
                async for page in pages:
                    await self._take(intake, page, None)
                    left = horizon.narrowed(left, page.starts)
                    if left != listed.missed:
                        # At each page: a listing that is cut short goes on from here, in another process, too.
                        listed = structs.replace(listed, missed=left)
                        await self._note(intake, room_id, listed)
                    if page.cursor and left != before and intake.now() >= ends:
                        return
            if left == before:
                listed = structs.replace(listed, missed=None)
                await self._note(intake, room_id, listed)
                logger.info("%s: what was missed is listed", self._settings.name)
            elif intake.now() >= ends:
                return

    async def _take(self, intake: Intake, page: Page, seen: set[object] | None) -> None:
        """Hands over what is new of a page; `seen` remembers it, None for sessions that are not listed again."""
        if page.date is not None:
            self._ahead = page.date - intake.now()
        rejected = [each for each in page.rejected if each.digest not in self._known]
        if rejected:
            await intake.deliver(Delivery(rejected=tuple(rejected)))
        fresh = {_fingerprint(each): each for each in page.found if _fingerprint(each) not in self._known}
        await self._announcer.announce(intake, fresh.values(), missed=seen is None)
        if seen is not None:
            handled = {each.digest for each in page.rejected} | {_fingerprint(each) for each in page.found}
            seen |= handled
            self._known |= handled

    def _vendor_time(self, ours: float) -> float:
        return horizon.vendor_time(ours, self._ahead)

    async def _progress(self, intake: Intake, room_id: str) -> Listed | None:
        if room_id not in self._listed:
            listed = _decoded(await intake.fact(_fact_name(room_id)))
            if listed is None and room_id:
                # A room that is chosen now was listed with all others as long as none was chosen.
                listed = _decoded(await intake.fact(_fact_name("")))
            self._listed[room_id] = self._written[room_id] = listed
        return self._listed[room_id]

    async def _note(self, intake: Intake, room_id: str, listed: Listed) -> None:
        self._listed[room_id] = listed
        written = self._written[room_id]
        if written and written.missed == listed.missed and 0 <= listed.at - written.at < MARK_SECONDS:
            return
        await intake.deliver(Delivery(facts=(Fact(_fact_name(room_id), msgspec.json.encode(listed)),)))
        self._written[room_id] = listed


def _fact_name(room_id: str) -> str:
    return f"listed/{room_id}"


def _decoded(raw: bytes | None) -> Listed | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=Listed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Written by another version: as at the first start.
        return None


def _described(missed: Stretch) -> str:
    return f"those that started in {(missed.until - missed.since) / 3600.0:.1f} hours before the look-back"


def _fingerprint(found: FoundSession) -> tuple[str, int]:
    """Tells a session that was handed over from one that has got more peers since."""
    return found.session.session_id, len(found.peers)
