"""The configuration of a 100ms source: its defaults, and mistakes told by place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exporter.ledger.history import GROWTH_SECONDS, HISTORY_SECONDS
from exporter.sources import source_types
from exporter.sources.hundredms.settings import HundredMsSettings
from exporter.values import Duration, Secret, decode_value
from tests.hundredms_support import read_settings

TOKEN = {"auth": {"management_token": "t0ken"}}


def problems(raw: dict[str, Any]) -> list[str]:
    """The places at which these settings, with a token unless they say otherwise, are wrong."""
    return [place for place, _ in read_settings(raw).problems()]


def test_type_is_registered() -> None:
    """The configuration's `type: 100ms` finds this package."""
    assert source_types()["100ms"].settings is HundredMsSettings


def test_defaults() -> None:
    """What the documentation promises where nothing is said."""
    settings = read_settings()
    assert settings.problems() == []
    assert settings.name == "100ms"
    assert settings.base_url.reveal() == "https://api.100ms.live/v2"
    assert settings.poll_seconds == 60.0
    assert settings.discovery.lookback == Duration(14 * 3600)
    assert settings.discovery.rooms == ()
    assert settings.discovery.exclude_roles == ("__internal_recorder",)
    assert settings.discovery.sessions == ()
    assert settings.peer_stats.concurrency == 4
    assert settings.peer_stats.requests_per_second == 10
    assert settings.peer_stats.settle_delay == Duration(300)
    assert settings.peer_stats.recheck_after == (Duration(3600), Duration(86400))
    assert settings.peer_stats.give_up_after == Duration(172_800)
    assert settings.peer_stats.max_peers_per_session == 0
    assert settings.webhook is None
    assert settings.push is None
    assert settings.discovery.catch_up == Duration(30 * 86_400)
    assert settings.discovery.personal_labels == ()
    assert settings.keys_as_labels == ()


def test_everything_that_can_be_said() -> None:
    """Each documented key is read."""
    settings = read_settings(
        {
            "name": "prod",
            "base_url": "http://127.0.0.1:8080/v2",
            "auth": {"access_key": "key", "app_secret_file": "/run/secrets/app"},
            "discovery": {
                "poll_interval": "1s",
                "lookback": "30d",
                "rooms": ["a", "b"],
                "catch_up": "0s",
                "exclude_roles": [],
                "personal_labels": ["user_name", "user_id"],
                "sessions": [{"session_id": "s", "peer_ids": ["p"], "room_id": "r"}],
            },
            "peer_stats": {
                "concurrency": 10,
                "requests_per_second": 0.5,
                "settle_delay": "0s",
                "recheck_after": [],
                "give_up_after": "0s",
                "max_peers_per_session": 100,
            },
            "webhook": {"header": "X-Mine", "secret_file": "/run/secrets/webhook"},
            "push": {"token_file": "/run/secrets/push"},
        }
    )
    assert settings.problems() == []
    assert settings.poll_seconds == 1.0
    assert settings.discovery.lookback == Duration(30 * 86400)
    assert settings.peer_stats.recheck_after == ()


