"""The panels of the Peer board about its streams: by direction, kind, track and simulcast layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.looks import (
    BIT_RATE,
    CONCEALMENT,
    COUNT,
    FRAME_RATE,
    JITTER,
    LAYER_FRAME_RATE,
    MOS,
    PACKET_LOSS,
    ROUND_TRIP_TIME,
    SCORE,
    SCREEN_FRAME_RATE,
)
from dashboards.panels import Frame
from dashboards.queries import PEER, bits, by, last
from dashboards.tables import Label, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import table

_SENT_VIDEO = ('direction="send"', 'kind="video"')
_SENT_AUDIO = ('direction="send"', 'kind="audio"')
_RECEIVED_VIDEO = ('direction="recv"', 'kind="video"')
_RECEIVED_AUDIO = ('direction="recv"', 'kind="audio"')
_SCREEN = 'track_type="screen"'
#: watchRTC does not tell a screen from a camera; what it has counts as a camera.
_CAMERA = 'track_type!="screen"'

_TRACK = ("track_type",)
_LAYER = ("track_type", "rid")

_THROUGHPUT = "webrtc_peer_throughput_bytes_per_second"
_LOSS = "webrtc_peer_packet_loss_ratio"
_LOSS_P95 = "webrtc_peer_packet_loss_p95_ratio"
_JITTER = "webrtc_peer_jitter_seconds"
_JITTER_P95 = "webrtc_peer_jitter_p95_seconds"
_ROUND_TRIP_TIME = "webrtc_peer_round_trip_time_seconds"
_ROUND_TRIP_TIME_P95 = "webrtc_peer_round_trip_time_p95_seconds"
_FRAME_RATE = "webrtc_peer_frames_per_second"
_FREEZES = "webrtc_peer_freezes"


def sent_video() -> table.Panel:
    """The camera's simulcast layers."""
    frame = Frame(
        id=201,
        title="Sent video, by simulcast layer",
        description=(
            "Means over the stay and 95th percentiles of the windows, one row for each layer (h, m, l) that the "
            "camera was sent in. A layer with little or no bit rate was paused, not broken, and so its frame rate has "
            "no limits. Loss or round-trip time in colour: this peer's uplink. watchRTC gives one row without layers, "
            "frame rate and percentiles."
        ),
        size=(12, 6),
        empty="No camera was sent",
    )
    of = (*_SENT_VIDEO, _CAMERA)
    parts: list[Part] = [
        Label(title="Track", label="track_type"),
        Label(title="Layer", label="rid"),
        Measure(title="Bit rate", expression=bits(_mean(_LAYER, _THROUGHPUT, *of)), look=BIT_RATE),
        Measure(title="Frame rate", expression=_mean(_LAYER, _FRAME_RATE, *of), look=LAYER_FRAME_RATE),
        Measure(title="Loss", expression=_mean(_LAYER, _LOSS, *of), look=PACKET_LOSS),
        Measure(title="Loss p95", expression=_most(_LAYER, _LOSS_P95, *of), look=PACKET_LOSS),
        Measure(title="RTT", expression=_mean(_LAYER, _ROUND_TRIP_TIME, *of), look=ROUND_TRIP_TIME),
        Measure(title="RTT p95", expression=_most(_LAYER, _ROUND_TRIP_TIME_P95, *of), look=ROUND_TRIP_TIME),
        Measure(title="Jitter", expression=_mean(_LAYER, _JITTER, *of), look=JITTER),
        _vendor_mos(*_SENT_VIDEO),
    ]
    return merged_table(frame, parts, worst_first=["Bit rate"])


