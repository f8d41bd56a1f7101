"""The machine, fact by fact: measurements, acknowledgements, its table. Targets, pauses and verbs have their own files."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.model.position import Finding, Phase, Position, Record, Verdict
from proxy.model.rollout import RolloutPlan, WeightStep
from proxy.model.service import Endpoint, Version
from proxy.rollout.machine import (
    TABLE,
    Applied,
    EventKind,
    Publish,
    fingerprint,
    possible,
    step,
)
from tests.unit.rollout.positions import (
    APPLIED,
    BAD,
    GATED,
    NEW,
    NOW,
    PAUSED,
    PLAN,
    PROMOTING,
    ROLLED_BACK,
    ROLLING_BACK,
    RUNNING,
    after,
    kinds,
    measured,
    named,
    said,
)

# ---- the control loop has measured ----------------------------------------------------------------------------------------------


def test_observed_time_and_requests_add_up() -> None:
    new = after(RUNNING, measured(1.5, 2), measured(0.5, 1))

    assert (2.0, 3, 2.0) == (new.step_elapsed_s, new.step_requests, new.elapsed_s)


def test_a_rollback_verdict_takes_all_weight_and_records_every_figure_first() -> None:
    new, effects = step(RUNNING, measured(verdict=BAD), NOW)

    assert (Phase.ROLLING_BACK, 0, ["rolling_back", "publish"]) == (new.phase, new.weight_bp, kinds(effects))
    assert isinstance(effects[0], Record)
    assert BAD.figures.items() <= effects[0].figures.items()


@pytest.mark.parametrize("position", [PAUSED, GATED, PROMOTING])
def test_the_guard_is_heard_wherever_the_candidate_has_weight(position: Position) -> None:
    assert Phase.ROLLING_BACK is after(position, measured(verdict=BAD)).phase


@pytest.mark.parametrize("position", [NEW, ROLLING_BACK, ROLLED_BACK])
def test_late_counts_change_nothing(position: Position) -> None:
    assert (position, ()) == step(position, measured(verdict=BAD), NOW)


def test_a_step_does_not_end_before_its_time() -> None:
    assert 0 == after(RUNNING, measured(9.9, 500)).step


def test_a_step_does_not_end_before_its_minimum_of_requests() -> None:
    assert 0 == after(RUNNING, measured(99.0, 4)).step


def test_a_step_that_is_done_leads_to_the_next_in_the_plan() -> None:
    assert (Phase.PAUSED, "gate", 1, 500) == (GATED.phase, GATED.reason, GATED.step, GATED.weight_bp)


def test_a_new_weight_is_recorded_then_published() -> None:
    plan = RolloutPlan(steps=(WeightStep(500), WeightStep(5000)))
    new, effects = step(after(NEW, named(plan=plan)), measured(), NOW)

    assert (5000, ["step", "publish"]) == (new.weight_bp, kinds(effects))


def test_after_the_last_step_comes_promotion_with_everything() -> None:
    new, effects = step(after(GATED, said("promote")), measured(10.0), NOW)

    assert (Phase.PROMOTING, 10_000, ["promoting", "publish"]) == (new.phase, new.weight_bp, kinds(effects))


def test_a_plan_without_steps_promotes_at_once() -> None:
    new, effects = step(NEW, named(plan=RolloutPlan(steps=())), NOW)

    assert (Phase.PROMOTING, 10_000, ["started", "publish"]) == (new.phase, new.weight_bp, kinds(effects))


@pytest.mark.parametrize(("failures", "ended"), [(0, True), (2, False)])
def test_a_guard_that_holds_lets_a_step_end_only_without_failures(failures: int, ended: bool) -> None:
    hold = Verdict(Finding.HOLD, "cannot say", {"candidate_failures": failures})

    assert ended is (1 == after(RUNNING, measured(10.0, 5, hold)).step)


def test_an_hour_without_a_candidate_request_ends_no_step() -> None:
    position = after(NEW, named(plan=RolloutPlan(steps=(WeightStep(500),))))

    assert Phase.PROGRESSING is after(position, measured(3600.0, 0)).phase


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(AssertionError):
        step(RUNNING, measured(-0.1), NOW)


def test_requests_are_not_taken_back() -> None:
    with pytest.raises(AssertionError):
        step(RUNNING, measured(requests=-1), NOW)


# ---- the deadline ---------------------------------------------------------------------------------------------------------------


def test_at_the_deadline_it_rolls_back() -> None:
    new = after(RUNNING, measured(99.0, 0), measured(1.0, 0))

    assert (Phase.ROLLING_BACK, "not promoted within 1m40s") == (new.phase, new.reason)


def test_a_deadline_may_pause_and_after_a_resume_it_has_had_its_say() -> None:
    plan = replace(PLAN, on_deadline="pause")
    paused = after(NEW, named(plan=plan), measured(100.0, 0))

    assert (Phase.PAUSED, Phase.PROGRESSING) == (paused.phase, after(paused, said("resume"), measured(1.0, 0)).phase)


def test_without_a_deadline_it_waits_for_ever() -> None:
    assert Phase.PROGRESSING is after(NEW, named(plan=replace(PLAN, deadline_s=0.0)), measured(1e9, 0)).phase


# ---- every worker serves what was asked for -------------------------------------------------------------------------------------


def test_a_promotion_that_every_worker_acknowledged_makes_the_candidate_stable() -> None:
    new, effects = step(PROMOTING, APPLIED, NOW)

    assert (Phase.STABLE, "v2", "", 0) == (new.phase, new.stable, new.candidate, new.weight_bp)
    assert ["promoted", "publish"] == kinds(effects)


def test_a_rollback_that_every_worker_acknowledged_is_recorded_with_the_time_it_took() -> None:
    new, effects = step(ROLLING_BACK, Applied(18, 0.25), NOW + 2)

    assert isinstance(effects[0], Record)
    assert (Phase.ROLLED_BACK, 0.25, 2.0) == (new.phase, effects[0].figures["took_s"], effects[0].figures["since_decision_s"])


@pytest.mark.parametrize("position", [NEW, RUNNING, PAUSED, GATED, ROLLED_BACK])
def test_other_acknowledgements_change_nothing(position: Position) -> None:
    assert (position, ()) == step(position, APPLIED, NOW)


# ---- the table, time and words --------------------------------------------------------------------------------------------------


def test_the_configuration_the_loop_and_the_workers_are_heard_in_every_phase_that_is_reached() -> None:
    reached = {phase for phase, _ in TABLE}
    always = (EventKind.TARGET_SET, EventKind.MEASURED, EventKind.APPLIED)

    assert [] == [(phase, kind) for phase in reached for kind in always if (phase, kind) not in TABLE]


def test_the_verbs_of_a_phase_come_in_the_order_they_are_offered() -> None:
    assert ["start", "promote", "pause", "abort", "switch"] == possible(Phase.PROGRESSING)


def test_the_time_of_the_last_change_is_kept_and_progress_does_not_move_it() -> None:
    later, _ = step(RUNNING, measured(), NOW + 5)
    changed, _ = step(RUNNING, measured(10.0, 5), NOW + 10)

    assert (NOW, NOW + 10) == (later.since_s, changed.since_s)


def test_a_fingerprint_does_not_depend_on_the_order_of_endpoints_or_labels() -> None:
    a, b = Endpoint("127.0.0.1", 9001), Endpoint("127.0.0.1", 9002)

    assert fingerprint(Version("v2", (a, b), (("x", "1"), ("y", "2")))) == fingerprint(Version("v9", (b, a), (("y", "2"), ("x", "1"))))


@pytest.mark.parametrize(
    "changed",
    [
        Version("v2", (Endpoint("127.0.0.1", 9002),), (("commit", "a"),)),
        Version("v2", (Endpoint("127.0.0.1", 9001),), (("commit", "b"),)),
        Version("v2", (Endpoint(unix="/run/v2"),), (("commit", "a"),)),
        Version("v2", (Endpoint("127.0.0.1", 9001, tls=True),), (("commit", "a"),)),
    ],
)
def test_a_fingerprint_changes_with_endpoints_and_labels(changed: Version) -> None:
    assert fingerprint(Version("v2", (Endpoint("127.0.0.1", 9001),), (("commit", "a"),))) != fingerprint(changed)


def test_the_outcome_of_a_move_is_checked_against_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    key = (Phase.STABLE, EventKind.APPLIED)
    monkeypatch.setitem(TABLE, key, TABLE[key]._replace(to=()))

    with pytest.raises(AssertionError):
        step(NEW, APPLIED, NOW)


def test_publish_is_always_the_last_effect() -> None:
    _, effects = step(RUNNING, named("v3", "f3"), NOW)

    assert [False, False, True] == [isinstance(effect, Publish) for effect in effects]
