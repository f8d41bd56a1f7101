"""Synthetic latencies have the median and the tail they are said to have."""

from __future__ import annotations

import math
from random import Random

import pytest

from proxy.simulation.latency import SPREAD, quantile_s, share_over


def test_half_of_the_answers_take_longer_than_the_median() -> None:
    assert share_over(0.2, 0.2) == pytest.approx(0.5)


def test_answers_that_take_no_time_are_never_slow() -> None:
    assert 0.0 == share_over(0.0, 1e-9)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_a_quantile_is_what_the_rest_exceeds(q: float) -> None:
    assert share_over(0.1, quantile_s(0.1, q)) == pytest.approx(1 - q)


def test_the_p99_is_three_times_the_median() -> None:
    assert quantile_s(1.0, 0.99) == pytest.approx(3.2, abs=0.01)


def test_it_is_the_log_normal_distribution() -> None:
    chance = Random(1)
    drawn = [chance.lognormvariate(math.log(0.1), SPREAD) for _ in range(20_000)]

    assert sum(value > 0.15 for value in drawn) / 20_000 == pytest.approx(share_over(0.1, 0.15), abs=0.01)
