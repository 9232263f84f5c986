"""Pages of `/metrics` as tests look at them time and again: as text, for a parser takes a second for a large one."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.live.process import OPEN_METRICS

if TYPE_CHECKING:
    from tests.live.process import Exporter


def scrape(exporter: Exporter) -> str:
    """A page as Prometheus asks for it, so that what is held at zero shows in the end."""
    return exporter.get("/metrics", accept=OPEN_METRICS, x_prometheus_scrape_timeout_seconds="10").text


def sums(page: str, family: str, label: str = "source") -> Counter[str]:
    """A family's values, added up by one of its labels."""
    found: Counter[str] = Counter()
    for labels, number in re.findall(rf"^{family}\{{(.*)\}} (\S+)$", page, re.MULTILINE):
        named = re.search(rf'(?:^|,){label}="([^"]*)"', labels)
        found[named[1] if named else ""] += float(number)  # type: ignore[assignment]  # counts of seconds are not whole
    return found


def failures(page: str, source: str) -> Counter[str]:
    """How often polls of a source failed, by reason."""
    return _by_reason(page, "webrtc_exporter_source_poll_failures_total", source)


def rejections(page: str, source: str) -> Counter[str]:
    """How many documents of a source were rejected, by reason."""
    return _by_reason(page, "webrtc_exporter_reports_rejected_total", source)


def _by_reason(page: str, family: str, source: str) -> Counter[str]:
    of_source = (line for line in page.splitlines() if line.startswith(family) and f'source="{source}"' in line)
    return +sums("\n".join(of_source), family, "reason")


def about_calls(page: str, source: str = "") -> set[str]:
    """The samples about sessions, rooms and peers, of one source or all: those that no poll changes by itself."""
    about = (
        line for line in page.splitlines() if line.startswith("webrtc_") and not line.startswith("webrtc_exporter_")
    )
    return {line for line in about if f'source="{source}"' in line or not source}
