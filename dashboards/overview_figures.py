"""The large figures of the Overview board."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.looks import COUNT, DURATION, MOS, OF_TARGET, RATIO
from dashboards.panels import Frame, Query, figures
from dashboards.queries import COUNTS, SOURCES, added, quantile, share

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat

PEERS: Final = "webrtc_peer_sessions_total"
CLASSIFIED: Final = 'verdict!="unclassified"'
POOR: Final = 'verdict="poor"'
UNCLASSIFIED: Final = 'verdict="unclassified"'
#: Said where no report came within the time range.
NOTHING: Final = "No report was counted in this time range"
#: The recorded target, and its default where the recording rules are not installed. `max` because each rule file that
#: is loaded records one.
TARGET: Final = "(max(all:webrtc_poor_peer_sessions_per_classified:target) or vector(0.05))"


def counted() -> stat.Panel:
    """How many sessions and peers the range has."""
    frame = Frame(
        id=1,
        title="Calls",
        description=(
            "Sessions and stays of peers whose reports came within the time range, each exactly once, both sources. "
            "Does not depend on the chosen session. Empty for one room where metrics.histogram_rooms is off."
        ),
        size=(5, 4),
        empty=NOTHING,
    )
    queries = [
        Query(expression=f"sum({added('webrtc_sessions_total', COUNTS)})", legend="calls"),
        Query(expression=f"sum({added(PEERS, COUNTS)})", legend="peers"),
    ]
    return figures(frame, COUNT, queries, named=True)


def poor_share() -> stat.Panel:
    """The poor-call rate against its target."""
    frame = Frame(
        id=2,
        title="Poor-call rate",
        description=(
            "Poor stays over classified stays that were counted within the time range, both sources, and how much of "
            "the target that is. The target is the recording rule's, 5 % where the rules are not installed. Red: over "
            "the target; see the reasons and the calls below."
        ),
        size=(6, 4),
        empty=NOTHING,
    )
    rate = share(f"sum({added(PEERS, COUNTS, POOR)})", f"sum({added(PEERS, COUNTS, CLASSIFIED)})")
    queries = [
        Query(expression=rate, legend="poor"),
        Query(expression=f"{rate} / {TARGET}", legend="of the target", look=OF_TARGET),
    ]
    return figures(frame, RATIO, queries, named=True)


def mos_quantiles() -> stat.Panel:
    """Median and worst tenth of both opinion scores."""
    frame = Frame(
        id=3,
        title="MOS",
        description=(
            "Over the peers counted within the time range: half had less than the median, a tenth less than the p10; "
            "the vendor's (watchRTC), and the exporter's estimate from audio loss, delay and jitter (both sources). "
            "Fair below 3.6, poor below 3.1. A low p10 beside a good median: a few peers suffer."
        ),
        size=(8, 4),
        empty="No MOS was given or could be estimated in this time range",
    )
    queries = [
        Query(expression=quantile(level, f"webrtc_peer_session_{name}", ()), legend=f"{title} {word}")
        for name, title in (("mos", "vendor"), ("estimated_mos", "estimated"))
        for level, word in ((0.5, "median"), (0.1, "p10"))
    ]
    return figures(frame, MOS, queries, named=True)


def coverage() -> stat.Panel:
    """How much of it all is known, and how late."""
    frame = Frame(
        id=4,
        title="Coverage",
        description=(
            "Share of stays with too little data for a verdict, and how long after its end a call's report came "
            "(median), both sources. Many unclassified: short visits, people who never connected, or statistics that "
            "are off. A growing lag: see the Exporter board."
        ),
        size=(5, 4),
        empty=NOTHING,
    )
    unclassified = f"sum({added(PEERS, COUNTS, UNCLASSIFIED)})"
    lag = f"sum by (le) ({added('webrtc_report_lag_seconds_bucket', SOURCES)})"
    queries = [
        Query(expression=share(unclassified, f"sum({added(PEERS, COUNTS)})"), legend="unclassified"),
        Query(expression=f"histogram_quantile(0.5, {lag}) >= 0", legend="report lag", look=DURATION),
    ]
    return figures(frame, RATIO, queries, named=True)
