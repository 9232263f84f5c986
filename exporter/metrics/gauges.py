"""A session in view as samples: one entry for the room, one for each peer, rendered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, get_args

from exporter.metrics.gauge_families import (
    ATTRIBUTE_LABELS,
    MEDIA_LABELS,
    PEER_LABELS,
    ROOM_INFO_LABELS,
    ROOM_LABELS,
    key_label,
)
from exporter.metrics.text import label_block, number
from exporter.model import PersonalLabel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.metrics.family import Family, Scope
    from exporter.metrics.key_values import KeyValues
    from exporter.model import Session, SessionKey
    from exporter.quality import PeerAssessment, RoomAssessment

#: Labels that keys cannot have: theirs begin with `key_`.
PERSONAL_LABELS: tuple[PersonalLabel, ...] = get_args(PersonalLabel)
#: The rendered samples of one entry by family name; families without a sample are absent.
Rendered: TypeAlias = dict[str, bytes]


class _Media(Protocol):
    """What tells one stream of a peer or room from another."""

    @property
    def direction(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def track_type(self) -> str: ...
    @property
    def rid(self) -> str: ...


class GaugeRenderer:
    """Renders rooms and peers with the families of one catalogue."""

    def __init__(self, families: Iterable[Family], key_values: KeyValues) -> None:
        self._key_values = key_values
        self._families: dict[Scope, list[Family]] = {"room": [], "room_stream": [], "peer": [], "peer_stream": []}
        for family in families:
            if family.scope in self._families:
                self._families[family.scope].append(family)
        (info,) = (family for family in self._families["peer"] if family.name == "webrtc_peer_info")
        added = info.labels[len(PEER_LABELS) + len(ATTRIBUTE_LABELS) :]
        self._attribute_labels = (*ATTRIBUTE_LABELS, *(label for label in added if label in PERSONAL_LABELS))
        self._key_labels = tuple(label for label in added if label not in PERSONAL_LABELS)

    def room(self, session: Session, room: RoomAssessment) -> Rendered:
        """The room's part of a session's samples."""
        identity = _identity(session.key)
        special = {
            "webrtc_room_info": label_block(ROOM_INFO_LABELS, [getattr(session, label) for label in ROOM_INFO_LABELS]),
            "webrtc_room_verdict": label_block(("verdict", "reason"), (room.verdict, room.reason)),
        }
        return {
            **self._single("room", identity, room, special),
            **self._media("room_stream", identity, room.streams),
        }

    def peer(self, key: SessionKey, peer: PeerAssessment) -> Rendered:
        """One peer's part of a session's samples."""
        identity = f"{_identity(key)},{label_block(PEER_LABELS[-1:], (peer.peer_id,))}"
        keys = {
            key_label(name): self._key_values.shown(key.source, name, value) for name, value in peer.attributes.keys
        }
        about = (
            *(getattr(peer.attributes, label) for label in self._attribute_labels),
            *(keys.get(label, "") for label in self._key_labels),
        )
        special = {
            "webrtc_peer_info": label_block((*self._attribute_labels, *self._key_labels), about),
            "webrtc_peer_verdict": label_block(("verdict", "reason"), (peer.verdict, peer.reason)),
        }
        return {
            **self._single("peer", identity, peer, special),
            **self._media("peer_stream", identity, peer.streams),
        }

    def _single(self, scope: Scope, identity: str, subject: object, special: dict[str, str]) -> Rendered:
        rendered: Rendered = {}
        for family in self._families[scope]:
            if family.name in special:
                rendered[family.name] = f"{family.name}{{{identity},{special[family.name]}}} 1.0\n".encode()
            elif (value := getattr(subject, family.field)) is not None:
                rendered[family.name] = f"{family.name}{{{identity}}} {number(value)}\n".encode()
        return rendered

    def _media(self, scope: Scope, identity: str, streams: Sequence[_Media]) -> Rendered:
        blocks = [(stream, *_media_blocks(identity, stream)) for stream in streams]
        rendered: Rendered = {}
        for family in self._families[scope]:
            whole = family.labels[-1] == MEDIA_LABELS[-1]
            lines = "".join(
                f"{family.name}{{{full if whole else short}}} {number(value)}\n"
                for stream, full, short in blocks
                if (value := getattr(stream, family.field)) is not None
            )
            if lines:
                rendered[family.name] = lines.encode()
        return rendered


def _media_blocks(identity: str, stream: _Media) -> tuple[str, str]:
    """All labels of a stream, and those of the families that know direction and kind only."""
    direction_and_kind = (stream.direction, stream.kind)
    return (
        f"{identity},{label_block(MEDIA_LABELS, (*direction_and_kind, stream.track_type, stream.rid))}",
        f"{identity},{label_block(MEDIA_LABELS[:2], direction_and_kind)}",
    )


def _identity(key: SessionKey) -> str:
    return label_block(ROOM_LABELS, (key.source, key.room_id, key.session_id))
