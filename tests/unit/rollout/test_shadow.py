"""A rollout that ends before the first weight."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.model.position import Phase, Position
from proxy.model.rollout import GateStep, RolloutPlan, ShadowStep, WeightStep
from proxy.rollout.events import Event, Measured
from proxy.rollout.shadow import is_done, next_step, waiting_for, where
from proxy.rollout.strategy import Stand
from tests.unit.rollout.positions import BAD, NEW, PASS, after, measured, named, said, story

PLAN = RolloutPlan(strategy="shadow", steps=(ShadowStep(2000, for_s=5.0, min_requests=10),))
SHADOWING = after(NEW, named(plan=PLAN))


def copied(dt_s: float = 5.0, copies: int = 10) -> Measured:
    return Measured(dt_s, copies, PASS)


SHADOWED = after(SHADOWING, copied())


def test_it_begins_with_copies_and_no_weight() -> None:
    assert (Phase.SHADOWING, 0) == (SHADOWING.phase, SHADOWING.weight_bp)


def test_it_ends_stable_with_what_was_stable_before() -> None:
    position, told = story(SHADOWING, copied())

    assert (Phase.STABLE, "v1", "", ["shadowed", "publish"]) == (position.phase, position.stable, position.candidate, told)


@pytest.mark.parametrize("event", [named(plan=PLAN), measured(9.0, 9)])
def test_its_target_is_not_tried_again_by_itself(event: Event) -> None:
    assert (Phase.STABLE, []) == (after(SHADOWED, event).phase, story(SHADOWED, event)[1])


@pytest.mark.parametrize(
    "event",
    [named("v2", "f2-changed", plan=PLAN), named("v3", "f3", plan=PLAN), said("start", to="v2", plan=PLAN, fingerprint="f2")],
)
def test_a_changed_or_another_target_or_an_operator_begins_anew(event: Event) -> None:
    assert (Phase.SHADOWING, 2) == (after(SHADOWED, event).phase, after(SHADOWED, event).rollout)


def test_the_stable_version_named_again_settles_it() -> None:
    position, told = story(SHADOWED, named("v1", "f1"))

    assert (["settled"], Phase.SHADOWING) == (told, after(position, named(plan=PLAN)).phase)


def test_it_is_rolled_back_like_any_other() -> None:
    assert Phase.ROLLING_BACK is after(SHADOWING, measured(verdict=BAD)).phase


def test_a_pause_stops_the_copies_and_a_resume_begins_them_again() -> None:
    position, told = story(SHADOWING, said("pause"), said("resume"))

    assert (Phase.SHADOWING, ["paused", "publish", "resumed", "publish"]) == (position.phase, told)


def test_a_weight_in_the_plan_is_passed_over() -> None:
    position = replace(SHADOWING, plan=replace(PLAN, steps=(WeightStep(500), *PLAN.steps, WeightStep(500))))

    assert (Stand(1, Phase.SHADOWING, 0, ("before_step",)), Stand(3, Phase.STABLE, 0)) == (
        next_step(position, 0),
        next_step(position, 2),
    )


def test_a_gate_has_no_weight() -> None:
    assert Stand(0, Phase.PAUSED, 0) == next_step(replace(SHADOWING, plan=replace(PLAN, steps=(GateStep(),)), weight_bp=500), 0)


def test_a_plan_without_steps_is_over_with_the_first_look() -> None:
    begun = after(NEW, named(plan=replace(PLAN, steps=())))

    assert (True, "", "a plan without steps") == (is_done(begun), waiting_for(begun, None), where(begun))
    assert ["shadowed", "publish"] == story(begun, measured(0.1, 0))[1]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"step_requests": 4, "step_elapsed_s": 2.0}, "4 of 10 copies answered; 3 s at the present rate, and 2 s of 5 s"),
        ({"step_requests": 10, "step_elapsed_s": 5.0}, ""),
    ],
)
def test_it_says_how_many_copies_are_missing(fields: dict[str, float], text: str) -> None:
    position: Position = replace(SHADOWING, **fields)

    assert text == waiting_for(position, None)