def test_secrets_do_not_show() -> None:
    """Neither in repr nor in the text of the settings."""
    raw = {"auth": {"access_key": "k", "app_secret": "hush"}, "webhook": {"secret": "hush"}}
    settings = read_settings(raw)
    assert settings.auth.app_secret == Secret("hush")
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    "raw",
    [
        {"surprise": 1},
        {"discovery": {"poll_intervall": "1m"}},
        {"peer_stats": {"concurrency": "4"}},
        {"peer_stats": {"settle_delay": 5}},
        {"discovery": {"sessions": [{"session_id": "s"}]}},
        {"discovery": {"personal_labels": ["name"]}},
        {"webhook": {"secret": ""}},
        {"base_url": "ftp://example.org"},
        {"base_url": "api.100ms.live/v2"},
        {"base_url": "https://"},
        {"base_url": ""},
    ],
)
def test_what_no_value_can_be_is_refused_at_once(raw: dict[str, Any]) -> None:
    """Unknown keys and wrong types never pass."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(TOKEN | raw, HundredMsSettings, dec_hook=decode_value)


@pytest.mark.parametrize(
    ("auth", "places"),
    [
        ({"management_token_file": "f"}, []),
        ({"access_key": "k", "app_secret": "s"}, []),
        ({"access_key": "k", "app_secret_file": "f"}, []),
        ({}, ["auth"]),
        ({"management_token": "t", "management_token_file": "f"}, ["auth"]),
        ({"management_token": "t", "access_key": "k", "app_secret": "s"}, ["auth"]),
        ({"management_token": "t", "app_secret": "s"}, ["auth"]),
        ({"access_key": "k"}, ["auth"]),
        ({"access_key": "", "app_secret": "s"}, ["auth.access_key"]),
        ({"app_secret_file": "f"}, ["auth.access_key"]),
        ({"access_key": "k", "app_secret": "s", "app_secret_file": "f"}, ["auth.app_secret_file"]),
    ],
)
def test_exactly_one_way_to_show_who_we_are(auth: dict[str, Any], places: list[str]) -> None:
    """No way, two ways and half a way are mistakes."""
    assert problems({"auth": auth}) == places


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("http://localhost:8080", True),
        ("https://[::1]:8443/v2/", True),
        ("https://example.org/v2?x=1", False),
        ("https://example.org/v2#x", False),
        ("https://user:hunter2@example.org/v2", False),
    ],
)
def test_base_url(url: str, *, fine: bool) -> None:
    """Host and path and nothing else; what is wrong is told without repeating a password."""
    found = read_settings({"base_url": url}).problems()
    assert [place for place, _ in found] == ([] if fine else ["base_url"])
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ({"discovery": {"lookback": "0s"}}, "discovery"),
        ({"discovery": {"rooms": ["r", ""]}}, "discovery.rooms[1]"),
        ({"discovery": {"sessions": [{"session_id": "", "peer_ids": ["p"]}]}}, "discovery.sessions[0].session_id"),
        ({"discovery": {"sessions": [{"session_id": "s", "peer_ids": []}]}}, "discovery.sessions[0].peer_ids"),
        ({"discovery": {"sessions": [{"session_id": "s", "peer_ids": ["p", ""]}]}}, "discovery.sessions[0].peer_ids"),
        ({"peer_stats": {"concurrency": 0}}, "peer_stats.concurrency"),
        ({"peer_stats": {"concurrency": 11}}, "peer_stats.concurrency"),
        ({"peer_stats": {"requests_per_second": 0}}, "peer_stats.requests_per_second"),
        ({"peer_stats": {"requests_per_second": float("inf")}}, "peer_stats.requests_per_second"),
        ({"peer_stats": {"requests_per_second": float("nan")}}, "peer_stats.requests_per_second"),
        ({"peer_stats": {"recheck_after": ["24h", "1h"]}}, "peer_stats.recheck_after"),
        ({"peer_stats": {"recheck_after": ["1h", "1h"]}}, "peer_stats.recheck_after"),
        ({"peer_stats": {"recheck_after": ["1h", "8d"]}}, "peer_stats.recheck_after"),
        ({"peer_stats": {"give_up_after": "11d"}}, "peer_stats.give_up_after"),
        ({"peer_stats": {"max_peers_per_session": -1}}, "peer_stats.max_peers_per_session"),
        ({"webhook": {}}, "webhook"),
        ({"webhook": {"secret": "s", "secret_file": "f"}}, "webhook.secret_file"),
        ({"webhook": {"header": "", "secret": "s"}}, "webhook.header"),
        ({"push": {}}, "push"),
        ({"push": {"token": "t", "token_file": "f"}}, "push.token_file"),
        ({"discovery": {"catch_up": "30d1ms"}}, "discovery.catch_up"),
        ({"discovery": {"personal_labels": ["user_id", "user_name", "user_id"]}}, "discovery.personal_labels[2]"),
    ],
)
def test_one_mistake_is_told_at_its_place(raw: dict[str, Any], place: str) -> None:
    """Each on its own, with the rest as it should be."""
    assert problems(raw) == [place]


@pytest.mark.parametrize(
    "raw",
    [
        {"discovery": {"lookback": "0s", "sessions": [{"session_id": "s", "peer_ids": ["p"]}]}},
        {"discovery": {"lookback": "0s", "poll_interval": "0s"}, "webhook": {"secret": "s"}},
        {"discovery": {"lookback": "0s"}, "push": {"token": "t"}},
    ],
)
def test_one_way_in_is_enough(raw: dict[str, Any]) -> None:
    """A list of sessions, a webhook or a push: then nothing need be looked for."""
    assert problems(raw) == []


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody mends a file one error at a time."""
    raw = {"auth": {}, "base_url": "https://me@host", "peer_stats": {"concurrency": 99}, "webhook": {}}
    assert problems(raw) == ["base_url", "auth", "peer_stats.concurrency", "webhook"]


def test_no_source_comes_back_to_what_is_forgotten() -> None:
    """30 days of catching up, sessions of 12 hours, and the longest wait for data, are less than what is remembered."""
    longest_wait = read_settings({"peer_stats": {"give_up_after": "10d", "recheck_after": ["7d"]}}).peer_stats
    assert 30 * 86_400 + 12 * 3600 + longest_wait.give_up_after < HISTORY_SECONDS
    assert longest_wait.recheck_after[-1] < GROWTH_SECONDS
