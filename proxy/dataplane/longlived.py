"""Connections that do not end by themselves, tunnels and event streams, and their end when their version is no longer wanted.

When a version loses all its traffic (a rollback, a switch, a promotion), or an endpoint leaves the plan or gets nothing new, they are
closed one by one over the service's ``drain``, so that their clients come back spread out. A new plan that leaves version and endpoint
alone touches none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from proxy.dataplane.tunnel import Tunnel
from proxy.model.plan import RoutePlan
from proxy.model.service import Endpoint

if TYPE_CHECKING:
    from proxy.dataplane.plane import DataPlane
    from proxy.dataplane.pool import Pool


class Endless(Protocol):
    """A tunnel, or one event stream of an exchange. ``end`` does nothing when it is over already."""

    pool: Pool

    def end(self) -> None: ...


class LongLived:
    """All of one worker. Event streams are found when they are asked for, so that an answer costs nothing here."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self.tunnels: set[Tunnel] = set()
        self._closing: dict[Pool, list[asyncio.TimerHandle]] = {}
        self._plan: RoutePlan | None = None

    def agreed(self, tunnel: Tunnel) -> None:
        """There is a new tunnel. When it was asked for under an older plan, its version may have lost its traffic meanwhile."""
        self.tunnels.add(tunnel)
        plan, pool = self._plan, tunnel.pool
        if plan is None or tunnel.cell.generation == plan.generation:
            return
        if pool.retired or _place(pool) not in _carrying(plan):
            over_s = max((service.drain_s for service in plan.services if service.name == pool.service), default=0.0)
            self._closing.setdefault(pool, []).append(self._plane.loop.call_later(over_s, tunnel.end))

    def over(self, tunnel: Tunnel) -> None:
        """A tunnel has ended."""
        self.tunnels.discard(tunnel)
        self._plane.check_empty()

    def all(self) -> list[Endless]:
        """Every one there is now."""
        streams = (downstream.stream for downstream in self._plane.downstreams)
        return [*self.tunnels, *(stream for stream in streams if stream is not None)]

    def settle(self, old: RoutePlan | None, new: RoutePlan, retired: Iterable[Pool]) -> None:
        """A new plan is served: begin to close what it does not want, and leave alone what it wants again."""
        self._plan = new
        now = self._plane.loop.time()
        self._closing = {pool: handles for pool, handles in self._closing.items() if handles[-1].when() > now}
        wanted = _carrying(new)
        left = (_carrying(old) if old is not None else set()) - wanted
        gone = set(retired)
        for pool in list(self._closing):
            if _place(pool) in wanted and pool not in gone and not pool.retired:
                for handle in self._closing.pop(pool):
                    handle.cancel()
        if not left and not gone:
            return
        over_s = {service.name: service.drain_s for plan in (old, new) if plan is not None for service in plan.services}
        found: dict[Pool, list[Endless]] = {}
        for item in self.all():
            pool = item.pool
            if pool not in self._closing and (pool in gone or _place(pool) in left):
                found.setdefault(pool, []).append(item)
        for pool, items in found.items():
            self._closing[pool] = self._pace(items, over_s[pool.service])

    def drain(self, over_s: float) -> None:
        """The process ends: close all of them over that time."""
        self._stop()
        self._pace(self.all(), over_s)

    def close(self) -> None:
        """End everything now."""
        self._stop()
        for tunnel in list(self.tunnels):
            tunnel.abort()

    def _pace(self, items: list[Endless], over_s: float) -> list[asyncio.TimerHandle]:
        step_s = over_s / len(items) if items else 0.0
        return [self._plane.loop.call_later(step_s * (place + 1), item.end) for place, item in enumerate(items)]

    def _stop(self) -> None:
        for handles in self._closing.values():
            for handle in handles:
                handle.cancel()
        self._closing.clear()


_Place = tuple[str, str, Endpoint]


def _place(pool: Pool) -> _Place:
    return pool.service, pool.version, pool.endpoint


def _carrying(plan: RoutePlan) -> set[_Place]:
    """Endpoints that the plan gives traffic, by service and version."""
    return {
        (service.name, version.name, endpoint)
        for service in plan.services
        for version, weight in zip(service.versions, service.weights, strict=True)
        if weight
        for endpoint in version.endpoints
        if (version.name, endpoint.label) not in service.standby
    }
