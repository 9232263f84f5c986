"""When reads that fail speak against the store as a whole, and not against single objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources.base import PollError
from exporter.told import quote, told

if TYPE_CHECKING:
    from exporter.sources.base import PollFailure
    from exporter.sources.watchrtc.stores import Blame

#: Reads in a row that the store did not answer; then it is not asked any more until the next poll.
_MOST_UNANSWERED = 3
#: Reads in a row that were refused, while nothing could be read: as many as are asked for in vain.
_MOST_REFUSED = 100
#: As many are no matter of single objects, if they are all that there was to read.
_FEWEST_REFUSED = 3


class Setbacks:
    """The failed reads of one poll, as they follow one another."""

    def __init__(self) -> None:
        self._blame: Blame | None = None
        self._in_a_row = 0
        self._was_read = False
        self._trouble = ""

    def read(self) -> None:
        """Notes that an object was read."""
        self._in_a_row = 0
        self._was_read = True

    def failed(self, blame: Blame, trouble: str) -> None:
        """Notes that an object could not be read.

        Raises:
            PollError: it is of no use to go on.
        """
        self._in_a_row = self._in_a_row + 1 if blame == self._blame else 1
        self._blame, self._trouble = blame, trouble
        if blame == "store" and self._in_a_row == _MOST_UNANSWERED:
            message = f"the store lists its objects, but {self._in_a_row} in a row could not be read: "
            reason: PollFailure = "unreachable"
            raise PollError(reason, told(message, quote(trouble)))
        if self._in_a_row == _MOST_REFUSED:
            self.end()

    def end(self) -> None:
        """Looks back at the end of the poll.

        Raises:
            PollError: our credentials may list and not read.
        """
        if self._blame == "permission" and self._in_a_row >= _FEWEST_REFUSED and not self._was_read:
            message = f"the store lists its objects, but lets none of {self._in_a_row} be read: "
            raise PollError(self._blame, told(message, quote(self._trouble)))
