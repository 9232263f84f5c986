"""What has been counted, what is in view and what is still waited for: one SQLite file, one transaction a delivery."""

from exporter.ledger.ledger import Ledger, StoredSession
from exporter.ledger.schema import StateError
from exporter.ledger.transaction import Count, SeenPeer, Transaction

__all__ = ["Count", "Ledger", "SeenPeer", "StateError", "StoredSession", "Transaction"]
