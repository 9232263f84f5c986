"""Malformed documents of both vendors: each must be survived, most must be refused, none may cost a neighbour."""

from __future__ import annotations

from tests.corpus.case import Case, good_room_ids
from tests.corpus.hundredms import hundredms_cases
from tests.corpus.watchrtc import watchrtc_cases

__all__ = ["Case", "good_room_ids", "hundredms_cases", "watchrtc_cases"]
