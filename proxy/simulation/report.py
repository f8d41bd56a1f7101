"""Many rollouts of one plan, and what they have in common. Pure; knows nothing of terminals.

Each report has two series: the candidate as described, and one that is as good as stable (same plan, same traffic), whose alarms are
false by construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final

import msgspec

from proxy.model.rollout import Cause, RolloutPlan
from proxy.simulation import policies
from proxy.simulation.play import ENDS, Ending, Gates, play
from proxy.simulation.rehearsal import rehearse
from proxy.simulation.traffic import Traffic

_SURE: Final = 0.95
"""Confidence of the one-sided bound on the rate of false alarms."""


class Spread(msgspec.Struct, frozen=True):
    """Of a figure over the rollouts that have it."""

    mean: float
    median: float
    p90: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None of no values: no data is not zero."""
        if not values:
            return None
        ordered = sorted(values)
        return cls(math.fsum(ordered) / len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.9), ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed (the nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Series(msgspec.Struct, frozen=True):
    """``runs`` rollouts. Probabilities are shares of them (0..1), seconds are of the virtual clock.

    ``ends`` has promoted, rolled_back, paused, held; ``caught`` are those that the guard ended or paused at or after the onset,
    ``alarms`` those in which it did so at all. ``decision_s`` runs from the onset to that moment, over the caught; ``promotion_s`` from
    the beginning, over the promoted. ``requests`` and ``failures`` are the candidate's in a rollout; ``users`` met it, and
    ``users_hurt`` saw it fail.
    ``why`` has the reason of one rollout for each end that has one.
    """

    runs: int
    ends: dict[str, float]
    caught: float
    alarms: float
    decision_s: Spread | None
    promotion_s: Spread | None
    requests: Spread
    failures: Spread
    users: Spread
    users_hurt: Spread
    why: dict[str, str]

    @classmethod
    def of(cls, endings: Sequence[Ending], onset_s: float) -> Series:
        """What these have in common; at least one is needed."""
        caught = [ending for ending in endings if ending.by_guard and ending.at_s >= onset_s]

        def spread(of: Callable[[Ending], float]) -> Spread:
            found = Spread.of([of(ending) for ending in endings])
            assert found is not None
            return found

        return cls(
            runs=len(endings),
            ends={end: sum(ending.end == end for ending in endings) / len(endings) for end in ENDS},
            caught=len(caught) / len(endings),
            alarms=sum(ending.by_guard for ending in endings) / len(endings),
            decision_s=Spread.of([ending.at_s - onset_s for ending in caught]),
            promotion_s=Spread.of([ending.at_s for ending in endings if ending.end == "promoted"]),
            requests=spread(lambda ending: ending.candidate_requests),
            failures=spread(lambda ending: ending.candidate_failures),
            users=spread(lambda ending: ending.users),
            users_hurt=spread(lambda ending: ending.users_hurt),
            why={ending.end: ending.why for ending in reversed(endings) if ending.why},
        )


class Report(msgspec.Struct, frozen=True):
    """``candidate`` as described, ``equal`` as good as stable. ``false_alarms_at_most``: their true rate, with 95 % confidence."""

    candidate: Series
    equal: Series
    false_alarms: float
    false_alarms_at_most: float
    alpha: float


HEADGATE: Final = "headgate"
"""The policy that is this proxy's own machine and guard."""


def player(
    policy: str, plan: RolloutPlan, *, gates: Gates, cause: Cause, horizon_s: float, endpoints: int = 4
) -> Callable[[Traffic, Random], Ending]:
    """What plays one rollout of the plan by these rules. Raises ``OperatorError`` when they cannot play it."""
    if policy == HEADGATE:
        return partial(play, plan, gates=gates, cause=cause, horizon_s=horizon_s, endpoints=endpoints)
    rules = policies.policy(policy, plan)
    return partial(rehearse, rules, gates=gates, horizon_s=horizon_s)


def simulate(
    plan: RolloutPlan,
    traffic: Traffic,
    *,
    runs: int,
    seed: int,
    gates: Gates,
    cause: Cause,
    horizon_s: float,
    equal_runs: int = 0,
    policy: str = HEADGATE,
    endpoints: int = 4,
) -> Report:
    """Play ``runs`` rollouts (at least 1) with the candidate and ``equal_runs`` (0: as many) with its equal. Same seed, same report.

    ``policy`` says by whose rules: headgate's, or one of ``policies.POLICIES``; ``OperatorError`` when they cannot play this plan. Each
    version has so many ``endpoints``.
    """
    play_one = player(policy, plan, gates=gates, cause=cause, horizon_s=horizon_s, endpoints=endpoints)

    def series(name: str, traffic: Traffic, runs: int) -> Series:
        chance = Random(f"{seed} {name}")
        return Series.of([play_one(traffic, chance) for _ in range(runs)], traffic.onset_s)

    candidate = series("candidate", traffic, runs)
    equal = series("equal", traffic.equal(), equal_runs or runs)
    alarms = round(equal.alarms * equal.runs)
    return Report(candidate, equal, equal.alarms, at_most(alarms, equal.runs), plan.guard.alpha)


def at_most(count: int, of: int) -> float:
    """Upper bound, 95 % one-sided, of a probability that showed itself ``count`` times in ``of`` (Clopper and Pearson 1934)."""
    if count >= of:
        return 1.0
    low, high = count / of, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _cumulative(count, of, middle) > 1 - _SURE else (low, middle)
    return high


def _cumulative(count: int, of: int, probability: float) -> float:
    """P(a binomial number of ``of`` tries is at most ``count``), for 0 < probability < 1."""
    odds = math.log(probability) - math.log1p(-probability)
    whole = of * math.log1p(-probability) + math.lgamma(of + 1)
    return math.fsum(math.exp(whole - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * odds) for k in range(count + 1))
