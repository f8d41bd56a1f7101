"""Bounds of the whole proxy, divided among its workers."""

from __future__ import annotations

import msgspec
import pytest

from proxy.dataplane.shares import of_one_worker
from proxy.model.intent import Listener
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint, EndpointLimits, Version
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def bounded(workers: int, connections: int = 0, **bounds: int) -> RoutePlan:
    made = plan(limits=EndpointLimits(**bounds)) if bounds else plan()
    return msgspec.structs.replace(made, workers=workers, listeners=(Listener(name="web", max_connections=connections),))


def parts(workers: int, connections: int = 0, **bounds: int) -> tuple[int, EndpointLimits | None]:
    own = of_one_worker(bounded(workers, connections, **bounds))
    return own.listeners[0].max_connections, own.services[0].limits


def test_each_worker_grants_its_part_of_each_bound() -> None:
    whole = {"max_connections": 8, "max_requests": 40, "queue": 4}

    assert (25, EndpointLimits(2, 10, 1)) == parts(4, 100, **whole)


def test_a_part_is_rounded_up() -> None:
    assert (34, EndpointLimits(4, 0, 1)) == parts(3, 100, max_connections=10, queue=1)


def test_a_bound_below_the_number_of_workers_is_one_for_each() -> None:
    assert (1, EndpointLimits(0, 1)) == parts(4, 2, max_requests=3)


def test_no_bound_stays_none() -> None:
    assert (0, None) == parts(4)


def test_one_worker_grants_all() -> None:
    the_plan = bounded(1, 100, max_requests=40)

    assert the_plan is of_one_worker(the_plan)


@pytest.mark.asyncio
async def test_a_worker_of_four_gives_an_endpoint_a_quarter_of_its_requests() -> None:
    talk = Conversation(bounded(4, max_requests=8))
    clients = [talk.another_client() for _ in range(3)]
    for client in clients:
        await client.says(GET)

    assert [b"", b"", b"HTTP/1.1 503"] == [client.heard()[:12] for client in clients]
    await talk.end()


@pytest.mark.asyncio
async def test_a_worker_of_two_lets_in_half_of_a_listeners_connections() -> None:
    talk = Conversation(bounded(2, 4))  # it has one client to begin with

    assert [False, True] == [talk.another_client().transport.aborted for _ in range(2)]
    await talk.end()


@pytest.mark.asyncio
async def test_a_plan_with_another_number_of_workers_divides_anew() -> None:
    talk = Conversation(bounded(4, 4))
    endpoints = (Version("v1", (Endpoint("127.0.0.1", 9001),)),)
    later = msgspec.structs.replace(bounded(2, 4), generation=2)
    talk.serve(msgspec.structs.replace(later, services=(msgspec.structs.replace(later.services[0], versions=endpoints),)))

    assert [False, True] == [talk.another_client().transport.aborted for _ in range(2)]
    await talk.end()
