"""What workers would report of simulated traffic: cells, as snapshots carry them. Draws latencies, where a plan's checks read them.

A latency's bucket is drawn apart from whether the guard calls the answer slow: either has its own law, which is the same, and nobody
compares the two. Buckets far from what checks look at, the quantiles and their limits, are drawn together, which changes no figure but
those of samples so small that a check takes them for no data.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from random import Random
from typing import Final

from proxy.analysis.metrics import QUANTILES
from proxy.analysis.statistics import SHARE_BP
from proxy.model.rollout import Cause, RolloutPlan
from proxy.simulation.chance import poisson
from proxy.simulation.latency import quantile_s, share_over
from proxy.simulation.traffic import Counts
from proxy.telemetry.histogram import BOUNDS_S, bucket
from proxy.telemetry.snapshot import CellDelta

STABLE: Final = "stable"
CANDIDATE: Final = "candidate"

_NEAR: Final = 3
"""Buckets on either side of a point's that are drawn by themselves: from four fifths of it to five fourths."""


def points_read(plan: RolloutPlan, candidate_median_s: float, stable_median_s: float) -> tuple[float, ...]:
    """The latencies (seconds) that the plan's checks look at: quantiles of both versions, and the limits they are held against."""
    points = set()
    for check in plan.checks:
        if check.metric not in QUANTILES or not stable_median_s:
            continue
        of_stable = quantile_s(stable_median_s, QUANTILES[check.metric])
        points |= {of_stable, quantile_s(candidate_median_s, QUANTILES[check.metric])}
        points |= {bound for bound in (check.max, check.min) if bound}
        points |= {of_stable * (check.max_ratio or 1.0), of_stable + (check.max_delta or 0.0)}
    return tuple(sorted(points))


@lru_cache(maxsize=64)
def groups(median_s: float, points: tuple[float, ...]) -> tuple[tuple[int, float], ...]:
    """(bucket, share of the answers) of a log-normal latency of this median, those far from the points put together."""
    near = {bucket(point) + off for point in points for off in range(-_NEAR, _NEAR + 1)}
    edges = sorted({min(max(index, 0), len(BOUNDS_S)) for index in near})
    out, over_before = [], 1.0
    for index in edges:
        low = BOUNDS_S[index - 1] if index else 0.0
        over_low = share_over(median_s, low) if low else 1.0
        if over_before > over_low:  # all between the edge before and this one, as if it were just below this one
            out.append((max(index - 1, 0), over_before - over_low))
        over_high = share_over(median_s, BOUNDS_S[index]) if index < len(BOUNDS_S) else 0.0
        out.append((index, over_low - over_high))
        over_before = over_high
    if over_before > 0:
        out.append((min(edges[-1] + 1, len(BOUNDS_S)), over_before))
    return tuple(out)


def latencies(chance: Random, answers: int, median_s: float, points: tuple[float, ...]) -> dict[int, int]:
    """So many answers (in the mean) by bucket."""
    if not answers or not points or median_s <= 0:
        return {}
    drawn: dict[int, int] = {}
    for index, share in groups(median_s, points):
        count = poisson(chance, answers * share)
        if count:
            drawn[index] = drawn.get(index, 0) + count
    return drawn


class Reporter:
    """Makes cells of counts, for one rollout. ``cause`` is that of every failure."""

    def __init__(self, plan: RolloutPlan, chance: Random, cause: Cause) -> None:
        self._plan = plan
        self._reads = any(check.metric in QUANTILES for check in plan.checks)
        self._medians = (0.0, 0.0)
        self._points: tuple[float, ...] = ()  # of these medians
        self._compares = any(check.max_ratio is not None or check.max_delta is not None for check in plan.checks)
        self._chance = chance
        self._cause: Cause = cause

    def cells(
        self, counts: Counts, *, rollout: int, share_bp: int, candidate_median_s: float, stable_median_s: float
    ) -> Iterable[CellDelta]:
        """The cells of candidate and stable."""
        medians = candidate_median_s, stable_median_s
        if medians != self._medians:
            self._medians, self._points = medians, points_read(self._plan, *medians) if self._reads else ()
        points = self._points
        return (
            self._cell(
                CANDIDATE,
                rollout,
                share_bp,
                (counts.candidate_good, counts.candidate_failed, counts.candidate_slow),
                counts.candidate_users,
                latencies(self._chance, counts.candidate_good, candidate_median_s, points),
            ),
            self._cell(
                STABLE,
                rollout,
                share_bp,
                (counts.stable_good, counts.stable_failed, counts.stable_slow),
                counts.stable_users,
                latencies(self._chance, counts.stable_good, stable_median_s, points if self._compares else ()),
            ),
        )

    def _cell(
        self, version: str, rollout: int, share_bp: int, counted: tuple[int, int, int], users: list[int], latency: dict[int, int]
    ) -> CellDelta:
        good, failed, slow = counted
        return CellDelta(
            "simulated",
            version,
            1,
            rollout=rollout,
            candidate_share=share_bp / SHARE_BP,
            draws=good + failed,
            draw_failures={self._cause: failed} if failed and not users else {},
            failed_users=[(user, self._cause) for user in users],
            draw_slow=slow,
            latency=latency,
        )
