"""The Peer board: who this was, how good the call was for them, and which of their streams were bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.layout import Identity, Section, board
from dashboards.links import IN_ROW, PEER_UID, ROOM_UID, board_url
from dashboards.looks import CALL_SETUP, DURATION, MOMENT, MOS, POOR_TIME, REASON, SCORE, VERDICT
from dashboards.panels import Frame, Query, figures
from dashboards.peer_comparison import against_the_room, bit_rates, losses, measured
from dashboards.peer_media import received_audio, received_screen, received_video, sent_audio, sent_screen, sent_video
from dashboards.peer_timeline import interruptions, losses_over_time, verdict_strip
from dashboards.queries import PEER, SESSION, STAY, by, current, in_words, last, milliseconds, severity
from dashboards.tables import Label, Lookup, Measure, Part, merged_table
from dashboards.variables import peer_variables

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat, table
    from grafana_foundation_sdk.models.dashboard import Dashboard

_NO_STAY = "This peer was not in view in this time range"
#: The labels of `webrtc_peer_info` in the order in which people ask for them.
_ATTRIBUTES = (
    ("Role", "role", 85),
    ("Connection", "connection_type", 95),
    ("Transport", "media_transport", 90),
    ("Browser", "browser", 90),
    ("Browser version", "browser_version", 125),
    ("OS", "os", 90),
    ("OS version", "os_version", 95),
    ("Country", "country", 110),
    ("City", "city", 130),
    ("Organization", "organization", 130),
    ("Microphone", "audio_device", 170),
    ("Camera", "video_device", 170),
    ("SDK", "sdk_version", 100),
)


def peer_board() -> Dashboard:
    """Builds the board."""
    return board(
        Identity(
            uid=PEER_UID,
            title="WebRTC quality / Peer",
            description="How good was the call for this peer, and which of its streams were bad?",
        ),
        peer_variables(),
        [_verdict(), _poor_time(), _mos(), _opinions(), _setup(), _duration(), _stays()],
        Section(
            id=100,
            title="Its streams against each other and the room",
            panels=[losses(), bit_rates(), against_the_room()],
        ),
        Section(
            id=500,
            title="When it went wrong: the stay at the time it happened",
            panels=[verdict_strip(), losses_over_time(), interruptions()],
        ),
        Section(id=200, title="Sent: what others see and hear of this peer", panels=[sent_video(), sent_audio()]),
        Section(
            id=300,
            title="Received: what this peer sees and hears",
            panels=[received_video(), received_audio(), sent_screen(), received_screen()],
        ),
        Section(id=400, title="What a dash means", panels=[measured()]),
    )


def _verdict() -> stat.Panel:
    frame = Frame(
        id=1,
        title="Verdict",
        description=(
            "The verdict on this peer's stay and its reason; of several sessions, the worst one's. Poor: windows that "
            "were poor took 20 % of the time or more, or the means are poor. Made by the exporter from both sources. "
            "Look for the coloured streams below."
        ),
        size=(5, 4),
        empty=_NO_STAY,
    )
    worst = f"topk(1, {in_words(severity('webrtc_peer_verdict', PEER, STAY))})"
    return figures(frame, VERDICT, [Query(expression=worst, legend="{{reason}}")], background=True, named=True)


def _poor_time() -> stat.Panel:
    frame = Frame(
        id=2,
        title="Poor time",
        description=(
            "Share of the classified stream time in which a window was poor (100ms); of several sessions, their mean. "
            "From 20 % on the peer is poor. watchRTC gives means without windows, so there is no such share."
        ),
        size=(3, 4),
        empty="Not measured: this source gives no windows",
    )
    return figures(frame, POOR_TIME, [Query(expression=f"avg({last('webrtc_peer_poor_time_ratio', PEER)})")])


def _mos() -> stat.Panel:
    frame = Frame(
        id=3,
        title="MOS",
        description=(
            "Mean opinion score, 1 to 5: the vendor's (watchRTC), and the exporter's estimate from the loss, delay and "
            "jitter of the audio (both sources), the worse of sent and received. Fair below 3.6, poor below 3.1."
        ),
        size=(4, 4),
        empty="Not measured: no audio with loss and round-trip time",
    )
    queries = [
        Query(expression=f"avg({last('webrtc_peer_mos', PEER)})", legend="vendor"),
        Query(expression=f"avg({last('webrtc_peer_estimated_mos', PEER)})", legend="estimated"),
    ]
    return figures(frame, MOS, queries, named=True)


def _opinions() -> stat.Panel:
    frame = Frame(
        id=4,
        title="Score and rating",
        description=(
            "watchRTC's score of the media, 0 to 10, and what the person gave when asked, 1 to 5. Neither has an "
            "agreed limit: compare with other peers. 100ms gives neither."
        ),
        size=(4, 4),
        empty="Not given by this source",
    )
    queries = [
        Query(expression=f"avg({last('webrtc_peer_media_score', PEER)})", legend="score of 10"),
        Query(expression=f"avg({last('webrtc_peer_user_rating', PEER)})", legend="rating of 5"),
    ]
    return figures(frame, SCORE, queries, named=True)


def _setup() -> stat.Panel:
    frame = Frame(
        id=5,
        title="Call setup",
        description=(
            "Time from the first local description to the connected state (watchRTC). Fair from 1.5 s, poor from 5 s: "
            "look at TURN and at transport over TCP or TLS. 100ms does not give it."
        ),
        size=(4, 4),
        empty="Not given by this source",
    )
    return figures(frame, CALL_SETUP, [Query(expression=f"avg({last('webrtc_peer_call_setup_seconds', PEER)})")])


def _duration() -> stat.Panel:
    frame = Frame(
        id=6,
        title="Stay",
        description=(
            "How long this peer was in the session; of several sessions, the sum. From both sources. Much less than "
            "the session's length: a late join, or a lost connection."
        ),
        size=(4, 4),
        empty="No times were reported",
    )
    return figures(frame, DURATION, [Query(expression=f"sum({last('webrtc_peer_duration_seconds', PEER)})")])


def _stays() -> table.Panel:
    frame = Frame(
        id=7,
        title="Who, where and when",
        description=(
            "One row for each session of this peer within the time range: its verdict, its times and what the source "
            "says about device and network (watchRTC; 100ms gives the role alone), and the allow-listed keys at the "
            "end. TURN, a transport over TCP or TLS, and a mobile carrier are the usual suspects. Click the session "
            "for its room."
        ),
        size=(24, 4),
        empty=_NO_STAY,
    )
    start = milliseconds(by(STAY, "max", last("webrtc_peer_start_timestamp_seconds", PEER)))
    length = by(STAY, "max", last("webrtc_peer_duration_seconds", PEER))
    link = ("Open this session's room", board_url(ROOM_UID, SESSION, IN_ROW))
    parts: list[Part] = [
        Label(title="Session", label="session_id", width=190, link=link),
        Measure(title="Verdict", expression=severity("webrtc_peer_verdict", PEER, STAY), look=VERDICT, width=95),
        Label(title="Why", label="reason", width=115, look=REASON),
        Measure(title="Started", expression=start, look=MOMENT, width=160),
        Measure(title="Stay", expression=length, look=DURATION, width=75),
        *(Label(title=title, label=label, width=width) for title, label, width in _ATTRIBUTES),
        Label(title="Peer", label="peer_id", width=170),
        Label(title="Room", label="room_id", width=150),
        Label(title="Source", label="source", width=90),
        # All of its labels, because the allow-listed keys are named by the configuration.
        Lookup(expression=f"max without (job, instance) ({current('webrtc_peer_info', PEER, STAY)})"),
    ]
    return merged_table(frame, parts, worst_first=["Started"])
