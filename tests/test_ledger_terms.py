"""A state goes on as it was begun, or says why it cannot and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.ledger import Ledger, StateError, Terms
from exporter.sources.base import ObjectIdentity, Task
from tests.reports import START, key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.ledger import Transaction

OPEN = Terms()
HIDING = Terms(pseudonyms=("peer_id", "room_id"), salt_check="c1")
SHARD = Terms(shard_index=1, shard_count=3)

#: Each leaves something that would be counted again, or that was not to be kept.
TAKEN_IN: dict[str, Callable[[Transaction], object]] = {
    "a session": lambda transaction: transaction.remember_session(key(), START),
    "a rejection": lambda transaction: transaction.is_new_rejection("prod", b"d"),
    "a task": lambda transaction: transaction.add_task("prod", Task(key="k", due=START)),
    "an object": lambda transaction: transaction.read_object("prod", ObjectIdentity("f", "1")),
    "a count": lambda transaction: transaction.add({("webrtc_sessions_total", "prod", "r"): [1.0]}, hold=False),
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new one."""
    opened = Ledger.open(tmp_path)
    yield opened
    opened.close()


def take_in(ledger: Ledger, what: str = "a session") -> None:
    """Puts something in."""
    with ledger.transaction(START) as transaction:
        TAKEN_IN[what](transaction)


@pytest.mark.parametrize("what", TAKEN_IN)
@pytest.mark.parametrize("begun", [OPEN, HIDING, SHARD], ids=["open", "hiding", "shard"])
def test_once_something_was_taken_in_they_are_kept(tmp_path: Path, begun: Terms, what: str) -> None:
    """The same terms are fine at every start, others are refused and change nothing."""
    ledger = Ledger.open(tmp_path)
    ledger.keep_terms(begun, START)
    take_in(ledger, what)
    for _ in range(2):
        ledger.close()
        ledger = Ledger.open(tmp_path)
        ledger.keep_terms(begun, START)
        for other in (OPEN, HIDING, SHARD):
            if other != begun:
                with pytest.raises(StateError, match=r"state\.sqlite: (metrics\.pseudonyms|shard)"):
                    ledger.keep_terms(other, START)
    ledger.close()


def test_a_state_that_took_nothing_in_takes_any(ledger: Ledger) -> None:
    """Series at zero are nothing yet: the configuration may still be made up."""
    with ledger.transaction(START) as transaction:
        transaction.add({("webrtc_exporter_reports_ingested_total", "prod"): [0.0]}, hold=False)
    for terms in (HIDING, SHARD, OPEN, HIDING):
        ledger.keep_terms(terms, START)
    take_in(ledger)
    with pytest.raises(StateError):
        ledger.keep_terms(OPEN, START)


def test_a_state_from_before_there_were_terms(ledger: Ledger) -> None:
    """It holds what the vendors gave, of all sessions."""
    take_in(ledger)
    ledger.keep_terms(OPEN, START)
    with pytest.raises(
        StateError, match=r"the state holds values as the vendors gave them; take metrics\.pseudonyms out"
    ):
        ledger.keep_terms(HIDING, START)


@pytest.mark.parametrize(
    ("begun", "wanted", "said"),
    [
        (
            OPEN,
            HIDING,
            "holds values as the vendors gave them; take metrics.pseudonyms out, or give the new configuration",
        ),
        (HIDING, OPEN, "the state holds pseudonyms; put metrics.pseudonyms back, or give the new configuration"),
        (
            HIDING,
            Terms(pseudonyms=HIDING.pseudonyms, salt_check="c2"),
            "pseudonyms of another salt; put the old salt back",
        ),
        (
            HIDING,
            Terms(pseudonyms=("peer_id",), salt_check="c1"),
            "pseudonyms of other labels (expected peer_id, room_id); put metrics.pseudonyms.labels back",
        ),
        (OPEN, SHARD, "is that of a single exporter, the configuration makes it that of shard 1 of 3"),
        (
            SHARD,
            Terms(shard_index=1, shard_count=4),
            "is that of shard 1 of 3, the configuration makes it that of shard 1 of 4",
        ),
    ],
)
def test_the_error_names_the_way_out(begun: Terms, wanted: Terms, said: str) -> None:
    """Put it back, or begin anew elsewhere."""
    told = begun.broken_by(wanted)
    assert said in told
    assert "a new --storage.path (counts start at zero, what the sources still have is read again)" in told
    assert begun.broken_by(begun) == ""
