"""What many rollouts have in common, and how sure that is."""

from __future__ import annotations

import math
from typing import Any

import pytest

from proxy.model.rollout import Guard, RolloutPlan, WeightStep
from proxy.simulation.play import Ending
from proxy.simulation.report import Report, Series, Spread, at_most, quantile, simulate
from proxy.simulation.traffic import Traffic

PLAN = RolloutPlan(steps=(WeightStep(1000, 120.0),))


def report(candidate_errors: float, *, seed: int = 1, guard: Guard | None = None, **changed: Any) -> Report:
    traffic = Traffic(100.0, 0.01, candidate_errors, **changed)
    plan = RolloutPlan(steps=PLAN.steps, guard=guard or Guard())
    return simulate(plan, traffic, runs=50, seed=seed, gates="pass", cause="reset", horizon_s=3600.0)


def test_quantiles_are_the_nearest_rank() -> None:
    assert [1.0, 2.0, 3.0] == [quantile([1.0, 2.0, 3.0], share) for share in (0.0, 0.5, 0.9)]


def test_no_values_have_no_spread() -> None:
    assert Spread.of([]) is None


def test_a_spread_has_mean_median_p90_and_the_most() -> None:
    assert Spread(mean=5.5, median=5, p90=9, most=10) == Spread.of(list(range(1, 11)))


@pytest.mark.parametrize(("count", "of"), [(0, 1000), (0, 10), (1, 10), (5, 100), (99, 100)])
def test_so_few_would_be_seen_once_in_twenty_if_the_rate_were_at_its_bound(count: int, of: int) -> None:
    """Clopper and Pearson's definition, with exact binomial coefficients."""
    bound = at_most(count, of)

    assert math.fsum(math.comb(of, k) * bound**k * (1 - bound) ** (of - k) for k in range(count + 1)) == pytest.approx(0.05)


@pytest.mark.parametrize("of", [1, 10])
def test_a_rate_that_always_showed_itself_has_no_bound_below_1(of: int) -> None:
    assert 1.0 == at_most(of, of)


def test_an_alarm_before_the_onset_is_no_catch() -> None:
    endings = [
        Ending("rolled_back", 90.0, True, 10, 5, "too soon"),
        Ending("rolled_back", 130.0, True, 20, 6, "caught"),
        Ending("paused", 150.0, False, 30, 0, "deadline"),
        Ending("promoted", 200.0, False, 40, 1, ""),
    ]
    series = Series.of(endings, onset_s=100.0)

    assert (0.25, 0.5, 30.0) == (series.caught, series.alarms, series.decision_s and series.decision_s.median)
    assert {"promoted": 0.25, "rolled_back": 0.5, "paused": 0.25, "held": 0.0, "shadowed": 0.0} == series.ends
    assert {"rolled_back": "too soon", "paused": "deadline"} == series.why


def test_a_bad_candidate_is_caught_and_its_equal_is_promoted() -> None:
    found = report(0.9)

    assert (1.0, 1.0, 0.0) == (found.candidate.caught, found.equal.ends["promoted"], found.false_alarms)


def test_the_equal_never_has_an_onset() -> None:
    """Its alarms are false whenever they come, and count from the beginning."""
    found = report(0.9, onset_s=60.0, guard=Guard(alpha=0.4, ratio=0.5, min_failures=1))

    assert found.equal.alarms == found.equal.caught > 0


def test_the_same_seed_makes_the_same_report_and_another_one_another() -> None:
    assert report(0.05) == report(0.05)
    assert report(0.05) != report(0.05, seed=2)


def test_the_candidate_s_series_does_not_depend_on_how_many_equals_are_played() -> None:
    traffic = Traffic(100.0, 0.01, 0.05)
    options: dict[str, Any] = {"runs": 20, "seed": 1, "gates": "pass", "cause": "reset", "horizon_s": 3600.0}

    few, many = (simulate(PLAN, traffic, equal_runs=n, **options) for n in (1, 7))
    assert (few.candidate, 1, 7) == (many.candidate, few.equal.runs, many.equal.runs)
