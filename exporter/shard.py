"""Which of several equal exporters a session belongs to.

The first 8 hexadecimal digits of the SHA-256 of the session's id, modulo the number of exporters:

    echo $((0x$(printf %s "$SESSION_ID" | sha256sum | cut -c1-8) % 3))

Only the id decides, as it is all that every exporter knows of a session from the first word of it on: a webhook tells
no room, and the names of sources may differ from exporter to exporter.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct


class Shard(Struct, frozen=True):
    """One of `count` equal exporters, from 0."""

    index: int = 0
    count: int = 1

    def has_session(self, session_id: str) -> bool:
        """Whether a session, by its id as the vendor gives it, belongs to this exporter."""
        return self._has(session_id.encode("utf-8", "surrogatepass"))

    def has_document(self, digest: bytes) -> bool:
        """Whether a document that is about no session, and that every exporter reads, belongs to this one."""
        return self._has(digest)

    def _has(self, name: bytes) -> bool:
        return int.from_bytes(sha256(name).digest()[:4], "big") % self.count == self.index
