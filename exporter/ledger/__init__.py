"""What has been counted, what is in view and what is still waited for: one SQLite file, one transaction a delivery."""

from exporter.ledger.errors import StateDamagedError, StateError, StateInUseError, StateUnavailableError
from exporter.ledger.history import HISTORY_SECONDS
from exporter.ledger.ledger import Ledger, StoredSession
from exporter.ledger.terms import Terms
from exporter.ledger.timeline import Bounds, Dropped, Place, TimelineRow, Waiting
from exporter.ledger.transaction import Count, SeenPeer, Transaction

__all__ = [
    "HISTORY_SECONDS",
    "Bounds",
    "Count",
    "Dropped",
    "Ledger",
    "Place",
    "SeenPeer",
    "StateDamagedError",
    "StateError",
    "StateInUseError",
    "StateUnavailableError",
    "StoredSession",
    "Terms",
    "TimelineRow",
    "Transaction",
    "Waiting",
]
