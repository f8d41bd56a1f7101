"""Asking an endpoint how it is: a plain GET on a connection of its own, at intervals, off the request path.

Where nobody has said what to ask, a rollout that goes by health has its endpoints *knocked* at: a connection has to be taken.

Facts. A status 2xx or 3xx is healthy; anything else, no connection, no HTTP or no head in time is not. An endpoint changes sides after
so many answers of the other kind in a row. Until it was asked it counts as healthy: a new worker must not refuse everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import random
from typing import Any, Final

from proxy import limits
from proxy.errors import HeadgateError
from proxy.model.service import Health
from proxy.wire import response as responses
from proxy.wire.headers import LineTable

Open = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]
"""Makes a connection for a protocol. Raises OSError."""


class Probe(asyncio.Protocol):
    """One check: says the request, reads a head."""

    def __init__(self, request: bytes, table: LineTable, statuses: responses.Statuses, done: asyncio.Future[bool]) -> None:
        self._request = request
        self._table = table
        self._statuses = statuses
        self._done = done
        self._buffer = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end == 3:
            if len(self._buffer) > limits.HEAD_BYTES_MAX:
                self._tell(False)
            return
        try:
            status = responses.parse(self._buffer[:end], self._table, self._statuses, head_request=False).status
        except HeadgateError:
            self._tell(False)
            return
        if 100 <= status < 200 and status != 101:
            self._buffer = self._buffer[end:]
            if self._buffer:
                self.data_received(b"")
            return
        self._tell(200 <= status < 400)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(False)

    def _tell(self, healthy: bool) -> None:
        if not self._done.done():
            self._done.set_result(healthy)


KNOCK: Final = Health(path="", interval_s=1.0, timeout_s=1.0, unhealthy_after=2, healthy_after=1)
"""The check of an endpoint that no health check is configured for: without a path nothing is asked, and a connection is enough."""


class Knocking(asyncio.Protocol):
    """A connection on which nothing is said."""

    transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class Checker:
    """Checks one endpoint until its task is cancelled, and says when it changes sides.

    ``settled`` once an answer has borne out what it counts as, be it healthy, or has changed it.
    """

    def __init__(self, plan: Health, host_line: bytes, open_: Open, on_change: Callable[[bool], None], room: asyncio.Semaphore) -> None:
        """``room`` bounds how many checks of a worker are under way at a time."""
        self.plan = plan
        line = b"GET " + plan.path.encode() + b" HTTP/1.1"
        self._request = b"\r\n".join((line, host_line, b"User-Agent: headgate", b"Accept: */*", b"Connection: close", b"", b""))
        self._open = open_
        self._on_change = on_change
        self._room = room
        self._table = responses.new_table()
        self._statuses = responses.Statuses()
        self._healthy = True
        self._against = 0
        self.settled = False

    async def run(self) -> None:
        """Check for ever. The first check comes soon; then each interval, give or take a tenth, so workers do not march in step."""
        await asyncio.sleep(random() * min(self.plan.interval_s, limits.HEALTH_FIRST_S))
        while True:
            self.heard(await self.check())
            await asyncio.sleep(self.plan.interval_s * (0.9 + 0.2 * random()))

    async def check(self) -> bool:
        """Ask once, or knock."""
        if not self.plan.path:
            return await self._knock()
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        probe = Probe(self._request, self._table, self._statuses, done)
        try:
            async with self._room, asyncio.timeout(self.plan.timeout_s):
                await self._open(lambda: probe)
                return await done
        except OSError:  # TimeoutError among them
            return False
        finally:
            done.cancel()
            if probe.transport is not None:
                probe.transport.abort()

    async def _knock(self) -> bool:
        knocking = Knocking()
        try:
            async with self._room, asyncio.timeout(self.plan.timeout_s):
                await self._open(lambda: knocking)
                return True
        except OSError:  # TimeoutError among them
            return False
        finally:
            if knocking.transport is not None:
                knocking.transport.abort()

    def heard(self, healthy: bool) -> None:
        """Count one answer."""
        if healthy == self._healthy:
            self._against = 0
            self.settled = True
            return
        self._against += 1
        if self._against >= (self.plan.healthy_after if healthy else self.plan.unhealthy_after):
            self._healthy = healthy
            self._against = 0
            self.settled = True
            self._on_change(healthy)
