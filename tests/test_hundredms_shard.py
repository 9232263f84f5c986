"""100ms with several exporters: each asks only for sessions of its own."""

from __future__ import annotations

import json

import pytest

from exporter.sources.hundredms.webhook import read_event
from tests.hundredms_support import Bench, FakeVendor, listed

pytestmark = pytest.mark.anyio

FIXED = [{"session_id": "mine-fixed", "peer_ids": ["c"]}, {"session_id": "other-fixed", "peer_ids": ["d"]}]


async def test_sessions_of_others_are_listed_and_not_asked_for() -> None:
    """Neither their peers nor, when a webhook announces them, they themselves; they are no backlog either."""
    vendor = FakeVendor(listed("mine", "a"), listed("other", "b", "b2", ended="2026-03-01T11:59:00Z"))
    vendor.single = {name: json.dumps(listed(name, "x")).encode() for name in ("mine-hooked", "other-hooked")}
    bench = Bench(vendor, {"discovery": {"sessions": FIXED}, "webhook": {"secret": "s"}})
    bench.intake.foreign = {"other", "other-fixed", "other-hooked"}
    for name in ("mine-hooked", "other-hooked"):
        event = json.dumps({"type": "session.close.success", "data": {"session_id": name}}).encode()
        await bench.intake.deliver(read_event(event, bench.settings, bench.intake.now()))
    for _ in range(3):
        await bench.poll(later=600.0)
    assert set(vendor.asked) == {"a", "c", "x"}
    assert vendor.sessions_asked == ["mine-hooked"]
    assert {report.session.key.session_id for report in bench.intake.reports} == {"mine", "mine-fixed", "mine-hooked"}
    assert "closed:other-hooked" in bench.intake.finished
    assert bench.events.backlogs[-1] == 0
    assert not [key for key in bench.intake.tasks if key.startswith("other")]


async def test_a_rejected_answer_is_counted_by_whoever_asked() -> None:
    """Nobody else sees it; a row of the listing, which all of them see, tells of no session."""
    vendor = FakeVendor(listed("mine", "a", "huge"), {"id": 5})
    vendor.stats = {"a": b"[", "huge": b"x" * 5000}
    bench = Bench(vendor)
    bench.limits = type(bench.limits)(attempts=1, body_bytes=2000)
    bench.restart()
    await bench.poll()
    rejected = [document for delivery in bench.intake.deliveries for document in delivery.rejected]
    assert sorted((each.reason, each.session_id) for each in rejected) == [
        ("malformed", "mine"),
        ("missing_identity", ""),
        ("too_large", "mine"),
    ]
