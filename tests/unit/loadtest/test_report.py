"""Medians, ratios and budgets from made-up turns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from loadtest import budgets, report
from loadtest.casts import cast, default
from loadtest.compare import Result, order, quietest
from loadtest.faults import RigError
from loadtest.scenarios import SCENARIOS
from loadtest.turns import Turn

SCENARIO = SCENARIOS["small-get"]


def turn(cpu_us: float, foreign: float = 0.0) -> Turn:
    return Turn(cpu_us, per_second=1e6 / cpu_us, p50_ms=1.0, p99_ms=2.0, memory_mib=10.0, foreign=foreign, stolen=0.0)


def result(**figures: list[float]) -> Result:
    return Result(SCENARIO, {name: [turn(value) for value in values] for name, values in figures.items()})


def test_a_ratio_is_taken_within_each_round() -> None:
    slow_second_round = result(headgate=[15.0, 150.0, 16.0], haproxy=[10.0, 100.0, 10.0])

    assert report.Spread(1.5, 1.5, 1.6) == report.ratio(slow_second_round, "headgate", "haproxy")


def test_the_table_has_a_row_for_each_contender() -> None:
    text = report.table(result(headgate=[15.0], haproxy=[10.0]))

    assert "| haproxy | 10.0 (10.0-10.0) | 100000 | 1.00 | 2.00 | 0.00 | 10 | 1.50 (1.50-1.50) |" in text


def test_a_busy_core_is_reported() -> None:
    busy = Result(SCENARIO, {"headgate": [turn(10.0, foreign=0.2)]})

    assert report.noise(busy).startswith("noisy: others used 20%")


def test_a_quiet_core_is_not_reported() -> None:
    assert "" == report.noise(result(headgate=[10.0]))


def test_a_disturbed_turn_is_taken_again() -> None:
    turns = iter([turn(20.0, foreign=0.3), turn(10.0)])

    assert turn(10.0) == quietest(lambda: next(turns))


def test_the_least_disturbed_turn_counts_when_all_are() -> None:
    turns = iter([turn(20.0, foreign=0.3), turn(15.0, foreign=0.1), turn(25.0, foreign=0.5)])

    assert turn(15.0, foreign=0.1) == quietest(lambda: next(turns))


def test_no_contender_always_follows_the_same_one() -> None:
    before = {number: order("abc", number)[order("abc", number).index("c") - 1] for number in range(6)}

    assert {"a", "b"} <= set(before.values())


@pytest.mark.parametrize(("ours", "holds"), [(15.0, True), (20.0, True), (20.1, False)])
def test_a_budget_holds_up_to_its_bound(ours: float, holds: bool) -> None:
    limits = budgets.parse("[small-get.haproxy]\nwant = 1.6\nbound = 2.0\nreason = 'r'")
    outcome = budgets.compare(result(headgate=[ours], haproxy=[10.0]), limits)[0]

    assert holds == outcome.holds


def test_a_budget_without_figures_does_not_hold() -> None:
    limits = budgets.parse("[small-get.envoy]\nwant = 0.7\nbound = 0.9\nreason = 'r'")

    assert not budgets.compare(result(headgate=[15.0]), limits)[0].holds


@pytest.mark.parametrize(
    "text",
    [
        "[small-get.envoy]\nwant = 1.0\nbound = 0.9\nreason = 'r'",
        "[small-get.envoy]\nwant = 1.0\nbound = 1.9",
        "[small-get.envoy]\nwant = 1.0\nbound = 1.9\nreason = 'r'\nmax_ms = 3",
    ],
)
def test_a_budget_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(RigError):
        budgets.parse(text)


def test_a_budget_of_a_peer_that_was_not_asked_for_is_left_out() -> None:
    limits = budgets.parse("[small-get.envoy]\nwant = 0.7\nbound = 0.9\nreason = 'r'")

    assert [] == budgets.compare(result(headgate=[15.0], haproxy=[10.0]), limits, ["headgate", "haproxy"])


def test_a_budget_may_hold_a_variant_against_the_plain_one() -> None:
    limits = budgets.parse('[growth.routes]\nsubject = "headgate, 9 routes"\npeer = "headgate"\nwant = 1\nbound = 1.2\nreason = "r"')
    grown = Result(SCENARIOS["growth"], {"headgate": [turn(10.0)], "headgate, 9 routes": [turn(13.0)]})

    assert [1.3] == [outcome.measured for outcome in budgets.compare(grown, limits)]


def test_a_budget_may_be_about_another_figure() -> None:
    limits = budgets.parse('[idle-5k.envoy]\nfigure = "resting_mib"\nwant = 1\nbound = 1.2\nreason = "r"')
    idle = Result(
        SCENARIOS["idle-5k"], {name: [replace(turn(1.0), resting_mib=mib)] for name, mib in (("headgate", 60), ("envoy", 50))}
    )

    assert [1.2] == [outcome.measured for outcome in budgets.compare(idle, limits)]


def test_a_budget_about_a_figure_that_is_not_measured_is_refused() -> None:
    limits = budgets.parse('[small-get.haproxy]\nfigure = "resting_mib"\nwant = 1\nbound = 1.2\nreason = "r"')

    with pytest.raises(RigError, match="no figure 'resting_mib'; it has cpu_us"):
        budgets.compare(result(headgate=[15.0], haproxy=[10.0]), limits)


def test_the_budgets_of_the_project_name_its_scenarios_contenders_and_figures() -> None:
    limits = budgets.parse(budgets.FILE.read_text(encoding="utf-8"))
    players = {name: {each.name for each in cast(scenario, default())} for name, scenario in SCENARIOS.items()}

    assert [] == [b for b in limits if not {b.peer, b.subject} <= players.get(b.scenario, set())]
    assert all(budgets.figure(Result(SCENARIOS[b.scenario]), b) for b in limits)


def test_more_requests_cost_less() -> None:
    two = Result(SCENARIOS["workers"], {"headgate": [turn(10.0)], "headgate, 2 workers": [turn(5.0)]})

    assert 2.0 == report.ratio(two, "headgate", "headgate, 2 workers").middle


def test_a_variant_is_held_against_the_plain_one() -> None:
    assert ["headgate", "headgate", "nginx"] == [report.subject_of(name) for name in ("headgate", "nginx", "nginx, 2 workers")]


def test_a_result_is_read_as_it_was_written() -> None:
    before = Result(SCENARIOS["production"], {"headgate": [turn(10.0), turn(11.0)]})

    assert before == report.read(json.loads(json.dumps(report.document(before, {}))))


@pytest.mark.parametrize("its", [0.0, -36.3])
def test_a_peer_that_seems_to_cost_nothing_is_no_measure(its: float) -> None:
    added = {name: [replace(turn(1.0), added_p99_ms=ms)] for name, ms in (("headgate", 3.4), ("caddy", its))}
    result = Result(SCENARIOS["open-loop"], added)

    assert report.ratio(result, "headgate", "caddy") is None
    assert report.table(result).splitlines()[-1].endswith("| - |")
    assert report.document(result, {})["ratios"] == {}


def test_a_subject_that_seems_to_cost_nothing_costs_nothing_of_its_peer() -> None:
    added = {name: [replace(turn(1.0), added_p99_ms=ms)] for name, ms in (("headgate", -0.1), ("caddy", 2.0))}

    assert report.Spread(0.0, 0.0, 0.0) == report.ratio(Result(SCENARIOS["open-loop"], added), "headgate", "caddy")
