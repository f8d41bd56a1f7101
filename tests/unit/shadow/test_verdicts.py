"""Whose a difference is."""

from __future__ import annotations

import math
import random

import pytest

from proxy.shadow.compare import Rules
from proxy.shadow.counts import Counts, PathCount, RouteCount
from proxy.shadow.verdicts import ALPHA, Finding, differing, judge, judge_all, mcnemar


def finding(count: PathCount, *, paths: int = 1, noise: bool = True, allow: tuple[str, ...] = ()) -> str:
    return judge(count, paths, noise=noise, allow=Rules(allow)).finding.value


def count(copy_only: int = 0, noise_only: int = 0, both: int = 0, unpaired: int = 0) -> PathCount:
    return PathCount("$.a", "value", copy_only, noise_only, both, unpaired)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (count(copy_only=100), "differs"),
        (count(copy_only=1), "cannot tell yet"),
        (count(copy_only=50, noise_only=50), "noise"),
        (count(both=100), "noise"),
        (count(copy_only=5, noise_only=1), "cannot tell yet"),
        (count(copy_only=500, noise_only=100, both=50), "differs"),
    ],
)
def test_with_a_noise_leg_only_what_the_candidate_shows_more_often_is_its_own(seen: PathCount, expected: str) -> None:
    assert finding(seen) == expected


@pytest.mark.parametrize(("times", "expected"), [(1, "cannot tell yet"), (3, "differs")])
def test_without_a_noise_leg_a_difference_that_comes_again_is_told(times: int, expected: str) -> None:
    assert finding(count(unpaired=times), noise=False) == expected


def test_what_is_allowed_is_no_accusation() -> None:
    assert finding(count(copy_only=1000), allow=("$.a",)) == "allowed"


def test_the_more_paths_the_more_evidence_is_needed() -> None:
    seen = count(copy_only=12)

    assert [finding(seen, paths=1), finding(seen, paths=500)] == ["differs", "cannot tell yet"]


def test_the_p_is_the_upper_tail_of_an_even_binomial() -> None:
    expected = sum(math.comb(10, k) for k in range(8, 11)) / 2**10

    assert mcnemar(8, 2) == pytest.approx(expected)


def test_no_candidate_difference_has_the_p_one() -> None:
    assert [mcnemar(0, 0), mcnemar(0, 9)] == [1.0, 1.0]


def test_the_p_of_many_pairs_is_exact_too() -> None:
    assert mcnemar(5100, 4900) == pytest.approx(0.02330, abs=1e-4)


def test_equal_builds_are_accused_at_any_look_no_more_often_than_alpha() -> None:
    chance = random.Random(11)
    accused = 0
    for _ in range(400):
        seen = count()
        for _ in range(300):
            if chance.random() < 0.5:
                seen.copy_only += 1
            else:
                seen.noise_only += 1
            if judge(seen, 1, noise=True, allow=Rules()).finding is Finding.DIFFERS:
                accused += 1
                break

    assert accused / 400 <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 400)


def test_a_change_in_one_of_fifty_requests_is_found_beside_noise() -> None:
    chance = random.Random(3)
    seen = count()
    for _ in range(20_000):
        changed, drawn = chance.random() < 0.02, (chance.random() < 0.005, chance.random() < 0.005)
        copy = changed or drawn[0]
        seen.copy_only += copy and not drawn[1]
        seen.noise_only += drawn[1] and not copy
        seen.both += copy and drawn[1]

    assert finding(seen, paths=50) == "differs"


def test_the_paths_that_differ_come_with_the_most_frequent_first() -> None:
    paths = {"rare": PathCount("$.rare", "value", unpaired=4), "much": PathCount("$.much", "value", unpaired=9)}
    paths |= {"once": PathCount("$.once", "value", unpaired=1), "meant": PathCount("$.meant", "value", unpaired=99)}
    counts = Counts("shop", "v2", 0.0, routes={"r": RouteCount("r", 100, 100, paths=paths)})

    assert [(route, c.path) for route, c, _ in differing(judge_all(counts, Rules(["$.meant"])))] == [("r", "$.much"), ("r", "$.rare")]
