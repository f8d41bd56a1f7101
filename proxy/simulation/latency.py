"""How long synthetic answers take: log-normal, described by the median alone. Pure; draws nothing.

Measured latencies of services are skewed and have long tails; of the distributions with two parameters the log-normal is the usual
description. The spread is fixed, so that one number says all: the 99th percentile is 3.2 times the median.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

SPREAD: Final = 0.5
"""Standard deviation of the logarithm."""

LATE_S: Final = 0.5
"""Answers that take longer are *late*, whatever a plan says of slow ones: Flagger's documented limit of the 99th percentile."""

_NORMAL: Final = NormalDist()


@lru_cache(maxsize=1024)  # the same few are asked for at every look
def share_over(median_s: float, bound_s: float) -> float:
    """Share of the answers that take longer than ``bound_s``; none do when the median is 0 (answers take no time)."""
    assert bound_s > 0, bound_s
    if median_s <= 0:
        return 0.0
    return 1.0 - _NORMAL.cdf((math.log(bound_s) - math.log(median_s)) / SPREAD)


def quantile_s(median_s: float, q: float) -> float:
    """The ``q``-quantile (0 < q < 1) in seconds."""
    return median_s * math.exp(SPREAD * _NORMAL.inv_cdf(q))
