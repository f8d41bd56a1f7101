"""The guard: what the two versions' failures and slow answers say about the candidate, at every moment of a rollout.

``judge`` turns a ``Tally`` into a verdict with every figure it stands on. Knows nothing of steps, weights to come, time limits or
stores; it never acts.

Two kinds of event, one test
----------------------------
Each kind has its own evidence E (``statistics``), a supermartingale from 1 while the candidate keeps to the kind's ratio: ``ratio`` for
failures, ``slow_ratio`` for slow answers. Their mean, weighted by ``SHARES``, is one too, whatever the two have to do with each other.
So the guard acts when

    0.9 * E(failures) + 0.1 * E(slow) >= 1 / alpha

and the bound on false alarms is alpha over both kinds, a whole rollout, any number of looks. It acts whenever one kind alone reaches
``1 / (share * alpha)``, which is the threshold told of that kind, and so it is never slower than alpha divided between two tests. The
price for failures is a ninth more evidence, which is a fraction of one failure. With ``slow_over: off`` there is one kind, and it has
all of alpha. ``min_failures`` holds for whichever kind has most of the evidence.

Budgets
-------
``max_errors`` and ``max_users_with_errors`` are what an operator is ready to pay at most, whoever is to blame: they act on counts, at
one more than was allowed, and always by rolling back, for a pause would go on spending. A known user is one, however often they met
errors; one that nobody knows is one for each error. Failures that stable answered in the candidate's place are the candidate's still.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from proxy import limits
from proxy.analysis.statistics import ShareFailures, log_evidence, power_of_ten
from proxy.analysis.tally import KINDS, Kind, ShareCounts, Tally, events
from proxy.model.position import Finding, Verdict
from proxy.model.rollout import Guard

__all__ = ["SHARES", "Evidence", "Tally", "judge", "judged_kinds", "threshold_of", "weigh"]

SHARES: Final[dict[Kind, float]] = {"failures": 0.9, "slow": 0.1}
"""How alpha is divided. A failure is what a rollout is about and is decided on a handful, where a threshold counts; slow answers come
by the dozen once a version is slow, and a threshold ten times as high costs them one or two more."""

_WORDS: Final[dict[Kind, tuple[str, str, str]]] = {
    "failures": ("failure", "failures", "fails"),
    "slow": ("slow answer", "slow answers", "is slow"),
}


class Evidence(NamedTuple):
    """One kind: its part of alpha, its ratio, its events by share and in all, and what they come to (natural logarithm)."""

    kind: Kind
    share: float
    ratio: float
    rows: tuple[ShareFailures, ...]
    candidate: int
    stable: int
    log: float

    @property
    def weighted(self) -> float:
        """With its part: what it adds to the evidence over all kinds."""
        return math.log(self.share) + self.log


def judged_kinds(guard: Guard) -> tuple[Kind, ...]:
    """The kinds of event that this guard judges."""
    return KINDS if guard.slow_over_s is not None else ("failures",)


def threshold_of(guard: Guard, kind: Kind) -> float:
    """The natural logarithm of the evidence at which one kind alone makes the guard act."""
    return math.log(1 / guard.alpha) - math.log(_share(guard, kind))


def judge(guard: Guard, tally: Tally, *, slow_over_s: float = 0.0, warming: bool = False) -> Verdict:
    """What was counted so far says: ROLLBACK (PAUSE, if that is its action) on evidence, ROLLBACK over a budget, HOLD without data.

    ``slow_over_s`` is the bound in force now (0: there is none) and ``warming`` whether it counts yet: for the figures only.
    """
    counts = tally.counts(guard.failures)
    kinds = weigh(guard, counts)
    candidate_requests = tally.candidate_requests
    leading = max(kinds, key=lambda evidence: evidence.weighted)
    evidence = _log_sum(kinds)
    threshold = math.log(1 / guard.alpha)
    figures = {
        "log_evidence": evidence,
        "threshold": threshold,
        "alpha": guard.alpha,
        "min_failures": guard.min_failures,
        "ratio": kinds[0].ratio,
        "candidate_failures": kinds[0].candidate,
        "stable_failures": kinds[0].stable,
        "candidate_requests": candidate_requests,
        "stable_requests": tally.stable_requests,
        **_users(tally, "failures"),
        "users_with_errors": tally.users_with_errors,
        "errors": tally.errors,
        "max_errors": guard.max_errors,
        "max_users_with_errors": guard.max_users_with_errors,
        "shares": [each.figures() for each in counts],
        "candidate_causes": tally.causes_of("candidate"),
        "stable_causes": tally.causes_of("stable"),
        "first_failure_s": tally.first_failure_s,
        "last_failure_s": tally.last_failure_s,
        "slow_over_s": slow_over_s,
        "kinds": {each.kind: _told(guard, tally, each, _note(each.kind, slow_over_s, warming)) for each in kinds},
        "holding": [],
    }
    others = [each for each in kinds if each.rows and each is not leading]
    counted = ", ".join(_counted(each) for each in (leading, *others))
    weighed = f"evidence {power_of_ten(evidence)}, {power_of_ten(threshold)} needed"
    if over := _over_budget(guard, tally):
        return Verdict(Finding.ROLLBACK, over, figures)
    if candidate_requests == 0 and not any(each.candidate for each in kinds):
        return Verdict(Finding.HOLD, "no candidate request was counted yet", figures)
    if evidence < threshold:
        return Verdict(Finding.PASS, f"{counted}: {weighed}", figures)
    if leading.candidate < guard.min_failures:
        why = f"{counted}: {weighed}, but no decision on fewer than {_times(guard.min_failures, leading.kind)}"
        return Verdict(Finding.HOLD, why, {**figures, "holding": [why]})
    why = f"the candidate {_WORDS[leading.kind][2]} more than {leading.ratio:g} times as often as stable; {counted}: {weighed}"
    return Verdict(Finding.PAUSE if guard.action == "pause" else Finding.ROLLBACK, why, figures)


# ---- evidence -------------------------------------------------------------------------------------------------------------------


def _share(guard: Guard, kind: Kind) -> float:
    return SHARES[kind] if len(judged_kinds(guard)) > 1 else 1.0


def weigh(guard: Guard, counts: Sequence[ShareCounts]) -> list[Evidence]:
    """The evidence of each kind that this guard judges, failures first. ``counts`` are those of the causes in ``failures``."""
    return [_weigh(guard, kind, events(counts, kind)) for kind in judged_kinds(guard)]


def _weigh(guard: Guard, kind: Kind, rows: tuple[ShareFailures, ...]) -> Evidence:
    ratio = guard.ratio if kind == "failures" else guard.slow_ratio
    candidate, stable = sum([row.candidate for row in rows]), sum([row.stable for row in rows])
    return Evidence(kind, _share(guard, kind), ratio, rows, candidate, stable, log_evidence(rows, ratio))


def _log_sum(kinds: list[Evidence]) -> float:
    """ln of the weighted mean of all kinds' evidence."""
    most = max(each.weighted for each in kinds)
    return most + math.log(math.fsum(math.exp(each.weighted - most) for each in kinds))


