"""What the counts of a rollout come to."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from proxy.analysis.guard import judge, threshold_of
from proxy.analysis.statistics import ShareFailures, log_evidence
from proxy.analysis.tally import Tally
from proxy.model.position import Finding
from proxy.model.rollout import Guard
from proxy.telemetry.snapshot import CellDelta

GUARD = Guard(slow_over_s=None)
"""Failures only."""

BOTH = Guard()


def cell(version: str = "v2", **fields: Any) -> CellDelta:
    return CellDelta(**{"service": "shop", "version": version, "generation": 9, "rollout": 4, "candidate_share": 0.05} | fields)


def tally_of(*cells: CellDelta, causes: tuple[str, ...] = GUARD.failures, at_s: float | None = None) -> Tally:
    tally = Tally(4, causes)
    for each in cells:
        tally.add(each, stable="v1", candidate="v2", at_s=at_s)
    return tally


def failed(version: str, count: int, share: float = 0.05, draws: int = 100) -> CellDelta:
    return cell(version, candidate_share=share, draws=draws, draw_failures={"status_5xx": count})


def test_nothing_counted_holds() -> None:
    verdict = judge(GUARD, Tally(4))

    assert (Finding.HOLD, "no candidate request was counted yet") == (verdict.finding, verdict.reason)


def test_stable_traffic_alone_holds() -> None:
    assert Finding.HOLD is judge(GUARD, tally_of(failed("v1", 3))).finding


def test_candidate_requests_without_a_failure_pass() -> None:
    assert Finding.PASS is judge(GUARD, tally_of(cell("v2", draws=100))).finding


def test_failures_of_both_alike_pass() -> None:
    assert Finding.PASS is judge(GUARD, tally_of(failed("v2", 50), failed("v1", 950))).finding


def test_a_candidate_that_fails_alone_is_rolled_back_and_the_reason_has_the_figures() -> None:
    verdict = judge(GUARD, tally_of(failed("v2", 5), failed("v1", 1)))

    assert (
        Finding.ROLLBACK,
        "the candidate fails more than 1.5 times as often as stable; 5 failures of the candidate and 1 of stable: "
        "evidence 10^4.1, 10^3.0 needed",
    ) == (verdict.finding, verdict.reason)


def test_an_action_of_pause_pauses() -> None:
    assert Finding.PAUSE is judge(Guard(action="pause"), tally_of(failed("v2", 50))).finding


def test_evidence_on_too_few_failures_holds() -> None:
    verdict = judge(Guard(min_failures=6), tally_of(failed("v2", 5)))

    assert (Finding.HOLD, True) == (verdict.finding, verdict.reason.endswith("no decision on fewer than 6 failures"))


def test_failures_at_full_weight_are_no_evidence() -> None:
    assert Finding.PASS is judge(GUARD, tally_of(failed("v2", 1000, share=1.0))).finding


def test_a_verdict_has_every_figure_it_stood_on_as_json_values() -> None:
    tally = tally_of(failed("v2", 5, draws=20), failed("v1", 2, draws=380), cell("v2", failed_users=[(9, "reset")]), at_s=3.0)

    figures = judge(GUARD, tally, slow_over_s=0.5).figures

    assert {
        "log_evidence": log_evidence((ShareFailures(500, 6, 2),), 1.5),
        "threshold": math.log(1000),
        "alpha": 0.001,
        "ratio": 1.5,
        "min_failures": 3,
        "candidate_failures": 6,
        "stable_failures": 2,
        "candidate_requests": 20,
        "stable_requests": 380,
        "users": 1,
        "stable_users": 0,
        "users_full": False,
        "users_uncounted": 0,
        "shares": [
            {
                "share": 0.05,
                "candidate_requests": 20,
                "candidate_failures": 6,
                "candidate_slow": 0,
                "stable_requests": 380,
                "stable_failures": 2,
                "stable_slow": 0,
            }
        ],
        "candidate_causes": {"status_5xx": 5, "reset": 1},
        "stable_causes": {"status_5xx": 2},
        "first_failure_s": 3.0,
        "last_failure_s": 3.0,
        "users_with_errors": 6,
        "errors": 6,
        "max_errors": 0,
        "max_users_with_errors": 0,
        "slow_over_s": 0.5,
        "kinds": {
            "failures": {
                "log_evidence": log_evidence((ShareFailures(500, 6, 2),), 1.5),
                "threshold": math.log(1000),
                "alpha": 0.001,
                "note": "",
                "ratio": 1.5,
                "candidate": 6,
                "stable": 2,
                "users": 1,
                "stable_users": 0,
                "users_full": False,
                "users_uncounted": 0,
            }
        },
        "holding": [],
    } == json.loads(json.dumps(figures))


# ---- two kinds of event ---------------------------------------------------------------------------------------------------------


def slow(version: str, count: int, share: float = 0.05) -> CellDelta:
    return cell(version, candidate_share=share, draws=100, draw_slow=count)


def test_a_candidate_that_is_slow_alone_is_rolled_back_and_the_reason_says_so() -> None:
    verdict = judge(BOTH, tally_of(slow("v2", 9), slow("v1", 2)), slow_over_s=0.2)

    assert (
        Finding.ROLLBACK,
        "the candidate is slow more than 3 times as often as stable; 9 slow answers of the candidate and 2 of stable: "
        "evidence 10^4.2, 10^3.0 needed",
    ) == (verdict.finding, verdict.reason)


def test_a_slowness_of_both_alike_is_no_evidence() -> None:
    assert Finding.PASS is judge(BOTH, tally_of(slow("v2", 50), slow("v1", 950))).finding


def test_slow_answers_say_nothing_to_a_guard_that_does_not_count_them() -> None:
    verdict = judge(GUARD, tally_of(slow("v2", 900)))

    assert (Finding.PASS, ["failures"]) == (verdict.finding, list(verdict.figures["kinds"]))


def test_the_evidence_is_the_mean_of_both_kinds_by_their_parts_of_alpha() -> None:
    figures = judge(BOTH, tally_of(slow("v2", 4), failed("v2", 3), failed("v1", 1))).figures
    failures, slowness = (math.exp(figures["kinds"][kind]["log_evidence"]) for kind in ("failures", "slow"))

    assert pytest.approx(math.log(0.9 * failures + 0.1 * slowness)) == figures["log_evidence"]


def test_each_kind_is_told_the_threshold_at_which_it_acts_alone() -> None:
    figures = judge(BOTH, tally_of()).figures["kinds"]

    assert (pytest.approx(math.log(1000 / 0.9)), pytest.approx(math.log(10_000))) == tuple(
        figures[kind]["threshold"] for kind in ("failures", "slow")
    )
    assert math.log(1000) == threshold_of(GUARD, "failures")


def test_a_kind_that_reaches_its_own_threshold_always_acts() -> None:
    for kind, made in (("failures", failed), ("slow", slow)):
        for count in range(1, 30):
            verdict = judge(BOTH, tally_of(made("v2", count)))
            told = verdict.figures["kinds"][kind]
            if told["log_evidence"] >= told["threshold"]:
                assert Finding.ROLLBACK is verdict.finding
                break
        else:
            raise AssertionError(kind)


def test_slow_answers_too_few_to_act_on_hold_and_name_what_holds() -> None:
    verdict = judge(Guard(min_failures=10), tally_of(slow("v2", 9)))

    assert (Finding.HOLD, [verdict.reason]) == (verdict.finding, verdict.figures["holding"])
    assert verdict.reason.endswith("no decision on fewer than 10 slow answers")


def test_without_a_bound_the_verdict_says_that_no_answer_counts_as_slow() -> None:
    notes = [judge(BOTH, tally_of(), slow_over_s=bound).figures["kinds"]["slow"]["note"] for bound in (0.0, 0.2)]

    assert ["no answer counts as slow now: too few of stable's were known when the step began", ""] == notes


# ---- budgets --------------------------------------------------------------------------------------------------------------------


def test_errors_over_the_budget_roll_back_without_evidence() -> None:
    both_fail = (failed("v2", 11), failed("v1", 209))

    assert Finding.PASS is judge(Guard(max_errors=11), tally_of(*both_fail)).finding
    verdict = judge(Guard(max_errors=10), tally_of(*both_fail))
    assert (Finding.ROLLBACK, "the candidate failed 11 requests; max_errors allows 10") == (verdict.finding, verdict.reason)


def test_users_over_the_budget_roll_back_and_a_user_is_one_however_often_they_failed() -> None:
    def after(users: int) -> Finding:
        failing = [(user, "reset") for user in range(users) for _ in range(5)]
        tally = tally_of(cell("v1", draws=20, failed_users=failing), cell("v2", draws=20, failed_users=failing))
        return judge(Guard(max_users_with_errors=3), tally).finding

    assert [Finding.PASS, Finding.ROLLBACK] == [after(3), after(4)]


def test_a_budget_rolls_back_even_where_the_guard_only_pauses() -> None:
    assert Finding.ROLLBACK is judge(Guard(max_errors=1, action="pause"), tally_of(failed("v2", 2))).finding


def test_no_budget_is_none() -> None:
    assert Finding.PASS is judge(Guard(), tally_of(failed("v2", 50), failed("v1", 950))).finding
