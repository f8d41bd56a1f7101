"""Failures and endpoints over real sockets: origins that reset, fail, stop and come back, and what a client meets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.dataplane.plane import DataPlane
from proxy.model.service import Endpoint, EndpointLimits, Health, Retries, Version
from tests.kit.conversation import plan
from tests.kit.waiting import eventually

PATIENCE_S = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"

pytestmark = pytest.mark.asyncio


class Origin(asyncio.Protocol):
    """One connection of an origin that does ``act`` for each request: answer these bytes, or reset the connection at ``None``."""

    def __init__(self, act: Callable[[bytes], bytes | None], open_: set[asyncio.Transport]) -> None:
        self._act = act
        self._open = open_
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        answer = self._act(data)
        if answer is not None:
            self.transport.write(answer)
            return
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


@asynccontextmanager
async def origin(act: Callable[[bytes], bytes | None]) -> AsyncIterator[int]:
    """A listening origin; gives its port."""
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Transport] = set()
    server = await loop.create_server(lambda: Origin(act, connections), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for transport in list(connections):
            transport.abort()
        await server.wait_closed()


@asynccontextmanager
async def serving(**service: Any) -> AsyncIterator[tuple[DataPlane, int]]:
    """A data plane that listens; gives it and its port."""
    plane = DataPlane(0, loop=asyncio.get_running_loop(), on_urgent=lambda: None)
    plane.prepare(plan(**service))
    plane.commit(1)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    sock.setblocking(False)
    await plane.listen("web", sock)
    try:
        yield plane, sock.getsockname()[1]
    finally:
        plane.close()
        await plane.tasks.close()
        await asyncio.sleep(0)


async def ask(port: int, method: str = "GET", body: bytes = b"") -> int:
    """One request on a connection of its own; gives the status."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        writer.write(method.encode() + b" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + length + b"\r\n" + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return int(answer.split(b" ", 2)[1])


async def until(what: Callable[[], bool]) -> None:
    """What is waited for is a level inside the plane, which nobody announces."""
    await eventually(what, PATIENCE_S, "a level inside the plane")


def version(name: str, *ports: int, host: str = "127.0.0.1") -> Version:
    return Version(name, tuple(Endpoint(host, port) for port in ports))


async def test_a_body_survives_an_endpoint_that_resets() -> None:
    """Rule 38."""
    got: list[bytes] = []

    def keeps(data: bytes) -> bytes:
        got.append(data)
        return OK

    async with (
        origin(lambda _data: None) as bad,
        origin(keeps) as good,
        serving(versions=(version("v1", bad, good),), retries=Retries(), balance="round_robin") as (plane, port),
    ):
        statuses = [await ask(port, "PUT", b"abc") for _ in range(6)]
        counted = plane.snapshot().cells[0]

    assert [200] * 6 == statuses
    assert all(data.endswith(b"\r\n\r\nabc") for data in got)
    assert ({200: 6}, {}, True) == (counted.requests, counted.failures, counted.retries > 0)


async def test_no_user_meets_a_candidate_that_fails() -> None:
    versions = ("v1", lambda _data: OK), ("v2", lambda _data: BAD)
    async with (
        origin(versions[0][1]) as one,
        origin(versions[1][1]) as two,
        serving(
            versions=(version("v1", one), version("v2", two)),
            weights=(0.0, 1.0),
            stable="v1",
            candidate="v2",
            rollout=1,
            fallback=True,
        ) as (plane, port),
    ):
        statuses = [await ask(port) for _ in range(5)]
        cells = {cell.version: cell for cell in plane.snapshot().cells}

    assert [200] * 5 == statuses
    assert ({500: 5}, {"status_5xx": 5}, 5) == (cells["v2"].requests, cells["v2"].failures, cells["v2"].fallbacks)
    assert ({200: 5}, 0) == (cells["v1"].requests, cells["v1"].draws)


async def test_checks_take_an_endpoint_out_and_bring_it_back() -> None:
    well = True

    def checked(data: bytes) -> bytes:
        return OK if well or not data.startswith(b"GET /healthz ") else BAD

    async with (
        origin(checked) as at,
        serving(versions=(version("v1", at),), health=Health("/healthz", interval_s=0.01)) as (plane, port),
    ):

        def healthy() -> bool:
            return plane.snapshot().endpoints[0].healthy

        before = await ask(port)
        well = False
        await until(lambda: not healthy())
        during = await ask(port)
        well = True
        await until(healthy)
        after = await ask(port)

    assert (200, 503, 200) == (before, during, after)


async def test_an_endpoint_never_gets_more_connections_than_allowed() -> None:
    levels: list[int] = []
    async with (
        origin(lambda _data: OK) as at,
        serving(versions=(version("v1", at),), limits=EndpointLimits(max_connections=2, queue=50, queue_timeout_s=5.0)) as (
            plane,
            port,
        ),
    ):
        pool = plane.table.splits["shop"].legs[0].pools[0]
        asked = [plane.tasks.spawn(ask(port), name="client") for _ in range(20)]
        while not all(task.done() for task in asked):
            levels.append(pool._opened)
            await asyncio.sleep(0)

    assert [200] * 20 == [task.result() for task in asked]
    assert 2 >= max(levels)


async def test_a_host_name_is_followed() -> None:
    async with origin(lambda _data: OK) as at, serving(versions=(version("v1", at, host="localhost"),)) as (_, port):
        assert [200, 200, 200] == [await ask(port) for _ in range(3)]
