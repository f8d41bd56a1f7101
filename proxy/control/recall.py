"""What is remembered of a service, for whoever asks: its decisions, and why a rollout went as it did. Reads; decides nothing."""

from __future__ import annotations

from typing import Any

from proxy import limits
from proxy.analysis.exposure import Exposure
from proxy.control.decisions import Decisions
from proxy.control.events import UnknownName
from proxy.control.explanation import explain, rollout_of
from proxy.control.ledger import Ledger
from proxy.model.position import Revision


class Recall:
    """Over the store and what the loop holds of it."""

    def __init__(self, decisions: Decisions, ledger: Ledger) -> None:
        self._decisions = decisions
        self._ledger = ledger

    async def history(self, service: str, limit: int) -> list[Revision]:
        """The latest ``limit`` entries, newest first. Raises ``UnknownName``."""
        self._known(service)
        return await self._ledger.history(service, limit)

    async def revision(self, service: str, number: int) -> Revision:
        """One entry. Raises ``UnknownName``, which says what there is."""
        self._known(service)
        found = await self._ledger.revision(service, number)
        if found is None:
            newest = await self._ledger.history(service, limits.HISTORY_REVISIONS_KEPT)
            there = f"it has {newest[-1].revision} to {newest[0].revision}" if newest else "its history is empty"
            raise UnknownName(f"no revision {number} of service {service!r}; {there}")
        return found

    async def explanation(self, service: str, number: int) -> dict[str, Any]:
        """Why the rollout of that revision went as it did. Raises ``UnknownName``."""
        asked = await self.revision(service, number)
        history = await self._ledger.history(service, limits.HISTORY_REVISIONS_KEPT)
        rollout = rollout_of(asked)
        standing = self._decisions.standings.get(service)
        if standing is not None and standing.memory.rollout == rollout:  # what is not written yet is known here
            memory = standing.memory
            return explain(asked, history, memory.recording.series, memory.exposure.figures())
        kept = await self._ledger.series(service, rollout)
        if kept is None:
            return explain(asked, history, None, None)
        exposure = Exposure.from_json(kept[1])
        return explain(asked, history, kept[0], exposure.figures() if exposure is not None else None)

    def _known(self, service: str) -> None:
        services = self._decisions.intent.services
        if not any(s.name == service for s in services):
            raise UnknownName(f"no service {service!r}; there is {', '.join(s.name for s in services[:20])}")
