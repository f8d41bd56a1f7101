"""The order of a look (judges, deadline, step), and the bound of slow answers that a step begins with."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from proxy.analysis.judge import warming
from proxy.model.position import Finding, Phase, Verdict
from proxy.model.rollout import GateStep, Guard, Hook, RolloutPlan, ShadowStep, WeightStep
from proxy.rollout.events import Measured, TargetSet
from proxy.rollout.measuring import silent
from tests.unit.rollout.positions import BAD, NEW, PASS, RUNNING, after, heard, measured, named, said, story

PLAN = RolloutPlan(steps=(WeightStep(500), WeightStep(5000)))


def looked(slow_over_s: float) -> Measured:
    return Measured(1.0, 1, PASS, slow_over_s=slow_over_s)


def test_the_guard_comes_before_the_deadline() -> None:
    assert "too many failures" == after(RUNNING, measured(100.0, verdict=BAD)).reason


@pytest.mark.parametrize(
    ("begun", "warmed_s"),
    [
        (named(plan=replace(PLAN, steps=(WeightStep(500, for_s=1e6),))), 9.0),
        (named(plan=replace(PLAN, steps=(ShadowStep(500, for_s=1e6),))), 9.0),
        (named(plan=replace(PLAN, hooks=(Hook("before_step", "http://ci/x"),))), 0.0),
        (named(plan=RolloutPlan(strategy="blue_green", steps=())), 0.0),
    ],
    ids=["in weight", "in shadow", "at hooks", "in a preview"],
)
def test_a_candidate_warms_up_while_it_serves(begun: TargetSet, warmed_s: float) -> None:
    assert warmed_s == after(NEW, begun, measured(9.0)).warmed_s


def test_what_hooks_take_before_the_first_weight_warms_nobody_up() -> None:
    hooked = replace(PLAN, steps=(WeightStep(500, for_s=1e6),), hooks=(Hook("before_rollout", "http://ci/x"),))
    asked = after(NEW, named(plan=hooked), measured(600.0))
    begun = after(asked, heard(asked))

    assert [True, True, False] == [
        warming(position) for position in (begun, after(begun, measured(29.0)), after(begun, measured(30.0)))
    ]


def test_a_candidate_warms_up_in_a_pause_too_and_anew_in_the_next_rollout() -> None:
    running = after(NEW, named(plan=replace(PLAN, steps=(WeightStep(500, for_s=1e6),))), measured(9.0))
    paused = after(running, said("pause"), measured(9.0))

    assert [18.0, 30.0, 0.0] == [position.warmed_s for position in (paused, after(paused, measured(1e6)), after(paused, named("v3")))]


ALARM = Verdict(Finding.PAUSE, "slow", {"log_evidence": 8.0, "threshold": 6.9})


@pytest.mark.parametrize(("on_deadline", "phase"), [("rollback", Phase.ROLLING_BACK), ("pause", Phase.PAUSED)])
def test_a_deadline_that_passes_as_the_guard_pauses_is_heard_after_the_resume(on_deadline: Any, phase: Phase) -> None:
    running = after(NEW, named(plan=replace(PLAN, steps=(WeightStep(500, for_s=1e6),), deadline_s=100.0, on_deadline=on_deadline)))
    paused = after(running, measured(100.0, verdict=ALARM))
    late = after(paused, said("resume"), measured())

    assert ("slow", phase, "not promoted within 1m40s") == (paused.reason, late.phase, late.reason)


def test_a_deadline_that_had_its_say_is_a_new_one_in_the_next_rollout() -> None:
    plan = replace(PLAN, steps=(WeightStep(500, for_s=1e6),), deadline_s=100.0, on_deadline="pause")
    resumed = after(NEW, named(plan=plan), measured(100.0), said("resume"), measured(100.0))
    again = after(resumed, named("v3", "f3", plan=plan))

    assert [Phase.PROGRESSING, Phase.PAUSED] == [resumed.phase, after(again, measured(100.0)).phase]


@pytest.mark.parametrize(
    ("verdict", "lets"),
    [
        (PASS, True),
        (Verdict(Finding.HOLD, "no data", {"candidate_failures": 0}), True),
        (Verdict(Finding.HOLD, "too few", {"candidate_failures": 2}), False),
        (Verdict(Finding.PAUSE, "overruled", {"candidate_failures": 9}), True),
        (Verdict(Finding.HOLD, "orders: no data", {"candidate_failures": 0, "holding": ["orders: no data"]}), False),
        (Verdict(Finding.PASS, "well", {"holding": []}), True),
    ],
)
def test_judges_let_a_step_end_or_not(verdict: Verdict, lets: bool) -> None:
    assert lets is silent(verdict)


def test_a_step_takes_stables_p99_of_the_moment_it_begins() -> None:
    first = after(NEW, named(plan=PLAN, slow_over_s=0.2))
    later = after(first, Measured(1.0, 0, PASS, slow_over_s=0.9), looked(0.3))

    assert (0.2, 1, 0.3) == (first.slow_over_s, later.step, later.slow_over_s)


def test_workers_are_told_of_a_new_bound_even_where_the_weight_stays() -> None:
    gated = after(NEW, named(plan=replace(PLAN, steps=(WeightStep(500), GateStep())), slow_over_s=0.2))

    assert ["gate", "publish"] == story(gated, looked(0.3))[1]


def test_a_p99_that_is_not_known_leaves_the_bound_as_it_was() -> None:
    assert 0.2 == after(NEW, named(plan=PLAN, slow_over_s=0.2), looked(0.0)).slow_over_s


@pytest.mark.parametrize(("given", "bound"), [(0.5, 0.5), (None, 0.0)])
def test_a_plan_that_says_what_is_slow_or_that_nothing_is_needs_no_p99(given: float | None, bound: float) -> None:
    plan = replace(PLAN, guard=Guard(slow_over_s=given))

    assert bound == after(NEW, named(plan=plan, slow_over_s=0.2)).slow_over_s


def test_a_new_rollout_forgets_the_bound_of_the_one_before() -> None:
    assert 0.0 == after(NEW, named(plan=PLAN, slow_over_s=0.2), named("v3", "f3", plan=PLAN)).slow_over_s
