"""What is counted of a rollout, what is not, and that it survives a restart."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy import limits
from proxy.analysis.guard import judge
from proxy.analysis.statistics import ShareFailures
from proxy.analysis.tally import Kind, Tally, events
from proxy.model.position import Finding, Position
from proxy.model.rollout import Guard, RolloutPlan
from proxy.telemetry.snapshot import CellDelta

GUARD = Guard()


def cell(version: str = "v2", **fields: Any) -> CellDelta:
    return CellDelta(**{"service": "shop", "version": version, "generation": 9, "rollout": 4, "candidate_share": 0.05} | fields)


def counted(tally: Tally, kind: Kind = "failures") -> tuple[ShareFailures, ...]:
    return events(tally.counts(GUARD.failures), kind)


def tally_of(*cells: CellDelta, causes: tuple[str, ...] = GUARD.failures, at_s: float | None = None) -> Tally:
    tally = Tally(4, causes)
    for each in cells:
        tally.add(each, stable="v1", candidate="v2", at_s=at_s)
    return tally


def failed(version: str, count: int, share: float = 0.05, draws: int = 100) -> CellDelta:
    return cell(version, candidate_share=share, draws=draws, draw_failures={"status_5xx": count})


# ---- counting -------------------------------------------------------------------------------------------------------------------


def test_failures_are_counted_per_share_and_version() -> None:
    tally = tally_of(failed("v2", 2), failed("v1", 3), failed("v2", 1, share=0.25), failed("v2", 4))

    assert (ShareFailures(500, 6, 3), ShareFailures(2500, 1, 0)) == counted(tally)


def test_drawn_requests_are_counted_per_version() -> None:
    tally = tally_of(cell("v2", draws=7), cell("v1", draws=90), cell("v2", draws=5, candidate_share=0.25))

    assert (12, 90) == (tally.candidate_requests, tally.stable_requests)


def test_a_cell_of_another_rollout_is_ignored() -> None:
    assert 0 == tally_of(cell("v2", rollout=3, draws=9)).candidate_requests


def test_a_cell_of_a_third_version_is_ignored() -> None:
    tally = tally_of(cell("v3", draws=9, draw_failures={"reset": 9}))

    assert ((), 0, 0) == (counted(tally), tally.candidate_requests, tally.stable_requests)


def test_a_tally_begins_with_the_rollout_and_the_causes_of_its_position() -> None:
    plan = RolloutPlan(guard=Guard(failures=("reset",)))
    tally = Tally.of(Position("shop", "v1", rollout=4, plan=plan))

    assert (4, frozenset({"reset"})) == (tally.rollout, tally.causes)


def test_a_cause_that_the_guard_does_not_name_is_kept_and_not_judged() -> None:
    tally = tally_of(cell("v2", draws=9, draw_failures={"no_endpoint": 9, "reset": 1}))

    assert (ShareFailures(500, 1, 0),) == counted(tally)
    assert {"no_endpoint": 9, "reset": 1} == tally.causes_of("candidate")


def test_a_user_counts_once_however_often_they_fail() -> None:
    tally = tally_of(cell("v2", failed_users=[(11, "reset"), (11, "reset")]), cell("v2", failed_users=[(11, "timeout")]))

    assert ((ShareFailures(500, 1, 0),), 1) == (counted(tally), tally.users["failures"].candidate)


def test_a_user_who_failed_on_stable_first_is_not_counted_again_when_the_weight_moves_them() -> None:
    tally = tally_of(
        cell("v1", failed_users=[(11, "reset")]),
        cell("v2", candidate_share=0.25, failed_users=[(11, "reset")]),
    )

    assert ((ShareFailures(500, 0, 1),), 0, 1) == (
        counted(tally),
        tally.users["failures"].candidate,
        tally.users["failures"].stable,
    )


def test_a_cause_that_is_not_judged_does_not_use_up_a_user() -> None:
    tally = tally_of(cell("v2", failed_users=[(11, "no_endpoint")]), cell("v2", failed_users=[(11, "reset")]))

    assert (ShareFailures(500, 1, 0),) == counted(tally)


def test_when_the_set_of_users_is_full_the_next_are_not_counted_on_either_side_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FAILED_USERS_PER_ROLLOUT_MAX", 2)
    tally = tally_of(
        cell("v2", failed_users=[(1, "reset"), (2, "reset"), (3, "reset")]), cell("v1", failed_users=[(4, "reset"), (1, "reset")])
    )

    figures = judge(GUARD, tally).figures

    assert (2, 0, True, 2) == (figures["users"], figures["stable_users"], figures["users_full"], figures["users_uncounted"])


def test_users_that_a_worker_dropped_are_told() -> None:
    assert 7 == judge(GUARD, tally_of(cell("v2", failed_users_dropped={"reset": 7}))).figures["users_uncounted"]


def test_signed_and_unsigned_hashes_of_a_user_are_the_same_user() -> None:
    tally = tally_of(cell("v2", failed_users=[(-1, "reset"), (2**64 - 1, "reset")]))

    assert 1 == tally.users["failures"].candidate


def test_the_first_and_last_candidate_failures_are_remembered() -> None:
    tally = Tally(4)
    for at_s, each in ((10.0, failed("v1", 1)), (12.0, failed("v2", 1)), (11.0, failed("v2", 1)), (15.0, cell("v2", draws=3))):
        tally.add(each, stable="v1", candidate="v2", at_s=at_s)

    assert (11.0, 12.0) == (tally.first_failure_s, tally.last_failure_s)


def test_without_times_there_are_none() -> None:
    figures = judge(GUARD, tally_of(failed("v2", 1))).figures

    assert (None, None) == (figures["first_failure_s"], figures["last_failure_s"])


def test_slow_answers_are_counted_per_share_and_version_beside_failures() -> None:
    tally = tally_of(
        cell("v2", draw_slow=2, draw_failures={"reset": 1}), cell("v1", draw_slow=9), cell("v2", candidate_share=0.25, draw_slow=1)
    )

    assert (ShareFailures(500, 2, 9), ShareFailures(2500, 1, 0)) == counted(tally, "slow")
    assert (ShareFailures(500, 1, 0),) == counted(tally)


def test_a_user_counts_once_as_slow_whichever_version_was_first_and_once_more_as_failed() -> None:
    tally = tally_of(cell("v1", slow_users=[11, 11]), cell("v2", slow_users=[11, 12, 12], failed_users=[(11, "reset")]))

    assert (ShareFailures(500, 1, 1),) == counted(tally, "slow")
    assert (ShareFailures(500, 1, 0),) == counted(tally)


def test_slow_users_that_a_worker_dropped_are_told() -> None:
    assert 3 == judge(GUARD, tally_of(cell("v1", slow_users_dropped=3))).figures["kinds"]["slow"]["users_uncounted"]


def test_every_failed_request_of_the_candidate_is_an_error_whoever_asked() -> None:
    tally = tally_of(
        cell("v2", draw_failures={"reset": 2, "no_endpoint": 9}, failed_users=[(1, "reset"), (1, "reset"), (2, "no_endpoint")]),
        cell("v2", failed_users_dropped={"reset": 4}),
        cell("v1", draw_failures={"reset": 50}),
    )

    assert 8 == tally.errors


def test_what_a_worker_dropped_of_a_cause_that_is_not_judged_spends_no_budget_and_is_nobody_s() -> None:
    """An outage of all endpoints that the guard was told to leave to others."""
    tally = tally_of(cell("v2", draws=904, failed_users_dropped={"no_endpoint": 900, "reset": 4}))
    figures = judge(Guard(max_errors=50), tally).figures

    assert (4, 4) == (figures["errors"], figures["users_uncounted"])
    assert Finding.PASS is judge(Guard(max_errors=50), tally).finding


def test_users_with_errors_are_distinct_and_include_those_who_failed_on_stable_before() -> None:
    tally = tally_of(
        cell("v1", failed_users=[(1, "reset"), (9, "reset")]),
        cell("v2", failed_users=[(1, "reset"), (2, "reset"), (2, "reset")], draw_failures={"reset": 3, "no_endpoint": 7}),
    )

    assert 2 + 3 == tally.users_with_errors


# ---- a restart ------------------------------------------------------------------------------------------------------------------


def test_a_tally_survives_a_restart_exactly() -> None:
    tally = tally_of(
        failed("v2", 2),
        failed("v1", 3, share=0.25),
        cell("v2", failed_users=[(2**64 - 1, "reset"), (7, "timeout")], failed_users_dropped={"reset": 2}),
        cell("v1", failed_users=[(8, "timeout")], draw_slow=3, slow_users=[8, 5]),
        cell("v2", failed_users=[(8, "timeout")], draw_slow=1),
        at_s=1_700_000_000.123456789,
    )

    again = Tally.from_json(json.loads(json.dumps(tally.to_json())))

    assert tally.to_json() == again.to_json()
    assert judge(GUARD, tally) == judge(GUARD, again)


def test_after_a_restart_a_user_is_still_known() -> None:
    again = Tally.from_json(tally_of(cell("v2", failed_users=[(11, "reset")])).to_json())
    again.add(cell("v2", failed_users=[(11, "reset")]), stable="v1", candidate="v2")

    assert 1 == again.users["failures"].candidate


def test_what_is_stored_is_not_changed_by_counting_on() -> None:
    tally = tally_of(failed("v2", 2))
    stored = tally.to_json()
    before = json.dumps(stored)
    tally.add(failed("v2", 2), stable="v1", candidate="v2")

    assert before == json.dumps(stored)


def test_something_else_than_a_tally_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Tally.from_json({"rollout": "four"})


def test_a_tally_that_the_first_release_stored_is_taken_up() -> None:
    """0.1.0 knew no slow answers and no users beyond the failures'."""
    stored = tally_of(failed("v2", 2), cell("v2", failed_users=[(11, "reset")])).to_json()
    for key in ("users_on_candidate", "errors", "slow_users"):
        del stored[key]
    for row in stored["rows"].values():
        del row["candidate_slow"], row["stable_slow"]
    again = Tally.from_json(json.loads(json.dumps(stored)))

    assert ((ShareFailures(500, 3, 0),), (), 3) == (counted(again), counted(again, "slow"), again.users_with_errors)
