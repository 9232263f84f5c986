"""The parts of the configuration, one after the other, each as far as it is right: plain values to settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar, cast

from exporter.config_place import Place, shorten, show, split_place
from exporter.config_schema import Mistake, convert, follows_from, one_of, unknown_keys
from exporter.config_yaml import LeftOut
from exporter.metrics.gauge_families import key_label
from exporter.quality import thresholds
from exporter.quality.thresholds import Thresholds
from exporter.remote_write_settings import RemoteWriteSettings
from exporter.settings import MetricsSettings, Settings, ShardSettings, TimelineSettings
from exporter.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from exporter.config_rules import Broken, Ruled
    from exporter.sources.base import SourceSettings, SourceType

T = TypeVar("T")

_KEYS = ("sources", "quality", "metrics", "remote_write", "timeline", "shard")
#: A name is a label value, and part of the paths `/webhooks/NAME` and `/ingest/NAME`.
_SOURCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Parts:
    """Reads the parts and notes every mistake; one part's mistakes do not keep the others from being read."""

    def __init__(self, source_types: Mapping[str, SourceType], bucket_families: Collection[str]) -> None:
        self._source_types = source_types
        self._bucket_families = bucket_families
        self.mistakes: list[Mistake] = []
        #: Those that the document itself reports.
        self._noted: list[Mistake] = []

    def read(self, data: object) -> Settings | None:
        """Makes the settings, of use only where there is no mistake; None where not even the outline is right."""
        if isinstance(data, LeftOut):
            return None
        if data is not None and not isinstance(data, dict):
            self._wrong((), f"expected a mapping with the key `sources`, got {kind_of(data)}")
            return None
        self._noted = [Mistake(place, "noted", left_out=place) for place in _left_out(data, ())]
        self.mistakes += unknown_keys(data or {}, _KEYS, ())
        # A section whose keys are all commented out is null to YAML, and means its defaults.
        parts = {key: part for key, part in (data or {}).items() if part is not None}
        types, sources = self._sources(parts.get("sources", []))
        key_labels = None if self._has_mistakes(("sources",)) else _key_labels(sources)
        quality = self._part(parts.get("quality", {}), Thresholds, ("quality",), thresholds.problems)
        metrics = self._part(
            parts.get("metrics", {}),
            MetricsSettings,
            ("metrics",),
            lambda part: part.problems(self._bucket_families, key_labels),
        )
        remote_write = self._remote_write(parts.get("remote_write", []))
        timeline = self._part(parts.get("timeline", {}), TimelineSettings, ("timeline",), TimelineSettings.problems)
        shard = self._part(parts.get("shard", {}), ShardSettings, ("shard",), ShardSettings.problems)
        return Settings(
            sources=sources,
            source_types=types,
            quality=quality or Thresholds(),
            metrics=metrics or MetricsSettings(),
            remote_write=remote_write,
            timeline=timeline or TimelineSettings(),
            shard=shard or ShardSettings(),
        )

    def _has_mistakes(self, place: Place) -> bool:
        return any(each.place[: len(place)] == place for each in self.mistakes + self._noted)

    def _wrong(self, place: Place, message: str) -> None:
        if not follows_from(place, message, self.mistakes + self._noted):
            self.mistakes.append(Mistake(place, message, left_out=place))

    def _part(self, data: object, kind: type[T], place: Place, rules: Callable[[T], list[Broken]]) -> T | None:
        value, mistakes = convert(data, kind, place)
        self.mistakes += mistakes
        if value is not None:
            for path, message in rules(value):
                broken = (*place, *split_place(path))
                if not follows_from(broken, message, self.mistakes + self._noted):
                    self.mistakes.append(Mistake(broken, message))
        return value

    def _list(self, data: object, place: Place) -> list[tuple[Place, object]]:
        if isinstance(data, list):
            return [((*place, index), each) for index, each in enumerate(data)]
        if not isinstance(data, LeftOut):
            self._wrong(place, f"expected a list, got {kind_of(data)}")
        return []

    def _remote_write(self, data: object) -> tuple[RemoteWriteSettings, ...]:
        receivers: list[RemoteWriteSettings] = []
        for place, element in self._list(data, ("remote_write",)):
            receiver = self._part(element, RemoteWriteSettings, place, RemoteWriteSettings.problems)
            if receiver is None:
                continue
            if receiver.name and receiver.name in {other.name for other in receivers}:
                self._wrong((*place, "name"), f"{shorten(receiver.name)!r} is taken; expected a name of its own")
            elif receiver.label in {other.label for other in receivers}:
                # By its name it is known after a restart; keys and users are no part of one that is made of the URL.
                self._wrong((*place, "name"), "missing; another receiver has the same URL, so expected a name")
            receivers.append(receiver)
        return tuple(receivers)

    def _sources(self, data: object) -> tuple[tuple[str, ...], tuple[SourceSettings, ...]]:
        place: Place = ("sources",)
        if data == []:
            self._wrong(place, f"expected at least one source; its `type` is {one_of(self._source_types)}")
        names: dict[str, Place] = {}
        found = []
        for here, element in self._list(data, place):
            source_type = self._source_type(element, here)
            if source_type is None or not isinstance(element, dict):
                continue
            rest = {key: value for key, value in element.items() if key != "type"}
            if rest.get("name") is None:
                rest["name"] = source_type.name
            self._source_name(rest["name"], here, names)
            settings = self._part(rest, source_type.settings, here, lambda part: cast("Ruled", part).problems())
            if settings is not None:
                found.append((source_type.name, cast("SourceSettings", settings)))
        return tuple(kind for kind, _ in found), tuple(settings for _, settings in found)

    def _source_type(self, element: object, place: Place) -> SourceType | None:
        if isinstance(element, LeftOut):
            return None
        if not isinstance(element, dict):
            self._wrong(place, f"expected a mapping with the key `type`, got {kind_of(element)}")
            return None
        kind = element.get("type")
        if isinstance(kind, str) and kind in self._source_types:
            return self._source_types[kind]
        if not isinstance(kind, LeftOut):
            known = one_of(self._source_types)
            got = repr(shorten(kind)) if isinstance(kind, str) else kind_of(kind)
            message = f"missing; expected {known}" if kind is None else f"expected {known}, got {got}"
            self._wrong((*place, "type"), message)
        return None

    def _source_name(self, name: object, place: Place, names: dict[str, Place]) -> None:
        if not isinstance(name, str):
            return  # said by the conversion
        if not _SOURCE_NAME.fullmatch(name):
            self._wrong((*place, "name"), "expected letters, digits, `_`, `-` and `.`, at least one and at most 100")
        elif name in names:
            self._wrong((*place, "name"), f"{name!r} is the name of {show(names[name])}; expected a name of its own")
        names.setdefault(name, place)


def _key_labels(sources: Sequence[SourceSettings]) -> set[str]:
    return {key_label(key) for source in sources for key in source.keys_as_labels}


def _left_out(data: object, place: Place) -> Iterator[Place]:
    if isinstance(data, LeftOut):
        yield place
    elif isinstance(data, dict | list):
        for key, child in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _left_out(child, (*place, key))
