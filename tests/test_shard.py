"""Which exporter a session belongs to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.shard import Shard


@pytest.mark.parametrize(("session_id", "index"), [("s1", 1), ("s2", 0), ("abc", 0), ("größe", 1)])
def test_the_documented_algorithm(session_id: str, index: int) -> None:
    """As sha256sum and the shell compute it: `$((0x$(printf %s ID | sha256sum | cut -c1-8) % 3))`."""
    assert [Shard(each, 3).has_session(session_id) for each in range(3)] == [each == index for each in range(3)]


@given(st.text(), st.binary(max_size=40), st.integers(min_value=1, max_value=50))
def test_exactly_one_has_it(session_id: str, digest: bytes, count: int) -> None:
    """Each session and each document belongs to one of them, whatever it is called."""
    shards = [Shard(index, count) for index in range(count)]
    assert sum(shard.has_session(session_id) for shard in shards) == 1
    assert sum(shard.has_document(digest) for shard in shards) == 1


@pytest.mark.parametrize("count", [2, 3, 7, 10])
def test_the_parts_are_alike(count: int) -> None:
    """Of 20 000 sessions whose ids count up, as times do, each gets its share within a tenth."""
    shards = [Shard(index, count) for index in range(count)]
    owners = Counter(
        next(shard.index for shard in shards if shard.has_session(f"2026-03-01T10:{number:07d}"))
        for number in range(20_000)
    )
    assert len(owners) == count
    assert all(abs(owned - 20_000 / count) < 2_000 / count for owned in owners.values())


def test_a_single_exporter_has_everything() -> None:
    """As it is without a configuration."""
    assert Shard().has_session("anything")
    assert Shard().has_document(b"")
