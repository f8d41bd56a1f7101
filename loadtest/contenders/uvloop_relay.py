"""A byte relay on uvloop: ``python uvloop_relay.py PORT ORIGIN_PORT``. The floor for a proxy in Python."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

import uvloop


class Side(asyncio.Protocol):
    """One end of a relayed connection; what it receives goes to its peer."""

    __slots__ = ("held", "peer", "transport")

    def __init__(self, peer: Side | None = None) -> None:
        self.peer = peer
        self.held = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass of it
        if self.peer is not None and self.peer.held:
            self.transport.write(self.peer.held)
            self.peer.held = b""

    def data_received(self, data: bytes) -> None:
        if self.peer is None or self.peer.transport is None:
            self.held += data
        else:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


class Client(Side):
    """The accepted end: it dials the origin."""

    __slots__ = ("dialling", "origin_port")

    def __init__(self, origin_port: int) -> None:
        super().__init__()
        self.origin_port = origin_port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = Side(self)
        loop = asyncio.get_running_loop()
        peer = self.peer
        self.dialling = loop.create_task(loop.create_connection(lambda: peer, "127.0.0.1", self.origin_port))


async def relay(port: int, origin_port: int) -> None:
    """Relay until TERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Client(origin_port), "127.0.0.1", port, backlog=1024)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(relay(int(sys.argv[1]), int(sys.argv[2])))
