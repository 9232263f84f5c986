"""The page of the timeline over the ledger's log: what it shows, and what becomes of it after that."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from exporter.ledger import Place, StateUnavailableError
from exporter.timeline import payload
from exporter.timeline.openmetrics import text
from exporter.timeline.page import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.ledger import Ledger, TimelineRow
    from exporter.metrics.family import Family
    from exporter.pipeline.sending_events import QueueEvents
    from exporter.settings import TimelineSettings
    from exporter.timeline.page import Shown
    from exporter.timeline.series import TimelineSeries

logger = logging.getLogger(__name__)

#: Whoever scrapes the page, as the state knows it and the metrics call it.
PAGE: Final = "/timeline"


class TimelinePage:
    """Shows rows that wait; to be worked with in the ledger's thread, but for `render`."""

    def __init__(
        self, settings: TimelineSettings, families: Sequence[Family], ledger: Ledger, events: QueueEvents
    ) -> None:
        self._page: Page[Place] = Page(settings.expose_for, settings.out_of_order_time_window)
        self._families = families
        self._ledger = ledger
        self._events = events
        #: The last row that was read.
        self.read = Place()
        #: The last row that has left the page and is not noted yet.
        self._left: Place | None = None

    def look(self, now: float, *, counts: bool) -> Shown:
        """What a scrape reads at `now` (Unix seconds); `counts`: whether it is one that stores what it reads."""
        self._left = self._page.leave(now) or self._left
        # A state that cannot be written is told elsewhere, and costs no page: it is noted with the next one that can.
        with suppress(StateUnavailableError):
            if self._left is not None:
                self._ledger.timeline.acknowledge(PAGE, self._left, now)
                self._left = None
        place = self._ledger.timeline.place(PAGE)
        if place is not None and place.id > self.read.id:
            self.read = place
        self._turn_over()
        shown = self._page.read(now, counts=counts)
        if counts:
            self._events.sent(shown.new, max((each.times[-1] for each in shown.series), default=0))
            if shown.too_old:
                self._events.dropped("too_old", shown.too_old)
            if shown.in_future:
                self._events.dropped("in_future", shown.in_future)
        return shown

    def render(self, shown: Shown, *, open_metrics: bool) -> bytes:
        """The text of what a scrape reads; for a thread of its own, as it takes a while."""
        return "".join(text(self._families, shown.series, {}, open_metrics=open_metrics)).encode()

    def _turn_over(self) -> None:
        while self._page.room:
            rows = self._ledger.timeline.read(self.read.id, self._page.room)
            for row in rows:
                if not self._page.add(row.place, self._unpack(row)):
                    return
                self.read = row.place
            if not rows:
                return

    def _unpack(self, row: TimelineRow) -> tuple[TimelineSeries, ...]:
        try:
            return payload.decode(row.payload)
        except payload.PayloadError as error:
            logger.error(  # noqa: TRY400 - it tells all there is
                "%s: row %d of the queue is given up: %s", PAGE, row.place.id, error
            )
            self._events.dropped("damaged", row.samples)
            return ()
