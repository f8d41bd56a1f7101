"""The rules of Flagger and Argo Rollouts, each as a fact."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import OperatorError
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.simulation.policies import (
    POLICIES,
    Answer,
    Argo,
    ArgoMetric,
    Flagger,
    FlaggerState,
    MetricState,
    argo_measured,
    flagger_tick,
    policy,
    told,
)
from proxy.simulation.scraped import Reading

GOOD = Reading(1000, 1, 5)
BAD = Reading(1000, 50, 5)
LATE = Reading(1000, 1, 50)
RULES = Flagger(60.0, threshold=2, step_bp=2000, most_bp=5000, window_s=60.0)
PLAN = RolloutPlan(steps=(WeightStep(500, 600.0), GateStep(), WeightStep(2500, 600.0), WeightStep(5000, 600.0)))


def ticked(*answers: Answer, rules: Flagger = RULES) -> FlaggerState:
    state = FlaggerState()
    for answer in answers:
        state = flagger_tick(rules, state, answer)
    return state


# ---- Flagger ---------------------------------------------------------------------------------------------------------------------


def test_flagger_s_first_tick_gives_the_first_weight_and_asks_nothing() -> None:
    assert FlaggerState(2000) == ticked(BAD)


def test_flagger_goes_a_step_on_at_each_tick_that_holds_and_promotes_at_the_last_weight() -> None:
    states = [ticked(*[GOOD] * n) for n in range(1, 5)]

    assert [(2000, ""), (4000, ""), (5000, ""), (5000, "promoted")] == [(s.weight_bp, s.ended) for s in states]


@pytest.mark.parametrize("answer", [BAD, LATE, None, "error", Reading(0, 0, 0)])
def test_flagger_counts_a_failed_check_and_keeps_the_weight(answer: Answer) -> None:
    """No data, NaN and a query that fails are failed checks like any other."""
    state = ticked(GOOD, answer)

    assert (2000, 1, "") == (state.weight_bp, state.failed, state.ended)
    assert state.why


def test_flagger_rolls_back_at_the_tick_after_the_check_that_reached_the_threshold() -> None:
    reached = ticked(GOOD, BAD, BAD)
    after = flagger_tick(RULES, reached, GOOD)

    assert (2, "", "rolled_back", 0) == (reached.failed, reached.ended, after.ended, after.weight_bp)
    assert "2 failed checks, the last: success rate 95.00 %" == after.why


def test_flagger_forgets_no_failed_check() -> None:
    state = ticked(GOOD, BAD, *[GOOD] * 2, BAD, GOOD)

    assert "rolled_back" == state.ended


def test_flagger_takes_its_limits_for_good() -> None:
    assert 0 == ticked(GOOD, Reading(1000, 10, 10)).failed


# ---- Argo Rollouts ---------------------------------------------------------------------------------------------------------------

SUCCESS = ArgoMetric("success-rate", 30.0, 60.0, failure_limit=1, success_min=0.99)


def measured(*answers: Answer, metric: ArgoMetric = SUCCESS) -> MetricState:
    state = MetricState(0.0)
    for answer in answers:
        state = argo_measured(metric, state, answer)
    return state


def test_argo_measures_every_interval() -> None:
    assert MetricState(60.0) == measured(GOOD, GOOD)


def test_argo_aborts_at_one_failed_measurement_more_than_the_limit_at_once() -> None:
    series: list[list[Answer]] = [[BAD], [BAD, GOOD], [BAD, GOOD, BAD]]

    assert ["", "", "success-rate: 2 failed measurements"] == [measured(*answers).why for answers in series]


def test_argo_takes_nan_for_a_failed_measurement() -> None:
    assert 1 == measured(Reading(0, 0, 0)).failed


@pytest.mark.parametrize("answer", [None, "error"])
def test_argo_tries_an_error_again_after_ten_seconds_and_aborts_at_the_fifth_in_a_row(answer: Answer) -> None:
    four = measured(*[answer] * 4)
    five = measured(*[answer] * 5)

    assert (40.0, "", 0) == (four.due_s, four.why, four.failed)
    assert five.why.startswith("success-rate: 5 errors in a row")


def test_argo_forgets_errors_at_a_measurement() -> None:
    assert ("", 4) == (lambda s: (s.why, s.errors))(measured(*[None] * 4, GOOD, *[None] * 4))


def test_argo_holds_a_latency_to_its_share() -> None:
    metric = ArgoMetric("latency-p99", 30.0, 60.0, late_max=0.01)

    assert [0, 1] == [measured(answer, metric=metric).failed for answer in (GOOD, LATE)]


# ---- settings --------------------------------------------------------------------------------------------------------------------


def test_argo_has_the_steps_of_the_plan_and_a_pause_without_end_for_a_gate() -> None:
    rules = policy("argo", PLAN)

    assert isinstance(rules, Argo)
    assert ((500, 600.0), (500, None), (2500, 600.0), (5000, 600.0)) == rules.steps


@pytest.mark.parametrize(("name", "interval_s", "step_bp"), [("flagger", 60.0, 200), ("flagger-tuned", 30.0, 100)])
def test_flagger_has_even_steps_of_whole_percents_up_to_the_plan_s_last_weight(name: str, interval_s: float, step_bp: int) -> None:
    rules = policy(name, PLAN)

    assert isinstance(rules, Flagger)
    assert (interval_s, step_bp, 5000) == (rules.interval_s, rules.step_bp, rules.most_bp)
    assert 5000 / step_bp * interval_s <= 1800


def test_settings_are_told_in_the_tool_s_own_words() -> None:
    assert (
        "interval 60 s, threshold 10, stepWeight 2, maxWeight 50; success rate at least 99 % and P99 at most 0.5 s over 60 s"
        == told(policy("flagger", PLAN))
    )
    assert "success-rate every 300 s over the last two readings, failureLimit 3, consecutiveErrorLimit 4" in told(policy("argo", PLAN))


@pytest.mark.parametrize("name", POLICIES)
def test_a_plan_of_moments_has_settings_too(name: str) -> None:
    rules: Any = policy(name, RolloutPlan(steps=(WeightStep(1),)))

    assert 100 == rules.step_bp if isinstance(rules, Flagger) else ((1, 0.0),) == rules.steps


@pytest.mark.parametrize("name", POLICIES)
def test_a_plan_without_weights_cannot_be_played(name: str) -> None:
    with pytest.raises(OperatorError, match="need a plan with weight steps"):
        policy(name, RolloutPlan(steps=(GateStep(),)))
