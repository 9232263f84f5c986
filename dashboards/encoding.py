"""A built dashboard as the bytes that are shipped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from grafana_foundation_sdk.cog.encoder import JSONEncoder

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard


def encode(dashboard: Dashboard) -> bytes:
    """The dashboard as JSON: the same bytes for the same dashboard, one key a line so that a change reads well."""
    text = json.dumps(dashboard, cls=JSONEncoder, sort_keys=True, indent=2, ensure_ascii=False)
    return f"{text}\n".encode()
