from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from proxy.model.position import Finding, Position, Verdict
from proxy.model.rollout import FreezeWindow, GateStep, Hook, RolloutPlan, WeightStep
from proxy.rollout.waiting import waiting_for
from tests.unit.rollout.positions import (
    APPLIED,
    GATED,
    NEW,
    PAUSED,
    PROMOTING,
    ROLLED_BACK,
    ROLLING_BACK,
    RUNNING,
    after,
    measured,
    named,
    said,
)

SATURDAY = datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()
DONE = replace(RUNNING, step_requests=5, step_elapsed_s=10.0)
COLD = replace(DONE, plan=replace(DONE.plan, freeze=(FreezeWindow(5 * 1440, 0),)))
ASKING = after(
    NEW, named(plan=RolloutPlan(hooks=(Hook("before_rollout", "http://ci/a"), Hook("before_rollout", "http://ci/b", name="smoke"))))
)
REMOTE = after(NEW, named(plan=RolloutPlan(steps=(WeightStep(500), GateStep("remote", "http://ci/gate")))), measured())
TOLD = after(NEW, named(plan=RolloutPlan(hooks=(Hook("after_promotion", "http://ci/a"),))), said("promote", full=True), APPLIED)


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (NEW, "another target"),
        (RUNNING, "no candidate requests yet, and 0 s of 10 s"),
        (DONE, "the guard"),
        (GATED, "a person: gate after step 1"),
        (PAUSED, "a person: paused by ann"),
        (PROMOTING, "every worker's acknowledgement"),
        (ROLLING_BACK, "every worker's acknowledgement"),
        (ROLLED_BACK, "another target, a change of v2, or retry"),
        (COLD, "the end of the freeze: Mon 00:00 UTC, in 36h0m0s"),
        (replace(COLD, asking="1/0/start"), "the end of the freeze: Mon 00:00 UTC, in 36h0m0s"),
        (ASKING, "the before_rollout hooks (http://ci/a and smoke)"),
        (REMOTE, "the gate after step 1 (http://ci/gate)"),
        (replace(REMOTE, reason="gate answered 503"), "the gate after step 1 (http://ci/gate): gate answered 503"),
        (replace(ROLLING_BACK, part="hook", asking="1/1/before_step", coming=("a:1",)), "the before_step hooks (nothing) for a:1"),
        (TOLD, "what the after_promotion hooks say"),
    ],
)
def test_every_phase_and_every_door_says_what_it_waits_for(position: Position, text: str) -> None:
    assert text == waiting_for(position, 1.0, now=SATURDAY)


def test_without_a_clock_a_freeze_has_no_end() -> None:
    assert "the end of the freeze" == waiting_for(replace(COLD, asking="1/0/start"), None)


@pytest.mark.parametrize(("position", "text"), [(ASKING, "(http://ci/a and smoke): try 2 of 3"), (REMOTE, "gate): try 2 of 3")])
def test_how_far_the_world_has_answered_is_said(position: Position, text: str) -> None:
    assert waiting_for(position, None, asked="try 2 of 3").endswith(text)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict(Finding.HOLD, "x", {"holding": ["check a: no data", "check b: it is down"]}), "check a: no data; check b: it is down"),
        (Verdict(Finding.HOLD, "2 failures, too few to judge", {"candidate_failures": 2}), "the guard: 2 failures, too few to judge"),
        (Verdict(Finding.PASS, "well"), "the guard"),
    ],
)
def test_a_step_that_is_done_waits_for_its_judges(verdict: Verdict, text: str) -> None:
    assert text == waiting_for(DONE, None, verdict=verdict)
