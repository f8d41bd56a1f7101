"""headgate's data plane alone: ``python plane_alone.py PORT ORIGIN_A ORIGIN_B``. What the request path costs without a supervisor."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import uvloop

from proxy.dataplane.plane import DataPlane
from proxy.model.intent import Listener
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Version
from proxy.supervisor.worker import settle

SNAPSHOT_S = 1.0


def plan(port: int, a: int, b: int) -> RoutePlan:
    """The split that the whole headgate gets from its configuration."""
    versions = tuple(Version(name, (Endpoint("127.0.0.1", to),)) for name, to in (("a", a), ("b", b)))
    return RoutePlan(
        generation=1,
        digest="",
        listeners=(Listener("web", "127.0.0.1", port),),
        services=(ServicePlan("shop", versions, (95.0, 5.0)),),
        routes=(Route(Match(path_prefix="/"), "shop"),),
    )


async def serve(port: int, a: int, b: int) -> None:
    """Serve until TERM, taking a snapshot as often as a worker does."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    plane = DataPlane(0, loop=loop, on_urgent=lambda: None)
    plane.prepare(plan(port, a, b))
    plane.commit(1)
    await plane.listen("web", socket.create_server(("127.0.0.1", port), backlog=1024))
    settle()
    while not stop.is_set():
        plane.snapshot()
        try:
            await asyncio.wait_for(stop.wait(), SNAPSHOT_S)
        except TimeoutError:
            continue
    plane.close()


if __name__ == "__main__":
    uvloop.run(serve(*(int(argument) for argument in sys.argv[1:4])))
