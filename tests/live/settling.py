"""Waits until a process has counted all of known work, and compares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.oracle import differences, query_of_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.process import Exporter
    from tests.live.work import Sender
    from tests.oracle import Expected

_SHOWN = 40
_PATIENCE = 120.0
_PAUSE = 0.5


def settled(exporter: Exporter, sender: Sender, expected: Expected) -> list[str]:
    """What differs from what was expected, once it is all there or does not come."""
    peers = sum(value for (family, _), value in expected.counters.items() if family == "webrtc_peer_sessions_total")
    findings = []
    deadline, before = time.monotonic() + _PATIENCE, (-1.0, "")
    while True:
        page = exporter.page()
        progress = sum(_values(page, "webrtc_peer_sessions_total{")), _line(page, "webrtc_exporter_held_series ")
        if sender.is_done and progress[0] >= peers and progress[1].endswith(" 0.0"):
            break
        if progress != before:
            # However slow the machine is: it may take its time as long as it goes on.
            deadline, before = time.monotonic() + _PATIENCE, progress
        if exporter.process.poll() is not None or time.monotonic() > deadline:
            findings.append(f"of {peers} peers and 0 held series it came to {progress}: {exporter.log_end()}")
            break
        time.sleep(_PAUSE)
    if not findings:
        # Whatever would count twice has its chance to.
        polled = polls(exporter)
        exporter.until("polled again", lambda: all(after > polled[of] + 2 for of, after in polls(exporter).items()))
        page = exporter.page(open_metrics=True)
        findings += differences(expected, query_of_page(page))[:_SHOWN]
    return findings


def _values(page: str, start: str) -> Iterator[float]:
    return (float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(start))


def _line(page: str, start: str) -> str:
    return next((line for line in page.splitlines() if line.startswith(start)), "")


def polls(exporter: Exporter) -> dict[str, float]:
    """How many polls of each source have ended."""
    start = "webrtc_exporter_source_polls_total{"
    lines = [line for line in exporter.page().splitlines() if line.startswith(start)]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}
