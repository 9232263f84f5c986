"""The panels of the Room board that show the call at the time it happened, window by window.

They need the timeline that the exporter sends by remote write; with scrapes alone they say so, and the means above and
below are what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.graphs import areas, beside, lanes, lines
from dashboards.links import ON_SERIES, PEER_UID, board_url, data_link
from dashboards.looks import (
    BIT_RATE,
    COUNT,
    JITTER,
    LAYER_FRAME_RATE,
    PACKET_LOSS,
    ROUND_TRIP_TIME,
    UNCLASSIFIED,
    VERDICT,
    VERDICT_COLOURS,
    Look,
)
from dashboards.panels import Frame, Query
from dashboards.queries import ROOM, SEVERITIES, STAY, WORST, bits, by, each_step, of_the_worst
from dashboards.variables import WORST_PEERS

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import statetimeline, timeseries
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import DashboardLink

#: Said by every panel of the timeline where there is none.
NO_TIMELINE: Final = "Set remote_write in the exporter's configuration to see this over time"
#: Said by those of what 100ms alone measures.
NO_HUNDREDMS_TIMELINE: Final = "watchRTC does not give it; for 100ms set remote_write in the exporter's configuration"
_LINES: Final = 10
_HALF: Final = (12, 7)
_SENT: Final = 'direction="send"'
_RECEIVED: Final = 'direction="recv"'
_VERDICT: Final = "webrtc_timeline_verdict"
_LOSS: Final = "webrtc_timeline_packet_loss_ratio"
_RATE: Final = "webrtc_timeline_throughput_bytes_per_second"
_CLASSIFIED: Final = {verdict: colour for verdict, colour in VERDICT_COLOURS.items() if verdict != "unclassified"}
_FRAMES: Final = "webrtc_timeline_frames_per_second"


def verdict_lanes() -> statetimeline.Panel:
    """One lane a peer, coloured by its verdict at the time."""
    frame = Frame(
        id=401,
        title="Verdict of each peer over time",
        description=(
            "One lane a peer, the twenty that were poor for the largest share of their time; each moment has the worst "
            "verdict on the peer's streams at that time (remote write, both sources; watchRTC gives one value for the "
            "whole stay). One red lane: that peer. Red in all lanes at once: the server or a region. A gap: not "
            "connected, or too little data. Click a lane for its peer."
        ),
        size=(15, 11),
        empty=NO_TIMELINE,
    )
    worst = of_the_worst(WORST_PEERS, by(STAY, "max", each_step(_VERDICT, WORST)))
    return lanes(frame, VERDICT, Query(expression=worst, legend="{{peer_id}}"), links=[_to_peer()])


def poor_at_once() -> timeseries.Panel:
    """How many peers were poor at the same moment."""
    frame = Frame(
        id=402,
        title="Peers poor at the same moment",
        description=(
            "How many peers were poor, fair and good at each moment, and how many were connected (line), by the "
            "timeline of both sources (remote write). Several red at once have one cause in common: the server, a "
            "region, or somebody's uplink that all of them hear."
        ),
        size=(9, 11),
        empty=NO_TIMELINE,
    )
    queries = [Query(expression=_at_once(verdict), legend=verdict) for verdict in ("poor", "fair", "good")]
    connected = f"count({by(STAY, 'max', each_step('webrtc_timeline_connected', ROOM))})"
    panel = areas(frame, COUNT, [*queries, Query(expression=connected, legend="connected")], colours=_CLASSIFIED)
    return panel.override_by_name("connected", beside(UNCLASSIFIED))


def sent_loss() -> timeseries.Panel:
    """Loss of what each peer sent."""
    return _peers(
        Frame(
            id=403,
            title="Loss sent, over time",
            description=(
                "Packet loss of each peer's worst sent stream at the time (remote write, both sources), the ten worst "
                "peers. Dashed: fair from 1 %, poor from 5 %. One line up here and many on the right: that peer's "
                "uplink, which the others hear."
            ),
            size=_HALF,
            empty=NO_TIMELINE,
        ),
        PACKET_LOSS,
        by(STAY, "max", each_step(_LOSS, WORST, _SENT)),
    )


def received_loss() -> timeseries.Panel:
    """Loss of what each peer received."""
    return _peers(
        Frame(
            id=404,
            title="Loss received, over time",
            description=(
                "Packet loss of each peer's worst received stream at the time (remote write; 100ms: audio only), the "
                "ten worst peers. Dashed: fair from 1 %, poor from 5 %. One line up: that peer's downlink. All of them "
                "with the left calm: the server."
            ),
            size=_HALF,
            empty=NO_TIMELINE,
        ),
        PACKET_LOSS,
        by(STAY, "max", each_step(_LOSS, WORST, _RECEIVED)),
    )


def round_trip_time() -> timeseries.Panel:
    """Round-trip time of each peer."""
    return _peers(
        Frame(
            id=405,
            title="Round-trip time, over time",
            description=(
                "Round-trip time of each peer's slowest stream at the time (remote write; both sources measure it "
                "where a peer sends), the ten worst peers. Dashed: fair from 250 ms, poor from 400 ms. Rising with "
                "loss: a full link. High and level: a detour, often TURN far away."
            ),
            size=_HALF,
            empty=NO_TIMELINE,
        ),
        ROUND_TRIP_TIME,
        by(STAY, "max", each_step("webrtc_timeline_round_trip_time_seconds", WORST)),
    )


def jitter() -> timeseries.Panel:
    """Jitter of each peer, by direction."""
    identity = (*STAY, "direction")
    expression = by(identity, "max", each_step("webrtc_timeline_jitter_seconds", WORST))
    return _peers(
        Frame(
            id=406,
            title="Jitter, over time",
            description=(
                "Jitter of each peer's worst stream in each direction at the time (remote write; 100ms: of sent audio "
                "alone), the ten worst peers. Dashed: fair from 20 ms, poor from 30 ms. Often wireless: ask for a "
                "cable."
            ),
            size=_HALF,
            empty=NO_TIMELINE,
        ),
        JITTER,
        expression,
        legend="{{peer_id}} {{direction}}",
    )


def sent_bit_rate() -> timeseries.Panel:
    """Bit rate of what each peer sent."""
    return _peers(
        Frame(
            id=407,
            title="Bit rate sent, over time",
            description=(
                "Sum of each peer's sent streams at the time (remote write, both sources), the ten worst peers. No "
                "limits: a muted or paused stream has none. Falling while loss or delay rises: the sender gave way to "
                "a full uplink."
            ),
            size=_HALF,
            empty=NO_TIMELINE,
        ),
        BIT_RATE,
        bits(by(STAY, "sum", each_step(_RATE, WORST, _SENT, of="avg"))),
    )


def received_bit_rate() -> timeseries.Panel:
    """Bit rate of what each peer received."""
    return _peers(
        Frame(
            id=408,
            title="Bit rate received, over time",
            description=(
                "Sum of each peer's received streams at the time (remote write, both sources), the ten worst peers. "
                "One line that falls: that peer's downlink. All at once: a sender that stopped, or the server."
            ),
            size=_HALF,
            empty=NO_TIMELINE,
        ),
        BIT_RATE,
        bits(by(STAY, "sum", each_step(_RATE, WORST, _RECEIVED, of="avg"))),
    )


def sent_frame_rate() -> timeseries.Panel:
    """Frame rate of each peer's camera."""
    return _peers(
        Frame(
            id=409,
            title="Frame rate sent, over time",
            description=(
                "Frames per second of each peer's best camera layer at the time (remote write, 100ms; watchRTC gives "
                "none), the ten worst peers. Without limits, because a paused layer has none. Low for long with a "
                "calm network: a device that cannot keep up."
            ),
            size=_HALF,
            empty=NO_HUNDREDMS_TIMELINE,
        ),
        LAYER_FRAME_RATE,
        by(STAY, "max", each_step(_FRAMES, WORST, _SENT, 'track_type!="screen"', of="avg")),
    )


