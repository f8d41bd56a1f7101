"""A data plane on real sockets of the loopback, in the test's own loop, before an origin that records every byte it gets.

The origin answers what its ``answer`` makes of each request; None leaves it unanswered. It reads requests with the strict reader, so
bytes that are no whole unambiguous request stay in ``unread``.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from proxy.dataplane.plane import DataPlane
from proxy.model.service import Endpoint, Version
from tests.kit.conversation import plan
from tests.kit.strict_reader import Ambiguous, Message, read_requests
from tests.kit.waiting import eventually

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE_S = 10.0

Reply = Callable[["OriginSide", Message], bytes | None]


class OriginSide(asyncio.Protocol):
    """One connection of the proxy's to the origin."""

    def __init__(self, origin: RecordingOrigin) -> None:
        self._origin = origin
        self.unread = b""
        self.received = 0
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._origin.sides.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._origin.deaf:
            self.transport.pause_reading()  # uvloop has no ear for it before
        if self._origin.swallows:
            return
        self.unread += data
        try:
            requests = read_requests(self.unread)
        except Ambiguous:
            return
        self.unread = b""
        for request in requests:
            self._origin.requests.append(request)
            reply = self._origin.answer(self, request)
            if reply is not None and not self.transport.is_closing():
                self.transport.write(reply)


class RecordingOrigin:
    """All connections and requests. ``deaf``: reads a connection's first bytes only; ``swallows``: only counts bytes."""

    def __init__(self) -> None:
        self.sides: list[OriginSide] = []
        self.requests: list[Message] = []
        self.answer: Reply = lambda _side, _request: OK
        self.deaf = False
        self.swallows = False

    @property
    def firsts(self) -> list[str]:
        """Request lines, in the order of arrival."""
        return [request.first for request in self.requests]

    @property
    def unread(self) -> list[bytes]:
        """What is no request, by connection."""
        return [side.unread for side in self.sides if side.unread]


class LivePlane:
    """The plane, its origin, and the port its clients connect to."""

    def __init__(self, plane: DataPlane, origin: RecordingOrigin, port: int) -> None:
        self.plane = plane
        self.origin = origin
        self.port = port
        self.clients: list[WireClient] = []
        self._codes: Counter[str] = Counter()

    async def client(self) -> WireClient:
        """A connected client."""
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.clients.append(WireClient(sock))
        return self.clients[-1]

    def codes(self) -> Counter[str]:
        """Requests by status code and by failures' causes (``timeout`` ...), since the beginning; 499 is a client that left."""
        shot = self.plane.snapshot()
        for cell in shot.cells:
            self._codes.update({str(code): count for code, count in cell.requests.items()})
            self._codes.update(cell.failures)
        self._codes.update({str(code): count for code, count in shot.unmatched.items()})
        return +self._codes

    async def until(self, what: Callable[[], Any], text: str) -> Any:
        """Wait for a condition, with the usual patience."""
        return await eventually(what, PATIENCE_S, text)


class WireClient:
    """A client that says bytes and hears bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()

    async def says(self, data: bytes) -> WireClient:
        """Send all of it; a peer that has had enough is no failure."""
        with suppress(ConnectionError):
            await self._loop.sock_sendall(self.sock, data)
        return self

    async def hears(self, length: int = 0) -> bytes:
        """So many bytes at least, or everything until the peer ends; a reset raises."""
        heard = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while (not length or len(heard) < length) and (piece := await self._loop.sock_recv(self.sock, 1 << 18)):
                heard += piece
        return bytes(heard)

    async def hears_until(self, mark: bytes) -> bytes:
        """Everything up to ``mark``, which must come."""
        heard = b""
        async with asyncio.timeout(PATIENCE_S):
            while mark not in heard:
                piece = await self._loop.sock_recv(self.sock, 65536)
                assert piece, heard
                heard += piece
        return heard

    @property
    def delivered(self) -> bool:
        """Whether the peer's system has all that was sent, read or not."""
        return fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)) == bytes(4)

    def stops_sending(self) -> None:
        """End its own half."""
        self.sock.shutdown(socket.SHUT_WR)

    def vanishes(self) -> None:
        """Reset, as the system does for a client that crashed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@asynccontextmanager
async def live_plane(**service: Any) -> AsyncIterator[LivePlane]:
    """A plane that serves; ``service`` replaces fields of the service plan. Afterwards nothing of it is left, which is checked."""
    loop = asyncio.get_running_loop()
    origin = RecordingOrigin()
    server = await loop.create_server(lambda: OriginSide(origin), "127.0.0.1", 0)
    endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    plane = DataPlane(0, loop=loop, on_urgent=lambda: None)
    plane.prepare(plan(versions=(Version("v1", (endpoint,)),), **service))
    plane.commit(1)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(4096)
    sock.setblocking(False)
    await plane.listen("web", sock)
    live = LivePlane(plane, origin, sock.getsockname()[1])
    try:
        yield live
    finally:
        for client in live.clients:
            client.sock.close()
        plane.close()
        await plane.tasks.close()
        server.close()
        for side in origin.sides:
            side.transport.abort()
        await eventually(
            lambda: not plane.downstreams and all(side.ended for side in origin.sides), PATIENCE_S, "the end of connections"
        )
