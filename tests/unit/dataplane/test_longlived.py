"""Tunnels and event streams when their version loses its traffic, their endpoint leaves, or the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from proxy.model.service import Endpoint, Version
from tests.kit.conversation import Client, Conversation, plan, settle

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
DOWNLOAD = EVENTS.replace(b"text/event-stream", b"application/zip")
TWO = (Version("v1", (Endpoint("127.0.0.1", 9001),)), Version("v2", (Endpoint("127.0.0.1", 9002),)))

pytestmark = pytest.mark.asyncio


class Timers:
    """``call_later`` of a loop whose time passes when told."""

    def __init__(self, talk: Conversation) -> None:
        self.now_s = talk.loop.time()
        self._due: list[tuple[asyncio.TimerHandle, Callable[[], Any]]] = []
        self._loop = asyncio.get_running_loop()
        talk.loop.call_later = self.call_later  # type: ignore[attr-defined]  # in the place of the real loop's
        talk.loop.time = lambda: self.now_s  # type: ignore[attr-defined]  # a clock of the test's own

    def call_later(self, delay_s: float, act: Callable[[], Any]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now_s + delay_s, act, (), self._loop)
        self._due.append((handle, act))
        return handle

    async def pass_to(self, seconds: float) -> None:
        self.now_s += seconds
        ready = [(handle, act) for handle, act in self._due if handle.when() <= self.now_s]
        self._due = [item for item in self._due if item not in ready]
        for handle, act in ready:
            if not handle.cancelled():
                act()
        await settle()


def split(generation: int, v1: float, v2: float, **changes: Any) -> Any:
    return msgspec.structs.replace(plan(versions=TWO, weights=(v1, v2), drain_s=10.0, **changes), generation=generation)


async def opened(talk: Conversation, client: Client, answer: bytes) -> Client:
    await client.says(ASK)
    await talk.origin_says(answer)
    client.heard()
    return client


async def started() -> tuple[Conversation, Timers]:
    talk = Conversation(split(1, 0, 100))
    return talk, Timers(talk)


async def test_tunnels_of_a_version_without_traffic_are_closed_one_by_one_over_drain() -> None:
    talk, timers = await started()
    clients = [await opened(talk, talk.another_client(), AGREED) for _ in range(4)]
    talk.serve(split(2, 100, 0))
    closed = []
    for _ in range(5):
        closed.append(sum(client.transport.closing for client in clients))
        await timers.pass_to(2.5)

    assert [0, 1, 2, 3, 4] == closed
    assert not any(client.transport.aborted for client in clients)
    await talk.end()


async def test_event_streams_end_without_their_last_chunk() -> None:
    talk, timers = await started()
    client = await opened(talk, talk.client, EVENTS)
    talk.serve(split(2, 100, 0))
    await timers.pass_to(10)

    assert client.transport.closing
    assert b"" == client.heard()
    assert {} == talk.counts()["v2"].failures
    await talk.end()


async def test_a_download_of_a_version_without_traffic_goes_on() -> None:
    talk, timers = await started()
    client = await opened(talk, talk.client, DOWNLOAD)
    talk.serve(split(2, 100, 0))
    await timers.pass_to(10)
    assert not client.transport.closing
    await talk.origin_says(b"0\r\n\r\n")

    assert b"0\r\n\r\n" == client.heard()
    await talk.end()


async def test_an_event_stream_that_is_over_takes_nothing_with_it() -> None:
    talk, timers = await started()
    client = await opened(talk, talk.client, EVENTS)
    talk.serve(split(2, 100, 0))
    await talk.origin_says(b"0\r\n\r\n")
    client.heard()
    await client.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await timers.pass_to(10)

    assert not client.transport.closing
    await talk.end()


async def test_a_plan_that_leaves_version_and_endpoint_alone_touches_no_tunnel() -> None:
    talk, timers = await started()
    client = await opened(talk, talk.client, AGREED)
    talk.serve(split(2, 50, 50))
    talk.serve(split(3, 99, 1, expose_version=True))
    await timers.pass_to(100)

    assert not client.transport.closing
    assert (0, 1) == (len(talk.plane.long_lived._closing), len(talk.plane.long_lived.tunnels))
    await talk.end()


async def test_a_version_that_gets_traffic_again_keeps_what_is_left() -> None:
    talk, timers = await started()
    clients = [await opened(talk, talk.another_client(), AGREED) for _ in range(2)]
    talk.serve(split(2, 100, 0))
    await timers.pass_to(5)
    talk.serve(split(3, 100, 1))
    await timers.pass_to(100)

    assert 1 == sum(client.transport.closing for client in clients)
    await talk.end()


async def test_tunnels_of_an_endpoint_that_has_left_are_closed() -> None:
    talk, timers = await started()
    client = await opened(talk, talk.client, AGREED)
    moved = (TWO[0], Version("v2", (Endpoint("127.0.0.1", 9003),)))
    talk.serve(msgspec.structs.replace(plan(versions=moved, weights=(0.0, 100.0)), generation=2))
    await timers.pass_to(10)

    assert client.transport.closing
    await talk.end()


async def test_tunnels_of_an_endpoint_that_gets_no_new_requests_are_closed() -> None:
    talk, timers = await started()
    client = await opened(talk, talk.client, AGREED)
    more = (TWO[0], Version("v2", (*TWO[1].endpoints, Endpoint("127.0.0.1", 9003))))
    standby = (("v2", "127.0.0.1:9002"),)
    talk.serve(msgspec.structs.replace(plan(versions=more, weights=(0.0, 100.0), standby=standby), generation=2))
    await timers.pass_to(600.0)

    assert client.transport.closing
    await talk.end()


async def test_a_tunnel_agreed_to_after_its_version_lost_its_traffic_is_closed_too() -> None:
    talk, timers = await started()
    await talk.client.says(ASK)
    talk.serve(split(2, 100, 0))
    await talk.origin_says(AGREED)
    await timers.pass_to(9)
    assert not talk.client.transport.closing
    await timers.pass_to(1)

    assert talk.client.transport.closing
    await talk.end()


async def test_a_stopping_worker_closes_its_tunnels_before_its_time_is_up() -> None:
    talk, timers = await started()
    clients = [await opened(talk, talk.another_client(), AGREED) for _ in range(2)]
    await talk.client.leaves()
    draining = asyncio.get_running_loop().create_task(talk.plane.drain(5.0))
    await settle()
    await timers.pass_to(2)
    assert 1 == sum(client.transport.closing for client in clients)
    await timers.pass_to(2)

    assert 0 == await draining
    await talk.end()
