"""What asking for one peer gave, and what follows from it: what is handed over and when the peer is asked for again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.model import Report
from exporter.sources.base import Delivery, RejectedDocument
from exporter.sources.hundredms import schedule
from exporter.sources.hundredms.parser import has_data

if TYPE_CHECKING:
    from exporter.sources.base import Task
    from exporter.sources.hundredms.facts import Notes
    from exporter.sources.hundredms.settings import HundredMsSettings

logger = logging.getLogger(__name__)


class Outcome(Struct, frozen=True, kw_only=True):
    """Statistics, an empty answer, a document that is none, or no answer at all."""

    #: What the vendor's answer says, with data or without.
    report: Report | None = None
    rejected: RejectedDocument | None = None
    #: Whether the vendor said what there is, if only that there is nothing.
    answered: bool = False
    #: When it said so, by its own clock, in Unix seconds; None where it did not tell the time.
    date: float | None = None
    #: Asking again would give the same.
    final: bool = False


def settle(
    task: Task,
    notes: Notes,
    outcome: Outcome,
    nothing: Report,
    settings: HundredMsSettings,
    now: float,
) -> Delivery:
    """Decides what becomes of a task.

    Args:
        task: what was asked for.
        notes: its notes.
        outcome: what came of it.
        nothing: the report to hand over when it is given up.
        settings: the waits.
        now: Unix seconds.
    """
    report = outcome.report
    reports: tuple[Report, ...] = ()
    again = None
    if report and has_data(report):
        reports = (report,)
        again = schedule.after_data(task, notes, settings, now)
    elif not outcome.final:
        again = schedule.after_nothing(task, notes, settings, now, answered=outcome.answered, date=outcome.date)
    if not reports and not again and not notes.delivered:
        logger.info("%r: no statistics came in time, the peer counts as unclassified", task.key)
        reports = (report or nothing,)
    same = again is not None and again.key == task.key
    return Delivery(
        reports=reports,
        rejected=(outcome.rejected,) if outcome.rejected else (),
        new_tasks=(again,) if again and not same else (),
        postponed_tasks=(again,) if again and same else (),
        finished_tasks=() if same else (task.key,),
    )
