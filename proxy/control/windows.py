"""What "now" means in status: the last ten seconds of each version, a bucket a second. Knows nothing of totals or judges."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from proxy import limits
from proxy.control.totals import Key
from proxy.telemetry.histogram import merge, quantile
from proxy.telemetry.snapshot import CellDelta


class Recent(msgspec.Struct, frozen=True):
    """Rates over the window. Quantiles and the error rate are None when nothing was counted: no data is not good data."""

    requests: int
    errors: int
    rps: float
    error_rate: float | None
    p50_s: float | None
    p99_s: float | None


class _Second:
    __slots__ = ("errors", "latency", "requests", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.requests = 0
        self.errors = 0
        self.latency: dict[int, int] = {}


class Windows:
    """Seconds by version. ``now`` is monotonic seconds throughout."""

    def __init__(self, now: float, seconds: int = limits.WINDOW_S) -> None:
        self._seconds = seconds
        self._began = now
        self._cells: dict[Key, deque[_Second]] = {}

    def keep(self, versions: Iterable[Key]) -> None:
        """The versions there are from now on."""
        self._cells = {key: self._cells.get(key) or deque(maxlen=self._seconds + 1) for key in versions}

    def add(self, cell: CellDelta, now: float) -> None:
        """Count a worker's difference as of now."""
        seconds = self._cells.get((cell.service, cell.version))
        if seconds is None or not (cell.requests or cell.failures):
            return
        second = int(now)
        if not seconds or seconds[-1].second != second:
            seconds.append(_Second(second))
        seconds[-1].requests += sum(cell.requests.values())
        seconds[-1].errors += sum(cell.failures.values())
        merge(seconds[-1].latency, cell.latency)

    def recent(self, key: Key, now: float) -> Recent:
        """The window that ends now; it is shorter in the first seconds after the start."""
        oldest = int(now) - self._seconds
        chosen = [s for s in self._cells.get(key, ()) if s.second > oldest]
        requests = sum(s.requests for s in chosen)
        errors = sum(s.errors for s in chosen)
        latency: dict[int, int] = {}
        for s in chosen:
            merge(latency, s.latency)
        span_s = min(float(self._seconds), max(1.0, now - self._began))
        return Recent(
            requests=requests,
            errors=errors,
            rps=requests / span_s,
            error_rate=errors / requests if requests else None,
            p50_s=quantile(latency, 0.5),
            p99_s=quantile(latency, 0.99),
        )
