"""The tables of the Room board: its sessions, and the matrix of its peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.links import ENDED, IN_ROW, OWN_TIME, PEER_UID, ROOM_UID, STARTED, THE_ADDRESS, board_url, with_address
from dashboards.looks import (
    BIT_RATE,
    CALL_SETUP,
    CONCEALMENT,
    COUNT,
    DURATION,
    JITTER,
    MOMENT,
    MOS,
    PACKET_LOSS,
    POOR_TIME,
    REASON,
    ROUND_TRIP_TIME,
    SCORE,
    VERDICT,
)
from dashboards.panels import Frame, Query, bars
from dashboards.queries import ROOM, SESSION, STAY, bits, by, current, in_words, last, milliseconds, severity
from dashboards.tables import Label, Lookup, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import bargauge, table

_SENT = 'direction="send"'
_RECEIVED = 'direction="recv"'


def session_table() -> table.Panel:
    """The sessions in view, worst first."""
    frame = Frame(
        id=101,
        title="Sessions",
        description=(
            "The finished sessions that were in view within the time range, worst first. The exporter shows a session "
            "for an hour after its report came (metrics.series_ttl): look back further with a longer time range. "
            "Click a session to see it alone, in its own time, and the address for the vendor's page (100ms: made of "
            "the session's id). Dashes: the source does not say (100ms gives no MOS, score, rating or setup time)."
        ),
        size=(24, 5),
        empty="No finished session in this time range",
    )
    start = milliseconds(_of_session("webrtc_room_start_timestamp_seconds"))
    info = by((*SESSION, "room_name", "url"), "max", with_address(current("webrtc_room_info", ROOM, SESSION)))
    end = milliseconds(_of_session("webrtc_room_end_timestamp_seconds"))
    link = ("Show this session alone, in its own time", board_url(ROOM_UID, SESSION, IN_ROW, time=OWN_TIME))
    parts: list[Part] = [
        Label(title="Session", label="session_id", width=120, link=link),
        Measure(title="Verdict", expression=severity("webrtc_room_verdict", ROOM, SESSION), look=VERDICT, width=90),
        Label(title="Why", label="reason", width=110, look=REASON),
        Label(title="Room", label="room_id", width=110),
        Label(title="Name", label="room_name", width=100),
        Label(title="Address", label="url", width=110, link=("Open the vendor's page", THE_ADDRESS)),
        Measure(title="Peers", expression=_of_session("webrtc_room_peers"), look=COUNT, width=60),
        Measure(title=STARTED, expression=start, look=MOMENT, width=150),
        Measure(title=ENDED, expression=end, look=MOMENT, width=150),
        Measure(title="Duration", expression=_of_session("webrtc_room_duration_seconds"), look=DURATION, width=80),
        Measure(title="MOS", expression=_of_session("webrtc_room_mos"), look=MOS, width=60),
        Measure(title="MOS est.", expression=_of_session("webrtc_room_estimated_mos"), look=MOS, width=80),
        Measure(title="Score", expression=_of_session("webrtc_room_media_score"), look=SCORE, width=60),
        Measure(title="Rating", expression=_of_session("webrtc_room_user_rating"), look=SCORE, width=65),
        Measure(title="Setup", expression=_of_session("webrtc_room_call_setup_seconds"), look=CALL_SETUP, width=65),
        Label(title="Source", label="source", width=90),
        Lookup(expression=info),
    ]
    return merged_table(frame, parts, worst_first=["Verdict", STARTED])


def reasons() -> bargauge.Panel:
    """How many peers were fair or poor for each reason."""
    frame = Frame(
        id=102,
        title="Why peers were fair or poor",
        description=(
            "Peers of the chosen sessions whose verdict is fair or poor, by its reason. One reason for many peers "
            "points at the server or a region, one peer alone at its own network. Made by the exporter from both "
            "sources."
        ),
        size=(5, 4),
        empty="No fair or poor peers",
    )
    peers = in_words(severity("webrtc_peer_verdict", ROOM, STAY))
    return bars(frame, COUNT, [Query(expression=f"sort_desc(count by (reason) ({peers} >= 2))", legend="{{reason}}")])


def peer_matrix() -> table.Panel:
    """Every peer in a row, every measure in a column, what is bad in colour."""
    frame = Frame(
        id=103,
        title="Peers, worst first",
        description=(
            "Every peer of the chosen sessions; what is coloured is fair or poor by the limits of the verdicts. Loss, "
            "jitter and round-trip time are those of the peer's worst stream, bit rates the sum of its streams, all "
            "means over the stay. Click a peer to see it alone. Dashes: not measured (100ms: no vendor MOS, browser "
            "or country; watchRTC: no freezes, concealment or poor time)."
        ),
        size=(24, 10),
        empty="No peer of a finished session in this time range",
    )
    loss = "webrtc_peer_packet_loss_ratio"
    verdict = severity("webrtc_peer_verdict", ROOM, STAY)
    delay = _worst("webrtc_peer_round_trip_time_seconds")
    attributes = (*STAY, "role", "connection_type", "browser", "country")
    link = ("Open this peer", board_url(PEER_UID, STAY, IN_ROW))
    parts: list[Part] = [
        Label(title="Peer", label="peer_id", width=150, link=link),
        Measure(title="Verdict", expression=verdict, look=VERDICT, width=90),
        Label(title="Why", label="reason", width=110, look=REASON),
        Measure(title="Poor time", expression=_worst("webrtc_peer_poor_time_ratio"), look=POOR_TIME, width=95),
        Measure(title="MOS", expression=_worst("webrtc_peer_mos"), look=MOS, width=55),
        Measure(title="MOS est.", expression=_worst("webrtc_peer_estimated_mos"), look=MOS, width=75),
        Measure(title="Loss sent", expression=_worst(loss, _SENT), look=PACKET_LOSS, width=80),
        Measure(title="Loss recv.", expression=_worst(loss, _RECEIVED), look=PACKET_LOSS, width=85),
        Measure(title="Jitter", expression=_worst("webrtc_peer_jitter_seconds"), look=JITTER, width=65),
        Measure(title="RTT", expression=delay, look=ROUND_TRIP_TIME, width=65),
        Measure(title="Freezes", expression=_sum("webrtc_peer_freezes"), look=COUNT, width=70),
        Measure(title="Concealed", expression=_worst("webrtc_peer_concealment_ratio"), look=CONCEALMENT, width=85),
        Measure(title="Sent", expression=_bit_rate(_SENT), look=BIT_RATE, width=85),
        Measure(title="Received", expression=_bit_rate(_RECEIVED), look=BIT_RATE, width=85),
        Label(title="Connection", label="connection_type", width=95),
        Label(title="Browser", label="browser", width=80),
        Label(title="Country", label="country", width=100),
        Label(title="Role", label="role", width=85),
        Measure(title="Setup", expression=_worst("webrtc_peer_call_setup_seconds"), look=CALL_SETUP, width=65),
        Label(title="Session", label="session_id", width=190),
        Label(title="Room", label="room_id", width=150),
        Label(title="Source", label="source", width=90),
        Lookup(expression=by(attributes, "max", current("webrtc_peer_info", ROOM, STAY))),
    ]
    return merged_table(frame, parts, worst_first=["Verdict", "Poor time"])


def _of_session(name: str) -> str:
    return by(SESSION, "max", last(name, ROOM))


def _worst(name: str, *matchers: str) -> str:
    return by(STAY, "max", last(name, ROOM, *matchers))


def _sum(name: str, *matchers: str) -> str:
    return by(STAY, "sum", last(name, ROOM, *matchers))


def _bit_rate(direction: str) -> str:
    return bits(_sum("webrtc_peer_throughput_bytes_per_second", direction))
