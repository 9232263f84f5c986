"""What a series of the ledger must look like: labels with and without rooms, and a vector that fits its family."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, get_args

from msgspec import Struct

from exporter.metrics.exporter_families import EXPORTER_FAMILIES
from exporter.metrics.family import Family
from exporter.metrics.histogram_families import cumulative_families
from exporter.metrics.text import label_block
from exporter.model import Direction, Kind, ReportRejection, SampleRejection
from exporter.quality.assessment import Reason, Verdict
from exporter.sources.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.ledger.transaction import SeriesKey

#: What is found, and what was expected.
Wrong = tuple[str, str]

SESSIONS: Final = "webrtc_sessions_total"
PEERS: Final = "webrtc_peer_sessions_total"
LAG: Final = "webrtc_report_lag_seconds"
INGESTED: Final = "webrtc_exporter_reports_ingested_total"
REJECTED: Final = "webrtc_exporter_reports_rejected_total"
SKIPPED: Final = "webrtc_exporter_peers_skipped_total"
SAMPLES_REJECTED: Final = "webrtc_exporter_samples_rejected_total"
#: Histograms of peers, each of which is observed once or not at all.
OF_PEERS: Final = (
    "webrtc_peer_session_mos",
    "webrtc_peer_session_estimated_mos",
    "webrtc_peer_session_media_score",
    "webrtc_peer_session_call_setup_seconds",
    "webrtc_peer_session_duration_seconds",
)
#: Histograms to which the growth of a report adds nothing, so that buckets and sum tell of the same observations.
_OBSERVED_ONCE: Final = (
    *OF_PEERS,
    "webrtc_peer_session_packet_loss_ratio",
    "webrtc_peer_session_jitter_seconds",
    "webrtc_peer_session_round_trip_time_seconds",
    LAG,
)
#: Counters of things, not of seconds or of what a vendor counts.
_WHOLE: Final = (SESSIONS, PEERS, *(family.name for family in EXPORTER_FAMILIES if family.scope.endswith("_count")))
_WORDS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    (PEERS, "verdict"): get_args(Verdict),
    (PEERS, "reason"): get_args(Reason),
    ("webrtc_media_seconds_total", "verdict"): get_args(Verdict),
    (REJECTED, "reason"): get_args(ReportRejection),
    (SAMPLES_REJECTED, "reason"): get_args(SampleRejection),
}
_MEDIA_WORDS: Final[Mapping[str, tuple[str, ...]]] = {"direction": get_args(Direction), "kind": get_args(Kind)}
#: Rounding errors of sums of so many numbers.
_ROUNDING: Final = 1e-6


class Kept(Struct, frozen=True):
    """A family of the ledger, with rooms and without: both may be there, since `metrics.histogram_rooms` may change."""

    with_rooms: Family
    without_rooms: Family

    def family(self, series: SeriesKey) -> Family | None:
        """The one of the two that a series belongs to, by the number of its labels."""
        for family in (self.with_rooms, self.without_rooms):
            if len(series) == len(family.labels) + 1:
                return family
        return None


def _kept() -> dict[str, Kept]:
    by_rooms = zip(cumulative_families(with_rooms=True), cumulative_families(with_rooms=False), strict=True)
    kept = {with_rooms.name: Kept(with_rooms, without) for with_rooms, without in by_rooms}
    kept |= {family.name: Kept(family, family) for family in EXPORTER_FAMILIES if family.scope.endswith("_count")}
    return kept


KEPT: Final = _kept()


def labels_of(series: SeriesKey) -> dict[str, str]:
    """The labels of a series that belongs to a family of ours."""
    family = KEPT[series[0]].family(series)
    return dict(zip(family.labels, series[1:], strict=True)) if family else {}


def series_text(series: SeriesKey) -> str:
    """A series for a message, as an exposition writes it."""
    kept = KEPT.get(series[0])
    family = kept.family(series) if kept else None
    names = family.labels if family else [f"label_{number}" for number in range(1, len(series))]
    return printable(f"{series[0]}{{{label_block(names, series[1:])}}}")


def wrong_labels(series: SeriesKey) -> Iterator[Wrong]:
    """What is wrong with the name and labels of a series."""
    kept = KEPT.get(series[0])
    if kept is None:
        yield "a family of that name", "one that this version counts in"
        return
    family = kept.family(series)
    if family is None:
        counts = sorted({len(each.labels) for each in (kept.with_rooms, kept.without_rooms)})
        yield f"{len(series) - 1} labels", " or ".join(map(str, counts))
        return
    labels = dict(zip(family.labels, series[1:], strict=True))
    if labels.get("source") == "":
        yield "no source", "its name"
    for name, value in labels.items():
        words = _MEDIA_WORDS.get(name) or _WORDS.get((family.name, name))
        if words is not None and value not in words:
            yield f"{name} {value!r}", f"one of {', '.join(words)}"
    if family.name == PEERS and (labels["reason"] != "") != (labels["verdict"] in {"fair", "poor"}):
        verdict, reason = labels["verdict"], labels["reason"]
        yield f"verdict {verdict!r} with reason {reason!r}", "a reason for fair and poor, and only then"


def wrong_amounts(
    series: SeriesKey, amounts: Sequence[float], bounds: Mapping[str, Sequence[float]]
) -> Iterator[Wrong]:
    """What is wrong with the vector of a series.

    Args:
        series: one whose labels are right.
        amounts: its vector.
        bounds: the buckets that the state's counts were made with, by family.
    """
    family = KEPT[series[0]].with_rooms
    upper = bounds.get(family.name, family.bounds)
    length = len(upper) + 2 if family.type == "histogram" else 1
    if len(amounts) != length:
        yield f"{len(amounts)} numbers", f"{length}"
        return
    if not all(math.isfinite(amount) and amount >= 0 for amount in amounts):
        yield f"the numbers {_numbers(amounts)}", "finite ones from 0 on"
        return
    counts = amounts[:-1] if family.type == "histogram" else amounts if family.name in _WHOLE else ()
    if not all(amount.is_integer() for amount in counts):
        yield f"the counts {_numbers(counts)}", "whole numbers"
    elif family.name in _OBSERVED_ONCE:
        yield from _wrong_sum(counts, amounts[-1], upper)


def _wrong_sum(counts: Sequence[float], total: float, bounds: Sequence[float]) -> Iterator[Wrong]:
    least = sum(count * bound for count, bound in zip(counts[1:], bounds, strict=True))
    most = math.inf if counts[-1] else sum(count * bound for count, bound in zip(counts, bounds, strict=False))
    if not least * (1 - _ROUNDING) - _ROUNDING <= total <= most * (1 + _ROUNDING) + _ROUNDING:
        yield f"a sum of {total:g}", f"from {least:g} to {most:g}, as its buckets allow"


def _numbers(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
