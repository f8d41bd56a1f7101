"""How many more events the guard needs at least before it can act: what lets the simulated clock leap. Pure.

A failure of stable only lowers the evidence, and so does a slow answer of its. So before the candidate has had as many more as would do
with none of stable's, no look can decide. With two kinds of event each gets half of what is missing to the threshold: before either has
reached its half, their sum has not reached the whole.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from proxy.analysis.guard import Tally, weigh
from proxy.analysis.statistics import SHARE_BP, log_bets, log_wins
from proxy.analysis.tally import Kind
from proxy.model.rollout import Guard
from proxy.simulation.traffic import Counts

_REFINED_MAX: Final = 4
"""Times the bound is refined; more save less than they cost."""


class Needed(NamedTuple):
    """Events of the candidate without which no look can decide; infinity: none of that kind ever will."""

    failures: float
    slow: float
    decided: bool = False
    """The evidence is there, or a budget is spent: a look decides, if anything lets it."""

    def after(self, counts: Counts) -> Needed:
        """What is still needed after so much that did not reach it; stable's part in it could only ask for more."""
        return Needed(max(1, self.failures - counts.candidate_failed), max(1, self.slow - counts.candidate_slow))


def needed(guard: Guard, tally: Tally, share_bp: int, *, slow: bool = True) -> Needed:
    """What is needed after all that is counted, at this share; ``slow``: whether any answer can be a slow one now.

    A lower bound: looking too early costs time only.
    """
    kinds = {each.kind: each for each in weigh(guard, tally.counts(guard.failures))}
    inside = 0 < share_bp < SHARE_BP
    now = {kind: each.share * _exp(each.log) for kind, each in kinds.items()}
    missing = 1 / guard.alpha - math.fsum(now.values())

    coming = [kind for kind in kinds if slow or kind == "failures"]

    def more(kind: Kind) -> float:
        if kind not in coming or not inside:
            return math.inf
        each = kinds[kind]
        if missing <= 0:  # enough evidence of too few events: that many more, of whichever kind has most of it
            return max(1, guard.min_failures - each.candidate)
        target = math.log((now[kind] + missing / len(coming)) / each.share)
        return _more(log_bets(each.rows, each.ratio), log_wins(share_bp, each.ratio), target)

    failures = more("failures")
    if len(kinds) == 1 and inside:
        failures = max(failures, guard.min_failures - kinds["failures"].candidate)
    budget = _budget(guard, tally)
    decides = missing <= 0 and max(each.candidate for each in kinds.values()) >= guard.min_failures
    return Needed(max(1, min(failures, budget)), more("slow"), decided=(decides and inside) or budget <= 0)


def _more(bets: list[float], wins: tuple[float, ...], target: float) -> int:
    """A number of further events below which the log evidence does not reach ``target``; nearly the least that does.

    One event adds the greatest win at most. So what is missing divided by it is a lower bound, and from there on once more; but that is
    a small step where other bets lead, so the bound that no bet alone reaches the target comes first: a mean is below its greatest.
    """
    fewest = min((target - bet) / win for bet, win in zip(bets, wins, strict=True))
    most = max(wins)
    for _ in range(_REFINED_MAX):
        logs = [bet + fewest * win for bet, win in zip(bets, wins, strict=True)]
        greatest = max(logs)
        reached = greatest + math.log(sum([math.exp(log - greatest) for log in logs]) / len(logs))
        missing = max(0.0, target - reached) / most
        fewest += missing
        if missing < 0.05 * fewest or missing < 0.5:
            break
    return max(1, math.ceil(fewest - 1e-9))


def _budget(guard: Guard, tally: Tally) -> float:
    """Failures with which a budget is overspent at the earliest."""
    left = [guard.max_errors - tally.errors] if guard.max_errors else []
    if guard.max_users_with_errors:
        left.append(guard.max_users_with_errors - tally.users_with_errors)
    return min(left) + 1 if left else math.inf


def _exp(log: float) -> float:
    return math.exp(min(log, 700.0))
