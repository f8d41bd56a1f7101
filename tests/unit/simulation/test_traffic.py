"""Synthetic traffic: its rates over the day and around the onset, and what it draws."""

from __future__ import annotations

import math
from random import Random

import pytest

from proxy.simulation.latency import share_over
from proxy.simulation.traffic import DAY_S, LEVEL_S, Counts, Spell, Traffic, Until

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
    stop, counts = FLAT.pass_time(Random(1), 0.0, 10.0, 0.1, Until())

    assert (10.0, True) == (stop, counts.stable_good > 0)


def test_time_stops_at_the_failure_that_was_asked_for() -> None:
    stop, counts = FLAT.pass_time(Random(1), 100.0, 500.0, 0.1, Until(3))

    assert (3, True) == (counts.candidate_failed, 100.0 < stop < 110.0)


def test_the_third_failure_comes_when_a_poisson_process_has_it() -> None:
    """Erlang: mean 3 / rate, variance 3 / rate squared; 5 failures a second, over stretches that often end before it."""
    chance = Random(3)
    stops = [FLAT.pass_time(chance, 60.0, 1e4, 0.1, Until(3))[0] - 60.0 for _ in range(4000)]
    mean = math.fsum(stops) / len(stops)

    assert mean == pytest.approx(3 / 5, rel=0.05)
    assert math.fsum((s - mean) ** 2 for s in stops) / len(stops) == pytest.approx(3 / 25, rel=0.15)


def test_a_stretch_over_the_onset_has_the_failures_of_both_sides() -> None:
    """60 s at 1 % and 60 s at 50 %, ten candidate requests a second: 6 + 300."""
    chance = Random(4)
    failed = [FLAT.pass_time(chance, 0.0, 120.0, 0.1, Until())[1].candidate_failed for _ in range(200)]

    assert sum(failed) / 200 == pytest.approx(306, rel=0.02)


def test_requests_are_split_by_the_share_and_by_failing() -> None:
    _, counts = FLAT.pass_time(Random(5), 60.0, 60.0 + 1e4, 0.25, Until())
    expected = Counts(candidate_good=125_000, candidate_failed=125_000, stable_good=742_500, stable_failed=7_500)

    for name in ("candidate_good", "candidate_failed", "stable_good", "stable_failed"):
        assert getattr(counts, name) == pytest.approx(getattr(expected, name), rel=0.05), name


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_version_without_a_share_gets_nothing(share: float) -> None:
    _, counts = FLAT.pass_time(Random(6), 0.0, 100.0, share, Until())
    got = (counts.candidate_good + counts.candidate_failed > 0, counts.stable_good + counts.stable_failed > 0)

    assert (share == 1.0, share == 0.0) == got


# ---- slow answers ----------------------------------------------------------------------------------------------------------------

SLUGGISH = Traffic(100.0, 0.0, 0.0, onset_s=60.0, stable_latency_s=0.1, candidate_latency_s=0.2)
BOUND_S = SLUGGISH.stable_p99_s()


def test_stable_s_p99_is_what_one_answer_in_a_hundred_exceeds() -> None:
    assert share_over(0.1, BOUND_S) == pytest.approx(0.01)


def test_answers_are_slow_as_often_as_their_latency_says() -> None:
    _, counts = SLUGGISH.pass_time(Random(7), 60.0, 60.0 + 1e4, 0.25, Until(slow_over_s=BOUND_S))

    assert counts.stable_slow == pytest.approx(750_000 * 0.01, rel=0.05)
    assert counts.candidate_slow == pytest.approx(250_000 * share_over(0.2, BOUND_S), rel=0.02)
    assert counts.candidate_good == pytest.approx(250_000, rel=0.02)  # the slow ones are among them


def test_the_candidate_is_slow_as_stable_is_until_the_onset() -> None:
    _, counts = SLUGGISH.pass_time(Random(8), 0.0, 60.0, 0.5, Until(slow_over_s=BOUND_S))

    assert counts.candidate_slow < 60


@pytest.mark.parametrize("until", [Until(slow_over_s=0.0), Until(slow_over_s=math.inf)])
def test_without_a_bound_no_answer_is_slow(until: Until) -> None:
    _, counts = SLUGGISH.pass_time(Random(9), 60.0, 160.0, 0.5, until)

    assert (0, 0) == (counts.candidate_slow, counts.stable_slow)


def test_time_stops_at_the_failure_or_the_slow_answer_whichever_is_first() -> None:
    """One failure and one slow answer a second on the candidate: the first three of either come after the minimum of two Erlangs."""
    traffic = Traffic(100.0, 0.0, 0.1, stable_latency_s=0.1, candidate_latency_s=0.1)
    bound = SLUGGISH.stable_p99_s()
    chance, stops, failed, slow = Random(10), [], 0, 0
    for _ in range(2000):
        stop, counts = traffic.pass_time(chance, 0.0, 1e3, 0.1, Until(3, 3, bound))
        assert 3 in (counts.candidate_failed, counts.candidate_slow)
        stops.append(stop)
        failed, slow = failed + counts.candidate_failed, slow + counts.candidate_slow

    passed_s = math.fsum(stops)
    assert failed / passed_s == pytest.approx(1.0, rel=0.04)
    assert slow / passed_s == pytest.approx(0.09, rel=0.1)  # 1 % of the nine in ten that did not fail


# ---- outages and equals ----------------------------------------------------------------------------------------------------------


def test_an_outage_strikes_both_versions_while_it_lasts() -> None:
    traffic = Traffic(100.0, 0.01, 0.02, outage=Spell(100.0, 160.0, 0.5))
    rates = [(traffic.candidate_error_rate(at), traffic.stable_error_rate(at)) for at in (99.0, 100.0, 159.0, 160.0)]

    assert [(0.02, 0.01), (0.5, 0.5), (0.5, 0.5), (0.02, 0.01)] == rates
    assert [100.0, 160.0, math.inf] == [traffic.level_until(at) for at in (1.0, 100.0, 160.0)]


def test_an_equal_candidate_is_stable_in_all_that_is_said() -> None:
    traffic = Traffic(100.0, 0.01, 0.5, onset_s=9.0, stable_latency_s=0.1, candidate_latency_s=0.3, users=7)

    assert Traffic(100.0, 0.01, 0.01, stable_latency_s=0.1, candidate_latency_s=0.1, users=7) == traffic.equal()


def test_without_users_every_request_is_another_user_s() -> None:
    assert (None, None) == (FLAT.met(), FLAT.hurt())
