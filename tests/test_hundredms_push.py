"""What a 100ms source takes by push: answers of peer-stats, one or many, gzip or not."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Report, SessionKey
from exporter.sources.base import Delivery, RejectedDocument, UnusableBodyError
from exporter.sources.hundredms import SOURCE_TYPE, saved
from exporter.sources.hundredms.parser import parse_saved_peer_stats
from exporter.sources.hundredms.push import push_receiver
from exporter.values import Secret
from tests.hundredms_support import NOON, audio_stats, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable


def answer(peer_id: str = "p1", samples: int = 2) -> bytes:
    """What the vendor says of a peer."""
    return audio_stats(samples, room_id="r1", session_id="s1", peer_id=peer_id)


def read(*pieces: bytes, now: float = 0.0) -> list[Delivery]:
    """Reads a body as the pipeline does."""
    receiver = push_receiver(read_settings({"name": "meetings", "push": {"token": "t"}}))
    assert receiver is not None
    return list(receiver.read(pieces, now))


def reports(deliveries: Iterable[Delivery]) -> list[Report]:
    """All that was read."""
    return [report for each in deliveries for report in each.reports]


def rejected(deliveries: Iterable[Delivery]) -> list[RejectedDocument]:
    """All that could not be."""
    return [document for each in deliveries for document in each.rejected]


def test_receiver() -> None:
    """Where it is configured: with a token that can be shown in two ways, and limits."""
    assert SOURCE_TYPE.push is push_receiver
    assert push_receiver(read_settings()) is None
    by_value = push_receiver(read_settings({"push": {"token": "t"}}))
    by_file = push_receiver(read_settings({"push": {"token_file": "/run/t"}}))
    assert by_value
    assert by_file
    assert (by_value.secret, by_value.secret_file) == (Secret("t"), None)
    assert (by_file.secret, by_file.secret_file) == (None, "/run/t")
    assert by_value.headers == (("Authorization", "Bearer"), ("X-Ingest-Token", ""))
    assert (by_value.most_bytes, by_value.most_seconds) == (67_108_864, 300.0)


def test_one_answer() -> None:
    """It is the report that asking for it would have made, in whatever pieces it comes."""
    raw = answer()
    (delivery,) = read(*(raw[at : at + 7] for at in range(0, len(raw), 7)))
    assert delivery == Delivery(reports=(parse_saved_peer_stats(raw, "meetings", "body"),))  # type: ignore[arg-type]  # it is one
    (report,) = delivery.reports
    assert report.session.key == SessionKey("meetings", "r1", "s1")
    assert [len(stream.tracks[0].windows) for stream in report.peers[0].streams] == [2]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([answer("p1"), answer("p2")]) + b"]",
        answer("p1") + b"\n" + answer("p2") + b"\n",
        b"\xef\xbb\xbf  " + answer("p1") + b"\r\n\r\n" + answer("p2"),
        gzip.compress(answer("p1") + b"\n" + answer("p2"), mtime=0),
        b"[" + answer("p1") + b", " + answer("p2").replace(b"1.0", b"NaN") + b"]",
    ],
    ids=["array", "lines", "byte order mark", "gzip", "no JSON, but read"],
)
def test_several_answers(body: bytes) -> None:
    """In any form that a shell makes of them."""
    found = read(body)
    assert rejected(found) == []
    assert [report.peers[0].peer_id for report in reports(found)] == ["p1", "p2"]


def test_one_answer_on_many_lines() -> None:
    """As a person's tools write it."""
    (report,) = reports(read(json.dumps(json.loads(answer()), indent=2).encode()))
    assert report.peers[0].peer_id == "p1"


