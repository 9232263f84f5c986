"""Pseudonyms: what they are made of, which labels can have one, and what of a report they stand in for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.metrics.catalogue import catalogue
from exporter.model import Attributes, Peer, Report, Session, SessionKey
from exporter.pseudonyms import LABELS, Pseudonyms
from tests.reports import audio, peer, report

#: Computed with `printf 'peer_id\0%s' alice | openssl dgst -sha256 -hmac pepper`, and with room_id.
ALICE_AS_PEER = "c0244dcda7ad908a"
ALICE_AS_ROOM = "ced9b3d168a4a792"

#: Labels that say nothing of whom and where: what is measured, which part of the media, and the operator's own names.
NEVER = {"source", "direction", "kind", "track_type", "rid", "verdict", "reason"}

PLAIN = Report(
    session=Session(
        key=SessionKey("watch", "standup", "2026-03-01T10:00:00Z"),
        room_name="The standup",
        url="https://vendor.example/room/opaque",
    ),
    peers=(
        Peer(
            peer_id="alice",
            stay="2026-03-01T10:00:00Z",
            attributes=Attributes(city="Paris", country="France", keys=(("plan", "gold"), ("te-nant", "acme"))),
            streams=(audio([0.1]),),
        ),
        Peer(peer_id="bob"),
    ),
)


def test_the_documented_formula() -> None:
    """As openssl computes it, so that an operator can find somebody whose id is known."""
    pseudonyms = Pseudonyms("pepper", ["peer_id", "room_id"])
    assert pseudonyms.of("peer_id", "alice") == ALICE_AS_PEER
    assert pseudonyms.of("room_id", "alice") == ALICE_AS_ROOM
    assert pseudonyms.of("peer_id", "") == ""
    assert Pseudonyms("salt", ["peer_id"]).of("peer_id", "alice") not in {ALICE_AS_PEER, ALICE_AS_ROOM}


def test_every_label_is_one_that_can_be_hidden_or_one_that_never_is() -> None:
    """A label that comes to the catalogue must be thought about here."""
    families = [family for family in catalogue(key_labels=["key_tenant"]) if family.scope != "exporter"]
    shown = {label for family in families for label in family.labels}
    assert {label for label in shown if not label.startswith("key_")} - LABELS == NEVER
    assert not LABELS & NEVER
    assert {"peer_id", "room_id", "session_id", "room_name", "url", "city", "audio_device", "role"} <= LABELS


def test_only_what_was_chosen_is_hidden() -> None:
    """Everything else of the report stays, the media among it; empty texts stay empty."""
    hidden = Pseudonyms("pepper", ["peer_id", "city", "key_te_nant"]).report(PLAIN)
    first, second = hidden.peers
    assert hidden.session == PLAIN.session
    assert first.peer_id == ALICE_AS_PEER
    assert first.attributes.city not in {"", "Paris"}
    assert first.attributes == Attributes(
        city=first.attributes.city,
        country="France",
        keys=(("plan", "gold"), ("te-nant", Pseudonyms("pepper", ()).of("key_te_nant", "acme"))),
    )
    assert first.streams == PLAIN.peers[0].streams
    assert second.attributes == Attributes()
    assert second.stay == ""


@pytest.mark.parametrize("label", ["room_id", "session_id"])
def test_the_url_of_a_room_does_not_give_it_away(label: str) -> None:
    """It ends with the session's id and may hold the room's, so it is hidden with them."""
    pseudonyms = Pseudonyms("pepper", [label])
    assert pseudonyms.labels == tuple(sorted([label, "url"]))
    hidden = pseudonyms.report(PLAIN).session
    assert hidden.url == pseudonyms.of("url", PLAIN.session.url)
    assert hidden.room_name == "The standup"


def test_nothing_chosen_is_left_anywhere() -> None:
    """Not in the stay either, which may be written as the session is called."""
    hidden = Pseudonyms("pepper", [*LABELS, "key_plan", "key_te_nant"]).report(PLAIN)
    for raw in ("standup", "opaque", "2026", "alice", "bob", "Paris", "France", "gold", "acme"):
        assert raw not in repr(hidden)
    assert hidden.session.key.source == "watch"


@given(st.text(), st.text(), st.sampled_from(sorted(LABELS)))
def test_they_are_stable_and_distinct(one: str, other: str, label: str) -> None:
    """The same value has the same pseudonym with the same salt, another one another."""
    pseudonyms = Pseudonyms("pepper", [label])
    assert pseudonyms.of(label, one) == Pseudonyms("pepper", [label, "city"]).of(label, one)
    assert (pseudonyms.of(label, one) == pseudonyms.of(label, other)) == (one == other)
    assert not one or (len(pseudonyms.of(label, one)) == 16 and pseudonyms.of(label, one) != one)


def test_half_a_surrogate_pair_has_a_pseudonym() -> None:
    """JSON can write it, and no input may stop the process."""
    odd = report(replace(peer("p"), peer_id="\ud800"))
    assert len(Pseudonyms("pepper", ["peer_id"]).report(odd).peers[0].peer_id) == 16


def test_the_check_value_tells_salts_apart() -> None:
    """It depends on nothing else."""
    assert Pseudonyms("a", ["city"]).check() == Pseudonyms("a", ["url"]).check() != Pseudonyms("b", ["city"]).check()
