"""Saved answers of the statistics endpoint in files."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from exporter.sources.hundredms.saved import read_saved
from exporter.sources.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.sources.base import Delivery
    from exporter.sources.hundredms.settings import HundredMsSettings

_BEGINNING = re.compile(rb'\s*(?:\[\s*)?\{.*"(?:publisher|subscriber|session_id)"\s*:', re.DOTALL)


def looks_like_answers(beginning: bytes) -> bool:
    """Whether a document that begins so may be answers for peers."""
    return _BEGINNING.match(beginning) is not None


def read_file(settings: HundredMsSettings, chunks: Iterable[bytes], place: str) -> Iterator[Delivery]:
    """Reads saved answers; see `exporter.sources.base.SavedDocuments`."""
    return read_saved(chunks, settings, time.time(), document=printable(place))
