"""A playbook for the data plane: the client says, the origin hears; the origin says, the client hears. No sockets and no waiting.

The whole real path runs, from ``Downstream`` to ``Upstream``; only transports and the making of connections are pretended. Time passes
when told: ``pass_time`` turns the wheel of time-outs.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from time import perf_counter
from typing import Any

from proxy import limits
from proxy.dataplane.downstream import Downstream
from proxy.dataplane.plane import DataPlane
from proxy.model.intent import Listener
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.route import Match, Route
from proxy.model.service import Endpoint, Timeouts, Version
from proxy.telemetry.snapshot import CellDelta


class FakeTransport:
    """Remembers what was written. ``unsent`` plays the write buffer, and ``flush`` empties it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, peer: tuple[str, int] | str = ("192.0.2.7", 4711)) -> None:
        self._loop = loop
        self.protocol = protocol
        self._peer = peer
        self.written = bytearray()
        self.writes = 0
        self.reading = True
        self.closing = False
        self.aborted = False
        self.unsent = 0
        self.eof_written = False
        self.options: list[tuple[int, int, bytes]] = []  # of its socket
        self.restless = False  # an origin's socket that is not silent while it is idle

    def poll(self, _timeout_ms: int) -> list[int]:
        """As a poller of this socket."""
        return [1] if self.restless else []

    def write(self, data: bytes) -> None:
        assert not self.closing, "written after close"
        assert not self.eof_written, "written after the end"
        self.written += data
        self.writes += 1

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        assert 0 < low < high or self.unsent

    def get_write_buffer_size(self) -> int:
        return self.unsent

    async def flush(self) -> None:
        """Its peer has taken all that was written."""
        self.unsent = 0
        self.protocol.resume_writing()
        await settle()

    def get_extra_info(self, name: str) -> Any:
        return {"peername": self._peer, "socket": self}.get(name)

    def fileno(self) -> int:
        """As a socket: a number that leaves room for others."""
        return 3

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        """As a socket."""
        self.options.append((level, option, value))

    @property
    def reset(self) -> bool:
        """Whether its peer was told by a reset that this is no regular end."""
        return self.aborted and (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)) in self.options

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof_written = True

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.aborted = self.aborted or not self.closing
        self.close()


class ScriptedDepartures:
    """Whose leaving would be seen: the test says when one does, by ``Client.departs``."""

    def __init__(self) -> None:
        self.watched: set[Any] = set()

    def watch(self, connection: Any) -> None:
        assert not connection.transport.reading
        self.watched.add(connection)

    def forget(self, connection: Any) -> None:
        self.watched.discard(connection)

    def close(self) -> None:
        """Nothing is open."""


