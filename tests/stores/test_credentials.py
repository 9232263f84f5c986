"""Stores that do not let the exporter in, or not as far as it needs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.stores.moto_place import MotoPlace
from tests.stores.place import Asked
from tests.stores.stand import Stand, rooms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores.moto_place import MotoServer
    from tests.stores.place import Place

pytestmark = [pytest.mark.anyio, pytest.mark.live]


@pytest.mark.parametrize(
    ("place", "wrong", "code", "reason"),
    [
        ("s3", {"secret_access_key": "wr0ng"}, "403", "unauthorized"),
        ("s3", {"access_key_id": "wr0ng"}, "403", "unauthorized"),
        ("google", {"bearer_token": "wr0ng"}, "401", "unauthorized"),
        # Azure's own answer is AuthenticationFailed, Azurite's the one that Azure has for what a firewall refuses.
        ("azure", {"account_key": base64.b64encode(b"wr0ng").decode()}, "403", "permission"),
    ],
    indirect=["place"],
)
async def test_wrong_credentials_fail_the_poll(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, str], code: str, reason: str
) -> None:
    """With the reason that is counted, and without what is secret; nothing is given up, and right ones make it good."""
    place.put("a.json", rooms("a"))
    right = place.settings["storage_options"]
    assert isinstance(right, dict)
    async with Stand(place, tmp_path / "state", storage_options={**right, **wrong}).running() as stand:
        await stand.poll(2)
        assert stand.of_itself("source_poll_failures_total", "reason") == {reason: 2}
        assert stand.of_itself("http_requests_total", "code") == {code: 2}
        assert (stand.value("source_up"), stand.rooms) == (0, {})
    assert "cannot be listed: 40" in caplog.text
    assert not {secret for secret in (*right.values(), *wrong.values()) if secret in caplog.text}
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        assert (stand.value("source_up"), stand.rooms) == (1, {"a": 1})


async def test_who_may_list_and_not_read_fails_the_poll(
    s3_server: MotoServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A hundred are asked for in vain, not all; nothing is given up, and whoever may read does."""
    place = MotoPlace(s3_server)
    place.fill(150)
    place.put("a.json", rooms("a"))
    place.asked()
    allowed = place.options_of(s3_server.lister)
    async with Stand(place, tmp_path / "state", storage_options=allowed).running() as stand:
        await stand.poll()
        assert place.asked() == Asked(1, 100)
        await stand.poll(6)
        assert stand.of_itself("source_poll_failures_total", "reason") == {"permission": 7}
        assert (stand.value("source_up"), stand.value("objects_quarantined_total")) == (0, 0)
        assert stand.value("source_backlog") == 151
    # One line for each poll, not for each object.
    assert len(caplog.messages) == 7
    assert all("lets none of 100 be read" in message and "AccessDenied" in message for message in caplog.messages)
    async with Stand(place, tmp_path / "state").running() as stand:
        await stand.poll()
        assert (stand.rooms, stand.value("objects_read_total")) == ({"a": 1}, 151)
        assert (stand.value("source_up"), stand.value("source_backlog")) == (1, 0)
