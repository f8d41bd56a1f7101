"""Drawn counts have the distribution they claim."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest

from proxy.simulation.chance import poisson


def test_nothing_comes_of_a_mean_of_nothing() -> None:
    assert {0} == {poisson(Random(seed), 0.0) for seed in range(20)}


def test_the_same_chance_draws_the_same() -> None:
    assert [poisson(Random(5), mean) for mean in (0.5, 50.0)] == [poisson(Random(5), mean) for mean in (0.5, 50.0)]


@pytest.mark.parametrize("mean", [0.01, 0.7, 9.99, 10.0, 37.5, 900.0, 2e6])
def test_mean_and_variance_are_the_mean(mean: float) -> None:
    """Both estimates within five of their standard errors."""
    chance, n = Random(20_241_124), 4000
    drawn = [poisson(chance, mean) for _ in range(n)]
    average = math.fsum(drawn) / n
    variance = math.fsum((count - average) ** 2 for count in drawn) / (n - 1)

    assert average == pytest.approx(mean, abs=5 * math.sqrt(mean / n))
    assert variance == pytest.approx(mean, abs=5 * math.sqrt((mean + 2 * mean**2) / n))


@pytest.mark.parametrize("mean", [3.0, 12.0, 40.0])
def test_each_count_is_as_frequent_as_the_law_says(mean: float) -> None:
    """Chi-squared over the counts that are expected ten times at least: below its mean plus five standard deviations."""
    chance, n = Random(7), 20_000
    seen = Counter(poisson(chance, mean) for _ in range(n))
    expected = {k: n * math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(200)}
    cells = {k: value for k, value in expected.items() if value >= 10}
    chi_squared = math.fsum((seen[k] - value) ** 2 / value for k, value in cells.items())

    assert chi_squared < len(cells) + 5 * math.sqrt(2 * len(cells))