class ScriptedLoop:
    """The running loop, but for connections: each is made to a scripted origin, or refused, or left hanging."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.origins: list[FakeTransport] = []
        self.refuse: Callable[[str, int], BaseException | None] = lambda host, port: None
        self.hang = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int) -> None:
        if self.hang:
            await asyncio.Event().wait()
        if (error := self.refuse(host, port)) is not None:
            raise error
        protocol = factory()
        transport = FakeTransport(self._loop, protocol)
        transport.port = port  # type: ignore[attr-defined]  # told to the test, which asks which endpoint was taken
        protocol.connection_made(transport)
        protocol._poller = transport
        self.origins.append(transport)


async def settle() -> None:
    """Let everything that is ready happen."""
    for _ in range(10):
        await asyncio.sleep(0)


def plan(**changes: Any) -> RoutePlan:
    """One service ``shop`` with a version ``v1`` on port 9001, and one route to it; ``changes`` replace fields of the service plan."""
    service: dict[str, Any] = {
        "name": "shop",
        "versions": (Version("v1", (Endpoint("127.0.0.1", 9001),)),),
        "weights": (100.0,),
        "timeouts": Timeouts(),
    }
    service.update(changes)
    return RoutePlan(
        generation=1,
        digest="d",
        listeners=(Listener(name="web"),),
        services=(ServicePlan(**service),),
        routes=(Route(Match(path_prefix="/"), "shop"),),
    )


class Client:
    """One client connection of the conversation."""

    def __init__(self, talk: Conversation, peer: tuple[str, int] | str) -> None:
        self.protocol = Downstream(talk.plane, talk.plane.doors["web"])
        self.transport = FakeTransport(asyncio.get_running_loop(), self.protocol, peer)
        self.protocol.connection_made(self.transport)

    async def says(self, data: bytes) -> None:
        """Send bytes, in one piece, unless the proxy reads no more."""
        if not self.transport.closing and self.transport.reading:
            self.transport.protocol.data_received(data)
        await settle()

    async def leaves(self, error: Exception | None = None) -> None:
        """Close, as a vanished client does."""
        if error is None and self.transport.protocol.eof_received():
            return
        if not self.transport.closing:
            self.transport.closing = True
            self.transport.protocol.connection_lost(error)
        await settle()

    async def departs(self, *, gone: bool) -> None:
        """Close, or with ``gone`` reset, while the proxy reads nothing. It can tell only if it watches."""
        assert not self.transport.reading
        if self.protocol in self.protocol._plane.departures.watched:  # type: ignore[attr-defined]  # the scripted ones
            self.protocol.departing(gone=gone)
        await settle()

    def heard(self) -> bytes:
        """All that the proxy has said since the last call."""
        data = bytes(self.transport.written)
        self.transport.written.clear()
        return data

    @property
    def closed(self) -> bool:
        """Whether the proxy has ended its side: closed, or said that it will write no more."""
        return self.transport.closing or self.transport.eof_written


class Conversation:
    """A data plane with one client to begin with and as many origin connections as it makes."""

    def __init__(self, the_plan: RoutePlan | None = None, *, peer: tuple[str, int] | str = ("192.0.2.7", 4711)) -> None:
        self.loop = ScriptedLoop(asyncio.get_running_loop())
        self.urgent = 0
        self.plane = DataPlane(0, loop=self.loop, on_urgent=self._count_urgent)  # type: ignore[arg-type]  # a loop but for connections
        self.plane.departures = ScriptedDepartures()  # type: ignore[assignment]  # looks like them
        self._wall = 0.0
        self.serve(the_plan or plan())
        self.client = Client(self, peer)

    def _count_urgent(self) -> None:
        self.urgent += 1

    def serve(self, the_plan: RoutePlan) -> None:
        """Prepare and commit a plan."""
        self.plane.prepare(the_plan)
        self.plane.commit(the_plan.generation)

    def another_client(self, peer: tuple[str, int] | str = ("192.0.2.8", 4712)) -> Client:
        """One more connection."""
        return Client(self, peer)

    def origin(self, index: int = -1) -> FakeTransport:
        """An origin connection, the newest by default."""
        return self.loop.origins[index]

    def origin_heard(self, index: int = -1) -> bytes:
        """All that was sent to an origin connection since the last call; empty when there is none."""
        if not self.loop.origins:
            return b""
        data = bytes(self.origin(index).written)
        self.origin(index).written.clear()
        return data

    async def origin_says(self, data: bytes, index: int = -1) -> None:
        """Bytes of an answer, in one piece."""
        self.origin(index).protocol.data_received(data)
        await settle()

    async def origin_ends(self, index: int = -1, error: Exception | None = None) -> None:
        """The origin closes (``error`` None) or resets."""
        transport = self.origin(index)
        if error is None:
            transport.protocol.eof_received()
        if not transport.closing:
            transport.closing = True
            transport.protocol.connection_lost(error)
        await settle()

    async def pass_time(self, seconds: float) -> None:
        """Turn the wheel of time-outs as if ``seconds`` had passed."""
        self._wall += seconds
        self.plane.wheel.advance(perf_counter() + self._wall)
        await settle()

    async def pass_to_next_timeout(self) -> None:
        """Turn the wheel to the next thing it has to look at, if there is any, over everything between."""
        wheel = self.plane.wheel
        if wheel._slots:
            slot = min(wheel._slots)
            wheel._position = slot - 1
            wheel.advance((slot + 0.5) * limits.WHEEL_TICK_S)
            await settle()

    def counts(self) -> dict[str, CellDelta]:
        """What was counted since the last call, by version; generations are added up by the caller if there are several."""
        return {cell.version: cell for cell in self.plane.snapshot().cells}

    async def end(self) -> None:
        """Close everything and check that nothing is left behind."""
        self.plane.close()
        await settle()
        await self.plane.tasks.close()
        assert not self.plane.downstreams, "a client connection was leaked"
        assert len(self.plane.tasks) == 0, "a task was leaked"
