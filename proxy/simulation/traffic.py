"""Synthetic traffic: who asks how often, and which version fails, or is slow with, how much of it from when on. Knows no plan or guard.

Requests come as a Poisson process, as those of many independent users do. Thinned by the split, by failing and by being slow, it is
six independent Poisson processes, and what they do in disjoint stretches of time is independent. So a stretch in which nobody looks
costs six draws however many requests it has, and the moment of the n-th failure is drawn, not searched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple, Protocol

import msgspec

from proxy import limits
from proxy.simulation.chance import binomial, poisson
from proxy.simulation.latency import quantile_s, share_over

DAY_S: Final = 86_400.0
QUIETEST_S: Final = 4 * 3600.0
"""The time of day with the least traffic; the busiest is twelve hours from it."""
LEVEL_S: Final = 300.0
"""For so long the daily curve is taken as level: in five minutes it moves by 1.1 % of its swing at most."""


class Counts(msgspec.Struct):
    """Requests that the split drew, by version and by how they ended: failed, or good and of those ``slow``.

    ``*_users`` have the users (numbers) of the failed requests, one for each, when users are known; else they are empty.
    """

    candidate_good: int = 0
    candidate_failed: int = 0
    stable_good: int = 0
    stable_failed: int = 0
    candidate_slow: int = 0
    stable_slow: int = 0
    candidate_users: list[int] = []
    stable_users: list[int] = []

    def add(self, more: Counts) -> None:
        """Add what came later."""
        self.candidate_good += more.candidate_good
        self.candidate_failed += more.candidate_failed
        self.stable_good += more.stable_good
        self.stable_failed += more.stable_failed
        self.candidate_slow += more.candidate_slow
        self.stable_slow += more.stable_slow
        self.candidate_users += more.candidate_users
        self.stable_users += more.stable_users


class Until(NamedTuple):
    """When time stops early: at so many failures, or slow answers (longer than ``slow_over_s``; 0: none is), of the candidate."""

    failures: float = math.inf
    slow: float = math.inf
    slow_over_s: float = 0.0


class Flow(Protocol):
    """Traffic of one rollout, which may remember its users."""

    def pass_time(self, chance: Random, begin_s: float, end_s: float, share: float, until: Until) -> tuple[float, Counts]:
        """Let traffic flow at a candidate's ``share`` up to ``end_s`` or ``until``: the moment it stopped, and what was drawn."""

    def met(self) -> float | None:
        """How many users have met the candidate so far (their expected number); None: every request is a user of its own."""

    def hurt(self) -> int | None:
        """How many users have seen the candidate fail; None: every request is a user of its own."""


class Spell(msgspec.Struct, frozen=True):
    """From ``begin_s`` to ``end_s`` (seconds of the rollout) both versions fail at least ``errors`` (0..1) of their requests."""

    begin_s: float
    end_s: float
    errors: float


