"""The evidence that a candidate fails more often than it may, from failure counts alone. Pure; knows no version, no time, no plan.

Facts
-----
*Hypothesis.* The candidate fails at most ``ratio`` times as often as stable. A request drawn while the candidate's share was ``w``
goes to it with probability ``w``; so, given that a drawn request failed, the failure is the candidate's with probability at most

    t = ratio * w / (ratio * w + 1 - w)

*Bet.* Against that, for a fixed u in (0, 1), bet on ``q = t + (1 - t) * u`` and keep

    M_u = product over failures of (q / t) if it is the candidate's, else (1 - q) / (1 - t)

Under the hypothesis each factor has a mean of at most 1 (it grows with the probability of y = 1, which is at most t, and is 1 at t),
so M_u is a non-negative supermartingale that starts at 1, and so is its mean over u, the evidence ``E``.

*Always valid.* Ville (Etude critique de la notion de collectif, 1939): P(E ever reaches 1 / alpha) <= alpha. At any number of looks,
through any change of weight, with no minimum sample. The sequential tests of Lindon, Malek, Ham and Bojinov (arXiv 2205.14762) are of
this family; betting with a fixed mixture is Waudby-Smith and Ramdas (arXiv 2010.09686).

*Counts suffice.* The factors commute, so failures per share are all that is needed, and they simplify:

    q / t             = 1 + u * (1 - w) / (ratio * w)
    (1 - q) / (1 - t) = 1 - u                                 whatever the share

*No evidence at the ends.* At w = 1 every failure is the candidate's whichever hypothesis holds (q = t = 1), and at w = 0 none is; a
failure counted there (an answer that outlived its split, an override) has factor 1.

*Bound.* q / t < 1 / t, so with no stable failure at all at least ln(1 / alpha) / ln(1 / t) candidate failures are needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from proxy import limits

SHARE_BP: Final = 10_000
"""A share of everything, in basis points."""


class ShareFailures(NamedTuple):
    """Failures of requests that were drawn while the candidate's share was ``share_bp`` (0..10000 basis points)."""

    share_bp: int
    candidate: int
    stable: int


BETS: Final = tuple((i + 0.5) / 20 for i in range(20))
"""The fixed grid of u. Fixed before any data: choosing u by looking at them would void the bound.

Twenty even bets find 5 % errors against 0.5 % as fast as fifty do; a small excess is met by those near 0, a total failure by those
near 1.
"""


def log_evidence(failures: Sequence[ShareFailures], ratio: float) -> float:
    """The natural logarithm of E; 0.0 when nothing was counted. ``ratio`` > 0. Exact at any count: all sums are of logarithms.

    Cached by its counts, so a tick without a new failure costs one look-up.
    """
    betting = tuple(row for row in failures if 0 < row.share_bp < SHARE_BP and (row.candidate or row.stable))
    return _log_evidence(betting, ratio)


def power_of_ten(log: float) -> str:
    """Log evidence for people: ``10^2.3``."""
    return f"10^{log / math.log(10):.1f}"


def log_bets(failures: Sequence[ShareFailures], ratio: float) -> list[float]:
    """ln M_u of every bet u of ``BETS``, whose mean (of M_u) is E."""
    assert ratio > 0
    betting = [row for row in failures if 0 < row.share_bp < SHARE_BP]
    stable = sum(row.stable for row in betting)
    logs = [stable * math.log1p(-u) for u in BETS]
    for row in betting:
        if row.candidate:
            wins = log_wins(row.share_bp, ratio)
            logs = [log + row.candidate * win for log, win in zip(logs, wins, strict=True)]
    return logs


@lru_cache(maxsize=limits.EVIDENCE_CACHE_ENTRIES_MAX)
def log_wins(share_bp: int, ratio: float) -> tuple[float, ...]:
    """ln (q / t) of every bet: what one failure of the candidate's at this share (0 < share < 1) adds to ln M_u."""
    step = (SHARE_BP - share_bp) / (ratio * share_bp)
    return tuple(math.log1p(u * step) for u in BETS)


@lru_cache(maxsize=limits.EVIDENCE_CACHE_ENTRIES_MAX)
def _log_evidence(failures: tuple[ShareFailures, ...], ratio: float) -> float:
    return _log_mean_exp(log_bets(failures, ratio))


def _log_mean_exp(logs: Sequence[float]) -> float:
    """ln of the mean of exp(x), without leaving the range of floats."""
    most = max(logs)
    return most + math.log(math.fsum(math.exp(log - most) for log in logs) / len(logs))
