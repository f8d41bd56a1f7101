"""Connections to one endpoint: the idle ones, the count of busy ones, and the making of new ones.

Knows nothing of requests: an exchange asks, and is told what came of it. A connection that nobody waits for any more goes idle.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from proxy import limits
from proxy.dataplane.upstream import Upstream
from proxy.model.service import Endpoint

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane

REFUSED_S = 1.0  # an endpoint that refused is tried last for this long


class Waiter(Protocol):
    """An exchange that waits for a connection."""

    def connected(self, upstream: Upstream) -> None: ...

    def connect_failed(self, pool: Pool, *, timed_out: bool) -> None: ...


class Attempt:
    """One connection being made. Its waiter may lose interest (``waiter = None``): exchanges are reused, so they cannot be asked."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter: Waiter | None = waiter


class Pool:
    """One endpoint of one version in one worker. ``active`` counts requests it holds now, those still connecting included."""

    __slots__ = ("_idle", "_plane", "_retired", "active", "endpoint", "host_line", "refused_until", "service", "version")

    def __init__(self, plane: DataPlane, service: str, version: str, endpoint: Endpoint) -> None:
        self._plane = plane
        self.service = service
        self.version = version
        self.endpoint = endpoint
        self.host_line = b"Host: " + (b"localhost" if endpoint.unix else endpoint.name.encode())
        self.active = 0
        self.refused_until = -inf
        self._idle: list[Upstream] = []
        self._retired = False

    def __repr__(self) -> str:
        return f"<Pool {self.service}/{self.version} {self.endpoint.name} active={self.active} idle={len(self._idle)}>"

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    def take(self) -> Upstream | None:
        """The connection used last (the likeliest to be alive), now busy, or None."""
        return self._idle.pop() if self._idle else None

    def put(self, upstream: Upstream, now: float) -> None:
        """A connection whose exchange ended cleanly. Its origin must not have sent a byte more than it framed."""
        if self._retired or len(self._idle) >= limits.IDLE_UPSTREAM_PER_ENDPOINT_MAX:
            upstream.close()
            return
        upstream.deadline = deadline = now + upstream.idle_s
        if deadline < upstream.wake_at:
            self._plane.wheel.schedule(upstream, deadline)
        self._idle.append(upstream)

    def forget(self, upstream: Upstream) -> None:
        """A connection that ended while it was idle."""
        if upstream in self._idle:
            self._idle.remove(upstream)

    def connect(self, waiter: Waiter, timeout_s: float) -> Attempt:
        """Make a connection for ``waiter`` and tell it what came of that, later and once."""
        attempt = Attempt(waiter)
        self._plane.tasks.spawn(self._connect(attempt, timeout_s), name=f"connect {self.endpoint.name}")
        return attempt

    async def _connect(self, attempt: Attempt, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                upstream = await self._open()
        except OSError as error:  # TimeoutError among them
            self.refused_until = perf_counter() + REFUSED_S
            if attempt.waiter is not None:
                attempt.waiter.connect_failed(self, timed_out=isinstance(error, TimeoutError))
            return
        self.refused_until = -inf
        if attempt.waiter is not None:
            attempt.waiter.connected(upstream)
        else:
            self.put(upstream, perf_counter())

    async def _open(self) -> Upstream:
        loop = self._plane.loop
        upstream = Upstream(self._plane, self)
        if self.endpoint.unix:
            await loop.create_unix_connection(lambda: upstream, self.endpoint.unix)
        else:
            await loop.create_connection(lambda: upstream, self.endpoint.host, self.endpoint.port)
        return upstream

    def retire(self) -> None:
        """No plan names this endpoint any more: idle connections end now, busy ones after their exchange."""
        self._retired = True
        for upstream in self._idle:
            upstream.close()
        self._idle.clear()
