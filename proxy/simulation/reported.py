"""What workers would report of simulated traffic: cells, as snapshots carry them. Draws latencies, where a plan's checks read them.

A latency's bucket is drawn apart from whether the guard calls the answer slow: either has its own law, which is the same, and nobody
compares the two. Buckets far from the quantiles that are read are drawn together, which changes no figure but those of samples so small
that a check takes them for no data.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from random import Random
from typing import Final

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
"""Buckets on either side of a quantile's that are drawn by themselves: from four fifths of it to five fourths."""

_QUANTILES: Final = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}


def quantiles_read(plan: RolloutPlan, *, of_stable: bool = False) -> tuple[float, ...]:
    """The quantiles that the plan's checks read; ``of_stable``: those that they compare with."""
    latency = [check for check in plan.checks if check.metric in _QUANTILES]
    compared = [check for check in latency if check.max_ratio is not None or check.max_delta is not None]
    return tuple(sorted({_QUANTILES[str(check.metric)] for check in (compared if of_stable else latency)}))


@lru_cache(maxsize=64)
def groups(median_s: float, quantiles: tuple[float, ...]) -> tuple[tuple[int, float], ...]:
    """(bucket, share of the answers) of a log-normal latency of this median, those far from the quantiles put together."""
    near = {bucket(quantile_s(median_s, q)) + off for q in quantiles for off in range(-_NEAR, _NEAR + 1)}
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


def latencies(chance: Random, answers: int, median_s: float, quantiles: tuple[float, ...]) -> dict[int, int]:
    """So many answers (in the mean) by bucket."""
    if not answers or not quantiles or median_s <= 0:
        return {}
    drawn: dict[int, int] = {}
    for index, share in groups(median_s, quantiles):
        count = poisson(chance, answers * share)
        if count:
            drawn[index] = drawn.get(index, 0) + count
    return drawn


class Reporter:
    """Makes cells of counts, for one rollout. ``cause`` is that of every failure."""

    def __init__(self, plan: RolloutPlan, chance: Random, cause: Cause) -> None:
        self._quantiles = {CANDIDATE: quantiles_read(plan), STABLE: quantiles_read(plan, of_stable=True)}
        self._chance = chance
        self._cause: Cause = cause

    def cells(
        self, counts: Counts, *, rollout: int, share_bp: int, candidate_median_s: float, stable_median_s: float
    ) -> Iterable[CellDelta]:
        """The cells of candidate and stable."""
        return (
            self._cell(
                CANDIDATE,
                rollout,
                share_bp,
                (counts.candidate_good, counts.candidate_failed, counts.candidate_slow),
                counts.candidate_users,
                candidate_median_s,
            ),
            self._cell(
                STABLE,
                rollout,
                share_bp,
                (counts.stable_good, counts.stable_failed, counts.stable_slow),
                counts.stable_users,
                stable_median_s,
            ),
        )

    def _cell(
        self, version: str, rollout: int, share_bp: int, counted: tuple[int, int, int], users: list[int], median_s: float
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
            latency=latencies(self._chance, good, median_s, self._quantiles[version]),
        )
