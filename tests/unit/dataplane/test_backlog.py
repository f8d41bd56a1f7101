"""Requests that wait for room: in order, bounded in number and time, and what the client is told."""

from __future__ import annotations

import pytest

from proxy.model.service import EndpointLimits
from tests.kit.conversation import Conversation, plan

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"

pytestmark = pytest.mark.asyncio


def limited(**bounds: float) -> Conversation:
    return Conversation(plan(limits=EndpointLimits(**bounds)))  # type: ignore[arg-type]  # numbers of either kind


@pytest.mark.parametrize("bound", ["max_requests", "max_connections"])
async def test_a_request_too_many_is_refused_at_once_and_charged_to_nobody(bound: str) -> None:
    talk = limited(**{bound: 1})
    other = talk.another_client()
    await talk.client.says(GET)
    await other.says(GET)
    counts = talk.counts()["v1"]
    heard = other.heard()

    assert heard.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: " in heard
    assert ({503: 1}, {}, 0, 1) == (counts.requests, counts.failures, counts.draws, counts.limited)
    assert 1 == len(talk.loop.origins)
    await talk.end()


@pytest.mark.parametrize("bound", ["max_requests", "max_connections"])
async def test_a_request_in_the_queue_gets_the_place_that_becomes_free(bound: str) -> None:
    talk = limited(**{bound: 1}, queue=1)
    other = talk.another_client()
    await talk.client.says(GET)
    await other.says(PUT)
    waited = other.heard()
    await talk.origin_says(OK)
    talk.origin_heard()
    await talk.origin_says(OK)

    assert (b"", OK) == (waited, other.heard())
    assert 1 == len(talk.loop.origins)
    assert {200: 2} == talk.counts()["v1"].requests
    await talk.end()


async def test_a_connection_that_dies_makes_room() -> None:
    talk = limited(max_connections=1, queue=1)
    other = talk.another_client()
    await talk.client.says(GET)
    await other.says(GET)
    await talk.origin_ends(0)
    await talk.origin_says(OK, 1)

    assert OK == other.heard()
    await talk.end()


async def test_those_who_wait_are_served_in_order() -> None:
    talk = limited(max_requests=1, queue=2)
    clients = [talk.another_client() for _ in range(3)]
    for client in clients:
        await client.says(GET)
    await talk.origin_says(OK)
    await talk.origin_says(OK)

    assert [OK, OK, b""] == [client.heard() for client in clients]
    await talk.end()


async def test_a_full_queue_fails_fast() -> None:
    talk = limited(max_requests=1, queue=1)
    clients = [talk.another_client() for _ in range(3)]
    for client in clients:
        await client.says(GET)

    assert [b"", b"", b"HTTP/1.1 503"] == [client.heard()[:12] for client in clients]
    await talk.end()


async def test_waiting_ends_with_503_after_the_queues_timeout() -> None:
    talk = limited(max_requests=1, queue=1, queue_timeout_s=5.0)
    other = talk.another_client()
    await talk.client.says(GET)
    await other.says(GET)
    await talk.pass_time(5.2)
    heard = other.heard()
    await other.says(GET)

    assert heard.startswith(b"HTTP/1.1 503 ")
    assert 1 == talk.counts()["v1"].limited
    await talk.end()


async def test_a_client_that_leaves_the_queue_leaves_nothing_behind() -> None:
    talk = limited(max_requests=1, queue=1)
    other, third = talk.another_client(), talk.another_client()
    await talk.client.says(GET)
    await other.says(GET)
    await other.leaves(ConnectionResetError())
    await third.says(GET)
    await talk.origin_says(OK)
    await talk.origin_says(OK)

    assert OK == third.heard()
    assert {200: 2, 499: 1} == talk.counts()["v1"].requests
    await talk.end()
