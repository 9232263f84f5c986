"""The 100ms source: finds finished sessions, asks for each peer's statistics when they are due, hands over reports."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import structs

from exporter.model import Report
from exporter.sources.base import Delivery, PollError, RejectedDocument, digest
from exporter.sources.hundredms.announcements import ask_again, read_announcement
from exporter.sources.hundredms.announcer import Announcer
from exporter.sources.hundredms.answers import AnswerTooLargeError, PauseError, RefusedError, RequestError
from exporter.sources.hundredms.client import ApiClient
from exporter.sources.hundredms.discovery import LARGE_BODY_BYTES
from exporter.sources.hundredms.document import MalformedError
from exporter.sources.hundredms.facts import read_notes
from exporter.sources.hundredms.finder import SessionFinder
from exporter.sources.hundredms.fixed_rooms import remembered_room, room_fact
from exporter.sources.hundredms.outcome import Outcome, settle
from exporter.sources.hundredms.parser import empty_report, parse_peer_stats
from exporter.sources.hundredms.rooms import Rooms
from exporter.sources.hundredms.sessions import read_session
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from exporter.model import Session
    from exporter.sources.base import Events, Intake, Task
    from exporter.sources.hundredms.announcements import Announcement
    from exporter.sources.hundredms.answers import Answer
    from exporter.sources.hundredms.facts import PeerFacts
    from exporter.sources.hundredms.sessions import FoundSession
    from exporter.sources.hundredms.settings import Discovery, HundredMsSettings

logger = logging.getLogger(__name__)

#: Asking goes on for so long before the next poll lists again what is new.
WORK_SECONDS = 300.0
#: Tasks taken from the ledger at once.
BATCH = 5000
#: So many failed calls one after another are no longer those peers' fault: the rest waits for the next poll.
FAILURES_THAT_STOP = 10


@asynccontextmanager
async def open_source(settings: HundredMsSettings, events: Events) -> AsyncIterator[HundredMsSource]:
    """Opens the source; its connections are closed at the end."""
    async with ApiClient(settings, events) as client:
        yield HundredMsSource(settings, client, events)


class _Round:
    """What one poll's calls for peers have come to."""

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.answered = 0
        self.failed_in_a_row = 0
        #: The latest failure of a call.
        self.failure: RequestError | None = None
        #: Why no more peers are asked for in this poll.
        self.stop: PollError | PauseError | None = None

    def answer(self) -> None:
        self.answered += 1
        self.failed_in_a_row = 0

    def fail(self, failure: RequestError) -> None:
        self.failure = failure
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= FAILURES_THAT_STOP:
            message = told(f"{self.failed_in_a_row} calls in a row failed, the last: ", quote(failure))
            self.stop = PollError(failure.reason, message)

    def problem(self, *, listed: bool) -> PollError | None:
        """What is wrong with the source as a whole; single failed calls are not."""
        if isinstance(self.stop, PollError):
            return self.stop
        if self.failure is None or self.answered or (listed and self.failure.reason != "unauthorized"):
            return None
        return PollError(self.failure.reason, str(self.failure))


