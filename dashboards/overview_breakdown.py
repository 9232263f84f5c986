"""The tables of the Overview board that break the calls down by what is known about the peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dashboards.looks import COUNT, PACKET_LOSS, POOR_PEERS, ROUND_TRIP_TIME
from dashboards.overview_figures import CLASSIFIED, POOR
from dashboards.panels import Frame
from dashboards.queries import ROOM, STAY, by, seen
from dashboards.tables import Label, Measure, Part, merged_table

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import table

_MOST: Final = 10
_SIZE: Final = (8, 8)

#: Id, title, label, and what to make of it.
_BREAKDOWNS: Final = (
    (401, "By country", "country", "One country apart: its distance to the servers, or its networks."),
    (402, "By network (ISP)", "organization", "One network apart in a country that is fine: that provider."),
    (403, "By connection", "connection_type", "TURN apart: where the TURN servers are and how full."),
    (404, "By browser", "browser", "One browser apart: its version, or how the application uses it."),
    (405, "By operating system", "os", "One system apart: its devices and drivers."),
    (406, "By SDK", "sdk_version", "A new version apart: its release."),
)


def breakdowns() -> list[table.Panel]:
    """One table for each attribute."""
    return [_breakdown(*parts) for parts in _BREAKDOWNS]


def _breakdown(number: int, title: str, label: str, hint: str) -> table.Panel:
    frame = Frame(
        id=number,
        title=title,
        description=(
            "The ten with the most peers in view within the time range: how many, the share of poor ones among the "
            "classified, and of each peer's worst stream the median loss and the 95th percentile of round-trip time. "
            f"watchRTC (100ms does not say). {hint}"
        ),
        size=_SIZE,
        empty="The source does not say (100ms), or no call was in view",
    )
    # One series for each peer and value; of a peer that had two, both count.
    peers = by((*STAY, label), "max", seen("webrtc_peer_info", ROOM, f'{label}!=""'))
    most = f"topk({_MOST}, count by ({label}) ({peers}))"

    def of_these(expression: str) -> str:
        return f"{expression} and on ({label}) {most}"

    def with_label(measures: str) -> str:
        return f"{peers} * on ({', '.join(STAY)}) group_left () {by(STAY, 'max', measures)}"

    # 1 for each that was poor, 0 for the other classified ones: the mean is the share of the poor.
    verdicts = (seen("webrtc_peer_verdict", ROOM, matcher) for matcher in (POOR, CLASSIFIED))
    poor = by((label,), "avg", with_label(" or 0 * ".join(verdicts)))

    def quantile(level: float, name: str) -> str:
        return f"quantile by ({label}) ({level}, {with_label(seen(name, ROOM))})"

    loss = quantile(0.5, "webrtc_peer_packet_loss_ratio")
    delay = quantile(0.95, "webrtc_peer_round_trip_time_seconds")
    parts: list[Part] = [
        Label(title="Value", label=label),
        Measure(title="Peers", expression=most, look=COUNT, width=70),
        Measure(title="Poor", expression=of_these(poor), look=POOR_PEERS, width=65),
        Measure(title="Loss p50", expression=of_these(loss), look=PACKET_LOSS, width=80),
        Measure(title="RTT p95", expression=of_these(delay), look=ROUND_TRIP_TIME, width=80),
    ]
    return merged_table(frame, parts, worst_first=["Poor", "Peers"])
