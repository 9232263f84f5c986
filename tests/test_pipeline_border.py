"""The pipeline behind its border: what a source is told, what a person is shown, what a damaged state costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from exporter.pipeline import PipelineError
from exporter.settings import MetricsSettings, PseudonymSettings, Settings, ShardSettings
from exporter.sources.base import Delivery, ObjectIdentity, PollError, Task
from exporter.told import quote, told
from exporter.values import Duration, Secret
from tests.reports import START, audio, key, peer, report
from tests.test_pipeline import Bench, FakeSettings, at_work, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.sources.base import Events, Intake, PollFailure

pytestmark = pytest.mark.anyio

SALT = "a salt that nobody guesses"


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    """Those that a test makes; closed at its end."""
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.close()


def a_bench(made: list[Bench], folder: Path, *, salt: str = SALT, shard: ShardSettings | None = None) -> Bench:
    """A pipeline's surroundings, with pseudonyms for peers where there is a salt."""
    pseudonyms = PseudonymSettings(labels=("peer_id", "session_id"), salt=Secret(salt)) if salt else None
    settings = Settings(
        sources=(FakeSettings(),),
        source_types=("fake",),
        metrics=MetricsSettings(zero_hold=Duration(0), pseudonyms=pseudonyms),
        shard=shard or ShardSettings(),
    )
    made.append(Bench(folder, settings=settings))
    return made[-1]


async def ended(polled: asyncio.Event) -> None:
    """Waits for a poll."""
    await asyncio.wait_for(polled.wait(), 10.0)


async def test_a_source_gets_back_what_it_said(benches: list[Bench], tmp_path: Path) -> None:
    """Tasks and objects by the names that it gave them, from a ledger that does not know these."""
    bench = a_bench(benches, tmp_path)
    found: list[object] = []
    polled = asyncio.Event()
    task = Task(key="session-zq/peer-zq", due=START, notes=b"notes-zq")
    first, second = ObjectIdentity("one-zq", "1"), ObjectIdentity("two-zq", "1")

    async def poll(intake: Intake, _: Events) -> None:
        await intake.deliver(Delivery(new_tasks=(task,), read_objects=(first,)))
        found.append((await intake.due_tasks(5), await intake.unread([first, second])))
        polled.set()

    async with at_work(bench.pipeline(poll)):
        await ended(polled)
    assert found[0] == ([task], [second])
    assert "zq" not in repr(bench.ledger.due_tasks("prod", START, 9))


async def test_a_task_that_cannot_be_read_is_given_up(
    benches: list[Bench], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs itself, and is not met again at every poll."""
    bench = a_bench(benches, tmp_path)
    with bench.ledger.transaction(START) as transaction:
        transaction.add_task("prod", Task(key="k", due=START - 1.0, notes=b"no seal"))
    found: list[list[str]] = []
    polled = asyncio.Event()
    good = Task(key="good", due=START)

    async def poll(intake: Intake, _: Events) -> None:
        await intake.deliver(Delivery(new_tasks=(good,)))
        found.append([task.key for task in await intake.due_tasks(1)])
        if len(found) > 1:
            polled.set()

    pipeline = bench.pipeline(poll)
    # The damaged row was put there by hand, before the state knew of pseudonyms.
    with bench.ledger.transaction(START) as transaction:
        transaction.put_fact("terms", pipeline.border.terms)
    async with at_work(pipeline):
        await ended(polled)
    assert found[:2] == [[], ["good"]]
    assert caplog.text.count("prod: 1 tasks of the state cannot be read and are given up") == 1


async def test_the_landing_page_quotes_nobody(benches: list[Bench], tmp_path: Path) -> None:
    """Of a failed poll it shows the words, and of everything else that there was something."""
    bench = a_bench(benches, tmp_path)
    texts = iter([told("sessions: answered with status 400: ", quote("no zq")), "no zq either"])
    problems: list[str] = []
    reason: PollFailure = "http_status"

    async def poll(_: Intake, __: Events) -> None:
        (state,) = pipeline.sources()
        problems.append(state.problem)
        text = next(texts, None)
        if text:
            raise PollError(reason, text)
        polled.set()

    polled = asyncio.Event()
    pipeline = bench.pipeline(poll)
    async with at_work(pipeline):
        await ended(polled)
    first, second, third = problems[:3]
    assert first == ""
    assert second.startswith("sessions: answered with status 400: <")
    assert third.startswith("<")
    assert "zq" not in second + third


@pytest.mark.parametrize(("salt", "warned"), [(SALT, False), ("pepper", True), ("", False)])
async def test_a_short_salt_is_warned_of(
    benches: list[Bench], tmp_path: Path, caplog: pytest.LogCaptureFixture, *, salt: str, warned: bool
) -> None:
    """It can be found by trying."""
    a_bench(benches, tmp_path, salt=salt).pipeline(nothing)
    assert ("so short that it can be guessed" in caplog.text) == warned


async def test_a_shard_reports_its_own(benches: list[Bench], tmp_path: Path) -> None:
    """Of four sessions that three exporters are told of, each counts its own, and says which of them it is."""
    sessions = ("s1", "s2", "abc", "größe")
    # By `$((0x$(printf %s ID | sha256sum | cut -c1-8) % 3))`.
    expected = {0: ["abc", "s2"], 1: ["größe", "s1"], 2: []}
    for index, owned in expected.items():
        bench = a_bench(benches, tmp_path / str(index), salt="", shard=ShardSettings(index=index, count=3))
        asked: list[str] = []
        polled = asyncio.Event()

        async def poll(intake: Intake, _: Events, asked: list[str] = asked, polled: asyncio.Event = polled) -> None:
            asked[:] = sorted(session for session in sessions if intake.is_mine(session))
            reports = tuple(report(peer("p", audio([0.5])), of=key(session)) for session in sessions)
            await intake.deliver(Delivery(reports=reports))
            polled.set()

        async with at_work(bench.pipeline(poll)) as pipeline:
            await ended(polled)
            await bench.shown(pipeline, f'webrtc_exporter_reports_ingested_total{{source="prod"}} {float(len(owned))}')
            assert f"webrtc_exporter_shard_index {float(index)}" in bench.page(pipeline)
            assert "webrtc_exporter_shards 3.0" in bench.page(pipeline)
            assert sorted(line.session_id for line in pipeline.latest_sessions(9)) == owned
        assert asked == owned


async def test_a_state_of_another_shard_is_refused(benches: list[Bench], tmp_path: Path) -> None:
    """Before anything is read."""
    bench = a_bench(benches, tmp_path, salt="", shard=ShardSettings(index=0, count=2))

    async def poll(intake: Intake, _: Events) -> None:
        await intake.deliver(Delivery(reports=(report(peer("p", audio([0.5]))),)))
        polled.set()

    polled = asyncio.Event()
    async with at_work(bench.pipeline(poll)):
        await ended(polled)
    bench.settings = replace(bench.settings, shard=ShardSettings(index=0, count=1))
    with pytest.raises(PipelineError, match=r"the state is that of shard 0 of 2, .* that of a single exporter"):
        await bench.pipeline(nothing).open()
