"""What the command line says to `serve`."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class ServeOptions(Struct, frozen=True, kw_only=True):
    """The flags of serve, spelt as Prometheus exporters spell them (`--web.listen-address` and so on)."""

    config_file: Path
    #: `host:port`, `:port` for every address, `[::1]:port`.
    listen_addresses: tuple[str, ...] = (":10210",)
    telemetry_path: str = "/metrics"
    web_config_file: Path | None = None
    enable_lifecycle: bool = False
    #: Requests that are answered at the same time; those beyond get 503.
    max_requests: int = 40
    #: Whether `process_*` and `python_*` are exposed.
    exporter_metrics: bool = True
    storage_path: Path = Path("data")
