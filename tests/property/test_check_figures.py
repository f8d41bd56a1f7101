"""How seldom a check rolls back a version that is as good as stable, by simulation with fixed seeds.

A minute of it is six looks at a sum that grows; only numbers of failed requests are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from proxy.analysis.metrics import measure
from proxy.analysis.stretches import Side, Stretch
from proxy.model.rollout import Check

RUNS = 200
RATE = 0.005
OF_CANDIDATE, OF_STABLE = 50, 950
"""Requests in each interval of ten seconds: 5 and 95 a second."""


def failing(chance: Random, requests: int, rate: float) -> int:
    return sum(chance.random() < rate for _ in range(requests))


def rolled_back(chance: Random, check: Check, rate: float, fails: Callable[[Stretch], bool]) -> bool:
    """Whether it fails three times in five minutes, looked at every ten seconds for ten minutes."""
    stretch, failed_at = Stretch(), list[int]()
    for look in range(60):
        stretch.seconds += 10
        stretch.candidate.requests += OF_CANDIDATE
        stretch.candidate.failures += failing(chance, OF_CANDIDATE, rate)
        stretch.stable.requests += OF_STABLE
        stretch.stable.failures += failing(chance, OF_STABLE, RATE)
        if fails(stretch):
            failed_at.append(look)
        if len(failed_at) >= 3 and look - failed_at[-3] <= 30:
            return True
    return False


@pytest.mark.parametrize("check", [Check("c", metric="error_rate", max_ratio=1.5), Check("c", metric="error_rate", max=0.01)])
def test_of_good_versions_hardly_any_is_rolled_back_by_a_check(check: Check) -> None:
    """A look that took each excess for a fail would have rolled back a good part of them."""

    def careful(stretch: Stretch) -> bool:
        return measure(check, stretch).result == "fail"

    def naive(stretch: Stretch) -> bool:
        rate = stretch.candidate.failures / stretch.candidate.requests
        limit = check.max if check.max is not None else 1.5 * stretch.stable.failures / stretch.stable.requests
        return stretch.candidate.requests >= 100 and rate > limit

    found = [sum(rolled_back(Random(seed), check, RATE, judge) for seed in range(RUNS)) for judge in (careful, naive)]

    assert found[0] <= 1, found
    assert found[1] >= 10, found


def test_a_version_that_fails_five_times_as_often_as_it_may_is_rolled_back() -> None:
    check = Check("c", metric="error_rate", max=0.01)

    assert RUNS // 4 == sum(rolled_back(Random(s), check, 0.05, lambda x: measure(check, x).result == "fail") for s in range(RUNS // 4))


def test_with_all_its_requests_failed_the_first_look_fails() -> None:
    assert "fail" == measure(Check("c", metric="error_rate", max=0.01), Stretch(1.0, Side(5, 5), Side(95, 0))).result
