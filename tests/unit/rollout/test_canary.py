from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.model.position import Phase, Position
from proxy.model.rollout import GateStep, RolloutPlan, ShadowStep, WeightStep
from proxy.rollout.canary import is_done, next_step, waiting_for
from proxy.rollout.strategy import Stand

PLAN = RolloutPlan(steps=(WeightStep(500, for_s=300.0, min_requests=500), GateStep(), WeightStep(5000)))


def at(requests: int, elapsed_s: float, step: int = 0) -> Position:
    return Position("shop", "v1", candidate="v2", plan=PLAN, step=step, step_requests=requests, step_elapsed_s=elapsed_s)


@pytest.mark.parametrize(
    ("step", "stand"),
    [
        (0, Stand(0, Phase.PROGRESSING, 500, ("before_step",))),
        (1, Stand(1, Phase.PAUSED, 500)),
        (2, Stand(2, Phase.PROGRESSING, 5000, ("before_step",))),
        (3, Stand(3, Phase.PROMOTING, 10_000, ("before_promotion",))),
    ],
)
def test_the_steps_come_in_the_plans_order_then_promotion(step: int, stand: Stand) -> None:
    assert stand == next_step(replace(at(0, 0.0), weight_bp=500), step)


def test_a_shadow_step_has_no_weight() -> None:
    plan = RolloutPlan(steps=(WeightStep(500), ShadowStep(2000)))

    assert Stand(1, Phase.SHADOWING, 0, ("before_step",)) == next_step(replace(at(0, 0.0), plan=plan, weight_bp=500), 1)


def test_a_plan_without_steps_is_promoted_at_once() -> None:
    assert Stand(0, Phase.PROMOTING, 10_000, ("before_promotion",)) == next_step(replace(at(0, 0.0), plan=RolloutPlan(steps=())), 0)


@pytest.mark.parametrize(
    ("requests", "elapsed_s", "done"),
    [(500, 300.0, True), (499, 300.0, False), (500, 299.9, False), (9000, 0.0, False), (0, 9000.0, False)],
)
def test_a_step_is_done_when_both_its_time_and_its_requests_are_there(requests: int, elapsed_s: float, done: bool) -> None:
    assert done is is_done(at(requests, elapsed_s))


@pytest.mark.parametrize(("requests", "done"), [(0, False), (1, True)])
def test_a_step_that_asks_for_nothing_still_needs_one_candidate_request(requests: int, done: bool) -> None:
    assert done is is_done(at(requests, 1e9, step=2))


@pytest.mark.parametrize(
    ("requests", "elapsed_s", "rps", "text"),
    [
        (312, 300.0, 5.0, "312 of 500 candidate requests; 38 s at the present rate"),
        (312, 300.0, None, "312 of 500 candidate requests"),
        (312, 300.0, 0.0, "312 of 500 candidate requests"),
        (500, 41.7, 5.0, "41 s of 5m0s"),
        (0, 300.0, 0.0, "no candidate requests yet"),
        (312, 41.0, 5.0, "312 of 500 candidate requests; 38 s at the present rate, and 41 s of 5m0s"),
        (500, 300.0, 5.0, ""),
    ],
)
def test_it_says_what_is_missing_and_when_that_will_be(requests: int, elapsed_s: float, rps: float | None, text: str) -> None:
    assert text == waiting_for(at(requests, elapsed_s), rps)


def test_asking_a_gate_for_its_progress_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        is_done(at(0, 0.0, step=1))
