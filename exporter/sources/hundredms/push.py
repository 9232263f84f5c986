"""Statistics that are sent instead of asked for: what `POST /ingest/NAME` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources import push
from exporter.sources.hundredms.saved import read_saved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.sources.base import Delivery, Receiver
    from exporter.sources.hundredms.settings import HundredMsSettings


def push_receiver(settings: HundredMsSettings) -> Receiver | None:
    """What a source takes by push; None where `push` is not configured."""

    def read(chunks: Iterable[bytes], now: float) -> Iterator[Delivery]:
        return read_saved(chunks, settings, now, document="body")

    return push.push_receiver(settings.push, read)
