"""What a configuration makes of a state before anything is counted in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from exporter.metrics.catalogue import catalogue
from exporter.metrics.gauge_families import key_label
from exporter.model import ReportRejection, SampleRejection
from exporter.pipeline.publisher import EVICTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exporter.config import Settings
    from exporter.ledger import Ledger, Terms
    from exporter.metrics.family import Family
    from exporter.model import PersonalLabel


def families_of(settings: Settings, personal_labels: Iterable[PersonalLabel] = ()) -> tuple[Family, ...]:
    """The catalogue as a configuration has it.

    Args:
        settings: the configuration.
        personal_labels: what its sources show of who a peer was; of no matter to whoever shows no peers.

    Raises:
        UnknownFamilyError: `metrics.buckets` names something else than a histogram of ours.
    """
    return catalogue(
        key_labels=[key_label(key) for source in settings.sources for key in source.keys_as_labels],
        personal_labels=personal_labels,
        histogram_rooms=settings.metrics.histogram_rooms,
        per_track=settings.metrics.per_track,
        bounds=settings.metrics.buckets,
    )


def bounds_of(families: Sequence[Family]) -> dict[str, tuple[float, ...]]:
    """The buckets of the histograms that the ledger keeps, by family."""
    return {family.name: family.bounds for family in families if family.scope.endswith("_count") and family.bounds}


def take_over(ledger: Ledger, settings: Settings, families: Sequence[Family], terms: Terms, now: float) -> None:
    """Makes a state ready to count for a configuration.

    Args:
        ledger: the state.
        settings: the configuration.
        families: its catalogue.
        terms: what the state has to go on with.
        now: Unix seconds.

    Raises:
        StateError: the state was begun with other terms, or its counts were made with other buckets.
    """
    ledger.keep_terms(terms, now)
    ledger.keep_bounds(bounds_of(families), now)
    with ledger.transaction(now) as transaction:
        # Known label values begin at 0, so that the first increase of each is seen.
        transaction.add(
            {
                series: [0.0]
                for series in (EVICTED, *(each for source in settings.sources for each in _known_series(source.name)))
                if series not in ledger.counts
            },
            hold=False,
        )


def _known_series(source: str) -> Iterator[tuple[str, ...]]:
    """The series about a source whose labels are known beforehand."""
    yield "webrtc_exporter_reports_ingested_total", source
    yield "webrtc_exporter_reports_duplicate_total", source
    yield "webrtc_exporter_peers_skipped_total", source
    for reason in get_args(ReportRejection):
        yield "webrtc_exporter_reports_rejected_total", source, reason
    for reason in get_args(SampleRejection):
        yield "webrtc_exporter_samples_rejected_total", source, reason
