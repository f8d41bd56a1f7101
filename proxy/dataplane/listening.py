"""The sockets clients connect to: opened to a protocol each, and left without breaking a promise of the kernel's.

A client whose connection waits in the socket's queue is connected as far as it can tell, and closing the socket would reset it. So
what waits is taken first, in the same breath as the close, and served like any other. Knows nothing of what is said on connections.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from proxy import limits

Factory = Callable[[], asyncio.Protocol]


class Listening:
    """All sockets of one worker that listen. ``end`` leaves them in order, ``close`` at once.

    The loop takes one connection from a socket in each of its turns. Where clients come faster, turns that hold next to nothing else
    cost more than all the rest, so the loop is given each socket several times: descriptors of one queue, each good for one a turn.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: list[tuple[list[asyncio.Server], socket.socket, Factory]] = []

    async def begin(self, sock: socket.socket, factory: Factory) -> None:
        """Accept clients on a socket that is bound; ``factory`` makes the protocol of each."""
        create: Any = self._loop.create_unix_server if sock.family == socket.AF_UNIX else self._loop.create_server
        servers: list[asyncio.Server] = []
        self._open.append((servers, sock, factory))
        for number in range(limits.ACCEPTS_OF_THE_LOOP):
            own = sock.dup() if number else sock
            servers.append(await create(factory, sock=own, backlog=limits.LISTEN_BACKLOG))  # it listens anew, and left alone for 100

    async def end(self) -> None:
        """Accept no more. Connections that wait already are served; returns when each has its protocol."""
        waiting: list[tuple[socket.socket, Factory]] = []
        for servers, sock, factory in self._open:
            waiting += [(connection, factory) for connection in _waiting(sock)]
            for server in servers:
                server.close()  # nothing in between: it is the moments that count
        self._open = []
        for connection, factory in waiting:
            with suppress(OSError):  # gone meanwhile
                await self._loop.connect_accepted_socket(factory, connection)

    def close(self) -> None:
        """Accept no more, whoever may be waiting."""
        for servers, _, _ in self._open:
            for server in servers:
                server.close()
        self._open = []


def _waiting(sock: socket.socket) -> list[socket.socket]:
    taken: list[socket.socket] = []
    with suppress(OSError):  # BlockingIOError: nobody is left; another one: no more can be had
        while len(taken) < limits.LISTEN_BACKLOG:
            connection, _ = sock.accept()
            connection.setblocking(False)
            taken.append(connection)
    return taken
