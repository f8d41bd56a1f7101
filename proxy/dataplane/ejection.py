"""Taking an endpoint out by what requests met there: failures in a row, or a success rate far below its siblings'.

Facts. The rule for outliers is Envoy's: with at least five endpoints busy enough, one whose success rate lies 1.9 standard deviations
below the mean is out. An ejected endpoint comes back by itself, later each time; a good window takes one time back. Never more than the
allowed share is out, so a version whose every endpoint fails is not emptied by this. Knows nothing of health checks, and asks no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from typing import Protocol

from proxy import limits
from proxy.model.service import Ejection


class Record:
    """What requests met at one endpoint. ``until`` is the moment its ejection ends (-inf: it is in)."""

    __slots__ = ("good", "in_a_row", "seen", "times", "until")

    def __init__(self) -> None:
        self.until = -inf
        self.times = 0
        self.in_a_row = 0
        self.seen = 0
        self.good = 0


class Judged(Protocol):
    """An endpoint."""

    record: Record

    def ejected(self, until: float) -> None: ...


class Ejector:
    """The endpoints of one version in one worker."""

    __slots__ = ("_window_ends", "judged", "plan")

    def __init__(self, plan: Ejection) -> None:
        self.plan = plan
        self._window_ends = -inf
        self.judged: Sequence[Judged] = ()

    def saw(self, endpoint: Judged, good: bool, now: float) -> None:
        """A request ended at ``endpoint``; ``good`` unless the version was to blame."""
        record = endpoint.record
        record.seen += 1
        if good:
            record.good += 1
            record.in_a_row = 0
        else:
            record.in_a_row += 1
            if record.in_a_row >= self.plan.failures:
                self._eject(endpoint, now)
        if now >= self._window_ends:
            self._close_window(now)

    def _eject(self, endpoint: Judged, now: float) -> None:
        out = sum(other.record.until > now for other in self.judged)
        record = endpoint.record
        if record.until > now or out + 1 > self.plan.max_share * len(self.judged):
            return
        record.until = now + min(self.plan.max_time_s, self.plan.time_s * 2.0 ** min(record.times, 30))
        record.times += 1
        record.in_a_row = 0
        endpoint.ejected(record.until)

    def _close_window(self, now: float) -> None:
        self._window_ends = now + limits.EJECTION_WINDOW_S
        busy = [x for x in self.judged if x.record.seen >= limits.EJECTION_REQUESTS_MIN and x.record.until <= now]
        if len(busy) >= limits.EJECTION_ENDPOINTS_MIN:
            rates = [x.record.good / x.record.seen for x in busy]
            mean = sum(rates) / len(rates)
            deviation = sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates))
            floor = mean - limits.EJECTION_DEVIATIONS * deviation
            for endpoint, rate in zip(busy, rates, strict=True):
                if rate < floor:
                    self._eject(endpoint, now)
        for endpoint in self.judged:
            record = endpoint.record
            if record.until <= now and record.times and not (record.seen and record.good < record.seen):
                record.times -= 1
            record.seen = record.good = 0
