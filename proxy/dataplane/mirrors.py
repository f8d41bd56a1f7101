"""All mirrors of a worker: their connections and counts outlive plans, as those of versions do, and are apart from them.

A shadow version has connections of its own here, so that copies can neither take nor spoil the connections of real requests, even when
the version has weight as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.dataplane.capture import Store
from proxy.dataplane.comparing import Comparing
from proxy.dataplane.mirror import Count, Mirror
from proxy.dataplane.pool import Pool
from proxy.errors import PlanRefused
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.service import Endpoint
from proxy.telemetry.snapshot import ShadowDelta

if TYPE_CHECKING:
    from proxy.dataplane.legs import Leg
    from proxy.dataplane.plane import DataPlane

PoolKey = tuple[str, str, Endpoint]


class Mirrors:
    """Compiled with a plan, committed with it."""

    def __init__(self, plane: DataPlane, wall: Callable[[], float]) -> None:
        """``wall`` tells Unix time."""
        self._plane = plane
        self.wall = wall
        self.store = Store()
        self.comparing = Comparing(plane.loop, plane.tasks)
        self._pools: dict[PoolKey, Pool] = {}
        self._made: dict[PoolKey, Pool] = {}
        self._counts: dict[tuple[str, str], Count] = {}

    def compile(self, service: ServicePlan, legs: list[Leg]) -> None:
        """Hang the service's mirror on the legs whose requests are copied. Raises PlanRefused.

        Those are stable's where there is one: a candidate's answers are no measure. A version is never held against itself.
        """
        plan = service.shadow
        if plan is None or not plan.percent_bp:
            return
        versions = {version.name: version for version in service.versions}
        for name in (plan.version, *((plan.noise,) if plan.noise else ())):
            if name not in versions:
                raise PlanRefused(f"service {service.name}: shadow names the version {name!r}, which does not exist")
        pools = [
            [self._pool((service.name, name, endpoint)) for endpoint in versions[name].endpoints] if name else []
            for name in (plan.version, plan.noise)
        ]
        mirror = Mirror(self._plane, plan, self._count(service.name, plan.version), *pools)
        for leg in legs:
            version = leg.cell.version
            if version not in (plan.version, plan.noise) and version == (service.stable or version):
                leg.mirror = mirror

    def _pool(self, key: PoolKey) -> Pool:
        pool = self._pools.get(key) or self._made.get(key)
        if pool is None:
            pool = self._made[key] = Pool(self._plane, *key)
        return pool

    def _count(self, service: str, version: str) -> Count:
        return self._counts.setdefault((service, version), Count(service, version))

    def commit(self, plan: RoutePlan) -> None:
        """Serve what was compiled last: connections of versions that no copy goes to any more end."""
        self.comparing.use(plan.comparer)
        wanted = {
            (service.name, version.name, endpoint)
            for service in plan.services
            if service.shadow is not None
            for version in service.versions
            if version.name in (service.shadow.version, service.shadow.noise)
            for endpoint in version.endpoints
        }
        pools, self._made = self._pools | self._made, {}
        self._pools = {key: pool for key, pool in pools.items() if key in wanted}
        for key, pool in pools.items():
            if key not in wanted:
                pool.retire()

    def take(self) -> list[ShadowDelta]:
        """What was counted since the last call; counts of services that are gone are let go once all of theirs is told."""
        deltas = [count.take() for count in self._counts.values() if count.sampled or count.results or count.dropped or count.in_flight]
        names = {(key[0], key[1]) for key in self._pools}
        self._counts = {key: count for key, count in self._counts.items() if count.in_flight or key in names}
        return deltas

    def close(self) -> None:
        """End everything now."""
        for pool in self._pools.values():
            pool.retire()
        self.comparing.close()
