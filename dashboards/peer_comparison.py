"""The panels of the Peer board that set its streams against each other, the room, and what the source measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.looks import BIT_RATE, DIRECTION, JITTER, PACKET_LOSS, ROUND_TRIP_TIME
from dashboards.panels import Frame, Query, bars, note
from dashboards.queries import PEER, ROOM, SESSION, bits, by, last
from dashboards.tables import Label, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import bargauge, table, text

_STREAM = ("direction", "kind", "track_type", "rid")
_MEDIA = ("direction", "kind")


def losses() -> bargauge.Panel:
    """Loss of each stream."""
    frame = Frame(
        id=101,
        title="Loss by stream",
        description=(
            "Mean packet loss of each stream, from both sources; a full bar is 10 %. Fair from 1 %, poor from 5 %. "
            "Sent streams in colour: the uplink. Received ones: the downlink, or the senders. 100ms gives no loss of "
            "received video."
        ),
        size=(6, 8),
        empty="No loss was measured",
    )
    loss = by(_STREAM, "avg", last("webrtc_peer_packet_loss_ratio", PEER))
    return bars(frame, PACKET_LOSS, [Query(expression=f"sort_desc({named(loss)})", legend="{{stream}}")])


def bit_rates() -> bargauge.Panel:
    """Bit rate of each stream."""
    frame = Frame(
        id=102,
        title="Bit rate by stream",
        description=(
            "Mean bit rate of each stream, from both sources; no limits, as a muted or paused stream has none. A "
            "camera far below the others' in the same room: too little bandwidth, or a weak device."
        ),
        size=(6, 8),
        empty="No bit rate was measured",
    )
    rate = bits(by(_STREAM, "avg", last("webrtc_peer_throughput_bytes_per_second", PEER)))
    return bars(frame, BIT_RATE, [Query(expression=f"sort_desc({named(rate)})", legend="{{stream}}")])


def against_the_room() -> table.Panel:
    """Whether this peer had it worse than the others."""
    frame = Frame(
        id=103,
        title="This peer and its room",
        description=(
            "The peer's worst stream beside the same of the room's means over all peers, for the chosen sessions. Bad "
            "here and good in the room: look at this peer's network. Bad in both: at the server. Both sources."
        ),
        size=(12, 8),
        empty="No media was measured",
    )
    parts: list[Part] = [
        Label(title="Direction", label="direction", look=DIRECTION),
        Label(title="Kind", label="kind"),
    ]
    for title, name, look in (
        ("Loss", "packet_loss_ratio", PACKET_LOSS),
        ("Jitter", "jitter_seconds", JITTER),
        ("RTT", "round_trip_time_seconds", ROUND_TRIP_TIME),
    ):
        here = by(_MEDIA, "max", last(f"webrtc_peer_{name}", PEER))
        parts.append(Measure(title=title, expression=here, look=look))
        parts.append(Measure(title=f"{title} room", expression=_of_room(f"webrtc_room_{name}"), look=look))
    return merged_table(frame, parts)


def measured() -> text.Panel:
    """What each source measures, so that a dash is no riddle."""
    frame = Frame(
        id=401,
        title="What the sources measure",
        description="Why some cells and panels have a dash: not every source measures everything.",
        size=(24, 5),
        empty="",
    )
    return note(
        frame,
        "| | MOS, score, rating, setup | 95th percentiles, poor time | frame rate, freezes, concealment | jitter "
        "| round-trip time | loss of received video | device, network, place |\n"
        "|---|---|---|---|---|---|---|---|\n"
        "| **100ms** | no; MOS is estimated | yes | yes | of sent audio | of sent media | no | role only |\n"
        "| **watchRTC** | yes | no, means only | no | yes | of sent media | yes | yes |\n\n"
        "Neither says whether CPU or bandwidth held an encoder back.",
    )


def named(expression: str) -> str:
    """Gives each stream one label that names it."""
    # Empty labels are missing ones to Prometheus, and a legend would show the label's name in their place.
    camera = f'label_replace({expression}, "track_type", "", "track_type", "regular")'
    return f'label_join({camera}, "stream", " ", "direction", "kind", "rid", "track_type")'


def _of_room(name: str) -> str:
    stays = last("webrtc_peer_verdict", PEER)
    return by(_MEDIA, "max", f"{last(name, ROOM)} and on ({', '.join(SESSION)}) {stays}")
