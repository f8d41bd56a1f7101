"""What workers would report: counts as cells, and latencies whose quantiles are those of the distribution."""

from __future__ import annotations

import math
from random import Random

import pytest

from proxy.model.rollout import Check, RolloutPlan
from proxy.simulation.latency import quantile_s, share_over
from proxy.simulation.reported import Reporter, groups, latencies, points_read
from proxy.simulation.traffic import Counts
from proxy.telemetry.histogram import BOUNDS_S, bucket, quantile

P99 = Check("p99", metric="latency_p99", max=0.5)
P50 = Check("p50", metric="latency_p50", max_ratio=1.3)
PLAN = RolloutPlan(checks=(P99, P50, Check("errors", metric="error_rate", max=0.1)))


def test_what_checks_look_at_is_known() -> None:
    points = points_read(PLAN, 0.2, 0.1)

    assert {quantile_s(median, q) for median in (0.1, 0.2) for q in (0.5, 0.99)} | {0.5, 1.3 * quantile_s(0.1, 0.5)} == set(points)
    assert () == points_read(RolloutPlan(), 0.2, 0.1) == points_read(PLAN, 0.0, 0.0)


@pytest.mark.parametrize("median_s", [0.00001, 0.0002, 0.1, 5.0, 200.0])
@pytest.mark.parametrize("points", [(0.1,), (0.5, 0.51), (0.00001, 0.3, 90.0)])
def test_every_answer_is_in_some_bucket(median_s: float, points: tuple[float, ...]) -> None:
    shares = [share for _, share in groups(median_s, points)]

    assert math.fsum(shares) == pytest.approx(1.0)
    assert all(share >= 0 for share in shares)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("median_s", [0.01, 0.1, 1.0])
def test_a_quantile_that_is_read_is_the_distribution_s(median_s: float, q: float) -> None:
    drawn = latencies(Random(1), 200_000, median_s, (quantile_s(median_s, q),))

    assert quantile(drawn, q) == pytest.approx(quantile_s(median_s, q), rel=0.02)
    assert sum(drawn.values()) == pytest.approx(200_000, rel=0.01)


def test_beyond_a_limit_there_are_as_many_as_the_distribution_has() -> None:
    drawn = latencies(Random(1), 1_000_000, 0.1, points_read(RolloutPlan(checks=(P99,)), 0.1, 0.1))
    beyond = sum(count for index, count in drawn.items() if index > bucket(0.5))

    assert beyond == pytest.approx(1_000_000 * share_over(0.1, BOUNDS_S[bucket(0.5)]), rel=0.1)


@pytest.mark.parametrize("draw", [(0, 0.1, (0.5,)), (10, 0.0, (0.5,)), (10, 0.1, ())])
def test_nothing_is_drawn_that_nobody_reads(draw: tuple[int, float, tuple[float, ...]]) -> None:
    assert {} == latencies(Random(1), *draw)


def test_cells_have_what_was_counted() -> None:
    reporter = Reporter(PLAN, Random(1), "reset")
    counts = Counts(candidate_good=900, candidate_failed=2, stable_good=5000, stable_failed=3, candidate_slow=9, stable_slow=50)
    candidate, stable = reporter.cells(counts, rollout=7, share_bp=500, candidate_median_s=0.1, stable_median_s=0.1)

    assert ("candidate", 7, 0.05, 902, {"reset": 2}, 9) == (
        candidate.version,
        candidate.rollout,
        candidate.candidate_share,
        candidate.draws,
        candidate.draw_failures,
        candidate.draw_slow,
    )
    assert ("stable", 5003, {"reset": 3}, 50) == (stable.version, stable.draws, stable.draw_failures, stable.draw_slow)
    assert sum(candidate.latency.values()) == pytest.approx(900, rel=0.15)


def test_failures_of_known_users_are_told_by_user() -> None:
    counts = Counts(candidate_failed=3, candidate_users=[5, 5, 9])
    candidate, _ = Reporter(PLAN, Random(1), "reset").cells(
        counts, rollout=1, share_bp=500, candidate_median_s=0.0, stable_median_s=0.0
    )

    assert ({}, [(5, "reset"), (5, "reset"), (9, "reset")]) == (candidate.draw_failures, candidate.failed_users)
