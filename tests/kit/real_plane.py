"""A real data plane in the test's own loop, on real sockets: what a worker serves, without processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from proxy.dataplane.plane import DataPlane
from proxy.model.plan import RoutePlan
from tests.kit.waiting import eventually

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def on_uvloop(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test on the loop that workers use."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())


@asynccontextmanager
async def origin(answering: Answering, **where: Any) -> AsyncIterator[int]:
    """An origin that handles each connection with ``answering``; yields its port."""
    failed: list[BaseException] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answering(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # told to the test when it ends
            failed.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **where)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if failed:
            raise failed[0]


@asynccontextmanager
async def serving(the_plan: RoutePlan, *socks: socket.socket) -> AsyncIterator[tuple[DataPlane, int]]:
    """A plane that serves ``the_plan``: its listeners in order on ``socks``, or one on 127.0.0.1; yields it and a port."""
    plane = DataPlane(0, loop=asyncio.get_running_loop(), on_urgent=lambda: None)
    plane.prepare(the_plan)
    plane.commit(the_plan.generation)
    if not socks:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        socks = (sock,)
    for listener, sock in zip(the_plan.listeners, socks, strict=True):
        sock.setblocking(False)
        sock.listen()
        await plane.listen(listener.name, sock)
    name = socks[0].getsockname()
    try:
        yield plane, name[1] if isinstance(name, tuple) else 0
    finally:
        plane.close()
        await plane.tasks.close()
        await eventually(lambda: not plane.downstreams and not plane.long_lived.tunnels, 5, "a connection is left")
