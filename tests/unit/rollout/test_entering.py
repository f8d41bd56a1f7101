"""The doors before a step: hooks, freezes, and what a pause, a crash and an operator do at each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import FreezeWindow, GateStep, Hook, RolloutPlan, WeightStep
from proxy.rollout.entering import door_of, open_question
from proxy.rollout.events import Ask, Heard
from proxy.rollout.machine import IllegalTransition, step
from tests.unit.rollout.positions import APPLIED, BAD, NEW, after, heard, kinds, measured, named, said, story

HOOKS = tuple(
    Hook(on, f"http://ci/{on}") for on in ("before_rollout", "before_step", "before_promotion", "after_promotion", "after_rollback")
)  # type: ignore[arg-type]  # they are points
PLAN = RolloutPlan(steps=(WeightStep(500), WeightStep(5000)), hooks=HOOKS, deadline_s=100.0)
BEGUN = after(NEW, named(plan=PLAN))
AT_STEP = after(BEGUN, heard(BEGUN))
IN_STEP = after(AT_STEP, heard(AT_STEP))

FROZEN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()  # a Saturday
THAWED = FROZEN + 2 * 86_400
WEEKEND = (FreezeWindow(5 * 1440, 0),)
COLD = RolloutPlan(steps=(WeightStep(500), WeightStep(5000)), freeze=WEEKEND)

# ---- hooks ----------------------------------------------------------------------------------------------------------------------


def test_a_rollout_begins_with_its_hooks_and_no_weight() -> None:
    position, effects = step(NEW, named(plan=PLAN), FROZEN)

    assert (Phase.PROGRESSING, 0, "1/0/before_rollout") == (position.phase, position.weight_bp, position.asking)
    assert Ask("before_rollout", "1/0/before_rollout") == effects[-1]


def test_the_weight_of_a_step_is_taken_when_its_last_hooks_have_answered() -> None:
    assert [(0, "1/0/before_step"), (500, "")] == [(AT_STEP.weight_bp, AT_STEP.asking), (IN_STEP.weight_bp, IN_STEP.asking)]


def test_a_whole_rollout_asks_at_every_point_once() -> None:
    position, told = NEW, []
    for event in (named(plan=PLAN), heard, heard, measured(), heard, measured(), heard, APPLIED, heard):
        position, effects = step(position, event(position) if event is heard else event, FROZEN)
        told += kinds(effects)

    assert (Phase.STABLE, "v2", "") == (position.phase, position.stable, position.asking)
    assert [
        *("started", "publish", "ask before_rollout", "asking", "ask before_step", "step", "publish"),
        *("asking", "ask before_step", "step", "publish"),
        *("asking", "ask before_promotion", "promoting", "publish"),
        *("promoted", "publish", "ask after_promotion", "hook"),
    ] == told


@pytest.mark.parametrize("position", [BEGUN, AT_STEP, after(IN_STEP, measured())])
def test_a_hook_that_fails_ends_the_rollout_with_its_reason(position: Position) -> None:
    new, effects = step(position, heard(position, False, "hook smoke answered 500"), FROZEN)

    assert (Phase.ROLLING_BACK, "hook smoke answered 500", 0, "") == (new.phase, new.reason, new.weight_bp, new.asking)
    assert ["rolling_back", "publish"] == kinds(effects)


def test_the_hooks_after_a_rollback_are_asked_and_only_recorded() -> None:
    back, told = story(IN_STEP, measured(verdict=BAD), APPLIED)
    rest, more = story(back, heard(back, False, "hook answered 500"))

    assert ["rolling_back", "publish", "rolled_back", "publish", "ask after_rollback", "hook"] == [*told, *more]
    assert (Phase.ROLLED_BACK, "") == (rest.phase, rest.asking)


@pytest.mark.parametrize("key", ["1/0/before_step", "0/0/before_rollout", ""])
def test_an_answer_to_what_nothing_waits_for_changes_nothing(key: str) -> None:
    assert (BEGUN, ()) == step(BEGUN, Heard(key, False, "late"), FROZEN)


@pytest.mark.parametrize("door", ["start", "freeze", "ready"])
@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
def test_nobody_answers_for_a_freeze(door: str, phase: Phase) -> None:
    held = replace(BEGUN, asking=f"1/0/{door}", phase=phase)

    assert (held, ()) == step(held, heard(held), FROZEN)


def test_a_late_answer_to_a_rollout_that_has_ended_changes_nothing() -> None:
    rest = after(BEGUN, said("abort"), APPLIED)

    assert (rest, ()) == step(rest, heard(BEGUN, False), FROZEN)


def test_time_at_a_door_is_the_rollouts_and_not_the_steps() -> None:
    position = after(AT_STEP, measured(60.0, 0))

    assert (60.0, 0.0, Phase.ROLLING_BACK) == (position.elapsed_s, position.step_elapsed_s, after(position, measured(40.0, 0)).phase)


def test_the_guard_is_heard_at_a_door_too() -> None:
    assert Phase.ROLLING_BACK is after(after(IN_STEP, measured()), measured(verdict=BAD)).phase


def test_promote_passes_the_door_whatever_it_waits_for() -> None:
    new, told = story(BEGUN, said("promote"))

    assert (500, ["step", "publish"]) == (new.weight_bp, told)


def test_promote_in_full_still_asks_what_comes_before_a_promotion() -> None:
    new, told = story(IN_STEP, said("promote", full=True))

    assert ("1/2/before_promotion", 500, ["asking", "ask before_promotion"]) == (new.asking, new.weight_bp, told)


def test_what_is_answered_in_a_pause_is_kept_for_the_resume() -> None:
    paused = after(BEGUN, said("pause"))
    kept, told = story(paused, heard(paused))

    assert (Phase.PAUSED, 0, "1/0/before_step") == (kept.phase, kept.weight_bp, kept.asking)
    assert ["hook", "ask before_step"] == told


def test_the_last_hook_answered_in_a_pause_takes_the_weight_at_the_resume() -> None:
    paused = after(AT_STEP, said("pause"))
    new, told = story(after(paused, heard(paused)), said("resume"))

    assert (Phase.PROGRESSING, 500, ["resumed", "publish"]) == (new.phase, new.weight_bp, told)


def test_a_hook_that_fails_in_a_pause_ends_the_rollout() -> None:
    paused = after(BEGUN, said("pause"))

    assert Phase.ROLLING_BACK is after(paused, heard(paused, False)).phase


def test_a_hook_not_answered_in_a_pause_is_asked_again_at_the_resume() -> None:
    assert ["paused", "resumed", "ask before_rollout"] == story(BEGUN, said("pause"), said("resume"))[1]


def test_a_manual_gate_has_no_hooks_before_it() -> None:
    gated = after(NEW, named(plan=replace(PLAN, steps=(GateStep(),), hooks=HOOKS[1:])))

    assert (Phase.PAUSED, "gate", "") == (gated.phase, gated.reason, gated.asking)


@pytest.mark.parametrize(
    ("position", "questions"),
    [
        (BEGUN, (Ask("before_rollout", "1/0/before_rollout"),)),
        (IN_STEP, ()),
        (replace(IN_STEP, asking="1/1/freeze"), ()),
        (after(IN_STEP, said("abort"), APPLIED), (Ask("after_rollback", "1/0/after_rollback"),)),
    ],
)
def test_a_position_knows_what_has_to_be_asked_again_after_a_crash(position: Position, questions: tuple[Ask, ...]) -> None:
    assert questions == open_question(position)


# ---- remote gates ---------------------------------------------------------------------------------------------------------------

REMOTE = RolloutPlan(steps=(WeightStep(500), GateStep("remote", "http://ci/gate"), WeightStep(5000)), deadline_s=100.0)
WAITS = after(NEW, named(plan=REMOTE), measured())


def test_a_remote_gate_keeps_the_weight_and_is_asked() -> None:
    assert (Phase.PROGRESSING, 500, "1/1/gate") == (WAITS.phase, WAITS.weight_bp, WAITS.asking)
    assert ["gate", "ask gate"] == story(after(NEW, named(plan=REMOTE)), measured())[1]


def test_a_remote_gate_that_says_yes_leads_on() -> None:
    new, told = story(WAITS, heard(WAITS))

    assert (2, 5000, "", ["step", "publish"]) == (new.step, new.weight_bp, new.asking, told)


def test_a_remote_gate_that_says_no_is_waited_for() -> None:
    new, told = story(WAITS, heard(WAITS, False, "gate answered 503"))

    assert ("1/1/gate", "gate answered 503", []) == (new.asking, new.reason, told)


def test_time_at_a_remote_gate_counts_for_the_deadline() -> None:
    assert Phase.ROLLING_BACK is after(WAITS, measured(100.0, 0)).phase


def test_a_person_can_pass_a_remote_gate() -> None:
    assert 2 == after(WAITS, said("promote")).step


def test_a_remote_gate_is_asked_again_after_a_pause_and_does_not_open_in_it() -> None:
    paused = after(WAITS, said("pause"))

    assert (paused, ["resumed", "ask gate"]) == (after(paused, heard(paused)), story(paused, said("resume"))[1])


# ---- freezes --------------------------------------------------------------------------------------------------------------------


def frozen(*events: object, at: Position = NEW) -> tuple[Position, list[str]]:
    return story(at, *events, now=FROZEN)  # type: ignore[arg-type]  # they are events


HELD = frozen(named(plan=COLD))[0]


def test_a_rollout_named_in_a_freeze_begins_without_weight() -> None:
    assert (Phase.PROGRESSING, 0, "start") == (HELD.phase, HELD.weight_bp, door_of(HELD))


def test_it_takes_its_first_weight_when_the_freeze_is_over() -> None:
    new, told = story(HELD, measured(1.0, 0), now=THAWED)

    assert (500, ["step", "publish"]) == (new.weight_bp, told)


def test_hooks_are_asked_after_the_freeze_and_not_before() -> None:
    held, told = frozen(named(plan=replace(COLD, hooks=HOOKS)))

    assert ["started", "publish"] == told
    assert ["asking", "ask before_rollout"] == story(held, measured(1.0, 0), now=THAWED)[1]


def test_a_freeze_that_begins_while_hooks_are_asked_is_kept_to() -> None:
    asked = after(NEW, named(plan=replace(COLD, hooks=HOOKS[1:2])))
    ready, told = frozen(heard(asked), at=asked)

    assert ("1/0/ready", 0, ["frozen"]) == (ready.asking, ready.weight_bp, told)
    assert 500 == story(ready, measured(1.0, 0), now=THAWED)[0].weight_bp


def test_a_step_that_is_done_waits_for_the_end_of_the_freeze() -> None:
    running = after(NEW, named(plan=COLD))
    waits, told = frozen(measured(10.0, 5), at=running)

    assert (0, 500, []) == (waits.step, waits.weight_bp, told)
    assert 1 == story(waits, measured(1.0, 0), now=THAWED)[0].step


def test_time_in_which_only_the_freeze_holds_it_is_nobodys() -> None:
    running = after(NEW, named(plan=replace(COLD, deadline_s=100.0)))

    assert Phase.PROGRESSING is frozen(measured(10.0, 5), measured(86_400.0, 0), at=running)[0].phase
    assert 0.0 == frozen(measured(86_400.0, 0), at=HELD)[0].elapsed_s


def test_time_in_which_a_step_is_not_done_counts_in_a_freeze_too() -> None:
    running = after(NEW, named(plan=replace(COLD, deadline_s=100.0)))

    assert Phase.ROLLING_BACK is frozen(measured(100.0, 0), at=running)[0].phase


@pytest.mark.parametrize("event", [measured(verdict=BAD), said("abort"), named("v1", "f1"), said("switch", to="v1", fingerprint="f1")])
def test_no_freeze_is_in_the_way_back(event: object) -> None:
    assert Phase.ROLLING_BACK is frozen(event, at=after(NEW, named(plan=COLD)))[0].phase


def test_going_back_to_what_was_stable_before_is_not_held() -> None:
    promoted = after(NEW, named(plan=COLD), said("promote", full=True), APPLIED)
    back, _ = frozen(named("v1", "f1", plan=COLD), at=promoted)
    undone, _ = frozen(said("undo", to="v1", plan=COLD, fingerprint="f1"), at=promoted)

    assert [500, 500] == [back.weight_bp, undone.weight_bp]


@pytest.mark.parametrize("verb", ["promote", "switch"])
def test_an_operator_is_told_until_when_it_is_frozen(verb: str) -> None:
    command = said(verb, to="v2" if verb == "switch" else "", plan=COLD, fingerprint="f2")
    with pytest.raises(IllegalTransition, match=r"frozen until Mon 00:00 UTC: nothing .* before, unless by force"):
        frozen(command, at=after(NEW, named(plan=COLD)))


def test_a_door_is_recorded_with_the_step_it_leads_to() -> None:
    _, effects = step(IN_STEP, measured(), FROZEN)

    assert isinstance(effects[0], Record)
    assert (1, 500, 500) == tuple(effects[0].figures[name] for name in ("step", "weight_bp_before", "weight_bp"))
