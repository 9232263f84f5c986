"""The families about the exporter itself, kept by prometheus-client; those that the ledger keeps are not here."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

import exporter
from exporter.metrics.exporter_families import EXPORTER_FAMILIES

if TYPE_CHECKING:
    from exporter.metrics.family import Family

_END = b"# EOF\n"


class Instruments:
    """Gauges, counters and histograms by name; each call is thread-safe."""

    def __init__(self, *, with_process: bool = True) -> None:
        # As series of their own they would double every counter in the text format.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for family in EXPORTER_FAMILIES:
            if family.scope == "exporter":
                self._add(family)
        if with_process:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)
        self.gauge("build_info", version=exporter.__version__, pythonversion=platform.python_version()).set(1)

    def gauge(self, name: str, **labels: str) -> Gauge:
        """The gauge `webrtc_exporter_NAME` with these labels."""
        family = self._gauges[name]
        return family.labels(**labels) if labels else family

    def counter(self, name: str, **labels: str) -> Counter:
        """The counter `webrtc_exporter_NAME_total` with these labels."""
        family = self._counters[name]
        return family.labels(**labels) if labels else family

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The histogram `webrtc_exporter_NAME` with these labels."""
        family = self._histograms[name]
        return family.labels(**labels) if labels else family

    def forget(self, label: str, value: str) -> None:
        """Takes out every series with a value of a label, as what it is about is configured no more."""
        for family in (*self._gauges.values(), *self._counters.values(), *self._histograms.values()):
            if label in family._labelnames:  # noqa: SLF001 - prometheus-client has no public way to ask
                family.remove_by_labels({label: value})

    def render(self, *, open_metrics: bool) -> bytes:
        """The families in one of the formats, without `# EOF`."""
        if open_metrics:
            page: bytes = generate_open_metrics(self._registry)  # type: ignore[no-untyped-call]
            return page.removesuffix(_END)
        return generate_latest(self._registry)

    def _add(self, family: Family) -> None:
        name = family.open_metrics_name.removeprefix("webrtc_exporter_")
        if family.type == "gauge":
            self._gauges[name] = Gauge(
                family.name, family.help, family.labels, unit=family.unit, registry=self._registry
            )
        elif family.type == "counter":
            self._counters[name] = Counter(
                family.name, family.help, family.labels, unit=family.unit, registry=self._registry
            )
        else:
            self._histograms[name] = Histogram(
                family.name,
                family.help,
                family.labels,
                unit=family.unit,
                registry=self._registry,
                buckets=family.bounds,
            )
