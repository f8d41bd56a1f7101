"""Synthetic traffic: who asks how often, and which version fails how much of it from when on. Knows no plan, guard or machine.

Requests come as a Poisson process, as those of many independent users do. Thinned by the split and by failing, it is four independent
Poisson processes (good and failed, candidate's and stable's), and what they do in disjoint stretches of time is independent. So a
stretch in which nobody looks costs four draws however many requests it has, and the moment of the n-th failure is drawn, not searched.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

import msgspec

from proxy.simulation.chance import poisson

DAY_S: Final = 86_400.0
QUIETEST_S: Final = 4 * 3600.0
"""The time of day with the least traffic; the busiest is twelve hours from it."""
LEVEL_S: Final = 300.0
"""For so long the daily curve is taken as level: in five minutes it moves by 1.1 % of its swing at most."""


class Counts(msgspec.Struct):
    """Requests that the split drew, by version and by how they ended."""

    candidate_good: int = 0
    candidate_failed: int = 0
    stable_good: int = 0
    stable_failed: int = 0


class Traffic(msgspec.Struct, frozen=True):
    """``rps``: requests a second of the whole service, at the busiest hour when ``quiet_rps`` (at the quietest) is given.

    Error rates are shares (0..1) of a version's own requests. The candidate fails as stable does until ``onset_s`` after the rollout's
    beginning, and from then on ``candidate_errors`` of its requests. ``begins_s``: the time of day at which the rollout begins.
    """

    rps: float
    stable_errors: float
    candidate_errors: float
    onset_s: float = 0.0
    quiet_rps: float | None = None
    begins_s: float = 10 * 3600.0

    def rate(self, at_s: float) -> float:
        """Requests a second at ``at_s`` seconds of the rollout."""
        if self.quiet_rps is None:
            return self.rps
        middle_s = (math.floor(at_s / LEVEL_S) + 0.5) * LEVEL_S
        turned = (self.begins_s + middle_s - QUIETEST_S) / DAY_S
        return self.quiet_rps + (self.rps - self.quiet_rps) * (1 - math.cos(2 * math.pi * turned)) / 2

    def candidate_error_rate(self, at_s: float) -> float:
        """Share of the candidate's requests that fail at ``at_s``."""
        return self.candidate_errors if at_s >= self.onset_s else self.stable_errors

    def level_until(self, at_s: float) -> float:
        """The next moment after ``at_s`` at which a rate changes; infinity when none will."""
        changes = [self.onset_s] if at_s < self.onset_s else []
        if self.quiet_rps is not None:
            changes.append((math.floor(at_s / LEVEL_S) + 1) * LEVEL_S)
        return min(changes, default=math.inf)

    def pass_time(self, chance: Random, begin_s: float, end_s: float, share: float, failures_max: float) -> tuple[float, Counts]:
        """Let traffic flow at a candidate's ``share`` until ``end_s``, or until the moment of its ``failures_max``-th failure (>= 1).

        Returns the moment it stopped, and what was drawn up to then.
        """
        counts, now = Counts(), begin_s
        while now < end_s:
            stretch_end = min(end_s, self.level_until(now))
            stop = self._stretch(chance, now, stretch_end, share, failures_max - counts.candidate_failed, counts)
            if stop < stretch_end:
                return stop, counts
            now = stretch_end
        return end_s, counts

    def _stretch(self, chance: Random, begin_s: float, end_s: float, share: float, failures_max: float, counts: Counts) -> float:
        """One stretch of level rates. Given their number, the moments of failures are uniform, and the n-th of k is Beta(n, k - n + 1).

        What comes after that moment does not depend on what came before, so the rest of the stretch may be drawn anew.
        """
        candidate_rps = self.rate(begin_s) * share
        stable_rps = self.rate(begin_s) - candidate_rps
        wrong = self.candidate_error_rate(begin_s)
        failed = poisson(chance, candidate_rps * wrong * (end_s - begin_s))
        stop = end_s
        if failed >= failures_max:
            wanted = int(failures_max)
            stop = begin_s + chance.betavariate(wanted, failed - wanted + 1) * (end_s - begin_s)
            failed = wanted
        passed_s = stop - begin_s
        counts.candidate_failed += failed
        counts.candidate_good += poisson(chance, candidate_rps * (1 - wrong) * passed_s)
        counts.stable_failed += poisson(chance, stable_rps * self.stable_errors * passed_s)
        counts.stable_good += poisson(chance, stable_rps * (1 - self.stable_errors) * passed_s)
        return stop
