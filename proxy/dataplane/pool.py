"""Connections to one endpoint: the idle ones, the count of busy ones, and the making of new ones.

Knows nothing of requests: an exchange asks, and is told what came of it. A connection that nobody waits for any more goes idle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from proxy import limits
from proxy.dataplane.backlog import Backlog
from proxy.dataplane.ejection import Record
from proxy.dataplane.health import Checker
from proxy.dataplane.names import Name, is_name
from proxy.dataplane.origin_tls import Secured
from proxy.dataplane.upstream import Upstream
from proxy.model.service import Endpoint, EndpointLimits, Health
from proxy.telemetry.snapshot import EndpointState

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

    __slots__ = (
        "_checker",
        "_checking",
        "_idle",
        "_name",
        "_opened",
        "_plane",
        "_resolving",
        "_retired",
        "_secured",
        "_tls",
        "active",
        "backlog",
        "endpoint",
        "healthy",
        "host_line",
        "out_until",
        "record",
        "refused_until",
        "service",
        "tunnels",
        "version",
        "warm_from",
    )

    def __init__(self, plane: DataPlane, service: str, version: str, endpoint: Endpoint) -> None:
        self._plane = plane
        self.service = service
        self.version = version
        self.endpoint = endpoint
        self.host_line = b"Host: " + (b"localhost" if endpoint.unix else endpoint.name.encode())
        self.active = 0
        self.tunnels = 0  # of those active, connections that speak another protocol
        self.healthy = True  # as health checks say, if there are any
        self.record = Record()
        self.refused_until = -inf
        self.out_until = -inf  # unhealthy, ejected or refusing until then
        self.warm_from = -inf  # when it last became healthy
        self.backlog: Backlog | None = None  # requests that wait for a place, here or at a sibling
        self._checker: Checker | None = None
        self._checking: asyncio.Task[None] | None = None
        self._name = Name(endpoint.host, plane.resolver, self._moved) if is_name(endpoint.host) else None
        self._resolving: asyncio.Task[None] | None = None
        self._secured: Secured | None = None
        self._tls: dict[str, Any] = {}  # of create_connection
        self._opened = 0  # connections there are or are being made
        self._idle: list[Upstream] = []
        self._retired = False

    def __repr__(self) -> str:
        return f"<Pool {self.service}/{self.version} {self.endpoint.name} active={self.active} idle={len(self._idle)}>"

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    @property
    def retired(self) -> bool:
        """Whether no plan names it any more."""
        return self._retired

    @property
    def standing(self) -> bool:
        """Whether it is neither unhealthy nor ejected; it may still have refused a connection just now."""
        return self.healthy and self.record.until <= perf_counter()

    def state(self) -> EndpointState:
        """Levels now, and counts since the last call."""
        state = EndpointState(
            service=self.service,
            version=self.version,
            endpoint=self.endpoint.label,
            active=self.active,
            idle=self.idle,
            tunnels=self.tunnels,
            healthy=self.out_until <= perf_counter(),
            asked=self._checker is not None and self._checker.settled,
        )
        if self._name is not None:
            state.lookups_failed, self._name.failures = self._name.failures, 0
            state.lookup_error = self._name.error
        return state

    def has_room(self, bounds: EndpointLimits) -> bool:
        """Whether one more request would be within ``bounds``."""
        if bounds.max_requests and self.active >= bounds.max_requests:
            return False
        return not bounds.max_connections or bool(self._idle) or self._opened < bounds.max_connections

    def ejected(self, until: float) -> None:
        """Its requests failed too often."""
        self.warm_from = until
        self._weigh()

    def _refused(self, until: float) -> None:
        self.refused_until = until
        self._weigh()

    def _checked(self, healthy: bool) -> None:
        self.healthy = healthy
        if healthy:
            self.warm_from = perf_counter()
        self._weigh()
        if healthy and self.backlog is not None:
            self.backlog.wake()

    def _weigh(self) -> None:
        self.out_until = max(self.refused_until, self.record.until) if self.healthy else inf

    def watch(self, plan: Health | None) -> None:
        """Check its health so from now on, or no more."""
        if plan == (self._checker.plan if self._checker is not None else None):
            return
        if self._checking is not None:
            self._checking.cancel()
            self._checker = self._checking = None
        if plan is None:
            self.healthy = True
            self._weigh()
            return
        self._checker = Checker(plan, self.host_line, self._connection, self._checked, self._plane.health_room)
        self._checking = self._plane.tasks.spawn(self._checker.run(), name=f"health of {self.endpoint.name}")

    def take(self) -> Upstream | None:
        """The connection used last (the likeliest to be alive), now busy, or None."""
        return self._idle.pop() if self._idle else None

    def put(self, upstream: Upstream, now: float) -> None:
        """A connection whose exchange ended cleanly. Its origin must not have sent a byte more than it framed."""
        if self._retired or len(self._idle) >= limits.IDLE_UPSTREAM_PER_ENDPOINT_MAX:
            upstream.close()
            return
        if self._name is not None and upstream.address not in self._name.addresses:
            upstream.close()
            return
        if self._secured is not None and upstream.secured is not self._secured:
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

    def lost(self) -> None:
        """A connection has ended."""
        self._opened -= 1
        if self.backlog is not None:
            self.backlog.wake()

    def connect(self, waiter: Waiter, timeout_s: float) -> Attempt:
        """Make a connection for ``waiter`` and tell it what came of that, later and once."""
        attempt = Attempt(waiter)
        self._opened += 1
        self._plane.tasks.spawn(self._connect(attempt, timeout_s), name=f"connect {self.endpoint.name}")
        return attempt

    async def _connect(self, attempt: Attempt, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                upstream = await self._open()
        except OSError as error:  # TimeoutError among them
            self._opened -= 1
            self._refused(perf_counter() + REFUSED_S)
            if attempt.waiter is not None:
                attempt.waiter.connect_failed(self, timed_out=isinstance(error, TimeoutError))
            return
        if self.refused_until > -inf:
            self._refused(-inf)
        if attempt.waiter is not None:
            attempt.waiter.connected(upstream)
        else:
            self.put(upstream, perf_counter())

    async def _open(self) -> Upstream:
        upstream = Upstream(self._plane, self)
        upstream.secured = self._secured
        upstream.address = await self._connection(lambda: upstream)
        return upstream

    async def _connection(self, factory: Callable[[], asyncio.Protocol]) -> str:
        """Connect a protocol to the endpoint; returns the address that its name led to. Raises OSError."""
        loop = self._plane.loop
        if self._name is not None:
            return await self._named_connection(self._name, factory)
        if self.endpoint.unix:
            await loop.create_unix_connection(factory, self.endpoint.unix)
        else:
            await loop.create_connection(factory, self.endpoint.host, self.endpoint.port, **self._tls)
        return ""

    async def _named_connection(self, name: Name, factory: Callable[[], asyncio.Protocol]) -> str:
        addresses = await name.in_turn()
        if self._resolving is None and not self._retired:  # not sooner: it first waits for as long as that answer holds
            self._resolving = self._plane.tasks.spawn(name.run(), name=f"addresses of {self.endpoint.host}")
        last: OSError | None = None
        for address in addresses:
            try:
                await self._plane.loop.create_connection(factory, address, self.endpoint.port, **self._tls)
            except OSError as error:
                name.failed(address)
                last = error
            except asyncio.CancelledError:  # most likely: it took too long
                name.failed(address)
                raise
            else:
                return address
        assert last is not None, "a name without addresses is an error of its own"
        raise last

    def _moved(self) -> None:
        """The endpoint's name leads elsewhere: idle connections to where it led before end, busy ones after their exchange."""
        assert self._name is not None
        gone = [upstream for upstream in self._idle if upstream.address not in self._name.addresses]
        for upstream in gone:
            self._idle.remove(upstream)
            upstream.close()

    def secure(self, secured: Secured | None) -> None:
        """Speak TLS so from the next connection on, if the endpoint speaks it. Idle connections made otherwise are not used again."""
        if not self.endpoint.tls or secured is self._secured:
            return
        assert secured is not None, "an endpoint with TLS was compiled without a context"
        self._secured = secured
        self._tls = {"ssl": secured.context, "server_hostname": secured.server_name or self.endpoint.host}
        for upstream in self._idle:
            upstream.close()
        self._idle.clear()

    def retire(self) -> None:
        """No plan names this endpoint any more: idle connections end now, busy ones after their exchange."""
        self._retired = True
        self.watch(None)
        if self._resolving is not None:
            self._resolving.cancel()
        for upstream in self._idle:
            upstream.close()
        self._idle.clear()
