"""Deliveries into the state as serve has them, without a page that anybody reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.opening import families_of, take_over
from exporter.pipeline.publisher import Publisher
from exporter.pipeline.timeline import handing_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Settings
    from exporter.ledger import Ledger
    from exporter.pipeline.border import Border
    from exporter.pipeline.ingest import Committed
    from exporter.sources.base import Delivery

#: Seconds of feeding after which what is in view is brought to its limits.
_TRIM_SECONDS = 1.0


class Counter:
    """Commits deliveries, and keeps what is in view within `metrics.max_series` and the times that it stays.

    How many series a session makes shows only when it is rendered; a view that grew without limit here would have to be
    rendered as a whole by the next serve.
    """

    def __init__(
        self, ledger: Ledger, settings: Settings, border: Border, clock: Callable[[], float] = time.time
    ) -> None:
        """Takes over what the ledger holds.

        Args:
            ledger: the state.
            settings: the configuration.
            border: what passes into the ledger, and under which names.
            clock: Unix seconds.

        Raises:
            StateError: the state was begun with another configuration.
        """
        families = families_of(settings)
        take_over(ledger, settings, families, border.terms, clock())
        self._clock = clock
        writing = handing_over(settings, families)
        self._ingest = Ingest(ledger, families, settings.quality, border, handing_over=writing)
        self._publisher = Publisher(
            ledger,
            families,
            settings.metrics,
            settings.quality,
            ZeroHold(),
            key_limits={source.name: source.max_key_values for source in settings.sources},
        )
        self._publisher.load()
        self._trimmed = clock()

    def commit(self, source: str, delivery: Delivery) -> Committed:
        """Commits a delivery of a source."""
        now = self._clock()
        committed = self._ingest.commit(source, delivery, now)
        self._publisher.take(committed, now)
        if now - self._trimmed >= _TRIM_SECONDS:
            self.trim()
        return committed

    def trim(self) -> None:
        """Lets expire and leave what would by now."""
        self._trimmed = self._clock()
        # No generation of this page was ever read, so that no count shows before its time.
        self._publisher.publish(self._trimmed, Audience())