def test_a_bad_answer_costs_only_itself() -> None:
    """It is named by its place."""
    found = read(b"\n".join([answer("p1"), b"{broken", b"5", b'{"session_id": "s1", "peer_id": "p9"}', answer("p2")]))
    assert [report.peers[0].peer_id for report in reports(found)] == ["p1", "p2"]
    assert [(each.reason, each.message.partition(": ")[0]) for each in rejected(found)] == [
        ("malformed", "body"),
        ("wrong_type", "body"),
        ("missing_identity", "body"),
    ]
    assert [each.message.split(": ")[1] for each in rejected(found)] == ["answer 2", "answer 3", "answer 4"]
    assert rejected(found)[2].message == "body: answer 4: room_id: expected a text that is not empty"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"peer_id": ', "malformed"),
        (b'{\n  "peer_id": \n', "malformed"),
        (b"[{]", "malformed"),
        (b"<html>\n</html>", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b"null", "wrong_type"),
        (b"{}", "missing_identity"),
        (b"[[]]", "wrong_type"),
    ],
)
def test_what_is_no_answer_is_one_rejection(body: bytes, reason: str) -> None:
    """Not one for each line of it."""
    try:
        found = read(body)
    except UnusableBodyError:
        assert body == b"\xff\xfe"
        return
    assert [each.reason for each in rejected(found)] == [reason]
    assert reports(found) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "it is empty; expected an answer of peer-stats"),
        (b" \n", "it is empty; expected an answer of peer-stats"),
        (gzip.compress(answer(), mtime=0)[:-9], "the gzip stream is cut off"),
        (gzip.compress(b" " * 1001, mtime=0), "expected at most 1000 bytes"),
    ],
)
def test_what_cannot_be_read_at_all(body: bytes, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is told; a small body that inflates to gigabytes is not kept."""
    monkeypatch.setattr(saved, "MOST_BYTES", 1000)
    with pytest.raises(UnusableBodyError) as raised:
        read(body)
    assert str(raised.value) == problem


#: The vendor's ids begin with the second in which they were made: 2026-03-01T12:00:00Z.
MADE_AT_NOON = "69a42a40aa11bb22cc33dd44"


@pytest.mark.parametrize(
    ("session_id", "hours"), [("s1", 1e6), (MADE_AT_NOON, 59.9), (MADE_AT_NOON[:23], 1e6), (f"{MADE_AT_NOON}5", 1e6)]
)
def test_what_has_no_samples_is_not_counted(session_id: str, hours: float) -> None:
    """The vendor may not have worked it up yet: counted now, the peer would stay unclassified whatever comes."""
    raw = audio_stats(0, room_id="r1", session_id=session_id, peer_id="p1")
    found = read(raw + b"\n" + answer("p2"), now=NOON + 3600.0 * hours)
    assert [report.peers[0].peer_id for report in reports(found)] == ["p2"]
    (document,) = rejected(found)
    assert (document.reason, document.session_id) == ("no_data", session_id)
    assert document.message == (
        "body: answer 1: there is no sample in it, yet; expected one that the vendor has worked up"
    )


def test_what_never_had_samples_counts() -> None:
    """By the session's id nothing can come any more: 12 h are the longest session, and 48 h later polling gives up."""
    raw = audio_stats(0, room_id="r1", session_id=MADE_AT_NOON, peer_id="p1")
    (report,) = reports(read(raw, now=NOON + 3600.0 * 60))
    assert (report.peers[0].peer_id, report.peers[0].streams) == ("p1", ())


def test_an_empty_array_says_nothing() -> None:
    """And is no mistake."""
    assert read(b"[]") == [Delivery()]


def test_many_answers_are_several_deliveries() -> None:
    """None of them is large."""
    found = read(b"\n".join(answer(f"p{number}") for number in range(120)))
    assert [len(each.reports) for each in found] == [50, 50, 20]


@given(st.binary(max_size=200) | st.builds(lambda tail: answer() + b"\n" + tail, st.binary(max_size=60)))
def test_no_bytes_break_it(body: bytes) -> None:
    """They are answers, rejections, or unusable as a whole."""
    try:
        found = read(body)
    except UnusableBodyError:
        return
    assert all(document.message.startswith("body") for document in rejected(found))
