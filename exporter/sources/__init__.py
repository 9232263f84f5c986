"""One package per vendor. Each defines `SOURCE_TYPE`; that it stands here is all the registration there is."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.sources.base import SourceType


def source_types() -> dict[str, SourceType]:
    """Every vendor that this program can read, by the `type` that the configuration writes."""
    packages = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__) if found.ispkg)
    types: list[SourceType] = [package.SOURCE_TYPE for package in packages]
    return {each.name: each for each in sorted(types, key=lambda each: each.name)}
