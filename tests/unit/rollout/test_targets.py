"""What the machine does when the configuration names a target, or an operator has named their own."""

from __future__ import annotations

import pytest

from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import RolloutPlan
from proxy.rollout.machine import (
    step,
)
from tests.unit.rollout.positions import (
    ABANDONED,
    APPLIED,
    GATED,
    NEW,
    NOW,
    OWN,
    PAUSED,
    PLAN,
    PROMOTING,
    ROLLED_BACK,
    ROLLING_BACK,
    RUNNING,
    after,
    kinds,
    named,
    said,
)

# ---- the configuration names a target -------------------------------------------------------------------------------------------


def test_with_nothing_remembered_the_target_is_stable_at_once() -> None:
    assert (Phase.STABLE, "v1", "", 0) == (NEW.phase, NEW.stable, NEW.candidate, NEW.weight_bp)


def test_a_new_target_starts_a_rollout_at_its_first_step() -> None:
    position, effects = step(NEW, named(), NOW)

    assert (Phase.PROGRESSING, "v1", "v2", 500, 1, 0) == (
        position.phase,
        position.stable,
        position.candidate,
        position.weight_bp,
        position.rollout,
        position.step,
    )
    assert ["started", "publish"] == kinds(effects)


def test_the_same_target_again_changes_nothing() -> None:
    assert (RUNNING, ()) == step(RUNNING, named(), NOW)


def test_a_reload_with_another_plan_leaves_a_running_rollout_its_own() -> None:
    assert (RUNNING, ()) == step(RUNNING, named(plan=RolloutPlan()), NOW)


@pytest.mark.parametrize("position", [RUNNING, PAUSED, GATED, PROMOTING])
def test_another_target_abandons_the_rollout_and_starts_the_new_one(position: Position) -> None:
    new, effects = step(position, named("v3", "f3"), NOW)

    assert (Phase.PROGRESSING, "v1", "v3", 500, 2) == (new.phase, new.stable, new.candidate, new.weight_bp, new.rollout)
    assert ["abandoned", "started", "publish"] == kinds(effects)


def test_the_abandoned_record_is_about_the_old_rollout_and_the_started_one_about_the_new() -> None:
    _, effects = step(RUNNING, named("v3", "f3"), NOW)

    assert [(1, "v2"), (2, "v3")] == [(e.figures["rollout"], e.figures["to"]) for e in effects if isinstance(e, Record)]


@pytest.mark.parametrize("position", [RUNNING, PAUSED, GATED, PROMOTING])
def test_the_stable_version_named_again_abandons_the_rollout_and_takes_the_candidate_out(position: Position) -> None:
    new, effects = step(position, named("v1", "f1"), NOW)

    assert (Phase.ROLLING_BACK, 0, "the target is v1 again") == (new.phase, new.weight_bp, new.reason)
    assert ["abandoned", "publish"] == kinds(effects)


def test_a_candidate_whose_endpoints_changed_begins_anew_at_the_first_step() -> None:
    later = after(GATED, said("promote"))
    new, effects = step(later, named("v2", "f2-changed"), NOW)

    assert (Phase.PROGRESSING, 0, 500, 2, "f2-changed") == (new.phase, new.step, new.weight_bp, new.rollout, new.fingerprint)
    assert ["abandoned", "started", "publish"] == kinds(effects)


def test_stable_named_in_peace_changes_nothing_but_what_is_known_of_it() -> None:
    new, effects = step(NEW, named("v1", "f1-changed"), NOW)

    assert (Phase.STABLE, "f1-changed", PLAN, ()) == (new.phase, new.fingerprint, new.plan, effects)


def test_a_target_that_was_rolled_back_is_not_tried_again_by_itself() -> None:
    assert (ROLLED_BACK, ()) == step(ROLLED_BACK, named(), NOW)


def test_a_reload_after_a_rollback_brings_the_plan_for_a_retry() -> None:
    assert RolloutPlan() == after(ROLLED_BACK, named(plan=RolloutPlan())).plan


def test_a_rolled_back_target_that_changed_is_tried_again() -> None:
    new, effects = step(ROLLED_BACK, named("v2", "f2-mended"), NOW)

    assert (Phase.PROGRESSING, 2, ["started", "publish"]) == (new.phase, new.rollout, kinds(effects))
    assert isinstance(effects[0], Record)
    assert effects[0].reason.startswith("v2 has changed since it was rolled back")


def test_another_target_after_a_rollback_is_tried() -> None:
    assert (Phase.PROGRESSING, "v3") == (after(ROLLED_BACK, named("v3", "f3")).phase, after(ROLLED_BACK, named("v3", "f3")).candidate)


def test_naming_stable_after_a_rollback_settles_it_so_that_the_same_target_may_be_named_again() -> None:
    settled, effects = step(ROLLED_BACK, named("v1", "f1"), NOW)

    assert (Phase.STABLE, "", ["settled"]) == (settled.phase, settled.candidate, kinds(effects))
    assert Phase.PROGRESSING is after(settled, named()).phase


def test_an_abandoned_rollout_ends_rolled_back_and_its_target_may_be_named_again() -> None:
    assert (Phase.ROLLED_BACK, Phase.PROGRESSING) == (ABANDONED.phase, after(ABANDONED, named()).phase)


def test_an_abandoned_rollout_stays_rolled_back_through_reloads_that_say_nothing_new() -> None:
    assert (Phase.ROLLED_BACK, "v2", ()) == (
        after(ABANDONED, named("v1", "f1")).phase,
        after(ABANDONED, named("v1", "f1")).candidate,
        step(ABANDONED, named("v1", "f1"), NOW)[1],
    )


def test_a_new_target_during_a_rollback_starts_at_once_and_ends_the_old_rollout_in_the_history() -> None:
    new, effects = step(ROLLING_BACK, named("v3", "f3"), NOW)

    assert (Phase.PROGRESSING, "v3", ["rolled_back", "started", "publish"]) == (new.phase, new.candidate, kinds(effects))


def test_stable_named_during_a_rollback_is_remembered_and_changes_nothing_else() -> None:
    new, effects = step(ROLLING_BACK, named("v1", "f1"), NOW)

    assert (Phase.ROLLING_BACK, "v1", ()) == (new.phase, new.target, effects)


# ---- an operator's own target ---------------------------------------------------------------------------------------------------


def test_an_operators_target_is_not_undone_by_a_reload_that_says_nothing_new() -> None:
    assert (Phase.PROGRESSING, "v3", ()) == (OWN.phase, OWN.candidate, step(OWN, named("v1", "f1"), NOW)[1])


def test_an_operators_target_stands_after_its_promotion_too() -> None:
    promoted = after(OWN, said("promote", full=True), APPLIED)

    assert (Phase.STABLE, "v3") == (after(promoted, named("v1", "f1")).phase, after(promoted, named("v1", "f1")).stable)


def test_an_operators_target_ends_when_the_configuration_names_another() -> None:
    assert "v2" == after(OWN, named("v1", "f1"), named("v2", "f2")).candidate


def test_an_operators_target_follows_its_own_versions_changes() -> None:
    heard = named("v1", "f1", versions={"v1": "f1", "v3": "f3-changed"})

    assert ("v3", "f3-changed", 2) == (after(OWN, heard).candidate, after(OWN, heard).fingerprint, after(OWN, heard).rollout)


def test_an_operators_target_ends_when_its_version_is_gone() -> None:
    assert Phase.ROLLING_BACK is after(OWN, named("v1", "f1", versions={"v1": "f1"})).phase
