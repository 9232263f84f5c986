"""The tables of the Overview board that lead to single calls and peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.links import ENDED, IN_ROW, OWN_TIME, PEER_UID, ROOM_UID, STARTED, board_url
from dashboards.looks import COUNT, MOMENT, MOS, PACKET_LOSS, POOR_PEERS, REASON, ROUND_TRIP_TIME
from dashboards.overview_figures import CLASSIFIED, POOR
from dashboards.panels import Frame
from dashboards.queries import ROOM, SESSION, STAY, by, milliseconds, seen, share
from dashboards.tables import Label, Lookup, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import table

_MOST: Final = 10
_VERDICT: Final = "webrtc_peer_verdict"
#: A label that the queries make.
_CALLED: Final = "called"
#: Below it the MOS is poor: where a peer without a MOS stands among the others.
_POOR_MOS: Final = MOS.steps[1][0]


def worst_rooms() -> table.Panel:
    """The calls with the most poor peers."""
    frame = Frame(
        id=201,
        title="Worst calls",
        description=(
            "The ten finished calls with the largest share of poor peers that were in view within the time range; of "
            "equals, those with more of them. Made by the exporter from both sources. Click a call: its board opens in "
            "the call's own time."
        ),
        size=(12, 10),
        empty="No call with a poor peer was in view in this time range",
    )
    link = ("Open this call, in its own time", board_url(ROOM_UID, SESSION, IN_ROW, time=OWN_TIME))
    poor = _count(POOR)
    # The count breaks ties, far below any difference of shares.
    worst = f"topk({_MOST}, {_poor_share()} + {poor} / 1e9)"

    def of_these(expression: str) -> str:
        return f"{expression} and on ({', '.join(SESSION)}) {worst}"

    parts: list[Part] = [
        Label(title="Call", label="session_id", width=110, link=link),
        Label(title="Room", label=_CALLED, width=120),
        Lookup(expression=of_these(_named_rooms())),
        Measure(title="Poor peers", expression=of_these(_poor_share()), look=POOR_PEERS, width=105),
        Measure(title="Poor", expression=of_these(poor), look=COUNT, width=65),
        Measure(title="Peers", expression=of_these(_of_call("webrtc_room_peers")), look=COUNT, width=60),
        Measure(title="MOS est.", expression=of_these(_of_call("webrtc_room_estimated_mos")), look=MOS, width=80),
        Measure(title=STARTED, expression=of_these(_moment("room", "start", SESSION)), look=MOMENT, width=150),
        Label(title="Source", label="source", width=80),
        Label(title="Room id", label="room_id", width=120),
        Measure(title=ENDED, expression=of_these(_moment("room", "end", SESSION)), look=MOMENT, width=150),
    ]
    return merged_table(frame, parts, worst_first=["Poor peers", "Poor"])


def worst_peers() -> table.Panel:
    """The peers who had it worst."""
    frame = Frame(
        id=202,
        title="Worst peers",
        description=(
            "The ten poor peers with the lowest estimated MOS that were in view within the time range; a peer without "
            "one stands at the limit of poor. Loss and round-trip time are those of the worst stream. Both sources. "
            "Click a peer: its board opens in the time of its stay."
        ),
        size=(12, 10),
        empty="No poor peer was in view in this time range",
    )
    link = ("Open this peer, in the time of its stay", board_url(PEER_UID, STAY, IN_ROW, time=OWN_TIME))
    on = f"on ({', '.join(STAY)})"
    poor = by(STAY, "max", seen(_VERDICT, ROOM, POOR))
    mos = _of_peer("webrtc_peer_estimated_mos")
    worst = f"bottomk({_MOST}, ({mos} and {on} {poor}) or {on} {_POOR_MOS} * {poor})"
    reason = f"max by ({', '.join(STAY)}, reason) ({seen(_VERDICT, ROOM, POOR)}) and {on} {worst}"

    called = f"{poor} * on ({', '.join(SESSION)}) group_left ({_CALLED}) {_named_rooms()}"

    def of_these(expression: str) -> str:
        return f"{expression} and {on} {worst}"

    parts: list[Part] = [
        Label(title="Peer", label="peer_id", width=110, link=link),
        Label(title="Room", label=_CALLED, width=110),
        Label(title="Why", label="reason", width=105, look=REASON),
        Lookup(expression=reason),
        # With the peer's own labels, or its row would not be found.
        Lookup(expression=of_these(by((*STAY, _CALLED), "max", called))),
        Measure(title="MOS est.", expression=of_these(mos), look=MOS, width=90),
        Measure(
            title="Loss", expression=of_these(_of_peer("webrtc_peer_packet_loss_ratio")), look=PACKET_LOSS, width=65
        ),
        Measure(
            title="RTT",
            expression=of_these(_of_peer("webrtc_peer_round_trip_time_seconds")),
            look=ROUND_TRIP_TIME,
            width=65,
        ),
        Measure(title=STARTED, expression=of_these(_moment("peer", "start", STAY)), look=MOMENT, width=150),
        Label(title="Call", label="session_id", width=120),
        Label(title="Source", label="source", width=80),
        Label(title="Room id", label="room_id", width=120),
        Measure(title=ENDED, expression=of_these(_moment("peer", "end", STAY)), look=MOMENT, width=150),
    ]
    return merged_table(frame, parts, lowest_first="MOS est.")


def _named_rooms() -> str:
    """What the room of each call is called: by its name where there is one, else by its id."""
    with_name, without = (seen("webrtc_room_info", ROOM, f'room_name{is_not}""') for is_not in ("!=", "="))
    by_name = f'label_replace({with_name}, "{_CALLED}", "$1", "room_name", "(.+)")'
    by_id = f'label_replace({without}, "{_CALLED}", "$1", "room_id", "(.+)")'
    # A name that came later than the call is worth more than none: the one series of each call is that.
    best = f"topk by ({', '.join(SESSION)}) (1, 1 + {by_name} or {by_id})"
    return by((*SESSION, _CALLED), "max", best)


def _poor_share() -> str:
    return share(_count(POOR), _count(CLASSIFIED))


def _count(matcher: str) -> str:
    # A stay whose verdict changed while its report grew is one stay.
    return by(SESSION, "count", by(STAY, "max", seen(_VERDICT, ROOM, matcher)))


def _of_call(name: str) -> str:
    return by(SESSION, "max", seen(name, ROOM))


def _of_peer(name: str) -> str:
    return by(STAY, "min" if name.endswith("mos") else "max", seen(name, ROOM))


def _moment(of: str, which: str, identity: tuple[str, ...]) -> str:
    return milliseconds(by(identity, "max", seen(f"webrtc_{of}_{which}_timestamp_seconds", ROOM)))
