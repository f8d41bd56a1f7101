"""Histograms: a quantile is that of the samples to within its bucket, and merging is addition in any order."""

from __future__ import annotations

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.histogram import BOUNDS_S, BUCKETS, EXPOSED_S, bucket, exposed, merge, quantile

durations = st.lists(st.floats(0.0, 120.0), min_size=1, max_size=60)
counts = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(0, 10**12), max_size=12)


def merged(*parts: dict[int, int]) -> dict[int, int]:
    total: dict[int, int] = {}
    for part in parts:
        merge(total, part)
    return total


@given(durations, st.floats(0.001, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_exact_sample(samples: list[float], q: float) -> None:
    exact = sorted(samples)[max(ceil(q * len(samples)), 1) - 1]
    index = bucket(exact)
    low = BOUNDS_S[index - 1] if index else 0.0
    high = BOUNDS_S[index] if index < len(BOUNDS_S) else BOUNDS_S[-1]
    found = quantile(Counter(map(bucket, samples)), q)

    assert found is not None
    assert low <= found <= high * (1 + 1e-12)


@given(durations, st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_a_higher_quantile_is_never_lower(samples: list[float], one: float, other: float) -> None:
    seen = Counter(map(bucket, samples))
    low, high = quantile(seen, min(one, other)), quantile(seen, max(one, other))

    assert low is not None
    assert high is not None
    assert low <= high * (1 + 1e-12)


@given(counts, counts, counts)
def test_merging_is_associative_and_in_any_order(a: dict[int, int], b: dict[int, int], c: dict[int, int]) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(c, b, a)
    assert sum(a.values()) + sum(b.values()) == sum(merged(a, b).values())


@given(durations)
def test_exposed_counts_are_those_of_the_samples(samples: list[float]) -> None:
    assert [(bound, sum(s <= bound for s in samples)) for bound in EXPOSED_S] == exposed(Counter(map(bucket, samples)))
