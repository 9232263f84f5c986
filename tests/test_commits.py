"""Deliveries that are committed together count as those that are committed one after another."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.ledger import StateDamagedError, StateUnavailableError
from exporter.pipeline.commits import Commits
from exporter.pipeline.ingest import Committed
from exporter.pipeline.ledger_thread import LedgerThread
from exporter.sources.base import Delivery, Receipt, RejectedDocument, Task
from tests.ledger_support import Desk
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = START + 600.0
#: Text that SQLite cannot hold: what was written of the same delivery before it has to go.
UNWRITABLE = "\ud800"

peers = st.tuples(st.sampled_from(["p1", "p2", UNWRITABLE]), st.integers(0, 3))
reports = st.tuples(st.sampled_from(["a", "b", "c"]), st.lists(peers, max_size=2, unique_by=lambda each: each[0]))
deliveries = st.lists(
    st.tuples(st.sampled_from(["prod", "watch"]), st.lists(reports, max_size=3)), min_size=1, max_size=12
)


def delivery(source: str, sessions: list[tuple[str, list[tuple[str, int]]]]) -> tuple[str, Delivery]:
    """A delivery of reports, each with peers of so many windows, and what else a delivery may have."""
    made = tuple(
        report(*(peer(name, audio([0.1] * windows)) for name, windows in stays), of=key(session, source=source))
        for session, stays in sessions
    )
    return source, Delivery(
        reports=made,
        rejected=(RejectedDocument(reason="malformed", digest=b"d" * len(made), message="bad"),),
        new_tasks=tuple(Task(key=each.session.key.session_id, due=NOW) for each in made),
    )


def written(desk: Desk) -> list[str]:
    """Everything that is in the state."""
    return list(desk.ledger._connection.iterdump())  # noqa: SLF001 - nothing shows all of it


def told(result: Committed | Exception) -> object:
    """What the sender is told."""
    return result.receipt if isinstance(result, Committed) else type(result)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries, st.data())
def test_grouping_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    given_deliveries: list[tuple[str, list[tuple[str, list[tuple[str, int]]]]]],
    data: st.DataObject,
) -> None:
    """Whatever is grouped with what, and whichever of them fails: the same receipts, errors, state and counts."""
    all_of_them = [delivery(*each) for each in given_deliveries]
    single = Desk(tmp_path_factory.mktemp("single"))
    alone: list[object] = []
    for source, each in all_of_them:
        try:
            alone.append(single.ingest.commit(source, each, NOW).receipt)
        except UnicodeEncodeError as error:
            alone.append(type(error))
    grouped = Desk(tmp_path_factory.mktemp("grouped"))
    together: list[object] = []
    while len(together) < len(all_of_them):
        size = data.draw(st.integers(1, len(all_of_them) - len(together)))
        group = all_of_them[len(together) : len(together) + size]
        together += [told(result) for result in grouped.ingest.commit_together(group, NOW)]
    assert together == alone
    assert grouped.ledger.counts == single.ledger.counts
    assert written(grouped) == written(single)
    single.check()
    grouped.restart()
    assert grouped.ledger.counts == single.ledger.counts
    for desk in (single, grouped):
        desk.ledger.close()


class Counter:
    """The ledger's thread with a desk behind it, that can be kept busy; remembers what was committed together."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.thread = LedgerThread()
        self.commits = Commits(self.thread, self._commit)
        self.groups: list[int] = []
        self._go_on = threading.Event()

    def _commit(self, group: Sequence[tuple[str, Delivery]]) -> list[Receipt | Exception]:
        self.groups.append(len(group))
        results = self.desk.ingest.commit_together(group, NOW)
        return [result.receipt if isinstance(result, Committed) else result for result in results]

    async def busy(self) -> None:
        """Keeps the thread busy until `go_on`."""
        self._wait = asyncio.create_task(self.thread.run(self._go_on.wait))
        await asyncio.sleep(0)

    async def go_on(self) -> None:
        """Lets the thread work again."""
        await asyncio.sleep(0)
        self._go_on.set()
        await self._wait


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """A counter with nothing counted."""
    made = Counter(tmp_path)
    yield made
    made.thread.close()
    made.desk.check()
    made.desk.ledger.close()


def one(number: int, *names: str) -> Delivery:
    """A session."""
    return Delivery(reports=(report(*(peer(name) for name in names or ("p",)), of=key(f"s{number}")),))


