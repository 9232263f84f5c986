"""Data streams that are sent instead of stored: what `POST /ingest/NAME` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sources.base import Receiver
from exporter.sources.watchrtc.reader import read_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.sources.base import Delivery
    from exporter.sources.watchrtc.settings import WatchRtcSettings

#: As large as one room may be; larger documents belong into a store.
MOST_BYTES = 64 << 20
_MOST_SECONDS = 300.0
#: The second one is for exporters whose `--web.config.file` has users: one request has one Authorization.
_HEADERS = (("Authorization", "Bearer"), ("X-Ingest-Token", ""))


def push_receiver(settings: WatchRtcSettings) -> Receiver | None:
    """What a source takes by push; None where `push` is not configured."""
    push = settings.push
    if push is None:
        return None

    def read(chunks: Iterable[bytes], _: float) -> Iterator[Delivery]:
        return read_deliveries(chunks, settings.name, settings.keys_as_labels, document="body")

    return Receiver(
        headers=_HEADERS,
        secret=push.token,
        secret_file=push.token_file,
        most_bytes=MOST_BYTES,
        most_seconds=_MOST_SECONDS,
        read=read,
    )
