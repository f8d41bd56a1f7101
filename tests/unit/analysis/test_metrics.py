"""What a metric comes to against its limits, and when there is too little to say."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.analysis.metrics import answers_needed, measure, plain, requests_needed
from proxy.analysis.stretches import Side, Stretch
from proxy.model.rollout import Check
from proxy.telemetry.histogram import BOUNDS_S, bucket


def side(requests: int, failures: int = 0, *, at_s: float = 0.02) -> Side:
    """Answers that all took ``at_s``."""
    return Side(requests, failures, {bucket(at_s): requests - failures} if requests > failures else {})


def stretch(candidate: Side, stable: Side | None = None, *, seconds: float = 10.0, **more: int) -> Stretch:
    return Stretch(seconds, candidate, stable or Side(), **more)


def check(metric: Any, **fields: Any) -> Check:
    return Check("c", metric=metric, **fields)


@pytest.mark.parametrize(("limit", "needed"), [(0.01, 100), (0.1, 20), (0.001, 500), (0.00001, 500), (0.0, 20)])
def test_a_rate_needs_so_many_requests_that_one_failure_alone_does_not_break_its_limit(limit: float, needed: int) -> None:
    assert needed == requests_needed(limit)


@pytest.mark.parametrize(("q", "needed"), [(0.5, 20), (0.9, 50), (0.99, 500)])
def test_a_quantile_needs_five_answers_beyond_it(q: float, needed: int) -> None:
    assert needed == answers_needed(q)


# ---- rates ----------------------------------------------------------------------------------------------------------------------


def test_an_error_rate_within_its_limit_passes() -> None:
    found = measure(check("error_rate", max=0.02), stretch(side(200, 3)))

    assert ("pass", "error_rate 1.5 % is within its limits", 0.015, 0.02, None) == found


def test_an_error_rate_over_its_limit_fails_and_says_by_how_much() -> None:
    found = measure(check("error_rate", max=0.01), stretch(side(200, 8)))

    assert ("fail", "error_rate 4 % is over 1 %", 0.04, 0.01, None) == found


def test_too_few_requests_say_how_many_are_missing_and_when_they_will_be_there() -> None:
    found = measure(check("error_rate", max=0.01), stretch(side(40), seconds=8.0))

    assert (
        "no_data",
        "error_rate needs 100 requests of the candidate and has 40; the other 60 in 12 s at the present rate",
    ) == found[:2]


def test_more_failures_than_the_missing_requests_could_excuse_fail_at_once() -> None:
    assert "fail" == measure(check("error_rate", max=0.01), stretch(side(10, 5))).result


def test_fewer_than_five_failures_may_be_chance_and_are_no_fail() -> None:
    """A version that fails one request in a thousand has two failures among its first hundred in one step of two hundred."""
    found = measure(check("error_rate", max=0.01), stretch(side(100, 2)))

    assert ("no_data", "error_rate 2 % is over 1 %, by 2 of 100 requests where 1 may be: too close to tell chance from fault") == found[
        :2
    ]


def test_one_failure_among_too_few_requests_is_no_fail() -> None:
    assert "no_data" == measure(check("error_rate", max=0.01), stretch(side(10, 1))).result


def test_a_limit_of_nothing_is_broken_by_one_failure() -> None:
    assert "fail" == measure(check("error_rate", max=0.0), stretch(side(1, 1))).result


def test_no_request_at_all_is_no_data_and_promises_no_time() -> None:
    found = measure(check("error_rate", max=0.01), stretch(side(0)))

    assert ("no_data", "error_rate needs 100 requests of the candidate and has 0") == found[:2]


def test_an_error_rate_is_held_against_stables_of_the_same_seconds() -> None:
    limits = check("error_rate", max_ratio=1.5)

    assert "pass" == measure(limits, stretch(side(1000, 29), side(9000, 180))).result
    found = measure(limits, stretch(side(1000, 50), side(9000, 180)))
    assert ("fail", "error_rate 5 % is over 3 %, 1.5 times stable's 2 %") == found[:2]


def test_a_shared_outage_breaks_no_limit_against_stable() -> None:
    found = measure(check("error_rate", max_ratio=1.1, max_delta=0.01), stretch(side(500, 400), side(5000, 4000)))

    assert "pass" == found.result


def test_a_stable_that_never_failed_is_taken_to_fail_once() -> None:
    found = measure(check("error_rate", max_ratio=2.0), stretch(side(500, 5), side(1000)))

    assert ("fail", "error_rate 1 % is over 0.2 %, 2 times stable's 0.1 %, one failure where it had none", 0.0) == (
        found.result,
        found.reason,
        found.stable,
    )
    assert "pass" == measure(check("error_rate", max_ratio=2.0), stretch(side(500, 1), side(1000))).result


def test_too_little_of_stable_is_no_data_too() -> None:
    found = measure(check("error_rate", max_ratio=1.5), stretch(side(500, 9), side(12)))

    assert ("no_data", "error_rate needs 20 requests of stable and has 12; the other 8 in 7 s at the present rate") == found[:2]


def test_a_difference_to_stable_is_in_the_metrics_own_unit() -> None:
    found = measure(check("error_rate", max_delta=0.01), stretch(side(1000, 50), side(9000, 180)))

    assert "error_rate 5 % is over 3 %, 1 % above stable's 2 %" == found.reason


def test_a_candidate_without_a_failure_passes_beside_a_stable_without_one() -> None:
    """However small the limit is that comes of it."""
    limits = check("error_rate", max_ratio=1.5)

    assert "no_data" == measure(limits, stretch(side(499), side(90_000))).result
    assert "pass" == measure(limits, stretch(side(500), side(90_000))).result


def test_a_candidate_with_a_failure_beside_a_stable_without_one_is_neither_good_nor_bad() -> None:
    assert "no_data" == measure(check("error_rate", max_ratio=1.5), stretch(side(500, 1), side(90_000))).result


@pytest.mark.parametrize(("failures", "result"), [(50, "pass"), (51, "no_data"), (71, "no_data"), (72, "fail")])
def test_a_rate_fails_when_it_is_three_deviations_over_its_limit(failures: int, result: str) -> None:
    """50 of 5,000 may fail, and 3 * sqrt(50) is 21.2."""
    assert result == measure(check("error_rate", max=0.01), stretch(side(5000, failures))).result


def test_a_stable_of_as_many_requests_leaves_more_to_chance() -> None:
    found = [measure(check("error_rate", max_ratio=1.0), stretch(side(5000, 78), side(of, of // 100))).result for of in (5000, 500_000)]

    assert ["no_data", "fail"] == found


# ---- latency --------------------------------------------------------------------------------------------------------------------


def test_a_quantile_over_its_limit_fails() -> None:
    found = measure(check("latency_p99", max=0.1), stretch(side(600, at_s=0.3)))

    assert ("fail", "latency_p99 300 ms is over 100 ms", 0.1) == (found.result, found.reason, found.limit)


def test_a_quantile_is_held_against_stables() -> None:
    limits = check("latency_p99", max_ratio=1.3)

    assert "pass" == measure(limits, stretch(side(600, at_s=0.02), side(600, at_s=0.02))).result
    assert "fail" == measure(limits, stretch(side(600, at_s=0.03), side(600, at_s=0.02))).result


def test_a_slowness_of_both_breaks_no_limit_against_stable() -> None:
    assert "pass" == measure(check("latency_p99", max_ratio=1.3), stretch(side(600, at_s=2.0), side(9000, at_s=2.0))).result


def test_a_quantile_of_too_few_answers_is_no_data() -> None:
    found = measure(check("latency_p90", max=0.1), stretch(side(49, at_s=9.0)))

    assert ("no_data", "latency_p90 needs 50 answers of the candidate and has 49; the other 1 in 1 s at the present rate") == found[:2]


def test_a_quantile_of_stable_needs_as_many() -> None:
    assert "no_data" == measure(check("latency_p90", max_ratio=2.0), stretch(side(50), side(49))).result


def test_a_window_that_can_never_have_enough_says_so() -> None:
    found = measure(check("latency_p99", max=0.1, window_s=60.0), stretch(side(60), seconds=60.0))

    assert "latency_p99 needs 500 answers of the candidate and has 60; at the present rate a window of 60 s has 60" == found.reason


def test_seconds_are_told_in_seconds() -> None:
    found = measure(check("latency_p50", max=1.5), stretch(side(600, at_s=3.0)))

    assert found.reason.endswith(" s is over 1.5 s")


def mixed(fast: int, slow: int, *, at_s: float = 0.3) -> Side:
    """So many answers in 20 ms, and so many that took longer."""
    return Side(fast + slow, 0, {bucket(0.02): fast, bucket(at_s): slow})


@pytest.mark.parametrize(("slow", "result"), [(5, "pass"), (6, "no_data"), (11, "no_data"), (12, "fail")])
def test_a_quantile_fails_when_so_many_answers_are_beyond_its_limit_that_it_is_not_chance(slow: int, result: str) -> None:
    """5 of 500 may be slower than the p99, and 3 * sqrt(4.95) is 6.7."""
    assert result == measure(check("latency_p99", max=0.1), stretch(mixed(500 - slow, slow))).result


def test_a_quantile_just_over_its_limit_says_what_is_missing_to_a_fail() -> None:
    found = measure(check("latency_p99", max=0.1), stretch(mixed(492, 8)))

    assert found.reason.startswith("latency_p99 2")
    assert found.reason.endswith(" is over 100 ms, by 8 of 500 answers where 5 may be: too close to tell chance from fault")


def test_answers_in_the_limits_own_bucket_are_beyond_it_in_part() -> None:
    """All of them within 8 % of the limit, most of them over it."""
    high = BOUNDS_S[bucket(0.1)]
    low = BOUNDS_S[bucket(0.1) - 1]

    assert "fail" == measure(check("latency_p50", max=low + 0.1 * (high - low)), stretch(side(600, at_s=0.1))).result
    assert "pass" == measure(check("latency_p50", max=low + 0.6 * (high - low)), stretch(side(600, at_s=0.1))).result


def test_a_limit_beyond_all_buckets_is_kept() -> None:
    assert "pass" == measure(check("latency_p50", max=100.0), stretch(side(600, at_s=90.0))).result


# ---- the others -----------------------------------------------------------------------------------------------------------------


def test_requests_a_second_are_measured_over_the_observed_seconds() -> None:
    found = measure(check("requests_per_second", min=5.0), stretch(side(30)))

    assert ("fail", "requests_per_second 3 is under 5", 3.0) == (found.result, found.reason, found.value)


def test_no_request_is_a_rate_of_nothing() -> None:
    assert ("fail", 0.0) == (measure(check("requests_per_second", min=1.0), stretch(side(0)))[0:3:2])


def test_requests_a_second_need_a_second() -> None:
    assert "no_data" == measure(check("requests_per_second", min=1.0), stretch(side(9), seconds=0.5)).result


def test_requests_a_second_are_held_against_stables() -> None:
    assert "pass" == measure(check("requests_per_second", max_ratio=0.2), stretch(side(10), side(100))).result
    assert "fail" == measure(check("requests_per_second", max_ratio=0.2), stretch(side(30), side(100))).result
    assert "no_data" == measure(check("requests_per_second", max_ratio=0.2), stretch(side(30))).result


def test_copies_that_differ_too_often_fail() -> None:
    found = measure(check("shadow_mismatch_rate", max=0.01), stretch(side(0), compared=400, mismatched=12))

    assert ("fail", "shadow_mismatch_rate 3 % is over 1 %") == found[:2]


def test_too_few_copies_are_no_data() -> None:
    found = measure(check("shadow_mismatch_rate", max=0.01), stretch(side(0), compared=50))

    assert "shadow_mismatch_rate needs 100 compared copies of the candidate and has 50; the other 50 in 10 s at the present rate" == (
        found.reason
    )


def test_copies_have_no_stable_to_be_held_against() -> None:
    assert "no_data" == measure(check("shadow_mismatch_rate", max_ratio=1.0), stretch(side(0), compared=400)).result


def test_the_first_limit_that_is_broken_is_told() -> None:
    found = measure(check("error_rate", max=0.5, min=0.1), stretch(side(200, 2)))

    assert ("fail", "error_rate 1 % is under 10 %", 0.1) == (found.result, found.reason, found.limit)


@pytest.mark.parametrize(
    ("value", "said"), [(0.95, "0.95"), (12.345, "12.3"), (999.4, "999"), (100_000.0, "100,000"), (-2500.4, "-2,500")]
)
def test_a_number_is_told_without_an_exponent(value: float, said: str) -> None:
    assert said == plain(value)


# ---- both alike -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stable", "result"),
    [(side(2000, 1000), "no_data"), (side(2000, 2), "fail"), (side(4, 2), "no_data"), (side(2000, 23), "fail"), (Side(), "fail")],
    ids=["an outage of both", "stable is well", "too few to tell", "stable is not surely over it", "no stable"],
)
def test_a_rate_is_the_candidates_fault_when_it_is_worse_than_stable(stable: Side, result: str) -> None:
    assert result == measure(check("error_rate", max=0.01), stretch(side(200, 100), stable)).result


def test_a_limit_of_nothing_is_not_broken_by_the_candidate_alone_when_stable_fails_too() -> None:
    found = [measure(check("error_rate", max=0.0), stretch(side(200, 1), side(200, failures))).result for failures in (0, 1)]

    assert ["fail", "no_data"] == found


def test_what_both_break_says_so() -> None:
    found = measure(check("error_rate", max=0.01), stretch(side(200, 100), side(2000, 900)))

    assert (
        "error_rate 50 % is over 1 %, and stable's 45 % over the same seconds is no better, as far as can be told: "
        "not the candidate's fault",
        0.45,
    ) == (found.reason, found.stable)


@pytest.mark.parametrize(("at_s", "result"), [(0.8, "no_data"), (0.02, "fail")])
def test_a_latency_that_stable_has_too_is_not_the_candidates_fault(at_s: float, result: str) -> None:
    found = measure(check("latency_p99", max=0.5), stretch(side(600, at_s=0.9), side(6000, at_s=at_s)))

    assert result == found.result


def test_against_stable_nothing_is_excused() -> None:
    assert "fail" == measure(check("error_rate", max_ratio=1.5), stretch(side(200, 180), side(2000, 500))).result


def test_without_traffic_on_stable_an_absolute_limit_stands_alone() -> None:
    assert "fail" == measure(check("error_rate", max=0.01), stretch(side(200, 100))).result
