"""A family of metrics as data."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

#: Who makes the samples of a family, and with them its life cycle.
Scope: TypeAlias = Literal[
    "room",  # one sample a session in view
    "room_stream",  # one sample a session in view and media label set
    "peer",  # one sample a peer of a session in view
    "peer_stream",  # one sample a stream of a peer of a session in view
    "room_count",  # cumulative, by source and room; in the ledger
    "source_count",  # cumulative, by source; in the ledger
    "exporter_count",  # cumulative, one series; in the ledger
    "exporter",  # about this process; lives and dies with it
    "timeline",  # one sample a window, at the window's own time; never on the page
]


class Family(Struct, frozen=True, kw_only=True):
    """One family: everything that the exposition, the README, the dashboards' checks and the tests say of it."""

    #: As in the text format: a counter ends in `_total`.
    name: str
    type: Literal["gauge", "counter", "histogram"]
    scope: Scope
    #: What it says and which field of which vendor it comes from.
    help: str
    #: All label names in the order of the exposition, `le` left out.
    labels: tuple[str, ...]
    #: The OpenMetrics unit, which the name ends with; empty where there is none.
    unit: str = ""
    #: Upper bounds of a histogram's buckets, ascending, `+Inf` left out.
    bounds: tuple[float, ...] = ()
    #: The attribute of the assessment, in the timeline of the window, that is the value of a gauge; empty where the
    #: value is 1 or made elsewhere.
    field: str = ""

    @property
    def open_metrics_name(self) -> str:
        """The name in OpenMetrics' HELP and TYPE, where a counter has no suffix."""
        return self.name.removesuffix("_total") if self.type == "counter" else self.name
