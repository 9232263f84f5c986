"""Data streams that are sent instead of stored: what `POST /ingest/NAME` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources import push
from exporter.sources.watchrtc.reader import read_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.sources.base import Delivery, Receiver
    from exporter.sources.watchrtc.settings import WatchRtcSettings


def push_receiver(settings: WatchRtcSettings) -> Receiver | None:
    """What a source takes by push; None where `push` is not configured."""

    def read(chunks: Iterable[bytes], _: float) -> Iterator[Delivery]:
        return read_deliveries(chunks, settings.name, settings.keys_as_labels, document="body")

    return push.push_receiver(settings.push, read)
