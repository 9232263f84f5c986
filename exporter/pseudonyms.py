r"""Pseudonyms: chosen labels hold keyed hashes in place of what the vendor gave.

A pseudonym is the first 16 hexadecimal digits of HMAC-SHA-256 (RFC 2104) with the salt as the key and the label's name,
a zero byte and the value as the message:

    printf 'peer_id\0%s' "$VALUE" | openssl dgst -sha256 -hmac "$SALT"

So it is the same in every family, source, run and exporter with that salt, and joins on a label work as before; the
same text under two labels has two pseudonyms, so that a peer that bears its room's name does not give the room away. An
empty value stays empty: that something is not known is no secret.

16 digits are 64 bits. Of n values two share a pseudonym with a probability of about n**2 / 2**65 (the birthday bound):
3e-8 for a million rooms, 3e-4 for a hundred million. What must be told apart is far less: peers within a session,
sessions within a room. Keys of tasks and names of objects, of which there are more, which must be unique for ever, and
which nobody reads, have 32 digits, 128 bits.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import fields, replace

from exporter.metrics.gauge_families import key_label
from exporter.model import Attributes, Peer, Report, Session, SessionKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Struct

_Part = TypeVar("_Part", SessionKey, Session, Peer, Attributes)

_LABEL_DIGITS = 16
_NAME_DIGITS = 32

#: What is text and no label of its own: the source is the operator's word, the stay only tells stays apart.
_NO_LABELS = frozenset({"source", "stay"})


def _texts(kind: type[Struct]) -> tuple[str, ...]:
    """The fields of a part of the model that hold text; each is the label of the same name."""
    return tuple(field.name for field in fields(kind) if field.type is str and field.name not in _NO_LABELS)


#: Labels that can be chosen, beside `key_NAME`: what vendors and applications write about whom and where.
LABELS = frozenset(label for kind in (SessionKey, Session, Peer, Attributes) for label in _texts(kind))

#: What gives another label away: the URL of a watchRTC room ends with the session's id, and may hold the room's.
_GIVES_AWAY = {"url": frozenset({"room_id", "session_id"})}


class Pseudonyms:
    """Pseudonyms of one salt for some labels."""

    def __init__(self, salt: str, labels: Iterable[str]) -> None:
        """Makes them.

        Args:
            salt: the secret key.
            labels: of `LABELS`, or the label `key_NAME` of one of the application's own keys.
        """
        self.secret = salt.encode()
        chosen = frozenset(labels)
        also = {label for label, given_away in _GIVES_AWAY.items() if chosen & given_away}
        #: The chosen labels and those that would give them away, ordered.
        self.labels = tuple(sorted(chosen | also))
        self._chosen = {
            kind: tuple(label for label in _texts(kind) if label in self.labels)
            for kind in (SessionKey, Session, Peer, Attributes)
        }

    def of(self, label: str, value: str) -> str:
        """The pseudonym of a label's value."""
        return self._digits(label, value)[:_LABEL_DIGITS] if value else value

    def name(self, kind: str, text: str) -> str:
        """What is kept in place of a name that is no label; `kind`, with a blank in it, is no label's name either."""
        return self._digits(kind, text)[:_NAME_DIGITS]

    def check(self) -> str:
        """Tells this salt from any other, without telling it."""
        return self.name("check value", "webrtc-quality-exporter")

    def report(self, report: Report) -> Report:
        """The report with pseudonyms in place of all that was chosen."""
        session = report.session
        session = replace(self._part(session), key=self._part(session.key))
        return replace(report, session=session, peers=tuple(self._peer(peer) for peer in report.peers))

    def _peer(self, peer: Peer) -> Peer:
        attributes = self._part(peer.attributes)
        keys = tuple(
            (name, self.of(label, value) if (label := key_label(name)) in self.labels else value)
            for name, value in attributes.keys
        )
        # It is a time as the vendor wrote it, which may also be the session's id.
        return replace(self._part(peer), stay=self.of("a stay", peer.stay), attributes=replace(attributes, keys=keys))

    def _part(self, part: _Part) -> _Part:
        return replace(part, **{label: self.of(label, getattr(part, label)) for label in self._chosen[type(part)]})

    def _digits(self, kind: str, text: str) -> str:
        return hmac.digest(self.secret, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256").hex()
