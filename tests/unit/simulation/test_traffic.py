"""Synthetic traffic: its rates over the day and around the onset, and what it draws."""

from __future__ import annotations

import math
from random import Random

import pytest

from proxy.simulation.traffic import DAY_S, LEVEL_S, Counts, Traffic

FLAT = Traffic(rps=100.0, stable_errors=0.01, candidate_errors=0.5, onset_s=60.0)
DAILY = Traffic(rps=100.0, stable_errors=0.0, candidate_errors=0.0, quiet_rps=20.0, begins_s=4 * 3600.0)


def test_the_rate_is_level_without_a_quiet_one() -> None:
    assert {100.0} == {FLAT.rate(at) for at in (0.0, 1e3, 1e6)}


@pytest.mark.parametrize(("at_s", "expected"), [(0.0, 20.0), (DAY_S / 4, 60.0), (DAY_S / 2, 100.0), (DAY_S, 20.0)])
def test_a_day_goes_from_the_quiet_rate_to_the_busy_one_and_back(at_s: float, expected: float) -> None:
    assert DAILY.rate(at_s) == pytest.approx(expected, rel=0.02)


def test_the_candidate_fails_as_stable_does_until_the_onset() -> None:
    assert [0.01, 0.01, 0.5, 0.5] == [FLAT.candidate_error_rate(at) for at in (0.0, 59.9, 60.0, 1e6)]


def test_rates_are_level_until_the_onset_or_the_next_stretch_of_the_day() -> None:
    assert [60.0, math.inf] == [FLAT.level_until(at) for at in (0.0, 60.0)]
    assert [LEVEL_S, 2 * LEVEL_S] == [DAILY.level_until(at) for at in (1.0, LEVEL_S)]


def test_time_passes_to_its_end_when_too_few_fail() -> None:
    stop, counts = FLAT.pass_time(Random(1), 0.0, 10.0, 0.1, math.inf)

    assert (10.0, True) == (stop, counts.stable_good > 0)


def test_time_stops_at_the_failure_that_was_asked_for() -> None:
    stop, counts = FLAT.pass_time(Random(1), 100.0, 500.0, 0.1, 3)

    assert (3, True) == (counts.candidate_failed, 100.0 < stop < 110.0)


def test_the_third_failure_comes_when_a_poisson_process_has_it() -> None:
    """Erlang: mean 3 / rate, variance 3 / rate squared; 5 failures a second, over stretches that often end before it."""
    chance = Random(3)
    stops = [FLAT.pass_time(chance, 60.0, 1e4, 0.1, 3)[0] - 60.0 for _ in range(4000)]
    mean = math.fsum(stops) / len(stops)

    assert mean == pytest.approx(3 / 5, rel=0.05)
    assert math.fsum((s - mean) ** 2 for s in stops) / len(stops) == pytest.approx(3 / 25, rel=0.15)


def test_a_stretch_over_the_onset_has_the_failures_of_both_sides() -> None:
    """60 s at 1 % and 60 s at 50 %, ten candidate requests a second: 6 + 300."""
    chance = Random(4)
    failed = [FLAT.pass_time(chance, 0.0, 120.0, 0.1, math.inf)[1].candidate_failed for _ in range(200)]

    assert sum(failed) / 200 == pytest.approx(306, rel=0.02)


def test_requests_are_split_by_the_share_and_by_failing() -> None:
    _, counts = FLAT.pass_time(Random(5), 60.0, 60.0 + 1e4, 0.25, math.inf)
    expected = Counts(candidate_good=125_000, candidate_failed=125_000, stable_good=742_500, stable_failed=7_500)

    for name in Counts.__struct_fields__:
        assert getattr(counts, name) == pytest.approx(getattr(expected, name), rel=0.05), name


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_version_without_a_share_gets_nothing(share: float) -> None:
    _, counts = FLAT.pass_time(Random(6), 0.0, 100.0, share, math.inf)
    got = (counts.candidate_good + counts.candidate_failed > 0, counts.stable_good + counts.stable_failed > 0)

    assert (share == 1.0, share == 0.0) == got
