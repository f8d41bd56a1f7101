"""That leaping skips no look which could have decided, and not many more looks than it must."""

from __future__ import annotations

import math

import pytest

from proxy.analysis.guard import Tally, judge
from proxy.model.position import Finding
from proxy.model.rollout import Guard
from proxy.simulation.leaps import needed
from proxy.telemetry.snapshot import CellDelta

BOTH = Guard()
ALONE = Guard(slow_over_s=None)


def tally(share_bp: int, candidate: int, stable: int, slow: tuple[int, int] = (0, 0)) -> Tally:
    counted = Tally(1)
    for version, failed, slowed in (("v2", candidate, slow[0]), ("v1", stable, slow[1])):
        delta = CellDelta("s", version, 1, 1, share_bp / 10_000, draws=failed, draw_failures={"reset": failed}, draw_slow=slowed)
        counted.add(delta, stable="v1", candidate="v2")
    return counted


UNDECIDED = [
    (guard, share_bp, candidate, stable)
    for guard in (BOTH, ALONE)
    for share_bp in (100, 500, 5000, 9900)
    for candidate, stable in ((0, 0), (2, 0), (10, 100), (60, 70), (1000, 1000))
    if judge(guard, tally(share_bp, candidate, stable)).finding is not Finding.ROLLBACK
]


@pytest.mark.parametrize(("guard", "share_bp", "candidate", "stable"), UNDECIDED)
def test_fewer_failures_than_needed_cannot_decide_and_about_as_many_can(
    guard: Guard, share_bp: int, candidate: int, stable: int
) -> None:
    """With two kinds, up to twice the evidence is waited for: about one failure more."""
    least = needed(guard, tally(share_bp, candidate, stable), share_bp).failures

    assert least < math.inf
    before = judge(guard, tally(share_bp, candidate + int(least) - 1, stable))
    after = judge(guard, tally(share_bp, candidate + math.ceil(least * 1.3) + 3, stable))
    assert (True, Finding.ROLLBACK) == (before.finding is not Finding.ROLLBACK, after.finding)


@pytest.mark.parametrize("share_bp", [100, 500, 5000])
@pytest.mark.parametrize("slow", [(0, 0), (3, 100), (20, 2000)])
@pytest.mark.parametrize("failed", [(0, 0), (2, 3)])
def test_one_less_of_each_kind_cannot_decide_together(share_bp: int, slow: tuple[int, int], failed: tuple[int, int]) -> None:
    least = needed(BOTH, tally(share_bp, *failed, slow=slow), share_bp)
    more = tally(share_bp, failed[0] + int(least.failures) - 1, failed[1], slow=(slow[0] + int(least.slow) - 1, slow[1]))

    assert judge(BOTH, more).finding is not Finding.ROLLBACK
    assert Finding.ROLLBACK is judge(BOTH, tally(share_bp, *failed, slow=(slow[0] + math.ceil(least.slow * 1.3) + 3, slow[1]))).finding


def test_failures_of_other_shares_count_for_what_is_needed() -> None:
    assert needed(BOTH, tally(500, 2, 0), 5000).failures < needed(BOTH, tally(500, 0, 0), 5000).failures


def test_the_guard_s_own_minimum_is_needed() -> None:
    assert 12 == needed(Guard(min_failures=12, slow_over_s=None), tally(500, 0, 0), 500).failures


def test_no_answer_is_slow_to_a_guard_that_judges_none() -> None:
    assert math.inf == needed(ALONE, tally(500, 0, 0), 500).slow


@pytest.mark.parametrize("share_bp", [0, 10_000])
def test_no_events_are_enough_at_the_ends(share_bp: int) -> None:
    assert (math.inf, math.inf, False) == needed(BOTH, tally(500, 9, 0), share_bp)


def test_where_it_would_act_already_it_is_decided() -> None:
    assert (1, True) == (needed(BOTH, tally(500, 900, 0), 500).failures, needed(BOTH, tally(500, 900, 0), 500).decided)


def test_enough_evidence_of_too_few_events_waits_for_more_of_them() -> None:
    """At 1 % two failures are evidence of 10^3; the guard acts on five of a kind."""
    found = needed(Guard(min_failures=5), tally(100, 2, 0, slow=(1, 0)), 100)

    assert (3, 4, False) == found


def test_where_no_answer_can_be_slow_failures_need_not_wait_for_any() -> None:
    counted = tally(500, 2, 3)

    assert needed(BOTH, counted, 500, slow=False).failures >= needed(BOTH, counted, 500).failures
    assert math.inf == needed(BOTH, counted, 500, slow=False).slow


def test_a_budget_is_overspent_at_one_more_than_it_allows() -> None:
    assert 6 == needed(Guard(max_errors=15), tally(10_000, 10, 0), 10_000).failures
    assert 3 == needed(Guard(max_errors=15, max_users_with_errors=12), tally(10_000, 10, 0), 10_000).failures
