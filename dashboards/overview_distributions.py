"""The panels of the Overview board that show whole distributions, which a mean would hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.graphs import heat
from dashboards.looks import CALL_SETUP, JITTER, PACKET_LOSS, POOR_TIME, ROUND_TRIP_TIME
from dashboards.overview_figures import CLASSIFIED, NOTHING, POOR
from dashboards.panels import Frame, Query, bars
from dashboards.queries import COUNTS, added, by, series, share

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import bargauge, heatmap

_MEDIA = ("direction", "kind")
_SECONDS = "webrtc_media_seconds_total"


def losses() -> heatmap.Panel:
    """Loss of the streams."""
    frame = Frame(
        id=301,
        title="Loss",
        description=(
            "Streams by mean packet loss, at the time their report was counted, both sources; the fuller the colour, "
            "the more streams. Fair from 1 %, poor from 5 %. A second band far up: one network or region apart from "
            "the rest; see the tables below."
        ),
        size=(8, 8),
        empty=NOTHING,
    )
    return heat(frame, PACKET_LOSS, _buckets("webrtc_peer_session_packet_loss_ratio"))


def jitters() -> heatmap.Panel:
    """Jitter of the streams."""
    frame = Frame(
        id=302,
        title="Jitter",
        description=(
            "Streams by mean jitter, at the time their report was counted (100ms: sent audio alone); the fuller the "
            "colour, the more streams. Fair from 20 ms, poor from 30 ms. Spreading upwards at certain hours: full "
            "links."
        ),
        size=(8, 8),
        empty=NOTHING,
    )
    return heat(frame, JITTER, _buckets("webrtc_peer_session_jitter_seconds"))


def round_trip_times() -> heatmap.Panel:
    """Round-trip time of the streams."""
    frame = Frame(
        id=303,
        title="Round-trip time",
        description=(
            "Streams by mean round-trip time, at the time their report was counted (both sources measure it where a "
            "peer sends); the fuller the colour, the more streams. Fair from 250 ms, poor from 400 ms. A step upwards: "
            "calls run through another region."
        ),
        size=(8, 8),
        empty=NOTHING,
    )
    return heat(frame, ROUND_TRIP_TIME, _buckets("webrtc_peer_session_round_trip_time_seconds"))


def setup_times() -> heatmap.Panel:
    """How long people waited."""
    frame = Frame(
        id=304,
        title="Call setup time",
        description=(
            "Peers by the time from the first local description to the connected state, at the time their report was "
            "counted (watchRTC; 100ms does not give it). Fair from 1.5 s, poor from 5 s. A band far up: look at TURN."
        ),
        size=(14, 8),
        empty="No setup time in this time range (100ms does not give it)",
    )
    return heat(frame, CALL_SETUP, _buckets("webrtc_peer_session_call_setup_seconds"))


def poor_media() -> bargauge.Panel:
    """The share of stream time that was poor, by direction and kind."""
    frame = Frame(
        id=305,
        title="Poor stream time",
        description=(
            "Poor over classified stream time, of all that was counted within the time range, by direction and kind. "
            "100ms by windows of some seconds; watchRTC gives means only, so a stream counts as a whole. From 20 % on "
            "a peer is poor."
        ),
        size=(10, 8),
        empty=NOTHING,
    )
    whole = by(_MEDIA, "sum", added(_SECONDS, COUNTS, CLASSIFIED))
    poor = share(by(_MEDIA, "sum", added(_SECONDS, COUNTS, POOR)), whole)
    return bars(frame, POOR_TIME, [Query(expression=f"sort_desc({poor})", legend="{{direction}} {{kind}}")])


def _buckets(name: str) -> str:
    return f"sum by (le) (increase({series(f'{name}_bucket', COUNTS)}[$__interval]))"
