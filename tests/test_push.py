"""What a watchRTC source takes by push: the same documents as files, in any of their forms."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest

from exporter.sources.watchrtc.push import push_receiver
from exporter.sources.watchrtc.settings import WatchRtcSettings
from exporter.values import Secret, decode_value

#: A room as small as can be.
ROOM = {
    "room_id": "standup",
    "start_time": "2026-03-01T10:00:00Z",
    "peers": [{"peer_id": "p1", "keys": {"tenant": "t"}}],
}


def settings(**keys: Any) -> WatchRtcSettings:  # noqa: ANN401 - YAML
    """Settings as the configuration reads them."""
    return msgspec.convert({"name": "watch", "url": "x", **keys}, WatchRtcSettings, dec_hook=decode_value)


def test_none_where_it_is_not_configured() -> None:
    """Nobody can send to a source that does not ask for it."""
    assert push_receiver(settings()) is None


def test_secret_and_limits() -> None:
    """A Bearer token, or a header of its own where Authorization is taken by the users of the page."""
    by_value, by_file = push_receiver(settings(push={"token": "t"})), push_receiver(settings(push={"token_file": "f"}))
    assert by_value is not None
    assert by_file is not None
    assert by_value.headers == (("Authorization", "Bearer"), ("X-Ingest-Token", ""))
    assert (by_value.secret, by_value.secret_file) == (Secret("t"), None)
    assert (by_file.secret, by_file.secret_file) == (None, "f")
    assert (by_value.most_bytes, by_value.most_seconds) == (67_108_864, 300.0)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([ROOM]).encode(),
        json.dumps(ROOM).encode(),
        json.dumps({"rooms": [ROOM]}).encode(),
        gzip.compress(json.dumps([ROOM]).encode()),
    ],
    ids=["array", "object", "rooms", "gzip"],
)
def test_any_form(body: bytes) -> None:
    """As in a folder, whatever pieces it comes in; with the keys that are allowed."""
    receiver = push_receiver(settings(push={"token": "t"}, keys_as_labels=["tenant"]))
    assert receiver is not None
    pieces = [body[index : index + 7] for index in range(0, len(body), 7)]
    (delivery,) = receiver.read(pieces, 0.0)
    (report,) = delivery.reports
    assert (report.session.key.source, report.session.key.room_id) == ("watch", "standup")
    assert report.peers[0].attributes.keys == (("tenant", "t"),)
    assert delivery.read_objects == ()


def test_what_is_wrong_is_named_with_its_place() -> None:
    """For the sender to find."""
    receiver = push_receiver(settings(push={"token": "t"}))
    assert receiver is not None
    (delivery,) = receiver.read([json.dumps([ROOM, 5]).encode()], 0.0)
    (rejected,) = delivery.rejected
    assert rejected.message.startswith("body: element 2 at byte ")
    assert len(delivery.reports) == 1
