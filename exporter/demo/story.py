"""What the demo tells: which rooms are held where, how the exporter is configured for them, what to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.demo.scenarios import SCENARIOS
from exporter.demo.simulation import ROOMS

if TYPE_CHECKING:
    from pathlib import Path

#: How long before now the simulated time starts.
BEHIND_SECONDS: Final = 7200.0
#: Timetables begin so long before that, so that the first meetings of both vendors end right after the start.
LEAD_SECONDS: Final = 1200.0

_HELD_ON_100MS: Final = frozenset({"weekly-standup", "sales-demo", "design-review", "all-hands", "interview"})
#: Rooms that are held on 100ms.
HUNDREDMS_ROOMS: Final = tuple(room for room in ROOMS if room.name in _HELD_ON_100MS)
#: Rooms that watchRTC watches.
WATCHRTC_ROOMS: Final = tuple(room for room in ROOMS if room.name not in _HELD_ON_100MS)


def configuration(base_url: str, token_file: Path, streams: Path) -> dict[str, Any]:
    """The exporter's configuration, as it stands in YAML.

    Args:
        base_url: of the simulated 100ms API.
        token_file: holds the management token that it accepts.
        streams: the folder of watchRTC's data-stream files.
    """
    return {
        "sources": [
            {
                "name": "meetings",
                "type": "100ms",
                "base_url": base_url,
                "auth": {"management_token_file": str(token_file)},
                "discovery": {"poll_interval": "2s"},
                "peer_stats": {
                    "requests_per_second": 50,
                    "settle_delay": "1s",
                    "recheck_after": [],
                    # Meetings are up to two hours old when they are first asked for: they need time for a second try.
                    "give_up_after": "2h3m",
                },
            },
            {
                "name": "watch",
                "type": "watchrtc",
                "url": str(streams),
                "poll_interval": "1s",
                "min_object_age": "1s",
                "keys_as_labels": ["tenant", "plan"],
            },
        ],
        "metrics": {"series_ttl": "3h", "zero_hold": "20s"},
    }


def introduction(url: str, telemetry_path: str, speed: float) -> str:
    """What a person reads first: where to look, and for what.

    Args:
        url: of the exporter, without a slash at its end.
        telemetry_path: where its metrics are.
        speed: how many times as fast as the real time the simulated time runs at first.
    """
    rooms = [(room, "100ms") for room in HUNDREDMS_ROOMS] + [(room, "watchRTC") for room in WATCHRTC_ROOMS]
    return "\n".join(
        [
            "Simulated calls of 100ms and watchRTC; the exporter in front of them is the real one.",
            "",
            f"  overview    {url}/",
            f"  metrics     {url}{telemetry_path}",
            "  Prometheus  prometheus --config.file=deploy/prometheus/prometheus.yml",
            "",
            _pace(speed),
            "Finished calls show after a few seconds; counters and histograms once they have been read as zero (20 s).",
            "What to look for in each room's first meeting:",
            "",
            *(f"  {room.name:<14}  {vendor:<8}  {SCENARIOS[room.scenarios[0]].about}" for room, vendor in rooms),
            "",
            "Ctrl-C ends it and leaves nothing behind.",
        ]
    )


def _pace(speed: float) -> str:
    if speed <= 1:
        return f"The calls of two hours ago are played at {speed:g} times their pace."
    minutes = BEHIND_SECONDS / (speed - 1) / 60
    return f"The calls of the last two hours are played {speed:g} times as fast; in {minutes:.1f} minutes it is now."
