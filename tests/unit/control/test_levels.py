from __future__ import annotations

import pytest
from msgspec.structs import replace

from proxy.control.levels import endpoint_levels
from proxy.control.totals import Totals
from proxy.model.position import Phase, Position
from proxy.model.rollout import RolloutPlan
from proxy.rollout.events import EndpointLevel
from proxy.telemetry.snapshot import EndpointState, Snapshot
from tests.kit.control_bench import service

TRYING = Position("shop", stable="v1", phase=Phase.PROGRESSING, candidate="v2", plan=RolloutPlan(strategy="rolling"))


def counted(*healthy: bool) -> Totals:
    """What workers say of v1's endpoint, each in its turn, with two requests in flight."""
    totals = Totals()
    totals.keep([("shop", "v1"), ("shop", "v2")], [("shop", "v1", "127.0.0.1:9000"), ("shop", "v2", "127.0.0.1:9001")])
    for slot, well in enumerate(healthy):
        state = EndpointState("shop", "v1", "127.0.0.1:9000", active=2, healthy=well)
        totals.add(slot, Snapshot(slot, 1, 1, 0.0, endpoints=[state]))
    return totals


def test_endpoints_come_in_the_configurations_order_and_unheard_ones_as_such() -> None:
    assert (
        EndpointLevel("v1", "127.0.0.1:9000", healthy=True, in_flight=2),
        EndpointLevel("v2", "127.0.0.1:9001", healthy=False, in_flight=0, heard=False),
    ) == endpoint_levels(service(), TRYING, counted(True).endpoints)


def test_an_endpoint_is_healthy_when_every_worker_says_so_and_in_flight_adds_up() -> None:
    assert [(True, 4), (False, 4)] == [
        (level.healthy, level.in_flight)
        for totals in (counted(True, True), counted(True, False))
        for level in endpoint_levels(service(), TRYING, totals.endpoints)[:1]
    ]


@pytest.mark.parametrize("strategy", ["canary", "shadow"])
def test_a_strategy_that_goes_by_no_health_looks_nothing_up(strategy: str) -> None:
    position = replace(TRYING, plan=RolloutPlan(strategy=strategy))  # type: ignore[arg-type]  # a strategy

    assert () == endpoint_levels(service(), position, counted(True).endpoints)


def test_an_endpoint_that_some_worker_has_not_looked_at_is_not_heard_of() -> None:
    totals = counted(True)
    totals.add(1, Snapshot(1, 1, 1, 0.0, endpoints=[EndpointState("shop", "v1", "127.0.0.1:9000", asked=False)]))

    assert not endpoint_levels(service(), TRYING, totals.endpoints)[0].heard


def test_a_service_that_is_gone_has_none() -> None:
    assert () == endpoint_levels(None, TRYING, counted(True).endpoints)
