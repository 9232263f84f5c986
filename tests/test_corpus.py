"""The corpus of malformed documents keeps what it says: its claims hold for Python's own parsers and for the oracle."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections import Counter
from typing import Any

import pytest

from tests.corpus import Case, good_room_ids, hundredms_cases, watchrtc_cases
from tests.oracle.documents import read_peer_stats, read_watchrtc

CASES = (*hundredms_cases(), *watchrtc_cases())
FEWEST = 60


def _reject_literal(literal: str) -> None:
    raise ValueError(literal)


def _loads(raw: bytes, *, strict: bool) -> Any:  # noqa: ANN401 - JSON
    text = raw.decode("utf-8")
    return json.loads(text, parse_constant=_reject_literal) if strict else json.loads(text)


def _unpacked(raw: bytes) -> bytes:
    raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    return raw.removeprefix(codecs.BOM_UTF8)


def _rooms(raw: bytes) -> list[Any]:
    """The rooms of a data stream, in any of its forms."""
    raw = _unpacked(raw)
    try:
        whole = _loads(raw, strict=False)
    except json.JSONDecodeError:
        return [_loads(line, strict=False) for line in raw.split(b"\n") if line.strip()]
    if isinstance(whole, list):
        return whole
    rooms: list[Any] = whole.get("rooms", [whole])
    return rooms


def _ids(cases: list[Case]) -> list[str]:
    return [f"{case.vendor}-{number}" for number, case in enumerate(cases)]


MALFORMED = [case for case in CASES if case.reason == "malformed"]
COUNTED_100MS = [case for case in CASES if case.vendor == "100ms" and case.samples is not None]
COUNTED_WATCHRTC = [case for case in CASES if case.vendor == "watchrtc" and case.samples is not None]


@pytest.mark.parametrize("vendor", ["100ms", "watchrtc"])
def test_there_are_enough_and_names_are_unique(vendor: str) -> None:
    """At least sixty documents that must be refused, for each vendor."""
    names = [case.name for case in CASES if case.vendor == vendor]
    assert len(names) == len(set(names))
    assert sum(case.outcome == "rejected" for case in CASES if case.vendor == vendor) >= FEWEST


@pytest.mark.no_cover
def test_every_run_has_the_same_bytes() -> None:
    """Seeds are fixed: a failure of today can be looked at tomorrow."""
    assert (*hundredms_cases(), *watchrtc_cases()) == CASES


def test_expectations_agree_with_each_other() -> None:
    """Only what is rejected has a reason, only what is accepted has samples."""
    for case in CASES:
        assert case.reason is None or case.outcome == "rejected", case.name
        assert case.samples is None or case.outcome == "accepted", case.name
        assert case.good_neighbours == 0 or case.vendor == "watchrtc", case.name


@pytest.mark.parametrize("case", MALFORMED, ids=_ids(MALFORMED))
def test_malformed_is_malformed(case: Case) -> None:
    """As a whole it is no JSON in UTF-8, and no gzip of such."""
    with pytest.raises((ValueError, EOFError, OSError, zlib.error)):
        _loads(_unpacked(case.raw), strict=True)


@pytest.mark.no_cover
@pytest.mark.parametrize("case", COUNTED_100MS, ids=_ids(COUNTED_100MS))
def test_samples_of_100ms_are_those_of_the_oracle(case: Case) -> None:
    """Two ways to say what is rejected, written apart, say the same."""
    rejections: Counter[str] = Counter()
    assert read_peer_stats(_loads(case.raw, strict=False), rejections) or case.name == "no-data-at-all"
    assert +rejections == case.samples


@pytest.mark.parametrize("case", COUNTED_WATCHRTC, ids=_ids(COUNTED_WATCHRTC))
def test_samples_of_watchrtc_are_those_of_the_oracle(case: Case) -> None:
    """Two ways to say what is rejected, written apart, say the same; the good neighbours are there."""
    sessions = read_watchrtc("w", _rooms(case.raw), ())
    assert +sum((session.rejections for session in sessions), Counter[str]()) == case.samples
    assert {session.room_id for session in sessions} >= good_room_ids(case)


def test_good_neighbours_stand_in_the_file() -> None:
    """A room that is asked for is in the file, whole."""
    for case in CASES:
        raw = gzip.decompress(case.raw) if case.good_neighbours and case.raw.startswith(b"\x1f\x8b") else case.raw
        for room_id in good_room_ids(case):
            assert f'"{room_id}"'.encode() in raw, case.name
