"""The configuration file: YAML to frozen settings, or every mistake in it with its file and line."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

from exporter import config_yaml
from exporter.config_effective import effective
from exporter.config_parts import Parts
from exporter.config_place import show
from exporter.remote_write_settings import RemoteWriteSettings
from exporter.settings import MetricsSettings, PseudonymSettings, Settings, ShardSettings, TimelineSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from exporter.sources.base import SourceType

__all__ = [
    "ConfigError",
    "MetricsSettings",
    "Problem",
    "PseudonymSettings",
    "RemoteWriteSettings",
    "Settings",
    "ShardSettings",
    "TimelineSettings",
    "check",
    "effective",
    "load",
]


class Problem(Struct, frozen=True, kw_only=True):
    """One mistake. Its text is one line: `FILE:LINE: key.path: what and what is expected`."""

    file: str
    #: From 1; 0 where the file cannot be read at all.
    line: int
    #: Such as `sources[0].url`; empty for the file as a whole.
    path: str = ""
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(Exception):
    """The configuration is not valid. Its text has a line for each mistake, and no secret."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(path: Path, source_types: Mapping[str, SourceType], bucket_families: Collection[str]) -> Settings:
    """Reads a configuration file. No file that it names is opened.

    Args:
        path: the YAML file.
        source_types: the vendors, by the `type` that the file writes.
        bucket_families: the histograms whose buckets can be chosen.

    Raises:
        ConfigError: the file cannot be read or is not valid.
    """
    settings, problems = _read(path, source_types, bucket_families)
    if settings is None or problems:
        raise ConfigError(problems)
    return settings


def check(path: Path, source_types: Mapping[str, SourceType], bucket_families: Collection[str]) -> list[Problem]:
    """Finds every mistake that can be found at once, ordered by line. The arguments are those of `load`."""
    return _read(path, source_types, bucket_families)[1]


def _read(
    path: Path,
    source_types: Mapping[str, SourceType],
    bucket_families: Collection[str],
) -> tuple[Settings | None, list[Problem]]:
    file = str(path)
    try:
        with path.open("rb") as stream:
            document = config_yaml.read(stream.read(config_yaml.LONGEST_FILE + 1))
    except OSError as error:
        message = f"cannot be read ({error.strerror}); expected a YAML file"
        return None, [Problem(file=file, line=0, message=message)]
    except config_yaml.YamlError as error:
        return None, [Problem(file=file, line=error.line, message=str(error))]
    parts = Parts(source_types, bucket_families)
    settings = parts.read(document.data)
    problems = [
        Problem(file=file, line=found.line, path=show(found.place), message=found.message)
        for found in document.findings
    ]
    problems += [
        Problem(file=file, line=document.line(wrong.place), path=show(wrong.place), message=wrong.message)
        for wrong in parts.mistakes
    ]
    return settings, sorted(problems, key=attrgetter("line"))
