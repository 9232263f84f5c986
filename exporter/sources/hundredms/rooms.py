"""Names and templates of rooms, asked for when a report of the room is to be handed over, remembered for a while."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from exporter.sources.base import PollError
from exporter.sources.hundredms.answers import PauseError, RequestError
from exporter.sources.hundredms.document import MalformedError, clean_text, decode
from exporter.sources.hundredms.webhook import is_plain_id

if TYPE_CHECKING:
    from exporter.model import Report
    from exporter.sources.hundredms.client import ApiClient
    from exporter.sources.hundredms.settings import HundredMsSettings

logger = logging.getLogger(__name__)

#: A room can be renamed, and moved to another template.
FRESH_SECONDS = 3600.0
#: A room that could not be had is left in peace so long; all are, where the failure took its time: every report
#: would wait for the next one.
REST_SECONDS = 300.0
_COSTS_TIME: Final = frozenset({"timeout", "unreachable"})
#: Rooms that are remembered; the longest known are forgotten first.
MOST_ROOMS = 10_000
#: A report waits no longer for its room's name than this, and its turn.
PATIENCE_SECONDS = 15.0

# The vendor makes one up where an application gives no name: it says no more than the id.
_MADE_UP = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class RoomFacts(Struct, frozen=True):
    """What labels say of a room; empty where nothing is known."""

    name: str = ""
    template: str = ""


class _Known(Struct, frozen=True):
    facts: RoomFacts
    #: Unix seconds.
    until: float


class Rooms:
    """The rooms of one source, as far as this process has asked for them."""

    def __init__(self, settings: HundredMsSettings, client: ApiClient) -> None:
        stats = settings.peer_stats
        self._source = settings.name
        self._client = client
        self._patience = PATIENCE_SECONDS + 2.0 * stats.concurrency / stats.requests_per_second
        self._known: dict[str, _Known] = {}
        self._rests_until = 0.0
        # Peers of one session are handed over at the same time: one asks, the others wait for what it learns.
        self._asking = asyncio.Lock()

    async def described(self, report: Report, now: float) -> Report:
        """The report with its room's name and template, where they can be had; never a failure. `now`: Unix seconds."""
        facts = await self._facts(report.session.key.room_id, now)
        session = structs.replace(report.session, room_name=facts.name, template=facts.template)
        return structs.replace(report, session=session)

    async def _facts(self, room_id: str, now: float) -> RoomFacts:
        if not self._is_fresh(room_id, now) and is_plain_id(room_id):
            async with self._asking:
                if not self._is_fresh(room_id, now):
                    await self._ask(room_id, now)
        known = self._known.get(room_id)
        # An old name is better than none: a session's label would else change from report to report.
        return known.facts if known else RoomFacts()

    def _is_fresh(self, room_id: str, now: float) -> bool:
        known = self._known.get(room_id)
        return now < self._rests_until or (known is not None and now < known.until)

    async def _ask(self, room_id: str, now: float) -> None:
        known = self._known.pop(room_id, None)
        facts, until = known.facts if known else RoomFacts(), now + REST_SECONDS
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._client.get(f"rooms/{room_id}", {})
            facts = read_room(answer.body) if answer.found else RoomFacts()
            until = now + FRESH_SECONDS if answer.found else until
        except (MalformedError, PollError, RequestError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            logger.info("%s: room %s: its name and template cannot be had: %s", self._source, room_id, why)
            if isinstance(error, PauseError | TimeoutError) or getattr(error, "reason", "") in _COSTS_TIME:
                self._rests_until = until
        self._known[room_id] = _Known(facts, until)
        while len(self._known) > MOST_ROOMS:
            del self._known[next(iter(self._known))]


def read_room(raw: bytes) -> RoomFacts:
    """Reads the answer of `GET /v2/rooms/{id}`. A name that the vendor made up is none.

    The template goes by its name, and by its id where the vendor gives no name (it calls that field deprecated).
    https://www.100ms.live/docs/server-side/v2/api-reference/Rooms/retrieve-room

    Raises:
        MalformedError: the answer is no JSON object.
    """
    room = decode(raw)
    if not isinstance(room, dict):
        message = f"expected a room, got {type(room).__name__}"
        raise MalformedError(message)
    name = clean_text(room.get("name"))
    template = clean_text(room.get("template")) or clean_text(room.get("template_id"))
    return RoomFacts("" if _MADE_UP.fullmatch(name) else name, template)
