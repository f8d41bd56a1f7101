"""What a Prometheus would know of the candidate: counters read every so often, and increases over a window. Knows no rule or plan.

Facts
-----
*A rate needs two samples.* ``rate(x[w])`` is over the first and the last sample within the last ``w`` seconds, and there is no answer
with fewer; a counter that nothing has incremented yet does not exist. ``irate`` is over the last two samples within ``w``.
(https://prometheus.io/docs/prometheus/latest/querying/functions/)

*Extrapolation cancels* where one rate is divided by another over the same samples, which is all that is asked here.

While the server is down it neither answers nor reads, so the samples of that time are missing afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

SCRAPE_S: Final = 15.0
"""How often it reads the counters: that of the example configurations of Prometheus and of Istio's Prometheus add-on."""


class Reading(NamedTuple):
    """Increases of the candidate's counters over a window: requests, those that failed, and those over the latency limit."""

    requests: float
    failed: float
    late: float


class Scraped:
    """The samples of one rollout, which last as long as it. ``down``: from when to when the server is away (seconds)."""

    def __init__(self, down: tuple[float, float] | None = None) -> None:
        self._down = down
        self._times: list[float] = []
        self._totals: list[Reading] = []

    def is_down(self, at_s: float) -> bool:
        """Whether a query at this moment is an error."""
        return self._down is not None and self._down[0] <= at_s < self._down[1]

    def read(self, at_s: float, total: Reading) -> None:
        """The counters stand at ``total``; moments must not go back."""
        if total.requests and not self.is_down(at_s):
            self._times.append(at_s)
            self._totals.append(total)

    def increase(self, at_s: float, window_s: float, *, last_two: bool = False) -> Reading | None:
        """The increase between the first and last sample within the window, or the ``last_two`` in it; None: no answer."""
        end = bisect_right(self._times, at_s)
        begin = bisect_right(self._times, at_s - window_s)
        if last_two:
            begin = max(begin, end - 2)
        if end - begin < 2:
            return None
        first, last = self._totals[begin], self._totals[end - 1]
        return Reading(last.requests - first.requests, last.failed - first.failed, last.late - first.late)