def sent_audio() -> table.Panel:
    """The microphone."""
    frame = Frame(
        id=202,
        title="Sent audio",
        description=(
            "Means over the stay and 95th percentiles of the windows (100ms). Loss, jitter or round-trip time in "
            "colour: others heard this peer badly, and its uplink is the cause. watchRTC gives means only."
        ),
        size=(12, 6),
        empty="No audio was sent",
    )
    parts: list[Part] = [
        Label(title="Track", label="track_type"),
        Measure(title="Bit rate", expression=bits(_mean(_TRACK, _THROUGHPUT, *_SENT_AUDIO)), look=BIT_RATE),
        Measure(title="Loss", expression=_mean(_TRACK, _LOSS, *_SENT_AUDIO), look=PACKET_LOSS),
        Measure(title="Loss p95", expression=_most(_TRACK, _LOSS_P95, *_SENT_AUDIO), look=PACKET_LOSS),
        Measure(title="Jitter", expression=_mean(_TRACK, _JITTER, *_SENT_AUDIO), look=JITTER),
        Measure(title="Jitter p95", expression=_most(_TRACK, _JITTER_P95, *_SENT_AUDIO), look=JITTER),
        Measure(title="RTT", expression=_mean(_TRACK, _ROUND_TRIP_TIME, *_SENT_AUDIO), look=ROUND_TRIP_TIME),
        Measure(title="RTT p95", expression=_most(_TRACK, _ROUND_TRIP_TIME_P95, *_SENT_AUDIO), look=ROUND_TRIP_TIME),
        _vendor_mos(*_SENT_AUDIO),
        _vendor_score(*_SENT_AUDIO),
    ]
    return merged_table(frame, parts)


def sent_screen() -> table.Panel:
    """The shared screen, which needs fewer frames."""
    frame = Frame(
        id=303,
        title="Sent screen share",
        description=(
            "Means over the stay of the screen that this peer shared (100ms; watchRTC counts it as video). A slide "
            "needs few frames: fair below 5 a second, poor below 2."
        ),
        size=(12, 4),
        empty="No screen was shared, or the source does not tell it from a camera",
    )
    of = (*_SENT_VIDEO, _SCREEN)
    parts: list[Part] = [
        Label(title="Track", label="track_type"),
        Measure(title="Bit rate", expression=bits(_mean(_TRACK, _THROUGHPUT, *of)), look=BIT_RATE),
        Measure(title="Frame rate", expression=_mean(_TRACK, _FRAME_RATE, *of), look=SCREEN_FRAME_RATE),
        Measure(title="Loss", expression=_mean(_TRACK, _LOSS, *of), look=PACKET_LOSS),
        Measure(title="Loss p95", expression=_most(_TRACK, _LOSS_P95, *of), look=PACKET_LOSS),
        Measure(title="RTT", expression=_mean(_TRACK, _ROUND_TRIP_TIME, *of), look=ROUND_TRIP_TIME),
        Measure(title="RTT p95", expression=_most(_TRACK, _ROUND_TRIP_TIME_P95, *of), look=ROUND_TRIP_TIME),
    ]
    return merged_table(frame, parts)


def received_video() -> table.Panel:
    """The others' cameras, with freezes."""
    frame = Frame(
        id=301,
        title="Received video, with freezes",
        description=(
            "Means over the stay of all cameras that this peer watched; freezes are their sum (100ms). Few frames or "
            "many freezes with a good uplink elsewhere: this peer's downlink or device. 100ms gives no loss of "
            "received video, watchRTC no frame rate and no freezes."
        ),
        size=(12, 4),
        empty="No camera was received",
    )
    of = (*_RECEIVED_VIDEO, _CAMERA)
    parts: list[Part] = [
        Label(title="Track", label="track_type"),
        Measure(title="Bit rate", expression=bits(_mean(_TRACK, _THROUGHPUT, *of)), look=BIT_RATE),
        Measure(title="Frame rate", expression=_mean(_TRACK, _FRAME_RATE, *of), look=FRAME_RATE),
        Measure(title="Freezes", expression=by(_TRACK, "sum", last(_FREEZES, PEER, *of)), look=COUNT),
        Measure(title="Loss", expression=_mean(_TRACK, _LOSS, *of), look=PACKET_LOSS),
        Measure(title="Jitter", expression=_mean(_TRACK, _JITTER, *of), look=JITTER),
        _vendor_mos(*_RECEIVED_VIDEO),
    ]
    return merged_table(frame, parts)


