"""Drawing counts. Exact, from the uniform numbers of a ``random.Random``; knows nothing of traffic."""

from __future__ import annotations

import math
from random import Random
from typing import Final

_SEARCHED_BELOW: Final = 10.0
"""Means below it are drawn by search from 0 up, in mean + 1 steps; from there on by rejection, in about 1.2 tries."""
_TRIED_BELOW: Final = 16
"""So few tries of a binomial number are made one by one."""


def poisson(chance: Random, mean: float) -> int:
    """A Poisson number of this mean, which may be 0."""
    assert 0 <= mean < math.inf, mean
    return _searched(chance, mean) if mean < _SEARCHED_BELOW else _rejected(chance, mean)


def _searched(chance: Random, mean: float) -> int:
    """Inversion: the first count whose distribution function exceeds a uniform number."""
    left = chance.random()
    count, probability = 0, math.exp(-mean)
    while left >= probability > 0.0:  # rounding leaves about 1e-16 beyond the last count
        left -= probability
        count += 1
        probability *= mean / count
    return count


def _rejected(chance: Random, mean: float) -> int:
    """Hoermann, The transformed rejection method for generating Poisson random variables (1993), algorithm PTRS."""
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2)
    log_mean = math.log(mean)
    while True:
        u = chance.random() - 0.5
        v = 1.0 - chance.random()
        us = 0.5 - abs(u)
        if us == 0.0:
            continue
        count = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= squeeze:
            return count
        if count < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v * inverse_alpha / (a / (us * us) + b)) <= count * log_mean - mean - math.lgamma(count + 1):
            return count


def binomial(chance: Random, of: int, probability: float) -> int:
    """How many of ``of`` independent tries succeed; exact, in about log2(of) + 16 draws (Devroye 1986, X.4.3, recursive).

    The middle one of ``of`` uniform numbers is Beta distributed; it says which half lies on the same side of ``probability`` whole.
    """
    assert 0 <= probability <= 1, probability
    successes = 0
    while of > _TRIED_BELOW:
        middle = of // 2 + 1
        where = chance.betavariate(middle, of + 1 - middle)
        if where <= probability:
            successes += middle
            of -= middle
            probability = (probability - where) / (1.0 - where) if where < 1.0 else 0.0
        else:
            of = middle - 1
            probability /= where
    return successes + sum(chance.random() < probability for _ in range(of))
