"""The rooms of sessions that the configuration names without one: learnt from the first answer, kept over restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources.base import Fact

if TYPE_CHECKING:
    from exporter.sources.base import Intake


class FixedRooms:
    """Tells the room of a session, so that a peer that nothing ever comes of counts where the others count."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    async def room_of(self, intake: Intake, session_id: str) -> str:
        """The room's id; empty where no answer told it yet."""
        if session_id not in self._known:
            remembered = await intake.fact(_fact_name(session_id))
            # An answer may have come meanwhile.
            self._known.setdefault(session_id, (remembered or b"").decode())
        return self._known[session_id]

    def learn(self, session_id: str, room_id: str) -> tuple[Fact, ...]:
        """Takes what an answer says, and gives what is to be remembered of it, along with the answer itself.

        Again with each answer: the first one's delivery may have failed.
        """
        if not room_id:
            return ()
        self._known[session_id] = room_id
        return (Fact(_fact_name(session_id), room_id.encode()),)


def _fact_name(session_id: str) -> str:
    return f"room/{session_id}"
