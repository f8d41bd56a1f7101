"""What an operator can say, what it does, and who holds a paused rollout."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from proxy import limits
from proxy.errors import OperatorError
from proxy.model.position import Finding, Phase, Position, Record, Verdict
from proxy.model.rollout import RolloutPlan
from proxy.rollout.machine import (
    Command,
    Event,
    IllegalTransition,
    Measured,
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
    measured,
    named,
    said,
    story,
)

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
    warm = replace(position, warmed_s=limits.WARM_UP_S)

    assert (warm, ()) == step(position, measured(1000.0, 1000), NOW)


def test_a_resumed_step_goes_on_where_it_was() -> None:
    new = after(RUNNING, measured(4.0, 3), said("pause"), measured(60.0, 60), said("resume"))

    assert (Phase.PROGRESSING, 4.0, 3) == (new.phase, new.step_elapsed_s, new.step_requests)


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


HELD = "possible now: start, promote, abort, switch"
START_V2 = said("start", to="v2", plan=PLAN, fingerprint="f2")


@pytest.mark.parametrize(
    ("position", "event", "text"),
    [
        (NEW, said("promote"), "shop: cannot promote while it is stable; possible now: start, switch, undo"),
        (ROLLED_BACK, said("abort"), "shop: cannot abort while it is rolled_back; possible now: start, retry, switch, undo"),
        (PAUSED, said("pause"), "shop: cannot pause while it is paused; possible now: start, promote, resume, abort, switch"),
        (NEW, said("measured"), "shop: 'measured' is nothing that can be said to a rollout; possible now: start, switch, undo"),
        (PROMOTING, said("promote"), "shop: cannot promote while it is promoting; possible now: start, abort, switch"),
        (ROLLING_BACK, said("retry"), "shop: cannot retry while it is rolling_back; possible now: start, switch"),
        (GATED, said("resume"), "shop: it waits at the gate after step 1, which promote passes; " + HELD),
        (NEW, said("start", to="v1"), "shop: v1 is stable already; possible now: start, switch, undo"),
        (RUNNING, START_V2, "shop: a rollout to v2 is under way; possible now: start, promote, pause, abort, switch"),
        (ABANDONED, said("retry"), "shop: nothing to retry: the target is v1, which is stable; possible now: start, switch, undo"),
        (RUNNING, said("undo"), "shop: cannot undo while it is progressing; possible now: start, promote, pause, abort, switch"),
    ],
)  # fmt: skip
def test_what_is_not_possible_is_refused_with_what_is(position: Position, event: Event, text: str) -> None:
    with pytest.raises(IllegalTransition) as refused:
        step(position, event, NOW)

    assert text == str(refused.value)


def test_a_refusal_is_the_operators_to_read() -> None:
    assert issubclass(IllegalTransition, OperatorError)


# ---- switch and undo ------------------------------------------------------------------------------------------------------------


def to(verb: str, version: str, **fields: Any) -> Command:
    return said(verb, to=version, plan=PLAN, fingerprint="f" + version[1:], **fields)


PROMOTED = after(PROMOTING, APPLIED)
YOUNG, OLD = NOW + 600.0, NOW + 600.1


def test_switch_gives_everything_at_once_and_together_and_then_it_is_stable() -> None:
    new, told = story(NEW, to("switch", "v2"), APPLIED)

    assert (Phase.STABLE, "v2", "v1", 1) == (new.phase, new.stable, new.previous, new.rollout)
    assert ["switching", "publish together", "promoted", "publish"] == told


@pytest.mark.parametrize("position", [RUNNING, PAUSED, GATED])
def test_switch_to_the_candidate_ends_its_rollout_at_once(position: Position) -> None:
    new, told = story(position, to("switch", "v2"))

    assert (Phase.PROMOTING, 10_000, 1, ["switching", "publish together"]) == (new.phase, new.weight_bp, new.rollout, told)


@pytest.mark.parametrize("position", [RUNNING, PAUSED, GATED, PROMOTING])
def test_switch_to_stable_is_a_rollback_together(position: Position) -> None:
    new, told = story(position, to("switch", "v1"))

    assert (Phase.ROLLING_BACK, 0, "v1", ["rolling_back", "publish together"]) == (new.phase, new.weight_bp, new.target, told)


def test_switch_to_another_version_leaves_the_rollout_under_way() -> None:
    new, told = story(RUNNING, to("switch", "v3"))

    assert ("v3", 2, ["abandoned", "switching", "publish together"]) == (new.candidate, new.rollout, told)


def test_switch_to_a_version_that_is_being_rolled_back_is_another_rollout() -> None:
    new, told = story(ROLLING_BACK, to("switch", "v2"))

    assert (Phase.PROMOTING, 2, ["rolled_back", "switching", "publish together"]) == (new.phase, new.rollout, told)


def test_where_it_was_switched_to_stands_until_the_configuration_names_another() -> None:
    switched = after(NEW, to("switch", "v3"), APPLIED)

    assert ("v3", []) == (after(switched, named("v1", "f1")).stable, story(switched, named("v1", "f1"))[1])


def test_switching_back_to_what_was_stable_before_is_no_new_version() -> None:
    assert Phase.PROMOTING is after(PROMOTED, to("switch", "v1")).phase


def test_undo_of_a_young_promotion_is_a_switch_back() -> None:
    new, told = story(PROMOTED, to("undo", "v1"), now=YOUNG)

    assert (Phase.PROMOTING, "v1", ["switching", "publish together"]) == (new.phase, new.candidate, told)


def test_undo_of_an_undo_goes_forward_again() -> None:
    back = after(PROMOTED, to("undo", "v1"), APPLIED)

    assert ("v1", "v2", Phase.PROMOTING) == (back.stable, back.previous, after(back, to("undo", "v2")).phase)


@pytest.mark.parametrize(("version", "now"), [("v1", OLD), ("v0", YOUNG)])
def test_undo_later_or_to_another_version_is_a_rollout_with_steps(version: str, now: float) -> None:
    new, told = story(PROMOTED, to("undo", version), now=now)

    assert (Phase.PROGRESSING, version, 500, ["started", "publish"]) == (new.phase, new.candidate, new.weight_bp, told)


def test_a_rollout_that_failed_meanwhile_does_not_make_the_promotion_younger() -> None:
    failed, _ = story(PROMOTED, to("start", "v3"), said("abort"), APPLIED, now=NOW + 500)

    assert Phase.PROGRESSING is story(failed, to("undo", "v1"), now=OLD)[0].phase


def test_an_undone_version_does_not_come_back_by_a_reload() -> None:
    undone = after(after(NEW, named(), said("promote", full=True), APPLIED), to("undo", "v1"), APPLIED)

    assert (Phase.STABLE, "v1", []) == (undone.phase, after(undone, named()).stable, story(undone, named())[1])


@pytest.mark.parametrize(
    ("position", "event", "text"),
    [
        (NEW, to("switch", "v1"), "v1 is stable already"),
        (NEW, to("undo", "v1"), "v1 is stable already"),
        (ROLLING_BACK, to("switch", "v1"), "it is going back to v1 already"),
        (PROMOTING, to("switch", "v2"), "everything goes to v2 already"),
        (NEW, to("switch", "v2", in_place=True), "v2 has addresses of v1, so no request can be switched between them"),
    ],
)
def test_a_switch_that_is_none_is_refused(position: Position, event: Event, text: str) -> None:
    with pytest.raises(IllegalTransition, match=text):
        step(position, event, NOW)


def test_an_undo_between_versions_on_the_same_addresses_takes_steps() -> None:
    assert Phase.PROGRESSING is story(PROMOTED, to("undo", "v1", in_place=True), now=YOUNG)[0].phase
