"""What the configuration says about a watchRTC source."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from exporter.values import Duration, Secret

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")


class PushSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accepts documents by `POST /ingest/NAME` from whoever knows the token."""

    token: Secret | None = None
    token_file: str | None = None


class WatchRtcSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One watchRTC source: where its data-stream files lie and what to take from them."""

    name: str = "watchrtc"
    #: A local folder, as a path or `file://` URL.
    url: str
    #: Endpoint, region, credentials, as the object store names them; all of it is masked, as some of it is secret.
    storage_options: dict[str, Secret] = {}
    poll_interval: Duration = Duration(60)
    #: A younger file may still be written to, and waits for the next poll.
    min_object_age: Duration = Duration(5)
    #: The application's own keys that become labels `key_NAME` of a peer.
    keys_as_labels: tuple[str, ...] = ()
    push: PushSettings | None = None

    @property
    def poll_seconds(self) -> float:
        """The time between the starts of two polls."""
        return float(self.poll_interval)

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong beyond the types, as pairs of key path (relative to the source) and message."""
        found = [("name", "expected a text that is not empty")] if not self.name.strip() else []
        found += [("url", problem) for problem in _url_problems(self.url)]
        found += [("storage_options", "a local folder has no options; leave this out")] if self.storage_options else []
        found += _key_problems(self.keys_as_labels)
        if self.push is not None and (self.push.token is None) == (self.push.token_file is None):
            found.append(("push", "expected one of `token` and `token_file`"))
        return found


def local_folder(url: str) -> Path:
    """The folder that a path or `file://` URL names; `WatchRtcSettings.problems` has found nothing wrong with it."""
    return Path(unquote(urlsplit(url).path) if _SCHEME.match(url) else url)


def _url_problems(url: str) -> list[str]:
    if not url.strip():
        return ["expected the path of a local folder, got an empty text"]
    scheme = _SCHEME.match(url)
    if scheme is None:
        return []
    if scheme[1].lower() != "file":
        return [f"this version reads local folders only, not {scheme[1]}://; expected a path or a file:// URL"]
    host, _, path = url[scheme.end() :].partition("/")
    if host not in {"", "localhost"} or not path:
        return ["expected the absolute path of a folder on this machine, as in file:///var/lib/watchrtc"]
    return []


def _key_problems(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    labels: dict[str, str] = {}
    for index, key in enumerate(keys):
        label = f"key_{_NOT_IN_LABEL.sub('_', key)}"
        other = labels.setdefault(label, key)
        if not key:
            found.append((f"keys_as_labels[{index}]", "expected the name of a key, got an empty text"))
        elif index != keys.index(key):
            found.append((f"keys_as_labels[{index}]", f"{key!r} stands here twice"))
        elif other != key:
            found.append((f"keys_as_labels[{index}]", f"{key!r} and {other!r} would both be the label {label}"))
    return found