async def test_what_waits_is_committed_together(counter: Counter) -> None:
    """Fifty deliveries that came while the thread was busy are one commit; each has its own receipt."""
    await counter.busy()
    waiting = [asyncio.create_task(counter.commits.deliver("prod", one(number % 40))) for number in range(50)]
    await counter.go_on()
    receipts = await asyncio.gather(*waiting)
    assert counter.groups == [50]
    assert receipts == [Receipt(new=1)] * 40 + [Receipt(duplicate=1)] * 10
    assert counter.desk.count("webrtc_sessions_total", "prod", "standup") == 40.0


async def test_one_that_fails_costs_only_itself(counter: Counter) -> None:
    """Its sender gets the error; those beside it are counted."""
    await counter.busy()
    waiting = [
        asyncio.create_task(counter.commits.deliver("prod", each))
        for each in (one(1), one(2, "p1", UNWRITABLE), one(3))
    ]
    await counter.go_on()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[0] == results[2] == Receipt(new=1)
    assert isinstance(results[1], UnicodeEncodeError)
    assert counter.groups == [3]
    assert counter.desk.rows("seen_peers") == 2


async def test_a_large_one_waits_for_nobody(counter: Counter) -> None:
    """Reports are committed a few hundred at a time, in the order in which they came."""
    await counter.busy()
    large = Delivery(reports=tuple(report(peer(), of=key(f"l{number}")) for number in range(300)))
    waiting = [asyncio.create_task(counter.commits.deliver("prod", each)) for each in (one(1), large, one(2), one(3))]
    await counter.go_on()
    assert [receipt.new for receipt in await asyncio.gather(*waiting)] == [1, 300, 1, 1]
    assert counter.groups == [2, 2]


async def test_one_that_nobody_waits_for_any_more_is_not_committed(counter: Counter) -> None:
    """A cancelled poll delivers again later; by then another page may be in force."""
    await counter.busy()
    waiting = [asyncio.create_task(counter.commits.deliver("prod", one(number))) for number in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await counter.go_on()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[0] == results[2] == Receipt(new=1)
    assert isinstance(results[1], asyncio.CancelledError)
    assert counter.desk.rows("seen_sessions") == 2


async def test_a_full_disk_is_told_to_each(counter: Counter) -> None:
    """What does not fit is not counted; what fits is, although it was to be committed with the other."""
    connection = counter.desk.ledger._connection  # noqa: SLF001 - how a disk is made full
    await counter.commits.deliver("prod", one(0))
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used + 20}")
    large = Delivery(new_tasks=tuple(Task(key=f"{number}", due=0.0, notes=b"x" * 500) for number in range(1000)))
    await counter.busy()
    waiting = [asyncio.create_task(counter.commits.deliver("prod", each)) for each in (one(1), large, one(2))]
    await counter.go_on()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[0] == results[2] == Receipt(new=1)
    assert isinstance(results[1], StateUnavailableError)
    assert counter.desk.rows("tasks") == 0


async def test_damage_lets_nothing_be_written(counter: Counter) -> None:
    """What was to be committed together with the delivery that found it is not written either."""
    await counter.commits.deliver("prod", one(2))
    connection = counter.desk.ledger._connection  # noqa: SLF001 - a value that this program did not write
    connection.execute("UPDATE peers SET assessment = x'c1'")
    await counter.busy()
    grown = Delivery(reports=(report(peer("p", audio([0.1])), of=key("s2")),))
    waiting = [asyncio.create_task(counter.commits.deliver("prod", each)) for each in (one(1), grown, one(3))]
    await counter.go_on()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [StateDamagedError] * 3
    assert counter.desk.rows("seen_sessions") == 1


async def test_a_commit_that_fails_as_a_whole_is_tried_one_by_one(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the common commit goes wrong, each is committed by itself."""
    transaction = counter.desk.ledger.transaction
    tries: list[float] = []

    def fails_at_first(now: float) -> object:
        tries.append(now)
        if len(tries) == 1:
            message = "disk I/O error"
            raise StateUnavailableError(message)
        return transaction(now)

    monkeypatch.setattr(counter.desk.ledger, "transaction", fails_at_first)
    await counter.busy()
    waiting = [asyncio.create_task(counter.commits.deliver("prod", one(number))) for number in range(3)]
    await counter.go_on()
    assert await asyncio.gather(*waiting) == [Receipt(new=1)] * 3
    assert len(tries) == 4


async def test_a_fault_of_ours_is_told_to_all_that_wait() -> None:
    """Nobody waits for ever, and nobody is told that it was counted."""
    thread = LedgerThread()

    def fails(_: object) -> list[Receipt | Exception]:
        raise ZeroDivisionError

    commits = Commits(thread, fails)
    results = await asyncio.gather(
        *(commits.deliver("prod", one(number)) for number in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [ZeroDivisionError] * 3
    thread.close()
