"""What is promised of the guard, through whole simulated rollouts: how fast it decides, and how seldom it is wrong."""

from __future__ import annotations

import pytest

from proxy.model.rollout import Guard, RolloutPlan, WeightStep
from proxy.simulation import Report, Traffic, simulate


def report(weight_bp: int, for_s: float, traffic: Traffic, *, guard: Guard, runs: int, equal_runs: int) -> Report:
    plan = RolloutPlan(steps=(WeightStep(weight_bp, for_s),), guard=guard)
    return simulate(
        plan, traffic, runs=runs, equal_runs=equal_runs, seed=20_220_514, gates="pass", cause="status_5xx", horizon_s=86_400.0
    )


@pytest.mark.parametrize(
    ("rps", "share_bp", "candidate", "stable", "median_s", "p90_s"),
    [
        (100, 1000, 1.0, 0.001, 0.45, 0.8),
        (1000, 500, 0.05, 0.001, 1.5, 3.7),
        (100, 500, 0.05, 0.005, 32.0, 65.0),
    ],
)
def test_a_bad_candidate_is_caught_as_fast_as_promised(
    rps: int, share_bp: int, candidate: float, stable: float, median_s: float, p90_s: float
) -> None:
    """Within 15 % of the published median and p90, the 20 ms of a report included."""
    found = report(share_bp, 3600.0, Traffic(rps, stable, candidate), guard=Guard(), runs=600, equal_runs=1).candidate

    assert found.decision_s is not None
    assert (1.0, pytest.approx(median_s, rel=0.15), pytest.approx(p90_s, rel=0.15)) == (
        found.caught,
        found.decision_s.median,
        found.decision_s.p90,
    )


@pytest.mark.parametrize("share_bp", [100, 500, 5000])
def test_two_thousand_equal_candidates_raise_no_more_alarms_than_alpha(share_bp: int) -> None:
    """30 min at 100 requests/s, 1 % of both versions' failing, alpha 0.01; sure at 95 %."""
    traffic = Traffic(100, 0.01, 0.01)
    found = report(share_bp, 1800.0, traffic, guard=Guard(alpha=0.01), runs=1, equal_runs=2000)

    assert (True, 2000) == (found.false_alarms_at_most <= 0.01, found.equal.runs)


@pytest.mark.parametrize("share_bp", [500, 5000])
def test_at_the_very_edge_of_what_is_tolerated_alarms_stay_below_alpha(share_bp: int) -> None:
    """The worst case, so that the figure is not 0: the ratio tolerated is 1, and both versions fail alike."""
    traffic = Traffic(100, 0.01, 0.01)
    found = report(share_bp, 900.0, traffic, guard=Guard(alpha=0.2, ratio=1.0), runs=1, equal_runs=400)

    assert 0 < found.false_alarms <= 0.2
