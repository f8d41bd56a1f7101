"""What another plan would have decided on recorded figures, and what a replay says that it cannot know."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from proxy.analysis.series import Point, Series
from proxy.analysis.stretches import Side, Stretch
from proxy.model.rollout import CAUSES, Check, FreezeWindow, GateStep, Guard, Hook, HttpQuery, RolloutPlan, ShadowStep, WeightStep
from proxy.simulation.replay import Replay, replay, replayable
from tests.kit.control_bench import bench, intent, service

PLAN = RolloutPlan(steps=(WeightStep(1000, 60.0), WeightStep(5000, 60.0)), guard=Guard(slow_over_s=None))
BEGAN_S = 1000.0


def point(number: int, *, bad: int = 0, requests: int = 100, weight_bp: int = 1000, **more: Any) -> Point:
    """Ten seconds, the ``number``-th; as many stable requests as the weight leaves, none of which fails."""
    stable = requests * (10_000 - weight_bp) // weight_bp if weight_bp else 0
    row: dict[str, Any] = {"candidate_requests": requests, "stable_requests": stable, "candidate": {"status_5xx": bad} if bad else {}}
    stretch = Stretch(10.0, Side(requests, bad, {10: requests - bad}), Side(stable, 0, {10: stable}))
    phase = more.pop("phase", "progressing")
    return Point(BEGAN_S + 10 * number, phase, 0, weight_bp, {weight_bp: row} if requests else {}, stretch, **more)


def series(*points: Point) -> Series:
    return Series(10.0, points)


GOOD = series(*(point(n) for n in range(1, 7)), *(point(n, weight_bp=5000) for n in range(7, 13)))
BAD = series(point(1), point(2, bad=4), point(3, bad=4), point(4, bad=4, event="rolling_back"))


def play(recorded: Series, other: RolloutPlan = PLAN, **more: Any) -> Replay:
    return replay(recorded, PLAN, other, BEGAN_S, **more)


def test_the_same_plan_ends_as_it_did() -> None:
    assert ("promoted", 120.0, None) == ((played := play(GOOD)).end, played.after_s, played.parted_s)


def test_its_decisions_are_told_when_they_would_have_been_taken() -> None:
    assert [("started", 0.0), ("step", 60.0), ("promoting", 120.0), ("promoted", 120.0)] == [
        (each.kind, each.after_s) for each in play(GOOD).decisions
    ]


@pytest.mark.parametrize(("alpha", "expected"), [(0.05, 20.0), (0.001, 30.0), (1e-6, 40.0)])
def test_a_guard_that_wants_more_evidence_decides_later(alpha: float, expected: float) -> None:
    played = play(BAD, replace(PLAN, guard=replace(PLAN.guard, alpha=alpha)))

    assert ("rolled_back", expected) == (played.end, played.after_s)
    assert "the candidate fails more than 1.5 times as often as stable" in played.reason


def test_a_guard_that_would_not_have_acted_is_still_running_where_the_recording_ends() -> None:
    played = play(BAD, replace(PLAN, guard=replace(PLAN.guard, min_failures=50)))

    assert ("running", 40.0, "the recording ends here, at step 1 of 2, 10 %") == (played.end, played.after_s, played.reason)


def test_a_guard_that_pauses_is_paused() -> None:
    assert "paused" == play(BAD, replace(PLAN, guard=replace(PLAN.guard, action="pause"))).end


def test_budgets_count_every_failure() -> None:
    played = play(BAD, replace(PLAN, guard=replace(PLAN.guard, min_failures=50, max_errors=7)))

    assert ("rolled_back", 30.0, True) == (played.end, played.after_s, "max_errors" in played.reason)


def test_a_budget_counts_the_causes_that_the_guard_counts() -> None:
    """As it does live; what else failed is in the stretch, for the checks."""
    apart = point(1, bad=60)
    apart.rows[1000]["candidate"] = {"no_endpoint": 60, "status_5xx": 1}
    plan = replace(PLAN, guard=replace(PLAN.guard, max_errors=50))
    counting = replace(PLAN, guard=replace(plan.guard, failures=("status_5xx", "no_endpoint"), min_failures=5000))

    assert "running" == (played := play(series(apart), plan)).end
    assert not any("max_errors" in each for each in played.caveats)
    assert "the candidate failed 61 requests; max_errors allows 50" == play(series(apart), counting).reason


def test_a_budget_of_a_sticky_service_counts_every_failure_and_the_replay_says_so() -> None:
    """One user failed on every page: the guard has them once, the budget each time."""
    page = point(1, bad=9)
    page.rows[1000]["candidate"] = {"status_5xx": 1}
    plan = replace(PLAN, guard=replace(PLAN.guard, max_errors=8))
    all_causes = replace(plan, guard=replace(plan.guard, failures=CAUSES))
    said = "its max_errors counts failures by no_endpoint too: those of known users were recorded without their cause"
    played, exact = play(series(page), plan, sticky=True), play(series(page), all_causes, sticky=True)

    assert ("the candidate failed 9 requests; max_errors allows 8", True) == (played.reason, said in played.caveats)
    assert ("rolled_back", False) == (exact.end, any("max_errors" in each for each in exact.caveats))


def test_checks_on_own_metrics_are_replayed() -> None:
    check = Check("errors", metric="error_rate", max=0.01)
    plan = replace(PLAN, guard=replace(PLAN.guard, min_failures=5000), checks=(check,), failure_limit=1, failure_window_s=60.0)
    played = play(series(point(1), *(point(n, bad=50) for n in range(2, 5))), plan)

    assert ("rolled_back", 30.0) == (played.end, played.after_s)
    assert played.reason.startswith("check errors failed 2 times in 60 s: error_rate")


def test_a_step_that_is_longer_is_waited_for_and_the_shares_part() -> None:
    played = play(GOOD, replace(PLAN, steps=(WeightStep(1000, 90.0), WeightStep(5000, 60.0))))

    assert ("running", 60.0) == (played.end, played.parted_s)
    assert "from 1m0s on it would have given another share than was recorded: it is judged on that traffic" in played.caveats


def test_a_minimum_that_is_not_reached_is_waited_for() -> None:
    assert "running" == play(GOOD, replace(PLAN, steps=(WeightStep(1000, 60.0, min_requests=5000),))).end


def test_steps_that_are_shorter_than_a_stretch_take_their_own_time() -> None:
    steps = tuple(WeightStep(weight_bp, 3.0) for weight_bp in (1000, 2000, 3000))

    assert ("promoted", 10.0) == ((played := play(GOOD, replace(PLAN, steps=steps))).end, played.after_s)


def test_a_deadline_is_kept() -> None:
    played = play(GOOD, replace(PLAN, deadline_s=100.0))

    assert ("rolled_back", 100.0, "not promoted within 1m40s") == (played.end, played.after_s, played.reason)


def test_time_that_a_person_held_is_nobodys() -> None:
    held = series(point(1), *(point(n, phase="paused") for n in range(2, 8)), *(point(n) for n in range(8, 13)))

    assert [("started", 0.0), ("step", 120.0)] == [(each.kind, each.after_s) for each in play(held).decisions]


def test_gates_are_passed_at_once() -> None:
    played = play(GOOD, replace(PLAN, steps=(GateStep(), WeightStep(1000, 60.0), GateStep("remote", url="http://x/"))))

    assert ("promoted", 60.0) == (played.end, played.after_s)


def test_what_came_before_the_first_request_is_left_out() -> None:
    late = series(*(point(n, requests=0, weight_bp=0) for n in range(1, 4)), *(point(n) for n in range(4, 16)))

    assert ("step", 90.0) == ((second := play(late).decisions[1]).kind, second.after_s)


def test_reasons_name_the_versions() -> None:
    assert "started by replay; step 1 of 2: 10 % to v2" == play(GOOD, versions=("v1", "v2")).decisions[0].reason


def test_an_empty_recording_decides_nothing() -> None:
    assert ("running", 0.0) == ((played := play(series())).end, played.after_s)


def test_of_another_strategy_only_guard_and_checks_are_replayed() -> None:
    other = replace(PLAN, strategy="blue_green", steps=())
    good, bad = play(GOOD, other), play(BAD, other)

    assert ("running", "the recording ends here, at no decision against the candidate", None) == (good.end, good.reason, good.parted_s)
    assert ("rolled_back", 30.0) == (bad.end, bad.after_s)


def test_everything_that_cannot_be_replayed_is_said() -> None:
    other = RolloutPlan(
        strategy="canary",
        steps=(ShadowStep(1000, 60.0), GateStep(), WeightStep(1000, 60.0)),
        guard=Guard(failures=("status_5xx", "no_endpoint"), slow_over_s=0.5),
        checks=(Check("orders", http=HttpQuery("http://x/"), max=1.0), Check("errors", metric="error_rate", max=0.1)),
        hooks=(Hook("before_step", "http://x/"),),
        freeze=(FreezeWindow(0, 10),),
    )
    plan, said = replayable(PLAN, other, sticky=True)

    assert ((WeightStep(1000, 60.0),), ("errors",), (), ()) == (
        plan.steps,
        tuple(c.name for c in plan.checks),
        plan.hooks,
        plan.freeze,
    )
    assert [
        "its shadow steps are left out: what copies would have shown was not recorded",
        "its gates are passed at once: who would have passed them when is not known",
        "its checks orders are left out: what they would have been told was not recorded",
        "its hooks are taken to have answered well",
        "its freeze windows are left out",
        "failures by no_endpoint of known users were not counted by the guard then, and are missing",
        "its bound for slow answers is not applied: no answer was counted as slow",
    ] == said


def test_a_live_rollout_replayed_with_its_own_plan_decides_the_same_on_the_same_evidence() -> None:
    async def story() -> None:
        async with bench(intent(service(rollout=PLAN))) as b:
            await b.control.command("shop", "start", by="local", to="v2")
            await b.after(5, b.cell("v2", ok=10), b.cell("v1", ok=90))
            while b.position().phase == "progressing":
                await b.after(1, b.cell("v2", ok=9, bad=1), b.cell("v1", ok=90))
            told = await b.control.recall.explanation("shop", 2)
            recorded = msgspec.convert(told["recorded"], Series, str_keys=True)
            played = replay(recorded, PLAN, PLAN, told["started_at"])
            why = next(line["reason"] for line in told["story"] if line["kind"] == "rolling_back")

            assert ("rolled_back", why) == (played.end, played.reason)
            assert told["ended_at"] - told["started_at"] == played.after_s

    asyncio.run(story())
