"""Blue-green: everything that comes before the switch happens at no weight, and the switch happens at once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from proxy.model.position import Finding, Phase, Record, Verdict
from proxy.model.rollout import GateStep, Hook, RolloutPlan, ShadowStep, WeightStep
from proxy.rollout.blue_green import is_done, next_step, waiting_for
from proxy.rollout.events import EndpointLevel, Measured
from proxy.rollout.machine import IllegalTransition, step
from proxy.rollout.strategy import Stand
from tests.unit.rollout.positions import APPLIED, BAD, NEW, NOW, PASS, after, heard, named, said, story

PLAN = RolloutPlan(strategy="blue_green", steps=(), interval_s=10.0)
FULL = replace(
    PLAN,
    steps=(ShadowStep(2000, for_s=5.0), GateStep()),
    hooks=(Hook("before_rollout", "http://ci/smoke"), Hook("after_promotion", "http://ci/tell")),
)


def seen(dt_s: float, *healthy: bool, copies: int = 0, **fields: Any) -> Measured:
    """Measured, with endpoints of the candidate."""
    levels = tuple(EndpointLevel("v2", f"e{n}", each, 0) for n, each in enumerate(healthy))
    return Measured(dt_s, copies, fields.pop("verdict", PASS), (EndpointLevel("v1", "e9", True, 3), *levels))


PREVIEW = after(NEW, named(plan=PLAN))


def test_its_preview_has_no_weight() -> None:
    assert (Phase.PROGRESSING, 0, 0) == (PREVIEW.phase, PREVIEW.weight_bp, PREVIEW.step)


def test_it_switches_together_when_the_candidate_was_healthy_for_an_interval() -> None:
    position, told = story(PREVIEW, seen(6.0, True, True), seen(6.0, True, True), APPLIED)

    assert (Phase.STABLE, "v2", "v1") == (position.phase, position.stable, position.previous)
    assert ["promoting", "publish together", "promoted", "publish"] == told


def test_the_time_of_health_begins_anew_after_a_break() -> None:
    position = after(PREVIEW, seen(9.0, True, True), seen(1.0, True, False), seen(9.0, True, True))

    assert (Phase.PROGRESSING, 9.0) == (position.phase, position.ready_s)


def test_endpoints_nobody_has_spoken_of_are_not_healthy() -> None:
    assert Phase.PROGRESSING is after(PREVIEW, seen(100.0)).phase


def test_an_endpoint_that_nobody_has_looked_at_yet_is_not_healthy() -> None:
    unseen = replace(seen(100.0, True), endpoints=(EndpointLevel("v2", "e0", True, 0, heard=False),))

    assert Phase.PROGRESSING is after(PREVIEW, unseen).phase


def test_its_promotion_says_how_long_it_was_healthy() -> None:
    record = step(PREVIEW, seen(10.0, True), NOW)[1][0]

    assert isinstance(record, Record)
    assert "v2 was healthy for 10 s: well; promotion: everything to v2" == record.reason


def test_a_check_that_holds_holds_the_switch() -> None:
    hold = Verdict(Finding.HOLD, "orders: no data", {"holding": ["orders: no data"]})

    assert Phase.PROGRESSING is after(PREVIEW, seen(100.0, True, verdict=hold)).phase


def test_a_check_that_fails_ends_it_before_anybody_has_met_the_candidate() -> None:
    position, told = story(PREVIEW, seen(1.0, True, verdict=BAD))

    assert (Phase.ROLLING_BACK, ["rolling_back", "publish"]) == (position.phase, told)


def test_a_whole_plan_has_this_history() -> None:
    position, told = story(NEW, named(plan=FULL))
    assert "1/0/before_rollout" == position.asking
    position, more = story(position, heard(position), seen(5.0, True, copies=9), said("promote"), seen(10.0, True), APPLIED)
    position, last = story(position, heard(position))

    assert (Phase.STABLE, "v2", "") == (position.phase, position.stable, position.asking)
    assert [
        *("started", "publish", "ask before_rollout", "step", "publish"),  # the smoke test, then copies
        *("gate", "publish", "step"),  # the gate, then the preview: no worker serves anything else for it
        *("promoting", "publish together", "promoted", "publish", "ask after_promotion", "hook"),
    ] == [*told, *more, *last]


@pytest.mark.parametrize("step", [0, 1])
def test_a_weight_in_the_plan_is_none(step: int) -> None:
    plan = replace(PLAN, steps=(WeightStep(500),))

    assert Stand(1, Phase.PROGRESSING, 0, ("before_step",)) == next_step(replace(PREVIEW, plan=plan), step)


def test_promote_switches_without_waiting_for_health() -> None:
    assert ["promoting", "publish together"] == story(PREVIEW, said("promote"))[1]


def test_promote_does_not_give_everything_to_an_endpoint_that_is_ill() -> None:
    ill = after(PREVIEW, seen(1.0, True, False))
    with pytest.raises(IllegalTransition, match="e1 of v2 is not known to be healthy, and everything would go there"):
        step(ill, said("promote"), NOW)

    assert [Phase.PROMOTING, Phase.PROMOTING] == [after(ill, said("promote", **how)).phase for how in ({"full": True}, {"force": True})]


def test_a_pause_does_not_hide_that_an_endpoint_has_fallen_ill() -> None:
    paused = after(PREVIEW, seen(9.0, True, True), said("pause"), *[seen(1.0, True, False)] * 60)
    with pytest.raises(IllegalTransition, match="e1 of v2 is not known to be healthy"):
        step(paused, said("promote"), NOW)
    resumed = after(paused, seen(3.0, True, True), said("resume"))

    assert [Phase.PROGRESSING, Phase.PROMOTING] == [after(resumed, seen(dt_s, True, True)).phase for dt_s in (6.9, 7.0)]


def test_what_hooks_are_asked_for_in_a_pause_is_not_looked_at() -> None:
    asked = after(NEW, named(plan=replace(PLAN, hooks=(Hook("before_step", "http://ci/x"),))), said("pause"))

    assert (asked, ()) == step(asked, seen(100.0, True), NOW)


def test_promote_out_of_a_shadow_step_gives_nothing_to_an_endpoint_that_is_ill() -> None:
    shadowing = after(NEW, named(plan=replace(FULL, hooks=())), seen(1.0, True, False))

    assert (("e1",), Phase.PAUSED) == (shadowing.coming, after(shadowing, said("promote")).phase)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"coming": ("e1",)}, "e1 of v2 to be healthy"),
        ({"ready_s": 4.0}, "v2 healthy for 4 s of 10 s"),
        ({"ready_s": 10.0}, ""),
    ],
)
def test_it_says_what_the_preview_waits_for(fields: dict[str, Any], text: str) -> None:
    assert text == waiting_for(replace(PREVIEW, **fields), None)


def test_a_shadow_step_waits_for_copies() -> None:
    position = after(NEW, named(plan=replace(FULL, hooks=())))

    assert (False, "no copies answered yet, and 0 s of 5 s") == (is_done(position), waiting_for(position, None))
