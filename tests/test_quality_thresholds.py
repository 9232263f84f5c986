"""The `quality` part of the configuration: defaults, overrides, contradictions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exporter.quality import Limit, Thresholds, problems


def read(quality: dict[str, Any]) -> Thresholds:
    """The thresholds as the configuration reads them."""
    return msgspec.convert(quality, Thresholds)


def test_defaults() -> None:
    """Nothing configured is what the metric contract says."""
    assert msgspec.to_builtins(read({})) == {
        "packet_loss_ratio": {"fair": 0.01, "poor": 0.05},
        "jitter_seconds": {"fair": 0.02, "poor": 0.03},
        "round_trip_time_seconds": {"fair": 0.25, "poor": 0.4},
        "mos": {"fair": 3.6, "poor": 3.1},
        "frames_per_second": {"fair": 15.0, "poor": 7.0},
        "screen_frames_per_second": {"fair": 5.0, "poor": 2.0},
        "concealment_ratio": {"fair": 0.03, "poor": 0.07},
        "freezes_per_window": {"fair": 1.0, "poor": 2.0},
        "freezes_per_minute": 1.0,
        "call_setup_seconds": {"fair": 1.5, "poor": 5.0},
        "poor_time_share": 0.2,
        "poor_peer_share": 0.2,
        "minimum_seconds": 10.0,
        "mos_loss_impairment_per_percent": 2.5,
    }
    assert problems(Thresholds()) == []


def test_override_of_one_side() -> None:
    """One side of a limit can be set alone; the other keeps its default."""
    thresholds = read({"jitter_seconds": {"poor": 0.1}, "minimum_seconds": 30})
    assert (thresholds.jitter_seconds.fair, thresholds.jitter_seconds.poor) == (0.02, 0.1)
    assert thresholds.minimum_seconds == 30
    assert isinstance(thresholds.jitter_seconds, Limit)


@pytest.mark.parametrize("quality", [{"jiter_seconds": {}}, {"mos": {"bad": 1}}, {"mos": 3}, {"mos": {"fair": "3"}}])
def test_unknown_keys_and_wrong_types(quality: dict[str, Any]) -> None:
    """A misspelt key or a wrong type is an error, not a silent default."""
    with pytest.raises(msgspec.ValidationError):
        read(quality)


@pytest.mark.parametrize(
    ("quality", "found"),
    [
        (
            {"jitter_seconds": {"fair": 0.2}},
            [("jitter_seconds.fair", "0.2 is more than `poor`; expected at most 0.03")],
        ),
        ({"mos": {"fair": 3.0}}, [("mos.fair", "3.0 is less than `poor`; expected at least 3.1")]),
        (
            {"screen_frames_per_second": {"poor": 6}},
            [("screen_frames_per_second.fair", "5.0 is less than `poor`; expected at least 6.0")],
        ),
        (
            {"packet_loss_ratio": {"fair": 1, "poor": 5}},
            [("packet_loss_ratio.poor", "5.0 is out of range; expected more than 0, at most 1")],
        ),
        (
            {"packet_loss_ratio": {"fair": 0}},
            [("packet_loss_ratio.fair", "0.0 is out of range; expected more than 0, at most 1")],
        ),
        (
            {"frames_per_second": {"fair": 0, "poor": -1}},
            [("frames_per_second.poor", "-1.0 is out of range; expected 0 or more")],
        ),
        (
            {"mos": {"fair": 70, "poor": 60}},
            [
                ("mos.fair", "70.0 is out of range; expected 0 or more, at most 5"),
                ("mos.poor", "60.0 is out of range; expected 0 or more, at most 5"),
            ],
        ),
        ({"poor_time_share": 20}, [("poor_time_share", "20.0 is out of range; expected more than 0, at most 1")]),
        ({"poor_peer_share": 0}, [("poor_peer_share", "0.0 is out of range; expected more than 0, at most 1")]),
        ({"freezes_per_minute": 0}, [("freezes_per_minute", "0.0 is out of range; expected more than 0")]),
        (
            {"minimum_seconds": float("nan"), "mos_loss_impairment_per_percent": float("inf")},
            [
                ("minimum_seconds", "nan is out of range; expected 0 or more"),
                ("mos_loss_impairment_per_percent", "inf is out of range; expected 0 or more"),
            ],
        ),
    ],
)
def test_contradictions(quality: dict[str, Any], found: list[tuple[str, str]]) -> None:
    """Each limit that nothing can meet or that contradicts another is named with its place and what was expected."""
    assert problems(read(quality)) == found


@pytest.mark.parametrize(
    "quality",
    [
        {"mos": {"fair": 3.1}},
        {"frames_per_second": {"fair": 0, "poor": 0}},
        {"poor_time_share": 1, "minimum_seconds": 0, "mos_loss_impairment_per_percent": 0},
        {"call_setup_seconds": {"fair": 5}},
    ],
)
def test_edges(quality: dict[str, Any]) -> None:
    """Equal limits, limits of nothing and whole shares are nobody's mistake."""
    assert problems(read(quality)) == []
