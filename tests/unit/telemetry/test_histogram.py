from __future__ import annotations

from itertools import pairwise

import pytest

from proxy.telemetry.histogram import BOUNDS_S, BUCKETS, EXPOSED_S, bucket, exposed, merge, quantile


def test_bounds_grow_and_no_bucket_is_wider_than_8_percent() -> None:
    above_first = [(low, high) for low, high in pairwise(BOUNDS_S) if low >= EXPOSED_S[0]]

    assert all(low < high for low, high in pairwise(BOUNDS_S))
    assert max(high / low for low, high in above_first) <= 1.08 + 1e-9


def test_bounds_reach_from_half_a_millisecond_to_a_minute() -> None:
    assert (0.0005, 60.0) == (EXPOSED_S[0], EXPOSED_S[-1])
    assert (60.0, len(BOUNDS_S) + 1) == (BOUNDS_S[-1], BUCKETS)


def test_every_exposed_bound_is_a_bound() -> None:
    """So exposition loses nothing."""
    assert set() == set(EXPOSED_S) - set(BOUNDS_S)


@pytest.mark.parametrize(
    ("duration_s", "index"),
    [(-1.0, 0), (0.0, 0), (BOUNDS_S[0], 0), (BOUNDS_S[0] + 1e-9, 1), (60.0, BUCKETS - 2), (60.1, BUCKETS - 1), (1e9, BUCKETS - 1)],
)
def test_a_bound_belongs_to_its_own_bucket(duration_s: float, index: int) -> None:
    """As Prometheus's ``le`` does."""
    assert index == bucket(duration_s)


def test_merging_adds_in_place() -> None:
    into = {1: 2, 3: 4}
    merge(into, {3: 1, 5: 6})

    assert {1: 2, 3: 5, 5: 6} == into


def test_nothing_counted_has_no_quantile() -> None:
    """No data is not zero."""
    assert quantile({}, 0.5) is None
    assert quantile({4: 0}, 0.5) is None


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    low, high = BOUNDS_S[9], BOUNDS_S[10]

    assert pytest.approx(low + (high - low) / 2) == quantile({10: 100}, 0.5)
    assert pytest.approx(high) == quantile({10: 100}, 1.0)


def test_the_first_bucket_begins_at_zero() -> None:
    assert pytest.approx(BOUNDS_S[0] / 4) == quantile({0: 4}, 0.25)


def test_a_quantile_passes_over_what_lies_below() -> None:
    assert pytest.approx(BOUNDS_S[20]) == quantile({5: 50, 6: 0, 20: 50}, 1.0)
    assert pytest.approx(BOUNDS_S[5]) == quantile({20: 50, 5: 50}, 0.5)


def test_beyond_the_last_bound_its_lower_bound_is_told() -> None:
    assert 60.0 == quantile({BUCKETS - 1: 1}, 0.5)


@pytest.mark.parametrize("q", [0.0, -0.1, 1.1])
def test_a_quantile_outside_its_range_is_a_bug_of_ours(q: float) -> None:
    with pytest.raises(AssertionError):
        quantile({1: 1}, q)


def test_exposed_counts_are_cumulative_at_each_exposed_bound() -> None:
    counts = {bucket(0.0001): 1, bucket(0.0005): 2, bucket(0.0009): 4, bucket(60.0): 8, bucket(61.0): 16}
    shown = dict(exposed(counts))

    assert list(EXPOSED_S) == list(shown)
    assert [3, 7, 7, 15] == [shown[bound] for bound in (0.0005, 0.001, 30.0, 60.0)]


def test_an_empty_histogram_is_exposed_as_zeros() -> None:
    assert [0] * len(EXPOSED_S) == [count for _, count in exposed({})]
