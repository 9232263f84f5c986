"""Where data streams lie: buckets and their options."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING

import pytest

from exporter.sources import watchrtc
from exporter.sources.watchrtc import cloud_options
from exporter.sources.watchrtc.cloud_options import ExtraMissingError, OptionError, open_cloud, option_problems
from exporter.sources.watchrtc.location import Bucket, cloud_bucket
from tests.watchrtc_support import RecordedEvents, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

S3 = Bucket("s3", "bucket", "")


@pytest.fixture(autouse=True)
def _no_machine_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine that runs the tests."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("s3://bucket", Bucket("s3", "bucket", "")),
        ("s3://bucket/", Bucket("s3", "bucket", "")),
        ("S3://bucket/a/b/", Bucket("s3", "bucket", "a/b")),
        ("gs://bucket/a%20b?c#d e", Bucket("gs", "bucket", "a%20b?c#d e")),
        ("az://container/x", Bucket("az", "container", "x")),
    ],
)
def test_buckets(url: str, bucket: Bucket) -> None:
    """A folder of a bucket is taken as it stands: keys have no escapes."""
    options = {"account_name": "acc"} if bucket.scheme == "az" else {}
    assert read_settings({"url": url, "storage_options": options}).problems() == []
    assert cloud_bucket(url) == bucket
    assert str(bucket) == url.lower().removesuffix("/")


@pytest.mark.parametrize("url", ["file:///x", "/x", "x"])
def test_folders_are_no_buckets(url: str) -> None:
    """They need no library."""
    assert cloud_bucket(url) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://", "expected the name of a bucket, as in s3://bucket/folder"),
        ("s3:///x", "expected the name of a bucket, as in s3://bucket/folder"),
        ("gs://key:secret@bucket", "expected the name of a bucket, as in gs://bucket/folder"),
        ("az://", "expected the name of a container, as in az://container/folder"),
        ("s3://bucket//x", "expected a folder without empty or relative parts, as in s3://bucket/folder/below"),
        ("s3://bucket/a/../b", "expected a folder without empty or relative parts, as in s3://bucket/folder/below"),
        ("s3://bucket/a\nb", "expected a folder without empty or relative parts, as in s3://bucket/folder/below"),
    ],
)
def test_what_names_no_bucket(url: str, expected: str) -> None:
    """The URL itself, which may hold a password, is not in the message."""
    assert read_settings({"url": url}).problems() == [("url", expected)]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (
            "s3://b",
            {
                "endpoint": "http://localhost:9000",
                "region": "eu-central-1",
                "aws_access_key_id": "x",
                "secret_access_key": "y",
                "virtual_hosted_style_request": "false",
                "timeout": "30s",
            },
        ),
        ("gs://b", {"service_account": "/nonexistent", "google_base_url": "https://proxy"}),
        ("gs://b", {"service_account_key": "no key at all", "skip_signature": "true"}),
        ("az://c", {"account_name": "acc", "sas_token": "sv=1&sig=x", "allow_http": "true"}),
    ],
)
def test_options_are_those_of_the_library(url: str, options: dict[str, str]) -> None:
    """By all the names that it knows; files that they name are not read before they are needed."""
    assert read_settings({"url": url, "storage_options": options}).problems() == []


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        (
            "s3://b",
            {"endpont": "s3cret", "skip_signature": "s3cret 1", "region": "eu", "timeout": "s3cret 2"},
            {
                "endpont": "the object-store library knows no such option for s3://",
                "skip_signature": "expected `true` or `false`, quoted",
                "timeout": "expected a duration such as `30s`",
            },
        ),
        (
            "gs://b",
            {"service_accont": "s3cret", "google_service_account_kee": "s3cret"},
            {
                "service_accont": "the object-store library knows no such option for gs://",
                "google_service_account_kee": "the object-store library knows no such option for gs://",
            },
        ),
        (
            "s3://b",
            {"endpoint": "s3cret"},
            {"endpoint": "Expected a URL such as `https://host/path`, got other text"},
        ),
        (
            "az://c",
            {"account_name": "acc", "account_key": "%%s3cret"},
            {"": "az://c: the options are refused: Generic MicrosoftAzure error: Invalid Access Key"},
        ),
        (
            "az://c",
            {},
            {"": "az://c: the options are refused: Generic MicrosoftAzure error: Account must be specified"},
        ),
        ("s3://b", {"max_retries": "3"}, {"max_retries": "the object-store library knows no such option for s3://"}),
    ],
)
def test_every_wrong_option_is_named(url: str, options: dict[str, str], expected: dict[str, str]) -> None:
    """All at once, each in its place, and without its value."""
    found = read_settings({"url": url, "storage_options": options}).problems()
    places = {place.removeprefix("storage_options").removeprefix("."): message for place, message in found}
    assert places.keys() == expected.keys()
    assert all(places[place].startswith(message) for place, message in expected.items())
    assert "s3cret" not in str(found)


def test_a_value_in_an_error_is_masked() -> None:
    """The library quotes what it cannot use."""
    with pytest.raises(OptionError) as caught:
        open_cloud(S3, {"bucket": "x", "secret_access_key": "aws_bucket"})
    assert str(caught.value) == "s3://bucket: the options are refused: Duplicate key <secret> provided"


def test_a_key_of_google_is_refused_when_it_is_used() -> None:
    """By then the file must be there."""
    with pytest.raises(OptionError, match="Unable to open service account file from <secret>"):
        open_cloud(Bucket("gs", "bucket", ""), {"service_account": "/nonexistent"})


def test_plain_http_needs_no_second_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that is written out as http:// is meant, unless it is said not to be."""
    from obstore import store  # noqa: PLC0415 - to be replaced

    made: list[dict[str, str]] = []
    monkeypatch.setattr(store, "S3Store", lambda *_, config, **__: made.append(config))
    for options in (
        {"endpoint": "http://x"},
        {"endpoint": "https://x"},
        {"endpoint": "http://x", "allow_http": "false"},
    ):
        open_cloud(S3, options)
    assert [config.get("allow_http") for config in made] == ["true", None, "false"]
    assert made[0]["read_timeout"] == "15s"


