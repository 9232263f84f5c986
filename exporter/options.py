"""What the command line asks for: one of the commands, with its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

#: How a command writes what it found.
Form: TypeAlias = Literal["text", "json"]


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


class Serve(Struct, frozen=True, kw_only=True):
    """Poll the sources, keep the state, answer scrapes."""

    options: ServeOptions


class CheckConfiguration(Struct, frozen=True, kw_only=True):
    """Say what is wrong with the configuration."""

    config_file: Path
    web_config_file: Path | None = None


class Demo(Struct, frozen=True, kw_only=True):
    """Serve simulated vendors."""

    #: Without a meaning where they name the configuration file and the storage: it brings its own.
    options: ServeOptions
    #: How many times as fast as the real time it runs until it has caught up.
    speed: float = 60.0
    #: Another seed, other meetings.
    seed: int = 1


class Ingest(Struct, frozen=True, kw_only=True):
    """Feed files into the state, once."""

    config_file: Path
    #: Files, and folders with files at any depth.
    paths: tuple[Path, ...]
    storage_path: Path = Path("data")
    #: The source that the files count for; None: the one that can read them.
    source: str | None = None


class Backfill(Struct, frozen=True, kw_only=True):
    """Write the timeline of a span of time into a file."""

    config_file: Path
    #: Unix seconds: from the first on, before the second.
    begin: float
    end: float
    output: Path
    #: Documents of the vendors: files, and folders with files at any depth; none: what the state holds.
    paths: tuple[Path, ...] = ()
    storage_path: Path = Path("data")
    #: The source that the documents are of; None: the one that can read them.
    source: str | None = None


class ShowState(Struct, frozen=True, kw_only=True):
    """Say what is in the state."""

    storage_path: Path = Path("data")
    form: Form = "text"
    #: Whether to list the sessions in view.
    sessions: bool = False


class CheckState(Struct, frozen=True, kw_only=True):
    """Verify the state."""

    storage_path: Path = Path("data")


class ResetBuckets(Struct, frozen=True, kw_only=True):
    """Start the histograms afresh whose configured buckets are not those of the state."""

    config_file: Path
    storage_path: Path = Path("data")


Command: TypeAlias = Serve | CheckConfiguration | Demo | Ingest | Backfill | ShowState | CheckState | ResetBuckets
