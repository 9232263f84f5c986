"""The catalogue: every family of spec'd metrics, once. The exposition, the README and the tests read it.

The names, labels and units are the project's public contract; a change is an entry under "Metrics" in CHANGELOG.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.family import Family
from exporter.metrics.gauge_families import gauge_families
from exporter.metrics.histogram_families import cumulative_families
from exporter.metrics.timeline_families import timeline_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.model import PersonalLabel


class UnknownFamilyError(ValueError):
    """Buckets were configured for a family that is no histogram of ours."""


def catalogue(
    *,
    key_labels: Iterable[str] = (),
    personal_labels: Iterable[PersonalLabel] = (),
    histogram_rooms: bool = True,
    per_track: bool = False,
    bounds: Mapping[str, tuple[float, ...]] | None = None,
) -> tuple[Family, ...]:
    """Every family, in the order of the exposition; those of the timeline, which the page never has, stand last.

    Args:
        key_labels: label names of the allow-listed keys (`key_tenant`), which `webrtc_peer_info` has beside its own.
        personal_labels: those of `webrtc_peer_info` that tell who a peer was, where they are asked for.
        histogram_rooms: whether counters and histograms have a `room_id` label.
        per_track: whether the timeline has a series for each track.
        bounds: buckets that replace the default ones, by family name.

    Raises:
        UnknownFamilyError: `bounds` names something else than a histogram of ours.
    """
    bounds = bounds or {}
    cumulative = cumulative_families(with_rooms=histogram_rooms)
    if unknown := sorted(bounds.keys() - configurable_buckets()):
        msg = f"{unknown[0]}: expected the name of a histogram family"
        raise UnknownFamilyError(msg)
    return (
        *gauge_families(sorted(set(key_labels)), sorted(set(personal_labels))),
        *(_with_bounds(family, bounds) for family in cumulative),
        *EXPORTER_FAMILIES,
        *timeline_families(per_track=per_track),
    )


def configurable_buckets() -> frozenset[str]:
    """The names of the families whose buckets can be configured."""
    return frozenset(family.name for family in cumulative_families(with_rooms=True) if family.type == "histogram")


def _with_bounds(family: Family, bounds: Mapping[str, tuple[float, ...]]) -> Family:
    if family.name not in bounds:
        return family
    return Family(
        name=family.name,
        type=family.type,
        scope=family.scope,
        help=family.help,
        labels=family.labels,
        unit=family.unit,
        bounds=bounds[family.name],
    )


#: The catalogue as it is without configuration.
FAMILIES = catalogue()
