"""Guard, budgets and checks in one verdict."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from proxy.analysis import guard
from proxy.analysis.checks import Flow, Observed
from proxy.analysis.judge import Judge, flow_of
from proxy.analysis.stretches import Side, Stretch
from proxy.model.position import Finding, Phase, Position, Verdict
from proxy.model.rollout import Check, Guard, PrometheusQuery, RolloutPlan
from proxy.telemetry.snapshot import CellDelta

ERRORS = Check("errors", metric="error_rate", max=0.01)
ORDERS = Check("orders", prometheus=PrometheusQuery("http://p", "q"), min=0.9)


def at(*checks: Check, phase: Phase = Phase.PROGRESSING, weight_bp: int = 500, **plan: Any) -> Position:
    """A rollout under way."""
    made = RolloutPlan(**{"checks": checks, "failure_limit": 0} | plan)
    return Position("shop", "v1", phase, "v2", rollout=4, plan=made, weight_bp=weight_bp, slow_over_s=0.2, warmed_s=30.0)


def cell(version: str, draws: int, failed: int = 0, **fields: Any) -> CellDelta:
    failures = {"status_5xx": failed} if failed else {}
    given = {"rollout": 4, "candidate_share": 0.05, "draws": draws, "draw_failures": failures} | fields
    return CellDelta("shop", version, 9, **given)  # type: ignore[arg-type]  # a dictionary of mixed values


def judge_of(position: Position, *cells: CellDelta) -> Judge:
    """In its first step since 1000, with these counts of ten seconds."""
    judge = Judge(position)
    judge.enter("0", 1000.0)
    judge.observed(10.0)
    for each in cells:
        judge.count(each, position, 1010.0)
    return judge


def verdict(position: Position, *cells: CellDelta, now: float = 1010.0) -> Verdict:
    return judge_of(position, *cells).verdict(position, now)


GOOD = (cell("v2", 200), cell("v1", 3800))


def test_without_checks_it_is_the_guards_verdict() -> None:
    position = at()
    judge = judge_of(position, *GOOD)
    guarded = guard.judge(position.plan.guard, judge.tally, slow_over_s=0.2)

    assert (guarded.finding, guarded.reason, {**guarded.figures, "checks": []}) == tuple(
        getattr(judge.verdict(position, 1010.0), name) for name in ("finding", "reason", "figures")
    )


def test_when_guard_and_checks_pass_it_passes_and_says_both() -> None:
    found = verdict(at(ERRORS), *GOOD)

    assert (Finding.PASS, []) == (found.finding, found.figures["holding"])
    assert found.reason.endswith("10^3.0 needed; 1 check passes")


def test_a_guard_that_passes_and_a_check_that_holds_hold() -> None:
    found = verdict(at(ERRORS), cell("v2", 50), cell("v1", 950))

    assert (Finding.HOLD, ["no_data"]) == (found.finding, [check["result"] for check in found.figures["checks"]])
    assert [
        "check errors: error_rate needs 100 requests of the candidate and has 50; the other 50 in 10 s at the present rate"
    ] == found.figures["holding"]


def test_checks_that_fail_roll_back_where_the_guard_sees_nothing() -> None:
    found = verdict(at(ERRORS), cell("v2", 600, 18), cell("v1", 11_400, 110))

    assert (Finding.ROLLBACK, "check errors failed once in 300 s: error_rate 3 % is over 1 %") == (found.finding, found.reason)


def test_the_guards_rollback_comes_first_and_its_reason_is_told() -> None:
    found = verdict(at(ERRORS), cell("v2", 200, 50), cell("v1", 3800))

    assert Finding.ROLLBACK is found.finding
    assert found.reason.startswith("the candidate fails more than 1.5 times as often as stable")


def test_a_rollback_of_the_checks_is_stronger_than_a_pause_of_the_guard() -> None:
    cells = (cell("v2", 200, 50), cell("v1", 3800))
    pausing = Guard(action="pause")

    assert Finding.ROLLBACK is verdict(at(ERRORS, guard=pausing), *cells).finding
    assert Finding.PAUSE is verdict(at(ERRORS, guard=pausing, failure_limit=2), *cells).finding


def test_a_budget_rolls_back_whatever_the_checks_say() -> None:
    found = verdict(at(ERRORS, guard=Guard(max_errors=1)), cell("v2", 2000, 2), cell("v1", 3800, 4))

    assert "the candidate failed 2 requests; max_errors allows 1" == found.reason


def test_the_figures_are_json_values() -> None:
    figures = verdict(at(ERRORS, ORDERS), *GOOD).figures

    assert figures == json.loads(json.dumps(figures))
    assert {"log_evidence", "threshold", "kinds", "checks", "holding"} <= set(figures)


def test_what_came_from_outside_is_judged() -> None:
    position = at(ORDERS)
    judge = judge_of(position, *GOOD)

    assert (ORDERS,) == judge.due(position, 1010.0)
    judge.add(Observed("orders", 1010.0, 0.5))
    assert Finding.ROLLBACK is judge.verdict(position, 1010.0).finding


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.STABLE])
def test_where_it_is_decided_or_nothing_is_tried_nothing_is_asked(phase: Phase) -> None:
    position = at(ERRORS, ORDERS, phase=phase)
    judge = judge_of(position, *GOOD)
    judge.verdict(position, 1010.0)

    assert ((), ()) == (judge.due(position, 1010.0), judge.checks.history("errors"))


def test_a_step_without_weight_waits_for_outside_checks_only() -> None:
    found = verdict(at(ERRORS, ORDERS, weight_bp=0))

    assert ["check orders has no result in this step yet"] == found.figures["holding"]


def test_copies_are_held_against_their_limit_while_they_are_made() -> None:
    position = at(Check("same", metric="shadow_mismatch_rate", max=0.01), phase=Phase.SHADOWING, weight_bp=0)
    judge = judge_of(position)
    judge.compared(400, 12)

    assert "check same failed once in 300 s: shadow_mismatch_rate 3 % is over 1 %" == judge.verdict(position, 1010.0).reason


def test_a_step_measures_from_its_own_beginning() -> None:
    position = at(ERRORS, failure_limit=2)
    judge = judge_of(position, cell("v2", 200, 20), cell("v1", 3800, 380))
    judge.enter("1", 1011.0)
    judge.count(cell("v2", 200), position, 1020.0)

    assert Finding.PASS is judge.verdict(position, 1021.0).finding


@pytest.mark.parametrize(
    ("phase", "weight_bp", "flow"),
    [
        (Phase.PROGRESSING, 500, Flow(candidate=True, stable=True, copies=False)),
        (Phase.PROGRESSING, 10_000, Flow(candidate=True, stable=False, copies=False)),
        (Phase.SHADOWING, 0, Flow(candidate=False, stable=True, copies=True)),
    ],
)
def test_who_gets_requests_is_the_positions_to_say(phase: Phase, weight_bp: int, flow: Flow) -> None:
    assert flow == flow_of(at(phase=phase, weight_bp=weight_bp))


def test_an_outage_of_both_holds_and_says_so() -> None:
    found = verdict(at(), cell("v2", 200, 190), cell("v1", 3800, 3610))
    why = "stable itself failed 95 % of its requests in the last 30 s: nothing can be learnt of the candidate"

    assert (Finding.HOLD, why, [why]) == (found.finding, found.reason, found.figures["holding"])


def test_after_an_outage_it_goes_on() -> None:
    position = at()
    judge = judge_of(position, cell("v2", 200, 190), cell("v1", 3800, 3610))
    for _ in range(31):
        judge.observed(1.0)

    assert Finding.PASS is judge.verdict(position, 1050.0).finding


def test_a_few_failures_of_stable_are_no_outage() -> None:
    assert Finding.PASS is verdict(at(), cell("v2", 200, 30), cell("v1", 3800, 570)).finding
    assert Finding.PASS is verdict(at(), cell("v2", 20, 5), cell("v1", 19, 19)).finding


def test_a_candidate_that_fails_beyond_an_outage_is_rolled_back() -> None:
    assert Finding.ROLLBACK is verdict(at(), cell("v2", 200, 190), cell("v1", 3800, 900)).finding


def test_a_candidate_is_given_time_to_warm_up_before_stables_p99_counts() -> None:
    cold, warm = replace(at(), warmed_s=29.0), replace(at(), warmed_s=30.0)
    slow = (cell("v2", 200, draw_slow=50, slow_users=[1]), cell("v1", 3800, draw_slow=38))

    assert [Finding.PASS, Finding.ROLLBACK] == [verdict(position, *slow).finding for position in (cold, warm)]
    assert ["no answer counts as slow yet: a candidate has 30 s to warm up", ""] == [
        verdict(position).figures["kinds"]["slow"]["note"] for position in (cold, warm)
    ]


def test_an_operators_own_bound_counts_from_the_first_answer() -> None:
    position = replace(at(guard=Guard(slow_over_s=0.2)), warmed_s=0.0)

    assert Finding.ROLLBACK is verdict(position, cell("v2", 200, draw_slow=50), cell("v1", 3800, draw_slow=38)).finding


def test_what_was_recorded_is_measured_as_if_it_had_just_been_counted() -> None:
    position = at(ERRORS)
    judge = Judge(position)
    judge.enter("0", 1000.0)
    judge.recorded(Stretch(10.0, Side(200, 20), Side(3800)))

    assert (True, Finding.ROLLBACK) == (judge.fails(position, 1010.0), judge.verdict(position, 1010.0).finding)


def test_where_it_is_decided_no_check_fails() -> None:
    position = at(ERRORS, phase=Phase.PROMOTING)

    assert not judge_of(position, cell("v2", 200, 20)).fails(position, 1010.0)


# ---- a restart ------------------------------------------------------------------------------------------------------------------


def test_a_restart_in_the_middle_changes_no_verdict() -> None:
    position = at(ERRORS, ORDERS, failure_limit=1)
    judge = judge_of(position, *GOOD, cell("v2", 100, 3, draw_slow=2))
    judge.add(Observed("orders", 1010.0, 0.5))
    before = judge.verdict(position, 1010.0)
    again = Judge(position, json.loads(json.dumps(judge.to_json())))
    again.enter("0", 1012.0)

    assert before == again.verdict(position, 1010.0)
    assert (ORDERS,) == again.due(position, 1020.0)


def test_a_judge_without_checks_keeps_its_counts_alone() -> None:
    judge = judge_of(at(), *GOOD)

    assert judge.tally.to_json() == judge.to_json()


def test_what_another_rollout_left_is_not_taken_up() -> None:
    position = at(ERRORS)
    left = judge_of(position, *GOOD).to_json()

    assert 0 == Judge(replace(position, rollout=5), left).tally.candidate_requests


def test_something_else_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Judge(at(), {"rollout": 4, "causes": 7})


@pytest.mark.parametrize(
    ("phase", "comparison", "holding"),
    [
        (Phase.SHADOWING, None, []),
        (Phase.SHADOWING, (0, ()), ["no pair of answers was compared yet"]),
        (Phase.SHADOWING, (10, ()), []),
        (
            Phase.SHADOWING,
            (10, ("r $.a (value)",)),
            ["the candidate answers differently: r $.a (value); mend it, or say in shadow.allow that it is meant"],
        ),
        (Phase.PROGRESSING, (10, ("r $.a (value)",)), []),
    ],
)
def test_a_shadow_step_does_not_end_while_answers_differ(
    phase: Phase, comparison: tuple[int, tuple[str, ...]] | None, holding: list[str]
) -> None:
    judge = judge_of(at(phase=phase), *GOOD)
    judge.comparison = comparison

    assert judge.verdict(at(phase=phase), 1010.0).figures["holding"] == holding


def test_a_judge_can_be_asked_whether_checks_roll_back_without_a_whole_verdict() -> None:
    """What the simulation asks at every interval: due checks are made, and the answer is that of the verdict."""
    plan = RolloutPlan(checks=(Check("errors", metric="error_rate", max=0.01),), failure_limit=0)
    position = Position("shop", "v1", Phase.PROGRESSING, "v2", rollout=1, plan=plan, weight_bp=500)
    judge = Judge(position)
    entered = [judge.enter("0", 100.0), judge.enter("0", 105.0)]
    judge.count(CellDelta("shop", "v2", 1, 1, 0.05, draws=100, draw_failures={"reset": 50}), position, 109.0)
    fails = [judge.fails(position, at) for at in (109.0, 110.0)]

    assert ([True, False], [False, True], Finding.ROLLBACK) == (entered, fails, judge.verdict(position, 110.0).finding)
