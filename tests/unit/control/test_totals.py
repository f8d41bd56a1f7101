"""Counters that never go back and label sets that never grow by themselves."""

from __future__ import annotations

from typing import Any

from proxy.control.totals import ListenerTotal, Totals
from proxy.telemetry.snapshot import CellDelta, EndpointState, ListenerState, Snapshot

V1 = ("shop", "v1")
ENDPOINT = ("shop", "v1", "127.0.0.1:9001")


def totals() -> Totals:
    made = Totals()
    made.keep([V1], [ENDPOINT])
    return made


def sent(sequence: int, *cells: CellDelta, **more: Any) -> Snapshot:
    return Snapshot(worker=0, sequence=sequence, generation=1, at_s=0.0, cells=list(cells), **more)


def cell(**more: Any) -> CellDelta:
    return CellDelta(**{"service": "shop", "version": "v1", "generation": 1, **more})


def test_differences_of_all_workers_add_up() -> None:
    made = totals()
    made.add(0, sent(1, cell(requests={200: 2}, failures={"reset": 1}, latency={4: 2}, latency_sum_s=0.5, retries=1)))
    made.add(1, sent(1, cell(requests={200: 3, 502: 1}, failures={"reset": 2}, latency={4: 1}, latency_sum_s=0.25, fallbacks=1)))
    got = made.cells[V1]

    assert ({200: 5, 502: 1}, {"reset": 3}, {4: 3}, 0.75, 1, 1) == (
        got.requests,
        got.failures,
        got.latency,
        got.latency_sum_s,
        got.retries,
        got.fallbacks,
    )


def test_counts_of_a_worker_that_died_stay() -> None:
    made = totals()
    made.add(0, sent(9, cell(requests={200: 2})))
    made.down(0)
    made.add(0, sent(1, cell(requests={200: 1})))

    assert ({200: 3}, 0) == (made.cells[V1].requests, made.reports_lost)


def test_levels_of_a_worker_that_died_are_gone() -> None:
    made = totals()
    made.add(0, sent(1, cell(in_flight=4), downstream_connections=7))
    made.add(1, sent(1, cell(in_flight=1), downstream_connections=2))
    made.down(0)

    assert ({V1: 1}, 2) == (made.in_flight(), made.downstream_connections())


def test_a_level_stands_until_the_worker_speaks_of_the_version_again() -> None:
    made = totals()
    made.add(0, sent(1, cell(in_flight=4)))
    made.add(0, sent(2))

    assert {V1: 4} == made.in_flight()


def test_a_version_that_is_not_configured_makes_no_series() -> None:
    made = totals()
    made.add(0, sent(1, cell(version="v0", requests={200: 1}, in_flight=1)))

    assert ([V1], {V1: 0}) == (list(made.cells), made.in_flight())


def test_series_of_a_version_that_left_are_dropped_and_the_others_stay() -> None:
    made = Totals()
    made.keep([V1, ("shop", "v2")], [])
    made.add(0, sent(1, cell(requests={200: 2}, in_flight=2), cell(version="v2", in_flight=1)))
    made.keep([V1], [])

    assert ([V1], {200: 2}, {V1: 2}) == (list(made.cells), made.cells[V1].requests, made.in_flight())


def test_a_hole_in_the_numbering_is_counted() -> None:
    made = totals()
    made.add(0, sent(1))
    made.add(0, sent(4))

    assert 2 == made.reports_lost


def test_an_endpoint_is_healthy_when_any_worker_reaches_it() -> None:
    made = totals()
    state = EndpointState("shop", "v1", "127.0.0.1:9001", active=1, idle=2)
    made.add(0, sent(1, endpoints=[state]))
    made.add(1, sent(1, endpoints=[EndpointState("shop", "v1", "127.0.0.1:9001", active=3, healthy=False)]))
    level = made.endpoints()[ENDPOINT]

    assert (4, 2, True) == (level.active, level.idle, level.healthy)


def test_an_endpoint_that_is_not_configured_makes_no_series() -> None:
    made = totals()
    made.add(0, sent(1, endpoints=[EndpointState("shop", "v1", "127.0.0.1:1")]))

    assert {} == made.endpoints()


def test_requests_without_a_route_and_dropped_log_lines_add_up() -> None:
    made = totals()
    made.add(0, sent(1, unmatched={404: 2}, access_log_dropped=1))
    made.add(0, sent(2, unmatched={404: 1, 400: 1}, access_log_dropped=2))

    assert ({404: 3, 400: 1}, 3) == (made.unmatched, made.access_log_dropped)


def test_bytes_of_tunnels_add_up() -> None:
    made = totals()
    made.add(0, sent(1, cell(tunnel_bytes=(1, 20))))
    made.add(1, sent(1, cell(tunnel_bytes=(2, 30))))

    assert (3, 50) == made.cells[V1].tunnel_bytes


def test_listeners_are_summed_over_workers_and_the_first_to_expire_stands_for_all() -> None:
    made = totals()
    made.add(0, sent(1, listeners=[ListenerState("web", connections=2, refused=1, unproven=4, tls_expires_s=50.0)]))
    made.add(1, sent(1, listeners=[ListenerState("web", connections=3, refused=2, tls_error="broken", tls_expires_s=40.0)]))
    assert ListenerTotal(5, 3, 4, "broken", 40.0) == made.listeners()["web"]
    made.down(1)

    assert ListenerTotal(2, 3, 4, "", 50.0) == made.listeners()["web"]


def test_failed_lookups_of_endpoints_that_are_configured_add_up() -> None:
    made = totals()
    for slot in (0, 1):
        unknown = EndpointState("shop", "v1", "x:1", lookups_failed=1)
        made.add(slot, sent(1, endpoints=[EndpointState(*ENDPOINT, lookups_failed=2), unknown]))
    before = dict(made.lookups_failed)
    made.keep([V1], [])

    assert ({ENDPOINT: 4}, {}) == (before, made.lookups_failed)
