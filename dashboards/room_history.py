"""The panels of the Room board that look at all sessions of a room, from counters and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.looks import COUNT, DIRECTION, JITTER, MOS, PACKET_LOSS, POOR_PEERS, POOR_TIME, ROUND_TRIP_TIME
from dashboards.panels import Frame, Query, bars, columns_over_time, figures
from dashboards.queries import COUNTS, added, by, by_verdict, quantile, series, share
from dashboards.tables import Label, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import bargauge, stat, table, timeseries

_PEERS = "webrtc_peer_sessions_total"
_SECONDS = "webrtc_media_seconds_total"
_CLASSIFIED = 'verdict!="unclassified"'
_POOR = 'verdict="poor"'
_MEDIA = ("direction", "kind")
_NOTHING = "Nothing was counted for these rooms in this time range"


def counted() -> stat.Panel:
    """How many sessions and peers the range has."""
    frame = Frame(
        id=301,
        title="Counted",
        description=(
            "Sessions and stays of peers whose reports came within the time range, each exactly once, both sources. "
            "Does not depend on the chosen session. Empty for one room where metrics.histogram_rooms is off."
        ),
        size=(5, 5),
        empty=_NOTHING,
    )
    queries = [
        Query(expression=f"sum({added('webrtc_sessions_total', COUNTS)})", legend="sessions"),
        Query(expression=f"sum({added(_PEERS, COUNTS)})", legend="peers"),
    ]
    return figures(frame, COUNT, queries, named=True)


def poor_share() -> stat.Panel:
    """The poor-call rate of these rooms."""
    frame = Frame(
        id=302,
        title="Poor peers counted",
        description=(
            "Poor stays over classified stays, of all sessions that were counted within the time range, both sources. "
            "20 % or more: the room has a standing problem; see the reasons above and the streams on the right."
        ),
        size=(5, 5),
        empty=_NOTHING,
    )
    expression = share(f"sum({added(_PEERS, COUNTS, _POOR)})", f"sum({added(_PEERS, COUNTS, _CLASSIFIED)})")
    return figures(frame, POOR_PEERS, [Query(expression=expression)])


def mos_quantiles() -> stat.Panel:
    """Median and worst tenth of the estimated MOS."""
    frame = Frame(
        id=303,
        title="Estimated MOS",
        description=(
            "Over the peers counted within the time range: half had less than the median, a tenth less than the p10. "
            "Estimated by the exporter from audio loss, delay and jitter, both sources. Fair below 3.6, poor below "
            "3.1. A low p10 beside a good median: a few peers suffer."
        ),
        size=(5, 5),
        empty="No MOS could be estimated in this time range",
    )
    name = "webrtc_peer_session_estimated_mos"
    queries = [
        Query(expression=quantile(0.5, name, ()), legend="median"),
        Query(expression=quantile(0.1, name, ()), legend="p10"),
    ]
    return figures(frame, MOS, queries, named=True)


def over_time() -> timeseries.Panel:
    """Peers by verdict, over the time their reports came."""
    frame = Frame(
        id=304,
        title="Peers by verdict",
        description=(
            "Stays of peers by verdict, at the time their report was counted (minutes to hours after the call), both "
            "sources. Growing red: see which rooms by narrowing the time range, then the sessions above."
        ),
        size=(10, 8),
        empty=_NOTHING,
    )
    # Each column stands for its own interval, so that no stay is in two of them. What increase() adds to make up for
    # the ends of an interval would show as a fraction of a person.
    stays = f"round({by_verdict(f'increase({series(_PEERS, COUNTS)}[$__interval])')})"
    return columns_over_time(frame, COUNT, Query(expression=stays, legend="{{verdict}}"), interval="5m")


def quantiles() -> table.Panel:
    """Median and 95th percentile of the streams' means."""
    frame = Frame(
        id=305,
        title="Streams of all sessions",
        description=(
            "Median and 95th percentile over the streams that were counted within the time range, each stream by its "
            "mean; read from histograms, so exact to a bucket. Both sources. Coloured by the limits of the verdicts."
        ),
        size=(14, 8),
        empty=_NOTHING,
    )
    parts: list[Part] = [
        Label(title="Direction", label="direction", look=DIRECTION),
        Label(title="Kind", label="kind"),
    ]
    for title, name, look in (
        ("Loss", "webrtc_peer_session_packet_loss_ratio", PACKET_LOSS),
        ("Jitter", "webrtc_peer_session_jitter_seconds", JITTER),
        ("RTT", "webrtc_peer_session_round_trip_time_seconds", ROUND_TRIP_TIME),
    ):
        parts.append(Measure(title=f"{title} p50", expression=quantile(0.5, name, _MEDIA), look=look))
        parts.append(Measure(title=f"{title} p95", expression=quantile(0.95, name, _MEDIA), look=look))
    return merged_table(frame, parts)


def poor_media() -> bargauge.Panel:
    """The share of stream time that was poor, by direction and kind."""
    frame = Frame(
        id=306,
        title="Poor stream time",
        description=(
            "Poor over classified stream time, of all sessions counted within the time range, by direction and kind. "
            "100ms by windows of some seconds; watchRTC gives means only, so a stream counts as a whole. From 20 % on "
            "a peer is poor."
        ),
        size=(9, 5),
        empty=_NOTHING,
    )
    whole = by(_MEDIA, "sum", added(_SECONDS, COUNTS, _CLASSIFIED))
    poor = share(by(_MEDIA, "sum", added(_SECONDS, COUNTS, _POOR)), whole)
    return bars(frame, POOR_TIME, [Query(expression=f"sort_desc({poor})", legend="{{direction}} {{kind}}")])
