"""An origin that reads strictly and remembers: whole requests, what it could not read, what was left unfinished. Knows no proxy."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.kit.strict_reader import Ambiguous, Incomplete, Message, next_request

GOING_S = 0.5  # for a proxy to follow when this side has ended a connection
OWN = ("/victim", "/next")
"""Targets of the requests that follow a case: each must get its own answer."""


@dataclass
class Script:
    """What is answered to the request of a case; without one, an echo."""

    say: bytes
    ends: bool = False


@dataclass
class Seen:
    """What came since the last ``begin``."""

    requests: list[Message] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    hanging: list[bytes] = field(default_factory=list)
    reused: bool = False
    """Whether a following request took the connection that had carried the case's."""


def echo(message: Message) -> bytes:
    """An answer that names its request."""
    method, target = message.first.split(" ")[:2]
    body = f"{method} {target}".encode("latin-1")
    head = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head if method == "HEAD" else head + body


class _Connection(asyncio.Protocol):
    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.unread = b""
        self.carried = False
        self.finished = False
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.origin.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        while self.unread:
            try:
                message, self.unread = next_request(self.unread)
            except Incomplete:
                return
            except Ambiguous as why:
                self.origin.seen.unreadable.append(f"{why}")
                self.unread = b""
                self._say(Script(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", ends=True))
                return
            self._answer(message)

    def _answer(self, message: Message) -> None:
        if message.first.split(" ")[1] in OWN:
            self.origin.seen.reused |= self.carried
            self._say(Script(echo(message)))
            return
        self.carried = True
        self.origin.latest = self
        self.origin.seen.requests.append(message)
        self._say(self.origin.script or Script(echo(message)))

    def _say(self, script: Script) -> None:
        assert self.transport is not None
        if not self.finished and not self.transport.is_closing():
            self.transport.write(script.say)
            if script.ends:
                self.finished = True
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        self.origin.connections.discard(self)


class Origin:
    """One listener on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.script: Script | None = None
        self.seen = Seen()
        self.connections: set[_Connection] = set()
        self.latest: _Connection | None = None
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def begin(self, script: Script | None = None) -> None:
        """A new case."""
        self.script, self.seen, self.latest = script, Seen(), None

    def say_later(self, data: bytes) -> None:
        """Bytes on the connection that carried the case's request, if it is still there."""
        if self.latest is not None and self.latest.transport is not None and not self.latest.transport.is_closing():
            self.latest.transport.write(data)

    async def finish(self) -> Seen:
        """End all connections, so that the next case begins with none, and say what was seen."""
        unfinished = [connection for connection in self.connections if connection.unread]
        if unfinished:  # whoever gives a request up ends its connection; what still waits hangs
            await _all_ended(unfinished)
            self.seen.hanging.extend(connection.unread for connection in unfinished if not connection.ended.is_set())
        left = list(self.connections)
        for connection in left:
            connection.finished = True
            if connection.transport is not None and connection.transport.can_write_eof() and not connection.transport.is_closing():
                connection.transport.write_eof()
        await _all_ended(left)
        for connection in left:
            if connection.transport is not None:
                connection.transport.abort()
        await _all_ended(left)
        return self.seen

    async def close(self) -> None:
        """Stop listening."""
        await self.finish()
        if self._server is not None:
            self._server.close()


async def _all_ended(connections: list[_Connection]) -> None:
    """Until the peers have ended them all, or for so long."""
    if connections:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(connection.ended.wait() for connection in connections)), GOING_S)
