"""Catching up after a downtime: every session once, bit by bit, over failures, restarts and clocks that are wrong."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from exporter.sources.hundredms import finder
from exporter.sources.hundredms.sessions import read_moment
from tests.hundredms_support import NOON, Bench, FakeVendor, listed, reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

pytestmark = pytest.mark.anyio

HOUR = 3600.0
DAY = 86_400.0
#: So many requests that all that is found is due at once.
QUICK = {"requests_per_second": 1e12, "settle_delay": "0s", "recheck_after": [], "concurrency": 2}


def text(seconds: float) -> str:
    """As the vendor writes times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


class Archive(FakeVendor):
    """A vendor that keeps sessions and lists them by their start, newest first, page by page."""

    def __init__(self, *starts: float, minutes: float = 10.0) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, Any]] = {}
        for start in starts:
            self.hold(start, minutes)
        #: Unix seconds by its clock; None: it does not say.
        self.time: float | None = None
        #: Answers so many listings, then none; None: all.
        self.patience: int | None = None
        #: What it says in place of the right cursor.
        self.cursor: str | None = None

    def hold(self, start: float, minutes: float = 10.0, room_id: str = "r1") -> None:
        """A session that began then."""
        name = f"{int(start):08x}"
        ended = text(start + minutes * 60.0)
        self.rows[name] = listed(name, f"peer-{name}", created_at=text(start), ended=ended, room_id=room_id)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers a listing as the documentation says, anything else as any vendor."""
        if not request.url.path.endswith("/sessions"):
            return await super().__call__(request)
        query = dict(request.url.params)
        self.listings.append(query)
        if self.patience is not None:
            self.patience -= 1
            if self.patience < 0:
                return reply(500)
        since, until = read_moment(query["after"]), read_moment(query.get("before", "9999-01-01T00:00:00Z"))
        assert since is not None
        assert until is not None
        rows = [
            row
            for name, row in sorted(self.rows.items(), reverse=True)
            if since <= (read_moment(row["created_at"]) or 0.0) <= until
            and query.get("room_id") in {None, row["room_id"]}
            and not name >= query.get("start", "~")
        ][: int(query["limit"])]
        last = self.cursor or (rows[-1]["id"] if rows else "")
        body = json.dumps({"limit": int(query["limit"]), "data": rows, "last": last}).encode()
        told = (
            {} if self.time is None else {"Date": format_datetime(datetime.fromtimestamp(self.time, UTC), usegmt=True)}
        )
        return reply(200, body, **told)

    @property
    def everyone(self) -> list[str]:
        """The peers of all sessions, ordered."""
        return sorted(f"peer-{name}" for name in self.rows)

    @property
    def stretches(self) -> list[tuple[float | None, float | None]]:
        """From when to when was listed, as Unix seconds, in order; one for all pages of one listing."""
        return [
            (read_moment(query["after"]), read_moment(query.get("before")))
            for query in self.listings
            if "start" not in query
        ]


def bench(vendor: Archive, **discovery: Any) -> Bench:  # noqa: ANN401 - YAML
    """A source before that vendor."""
    settings: Mapping[str, Any] = {"peer_stats": QUICK, "discovery": discovery}
    return Bench(vendor, settings)


async def test_the_first_start_begins_with_the_look_back() -> None:
    """A new exporter does not fetch a month."""
    vendor = Archive(NOON - 3 * DAY, NOON - 15 * HOUR, NOON - 13 * HOUR)
    at = bench(vendor)
    await at.poll()
    await at.poll(60.0)
    assert at.intake.peers() == [f"peer-{int(NOON - 13 * HOUR):08x}"]
    assert vendor.stretches == [(NOON - 14 * HOUR, None), (NOON - 14 * HOUR, None)]


async def test_what_was_missed_in_a_downtime_is_found_once() -> None:
    """Whenever it was: nobody is left out, nobody is asked for twice, and afterwards the look-back is all again."""
    vendor = Archive(NOON - HOUR)
    at = bench(vendor)
    await at.poll()
    for hour in range(1, 120):
        vendor.hold(NOON + hour * HOUR)
    at.restart()
    await at.poll(120 * HOUR)
    assert at.intake.peers() == vendor.everyone
    before = len(vendor.listings)
    await at.poll(60.0)
    at.restart()
    await at.poll(60.0)
    now = NOON + 120 * HOUR
    # The next process knows when the last one listed, to within five minutes.
    assert vendor.stretches[-2:] == [(now - 14 * HOUR, None), (now - 14 * HOUR, None)]
    assert len(vendor.listings) == before + 2
    assert Counter(vendor.asked) == dict.fromkeys(vendor.everyone, 1)
    assert at.intake.peers() == vendor.everyone


async def test_it_goes_back_as_far_as_configured() -> None:
    """What is older is left."""
    vendor = Archive()
    at = bench(vendor, catch_up="3d")
    await at.poll()
    for day in range(10):
        vendor.hold(NOON + day * DAY + HOUR)
    at.restart()
    await at.poll(10 * DAY)
    assert at.intake.peers() == vendor.everyone[-3:]
    assert vendor.stretches[2] == (NOON + 7 * DAY, NOON + 10 * DAY - 14 * HOUR)


async def test_the_same_process_catches_up_when_the_vendor_is_back() -> None:
    """A vendor that cannot be asked for days is a downtime, too."""
    vendor = Archive()
    at = bench(vendor)
    await at.poll()
    vendor.patience = 0
    await at.fails(60.0)
    for hour in range(48):
        vendor.hold(NOON + hour * HOUR)
    vendor.patience = None
    await at.poll(2 * DAY)
    assert at.intake.peers() == vendor.everyone


async def test_a_listing_that_is_cut_short_goes_on_where_it_was() -> None:
    """Also in another process; what is new is found all the while."""
    vendor = Archive()
    at = bench(vendor)
    await at.poll()
    for minute in range(0, 7 * 24 * 60, 10):
        vendor.hold(NOON + minute * 60.0, minutes=5.0)
    # One page for what is recent, three of what was missed, and then nothing works.
    vendor.patience = 4
    at.restart()
    failure = await at.fails(7 * DAY)
    assert failure.reason == "http_status"
    # The one that began just then is in both parts.
    assert len(at.intake.reports) == 84 + 299
    vendor.patience = None
    vendor.hold(NOON + 7 * DAY + 600.0, minutes=5.0)
    at.restart()
    await at.poll(HOUR)
    assert at.intake.peers() == vendor.everyone
    assert set(Counter(vendor.asked).values()) == {1}
    reached = NOON + 7 * DAY - 14 * HOUR - 299 * 600.0
    again = [until for _, until in vendor.stretches if until is not None]
    # First all that was missed, then what was left of it, then a look whether that was all.
    assert again == [NOON + 7 * DAY - 14 * HOUR, reached + 60.0, pytest.approx(NOON - 14 * HOUR + 60.0, abs=14 * HOUR)]


async def test_it_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month is listed over several polls, so that peers are asked for meanwhile."""
    monkeypatch.setattr(finder, "MISSED_SECONDS", 0.0)
    vendor = Archive()
    at = bench(vendor)
    await at.poll()
    for minute in range(0, 7 * 24 * 60, 10):
        vendor.hold(NOON + minute * 60.0, minutes=5.0)
    found: list[int] = []
    await at.poll(7 * DAY)
    while not found or len(at.intake.reports) > found[-1]:
        found.append(len(at.intake.reports))
        await at.poll(60.0)
    # A page has a hundred, the last one of the page before among them.
    assert found[:3] == [84 + 99, 84 + 198, 84 + 297]
    assert at.intake.peers() == vendor.everyone
    listings = len(vendor.listings)
    await at.poll(60.0)
    assert len(vendor.listings) == listings + 1


