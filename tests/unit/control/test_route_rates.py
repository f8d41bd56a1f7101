from __future__ import annotations

from proxy.control.route_rates import RouteRates
from proxy.model.plan import RoutePlan
from proxy.model.route import Match, Route
from proxy.telemetry.snapshot import Snapshot

API, ALL = Match(path_prefix="/api"), Match()


def plan(*matches: Match, generation: int = 1) -> RoutePlan:
    routes = tuple(Route(match, "shop") for match in matches)
    return RoutePlan(generation=generation, digest="", listeners=(), services=(), routes=routes)


def told(routes: dict[int, int], generation: int = 1) -> Snapshot:
    return Snapshot(worker=0, sequence=1, generation=generation, at_s=0.0, routes=routes)


def test_a_route_has_the_requests_of_all_workers_over_ten_seconds() -> None:
    rates = RouteRates(0.0)
    rates.add(told({0: 30, 1: 5}), plan(API, ALL), 100.2)
    rates.add(told({0: 20}), plan(API, ALL), 100.9)

    assert {API: 5.0, ALL: 0.5} == rates.rps(101.0)


def test_what_is_older_than_the_window_does_not_count() -> None:
    rates = RouteRates(0.0)
    rates.add(told({0: 50}), plan(API), 100.0)

    assert {} == rates.rps(111.0)


def test_in_the_first_seconds_the_window_is_shorter() -> None:
    rates = RouteRates(100.0)
    rates.add(told({0: 50}), plan(API), 102.0)

    assert {API: 25.0} == rates.rps(102.0)


def test_a_report_of_another_plan_is_not_understood() -> None:
    rates = RouteRates(0.0)
    rates.add(told({0: 50}, generation=2), plan(API), 100.0)
    rates.add(told({0: 50}), None, 100.0)

    assert {} == rates.rps(100.0)


def test_a_route_that_stays_keeps_its_count_wherever_it_moves() -> None:
    rates = RouteRates(0.0)
    rates.add(told({0: 50}), plan(API, ALL), 100.0)
    rates.add(told({}, generation=2), plan(ALL, API, generation=2), 100.0)

    assert {API: 5.0} == rates.rps(100.0)


def test_a_route_that_leaves_is_forgotten() -> None:
    rates = RouteRates(0.0)
    rates.add(told({0: 50}), plan(API), 100.0)
    rates.add(told({}, generation=2), plan(ALL, generation=2), 100.0)

    assert {} == rates.rps(100.0)
