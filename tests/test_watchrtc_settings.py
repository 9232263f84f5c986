"""The watchRTC source's part of the configuration."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exporter.sources import watchrtc
from exporter.sources.watchrtc.location import local_folder
from exporter.sources.watchrtc.settings import WatchRtcSettings
from tests.watchrtc_support import read_settings


def test_only_the_url_is_required() -> None:
    """The defaults are those of the documentation."""
    settings = read_settings({"url": "/var/lib/streams"})
    assert settings.name == "watchrtc"
    assert settings.poll_seconds == 60
    assert float(settings.min_object_age) == 5
    assert settings.keys_as_labels == ()
    assert settings.max_key_values == 100
    assert settings.push is None
    assert settings.problems() == []


def test_the_documented_example_is_read_whole() -> None:
    """Every key that the documentation shows has its place."""
    settings = read_settings(
        {
            "name": "watch",
            "url": "file:///var/lib/streams",
            "storage_options": {},
            "poll_interval": "1m",
            "min_object_age": "0s",
            "keys_as_labels": ["tenant", "plan"],
            "push": {"token_file": "token.txt"},
        }
    )
    assert settings.problems() == []
    assert settings.keys_as_labels == ("tenant", "plan")


@pytest.mark.parametrize("raw", [{}, {"url": "x", "uri": "y"}, {"url": "x", "push": {"tokn": "y"}}])
def test_unknown_and_missing_keys_are_errors(raw: dict[str, object]) -> None:
    """A misspelt key is not passed over in silence."""
    with pytest.raises(msgspec.ValidationError):
        read_settings(raw)


@pytest.mark.parametrize("scheme", ["https", "abfs", "S4"])
def test_what_is_no_store_is_refused_plainly(scheme: str) -> None:
    """With the schemes that there are."""
    ((path, message),) = read_settings({"url": f"{scheme}://bucket/x"}).problems()
    assert path == "url"
    assert message == f"expected s3://, gs://, az://, file:// or a path, got {scheme}://"


@pytest.mark.parametrize("url", ["", "  ", "file://", "file://host/path", "file://localhost"])
def test_a_url_that_names_no_folder_is_refused(url: str) -> None:
    """An empty path, and the folder of another machine."""
    ((path, message),) = read_settings({"url": url}).problems()
    assert path == "url"
    assert "expected" in message


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("/data/x", "/data/x"),
        ("data/x", "data/x"),
        ("/data/100%25/a#b?c", "/data/100%25/a#b?c"),
        ("file:///data/x", "/data/x"),
        ("FILE://localhost/data/a%20b", "/data/a b"),
    ],
)
def test_paths_are_taken_as_they_are_and_urls_decoded(url: str, folder: str) -> None:
    """Only a URL has escapes."""
    assert read_settings({"url": url}).problems() == []
    assert local_folder(url) == Path(folder)


def test_keys_that_would_be_one_label_are_refused() -> None:
    """Two keys must not fight for `key_a_b`; each fault has its own place."""
    settings = read_settings({"url": "x", "keys_as_labels": ["a-b", "a_b", "", "c", "c"]})
    assert settings.problems() == [
        ("keys_as_labels[1]", "'a_b' and 'a-b' would both be the label key_a_b"),
        ("keys_as_labels[2]", "expected the name of a key, got an empty text"),
        ("keys_as_labels[4]", "'c' stands here twice"),
    ]


def test_every_other_fault_is_told_at_once() -> None:
    """An empty name, options that a folder has not, two tokens."""
    settings = read_settings(
        {
            "name": " ",
            "url": "x",
            "storage_options": {"region": "eu"},
            "push": {"token": "a", "token_file": "b"},
            "max_key_values": -1,
        }
    )
    assert [path for path, _ in settings.problems()] == [
        "name",
        "storage_options",
        "push.token_file",
        "max_key_values",
    ]
    assert read_settings({"url": "x", "push": {}}).problems() == [("push", "expected one of `token` and `token_file`")]


def test_secrets_do_not_show() -> None:
    """Neither a token nor an option of the store, which may be one."""
    settings = read_settings({"url": "x", "push": {"token": "t0psecret"}, "storage_options": {"key": "t0psecret"}})
    assert "t0psecret" not in repr(settings)


def test_the_package_registers_itself() -> None:
    """What the configuration writes as `type`."""
    assert watchrtc.SOURCE_TYPE.name == "watchrtc"
    assert watchrtc.SOURCE_TYPE.settings is WatchRtcSettings
