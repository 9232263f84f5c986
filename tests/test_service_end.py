"""A process that can neither poll nor count ends, and does not pass for one that lives."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NoReturn

import pytest

from exporter.face import ReloadError
from exporter.ledger import StateDamagedError
from exporter.options import ServeOptions
from exporter.pipeline import Pipeline, PipelineError
from exporter.service import Service

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    """One source over an empty folder."""
    (tmp_path / "streams").mkdir()
    source = {"name": "watch", "type": "watchrtc", "url": str(tmp_path / "streams")}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"sources": [source]}), encoding="utf-8")
    return ServeOptions(config_file=config, storage_path=tmp_path / "state")


async def test_a_reload_that_leaves_nothing_in_force(
    options: ServeOptions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where neither the new configuration nor the old one can be taken up, the program stops and says why."""

    async def fails(*_: object) -> NoReturn:
        message = "state.sqlite: the disk is full"
        raise PipelineError(message)

    stop = asyncio.Event()
    async with AsyncExitStack() as resources:
        service = await Service.open(options, resources, stop)
        assert not stop.is_set()
        monkeypatch.setattr(Pipeline, "open", fails)
        with pytest.raises(ReloadError, match="the disk is full"):
            await service.reload()
        assert stop.is_set()
        assert service.has_failed
    assert "the old configuration cannot be taken up again: state.sqlite: the disk is full" in caplog.messages


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        # The ledger has said it.
        (StateDamagedError("state.sqlite: damaged"), []),
        (ZeroDivisionError(), ["the pipeline ended by a fault of this program"]),
    ],
)
async def test_a_pipeline_that_ends_by_itself(
    options: ServeOptions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: list[str],
) -> None:
    """The program stops; what nobody has told yet is logged."""

    async def ends(_: Pipeline) -> NoReturn:
        message = "tasks"
        raise ExceptionGroup(message, [error])

    monkeypatch.setattr(Pipeline, "run", ends)
    stop = asyncio.Event()
    async with AsyncExitStack() as resources:
        service = await Service.open(options, resources, stop)
        async with asyncio.timeout(10.0):
            await stop.wait()
        assert service.has_failed
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == logged
