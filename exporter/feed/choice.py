"""Which source a document counts for."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.sources.base import SavedDocuments, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config import Settings
    from exporter.sources.base import SourceType

#: So much of a document, unpacked, has to tell whose it is.
_BEGINNING_BYTES = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31


class Reader(Struct, frozen=True):
    """A source with how its documents are read."""

    source: SourceSettings
    saved: SavedDocuments


class ChoiceError(Exception):
    """No source can be chosen; the text says why and what to give."""


class Readers:
    """The sources that documents may count for."""

    def __init__(self, settings: Settings, source_types: Mapping[str, SourceType], name: str | None) -> None:
        """Takes all sources that can read documents, or the one of that name.

        Raises:
            ChoiceError: there is none.
        """
        self._readers = [
            Reader(source, saved)
            for kind, source in zip(settings.source_types, settings.sources, strict=True)
            if (saved := source_types[kind].saved) and name in {None, source.name}
        ]
        if not self._readers:
            names = ", ".join(source.name for source in settings.sources)
            msg = f"--source: expected the name of a source that reads files, one of {names}; got {name}"
            raise ChoiceError(msg)

    @property
    def names(self) -> list[str]:
        """The names of the sources."""
        return [reader.source.name for reader in self._readers]

    def choose(self, beginning: bytes) -> Reader:
        """The source that a document counts for: the only one, or the one whose documents begin so.

        Args:
            beginning: the first bytes, as they are stored.

        Raises:
            ChoiceError: none of the sources, or several of them, could read it.
        """
        if len(self._readers) == 1:
            return self._readers[0]
        text = _unpacked(beginning).removeprefix(b"\xef\xbb\xbf")
        fitting = [reader for reader in self._readers if reader.saved.looks_like(text)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(reader.source.name for reader in fitting)
            msg = f"several sources could have made it ({names}); expected --source with one of them"
            raise ChoiceError(msg)
        msg = f"it looks like no document of {', '.join(self.names)}; expected one of theirs, or --source"
        raise ChoiceError(msg)


def _unpacked(beginning: bytes) -> bytes:
    if not beginning.startswith(_GZIP_MAGIC):
        return beginning[:_BEGINNING_BYTES]
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(beginning, _BEGINNING_BYTES)
    except zlib.error:
        return b""
