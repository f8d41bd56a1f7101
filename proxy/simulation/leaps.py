"""How many more events the guard needs at least before it can act: what lets the simulated clock leap. Pure.

A failure of stable only lowers the evidence, and so does a slow answer of its. So before the candidate has had as many more as would do
with none of stable's, no look can decide. With two kinds of event each gets half of what is missing to the threshold: before either has
reached its half, their sum has not reached the whole.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from proxy.analysis.guard import SHARES, Tally, judged_kinds
from proxy.analysis.statistics import SHARE_BP, ShareFailures, log_evidence
from proxy.analysis.tally import Kind
from proxy.model.rollout import Guard


class Needed(NamedTuple):
    """Events of the candidate without which no look can decide; infinity: none of that kind ever will."""

    failures: float
    slow: float


def needed(guard: Guard, tally: Tally, share_bp: int) -> Needed:
    """What is needed after all that is counted, at this share. A lower bound, within an eighth: looking too early costs time only."""
    kinds = judged_kinds(guard)
    inside = 0 < share_bp < SHARE_BP
    weights = {kind: SHARES[kind] if len(kinds) > 1 else 1.0 for kind in kinds}
    rows = {"failures": tally.failures(guard.failures), "slow": tally.slow()}
    ratios = {"failures": guard.ratio, "slow": guard.slow_ratio}
    now = {kind: weights[kind] * _exp(log_evidence(rows[kind], ratios[kind])) for kind in kinds}
    missing = 1 / guard.alpha - math.fsum(now.values())

    def more(kind: Kind) -> float:
        if kind not in kinds or not inside:
            return math.inf
        target = math.log(max(now[kind] + missing / len(kinds), 1e-300) / weights[kind])
        few = _more(rows[kind], ratios[kind], share_bp, target) if missing > 0 else 1
        return max(few, 1)

    failures, slow = more("failures"), more("slow")
    counted = sum(row.candidate for row in rows["failures"])
    if len(kinds) == 1 and inside:
        failures = max(failures, guard.min_failures - counted)
    return Needed(min(failures, _budget(guard, tally)), slow)


def _more(rows: tuple[ShareFailures, ...], ratio: float, share_bp: int, target: float) -> int:
    """The least number of further events of the candidate, to an eighth, with which the log evidence reaches ``target``."""
    by_share = {row.share_bp: row for row in rows}
    here = by_share.get(share_bp, ShareFailures(share_bp, 0, 0))

    def reaches(more: int) -> bool:
        by_share[share_bp] = here._replace(candidate=here.candidate + more)
        return log_evidence(tuple(by_share.values()), ratio) >= target

    enough = 1
    while not reaches(enough):
        enough *= 2
    too_few = enough // 2  # 0 or shown not to reach it
    while enough - too_few > max(1, enough // 8):
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if reaches(middle) else (middle, enough)
    return too_few + 1


def _budget(guard: Guard, tally: Tally) -> float:
    """Failures with which a budget is overspent at the earliest."""
    left = [guard.max_errors - tally.errors] if guard.max_errors else []
    if guard.max_users_with_errors:
        left.append(guard.max_users_with_errors - tally.users_with_errors)
    return max(1, min(left) + 1) if left else math.inf


def _exp(log: float) -> float:
    return math.exp(min(log, 700.0))
