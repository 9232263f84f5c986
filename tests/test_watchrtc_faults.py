"""Object stores that fail: nothing is lost, nothing is counted twice, and nobody else waits for it."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from exporter.sources.base import PollError
from exporter.sources.watchrtc import cloud_options
from exporter.sources.watchrtc.source import open_source
from tests.fault_store import FaultStore, running_fault_store
from tests.watchrtc_support import MemoryIntake, RecordedEvents, a_room, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fault_store import Fault

pytestmark = pytest.mark.anyio

NOW = 1_772_366_400.0


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultStore]:
    """A store that the library asks twice at most, without a pause."""
    backoff = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=2), "base": 2}
    monkeypatch.setattr(
        cloud_options, "_RETRY", {"max_retries": 1, "retry_timeout": timedelta(seconds=5), "backoff": backoff}
    )
    with running_fault_store() as running:
        yield running


class Polls:
    """One source, polled again and again."""

    def __init__(self, store: FaultStore, read_timeout: str = "300ms") -> None:
        self.store, self.intake, self.events = store, MemoryIntake(NOW), RecordedEvents()
        options = {
            "endpoint": store.url,
            "access_key_id": "test",
            "secret_access_key": "s3cret",
            "region": "eu-west-1",
            "read_timeout": read_timeout,
        }
        self.settings = read_settings({"url": "s3://bucket", "name": "watch", "storage_options": options})
        assert self.settings.problems() == []

    async def run(self, times: int = 1, pause: float = 1000) -> None:
        """Polls, with that many seconds between."""
        async with open_source(self.settings, self.events) as source:
            for _ in range(times):
                await source.poll(self.intake)
                self.intake.time += pause


def put(store: FaultStore, *names: str) -> None:
    """Objects with one room each, called as they are."""
    store.objects |= {name: json.dumps([a_room(name)]).encode() for name in names}


@pytest.mark.parametrize("faults", [[429, 200], [503, 200], ["cut", 200], ["stall", 200]])
async def test_what_passes_is_not_noticed(
    store: FaultStore, caplog: pytest.LogCaptureFixture, faults: list[Fault]
) -> None:
    """The library asks again, and goes on where a body broke off."""
    put(store, "a", "b")
    store.faults["a"] = faults
    polls = Polls(store)
    await polls.run()
    assert polls.intake.room_ids == ["a", "b"]
    assert store.asked == ["", "a", "a", "b"]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("fault", "quarantined", "told"),
    [
        (503, 0, "503 Service Unavailable (AccessDenied)"),
        (429, 0, "429 Too Many Requests (AccessDenied)"),
        (403, 1, "403 Forbidden (AccessDenied)"),
        ("cut", 1, "cannot be read: HTTP error: request or response body error"),
        ("stall", 0, "cannot be read: no answer in time"),
        (404, 1, "it is listed, but not there in that version"),
        (400, 1, "400 Bad Request"),
    ],
)
async def test_what_stays_is_in_nobodys_way(
    store: FaultStore, caplog: pytest.LogCaptureFixture, fault: Fault, quarantined: int, told: str
) -> None:
    """What speaks against the object is given up after five tries; a store that is busy or slow is asked for ever."""
    put(store, "a", "b")
    store.faults["a"] = [fault]
    polls = Polls(store)
    with caplog.at_level(logging.WARNING):
        async with open_source(polls.settings, polls.events) as source:
            for number in range(7):
                if number == 2:
                    put(store, "c")
                await source.poll(polls.intake)
                polls.intake.time += 1000
    assert polls.intake.room_ids == ["b", "c"]
    assert polls.intake.rejected == []
    assert polls.events.quarantined == quarantined
    assert polls.events.backlogs[-1] == 1 - quarantined
    assert told in caplog.text
    assert "s3cret" not in caplog.text
    put(store, "a")
    store.objects["a"] += b" "
    store.faults.clear()
    polls.intake.time += 1000
    await polls.run()
    assert polls.intake.room_ids == ["b", "c", "a"]


async def test_an_outage_ends_the_poll(store: FaultStore) -> None:
    """After three reads in a row without an answer the others are not asked for; nothing is given up."""
    put(store, *"abcdef")
    store.faults = {name: [503] for name in "abcdef"}
    polls = Polls(store)
    with pytest.raises(PollError, match="3 in a row could not be read: cannot be read: 503") as caught:
        await polls.run()
    assert caught.value.reason == "unreachable"
    assert store.asked == ["", "a", "a", "b", "b", "c", "c"]
    store.faults.clear()
    await polls.run()
    assert sorted(polls.intake.room_ids) == list("abcdef")


async def test_lost_permission_gives_nothing_up(store: FaultStore) -> None:
    """Credentials that may list and no more make every object fail; when they are put right all of it is read."""
    put(store, *"abcdef")
    store.faults = {name: [403] for name in "abcdef"}
    polls = Polls(store)
    async with open_source(polls.settings, polls.events) as source:
        for _ in range(10):
            with pytest.raises(PollError, match="lets none of 6 be read: cannot be read: 403 Forbidden") as caught:
                await source.poll(polls.intake)
            assert caught.value.reason == "permission"
            polls.intake.time += 1000
        assert (polls.events.quarantined, polls.events.backlogs[-1]) == (0, 6)
        store.faults.clear()
        await source.poll(polls.intake)
    assert sorted(polls.intake.room_ids) == list("abcdef")


async def test_gaps_between_tries_grow(store: FaultStore) -> None:
    """One interval, two, four, eight, but never more than five minutes."""
    put(store, "a")
    store.faults["a"] = [503]
    polls = Polls(store)
    tries = []
    async with open_source(polls.settings, polls.events) as source:
        for minute in range(30):
            store.asked.clear()
            await source.poll(polls.intake)
            tries += [minute] if "a" in store.asked else []
            polls.intake.time += 60
    assert tries == [0, 1, 3, 7, 12, 17, 22, 27]


@pytest.mark.parametrize(
    ("fault", "reason", "told"),
    [
        (403, "permission", "403 Forbidden (AccessDenied)"),
        (401, "unauthorized", "401 Unauthorized (AccessDenied)"),
        (404, "not_found", "404 Not Found (AccessDenied)"),
        (503, "http_status", "503 Service Unavailable (AccessDenied)"),
        ("stall", "timeout", "no answer in time"),
    ],
)
async def test_a_listing_that_fails(store: FaultStore, fault: Fault, reason: str, told: str) -> None:
    """Fails the poll, with the reason that is counted and a text of one line without the store's document."""
    put(store, "a")
    store.faults[""] = [fault]
    with pytest.raises(PollError) as caught:
        await Polls(store).run()
    assert caught.value.reason == reason
    assert str(caught.value).startswith(f"s3://bucket: cannot be listed: {told}")
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_store_that_is_never_silent_and_never_done(store: FaultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll does not wait for ever, nor does an object keep others from being read."""
    monkeypatch.setattr("exporter.sources.watchrtc.worker.LONGEST_WAIT_SECONDS", 0.3)
    put(store, "a", "b")
    polls = Polls(store, read_timeout="1h")
    store.faults["a"] = ["stall"]
    await polls.run()
    assert polls.intake.room_ids == ["b"]
    store.faults[""] = ["stall"]
    with pytest.raises(PollError, match="s3://bucket: cannot be listed: no answer in time") as caught:
        await polls.run()
    assert caught.value.reason == "timeout"


async def test_a_store_that_is_not_there(store: FaultStore) -> None:
    """No connection is no answer; the text is the same each time, so that it is told once."""
    polls = Polls(store)
    store.url = "http://127.0.0.1:1"
    told = set()
    for _ in range(2):
        with pytest.raises(PollError) as caught:
            await Polls(store).run()
        assert caught.value.reason == "unreachable"
        told.add(str(caught.value))
    assert len(told) == 1
    assert polls.events.backlogs == []


async def test_a_store_without_etags(store: FaultStore) -> None:
    """A version is told by its time and size."""
    store.with_etags = False
    put(store, "a", "b")
    polls = Polls(store)
    await polls.run()
    await polls.run()
    assert polls.intake.room_ids == ["a", "b"]
    assert {each.tag for delivery in polls.intake.deliveries for each in delivery.read_objects} == {
        f"1772359200-{len(store.objects['a'])}"
    }


async def test_a_listing_that_is_none(store: FaultStore) -> None:
    """What is no XML is no empty bucket."""
    store.listing = lambda: "<html>sign in<br>"  # type: ignore[method-assign]
    with pytest.raises(PollError) as caught:
        await Polls(store).run()
    assert caught.value.reason == "malformed"
