"""A version as the request path meets it: its counts and its connections, hung on the table's split.

Legs belong to one table; pools outlive tables, so a change of weight never costs a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import perf_counter
from typing import TYPE_CHECKING

from proxy import limits
from proxy.dataplane.backlog import Backlog
from proxy.dataplane.ejection import Ejector
from proxy.dataplane.health import KNOCK
from proxy.dataplane.origin_tls import Secured
from proxy.dataplane.pool import Pool
from proxy.dataplane.retrying import Budget
from proxy.dataplane.wheel import Wheel
from proxy.model.plan import ServicePlan
from proxy.model.service import Version
from proxy.telemetry.recorder import Cell

if TYPE_CHECKING:
    from proxy.dataplane.mirror import Mirror


class Leg:
    """One version under one plan. ``version_line`` is the response field that names it, or empty.

    ``only`` is its pool when there is nothing to choose. ``retries`` is what may be sent again, or None; ``fallback`` is the leg that
    answers when this one, the candidate's, cannot, or None. ``second`` says whether there is either: a failure need not be the end.
    ``nowhere`` stands for an endpoint while a request has none. ``mirror`` sends copies of its requests, or is None. ``spare`` are
    endpoints that no request is given to: their health is watched, and what they have in flight ends.
    """

    __slots__ = (
        "_balance",
        "_ejection",
        "_health",
        "_next",
        "_slow_start_s",
        "backlog",
        "budget",
        "cell",
        "connect_s",
        "ejector",
        "fallback",
        "idle_s",
        "limits",
        "mirror",
        "nowhere",
        "only",
        "pools",
        "response_s",
        "retries",
        "second",
        "secured",
        "siblings",
        "spare",
        "tunnel_idle_s",
        "version_line",
    )

    def __init__(self, service: ServicePlan, version: Version, cell: Cell, pools: list[Pool], budget: Budget, nowhere: Pool) -> None:
        self.cell = cell
        self.pools = pools
        self.connect_s = service.timeouts.connect_s
        self.response_s = service.timeouts.response_s
        self.idle_s = service.timeouts.idle_s
        self.tunnel_idle_s = service.timeouts.tunnel_s
        self.version_line = b"X-Headgate-Version: " + version.name.encode() if service.expose_version else b""
        self.limits = service.limits
        self.backlog: Backlog | None = None
        self.ejector: Ejector | None = None
        self.nowhere = nowhere
        self.secured: Secured | None = None  # TLS, for those of its endpoints that speak it
        self._health = service.health or (KNOCK if version.name in service.knock else None)
        self.only = pools[0] if len(pools) == 1 and self._health is None and service.limits is None else None
        self._ejection = service.ejection
        self._slow_start_s = version.slow_start_s
        self.retries = service.retries
        self.budget = budget
        self.siblings: list[Leg] = [self]
        self.spare: list[Pool] = []
        self.fallback: Leg | None = None
        self.mirror: Mirror | None = None
        self.second = service.retries is not None
        self._balance = service.balance
        self._next = 0

    def take_over(self, before: Leg | None, wheel: Wheel) -> None:
        """This leg serves from now on: what outlives a table comes from the leg ``before`` it, and checks of health begin."""
        if self.limits is not None:
            self.backlog = (before.backlog if before is not None else None) or Backlog(wheel)
        if self._ejection is not None:
            kept = before.ejector if before is not None else None
            self.ejector = kept if kept is not None and kept.plan == self._ejection else Ejector(self._ejection)
            self.ejector.judged = self.pools
        self.secure(self.secured)
        for pool in (*self.pools, *self.spare):
            pool.backlog = self.backlog
            pool.watch(self._health)
        if before is not None:
            for pool in self.pools:
                if pool not in before.pools:
                    pool.warm_from = perf_counter()

    def secure(self, secured: Secured | None) -> None:
        """Make its connections so from now on, those of copies of its requests too."""
        self.secured = secured
        for pool in (*self.pools, *self.spare, *(self.mirror.pools if self.mirror is not None else ())):
            pool.secure(secured)

    def fall_back_on(self, stable: Leg) -> None:
        """This is the candidate's leg, and ``stable`` answers what it fails."""
        self.fallback = stable
        self.second = True

    @property
    def retry_allowed(self) -> bool:
        """Whether the service's budget has room for one more retry."""
        return self.budget.allows(sum(leg.cell.in_flight for leg in self.siblings))

    def pick(self, tried: list[Pool] | None = None, *, chance: Callable[[], float] = random) -> Pool | None:
        """The endpoint for a request, or None: every one was tried, or is unhealthy, or has as much as it may have."""
        able = self._able(tried)
        if self.limits is not None:
            able = [pool for pool in able if pool.has_room(self.limits)]
        if len(able) <= 1:
            return able[0] if able else None
        chosen = self._balanced(able, chance)
        if self._slow_start_s and (age_s := perf_counter() - chosen.warm_from) < self._slow_start_s:
            share = max(limits.SLOW_START_FLOOR, age_s / self._slow_start_s)
            warm = [pool for pool in able if perf_counter() - pool.warm_from >= self._slow_start_s]
            if warm and chance() >= share:
                return self._balanced(warm, chance)
        return chosen

    @property
    def healthy(self) -> bool:
        """Whether health checks leave any endpoint at all."""
        return any(pool.healthy for pool in self.pools)

    def _able(self, tried: list[Pool] | None) -> list[Pool]:
        """Endpoints that may be asked. One that just refused a connection is the last resort.

        When fewer than half are left standing all are used (panic): the rest could not carry the load, and it is likelier that what
        judges them is wrong. But when not one passes its health checks the version is down.
        """
        pools = self.pools
        now = perf_counter()
        able = [pool for pool in pools if pool.out_until <= now]
        if len(able) < len(pools):
            standing = [pool for pool in pools if pool.standing]
            if 2 * len(standing) < len(pools):
                standing = pools if self.healthy else []
            able = [pool for pool in standing if pool.refused_until <= now]
            if tried:
                able = [pool for pool in able if pool not in tried] or [pool for pool in standing if pool not in tried]
            return able or ([] if tried else standing)
        return [pool for pool in able if pool not in tried] if tried else able

    def _balanced(self, able: list[Pool], chance: Callable[[], float]) -> Pool:
        if len(able) == 1:
            return able[0]
        if self._balance == "round_robin":
            self._next += 1
            return able[self._next % len(able)]
        # The power of two choices (Mitzenmacher 2001): nearly the balance of asking all, at the cost of asking two.
        first = int(chance() * len(able))
        second = int(chance() * (len(able) - 1))
        second += second >= first
        one, other = able[first], able[second]
        return one if one.active <= other.active else other
