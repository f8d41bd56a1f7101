"""How long each version's answers took in the last five minutes: what a candidate's are measured by, fixed before its step begins.

A ring of slots for every version, so that whichever is stable when a rollout begins is known. Requests that the split did not draw, or
that failed, are not among them. Too few answers have no p99 that could be relied on: then there is none. A p99 below
``limits.BASELINE_SLOW_S_MIN`` is raised to it. Begins anew with the process. Knows no rollout and no judge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf

from proxy import limits
from proxy.analysis.stretches import drawn_latency
from proxy.control.totals import Key
from proxy.telemetry.histogram import merge, quantile
from proxy.telemetry.snapshot import CellDelta

_SLOT_S = limits.BASELINE_S / limits.BASELINE_SLOTS


class _Slot:
    __slots__ = ("latency", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.latency: dict[int, int] = {}


class Baseline:
    """Latency by version. ``now`` is Unix time throughout. What was asked stands for a second: it is asked ten times in one."""

    def __init__(self) -> None:
        self._slots: dict[Key, deque[_Slot]] = {}
        self._known: dict[Key, tuple[float, float]] = {}

    def keep(self, versions: Iterable[Key]) -> None:
        """The versions there are from now on."""
        self._slots = {key: self._slots.get(key) or deque(maxlen=limits.BASELINE_SLOTS) for key in versions}
        self._known.clear()

    def add(self, cell: CellDelta, now: float) -> None:
        """Count a worker's difference as of now."""
        slots = self._slots.get((cell.service, cell.version))
        if slots is None or not (latency := drawn_latency(cell)):
            return
        number = int(now // _SLOT_S)
        if not slots or slots[-1].number != number:
            slots.append(_Slot(number))
        merge(slots[-1].latency, latency)

    def slow_over_s(self, key: Key, now: float) -> float:
        """Above how many seconds an answer is a slow one, going by this version; 0.0 when too little is known of it."""
        asked_at, bound = self._known.get(key, (-inf, 0.0))
        if not 0 <= now - asked_at < 1.0:
            bound = self._p99_s(key, now)
            self._known[key] = now, bound
        return bound

    def _p99_s(self, key: Key, now: float) -> float:
        oldest = int(now // _SLOT_S) - limits.BASELINE_SLOTS
        latency: dict[int, int] = {}
        for slot in self._slots.get(key, ()):
            if slot.number > oldest:
                merge(latency, slot.latency)
        if sum(latency.values()) < limits.BASELINE_ANSWERS_MIN:
            return 0.0
        p99_s = quantile(latency, 0.99)
        assert p99_s is not None, "a thousand answers have a p99"
        return max(p99_s, limits.BASELINE_SLOW_S_MIN)
