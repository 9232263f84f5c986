"""From the bytes of a document to reports and deliveries."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from exporter.model import Report
from exporter.sources.base import Delivery, ObjectIdentity, RejectedDocument
from exporter.sources.watchrtc import reader
from exporter.sources.watchrtc.reader import read_deliveries, read_document
from tests.watchrtc_support import SAMPLE, a_room, in_pieces

if TYPE_CHECKING:
    import pytest


def document(*rooms: object) -> bytes:
    """An array of rooms."""
    return json.dumps(rooms).encode()


def room_ids(delivery: Delivery) -> list[str]:
    """Of the reports of one delivery."""
    return [report.session.key.room_id for report in delivery.reports]


def test_reports_and_rejections_come_in_the_order_of_the_document() -> None:
    """Each rejection says in which document and where it is, and what was expected."""
    raw = document(a_room("a"), 5, a_room("b"))[:-1]
    first, second, third, fourth = read_document([raw], "watch", document="x.json")
    assert isinstance(first, Report)
    assert first.session.key.room_id == "a"
    assert first.session.key.source == "watch"
    assert isinstance(second, RejectedDocument)
    assert second.message == "x.json: element 2 at byte 57: expected a room object, got a number"
    assert isinstance(third, Report)
    assert isinstance(fourth, RejectedDocument)
    assert fourth.message == "x.json: byte 114: the array is not closed"


def test_the_sample_reads_alike_in_any_dress() -> None:
    """Compressed, in small pieces, with allow-listed keys."""
    raw = SAMPLE.read_bytes()
    (plain,) = read_document([raw], "watch", ["keyA"])
    (packed,) = read_document(in_pieces(gzip.compress(raw), 10), "watch", ["keyA"])
    assert plain == packed
    assert isinstance(plain, Report)
    assert plain.peers[0].attributes.keys == (("keyA", "valueA"),)


def test_a_room_past_the_limit_is_rejected() -> None:
    """With the place where it begins."""
    (rejected,) = read_document([document(a_room("a" * 1000))], "watch", limit=500)
    assert isinstance(rejected, RejectedDocument)
    assert rejected.reason == "too_large"
    assert rejected.message.startswith("document: element 1 at byte 1: longer than 500 bytes")


def test_an_odd_name_does_not_break_the_log() -> None:
    """A file name may hold a line's end."""
    (rejected,) = read_document([b""], "watch", document="a\nb\udcff")
    assert isinstance(rejected, RejectedDocument)
    assert rejected.message == r"'a\nb\udcff': byte 0: the document is empty; expected an array of rooms"


def test_a_document_that_is_something_else_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of numbers must not be remembered one by one; but good rooms keep a document going."""
    monkeypatch.setattr(reader, "_REJECTIONS_IN_A_ROW", 100)
    rubbish = b"1," * 99
    *_, last = outcomes = list(read_document([b"[" + rubbish + rubbish + b"1]"], "watch"))
    assert len(outcomes) == 101
    assert isinstance(last, RejectedDocument)
    assert last.reason == "too_large"
    assert "100 elements in a row" in last.message
    good = json.dumps(a_room()).encode()
    outcomes = list(read_document([b"[" + rubbish + good + b"," + rubbish + good + b"]"], "watch"))
    assert sum(isinstance(outcome, Report) for outcome in outcomes) == 2


def test_deliveries_are_bounded_by_items() -> None:
    """Fifty rooms or rejections at most; the last says that the object was read."""
    identity = ObjectIdentity("x.json", "1-2")
    rooms = [a_room(str(number)) if number % 10 else 5 for number in range(120)]
    deliveries = list(read_deliveries([document(*rooms)], "watch", read_object=identity))
    assert [len(each.reports) + len(each.rejected) for each in deliveries] == [50, 50, 20]
    assert [each.read_objects for each in deliveries] == [(), (), (identity,)]
    assert [room for each in deliveries for room in room_ids(each)] == [str(n) for n in range(120) if n % 10]


def test_deliveries_are_bounded_by_bytes() -> None:
    """One megabyte of JSON at most, give or take one room."""
    rooms = [a_room(str(number), filler="x" * 400_000) for number in range(7)]
    deliveries = list(read_deliveries([document(*rooms)], "watch"))
    assert [room_ids(each) for each in deliveries] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_an_empty_array_is_delivered_as_read() -> None:
    """Or it would be read at every poll."""
    identity = ObjectIdentity("x.json", "1-2")
    assert list(read_deliveries([b"[]"], "watch", read_object=identity)) == [Delivery(read_objects=(identity,))]
    assert list(read_deliveries([b"[]"], "watch")) == [Delivery()]
