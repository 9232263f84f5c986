"""Sessions that a webhook announced: tasks to ask for them, and when that is worth another try.

Pure rules; all times are Unix seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from msgspec import Struct, structs

from exporter.sources.base import ASIDE, Task
from exporter.sources.hundredms.schedule import ATTEMPTS_WITHOUT_ANSWER, SHORTEST_RETRY_SECONDS

if TYPE_CHECKING:
    from exporter.sources.hundredms.settings import HundredMsSettings

#: What is known of the session: that it is over, or that somebody has left it.
News: TypeAlias = Literal["closed", "left"]

#: What the keys of tasks begin with that ask whether a session is over that somebody has left.
_LEFT = f"{ASIDE}left:"
#: A session that goes on is asked for after the poll interval, then twice that, up to this.
LONGEST_GAP_SECONDS = 1800.0
#: A session that the vendor does not know may only be not there yet, for that long.
UNKNOWN_SECONDS = 3600.0
#: No session lasts longer (https://www.100ms.live/docs/server-side/v2/api-reference/Sessions/object).
LONGEST_SESSION_SECONDS = 12 * 3600.0


class Announcement(Struct, frozen=True, kw_only=True):
    """The notes of a task that asks for a session."""

    session_id: str
    #: When the webhook came.
    at: float


def announcement_task(session_id: str, news: News, settings: HundredMsSettings, now: float) -> Task:
    """The task to ask for a session: at once when it is over, else later, as its end may never be announced.

    Both kinds of news have a task of their own: one for both would let the first leave decide when a session of hours
    is asked for.
    """
    # Without a slash, which every key of a peer's task has (`exporter.sources.hundredms.facts.task_key`).
    key = f"{_LEFT if news == 'left' else 'closed:'}{session_id}"
    due = now if news == "closed" else now + settings.peer_stats.settle_delay
    return Task(key=key, due=due, notes=msgspec.json.encode(Announcement(session_id=session_id, at=now)))


def read_announcement(task: Task) -> Announcement | None:
    """Reads a task that asks for a session; None where it asks for a peer."""
    if "/" in task.key:
        return None
    try:
        return msgspec.json.decode(task.notes, type=Announcement)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The notes of another version: the key says what is needed.
        return Announcement(session_id=task.key.partition(":")[2], at=task.due)


def ask_again(
    task: Task, announced: Announcement, settings: HundredMsSettings, now: float, *, known: bool
) -> Task | None:
    """The task for the next try, with growing gaps; None where it is time to give up.

    Args:
        task: what was tried.
        announced: its notes.
        settings: the waits.
        now: when it was tried.
        known: whether the session goes on or the call failed; else the vendor does not know it.
    """
    longest = LONGEST_SESSION_SECONDS + settings.peer_stats.give_up_after
    deadline = announced.at + (longest if known else UNKNOWN_SECONDS)
    # A few tries in any case: the exporter may have been down when they were due.
    if now >= deadline and task.attempts + 1 >= ATTEMPTS_WITHOUT_ANSWER:
        return None
    first = max(settings.poll_seconds, SHORTEST_RETRY_SECONDS)
    gap = min(first * 2.0 ** min(task.attempts, 16), LONGEST_GAP_SECONDS)
    return structs.replace(task, due=now + gap, attempts=task.attempts + 1)
