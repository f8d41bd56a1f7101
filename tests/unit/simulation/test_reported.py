"""What workers would report: counts as cells, and latencies whose quantiles are those of the distribution."""

from __future__ import annotations

import math
from random import Random

import pytest

from proxy.model.rollout import Check, RolloutPlan
from proxy.simulation.latency import quantile_s
from proxy.simulation.reported import Reporter, groups, latencies, quantiles_read
from proxy.simulation.traffic import Counts
from proxy.telemetry.histogram import quantile

P99 = Check("p99", metric="latency_p99", max=0.5)
P50 = Check("p50", metric="latency_p50", max_ratio=1.3)
PLAN = RolloutPlan(checks=(P99, P50, Check("errors", metric="error_rate", max=0.1)))


def test_the_quantiles_that_checks_read_are_known() -> None:
    assert ((0.5, 0.99), (0.5,), ()) == (quantiles_read(PLAN), quantiles_read(PLAN, of_stable=True), quantiles_read(RolloutPlan()))


@pytest.mark.parametrize("median_s", [0.00001, 0.0002, 0.1, 5.0, 200.0])
@pytest.mark.parametrize("quantiles", [(0.5,), (0.99,), (0.5, 0.9, 0.99)])
def test_every_answer_is_in_some_bucket(median_s: float, quantiles: tuple[float, ...]) -> None:
    shares = [share for _, share in groups(median_s, quantiles)]

    assert math.fsum(shares) == pytest.approx(1.0)
    assert all(share >= 0 for share in shares)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("median_s", [0.01, 0.1, 1.0])
def test_a_quantile_that_is_read_is_the_distribution_s(median_s: float, q: float) -> None:
    drawn = latencies(Random(1), 200_000, median_s, (q,))

    assert quantile(drawn, q) == pytest.approx(quantile_s(median_s, q), rel=0.02)
    assert sum(drawn.values()) == pytest.approx(200_000, rel=0.01)


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
