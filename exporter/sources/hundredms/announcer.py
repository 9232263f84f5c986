"""Found sessions become tasks of the ledger, and the backlog is what of them is not ingested yet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from exporter.sources.base import ASIDE, Delivery, SkippedPeers
from exporter.sources.hundredms import schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.sources.base import Events, Intake, Task
    from exporter.sources.hundredms.sessions import FoundSession
    from exporter.sources.hundredms.settings import FixedSession, HundredMsSettings

logger = logging.getLogger(__name__)

#: New tasks handed over at once: a session may have 20 000 peers.
TASKS_PER_DELIVERY = 1000


class Announcer:
    """Hands over the tasks of one source, and tells what is left to do."""

    def __init__(self, settings: HundredMsSettings, events: Events) -> None:
        self._settings = settings
        self._events = events
        self._backlog = 0
        #: When the next peer of a session that was missed may be asked for, in Unix seconds.
        self._free_from = 0.0

    async def count(self, intake: Intake) -> None:
        """Tells the backlog as the ledger has it: that of a process before this one, too, and what a webhook added."""
        self._tell(await intake.waiting_tasks())

    def done(self, task: Task) -> None:
        """A task is finished, or only looks for more from now on."""
        if not task.key.startswith(ASIDE):
            self._tell(self._backlog - 1)

    async def announce(self, intake: Intake, sessions: Iterable[FoundSession], *, missed: bool = False) -> None:
        """Hands over the tasks of sessions that were found; what is known of them stays as it is.

        Args:
            intake: the ledger.
            sessions: with their peers.
            missed: in a downtime: their peers take every other request only, so that those of today need not wait for
                a month's.
        """
        now = intake.now()
        tasks: list[Task] = []
        skipped: list[SkippedPeers] = []
        for found in sessions:
            if not intake.is_mine(found.session.session_id):
                continue
            skipped += self._skipped(found)
            for task in schedule.new_tasks(found, self._settings.peer_stats, now):
                tasks.append(task)
                if len(tasks) == TASKS_PER_DELIVERY:
                    await self._deliver(intake, tasks, skipped, missed=missed)
                    tasks, skipped = [], []
        await self._deliver(intake, tasks, skipped, missed=missed)

    async def announce_fixed(self, intake: Intake, sessions: Iterable[FixedSession]) -> None:
        """Hands over the tasks of sessions that the configuration names."""
        now = intake.now()
        mine = [each for each in sessions if intake.is_mine(each.session_id)]
        tasks = [task for each in mine for task in schedule.fixed_tasks(each, now)]
        await self._deliver(intake, tasks, [], missed=False)

    async def _deliver(
        self, intake: Intake, tasks: Sequence[Task], skipped: Sequence[SkippedPeers], *, missed: bool
    ) -> None:
        if not tasks:
            return
        pause = 2.0 / self._settings.peer_stats.requests_per_second
        begin = max(self._free_from, intake.now())
        if missed:
            tasks = schedule.spread(tasks, begin, pause)
        receipt = await intake.deliver(Delivery(new_tasks=tuple(tasks), skipped_peers=tuple(skipped)))
        if missed:
            # Those that were known already have their time.
            self._free_from = begin + pause * receipt.tasks
        self._tell(self._backlog + receipt.tasks)

    def _skipped(self, found: FoundSession) -> list[SkippedPeers]:
        most, session_id = self._settings.peer_stats.max_peers_per_session, found.session.session_id
        if not 0 < most < len(found.peers):
            return []
        logger.info(
            "session %r: asking for %d of its %d peers, as max_peers_per_session says",
            session_id,
            most,
            len(found.peers),
        )
        return [SkippedPeers(session_id, len(found.peers) - most)]

    def _tell(self, backlog: int) -> None:
        self._backlog = max(0, backlog)
        self._events.backlog(self._backlog)
