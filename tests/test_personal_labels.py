"""Who a peer was: labels of `webrtc_peer_info` where the configuration asks for them, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from exporter.ledger import Ledger
from exporter.metrics.catalogue import catalogue
from exporter.model import Attributes
from exporter.pipeline.border import Border
from exporter.pipeline.exposure import Audience, ZeroHold
from exporter.pipeline.ingest import Ingest
from exporter.pipeline.publisher import Publisher
from exporter.quality import Thresholds
from exporter.settings import MetricsSettings
from exporter.sources.base import Delivery
from tests.reports import START, audio, peer, report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.model import PersonalLabel

PEER = replace(
    peer("p1", audio([0.0])),
    attributes=Attributes(role="guest", user_id="crm-991", user_name='Asha "A"', keys=(("tenant", "t"),)),
)


@pytest.mark.parametrize(
    ("personal", "end"),
    [
        ([], 'role="guest",key_tenant="t"} 1.0'),
        (["user_name"], 'role="guest",user_name="Asha \\"A\\"",key_tenant="t"} 1.0'),
        (["user_name", "user_id", "user_id"], 'user_id="crm-991",user_name="Asha \\"A\\"",key_tenant="t"} 1.0'),
    ],
)
def test_labels(tmp_path: Path, personal: Sequence[PersonalLabel], end: str) -> None:
    """Between the other attributes and the application's keys, in one order whoever asks for them."""
    families = catalogue(key_labels=["key_tenant"], personal_labels=personal)
    ledger = Ledger.open(tmp_path)
    publisher = Publisher(ledger, families, MetricsSettings(), Thresholds(), ZeroHold())
    committed = Ingest(ledger, families, Thresholds(), Border()).commit(
        "prod", Delivery(reports=(report(PEER),)), START
    )
    publisher.take(committed, START)
    publisher.publish(START, Audience())
    page = b"".join(publisher.generation.body(b"", open_metrics=False, gzip=False).chunks).decode()
    (line,) = (line for line in page.splitlines() if line.startswith("webrtc_peer_info{"))
    assert line.endswith(end)
    assert ("Asha" in page) == ("user_name" in personal)
    ledger.close()


def test_without_configuration_there_are_no_such_labels() -> None:
    """Not even empty ones."""
    (info,) = (family for family in catalogue() if family.name == "webrtc_peer_info")
    assert not {"user_id", "user_name"} & set(info.labels)