async def test_todays_calls_do_not_wait_for_a_months() -> None:
    """What was missed takes every other request, from when it is found."""
    vendor = Archive()
    settings: Mapping[str, Any] = {"peer_stats": {**QUICK, "requests_per_second": 10}}
    at = Bench(vendor, settings)
    await at.poll()
    for minute in range(0, 7 * 24 * 60, 10):
        vendor.hold(NOON + minute * 60.0, minutes=5.0)
    found = NOON + 7 * DAY
    await at.poll(7 * DAY)
    # Those of the look-back, and one of the others.
    assert len(at.intake.reports) == 84 + 1
    assert at.events.backlogs[-1] == 1008 - 85
    due = sorted(task.due for key, task in at.intake.tasks.items() if key not in at.intake.finished)
    assert due == pytest.approx([found + 0.2 * number for number in range(1, 1008 - 84)])
    vendor.hold(found - 240.0, minutes=5.0)
    await at.poll(100.0)
    assert f"peer-{int(found - 240.0):08x}" in vendor.asked
    assert len(at.intake.reports) == 85 + 500 + 1
    at.restart()
    await at.poll(100.0)
    assert at.intake.peers() == vendor.everyone


async def test_the_backlog_shows_what_is_left_to_do() -> None:
    """From the first moment of a process on, though it has found nothing by itself yet."""
    vendor = Archive()
    vendor.default = 404
    at = bench(vendor, catch_up="10d")
    await at.poll()
    for hour in range(24 * 8):
        vendor.hold(NOON + hour * HOUR)
    await at.poll(8 * DAY)
    # Six of the eight days are over their time to be given up: those peers count as they are.
    waiting = at.events.backlogs[-1]
    assert waiting == 192 - len(at.intake.reports)
    assert waiting > 0
    assert max(at.events.backlogs) == 192
    at.restart()
    vendor.patience = 0
    await at.fails(1.0)
    assert at.events.backlogs[0] == waiting


