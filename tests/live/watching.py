"""Scrapes all the time, in each format, as Prometheus and as a visitor, and holds counters to never going back."""

from __future__ import annotations

import threading
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx

from tests.live.process import OPEN_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE = 60.0
_PAUSE = 0.15
_SHOWN = 20

#: As who, and how, the page is asked for.
_MANNERS: tuple[Mapping[str, str], ...] = (
    {"Accept": "text/plain", "Accept-Encoding": "gzip", "User-Agent": "Prometheus/2.42.0"},
    {"Accept": OPEN_METRICS, "Accept-Encoding": "identity", "X-Prometheus-Scrape-Timeout-Seconds": "10"},
    {"Accept": OPEN_METRICS, "Accept-Encoding": "gzip", "User-Agent": "a visitor"},
)
#: Counters of the process, which begin anew with it; of the exporter's own only those of the ledger do not.
_OF_PROCESS = ("process_", "python_", "webrtc_exporter_")
_OF_LEDGER = (
    "webrtc_exporter_reports_ingested",
    "webrtc_exporter_reports_duplicate",
    "webrtc_exporter_reports_rejected",
    "webrtc_exporter_samples_rejected",
    "webrtc_exporter_series_evicted",
)


def cumulative(page: str) -> dict[str, float]:
    """The samples of all counters and histograms that outlive the process, by series as it is written."""
    found: dict[str, float] = {}
    counts = False
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            lives_on = not name.startswith(_OF_PROCESS) or name.startswith(_OF_LEDGER)
            counts = lives_on and kind in {"counter", "histogram"}
        elif counts and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            found[series] = float(value)
    return found


class Watchers:
    """Scrapes until it is ended; what does not run is asked again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._ended = threading.Event()
        #: The highest value of each series on any page that was read to its end; replaced as a whole.
        self._floor: Mapping[str, float] = MappingProxyType({})
        #: What was wrong, the first few of it.
        self.findings: list[str] = []
        #: How often each status came, and `lost` for connections that broke.
        self.answers: Counter[int | str] = Counter()
        #: Scrapes that were begun.
        self.begun = 0
        self._threads = [threading.Thread(target=self._watch, args=[manner], daemon=True) for manner in _MANNERS]

    def start(self) -> None:
        """Begins."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ends it."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def pages(self) -> int:
        """Pages that were read to their end."""
        return self.answers[httpx.codes.OK]

    @property
    def series(self) -> int:
        """Series that were seen."""
        return len(self._floor)

    def _watch(self, manner: Mapping[str, str]) -> None:
        with httpx.Client(
            base_url=f"http://{self._address}", timeout=_PATIENCE, trust_env=False, headers=dict(manner)
        ) as client:
            while not self._ended.wait(_PAUSE):
                self._scrape(client)

    def _scrape(self, client: httpx.Client) -> None:
        # What any page showed before this one was asked for, this one must not fall behind.
        floor = self._floor
        self.begun += 1
        try:
            answer = client.get("/metrics")
        except httpx.TransportError:
            self.answers["lost"] += 1
            return
        self.answers[answer.status_code] += 1
        if answer.status_code == httpx.codes.OK:
            self._compare(floor, cumulative(answer.text))

    def _compare(self, floor: Mapping[str, float], page: dict[str, float]) -> None:
        wrong = [
            f"{series} was {before} and is {page.get(series, 'gone')}"
            for series, before in floor.items()
            if page.get(series, -1.0) < before
        ]
        with self._lock:
            self.findings += wrong[: _SHOWN - len(self.findings)]
            known = self._floor
            self._floor = {
                series: max(page.get(series, 0.0), known.get(series, 0.0)) for series in known.keys() | page.keys()
            }