class HundredMsSource:
    """One 100ms workspace."""

    def __init__(self, settings: HundredMsSettings, client: ApiClient, events: Events) -> None:
        self._settings = settings
        self._client = client
        self._announcer = Announcer(settings, events)
        self._finder = SessionFinder(settings, client, self._announcer)
        self._fixed_are_announced = False
        self._rooms = Rooms(settings, client)

    async def poll(self, intake: Intake) -> None:
        """Lists finished sessions, then asks for every announced session and every peer that is due.

        Raises:
            PollError: sessions could not be listed, the token is not accepted, or no call at all was answered.
        """
        # Before anything else: a restart must not hide what is left to do.
        await self._announcer.count(intake)
        if not self._fixed_are_announced:
            await self._announcer.announce_fixed(intake, self._settings.discovery.sessions)
            self._fixed_are_announced = True
        listing_failure = await self._finder.find(intake) if self._settings.discovery.lookback else None
        round_ = await self._work_due(intake)
        await self._announcer.count(intake)
        if listing_failure:
            raise PollError(listing_failure.reason, str(listing_failure))
        problem = round_.problem(listed=bool(self._settings.discovery.lookback))
        if problem:
            raise problem

    async def _work_due(self, intake: Intake) -> _Round:
        """Works through what was due when it began; what is put off meanwhile waits for the next poll."""
        began = intake.now()
        round_ = _Round(began + WORK_SECONDS)
        while not round_.stop and intake.now() < round_.ends:
            tasks = [task for task in await intake.due_tasks(BATCH) if task.due <= began]
            if not tasks:
                break
            await self._work_batch(intake, tasks, round_)
        return round_

    async def _work_batch(self, intake: Intake, tasks: Sequence[Task], round_: _Round) -> None:
        remaining = iter(tasks)

        async def work() -> None:
            for task in remaining:
                if round_.stop or intake.now() >= round_.ends:
                    return
                await self._work_task(intake, task, round_)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._settings.peer_stats.concurrency, len(tasks))):
                    group.create_task(work())
        except BaseExceptionGroup as failures:
            # What failed is the ledger; whoever polls knows its errors one by one.
            raise failures.exceptions[0] from None

    async def _work_task(self, intake: Intake, task: Task, round_: _Round) -> None:
        announced = read_announcement(task)
        try:
            if announced:
                delivery = await self._look_up(intake, task, announced, round_)
            else:
                delivery = await self._ask_for_peer(intake, task, round_)
        except (PauseError, PollError) as error:
            round_.stop = error
            return
        if delivery.reports:
            described = [await self._rooms.described(report, intake.now()) for report in delivery.reports]
            delivery = structs.replace(delivery, reports=tuple(described))
        await intake.deliver(delivery)
        if task.key in delivery.finished_tasks:
            self._announcer.done(task)

    async def _look_up(self, intake: Intake, task: Task, announced: Announcement, round_: _Round) -> Delivery:
        """Asks for a session that was announced; once it is over its peers become the tasks that listing it makes."""
        finished = Delivery(finished_tasks=(task.key,))
        if not intake.is_mine(announced.session_id):
            return finished
        try:
            answer = await self._call(f"sessions/{announced.session_id}", {}, round_)
            found = await _read_session(answer.body, self._settings.discovery) if answer and answer.found else None
        except AnswerTooLargeError as error:
            logger.warning("session %r was announced, but cannot be read: %s", announced.session_id, error)
            return finished
        except MalformedError as error:
            logger.warning("session %r was announced, but its answer is no session: %s", announced.session_id, error)
            answer = found = None
        if found is None:
            known = answer is None or answer.found
            again = ask_again(task, announced, self._settings, intake.now(), known=known)
            if not again:
                logger.info("session %r was announced, but is not to be had; given up", announced.session_id)
            return Delivery(postponed_tasks=(again,)) if again else finished
        rooms = self._settings.discovery.rooms
        if not rooms or found.session.room_id in rooms:
            await self._announcer.announce(intake, [found])
        return finished

    async def _ask_for_peer(self, intake: Intake, task: Task, round_: _Round) -> Delivery:
        notes = read_notes(task)
        session_id = notes.session.session_id
        room_id = notes.session.room_id or await remembered_room(intake, session_id)
        session = notes.session.session(self._settings.name, room_id)
        if notes.peer is None:
            return Delivery(reports=(Report(session=session),), finished_tasks=(task.key,))
        peer = notes.peer.known_as(self._settings.discovery.personal_labels)
        outcome = await self._ask(session, peer, round_)
        delivery = settle(task, notes, outcome, empty_report(session, peer), self._settings, intake.now())
        answered_room = outcome.report.session.key.room_id if outcome.report else ""
        if answered_room in {"", room_id}:
            return delivery
        return structs.replace(delivery, facts=(room_fact(session_id, answered_room),))

    async def _ask(self, session: Session, peer: PeerFacts, round_: _Round) -> Outcome:
        """Asks for the statistics of one peer.

        Raises:
            PauseError: the vendor wants no calls now.
            PollError: there is no token that the vendor accepts.
        """
        query = {"session_id": session.key.session_id, "peer_id": peer.peer_id}
        try:
            answer = await self._call("analytics/peer-stats", query, round_)
        except AnswerTooLargeError as error:
            name = digest(f"{session.key.session_id}/{peer.peer_id}".encode())
            message = told(quote(query), ": ", quote(error))
            rejected = RejectedDocument(
                reason="too_large", digest=name, message=message, session_id=session.key.session_id
            )
            return Outcome(rejected=rejected, answered=True, final=True)
        if answer is None:
            return Outcome()
        if not answer.found:
            return Outcome(answered=True, date=answer.date)
        return structs.replace(await _parse(answer.body, session, peer), date=answer.date)

    async def _call(self, path: str, query: Mapping[str, str], round_: _Round) -> Answer | None:
        """Makes a call of a round; None where it failed.

        Raises:
            AnswerTooLargeError: the answer does not fit into memory.
            PauseError: the vendor wants no calls now.
            PollError: there is no token that the vendor accepts.
        """
        try:
            answer = await self._client.get(path, query)
        except PauseError:
            raise
        except AnswerTooLargeError:
            round_.answer()
            raise
        except RequestError as error:
            if isinstance(error, RefusedError) and error.is_about_token:
                raise PollError(error.reason, str(error)) from None
            logger.info("%s %s: %s", path, dict(query), error)
            round_.fail(error)
            return None
        round_.answer()
        return answer


async def _read_session(body: bytes, discovery: Discovery) -> FoundSession | None:
    asked = discovery.exclude_roles, discovery.personal_labels
    try:
        if len(body) < LARGE_BODY_BYTES:
            return read_session(body, *asked)
        return await asyncio.to_thread(read_session, body, *asked)
    except MalformedError:
        raise
    except Exception as error:
        # As in `_parse`: what finds a fault of ours must not stop all others in every poll.
        logger.exception("a session's answer could not be read")
        message = type(error).__name__
        raise MalformedError(message) from error


async def _parse(body: bytes, session: Session, peer: PeerFacts) -> Outcome:
    try:
        if len(body) < LARGE_BODY_BYTES:
            parsed = parse_peer_stats(body, session, peer)
        else:
            parsed = await asyncio.to_thread(parse_peer_stats, body, session, peer)
    except Exception:
        # A document that finds a fault of ours must not stand first in every poll and stop all others.
        logger.exception("session %r, peer %r: the answer could not be read", session.key.session_id, peer.peer_id)
        return Outcome()
    if isinstance(parsed, RejectedDocument):
        return Outcome(rejected=parsed)
    return Outcome(report=parsed, answered=True)