async def test_a_vendor_that_repeats_its_cursor() -> None:
    """The listing goes on by time."""
    vendor = Archive()
    at = bench(vendor)
    await at.poll()
    for minute in range(0, 5 * 24 * 60, 10):
        vendor.hold(NOON + minute * 60.0, minutes=5.0)
    vendor.cursor = "7fffffff"
    await at.poll(5 * DAY)
    assert at.intake.peers() == vendor.everyone
    assert len(vendor.listings) < 40


async def test_a_vendor_that_lists_in_no_order() -> None:
    """A listing that is cut short begins anew: nothing tells what it had left out."""
    vendor = Archive()
    at = bench(vendor)
    await at.poll()
    for minute in range(0, 4 * 24 * 60, 10):
        vendor.hold(NOON + minute * 60.0, minutes=5.0)
    rows = list(vendor.rows.values())
    vendor.rows = {f"{len(rows) - at:08x}": row for at, row in enumerate(rows)}
    for name, row in vendor.rows.items():
        row["id"] = name
    vendor.patience = 3
    await at.fails(4 * DAY)
    vendor.patience = None
    at.restart()
    await at.poll(60.0)
    assert at.intake.peers() == sorted(next(iter(row["peers"])) for row in vendor.rows.values())


class TestRooms:
    """Where the configuration names rooms, each has a mark of its own."""

    async def test_one_that_fails_holds_back_no_other(self) -> None:
        """And catches up when it can be listed again."""

        class HalfArchive(Archive):
            broken = False

            async def __call__(self, request: httpx.Request) -> httpx.Response:
                if self.broken and request.url.params.get("room_id") == "a":
                    return reply(500)
                return await super().__call__(request)

        vendor = HalfArchive()
        at = bench(vendor, rooms=["a", "b"])
        await at.poll()
        vendor.broken = True
        for hour in range(96):
            vendor.hold(NOON + hour * HOUR, room_id="ab"[hour % 2])
            await at.fails(HOUR)
        found = [name for name, row in vendor.rows.items() if row["room_id"] == "b"]
        assert at.intake.peers() == sorted(f"peer-{name}" for name in found)
        vendor.broken = False
        at.restart()
        await at.poll(60.0)
        assert at.intake.peers() == vendor.everyone
        assert {query["room_id"] for query in vendor.listings if "before" in query} == {"a"}

    async def test_one_that_is_chosen_later_was_listed_with_all(self) -> None:
        """So it catches up from there; one that was never listed begins with the look-back."""
        vendor = Archive()
        at = bench(vendor)
        await at.poll()
        for hour in range(96):
            vendor.hold(NOON + hour * HOUR, room_id="ab"[hour % 2])
        later = bench(vendor, rooms=["a"])
        later.intake = at.intake
        await later.poll(96 * HOUR)
        found = [name for name, row in vendor.rows.items() if row["room_id"] == "a"]
        assert later.intake.peers() == sorted(f"peer-{name}" for name in found)

    async def test_a_mark_of_another_form_is_none(self) -> None:
        """As at the first start."""
        vendor = Archive()
        at = bench(vendor)
        await at.poll()
        at.intake.facts = dict.fromkeys(at.intake.facts, b"\xff")
        at.restart()
        await at.poll(3 * DAY)
        assert vendor.stretches[-1] == (NOON + 3 * DAY - 14 * HOUR, None)


