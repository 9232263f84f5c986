"""The values of the application's own keys are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exporter.ledger import Ledger
from exporter.metrics.catalogue import catalogue
from exporter.metrics.key_values import KeyValues
from exporter.model import Attributes
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.publisher import Publisher
from exporter.quality import Thresholds
from exporter.settings import MetricsSettings
from exporter.sources.base import Delivery
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_values_are_kept() -> None:
    """Each key of each source has its own; what was kept once stays, what was not never is."""
    values = KeyValues({"watch": 2, "none": 0})
    assert [values.shown("watch", "tenant", value) for value in "abcbac"] == ["a", "b", "other", "b", "a", "other"]
    assert values.shown("watch", "plan", "c") == "c"
    assert values.shown("none", "tenant", "a") == "other"


def test_a_source_without_a_limit() -> None:
    """A vendor whose peers have no keys needs none."""
    values = KeyValues({})
    assert [values.shown("meetings", "tenant", str(number)) for number in range(300)] == [*map(str, range(300))]


def test_no_value_is_no_value() -> None:
    """A peer without the key must not take the place of one that has it, nor become another."""
    values = KeyValues({"watch": 1})
    assert [values.shown("watch", "tenant", value) for value in ("", "a", "", "b")] == ["", "a", "", "other"]


def tenants(publisher: Publisher) -> list[str]:
    """The label of each peer on the page, in the order of peers."""
    publisher.publish(START + 601, Audience())
    body = publisher.generation.body(b"", open_metrics=False, gzip=False)
    lines = b"".join(body.chunks).decode().splitlines()
    return [line.split('key_tenant="')[1].split('"')[0] for line in lines if line.startswith("webrtc_peer_info{")]


def test_a_restart_keeps_what_is_in_view(tmp_path: Path) -> None:
    """The page shows the same values after it as before, though the process begins anew."""
    families = catalogue(key_labels=["key_tenant"])
    shown = []
    for run in range(2):
        ledger = Ledger.open(tmp_path)
        publisher = Publisher(ledger, families, MetricsSettings(), Thresholds(), ZeroHold(), key_limits={"prod": 2})
        publisher.load()
        ingest = Ingest(ledger, families, Thresholds(), Border())
        for number, name in enumerate("zyxw" if run == 0 else ""):
            attributes = Attributes(keys=(("tenant", name),))
            someone = msgspec.structs.replace(peer(f"p{number}", audio([0.0])), attributes=attributes)
            now = START + 600 + number / 10
            committed = ingest.commit("prod", Delivery(reports=(report(someone, of=key(f"s{number}")),)), now)
            publisher.take(committed, now)
        shown.append(tenants(publisher))
        ledger.close()
    assert shown == [["z", "y", "other", "other"]] * 2
