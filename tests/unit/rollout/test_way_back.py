"""A rolling rollout on its way back, and while a person holds it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.model.position import Phase
from proxy.model.rollout import Rolling
from proxy.rollout.batches import HOOK_AGAIN_S
from proxy.rollout.events import Event, Measured
from tests.unit.rollout.fleet import HOOK, PLAN, Fleet
from tests.unit.rollout.positions import APPLIED, BAD, PASS, heard, named, said

HOOKED = replace(PLAN, hooks=HOOK)


# ---- back -----------------------------------------------------------------------------------------------------------------------


def test_with_addresses_of_its_own_everything_goes_back_at_once() -> None:
    fleet = Fleet("abc", "xyz", HOOKED)
    fleet.batch()
    position = fleet.look(1.0, BAD)

    assert (Phase.ROLLING_BACK, 0, (["a", "b", "c"], [])) == (position.phase, position.weight_bp, fleet.serving())
    assert Phase.ROLLED_BACK is fleet.enter(APPLIED).phase


def test_instances_replaced_in_their_places_go_back_one_batch_at_a_time() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.batch()
    fleet.look(1.0, BAD)
    fleet.told.clear()
    weights = [fleet.position.weight_bp]
    fleet.until("hook")
    weights.append(fleet.position.weight_bp)
    position = fleet.to_the_end()

    assert (Phase.ROLLED_BACK, "v1", 0, [6667, 5000]) == (position.phase, position.stable, position.moved, weights)
    assert ["ask before_step", "ask before_step"] == [told for told in fleet.told if told.startswith("ask ")]


def test_on_the_way_back_capacity_does_not_fall_either() -> None:
    fleet = Fleet("abcd", "abcd", HOOKED)
    for _ in range(3):
        fleet.batch()
    fleet.fewest = 4
    fleet.look(1.0, BAD)
    fleet.to_the_end()

    assert 3 == fleet.fewest


def test_acknowledgements_on_the_way_back_do_not_end_it() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.look(1.0, BAD)

    assert Phase.ROLLING_BACK is fleet.enter(APPLIED).phase


def test_a_hook_that_fails_on_the_way_back_is_asked_again() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.look(1.0, BAD)
    fleet.until("hook")
    fleet.enter(heard(fleet.position, False, "hook answered 500"))
    fleet.told.clear()
    fleet.look(HOOK_AGAIN_S - 0.1)
    assert [] == fleet.told
    fleet.look(0.1)

    assert ["asking", "ask before_step"] == fleet.told


def test_a_hook_that_fails_on_the_way_forward_leads_back() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.until("hook")
    fleet.enter(heard(fleet.position, False))

    assert (Phase.ROLLED_BACK, 0) == (fleet.to_the_end().phase, fleet.position.moved)


def test_the_way_back_waits_for_workers_hooks_and_health_too() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.look(1.0, BAD)
    parts = [fleet.enter(Measured(1.0, 0, PASS)).part, fleet.until("hook").part, fleet.look().part]
    fleet.ill.add(("v1", "a"))
    parts += [fleet.enter(heard(fleet.position)).part, fleet.look(1000.0).part]
    fleet.ill.clear()
    fleet.look(10.0)

    assert (["", "hook", "hook", "ready", "ready"], 0, 0) == (parts, fleet.position.moved, fleet.position.moving)


def test_switching_to_stable_goes_back_the_same_way() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.enter(said("switch", to="v1", fingerprint="f1"))

    assert (Phase.ROLLING_BACK, 1, "switched by ann") == (fleet.position.phase, fleet.position.moved, fleet.position.reason)


def test_another_target_on_the_way_back_begins_from_stable() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.look(1.0, BAD)
    position = fleet.enter(named("v3", "f3", plan=HOOKED))

    assert (Phase.PROGRESSING, "v3", 0, "") == (position.phase, position.candidate, position.moved, position.part)


@pytest.mark.parametrize("event", [said("abort"), Measured(1.0, 1, BAD), said("switch", to="v1", fingerprint="f1"), named("v1", "f1")])
def test_a_promotion_of_instances_replaced_in_their_places_goes_back_as_it_came(event: Event) -> None:
    fleet = Fleet(plan=HOOKED)
    while fleet.position.phase is not Phase.PROMOTING:
        fleet.enter(heard(fleet.position)) if fleet.position.asking else fleet.look()
    fleet.told.clear()
    fleet.enter(event)
    back = (fleet.position.phase, fleet.position.moved, fleet.position.weight_bp, fleet.enter(APPLIED).phase)

    assert (Phase.ROLLING_BACK, 3, 10_000, Phase.ROLLING_BACK) == back
    assert (Phase.ROLLED_BACK, 3) == (fleet.to_the_end().phase, fleet.told.count("ask before_step"))


@pytest.mark.parametrize("part", ["", "draining", "hook", "ready"])
def test_a_candidate_that_has_left_the_configuration_ends_the_way_back(part: str) -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.batch()
    fleet.batch()
    fleet.look(1.0, BAD)
    while fleet.position.part != part:
        fleet.enter(heard(fleet.position)) if fleet.position.asking else fleet.look()
    fleet.candidate = ()
    fleet.told.clear()
    fleet.look()
    position = fleet.to_the_end()

    assert (Phase.ROLLED_BACK, "v1", 0, 0, 0, "") == (
        *(position.phase, position.stable, position.weight_bp),
        *(position.moved, position.moving, position.asking),
    )
    assert ["step", "publish", "rolled_back", "publish"] == fleet.told


# ---- pauses ---------------------------------------------------------------------------------------------------------------------


def test_hooks_that_answer_in_a_pause_are_remembered() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.until("hook")
    fleet.enter(said("pause"))
    position = fleet.enter(heard(fleet.position))

    assert (Phase.PAUSED, "ready", "") == (position.phase, position.part, position.asking)


def test_hooks_not_answered_in_a_pause_are_asked_again() -> None:
    fleet = Fleet(plan=HOOKED)
    fleet.until("hook")
    fleet.enter(said("pause"))
    fleet.told.clear()
    fleet.enter(said("resume"))

    assert ["resumed", "ask before_step"] == fleet.told


def test_slow_start_is_none_when_nobody_else_could_carry_the_rest() -> None:
    fleet = Fleet("a", "x", replace(PLAN, rolling=Rolling(slow_start_s=60.0, min_ready_s=1.0)))
    fleet.until("ready")

    assert (10_000, 1) == (fleet.look().weight_bp, fleet.position.moved)
