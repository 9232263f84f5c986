"""Data streams in files outside the store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exporter.sources.watchrtc.reader import read_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.sources.base import Delivery
    from exporter.sources.watchrtc.settings import WatchRtcSettings

_JSON = re.compile(rb"\s*[\[{]")
_NOTHING = re.compile(rb"\s*\[\s*\]")
_OWN = re.compile(rb'"(?:room_url|peers|rooms)"\s*:')
#: Other vendors' documents have rooms, too; a room that is known by its start alone is of no session.
_ROOM, _SESSION = b'"room_id"', b'"session_id"'


def looks_like_rooms(beginning: bytes) -> bool:
    """Whether a document that begins so may be a data stream: rooms, an object around rooms, or an empty array."""
    if not _JSON.match(beginning):
        return False
    is_room = _ROOM in beginning and _SESSION not in beginning
    return is_room or bool(_OWN.search(beginning) or _NOTHING.match(beginning))


def read_file(settings: WatchRtcSettings, chunks: Iterable[bytes], place: str) -> Iterator[Delivery]:
    """Reads a data stream of any size; see `exporter.sources.base.SavedDocuments`."""
    return read_deliveries(chunks, settings.name, settings.keys_as_labels, document=place)
