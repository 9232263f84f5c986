"""The configuration as frozen values; keys and defaults are those of the YAML."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.config_place import show
from exporter.config_rules import Broken, exactly_one, inside
from exporter.pseudonyms import LABELS
from exporter.quality.thresholds import Thresholds
from exporter.remote_write_settings import RemoteWriteSettings
from exporter.sealing import is_installed
from exporter.sources.base import SourceSettings
from exporter.values import Duration, Secret

if TYPE_CHECKING:
    from collections.abc import Collection


#: A large call's samples, several times over.
_LEAST_BYTES = 1 << 20
#: A quarter of an hour of it is a margin.
_LEAST_WINDOW = Duration(1800)


class PseudonymSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Labels whose values become keyed hashes."""

    labels: tuple[str, ...] = ()
    salt: Secret | None = None
    salt_file: str | None = None

    def problems(self, key_labels: Collection[str] | None) -> list[Broken]:
        """Names a missing salt or extra, and labels that are missing, empty, named twice or not to be hidden.

        Args:
            key_labels: the labels of the sources' own keys; None where not all sources could be read.
        """
        known = {*LABELS, *(key_labels or ())}
        found = exactly_one(salt=self.salt, salt_file=self.salt_file)
        if not is_installed():
            found.append(("", "needs an extra: pip install 'webrtc-quality-exporter[pseudonyms]'"))
        if not self.labels:
            found.append(("labels", "expected at least one label, such as `peer_id`"))
        for index, label in enumerate(self.labels):
            if not label or label in self.labels[:index]:
                found.append((f"labels[{index}]", "expected a label that is not named yet"))
            elif label not in known and not (key_labels is None and label.startswith("key_")):
                labels = ", ".join(f"`{each}`" for each in sorted(known))
                found.append((f"labels[{index}]", f"no label that can be a pseudonym; expected one of {labels}"))
        return found


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `metrics` part of the configuration."""

    #: How long after its report a session shows in gauges.
    series_ttl: Duration = Duration(3600)
    #: Past it the oldest sessions leave first.
    max_series: int = 500_000
    #: Whether counters and histograms have the `room_id` label.
    histogram_rooms: bool = True
    #: How long after its last report a room shows in counters and histograms.
    room_ttl: Duration = Duration(86_400)
    #: How long a new counter or histogram shows zeros at least.
    zero_hold: Duration = Duration(30)
    #: Whether there are series by `track_id`: n peers that see each other make n squared of them.
    per_track: bool = False
    pseudonyms: PseudonymSettings | None = None
    #: Upper bounds that replace the default ones, by family.
    buckets: dict[str, tuple[float, ...]] = {}

    def problems(self, bucket_families: Collection[str], key_labels: Collection[str] | None) -> list[Broken]:
        """Names numbers out of range, bad buckets and bad pseudonyms.

        Args:
            bucket_families: the histograms whose buckets can be chosen.
            key_labels: the labels of the sources' own keys; None where not all sources could be read.
        """
        wrong = self.pseudonyms.problems(key_labels) if self.pseudonyms else []
        found = [(inside("pseudonyms", place), message) for place, message in wrong]
        if self.max_series < 1:
            found.append(("max_series", f"expected at least 1, got {self.max_series}"))
        for family, bounds in self.buckets.items():
            if family not in bucket_families:
                families = ", ".join(f"`{each}`" for each in sorted(bucket_families))
                found.append((show(("buckets", family)), f"no histogram of that name; expected one of {families}"))
            if not bounds:
                found.append((show(("buckets", family)), "expected at least one upper bound, `+Inf` left out"))
            for index, (lower, upper) in enumerate(pairwise(bounds), start=1):
                if upper <= lower:
                    place = show(("buckets", family, index))
                    found.append((place, f"expected ascending numbers: more than {lower:g}, got {upper:g}"))
        return found


class TimelineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `timeline` part of the configuration: how it is kept, and the page from which it can be scraped."""

    #: How long what was handed over stays in the state, so that it can be written into a file (`backfill`).
    keep: Duration = Duration(0)
    #: How long it waits for a receiver.
    max_age: Duration = Duration(7 * 86_400)
    #: Past so many bytes the oldest goes first, whoever waits for it.
    max_bytes: int = 1 << 30
    #: Whether there is a page `/timeline`.
    endpoint: bool = False
    #: How long a sample stays on it after it was first read.
    expose_for: Duration = Duration(60)
    #: As in the Prometheus that reads it: one sample that is older costs a whole scrape.
    out_of_order_time_window: Duration = Duration(86_400)

    def problems(self) -> list[Broken]:
        """Names numbers out of range."""
        found = []
        if self.max_age < self.keep:
            found.append(("max_age", f"expected at least `keep` ({self.keep}), got {self.max_age}"))
        if self.max_bytes < _LEAST_BYTES:
            found.append(("max_bytes", f"expected at least {_LEAST_BYTES}, got {self.max_bytes}"))
        if not self.expose_for:
            found.append(("expose_for", "expected more than 0s"))
        if self.out_of_order_time_window < _LEAST_WINDOW:
            message = f"expected at least {_LEAST_WINDOW}, got {self.out_of_order_time_window}"
            found.append(("out_of_order_time_window", message))
        return found


class ShardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of `count` equal exporters this one is, from 0."""

    index: int = 0
    count: int = 1

    def problems(self) -> list[Broken]:
        """Names numbers that no exporter can have."""
        if self.count < 1:
            return [("count", f"expected at least 1, got {self.count}")]
        if not 0 <= self.index < self.count:
            return [("index", f"expected 0 to {self.count - 1}, less than `count`, got {self.index}")]
        return []


class Settings(Struct, frozen=True, kw_only=True):
    """The whole configuration."""

    #: Each as its vendor's package reads it.
    sources: tuple[SourceSettings, ...]
    #: The `type` of each source, in the same order.
    source_types: tuple[str, ...] = ()
    quality: Thresholds = Thresholds()
    metrics: MetricsSettings = MetricsSettings()
    remote_write: tuple[RemoteWriteSettings, ...] = ()
    timeline: TimelineSettings = TimelineSettings()
    shard: ShardSettings = ShardSettings()

    @property
    def has_timeline(self) -> bool:
        """Whether there is anybody to hand the timeline over to."""
        return bool(self.remote_write or self.timeline.endpoint or self.timeline.keep)