def received_frame_rate() -> timeseries.Panel:
    """Frame rate of what each peer watched."""
    return _peers(
        Frame(
            id=410,
            title="Frame rate received, over time",
            description=(
                "Mean frames per second of the cameras that each peer watched at the time (remote write, 100ms; "
                "watchRTC gives none), the ten worst peers. One line low: that peer's downlink or device. All of them: "
                "the sender on the left. Without limits, because a sender may have paused."
            ),
            size=_HALF,
            empty=NO_HUNDREDMS_TIMELINE,
        ),
        LAYER_FRAME_RATE,
        by(STAY, "avg", each_step(_FRAMES, WORST, _RECEIVED, 'track_type!="screen"', of="avg")),
    )


def _peers(frame: Frame, look: Look, expression: str, *, legend: str = "{{peer_id}}") -> timeseries.Panel:
    worst = Query(expression=of_the_worst(_LINES, expression), legend=legend)
    return lines(frame, look, [worst], links=[_to_peer()])


def _at_once(verdict: str) -> str:
    # A sum of comparisons: nobody is 0 as long as somebody has a verdict, and nothing where nobody is there.
    return f"sum({by(STAY, 'max', each_step(_VERDICT, ROOM))} == bool {SEVERITIES[verdict]})"


def _to_peer() -> Builder[DashboardLink]:
    return data_link("Open this peer", board_url(PEER_UID, STAY, ON_SERIES))
