"""Positions and history in SQLite, and what is left of them when the file is damaged. The only SQL; knows no rollout rules."""

from proxy.store.store import Store, StoreUnavailable

__all__ = ["Store", "StoreUnavailable"]
