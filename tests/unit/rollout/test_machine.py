"""The machine, fact by fact; the list of names reads as its manual."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from proxy.errors import OperatorError
from proxy.model.position import Finding, Phase, Position, Record, Verdict
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.model.service import Endpoint, Version
from proxy.rollout.machine import (
    TABLE,
    Applied,
    Command,
    Effect,
    Event,
    EventKind,
    IllegalTransition,
    Measured,
    Publish,
    TargetSet,
    fingerprint,
    initial,
    possible,
    step,
    waiting_for,
)

NOW = 1_700_000_000.0
PLAN = RolloutPlan(steps=(WeightStep(500, for_s=10.0, min_requests=5), GateStep(), WeightStep(5000, for_s=10.0)), deadline_s=100.0)
PASS = Verdict(Finding.PASS, "well", {"log_evidence": -1.0, "threshold": 6.9, "candidate_failures": 0})
BAD = Verdict(Finding.ROLLBACK, "too many failures", {"log_evidence": 8.0, "threshold": 6.9, "candidate_failures": 6})
NEW = initial("shop", "v1", "f1")


def named(target: str = "v2", print_: str = "f2", plan: RolloutPlan = PLAN, **fields: Any) -> TargetSet:
    return TargetSet(target, print_, plan, by="git", **fields)


def measured(dt_s: float = 1.0, requests: int = 1, verdict: Verdict = PASS) -> Measured:
    return Measured(dt_s, requests, verdict)


def said(verb: Any, **fields: Any) -> Command:
    return Command(verb, "ann", **fields)


def after(position: Position, *events: Event) -> Position:
    for event in events:
        position, _ = step(position, event, NOW)
    return position


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    return [effect.kind if isinstance(effect, Record) else "publish" for effect in effects]


APPLIED = Applied(17, 0.01)
RUNNING = after(NEW, named())
GATED = after(RUNNING, measured(10.0, 5))
PAUSED = after(RUNNING, said("pause"))
PROMOTING = after(RUNNING, said("promote", full=True))
ROLLING_BACK = after(RUNNING, measured(verdict=BAD))
ROLLED_BACK = after(ROLLING_BACK, APPLIED)
ABANDONED = after(RUNNING, named("v1", "f1"), APPLIED)


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

OWN = after(NEW, said("start", to="v3", plan=PLAN, fingerprint="f3"))


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


# ---- pauses ---------------------------------------------------------------------------------------------------------------------


def alarm(evidence: float) -> Measured:
    return measured(10.0, 5, Verdict(Finding.PAUSE, "too many failures", {"log_evidence": evidence, "threshold": 6.9}))


def test_a_pause_verdict_keeps_the_weight_and_publishes_nothing() -> None:
    new, effects = step(RUNNING, alarm(7.0), NOW)

    assert (Phase.PAUSED, 500, ["paused"]) == (new.phase, new.weight_bp, kinds(effects))


def test_a_pause_of_the_guard_is_recorded_once() -> None:
    assert () == step(after(RUNNING, alarm(7.0)), alarm(7.5), NOW)[1]


def test_the_guard_speaks_up_at_a_gate_too() -> None:
    new, effects = step(GATED, alarm(7.0), NOW)

    assert ("too many failures", ["paused"]) == (new.reason, kinds(effects))


def test_a_resume_overrules_the_guard_and_steps_go_on() -> None:
    resumed = after(RUNNING, alarm(7.0), said("resume"))

    assert (Phase.PROGRESSING, 1) == (resumed.phase, after(resumed, alarm(7.0)).step)


def test_the_guard_pauses_again_when_the_evidence_has_grown_by_another_alpha() -> None:
    resumed = after(RUNNING, alarm(7.0), said("resume"))

    assert ["paused"] == kinds(step(resumed, alarm(13.9), NOW)[1])


def test_what_was_seen_during_the_pause_is_overruled_with_it() -> None:
    resumed = after(RUNNING, alarm(7.0), alarm(13.0), said("resume"))

    assert (13.0, ["gate"]) == (resumed.guard_floor, kinds(step(resumed, alarm(19.0), NOW)[1]))


def test_a_new_rollout_begins_with_the_guard_at_its_full_say() -> None:
    assert 0.0 == after(RUNNING, alarm(7.0), named("v3", "f3")).guard_floor


def test_a_pause_verdict_without_evidence_pauses_while_progressing_and_is_recorded_once() -> None:
    plain = measured(verdict=Verdict(Finding.PAUSE, "somebody's check"))
    new, effects = step(RUNNING, plain, NOW)

    assert (["paused"], ()) == (kinds(effects), step(new, plain, NOW)[1])


def test_a_promotion_that_was_decided_is_not_paused() -> None:
    assert (PROMOTING, ()) == step(PROMOTING, alarm(7.0), NOW)


@pytest.mark.parametrize("position", [PAUSED, GATED])
def test_while_a_person_holds_it_no_time_and_no_request_counts(position: Position) -> None:
    assert (position, ()) == step(position, measured(1000.0, 1000), NOW)


def test_a_resumed_step_goes_on_where_it_was() -> None:
    new = after(RUNNING, measured(4.0, 3), said("pause"), measured(60.0, 60), said("resume"))

    assert (Phase.PROGRESSING, 4.0, 3) == (new.phase, new.step_elapsed_s, new.step_requests)


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


# ---- an operator's verbs --------------------------------------------------------------------------------------------------------


def test_start_takes_the_plan_and_the_fingerprint_it_is_given() -> None:
    assert ("v3", "f3", PLAN, "v1") == (OWN.candidate, OWN.fingerprint, OWN.plan, OWN.configured)


def test_start_of_another_version_abandons_the_rollout_under_way() -> None:
    new, effects = step(RUNNING, said("start", to="v3", plan=PLAN, fingerprint="f3"), NOW)

    assert ("v3", ["abandoned", "started", "publish"]) == (new.candidate, kinds(effects))


def test_start_of_the_refused_version_is_a_retry() -> None:
    assert (Phase.PROGRESSING, 2) == (
        after(ROLLED_BACK, said("start", to="v2", plan=PLAN, fingerprint="f2")).phase,
        after(ROLLED_BACK, said("start", to="v2", plan=PLAN, fingerprint="f2")).rollout,
    )


def test_start_during_the_rollback_of_the_same_version_tries_it_again() -> None:
    assert Phase.PROGRESSING is after(ROLLING_BACK, said("start", to="v2", plan=PLAN, fingerprint="f2")).phase


def test_promote_goes_to_the_next_step() -> None:
    assert (Phase.PAUSED, 1) == (after(RUNNING, said("promote")).phase, after(RUNNING, said("promote")).step)


def test_promote_passes_a_gate() -> None:
    new, effects = step(GATED, said("promote"), NOW)

    assert (Phase.PROGRESSING, 2, 5000, ["step", "publish"]) == (new.phase, new.step, new.weight_bp, kinds(effects))


@pytest.mark.parametrize("position", [RUNNING, PAUSED, GATED])
def test_promote_in_full_skips_all_that_is_left(position: Position) -> None:
    new, effects = step(position, said("promote", full=True), NOW)

    assert (Phase.PROMOTING, 10_000, ["promoting", "publish"]) == (new.phase, new.weight_bp, kinds(effects))


@pytest.mark.parametrize("position", [RUNNING, PAUSED, GATED, PROMOTING])
def test_abort_takes_the_candidate_out_and_records_who_and_why(position: Position) -> None:
    new, effects = step(position, said("abort", reason="wrong prices"), NOW)

    assert isinstance(effects[0], Record)
    assert (Phase.ROLLING_BACK, 0, "wrong prices", "ann") == (new.phase, new.weight_bp, effects[0].reason, effects[0].by)


def test_verbs_without_a_reason_name_who_said_them() -> None:
    assert ("paused by ann", "aborted by ann") == (PAUSED.reason, after(RUNNING, said("abort")).reason)


def test_retry_begins_anew_with_the_present_plan_when_it_is_given() -> None:
    new, effects = step(ROLLED_BACK, said("retry", plan=RolloutPlan(), fingerprint="f2-new"), NOW)

    assert (Phase.PROGRESSING, 2, RolloutPlan(), "f2-new") == (new.phase, new.rollout, new.plan, new.fingerprint)
    assert ["started", "publish"] == kinds(effects)


def test_retry_without_a_plan_uses_the_one_it_was_tried_with() -> None:
    assert (PLAN, "f2") == (after(ROLLED_BACK, said("retry")).plan, after(ROLLED_BACK, said("retry")).fingerprint)


START_V2 = said("start", to="v2", plan=PLAN, fingerprint="f2")


@pytest.mark.parametrize(
    ("position", "event", "text"),
    [
        (NEW, said("promote"), "shop: cannot promote while it is stable; possible now: start"),
        (ROLLED_BACK, said("abort"), "shop: cannot abort while it is rolled_back; possible now: start, retry"),
        (PAUSED, said("pause"), "shop: cannot pause while it is paused; possible now: start, promote, resume, abort"),
        (PROMOTING, said("promote"), "shop: cannot promote while it is promoting; possible now: start, abort"),
        (ROLLING_BACK, said("retry"), "shop: cannot retry while it is rolling_back; possible now: start"),
        (GATED, said("resume"), "shop: it waits at the gate after step 1, which promote passes; possible now: start, promote, abort"),
        (NEW, said("start", to="v1"), "shop: v1 is stable already; possible now: start"),
        (RUNNING, START_V2, "shop: a rollout to v2 is under way; possible now: start, promote, pause, abort"),
        (ABANDONED, said("retry"), "shop: nothing to retry: the target is v1, which is stable; possible now: start"),
        (replace(NEW, phase=Phase.SHADOWING), measured(), "shop: measured means nothing while it is shadowing; possible now: nothing"),
    ],
)  # fmt: skip
def test_what_is_not_possible_is_refused_with_what_is(position: Position, event: Event, text: str) -> None:
    with pytest.raises(IllegalTransition) as refused:
        step(position, event, NOW)

    assert text == str(refused.value)


def test_a_refusal_is_the_operators_to_read() -> None:
    assert issubclass(IllegalTransition, OperatorError)


# ---- the table, time and words --------------------------------------------------------------------------------------------------


def test_the_configuration_the_loop_and_the_workers_are_heard_in_every_phase_that_is_reached() -> None:
    reached = {phase for phase, _ in TABLE}
    always = (EventKind.TARGET_SET, EventKind.MEASURED, EventKind.APPLIED)

    assert [] == [(phase, kind) for phase in reached for kind in always if (phase, kind) not in TABLE]


def test_the_verbs_of_a_phase_come_in_the_order_they_are_offered() -> None:
    assert ["start", "promote", "pause", "abort"] == possible(Phase.PROGRESSING)


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
    ],
)
def test_a_fingerprint_changes_with_endpoints_and_labels(changed: Version) -> None:
    assert fingerprint(Version("v2", (Endpoint("127.0.0.1", 9001),), (("commit", "a"),))) != fingerprint(changed)


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (NEW, "another target"),
        (RUNNING, "no candidate requests yet, and 0 s of 10 s"),
        (replace(RUNNING, step_requests=5, step_elapsed_s=10.0), "the guard"),
        (GATED, "a person: gate after step 1"),
        (PAUSED, "a person: paused by ann"),
        (PROMOTING, "every worker's acknowledgement"),
        (ROLLING_BACK, "every worker's acknowledgement"),
        (ROLLED_BACK, "another target, a change of v2, or retry"),
    ],
)
def test_every_phase_says_what_it_waits_for(position: Position, text: str) -> None:
    assert text == waiting_for(position, 1.0)


def test_the_outcome_of_a_move_is_checked_against_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    key = (Phase.STABLE, EventKind.APPLIED)
    monkeypatch.setitem(TABLE, key, TABLE[key]._replace(to=()))

    with pytest.raises(AssertionError):
        step(NEW, APPLIED, NOW)


def test_publish_is_always_the_last_effect() -> None:
    _, effects = step(RUNNING, named("v3", "f3"), NOW)

    assert [False, False, True] == [isinstance(effect, Publish) for effect in effects]
