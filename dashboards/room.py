"""The Room board: how good a meeting was, which of its peers had a bad time, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.common import VizTextDisplayOptions

from dashboards.layout import Identity, Section, board
from dashboards.links import ROOM_UID
from dashboards.looks import COUNT, DURATION, MOMENT, MOS, POOR_PEERS, VERDICT
from dashboards.panels import Frame, Query, figures
from dashboards.queries import ROOM, SESSION, SEVERITIES, STAY, in_words, last, milliseconds, severity
from dashboards.room_media import loss_received, loss_sent, media_table
from dashboards.room_tables import peer_matrix, reasons, session_table
from dashboards.room_timeline import (
    jitter,
    poor_at_once,
    received_bit_rate,
    received_frame_rate,
    received_loss,
    round_trip_time,
    sent_bit_rate,
    sent_frame_rate,
    sent_loss,
    verdict_lanes,
)
from dashboards.variables import room_variables, worst_variable

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import stat
    from grafana_foundation_sdk.models.dashboard import Dashboard

_NO_SESSION = "No finished session in this time range"


def room_board() -> Dashboard:
    """Builds the board."""
    return board(
        Identity(
            uid=ROOM_UID,
            title="WebRTC quality / Room",
            description="How good was this meeting, and which of its peers had a bad time?",
        ),
        [*room_variables(), worst_variable()],
        [_verdict(), reasons(), _poor_peers(), _mos(), _call()],
        Section(id=100, title="Sessions and peers", panels=[session_table(), peer_matrix()]),
        Section(
            id=200,
            title="Where it went wrong: one bad uplink, or many bad downlinks?",
            panels=[loss_sent(), loss_received(), media_table()],
        ),
        Section(
            id=400,
            title="When it went wrong: the call at the time it happened",
            panels=[
                verdict_lanes(),
                poor_at_once(),
                sent_loss(),
                received_loss(),
                round_trip_time(),
                jitter(),
                sent_bit_rate(),
                received_bit_rate(),
                sent_frame_rate(),
                received_frame_rate(),
            ],
        ),
    )


def _verdict() -> stat.Panel:
    frame = Frame(
        id=1,
        title="Verdict",
        description=(
            "The verdict on the session and its most frequent reason; of several sessions, the worst one's. Poor: at "
            "least one in five classified peers was poor. Look at the peers below for who it was. Made by the exporter "
            "from both sources."
        ),
        size=(4, 4),
        empty=_NO_SESSION,
    )
    worst = f"topk(1, {in_words(severity('webrtc_room_verdict', ROOM, SESSION))})"
    return figures(frame, VERDICT, [Query(expression=worst, legend="{{reason}}")], background=True, named=True)


def _poor_peers() -> stat.Panel:
    frame = Frame(
        id=2,
        title="Poor peers",
        description=(
            "Share of classified peers whose verdict is poor, in the chosen sessions. From 20 % on the room itself is "
            "poor. Peers with under 10 s of measured media are not classified and do not count."
        ),
        size=(3, 4),
        empty="No classified peers",
    )
    classified = f"({severity('webrtc_peer_verdict', ROOM, STAY)} >= 1)"
    poor = f"avg({classified} == bool {SEVERITIES['poor']})"
    return figures(frame, POOR_PEERS, [Query(expression=poor)])


def _mos() -> stat.Panel:
    frame = Frame(
        id=3,
        title="MOS",
        description=(
            "Mean opinion score, 1 to 5, mean over the chosen sessions: the vendor's (watchRTC), and the exporter's "
            "estimate from the loss, delay and jitter of the audio (both sources). Fair below 3.6, poor below 3.1."
        ),
        size=(4, 4),
        empty="Nobody measured the audio's loss and round-trip time",
    )
    queries = [
        Query(expression=f"avg({last('webrtc_room_mos', ROOM)})", legend="vendor"),
        Query(expression=f"avg({last('webrtc_room_estimated_mos', ROOM)})", legend="estimated"),
    ]
    return figures(frame, MOS, queries, named=True)


def _call() -> stat.Panel:
    frame = Frame(
        id=7,
        title="The call",
        description=(
            "When the session started (of several, the latest), how long it was from the first join to the last leave "
            "(the longest), and how many peers took part (the sum; excluded roles left out). 100ms peers, watchRTC "
            "users."
        ),
        size=(8, 4),
        empty=_NO_SESSION,
    )
    start = milliseconds(f"max({last('webrtc_room_start_timestamp_seconds', ROOM)})")
    queries = [
        Query(expression=start, legend="started", look=MOMENT),
        Query(expression=f"max({last('webrtc_room_duration_seconds', ROOM)})", legend="duration", look=DURATION),
        Query(expression=f"sum({last('webrtc_room_peers', ROOM)})", legend="peers"),
    ]
    # Left to itself Grafana makes a moment, which is long, too small to be read beside a number, which is short.
    return figures(frame, COUNT, queries, named=True).text(VizTextDisplayOptions().title_size(14).value_size(16))