# ---- words and figures ----------------------------------------------------------------------------------------------------------


def _over_budget(guard: Guard, tally: Tally) -> str:
    """Which budget is spent; empty when none is."""
    if guard.max_errors and tally.errors > guard.max_errors:
        return f"the candidate failed {tally.errors} requests; max_errors allows {guard.max_errors}"
    users = tally.users_with_errors
    if guard.max_users_with_errors and users > guard.max_users_with_errors:
        return f"the candidate failed {users} users; max_users_with_errors allows {guard.max_users_with_errors}"
    return ""


def _counted(evidence: Evidence) -> str:
    return f"{_times(evidence.candidate, evidence.kind)} of the candidate and {evidence.stable} of stable"


def _note(kind: Kind, slow_over_s: float, warming: bool) -> str:
    """What keeps a kind from being counted now."""
    if kind == "failures":
        return ""
    if not slow_over_s:
        return "no answer counts as slow now: too few of stable's were known when the step began"
    return f"no answer counts as slow yet: a candidate has {limits.WARM_UP_S:g} s to warm up" if warming else ""


def _told(guard: Guard, tally: Tally, evidence: Evidence, note: str) -> dict[str, Any]:
    return {
        "log_evidence": evidence.log,
        "threshold": threshold_of(guard, evidence.kind),
        "alpha": evidence.share * guard.alpha,
        "note": note,
        "ratio": evidence.ratio,
        "candidate": evidence.candidate,
        "stable": evidence.stable,
        **_users(tally, evidence.kind),
    }


def _users(tally: Tally, kind: Kind) -> dict[str, Any]:
    users = tally.users[kind]
    return {
        "users": users.candidate,
        "stable_users": users.stable,
        "users_full": users.full,
        "users_uncounted": users.uncounted,
    }


def _times(count: int, kind: Kind) -> str:
    return f"{count} {_WORDS[kind][0] if count == 1 else _WORDS[kind][1]}"
