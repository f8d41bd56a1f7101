"""How many requests each route gets now: the last ten seconds, by what it matches. Bounded by the routes of the configuration.

A route is told from others by its match, so a reload that leaves it alone does not make it forget. Knows nothing of services.
"""

from __future__ import annotations

from collections import deque

from proxy import limits
from proxy.model.plan import RoutePlan
from proxy.model.route import Match
from proxy.telemetry.snapshot import Snapshot


class RouteRates:
    """Seconds by match. ``now`` is monotonic seconds throughout."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._routes: tuple[Match, ...] = ()
        self._generation = 0
        self._seconds: dict[Match, deque[tuple[int, int]]] = {}

    def add(self, snapshot: Snapshot, plan: RoutePlan | None, now: float) -> None:
        """Count a worker's report. ``plan`` is the one in force: a report of another generation is not understood."""
        if plan is None or snapshot.generation != plan.generation:
            return
        if plan.generation != self._generation:
            self._generation = plan.generation
            self._routes = tuple(route.match for route in plan.routes)
            known = frozenset(self._routes)
            self._seconds = {match: seconds for match, seconds in self._seconds.items() if match in known}
        for place, count in snapshot.routes.items():
            seconds = self._seconds.setdefault(self._routes[place], deque(maxlen=2 * (limits.WINDOW_S + 1)))
            if seconds and seconds[-1][0] == int(now):
                seconds[-1] = (int(now), seconds[-1][1] + count)
            else:
                seconds.append((int(now), count))

    def rps(self, now: float) -> dict[Match, float]:
        """Requests a second over the window; a route that had none is absent."""
        oldest = int(now) - limits.WINDOW_S
        span_s = min(float(limits.WINDOW_S), max(1.0, now - self._began))
        sums = {match: sum(count for second, count in told if second > oldest) for match, told in self._seconds.items()}
        return {match: count / span_s for match, count in sums.items() if count}
