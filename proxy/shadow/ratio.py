"""How the copy's latency stands to the original's, from pairs: the median of the ratios and an interval for it.

Facts
-----
- Two answers to the same request share what makes requests differ, so a ratio by pair needs far fewer requests than two distributions.
- The interval of a median by order statistics needs no assumption about the distribution: with n ratios sorted, the ranks
  n/2 -/+ z sqrt(n)/2 hold the true median with the normal quantile z's confidence (Conover, Practical Nonparametric Statistics, 3.2).
- It is for one look. Who looks all the time will see it wrong more often than it says, so nothing acts on it.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

_STEP: Final = math.log(1.02)
"""Ratios are counted in steps of 2 %, which is as exact as anybody's latency."""

_FAR: Final = 350  # steps: a ratio of 1,000 and its inverse; what is beyond is counted there
_Z: Final = 1.96  # 95 % both ways
PAIRS_MIN: Final = 20  # below it the ranks of the interval are at its ends, and it says nothing


class Interval(msgspec.Struct, frozen=True):
    """The median ratio (copy / original), and where the true one is with 95 % confidence."""

    median: float
    low: float
    high: float
    pairs: int


class Ratios(msgspec.Struct):
    """Counts of ratios by step; mergeable by addition, bounded by ``2 * _FAR + 1`` entries."""

    counts: dict[int, int] = {}

    def add(self, original_s: float, copy_s: float) -> None:
        """Count a pair; without two times above zero there is no ratio."""
        if original_s > 0 and copy_s > 0:
            step = max(-_FAR, min(_FAR, round(math.log(copy_s / original_s) / _STEP)))
            self.counts[step] = self.counts.get(step, 0) + 1

    def interval(self) -> Interval | None:
        """None while there are fewer than ``PAIRS_MIN`` pairs."""
        pairs = sum(self.counts.values())
        if pairs < PAIRS_MIN:
            return None
        half = _Z * math.sqrt(pairs) / 2
        low, median, high = (self._at(rank) for rank in (pairs / 2 - half, pairs / 2, pairs / 2 + half))
        return Interval(median, low, high, pairs)

    def _at(self, rank: float) -> float:
        """The ratio with that rank, counted from 0."""
        seen = 0
        for step in sorted(self.counts):
            seen += self.counts[step]
            if seen > rank:
                return math.exp(step * _STEP)
        return math.exp(max(self.counts) * _STEP)