class TestClocks:
    """Clocks that are wrong lose nobody, and do not make a listing of a month each time."""

    @pytest.mark.parametrize("ahead", [-20 * HOUR, -3 * HOUR, -60.0, 0.0, 3 * HOUR, 20 * HOUR, 20 * DAY])
    async def test_the_vendors_clock_is_another(self, ahead: float) -> None:
        """Its answers tell it: from the second poll on at the latest, all that ended is found."""
        vendor = Archive()
        at = bench(vendor)
        for _ in range(18):
            at.intake.time += 600.0
            theirs = vendor.time = at.intake.time + ahead
            vendor.hold(theirs - 700.0)
            await at.poll()
        assert at.intake.peers() == vendor.everyone
        stretches = [since for since, _ in vendor.stretches if since]
        right = at.intake.time if 0 <= ahead <= DAY else theirs
        assert stretches[-1] == pytest.approx(right - 14 * HOUR, abs=601.0)

    async def test_ours_is_set_back(self) -> None:
        """What was listed while it was ahead is not trusted: once, a month is listed."""
        vendor = Archive()
        at = bench(vendor)
        await at.poll()
        at.intake.time += 400 * DAY
        await at.poll()
        at.intake.time = NOON + 2 * DAY
        for hour in range(48):
            vendor.hold(NOON + hour * HOUR)
        at.restart()
        await at.poll()
        assert at.intake.peers() == vendor.everyone
        listings = len(vendor.listings)
        await at.poll(60.0)
        assert vendor.stretches[listings:] == [(NOON + 2 * DAY + 60.0 - 14 * HOUR - 60.0, None)]

    async def test_ours_is_set_back_a_little(self) -> None:
        """Nothing special, but that the mark goes back with it."""
        vendor = Archive(NOON - HOUR)
        at = bench(vendor)
        await at.poll()
        await at.poll(-600.0)
        assert vendor.stretches == [(NOON - 14 * HOUR, None), (NOON - 600.0 - 14 * HOUR, None)]
        assert json.loads(at.intake.facts["listed/"]) == {"at": NOON - 600.0}

    async def test_ours_is_wrong_when_the_process_starts(self) -> None:
        """A downtime is caught up with by the vendor's clock all the same."""
        vendor = Archive()
        at = bench(vendor)
        vendor.time = at.intake.time
        await at.poll()
        for hour in range(72):
            vendor.hold(NOON + hour * HOUR)
        at.restart()
        vendor.time = NOON + 72 * HOUR
        at.intake.time = vendor.time + 20 * HOUR
        await at.poll()
        await at.poll(60.0)
        assert at.intake.peers() == vendor.everyone
