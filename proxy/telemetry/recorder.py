"""Counting on the request path: O(1), nothing allocated but an integer. One cell per version and plan generation.

A request belongs to the cell it was drawn on, so whatever is swapped meanwhile, a judge sees each outcome beside the share it was
drawn at. Knows nothing of HTTP beyond a status number, and of no socket.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf

from proxy import limits
from proxy.telemetry.histogram import BOUNDS_S, BUCKETS
from proxy.telemetry.snapshot import CellDelta


class Cell:
    """Counts of one (service, version) under one split, since they were last taken.

    An answer that the split drew and that did not fail is slow when it took more than ``slow_over_s``; 0: none is.
    """

    __slots__ = (
        "_candidate_share",
        "_codes",
        "_draw_failures",
        "_draws",
        "_failed_users",
        "_failed_users_dropped",
        "_failures",
        "_latency",
        "_latency_aside",
        "_latency_sum_s",
        "_slow",
        "_slow_over_s",
        "_slow_users",
        "_slow_users_dropped",
        "fallbacks",
        "generation",
        "in_flight",
        "is_candidate",
        "limited",
        "reported_in_flight",
        "retries",
        "retries_refused",
        "rollout",
        "service",
        "tunnel_bytes",
        "version",
    )

    def __init__(
        self,
        service: str,
        version: str,
        generation: int,
        *,
        rollout: int = 0,
        candidate_share: float = 0.0,
        is_candidate: bool = False,
        slow_over_s: float = 0.0,
    ) -> None:
        self.service = service
        self.version = version
        self.generation = generation
        self.rollout = rollout
        self._candidate_share = candidate_share
        self.is_candidate = is_candidate
        self._slow_over_s = slow_over_s or inf  # a comparison that is always false costs less than asking whether there is a bound
        self.in_flight = 0
        self.reported_in_flight = 0
        self._reset()

    def _reset(self) -> None:
        self._codes: dict[int, int] = {}
        self._failures: dict[str, int] = {}
        self._draws = 0
        self._draw_failures: dict[str, int] = {}
        self._failed_users: list[tuple[int, str]] = []
        self._failed_users_dropped: dict[str, int] = {}
        self._latency = [0] * BUCKETS
        self._latency_sum_s = 0.0
        self._latency_aside: dict[int, int] = {}
        self._slow = 0
        self._slow_users: list[int] = []
        self._slow_users_dropped = 0
        self.retries = 0
        self.retries_refused = 0
        self.fallbacks = 0
        self.limited = 0
        self.tunnel_bytes = [0, 0]  # from clients, from origins

    def record(self, code: int, cause: str | None, duration_s: float, drawn: bool, user: int) -> bool:
        """Count one finished request; True when a judge should hear of it at once.

        ``cause`` is None unless the version is to blame. ``drawn`` is False for overrides.
        ``user`` is the hash of a known user, or 0.
        """
        codes = self._codes
        codes[code] = codes.get(code, 0) + 1
        index = bisect_left(BOUNDS_S, duration_s)
        self._latency[index] += 1
        self._latency_sum_s += duration_s
        if drawn:
            self._draws += 1
            if cause is None:
                if duration_s > self._slow_over_s:
                    self._count_slow(user)
                return False
        self._latency_aside[index] = self._latency_aside.get(index, 0) + 1
        if cause is None:
            return False
        self._failures[cause] = self._failures.get(cause, 0) + 1
        if not drawn:
            return False
        if not user:
            self._draw_failures[cause] = self._draw_failures.get(cause, 0) + 1
        elif len(self._failed_users) < limits.FAILED_USERS_PER_SNAPSHOT_MAX:
            self._failed_users.append((user, cause))
        else:
            self._failed_users_dropped[cause] = self._failed_users_dropped.get(cause, 0) + 1
        return self.is_candidate

    def fell_back(self) -> None:
        """Count a request that stable answers in this version's place; its failure is recorded next."""
        self.fallbacks += 1

    def _count_slow(self, user: int) -> None:
        if not user:
            self._slow += 1
        elif len(self._slow_users) < limits.SLOW_USERS_PER_SNAPSHOT_MAX:
            self._slow_users.append(user)
        else:
            self._slow_users_dropped += 1

    def turned_away(self, code: int) -> None:
        """Count a request that its client gave up on, or that we refused meanwhile.

        It is no failure, no draw, and no latency: how long a client stayed, or took for its body, says nothing of the version.
        """
        self._codes[code] = self._codes.get(code, 0) + 1

    @property
    def dirty(self) -> bool:
        """Whether anything was counted since the last ``take``."""
        return bool(self._codes or self.retries or self.retries_refused or self.fallbacks or any(self.tunnel_bytes))

    def take(self, in_flight: int) -> CellDelta:
        """The counts since the last call, and start anew. ``in_flight`` is the version's level in this worker, over all generations."""
        delta = CellDelta(
            service=self.service,
            version=self.version,
            generation=self.generation,
            rollout=self.rollout,
            candidate_share=self._candidate_share,
            requests=self._codes,
            failures=self._failures,
            draws=self._draws,
            draw_failures=self._draw_failures,
            failed_users=self._failed_users,
            failed_users_dropped=self._failed_users_dropped,
            draw_slow=self._slow,
            slow_users=self._slow_users,
            slow_users_dropped=self._slow_users_dropped,
            latency={index: count for index, count in enumerate(self._latency) if count},
            latency_aside=self._latency_aside,
            latency_sum_s=self._latency_sum_s,
            in_flight=in_flight,
            retries=self.retries,
            retries_refused=self.retries_refused,
            fallbacks=self.fallbacks,
            limited=self.limited,
            tunnel_bytes=(self.tunnel_bytes[0], self.tunnel_bytes[1]),
        )
        self._reset()
        return delta
