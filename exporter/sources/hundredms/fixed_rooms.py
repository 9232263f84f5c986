"""The rooms of sessions that the configuration names without one: answers tell them, and the state remembers them.

So that a peer that nothing ever comes of counts where the others count, after a restart too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources.base import Fact

if TYPE_CHECKING:
    from exporter.sources.base import Intake


async def remembered_room(intake: Intake, session_id: str) -> str:
    """The id of the session's room; empty where no answer told it yet."""
    return (await intake.fact(_fact_name(session_id)) or b"").decode()


def room_fact(session_id: str, room_id: str) -> Fact:
    """What is to be remembered, along with the answer that told it."""
    return Fact(_fact_name(session_id), room_id.encode())


def _fact_name(session_id: str) -> str:
    return f"room/{session_id}"
