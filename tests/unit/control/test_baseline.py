"""What a candidate's answers are measured by."""

from __future__ import annotations

from typing import Any

import pytest

from proxy import limits
from proxy.control.baseline import Baseline
from proxy.telemetry.histogram import bucket
from proxy.telemetry.snapshot import CellDelta

SHOP = ("shop", "v1")


def cell(answers: dict[float, int], **more: Any) -> CellDelta:
    return CellDelta("shop", "v1", 1, latency={bucket(at_s): count for at_s, count in answers.items()}, **more)


def baseline(*cells: tuple[float, CellDelta]) -> Baseline:
    made = Baseline()
    made.keep([SHOP])
    for now, each in cells:
        made.add(each, now)
    return made


def test_it_is_the_p99_of_the_version() -> None:
    made = baseline((100.0, cell({0.05: 980})), (105.0, cell({0.2: 20})))

    assert pytest.approx(0.2, rel=0.08) == made.slow_over_s(SHOP, 106.0)


def test_what_was_asked_stands_for_a_second_whatever_comes() -> None:
    made = baseline((100.0, cell({0.05: 2000})))
    before = made.slow_over_s(SHOP, 100.0)
    made.add(cell({0.5: 9000}), 100.5)

    assert (before, True) == (made.slow_over_s(SHOP, 100.9), made.slow_over_s(SHOP, 101.0) > 2 * before)


def test_too_few_answers_have_none() -> None:
    made = baseline((100.0, cell({0.05: limits.BASELINE_ANSWERS_MIN - 1})))

    assert 0.0 == made.slow_over_s(SHOP, 101.0)


def test_what_is_older_than_five_minutes_is_forgotten() -> None:
    made = baseline((100.0, cell({0.5: 5000})), (395.0, cell({0.05: 2000})))

    assert (True, pytest.approx(0.05, rel=0.08)) == (made.slow_over_s(SHOP, 396.0) > 0.4, made.slow_over_s(SHOP, 411.0))


def test_a_version_that_went_silent_has_none_any_more() -> None:
    made = baseline((100.0, cell({0.05: 5000})))

    assert (True, 0.0) == (made.slow_over_s(SHOP, 200.0) > 0, made.slow_over_s(SHOP, 500.0))


def test_answers_that_were_not_drawn_or_failed_are_left_out() -> None:
    made = baseline((100.0, cell({0.05: 2000, 30.0: 1000}, latency_aside={bucket(30.0): 1000})))

    assert pytest.approx(0.05, rel=0.08) == made.slow_over_s(SHOP, 101.0)


def test_nobody_waits_for_less_than_the_floor() -> None:
    assert limits.BASELINE_SLOW_S_MIN == baseline((100.0, cell({0.001: 5000}))).slow_over_s(SHOP, 101.0)


def test_a_version_that_is_not_configured_has_none_and_costs_nothing() -> None:
    made = baseline()
    made.add(CellDelta("shop", "v9", 1, latency={3: 5000}), 100.0)

    assert 0.0 == made.slow_over_s(("shop", "v9"), 101.0)


def test_a_version_that_stays_keeps_what_is_known_of_it() -> None:
    made = baseline((100.0, cell({0.05: 5000})))
    made.keep([SHOP, ("shop", "v2")])

    assert made.slow_over_s(SHOP, 101.0) > 0
    assert 0.0 == made.slow_over_s(("shop", "v2"), 101.0)


def test_it_is_bounded_however_long_it_counts() -> None:
    made = baseline(*((10.0 * i, cell({0.05: 1})) for i in range(1000)))

    assert limits.BASELINE_SLOTS == len(made._slots[SHOP])
