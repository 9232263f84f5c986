"""The panels of the Peer board that show the stay at the time it happened, window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.graphs import lanes, lines
from dashboards.looks import COUNT, PACKET_LOSS, SOUND, VERDICT
from dashboards.panels import Frame, Query
from dashboards.peer_comparison import named
from dashboards.queries import PEER, by, each_step
from dashboards.room_timeline import NO_HUNDREDMS_TIMELINE, NO_TIMELINE
from exporter.quality.verdicts import SAMPLES_PER_SECOND

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import statetimeline, timeseries

_STREAM = ("direction", "kind", "track_type", "rid")


def verdict_strip() -> statetimeline.Panel:
    """The stay as one strip for each session, coloured by its verdict at the time."""
    frame = Frame(
        id=501,
        title="Verdict over time",
        description=(
            "One lane a session; each moment has the worst verdict on this peer's streams, at the time it happened "
            "(remote write, both sources; watchRTC gives one value for the whole stay). Short and red: a bad moment. "
            "Red from the start: this peer's network or device. A gap: not connected, or too little data."
        ),
        size=(24, 5),
        empty=NO_TIMELINE,
    )
    verdicts = by(("source", "room_id", "session_id"), "max", each_step("webrtc_timeline_verdict", PEER))
    return lanes(frame, VERDICT, Query(expression=verdicts, legend="{{session_id}}"))


def losses_over_time() -> timeseries.Panel:
    """Loss of each stream."""
    frame = Frame(
        id=502,
        title="Loss by stream, over time",
        description=(
            "Packet loss of each stream at the time (remote write, both sources). Dashed: fair from 1 %, poor from "
            "5 %. Sent streams up: the uplink. Received ones up: the downlink, or the senders."
        ),
        size=(12, 7),
        empty=NO_TIMELINE,
    )
    loss = by(_STREAM, "max", each_step("webrtc_timeline_packet_loss_ratio", PEER))
    return lines(frame, PACKET_LOSS, [Query(expression=named(loss), legend="{{stream}}")])


def interruptions() -> timeseries.Panel:
    """What this peer saw freeze and heard made up."""
    frame = Frame(
        id=503,
        title="Freezes and made-up sound, over time",
        description=(
            "Video freezes that began (left) and seconds of sound that never came and were made up (right) in each "
            "step, of all that this peer received (remote write, 100ms; watchRTC gives neither). At the same times as "
            "loss: the network. Without loss: the device."
        ),
        size=(12, 7),
        empty=NO_HUNDREDMS_TIMELINE,
    )
    samples = each_step("webrtc_timeline_concealed_samples", PEER, of="sum")
    queries = [
        Query(expression=f"sum({each_step('webrtc_timeline_freezes', PEER, of='sum')})", legend="freezes"),
        Query(expression=f"sum({samples}) / {SAMPLES_PER_SECOND}", legend="made-up sound", look=SOUND),
    ]
    return lines(frame, COUNT, queries)