def received_audio() -> table.Panel:
    """The others' voices, with what had to be made up."""
    frame = Frame(
        id=302,
        title="Received audio, with concealment",
        description=(
            "Means over the stay of all that this peer heard. Concealed: audio that never came and was made up, "
            "estimated from the count of samples (100ms). Fair from 3 %, poor from 7 %: this peer heard gaps. watchRTC "
            "gives no concealment; 100ms no jitter and no round-trip time here."
        ),
        size=(12, 4),
        empty="No audio was received",
    )
    ratio = _mean(_TRACK, "webrtc_peer_concealment_ratio", *_RECEIVED_AUDIO)
    samples = by(_TRACK, "sum", last("webrtc_peer_concealed_samples", PEER, *_RECEIVED_AUDIO))
    parts: list[Part] = [
        Label(title="Track", label="track_type"),
        Measure(title="Bit rate", expression=bits(_mean(_TRACK, _THROUGHPUT, *_RECEIVED_AUDIO)), look=BIT_RATE),
        Measure(title="Loss", expression=_mean(_TRACK, _LOSS, *_RECEIVED_AUDIO), look=PACKET_LOSS),
        Measure(title="Loss p95", expression=_most(_TRACK, _LOSS_P95, *_RECEIVED_AUDIO), look=PACKET_LOSS),
        Measure(title="Concealed", expression=ratio, look=CONCEALMENT),
        Measure(title="Samples", expression=samples, look=COUNT),
        Measure(title="Jitter", expression=_mean(_TRACK, _JITTER, *_RECEIVED_AUDIO), look=JITTER),
        _vendor_mos(*_RECEIVED_AUDIO),
        _vendor_score(*_RECEIVED_AUDIO),
    ]
    return merged_table(frame, parts)


def received_screen() -> table.Panel:
    """The screens that others shared."""
    frame = Frame(
        id=304,
        title="Received screen share",
        description=(
            "Means over the stay of the screens that others shared with this peer (100ms); freezes are their sum. Fair "
            "below 5 frames a second, poor below 2: this peer's downlink, if the sender's side is fine."
        ),
        size=(12, 4),
        empty="No screen was received, or the source does not tell it from a camera",
    )
    of = (*_RECEIVED_VIDEO, _SCREEN)
    parts: list[Part] = [
        Label(title="Track", label="track_type"),
        Measure(title="Bit rate", expression=bits(_mean(_TRACK, _THROUGHPUT, *of)), look=BIT_RATE),
        Measure(title="Frame rate", expression=_mean(_TRACK, _FRAME_RATE, *of), look=SCREEN_FRAME_RATE),
        Measure(title="Freezes", expression=by(_TRACK, "sum", last(_FREEZES, PEER, *of)), look=COUNT),
    ]
    return merged_table(frame, parts)


def _mean(labels: tuple[str, ...], name: str, *matchers: str) -> str:
    return by(labels, "avg", last(name, PEER, *matchers))


def _most(labels: tuple[str, ...], name: str, *matchers: str) -> str:
    return by(labels, "max", last(name, PEER, *matchers))


# By direction and kind only, and only from a source that has one row for each.


def _vendor_mos(*matchers: str) -> Measure:
    return Measure(title="MOS", expression=f"avg({last('webrtc_peer_stream_mos', PEER, *matchers)})", look=MOS)


def _vendor_score(*matchers: str) -> Measure:
    # watchRTC scores the directions of audio, and of video not.
    expression = f"avg({last('webrtc_peer_stream_media_score', PEER, *matchers)})"
    return Measure(title="Score", expression=expression, look=SCORE)