class Traffic(msgspec.Struct, frozen=True):
    """``rps``: requests a second of the whole service, at the busiest hour when ``quiet_rps`` (at the quietest) is given.

    Error rates are shares (0..1) of a version's own requests. The candidate fails, and is slow, as stable does until ``onset_s`` after
    the rollout's beginning, and from then on as ``candidate_*`` says. ``begins_s``: the time of day at which the rollout begins.
    Latencies are medians; 0: answers take no time. ``outage`` strikes both versions. With ``users`` it is so many people who ask, in
    sessions, and errors strike some of *them* (``simulation.crowd``); 0: every request is another user's. From when to when
    ``sources_down_s`` says, metric servers and other outside sources of checks cannot be asked.
    """

    rps: float
    stable_errors: float
    candidate_errors: float
    onset_s: float = 0.0
    quiet_rps: float | None = None
    begins_s: float = 10 * 3600.0
    stable_latency_s: float = 0.0
    candidate_latency_s: float = 0.0
    outage: Spell | None = None
    users: int = 0
    sources_down_s: tuple[float, float] | None = None

    def rate(self, at_s: float) -> float:
        """Requests a second at ``at_s`` seconds of the rollout."""
        if self.quiet_rps is None:
            return self.rps
        middle_s = (math.floor(at_s / LEVEL_S) + 0.5) * LEVEL_S
        turned = (self.begins_s + middle_s - QUIETEST_S) / DAY_S
        return self.quiet_rps + (self.rps - self.quiet_rps) * (1 - math.cos(2 * math.pi * turned)) / 2

    def candidate_error_rate(self, at_s: float) -> float:
        """Share of the candidate's requests that fail at ``at_s``."""
        return max(self.candidate_errors if at_s >= self.onset_s else self.stable_errors, self._outage(at_s))

    def stable_error_rate(self, at_s: float) -> float:
        """Share of stable's requests that fail at ``at_s``."""
        return max(self.stable_errors, self._outage(at_s))

    def candidate_median_s(self, at_s: float) -> float:
        """Median latency of the candidate at ``at_s``."""
        return self.candidate_latency_s if at_s >= self.onset_s else self.stable_latency_s

    def stable_p99_s(self) -> float:
        """The 99th percentile of stable's latency; 0 when answers take no time."""
        return quantile_s(self.stable_latency_s, 0.99)

    def p99_known_s(self, at_s: float) -> float:
        """What is known of it at this moment: 0 while the last five minutes have too few answers, as in the proxy."""
        enough = self.rate(at_s) * limits.BASELINE_S >= limits.BASELINE_ANSWERS_MIN
        return max(self.stable_p99_s(), limits.BASELINE_SLOW_S_MIN) if enough and self.stable_latency_s else 0.0

    def level_until(self, at_s: float) -> float:
        """The next moment after ``at_s`` at which a rate changes; infinity when none will."""
        changes = [self.onset_s] if at_s < self.onset_s else []
        if self.outage is not None:
            changes += [moment for moment in (self.outage.begin_s, self.outage.end_s) if at_s < moment]
        if self.quiet_rps is not None:
            changes.append((math.floor(at_s / LEVEL_S) + 1) * LEVEL_S)
        return min(changes, default=math.inf)

    def equal(self) -> Traffic:
        """The same traffic with a candidate that is as good as stable."""
        return msgspec.structs.replace(
            self, candidate_errors=self.stable_errors, candidate_latency_s=self.stable_latency_s, onset_s=0.0
        )

    def met(self) -> None:
        """See ``Flow``."""

    def hurt(self) -> None:
        """See ``Flow``."""

    def pass_time(self, chance: Random, begin_s: float, end_s: float, share: float, until: Until) -> tuple[float, Counts]:
        """See ``Flow``."""
        counts = Counts()

        def stretch(now: float, stretch_end: float) -> float:
            left = until._replace(failures=until.failures - counts.candidate_failed, slow=until.slow - counts.candidate_slow)
            return self._stretch(chance, now, stretch_end, share, left, counts)

        return self.level_by_level(begin_s, end_s, stretch), counts

    def level_by_level(self, begin_s: float, end_s: float, stretch: Callable[[float, float], float]) -> float:
        """Pass from one level of rates to the next, to the end or to where ``stretch`` (its begin and end) says that it stopped."""
        now = begin_s
        while now < end_s:
            stretch_end = min(end_s, self.level_until(now))
            stop = stretch(now, stretch_end)
            if stop < stretch_end:
                return stop
            now = stretch_end
        return end_s

    def _stretch(self, chance: Random, begin_s: float, end_s: float, share: float, until: Until, counts: Counts) -> float:
        """One stretch of level rates. What comes after it stops does not depend on what came before: it may be drawn anew."""
        candidate_rps = self.rate(begin_s) * share
        stable_rps = self.rate(begin_s) - candidate_rps
        wrong, stable_wrong = self.candidate_error_rate(begin_s), self.stable_error_rate(begin_s)
        slow, stable_slow = self.slow_shares(begin_s, until.slow_over_s)
        stop, failed = arrive(chance, candidate_rps * wrong, begin_s, end_s, until.failures)
        if slow:
            earlier, slowed = arrive(chance, candidate_rps * (1 - wrong) * slow, begin_s, stop, until.slow)
            if earlier < stop:
                failed = those_before(chance, failed, stop < end_s, (earlier - begin_s) / (stop - begin_s))
                stop = earlier
            counts.candidate_slow += slowed
            counts.candidate_good += slowed
        passed_s = stop - begin_s
        if stable_slow:
            slowed = poisson(chance, stable_rps * (1 - stable_wrong) * stable_slow * passed_s)
            counts.stable_slow += slowed
            counts.stable_good += slowed
        counts.candidate_failed += failed
        counts.candidate_good += poisson(chance, candidate_rps * (1 - wrong) * (1 - slow) * passed_s)
        counts.stable_failed += poisson(chance, stable_rps * stable_wrong * passed_s)
        counts.stable_good += poisson(chance, stable_rps * (1 - stable_wrong) * (1 - stable_slow) * passed_s)
        return stop

    def slow_shares(self, at_s: float, slow_over_s: float) -> tuple[float, float]:
        """Shares of the good answers of candidate and stable that take longer than the bound."""
        if not slow_over_s or not self.stable_latency_s:
            return 0.0, 0.0
        return share_over(self.candidate_median_s(at_s), slow_over_s), share_over(self.stable_latency_s, slow_over_s)

    def _outage(self, at_s: float) -> float:
        spell = self.outage
        return spell.errors if spell is not None and spell.begin_s <= at_s < spell.end_s else 0.0


def arrive(chance: Random, per_s: float, begin_s: float, end_s: float, at_most: float) -> tuple[float, int]:
    """Events of a Poisson process until ``end_s`` or until the ``at_most``-th (>= 1): the moment, and their number.

    Given their number the moments are uniform, and the n-th of k is Beta(n, k - n + 1).
    """
    count = poisson(chance, per_s * (end_s - begin_s))
    if count < at_most:
        return end_s, count
    wanted = int(at_most)
    return begin_s + chance.betavariate(wanted, count - wanted + 1) * (end_s - begin_s), wanted


def those_before(chance: Random, count: int, last_at_end: bool, share: float) -> int:
    """Of ``count`` events in a stretch, the last at its end or none there, those in the first ``share`` of it."""
    return binomial(chance, count - 1 if last_at_end else count, share)
