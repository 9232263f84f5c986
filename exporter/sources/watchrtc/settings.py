"""What the configuration says about a watchRTC source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.config_rules import within
from exporter.sources.push import PushSettings
from exporter.sources.watchrtc.cloud_options import ExtraMissingError, option_problems
from exporter.sources.watchrtc.location import cloud_bucket, location_problem
from exporter.values import Duration, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")


class WatchRtcSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One watchRTC source: where its data-stream files lie and what to take from them."""

    name: str = "watchrtc"
    #: A local folder, as a path or `file://` URL, or a bucket: `s3://`, `gs://`, `az://`.
    url: str
    #: Endpoint, region, credentials, as the object store names them; all of it is masked, as some of it is secret.
    storage_options: dict[str, Secret] = {}
    poll_interval: Duration = Duration(60)
    #: A younger file may still be written to, and waits for the next poll.
    min_object_age: Duration = Duration(5)
    #: The application's own keys that become labels `key_NAME` of a peer.
    keys_as_labels: tuple[str, ...] = ()
    #: The most values that each such label takes; further ones are `other`.
    max_key_values: int = 100
    push: PushSettings | None = None

    @property
    def poll_seconds(self) -> float:
        """The time between the starts of two polls."""
        return float(self.poll_interval)

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong beyond the types, as pairs of key path (relative to the source) and message."""
        found = [("name", "expected a text that is not empty")] if not self.name.strip() else []
        found += self._store_problems()
        found += _key_problems(self.keys_as_labels)
        found += within("push", self.push)
        if self.max_key_values < 0:
            found.append(("max_key_values", f"expected 0 or more, got {self.max_key_values}"))
        return found

    def options(self) -> dict[str, str]:
        """What `storage_options` says, for the one place that opens the store."""
        return {name: value.reveal() for name, value in self.storage_options.items()}

    def _store_problems(self) -> Iterator[tuple[str, str]]:
        if problem := location_problem(self.url):
            yield "url", problem
        elif bucket := cloud_bucket(self.url):
            try:
                for name, problem in option_problems(bucket, self.options()):
                    yield "storage_options" if name is None else f"storage_options.{name}", problem
            except ExtraMissingError as error:
                yield "url", str(error)
        elif self.storage_options:
            yield "storage_options", "a local folder has no options; leave this out"


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
