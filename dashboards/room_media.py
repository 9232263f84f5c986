"""The panels of the Room board that tell one bad uplink from many bad downlinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.links import ON_SERIES, PEER_UID, board_url, data_link
from dashboards.looks import BIT_RATE, DIRECTION, JITTER, LAYER_FRAME_RATE, PACKET_LOSS, ROUND_TRIP_TIME, Look
from dashboards.panels import Frame, Query, bars
from dashboards.queries import ROOM, STAY, bits, by, last
from dashboards.tables import Label, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import bargauge, table

_STREAM = ("direction", "kind", "track_type", "rid")
_WORST = 10


def loss_sent() -> bargauge.Panel:
    """The peers whose uplink lost most."""
    frame = Frame(
        id=201,
        title="Loss of what peers sent",
        description=(
            "Mean packet loss of each peer's worst sent stream, the ten worst peers, from both sources; a full bar is "
            "10 %. Fair from 1 %, poor from 5 %. A peer that stands out here has a bad uplink, and everybody else "
            "hears it: compare its connection type and network."
        ),
        size=(6, 8),
        empty="No loss of sent media was measured",
    )
    return _worst_peers(frame, PACKET_LOSS, "webrtc_peer_packet_loss_ratio", 'direction="send"')


def loss_received() -> bargauge.Panel:
    """The peers whose downlink lost most."""
    frame = Frame(
        id=202,
        title="Loss of what peers received",
        description=(
            "Mean packet loss of each peer's worst received stream, the ten worst peers (100ms: audio only); a full "
            "bar is 10 %. Fair from 1 %, poor from 5 %. One peer here: its downlink. All of them: the sender on the "
            "left, or the server."
        ),
        size=(6, 8),
        empty="No loss of received media was measured",
    )
    return _worst_peers(frame, PACKET_LOSS, "webrtc_peer_packet_loss_ratio", 'direction="recv"')


def media_table() -> table.Panel:
    """The room's own means by stream."""
    frame = Frame(
        id=204,
        title="Media of the room",
        description=(
            "Means over the session for each kind of stream: the vendor's own (watchRTC), or computed from the peers "
            "(100ms); of several sessions, their mean. Coloured by the limits of the verdicts. A mean hides one "
            "sufferer among many: read the peers above as well."
        ),
        size=(12, 8),
        empty="No media was measured",
    )
    parts: list[Part] = [
        Label(title="Direction", label="direction", look=DIRECTION),
        Label(title="Kind", label="kind"),
        Label(title="Track", label="track_type"),
        Label(title="Layer", label="rid"),
        Measure(title="Bit rate", expression=bits(_mean("webrtc_room_throughput_bytes_per_second")), look=BIT_RATE),
        Measure(title="Loss", expression=_mean("webrtc_room_packet_loss_ratio"), look=PACKET_LOSS),
        Measure(title="Jitter", expression=_mean("webrtc_room_jitter_seconds"), look=JITTER),
        Measure(title="RTT", expression=_mean("webrtc_room_round_trip_time_seconds"), look=ROUND_TRIP_TIME),
        Measure(title="Frame rate", expression=_mean("webrtc_room_frames_per_second"), look=LAYER_FRAME_RATE),
    ]
    return merged_table(frame, parts, worst_first=["Loss"])


def _worst_peers(frame: Frame, look: Look, name: str, *matchers: str) -> bargauge.Panel:
    worst = f"sort_desc(topk({_WORST}, {by(STAY, 'max', last(name, ROOM, *matchers))}))"
    link = data_link("Open this peer", board_url(PEER_UID, STAY, ON_SERIES))
    return bars(frame, look, [Query(expression=worst, legend="{{peer_id}}")], links=[link])


def _mean(name: str, *matchers: str) -> str:
    return by(_STREAM, "avg", last(name, ROOM, *matchers))
