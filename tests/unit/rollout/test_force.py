"""What ``--force`` does to a freeze: it overrules it for all that the command sets out for, and for nothing after that."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import FreezeWindow, Hook, RolloutPlan, WeightStep
from proxy.rollout.entering import door_of, open_question
from proxy.rollout.events import Command
from proxy.rollout.machine import IllegalTransition, step
from tests.unit.rollout.fleet import PLAN, Fleet
from tests.unit.rollout.positions import NEW, ROLLED_BACK, after, heard, measured, named, said, story

HOOKS = tuple(Hook(on, f"http://ci/{on}") for on in ("before_rollout", "before_step", "before_promotion"))  # type: ignore[arg-type]  # they are points
SATURDAY = datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()
WEEKEND = (FreezeWindow(5 * 1440, 0),)
COLD = RolloutPlan(steps=(WeightStep(500), WeightStep(5000)), freeze=WEEKEND)
COLD_FLEET = replace(PLAN, freeze=WEEKEND)
LAST_HOOK = replace(COLD_FLEET, hooks=HOOKS[2:])


def frozen(*events: object, at: Position = NEW) -> tuple[Position, list[str]]:
    return story(at, *events, now=SATURDAY)  # type: ignore[arg-type]  # they are events


@pytest.mark.parametrize(
    ("event", "weight_bp"),
    [
        (said("promote", force=True), 5000),
        (said("switch", to="v2", plan=COLD, fingerprint="f2", force=True), 10_000),
        (said("start", to="v3", plan=COLD, fingerprint="f3", force=True), 500),
    ],
)
def test_force_overrules_a_freeze(event: object, weight_bp: int) -> None:
    assert weight_bp == frozen(event, at=after(NEW, named(plan=COLD)))[0].weight_bp


@pytest.mark.parametrize("verb", ["promote", "switch", "start"])
def test_a_freeze_that_was_overruled_is_in_the_history(verb: str) -> None:
    command = said(verb, to="v3", plan=COLD, fingerprint="f3", force=True)
    records = [effect for effect in step(after(NEW, named(plan=COLD)), command, SATURDAY)[1] if isinstance(effect, Record)]

    assert ", by force, although it is frozen until Mon 00:00 UTC" in records[-1].reason


@pytest.mark.parametrize(
    ("begun", "command", "where"),
    [
        (after(NEW, named(plan=COLD)), said("promote", force=True), (Phase.PROGRESSING, 1, 5000)),
        (NEW, said("start", to="v2", plan=COLD, fingerprint="f2", force=True), (Phase.PROGRESSING, 0, 500)),
        (ROLLED_BACK, said("retry", plan=COLD, force=True), (Phase.PROGRESSING, 0, 500)),
        (after(NEW, named(plan=COLD)), said("promote", full=True, force=True), (Phase.PROMOTING, 2, 10_000)),
    ],
    ids=lambda value: value.verb if isinstance(value, Command) else "",
)
@pytest.mark.parametrize("through", ["at once", "a pause", "a crash"])
def test_force_holds_for_all_that_the_command_sets_out_for(
    begun: Position, command: Command, where: tuple[Phase, int, int], through: str
) -> None:
    hooked = replace(COLD, hooks=HOOKS)
    command = replace(command, plan=hooked)
    position, _ = frozen(command, at=replace(begun, plan=hooked))
    while open_question(position):
        if through == "a crash":
            position = msgspec.json.decode(msgspec.json.encode(position), type=Position)
        if through == "a pause":
            position, _ = frozen(said("pause"), heard(position), said("resume"), at=position)
        else:
            position, _ = frozen(heard(position), at=position)

    assert where == (position.phase, position.step, position.weight_bp)


def test_force_is_for_the_step_that_was_set_out_for_and_not_for_the_next() -> None:
    forced, _ = frozen(said("start", to="v2", plan=COLD, fingerprint="f2", force=True))
    held, told = frozen(measured(10.0, 5), at=forced)

    assert (0, 500, []) == (held.step, held.weight_bp, told)
    with pytest.raises(IllegalTransition, match="frozen until Mon 00:00 UTC"):
        frozen(said("promote"), at=held)


def test_force_when_nothing_was_frozen_overrules_no_freeze_that_begins_later() -> None:
    asked = after(NEW, said("start", to="v2", plan=replace(COLD, hooks=HOOKS[1:2]), fingerprint="f2", force=True))

    assert "ready" == door_of(frozen(heard(asked), at=asked)[0])


# ---- batches --------------------------------------------------------------------------------------------------------------------


def test_promote_by_force_begins_the_next_batch_in_a_freeze_and_no_other() -> None:
    fleet = Fleet(plan=COLD_FLEET)
    fleet.until("draining")
    fleet.now = SATURDAY
    fleet.batch()
    with pytest.raises(IllegalTransition, match="frozen until Mon 00:00 UTC"):
        fleet.enter(said("promote"))
    fleet.enter(said("promote", force=True))
    fleet.batch()
    fleet.look(1000.0)

    assert (2, "") == (fleet.position.moved, fleet.position.part)


def test_start_by_force_in_a_freeze_begins_the_first_batch() -> None:
    fleet = Fleet()
    fleet.now = SATURDAY
    hooked = replace(COLD_FLEET, hooks=HOOKS[:1])
    fleet.enter(said("start", to="v3", plan=hooked, fingerprint="f3", force=True))
    fleet.enter(heard(fleet.position))
    fleet.batch()
    fleet.look(1000.0)

    assert (1, "") == (fleet.position.moved, fleet.position.part)


def test_promote_by_force_after_the_last_batch_goes_through_to_the_promotion() -> None:
    fleet = Fleet("ab", "ab", LAST_HOOK)
    fleet.batch()
    fleet.until("draining")
    fleet.now = SATURDAY
    fleet.batch()
    fleet.look()
    fleet.enter(said("promote", force=True))
    fleet.look()

    assert Phase.PROMOTING is fleet.enter(heard(fleet.position)).phase


@pytest.mark.parametrize("door", ["freeze", "ready"])
def test_promote_by_force_passes_a_freeze_that_a_promotion_waits_for(door: str) -> None:
    fleet = Fleet("a", "a", LAST_HOOK)
    fleet.batch()
    fleet.look()
    fleet.now = SATURDAY
    fleet.enter(heard(fleet.position))
    fleet.position = replace(fleet.position, asking=f"1/{fleet.position.step}/{door}")

    assert Phase.PROMOTING is fleet.enter(said("promote", force=True)).phase
