"""Verdicts, thresholds and the estimated MOS: pure functions of the model."""

from __future__ import annotations

from exporter.quality.assessment import (
    MeasuredSeconds,
    PeerAssessment,
    Reason,
    RoomAssessment,
    RoomStream,
    StreamAssessment,
    Verdict,
    VerdictSeconds,
)
from exporter.quality.mos import estimated_mos
from exporter.quality.peers import JudgedPeer, assess_peer, judge_peer
from exporter.quality.rooms import assess_room
from exporter.quality.stays import longest_stays
from exporter.quality.streams import JudgedStream
from exporter.quality.thresholds import Limit, Thresholds, problems
from exporter.quality.verdicts import REASONS, Judgement, judge_window
from exporter.quality.windows import MergedWindow, merge_tracks

__all__ = [
    "REASONS",
    "JudgedPeer",
    "JudgedStream",
    "Judgement",
    "Limit",
    "MeasuredSeconds",
    "MergedWindow",
    "PeerAssessment",
    "Reason",
    "RoomAssessment",
    "RoomStream",
    "StreamAssessment",
    "Thresholds",
    "Verdict",
    "VerdictSeconds",
    "assess_peer",
    "assess_room",
    "estimated_mos",
    "judge_peer",
    "judge_window",
    "longest_stays",
    "merge_tracks",
    "problems",
]
