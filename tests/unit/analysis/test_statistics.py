"""The evidence against answers computed by hand and in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from proxy.analysis.statistics import (
    BETS,
    ShareFailures,
    log_bets,
    log_evidence,
    log_wins,
    power_of_ten,
)

THRESHOLD = math.log(1000)


def tolerated(w: Fraction, ratio: Fraction) -> Fraction:
    """``t``: the greatest probability that a failure drawn at a share of w is the candidate's while it still keeps to the ratio."""
    return ratio * w / (ratio * w + 1 - w)


def exact_evidence(rows: list[ShareFailures], ratio: Fraction) -> Fraction:
    """The definition, word by word, in fractions: nothing is simplified, nothing is rounded."""
    total = Fraction(0)
    for i in range(20):
        u = Fraction(2 * i + 1, 40)
        product = Fraction(1)
        for row in rows:
            w = Fraction(row.share_bp, 10_000)
            t = tolerated(w, ratio)
            q = t + (1 - t) * u
            product *= (q / t) ** row.candidate * ((1 - q) / (1 - t)) ** row.stable
        total += product
    return total / 20


def test_no_failure_is_no_evidence() -> None:
    assert 0.0 == log_evidence([], 1.5)


def test_one_candidate_failure_at_ten_percent_is_evidence_five_and_a_half() -> None:
    """w = 0.1, r = 1: q / t = 1 + 9 u, and the mean of u is one half."""
    assert math.log(5.5) == pytest.approx(log_evidence([ShareFailures(1000, 1, 0)], 1.0), rel=1e-12)


@pytest.mark.parametrize("share_bp", [1, 500, 5000, 9999])
def test_one_stable_failure_halves_the_evidence_at_every_share(share_bp: int) -> None:
    assert math.log(0.5) == pytest.approx(log_evidence([ShareFailures(share_bp, 0, 1)], 1.5), rel=1e-12)


@pytest.mark.parametrize(
    "rows",
    [
        [ShareFailures(500, 3, 0)],
        [ShareFailures(1000, 4, 7)],
        [ShareFailures(100, 1, 0), ShareFailures(500, 2, 9), ShareFailures(2500, 5, 3), ShareFailures(5000, 11, 10)],
        [ShareFailures(9999, 40, 1)],
    ],
)
@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(3, 2), Fraction(10)])
def test_the_evidence_is_the_definition_in_exact_fractions(rows: list[ShareFailures], ratio: Fraction) -> None:
    exact = exact_evidence(rows, ratio)

    assert math.log(exact.numerator) - math.log(exact.denominator) == pytest.approx(log_evidence(rows, float(ratio)), rel=1e-11)


@pytest.mark.parametrize("share_bp", [1, 500, 5000, 9999])
@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(3, 2), Fraction(4)])
def test_the_bet_is_fair_when_the_candidate_fails_exactly_as_often_as_it_may(share_bp: int, ratio: Fraction) -> None:
    """The supermartingale's step: t * E(candidate's failure) + (1 - t) * E(stable's failure) = 1."""
    t = float(tolerated(Fraction(share_bp, 10_000), ratio))
    won = math.exp(log_evidence([ShareFailures(share_bp, 1, 0)], float(ratio)))
    lost = math.exp(log_evidence([ShareFailures(share_bp, 0, 1)], float(ratio)))

    assert 1.0 == pytest.approx(t * won + (1 - t) * lost, rel=1e-9)


@pytest.mark.parametrize(("share_bp", "needed"), [(500, 3), (1000, 3), (2500, 5), (5000, 10), (9000, 66)])
def test_without_stable_failures_fewer_than_the_bound_never_decide(share_bp: int, needed: int) -> None:
    """ln(1000) / ln(1 / t) at ratio 1, where t is the share: 2.3, 3.0, 4.98, 9.97 and 65.6, rounded up."""
    assert log_evidence([ShareFailures(share_bp, needed - 1, 0)], 1.0) < THRESHOLD


@pytest.mark.parametrize(("share_bp", "enough"), [(500, 3), (1000, 4), (2500, 7), (5000, 13)])
def test_the_mixture_decides_a_little_above_the_bound(share_bp: int, enough: int) -> None:
    """What not knowing the candidate's failure rate beforehand costs; the numbers are those of ``exact_evidence``."""
    counts = range(1, 40)

    assert enough == next(n for n in counts if exact_evidence([ShareFailures(share_bp, n, 0)], Fraction(1)) >= 1000)
    assert enough == next(n for n in counts if log_evidence([ShareFailures(share_bp, n, 0)], 1.0) >= THRESHOLD)


@pytest.mark.parametrize("share_bp", [0, 10_000])
def test_failures_at_no_share_and_at_every_share_are_no_evidence(share_bp: int) -> None:
    known = ShareFailures(500, 2, 1)

    assert 0.0 == log_evidence([ShareFailures(share_bp, 100, 100)], 1.5)
    assert log_evidence([known], 1.5) == log_evidence([known, ShareFailures(share_bp, 100, 100)], 1.5)


def test_huge_counts_stay_finite_and_right() -> None:
    """With 10^8 candidate failures the greatest bet has all of the mean, and it is one of twenty."""
    step = 9500 / (1.5 * 500)
    expected = 1e8 * math.log1p(max(BETS) * step) - math.log(20)

    assert expected == pytest.approx(log_evidence([ShareFailures(500, 10**8, 0)], 1.5), rel=1e-12)


def test_huge_counts_of_both_alike_sink_instead_of_underflowing() -> None:
    """The smallest bet, u = 1/40, loses least: ln(1 + u / 1.5) + ln(1 - u) a pair."""
    expected = 1e8 * (math.log1p(1 / 60) + math.log1p(-1 / 40)) - math.log(20)

    assert expected == pytest.approx(log_evidence([ShareFailures(5000, 10**8, 10**8)], 1.5), rel=1e-12)


def test_a_ratio_of_nothing_is_a_bug_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        log_evidence([], 0.0)


def test_the_evidence_is_the_mean_of_the_bets() -> None:
    rows = (ShareFailures(500, 4, 2), ShareFailures(2500, 1, 9))
    bets = [math.exp(log) for log in log_bets(rows, 1.5)]

    assert log_evidence(rows, 1.5) == pytest.approx(math.log(math.fsum(bets) / len(BETS)))


def test_a_failure_of_the_candidate_adds_its_win_to_every_bet() -> None:
    before, after = (log_bets([ShareFailures(500, count, 2)], 1.5) for count in (4, 5))

    assert after == pytest.approx([bet + win for bet, win in zip(before, log_wins(500, 1.5), strict=True)])


def test_evidence_is_told_in_powers_of_ten() -> None:
    assert ["10^3.0", "10^0.0", "10^-1.0"] == [power_of_ten(log) for log in (THRESHOLD, 0.0, math.log(0.1))]
