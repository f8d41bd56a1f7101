"""Drawn counts have the distribution they claim."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest

from proxy.simulation.chance import binomial, poisson


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


@pytest.mark.parametrize(("of", "probability"), [(5, 0.3), (17, 0.5), (400, 0.02), (10_000, 0.7)])
def test_tries_succeed_as_often_as_they_are_likely_to(of: int, probability: float) -> None:
    """Mean and variance of a binomial number, within five of their standard errors."""
    chance, n = Random(20_241_125), 3000
    drawn = [binomial(chance, of, probability) for _ in range(n)]
    average = math.fsum(drawn) / n
    variance = math.fsum((count - average) ** 2 for count in drawn) / (n - 1)
    expected = of * probability * (1 - probability)

    assert average == pytest.approx(of * probability, abs=5 * math.sqrt(expected / n))
    assert variance == pytest.approx(expected, rel=5 * math.sqrt(3 / n))


def test_sixteen_tries_and_seventeen_have_the_law_of_tries() -> None:
    """Either side of where it changes from trying to halving: chi-squared against the exact law."""
    for of in (16, 17):
        chance, n = Random(of), 20_000
        seen = Counter(binomial(chance, of, 0.3) for _ in range(n))
        expected = {k: n * math.comb(of, k) * 0.3**k * 0.7 ** (of - k) for k in range(of + 1)}
        cells = {k: value for k, value in expected.items() if value >= 10}
        chi_squared = math.fsum((seen[k] - value) ** 2 / value for k, value in cells.items())

        assert chi_squared < len(cells) + 5 * math.sqrt(2 * len(cells))


@pytest.mark.parametrize(("of", "probability", "expected"), [(0, 0.5, 0), (1000, 0.0, 0), (1000, 1.0, 1000)])
def test_certain_tries_are_certain(of: int, probability: float, expected: int) -> None:
    assert expected == binomial(Random(1), of, probability)
