"""A version as the request path meets it: its counts and its connections, hung on the table's split.

Legs belong to one table; pools outlive tables, so a change of weight never costs a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import perf_counter

from proxy.dataplane.pool import Pool
from proxy.dataplane.retrying import Budget
from proxy.model.plan import ServicePlan
from proxy.model.service import Version
from proxy.telemetry.recorder import Cell


class Leg:
    """One version under one plan. ``version_line`` is the response field that names it, or empty.

    ``only`` is its pool when there is nothing to choose. ``retries`` is what may be sent again, or None; ``fallback`` is the leg that
    answers when this one, the candidate's, cannot, or None. ``second`` says whether there is either: a failure need not be the end.
    """

    __slots__ = (
        "_balance",
        "_next",
        "budget",
        "cell",
        "connect_s",
        "fallback",
        "idle_s",
        "only",
        "pools",
        "response_s",
        "retries",
        "second",
        "siblings",
        "version_line",
    )

    def __init__(self, service: ServicePlan, version: Version, cell: Cell, pools: list[Pool], budget: Budget) -> None:
        self.cell = cell
        self.pools = pools
        self.connect_s = service.timeouts.connect_s
        self.response_s = service.timeouts.response_s
        self.idle_s = service.timeouts.idle_s
        self.version_line = b"X-Headgate-Version: " + version.name.encode() if service.expose_version else b""
        self.only = pools[0] if len(pools) == 1 else None
        self.retries = service.retries
        self.budget = budget
        self.siblings: list[Leg] = [self]
        self.fallback: Leg | None = None
        self.second = service.retries is not None
        self._balance = service.balance
        self._next = 0

    def fall_back_on(self, stable: Leg) -> None:
        """This is the candidate's leg, and ``stable`` answers what it fails."""
        self.fallback = stable
        self.second = True

    @property
    def retry_allowed(self) -> bool:
        """Whether the service's budget has room for one more retry."""
        return self.budget.allows(sum(leg.cell.in_flight for leg in self.siblings))

    def pick(self, tried: list[Pool] | None = None, *, chance: Callable[[], float] = random) -> Pool | None:
        """The endpoint for a request, or None when every one was tried. One that just refused a connection is the last resort."""
        pools = self.pools
        if len(pools) == 1 and tried is None:
            return pools[0]
        left = [pool for pool in pools if tried is None or pool not in tried]
        now = perf_counter()
        able = [pool for pool in left if pool.refused_until <= now] or left
        if len(able) <= 1:
            return able[0] if able else None
        if self._balance == "round_robin":
            self._next += 1
            return able[self._next % len(able)]
        # The power of two choices (Mitzenmacher 2001): nearly the balance of asking all, at the cost of asking two.
        first = int(chance() * len(able))
        second = int(chance() * (len(able) - 1))
        second += second >= first
        one, other = able[first], able[second]
        return one if one.active <= other.active else other
