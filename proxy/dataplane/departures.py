"""Clients that leave while nothing is read from them: back-pressure must not hide that nobody waits for an answer any more.

Facts. Whoever does not read a socket hears neither of its end nor of its reset, for both come to a reader. The kernel tells them
apart from data all the same (EPOLLRDHUP, EPOLLHUP, EPOLLERR), TLS or not, so one epoll of the worker's own stands in its loop as a
reader, and a connection is in it only while its reading is paused. Where there is no epoll (macOS) such a client is missed until
something is written to it. Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from typing import Any, Protocol

from proxy import limits


class Unread(Protocol):
    """A connection whose reading is paused."""

    transport: Any

    def departing(self, *, gone: bool) -> None:
        """Its peer has ended its sending side or, when ``gone``, the whole connection."""


class Departures:
    """One worker's. Nothing is watched before ``open``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None
        self._by_descriptor: dict[int, Unread] = {}
        self._descriptors: dict[Unread, int] = {}

    def open(self) -> None:
        """Begin, once; needs the running loop."""
        if self._epoll is None and hasattr(select, "epoll"):
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._look)

    def close(self) -> None:
        """Watch nobody any more."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def watch(self, connection: Unread) -> None:
        """Its reading pauses, or it has to be told again: what is the case already is told too."""
        if self._epoll is None:
            return
        self.forget(connection)
        descriptor = connection.transport.get_extra_info("socket").fileno()
        # Edges: an end that was told must not be told in every turn of the loop, but a reset after it once more.
        self._epoll.register(descriptor, select.EPOLLRDHUP | select.EPOLLET)
        self._by_descriptor[descriptor] = connection
        self._descriptors[connection] = descriptor

    def forget(self, connection: Unread) -> None:
        """It is read again, or over; nothing happens to one that is not watched."""
        descriptor = self._descriptors.pop(connection, None)
        if descriptor is None or self._by_descriptor.get(descriptor) is not connection:
            return  # in the second case it is closed, as one with TLS is before it is told, and its number another's
        del self._by_descriptor[descriptor]
        if self._epoll is not None:
            with contextlib.suppress(OSError):  # closed: then the kernel has forgotten it by itself
                self._epoll.unregister(descriptor)

    def _look(self) -> None:
        assert self._epoll is not None
        for descriptor, what in self._epoll.poll(0, limits.DEPARTURES_PER_TURN):
            connection = self._by_descriptor.get(descriptor)
            if connection is not None:
                connection.departing(gone=bool(what & (select.EPOLLHUP | select.EPOLLERR)))
