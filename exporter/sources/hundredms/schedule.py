"""When a peer is asked for: after the session has settled, again while nothing is there, once more for late data.

Pure rules; all times are Unix seconds and count from the session's end.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec import structs

from exporter.sources.base import Task
from exporter.sources.hundredms.facts import Notes, PeerFacts, SessionFacts, recheck_key, task_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.sources.hundredms.sessions import FoundSession
    from exporter.sources.hundredms.settings import FixedSession, HundredMsSettings, PeerStats

#: What is not ready is asked for again after the poll interval, then twice that, up to this.
LONGEST_RETRY_SECONDS = 300.0
#: A poll interval of zero must not make retries without end.
SHORTEST_RETRY_SECONDS = 1.0
#: A failed call says nothing about the peer: past the deadline it is tried up to so often before it is given up.
ATTEMPTS_WITHOUT_ANSWER = 5
#: More tries than there is time for until the deadline, beside those at the longest gap.
_ATTEMPTS_AT_FIRST = 16


def new_tasks(found: FoundSession, settings: PeerStats, now: float) -> Iterator[Task]:
    """The tasks of a session that was found: one for each peer; of a session without peers one, to report just that."""
    session = found.session
    # An end in the future is a clock that is wrong: waiting for it could take for ever.
    ended = min(found.ended or now, now)
    if not found.peers:
        notes = Notes(session=session, peer=None, ended=ended)
        yield Task(key=task_key(session.session_id, ""), due=now, notes=notes.encode())
    for peer in sample(found.peers, settings.max_peers_per_session):
        notes = Notes(session=session, peer=peer, ended=ended)
        key = task_key(session.session_id, peer.peer_id)
        yield Task(key=key, due=ended + settings.settle_delay, notes=notes.encode())


def fixed_tasks(fixed: FixedSession, now: float) -> Iterator[Task]:
    """The tasks of a session that the configuration names; all times count from now, when it is first seen."""
    session = SessionFacts(session_id=fixed.session_id, room_id=fixed.room_id)
    for peer_id in fixed.peer_ids:
        notes = Notes(session=session, peer=PeerFacts(peer_id=peer_id), ended=now)
        yield Task(key=task_key(fixed.session_id, peer_id), due=now, notes=notes.encode())


def sample(peers: Sequence[PeerFacts], most: int) -> Sequence[PeerFacts]:
    """At most so many of the peers, the same ones whenever they are drawn; all where `most` is 0."""
    if not 0 < most < len(peers):
        return peers
    return sorted(peers, key=lambda peer: blake2b(peer.peer_id.encode(), digest_size=8).digest())[:most]


def spread(tasks: Sequence[Task], begin: float, pause: float) -> list[Task]:
    """The same tasks, each due so many seconds after the one before it at the earliest, from `begin` on."""
    return [structs.replace(task, due=max(task.due, begin + pause * at)) for at, task in enumerate(tasks)]


def after_data(task: Task, notes: Notes, settings: HundredMsSettings, now: float) -> Task | None:
    """The task for the next look at statistics that may have grown; None where there is none ahead.

    It has a key of its own, which tells it from those of peers that are still waited for.
    """
    ahead = (notes.ended + wait for wait in settings.peer_stats.recheck_after if notes.ended + wait > now)
    due = min(ahead, default=None)
    if due is None:
        return None
    return Task(key=recheck_key(task.key), due=due, notes=structs.replace(notes, delivered=True).encode())


def after_nothing(
    task: Task, notes: Notes, settings: HundredMsSettings, now: float, *, answered: bool, date: float | None = None
) -> Task | None:
    """The task for the next try, with growing gaps; None where it is time to give up.

    Args:
        task: what was tried.
        notes: its notes.
        settings: the waits.
        now: Unix seconds.
        answered: whether the vendor said that there is nothing; else the call failed.
        date: when it said so, by its own clock, in Unix seconds; None where it did not tell the time.
    """
    if answered and notes.delivered:
        return after_data(task, notes, settings, now)
    patience = settings.peer_stats.give_up_after
    deadline = notes.ended + patience
    enough = ATTEMPTS_WITHOUT_ANSWER
    if answered:
        # A clock of ours that jumped ahead must not give up everybody who is waited for. But a proxy may make up the
        # time, too: then they are given up after as many tries as there would have been.
        early = date is not None and date < deadline
        enough = _ATTEMPTS_AT_FIRST + int(patience / LONGEST_RETRY_SECONDS) if early else 0
    if now >= deadline and task.attempts + 1 >= enough:
        return None
    doublings = min(task.attempts, 16)
    gap = min(max(settings.poll_seconds, SHORTEST_RETRY_SECONDS) * 2.0**doublings, LONGEST_RETRY_SECONDS)
    # The last try is made at the deadline itself, not up to a gap later.
    due = min(now + gap, deadline) if now < deadline else now + gap
    return structs.replace(task, due=due, attempts=task.attempts + 1)
