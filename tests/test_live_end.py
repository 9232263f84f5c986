"""The real exporter is told to end in the midst of polls: it ends at once, in order, with exit code 0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.live.faulty_vendor import by_first_part
from tests.live.hostile_store import HostileStore
from tests.live.process import running_exporter
from tests.live.vendors import in_a_thread

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.hostile_store import Mood

pytestmark = pytest.mark.live

#: Stores that keep their askers waiting, each in its way, and one that is asked all the time and answers.
MOODS: Final[tuple[Mood, ...]] = ("silent", "drip", "silent objects", "good")


@pytest.mark.parametrize("moods", [MOODS, ("good",)], ids=["hanging", "busy"])
def test_ends_in_the_midst_of_polls_of_buckets(moods: tuple[Mood, ...], tmp_path: Path) -> None:
    """Nothing hangs, and no thread of the object-store library aborts the process when it ends."""
    stores = {mood.replace(" ", "-"): HostileStore(mood, {"a.json": b"[]"}) for mood in moods}
    with in_a_thread(by_first_part(stores)) as url:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"sources": [_source(name, url) for name in stores]}), encoding="utf-8")
        with running_exporter(config, tmp_path / "state") as exporter:
            exporter.until("all are asked", lambda: all(store.asked for store in stores.values()))
            assert exporter.stop() == 0
            log = exporter.log_end()
    assert log.splitlines()[-1].endswith("msg=stopping")


def _source(name: str, url: str) -> dict[str, object]:
    options = {"endpoint": f"{url}/{name}", "access_key_id": "test", "secret_access_key": "s3cret", "region": "here"}
    return {
        "name": name,
        "type": "watchrtc",
        "url": "s3://bucket",
        "poll_interval": "0s",
        "min_object_age": "0s",
        "storage_options": options,
    }
