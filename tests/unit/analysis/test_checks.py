"""Results of checks, and what they come to."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.analysis.checks import Checks, Flow, Observed, held_against
from proxy.analysis.stretches import Side, Stretch
from proxy.model.position import Finding
from proxy.model.rollout import Check, HttpQuery, PrometheusQuery, RolloutPlan

ORDERS = Check("orders", prometheus=PrometheusQuery("http://p", "q"), min=0.9)
ERRORS = Check("errors", metric="error_rate", max=0.01)
FLOW = Flow()
MISMATCHES = Check("mismatches", metric="shadow_mismatch_rate", max=0.01)


def checks_of(*checks: Check, **plan: Any) -> Checks:
    made = Checks(RolloutPlan(checks=checks, **plan), 4)
    made.enter("0", 1000.0)
    return made


def good(window_s: float) -> Stretch:
    return Stretch(10.0, Side(200, 0), Side(2000, 0))


def bad(window_s: float) -> Stretch:
    return Stretch(10.0, Side(200, 20), Side(2000, 0))


def thin(window_s: float) -> Stretch:
    return Stretch(10.0, Side(40, 0), Side(2000, 0))


# ---- asking ---------------------------------------------------------------------------------------------------------------------


def test_an_outside_check_is_due_once_an_interval() -> None:
    checks = checks_of(ORDERS, ERRORS)

    assert [(), ("orders",), (), ("orders",)] == [tuple(c.name for c in checks.due(at)) for at in (1009.0, 1010.0, 1019.0, 1020.0)]


def test_a_check_that_is_looked_at_late_is_still_due_on_whole_intervals() -> None:
    checks = checks_of(ORDERS)
    asked = [at for at in (1010.9, 1020.1, 1047.0, 1049.9, 1050.0, 1060.0) if checks.due(at)]

    assert [1010.9, 1020.1, 1047.0, 1050.0, 1060.0] == asked


def test_a_step_puts_off_what_is_due_to_its_own_first_interval() -> None:
    checks = checks_of(ORDERS)
    checks.enter("1", 1008.0)

    assert [(), (ORDERS,)] == [checks.due(1012.0), checks.due(1018.0)]


def test_a_clock_that_is_put_back_makes_everything_due() -> None:
    assert (ORDERS,) == checks_of(ORDERS).due(500.0)


def test_nothing_is_true_of_no_checks() -> None:
    assert (False, True) == (bool(checks_of()), bool(checks_of(ORDERS)))


def test_what_comes_of_a_check_that_the_rollout_does_not_have_is_ignored() -> None:
    checks = checks_of(ERRORS)
    checks.add(Observed("orders", 1001.0, 1.0))
    checks.add(Observed("errors", 1001.0, 1.0))

    assert None is checks.latest("errors")


@pytest.mark.parametrize(
    ("value", "error", "result", "reason"),
    [
        (0.95, "", "pass", "0.95 is within its limits"),
        (0.5, "", "fail", "0.5 is under 0.9"),
        (7.0, "", "fail", "7 is over 5"),
        (None, "", "no_data", "the answer held no number"),
        (math.nan, "", "no_data", "the answer held no number"),
        (None, "no answer in 5 s", "error", "no answer in 5 s"),
    ],
)
def test_an_outside_value_is_held_against_its_limits(value: float | None, error: str, result: str, reason: str) -> None:
    check = Check("orders", prometheus=PrometheusQuery("http://p", "q"), min=0.9, max=5.0)
    found = held_against(check, Observed("orders", 1001.0, value, error))

    assert (result, reason, 1001.0) == (found.result, found.reason, found.at_s)


@pytest.mark.parametrize(("value", "result"), [(1.0, "pass"), (0.0, "fail")])
def test_an_http_check_without_a_path_passes_on_2xx(value: float, result: str) -> None:
    assert result == held_against(Check("smoke", http=HttpQuery("http://h")), Observed("smoke", 1.0, value)).result


@pytest.mark.parametrize(
    ("check", "observed", "reason"),
    [
        (Check("up", http=HttpQuery("http://h")), Observed("up", 1.0, 0.0, text="503"), "it did not answer 2xx, but 503"),
        (Check("up", http=HttpQuery("http://h", "$.a"), max=1.0), Observed("up", 1.0, text="nothing at $.a"), "nothing at $.a"),
        (Check("up", http=HttpQuery("http://h", "$.a"), max=1.0), Observed("up", 1.0, 2.0, text="stale"), "2 is over 1 (stale)"),
    ],
)
def test_what_was_seen_beside_the_value_is_in_the_reason(check: Check, observed: Observed, reason: str) -> None:
    assert reason == held_against(check, observed).reason


def test_a_number_of_an_http_check_is_held_against_its_limits() -> None:
    check = Check("rate", http=HttpQuery("http://h", "$.rate"), max=0.5)

    assert ("fail", "pass") == tuple(held_against(check, Observed("rate", 1.0, value)).result for value in (0.6, 0.0))


# ---- own metrics ----------------------------------------------------------------------------------------------------------------


def test_own_metrics_are_read_once_an_interval() -> None:
    checks = checks_of(ERRORS, ORDERS)

    for at in (1005.0, 1010.0, 1015.0, 1020.0):
        checks.look(good, at, FLOW)

    assert [1010.0, 1020.0] == [result.at_s for result in checks.history("errors")]


def test_a_metric_is_read_over_the_window_of_its_check() -> None:
    asked = []
    checks = checks_of(Check("a", metric="error_rate", max=0.1, window_s=60.0), ERRORS)
    checks.look(lambda window_s: (asked.append(window_s), good(window_s))[1], 1010.0, FLOW)

    assert [60.0, 0.0] == asked


def test_without_traffic_of_its_own_a_candidate_is_not_measured_and_not_held() -> None:
    checks = checks_of(ERRORS, MISMATCHES)
    checks.look(good, 1010.0, Flow(candidate=False))

    assert (None, Finding.PASS) == (checks.latest("errors"), checks.judge(1010.0, Flow(candidate=False)).finding)


def test_a_stable_that_gets_no_request_is_not_compared_with() -> None:
    compared = Check("ratio", metric="error_rate", max_ratio=1.5)
    checks = checks_of(compared, Check("both", metric="error_rate", max_ratio=1.5, max=0.5))
    checks.look(lambda window_s: Stretch(10.0, Side(200, 20), Side()), 1010.0, Flow(stable=False))

    assert (None, "pass") == (checks.latest("ratio"), checks.history("both")[0].result)
    assert Finding.PASS is checks.judge(1010.0, Flow(stable=False)).finding


def test_while_copies_are_compared_their_rate_is_measured() -> None:
    checks = checks_of(ERRORS, MISMATCHES)
    checks.look(lambda window_s: Stretch(10.0, compared=500, mismatched=1), 1010.0, Flow(candidate=False, copies=True))

    assert ("pass", None) == (checks.history("mismatches")[0].result, checks.latest("errors"))
    assert Finding.PASS is checks.judge(1010.0, Flow(candidate=False, copies=True)).finding


# ---- judging --------------------------------------------------------------------------------------------------------------------


def test_a_check_without_a_result_holds() -> None:
    verdict = checks_of(ORDERS).judge(1001.0, FLOW)

    assert (Finding.HOLD, "check orders has no result in this step yet") == (verdict.finding, verdict.reason)


def test_when_all_pass_it_passes() -> None:
    checks = checks_of(ORDERS, ERRORS)
    checks.add(Observed("orders", 1010.0, 1.0))
    checks.look(good, 1010.0, FLOW)

    assert (Finding.PASS, "2 checks pass") == ((verdict := checks.judge(1011.0, FLOW)).finding, verdict.reason)


def test_a_pass_of_the_step_before_does_not_let_this_one_end() -> None:
    checks = checks_of(ORDERS)
    checks.add(Observed("orders", 1010.0, 1.0))
    checks.enter("1", 1011.0)

    assert Finding.HOLD is checks.judge(1012.0, FLOW).finding


def test_entering_the_same_step_again_changes_nothing() -> None:
    checks = checks_of(ORDERS)
    checks.add(Observed("orders", 1010.0, 1.0))
    checks.enter("0", 1011.0)

    assert Finding.PASS is checks.judge(1012.0, FLOW).finding


@pytest.mark.parametrize("observed", [{"value": 0.1}, {"value": None}, {"error": "refused"}])
def test_a_fail_within_the_limit_no_data_and_an_error_hold(observed: dict[str, Any]) -> None:
    checks = checks_of(ORDERS)
    checks.add(Observed("orders", 1010.0, 1.0))
    checks.add(Observed("orders", 1020.0, **observed))

    assert Finding.HOLD is checks.judge(1021.0, FLOW).finding


def test_more_fails_than_the_limit_roll_back_and_the_reason_says_of_what() -> None:
    checks = checks_of(ERRORS, failure_limit=2)
    findings = []
    for at in (1010.0, 1020.0, 1030.0):
        checks.look(bad, at, FLOW)
        findings.append(checks.judge(at, FLOW).finding)

    assert [Finding.HOLD, Finding.HOLD, Finding.ROLLBACK] == findings
    assert "check errors failed 3 times in 300 s: error_rate 10 % is over 1 %" == checks.judge(1030.0, FLOW).reason


def test_with_a_limit_of_none_the_first_fail_rolls_back() -> None:
    checks = checks_of(ERRORS, failure_limit=0)
    checks.look(bad, 1010.0, FLOW)

    assert "check errors failed once in 300 s: error_rate 10 % is over 1 %" == checks.judge(1010.0, FLOW).reason


def test_fails_outside_the_window_are_forgiven() -> None:
    checks = checks_of(ORDERS, failure_limit=1, failure_window_s=60.0)
    for at in (1010.0, 1080.0):
        checks.add(Observed("orders", at, 0.1))

    assert Finding.HOLD is checks.judge(1080.0, FLOW).finding


def test_fails_of_the_step_before_count() -> None:
    checks = checks_of(ORDERS, failure_limit=1)
    checks.add(Observed("orders", 1010.0, 0.1))
    checks.enter("1", 1015.0)
    checks.add(Observed("orders", 1025.0, 0.1))

    assert Finding.ROLLBACK is checks.judge(1025.0, FLOW).finding


def test_fails_of_two_checks_are_not_added() -> None:
    checks = checks_of(ORDERS, ERRORS, failure_limit=1)
    checks.add(Observed("orders", 1010.0, 0.1))
    checks.look(bad, 1010.0, FLOW)

    assert Finding.HOLD is checks.judge(1010.0, FLOW).finding


def test_a_source_that_is_down_never_rolls_back() -> None:
    checks = checks_of(ORDERS, failure_limit=0)
    for at in range(1010, 2000, 10):
        checks.add(Observed("orders", float(at), error="connection refused"))

    assert Finding.HOLD is checks.judge(2000.0, FLOW).finding


def test_thin_traffic_holds_and_says_how_many_requests_are_missing_and_when_they_will_be_there() -> None:
    checks = checks_of(ERRORS)
    checks.look(thin, 1010.0, FLOW)

    assert "check errors: error_rate needs 100 requests of the candidate and has 40; the other 60 in 15 s at the present rate" == (
        checks.judge(1010.0, FLOW).reason
    )


def test_a_dry_run_is_recorded_and_acts_on_nothing() -> None:
    checks = checks_of(Check("errors", metric="error_rate", max=0.01, dry_run=True), failure_limit=0)
    checks.look(bad, 1010.0, FLOW)
    verdict = checks.judge(1010.0, FLOW)

    assert (Finding.PASS, "every check is a dry run", "fail", True, 1) == (
        verdict.finding,
        verdict.reason,
        verdict.figures["checks"][0]["result"],
        verdict.figures["checks"][0]["dry_run"],
        verdict.figures["checks"][0]["fails"],
    )


def test_a_verdict_tells_every_check_as_json_values() -> None:
    checks = checks_of(ERRORS, ORDERS)
    checks.look(bad, 1010.0, FLOW)
    figures = checks.judge(1010.0, FLOW).figures

    assert figures == json.loads(json.dumps(figures))
    assert {
        "name": "errors",
        "result": "fail",
        "value": 0.1,
        "limit": 0.01,
        "stable": None,
        "reason": "error_rate 10 % is over 1 %",
        "at_s": 1010.0,
        "fails": 1,
        "failure_limit": 2,
        "dry_run": False,
    } == figures["checks"][0]
    assert ("orders", "no_data", None) == tuple(figures["checks"][1][key] for key in ("name", "result", "at_s"))
    assert ["check errors: error_rate 10 % is over 1 %", "check orders has no result in this step yet"] == figures["holding"]


def test_results_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHECK_RESULTS_KEPT", 3)
    checks = checks_of(ORDERS)
    for at in range(10):
        checks.add(Observed("orders", float(at), 1.0))

    assert [7.0, 8.0, 9.0] == [result.at_s for result in checks.history("orders")]


# ---- a restart ------------------------------------------------------------------------------------------------------------------


def test_results_survive_a_restart_and_each_check_is_due_an_interval_after_its_last() -> None:
    plan = RolloutPlan(checks=(ORDERS,), failure_limit=1)
    before = Checks(plan, 4)
    before.enter("2", 1000.0)
    before.due(1010.0)
    before.add(Observed("orders", 1010.0, 0.1))
    after = Checks.restored(plan, 4, json.loads(json.dumps(before.to_json())))

    assert before.judge(1011.0, FLOW) == after.judge(1011.0, FLOW)
    assert [(), (ORDERS,)] == [after.due(1019.0), after.due(1020.0)]
    after.add(Observed("orders", 1012.0, 0.1))
    assert Finding.ROLLBACK is after.judge(1012.0, FLOW).finding


def test_results_of_another_rollout_are_left() -> None:
    plan = RolloutPlan(checks=(ORDERS,))
    before = Checks(plan, 3)
    before.add(Observed("orders", 1010.0, 1.0))

    assert None is Checks.restored(plan, 4, before.to_json()).latest("orders")


def test_nothing_stored_is_a_beginning() -> None:
    assert None is Checks.restored(RolloutPlan(checks=(ORDERS,)), 4, None).latest("orders")


def test_something_else_than_results_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Checks.restored(RolloutPlan(), 4, {"rollout": "four"})
