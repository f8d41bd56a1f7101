"""Latency histogram: fixed bounds, fine enough to compare two versions' p99, coarse enough to scrape.

Counting is one bisect and one addition. Merging is addition. The Prometheus buckets are a subset of the bounds, so exposition loses
nothing. A quantile is exact to its bucket (at most 8 % wide between 0.5 ms and 60 s) and interpolated within it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise

EXPOSED_S: tuple[float, ...] = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
    1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds (seconds) of the buckets in ``/metrics``, ``+Inf`` aside."""


def _bounds() -> tuple[float, ...]:
    """Each exposed interval cut geometrically until no piece is wider than 8 %, and 8 pieces below the first."""
    bounds = [EXPOSED_S[0] * i / 8 for i in range(1, 9)]
    for low, high in pairwise(EXPOSED_S):
        pieces = 1
        while (high / low) ** (1 / pieces) > 1.08:
            pieces += 1
        bounds += [low * (high / low) ** (i / pieces) for i in range(1, pieces)]
        bounds.append(high)
    return tuple(bounds)


BOUNDS_S: tuple[float, ...] = _bounds()
"""Inclusive upper bounds (seconds); bucket ``len(BOUNDS_S)`` holds all above."""

BUCKETS: int = len(BOUNDS_S) + 1

_EDGES: tuple[int, ...] = tuple(BOUNDS_S.index(bound) for bound in EXPOSED_S)


def bucket(duration_s: float) -> int:
    """The bucket of a duration, ``0 .. BUCKETS - 1``; bounds are inclusive, as Prometheus's ``le`` is."""
    return bisect_left(BOUNDS_S, duration_s)


def merge(into: dict[int, int], more: Mapping[int, int]) -> None:
    """Add ``more`` to ``into`` in place."""
    for index, count in more.items():
        into[index] = into.get(index, 0) + count


def quantile(counts: Mapping[int, int], q: float) -> float | None:
    """The ``q``-quantile in seconds (0 < q <= 1), or None when nothing was counted. The last bucket answers its lower bound."""
    assert 0 < q <= 1
    total = sum(counts.values())
    if total == 0:
        return None
    rank = q * total
    seen = 0.0
    for index in sorted(counts):
        count = counts[index]
        if count and seen + count >= rank:
            if index >= len(BOUNDS_S):
                return BOUNDS_S[-1]
            low = BOUNDS_S[index - 1] if index else 0.0
            return low + (BOUNDS_S[index] - low) * ((rank - seen) / count)
        seen += count
    raise AssertionError("a rank beyond the total")


def exposed(counts: Mapping[int, int]) -> list[tuple[float, int]]:
    """Cumulative counts at each of ``EXPOSED_S``, for a Prometheus histogram (``+Inf`` is the caller's: the total)."""
    out: list[tuple[float, int]] = []
    cumulative, position = 0, 0
    for bound, edge in zip(EXPOSED_S, _EDGES, strict=True):
        cumulative += sum(counts.get(index, 0) for index in range(position, edge + 1))
        position = edge + 1
        out.append((bound, cumulative))
    return out
