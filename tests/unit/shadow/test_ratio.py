"""Latencies by pair."""

from __future__ import annotations

import random

from proxy.shadow.ratio import PAIRS_MIN, Ratios


def ratios(pairs: list[tuple[float, float]]) -> Ratios:
    made = Ratios()
    for original, copy in pairs:
        made.add(original, copy)
    return made


def test_with_few_pairs_nothing_is_said() -> None:
    assert ratios([(1.0, 2.0)] * (PAIRS_MIN - 1)).interval() is None


def test_a_copy_that_always_takes_twice_as_long_has_the_ratio_two() -> None:
    found = ratios([(0.01, 0.02)] * 100).interval()

    assert found is not None
    assert [round(x, 1) for x in (found.low, found.median, found.high)] == [2.0, 2.0, 2.0]


def test_the_interval_holds_the_true_median_about_as_often_as_it_says() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(400):
        found = ratios([(1.0, 1.3 * chance.lognormvariate(0, 0.5)) for _ in range(200)]).interval()
        assert found is not None
        held += found.low / 1.02 <= 1.3 <= found.high * 1.02

    assert 0.93 <= held / 400 <= 1.0


def test_what_differs_between_requests_does_not_widen_the_interval() -> None:
    chance = random.Random(7)
    bases = [chance.uniform(0.001, 10) for _ in range(200)]
    found = ratios([(base, base * 1.1) for base in bases]).interval()

    assert found is not None
    assert found.high / found.low < 1.03


def test_a_pair_without_times_is_not_counted() -> None:
    assert ratios([(0.0, 1.0), (1.0, 0.0)]).counts == {}


def test_a_ratio_beyond_a_thousand_is_counted_at_the_end() -> None:
    assert ratios([(1e-9, 1e9), (1e9, 1e-9)]).counts == {350: 1, -350: 1}