def test_google_is_read_from_with_a_header_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes headers only where it is given all about its client apart; no option may get lost by that."""
    from obstore import store  # noqa: PLC0415 - to be replaced

    made: list[dict[str, dict[str, object]]] = []
    others = {"prefix", "retry_config"}
    monkeypatch.setattr(
        store,
        "GCSStore",
        lambda *_, **given: made.append({name: value for name, value in given.items() if name not in others}),
    )
    options = {
        "bearer_token": "x",
        "base_url": "http://x",
        "GOOGLE_TIMEOUT": "1m",
        "user_agent": "we",
        "proxy_url": "p",
    }
    open_cloud(Bucket("gs", "bucket", "folder"), options)
    given = {"connect_timeout": "5s", "read_timeout": "15s", "timeout": "6h", "allow_http": "true", **options}
    assert made == [
        {"config": given},
        {
            "config": {"bearer_token": "x", "base_url": "http://x"},
            "client_options": {
                "default_headers": {"Accept-Encoding": "gzip"},
                "connect_timeout": "5s",
                "read_timeout": "15s",
                "timeout": "1m",
                "allow_http": "true",
                "user_agent": "we",
                "proxy_url": "p",
            },
        },
    ]


@pytest.mark.parametrize("name", sorted(cloud_options._OF_CLIENT))  # noqa: SLF001 - of the library, not of ours
def test_what_is_of_the_client_the_library_takes_so(name: str) -> None:
    """By the same name as among all options."""
    from obstore.store import GCSStore  # noqa: PLC0415 - an extra

    value = "1s" if name.endswith(("timeout", "interval")) else "1" if name.endswith(("host", "size")) else "true"
    options = {"bearer_token": "x"}
    make: Callable[..., object] = GCSStore
    assert make("bucket", config={**options, name: value})
    assert make("bucket", config=options, client_options={name: value})


class TestWithoutTheExtra:
    """Whoever reads folders needs no object-store library."""

    @pytest.fixture(autouse=True)
    def _without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As where it is not installed."""
        monkeypatch.setitem(sys.modules, "obstore", None)

    def test_it_is_named(self) -> None:
        """With the word that installs it; by the check of the configuration and when it is used."""
        told = "s3:// needs an extra: pip install 'webrtc-quality-exporter[stores]'"
        assert read_settings({"url": "s3://bucket"}).problems() == [("url", told)]
        with pytest.raises(ExtraMissingError) as caught:
            open_cloud(S3, {})
        assert str(caught.value) == told

    @pytest.mark.anyio
    async def test_folders_are_read(self, tmp_path: Path) -> None:
        """Nothing asks for it."""
        settings = read_settings({"url": str(tmp_path)})
        assert settings.problems() == []
        async with watchrtc.SOURCE_TYPE.open(settings, RecordedEvents()) as source:
            assert source is not None


def test_what_asks_the_process_to_stop_is_no_mistake_of_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for one."""
    from obstore import store  # noqa: PLC0415 - to be replaced

    def interrupted(*_: object, **__: object) -> None:
        raise builtins.KeyboardInterrupt

    monkeypatch.setattr(store, "S3Store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        option_problems(S3, {})


def test_defaults_leave_room_for_large_objects() -> None:
    """A gigabyte over a slow line takes longer than half a minute."""
    assert cloud_options._TIMEOUTS["timeout"] == "6h"  # noqa: SLF001 - the default that matters
