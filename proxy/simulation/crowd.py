"""People: sessions of known users, some of whom an error strikes on every page. Stateful for one rollout; knows no plan or guard.

Why they matter
---------------
With ``sticky`` a user stays with a version, and who has a broken basket fails on every page. Such failures are not independent: five
of them may be one user's. This is the traffic that shows whether the guard's counting of users holds.

The model
---------
``users`` people, each as often here as another. A session has 20 pages in the mean (geometric), five seconds from one to the next
(exponential), and sessions begin as a Poisson process. Every user has a luck, uniform in 0..1 and fixed: a version whose error rate is
above it fails *every* request of that user. So the share of failed requests is the error rate, whom both versions strike are the same
users, and a candidate that is as good as stable fails exactly those that stable would. A user's number is their place in the split:
those below ``share * users`` are the candidate's, so a growing weight moves users to it and none back.

Only the struck are followed page by page; the others' requests are counted as ``Traffic`` counts them.
"""

from __future__ import annotations

import heapq
import math
from random import Random
from typing import Final

import msgspec

from proxy.simulation.chance import binomial, poisson
from proxy.simulation.traffic import Counts, Flow, Traffic, Until, arrive, those_before

PAGES: Final = 20.0
"""Requests of a session, in the mean."""
GAP_S: Final = 5.0
"""From one request of a session to the next, in the mean."""
BEFORE_S: Final = 5 * PAGES * GAP_S
"""Sessions begin so long before the rollout does: when it begins, as many are under way as at any other time."""


def flow_of(traffic: Traffic, chance: Random) -> Flow:
    """The traffic of one rollout: of people when it has ``users``."""
    return Crowd(traffic, chance) if traffic.users else traffic


class _Slice(msgspec.Struct):
    """Users who became the candidate's together, from ``begin`` to ``end`` of the split (0..1).

    Sessions of each of them, in the mean: those that were ``under_way`` then and have not gone on yet, and those that have ``come``.
    """

    begin: float
    end: float
    under_way: float
    come: float = 0.0


class Crowd:
    """The people of one rollout. ``pass_time`` has to be called for stretches that follow one another."""

    def __init__(self, traffic: Traffic, chance: Random) -> None:
        assert traffic.users > 0, "a crowd has people"
        self._traffic = traffic
        outage = traffic.outage.errors if traffic.outage is not None else 0.0
        most = max(traffic.stable_errors, traffic.candidate_errors, outage)
        self._struck = chance.sample(range(traffic.users), binomial(chance, traffic.users, most))
        self._luck = {user: chance.random() * most for user in self._struck}
        self._pages: list[tuple[float, int]] = []  # a heap: the next request of each session of a struck user that is under way
        self._failed: set[int] = set()  # users who failed anywhere: the guard counts them there and then
        self._new = 0  # users whose first failure was the candidate's
        self._hurt: set[int] = set()  # users who saw the candidate fail
        self._met: list[_Slice] = []
        peak = max(traffic.rps, traffic.quiet_rps or 0.0)
        self._sessions_per_s = peak / PAGES * len(self._struck) / traffic.users
        self._peak = peak
        self._next_session_s = math.inf
        if self._sessions_per_s:
            self._next_session_s = -BEFORE_S + chance.expovariate(self._sessions_per_s)

    def met(self) -> float:
        """See ``Flow``."""
        return self._traffic.users * math.fsum((slice_.end - slice_.begin) * -math.expm1(-slice_.come) for slice_ in self._met)

    def hurt(self) -> int:
        """See ``Flow``."""
        return len(self._hurt)

    def pass_time(self, chance: Random, begin_s: float, end_s: float, share: float, until: Until) -> tuple[float, Counts]:
        """See ``Flow``. ``until.failures`` are those of users who have not failed before."""
        counts, new_max = Counts(), self._new + until.failures

        def stretch(now: float, stretch_end: float) -> float:
            left = until._replace(failures=new_max - self._new, slow=until.slow - counts.candidate_slow)
            return self._stretch(chance, now, stretch_end, share, left, counts)

        return self._traffic.level_by_level(begin_s, end_s, stretch), counts

    def _stretch(self, chance: Random, begin_s: float, end_s: float, share: float, until: Until, counts: Counts) -> float:
        """One stretch of level rates, to the slow answer at which it stops, if the struck do not stop it first."""
        traffic = self._traffic
        slow, _ = traffic.slow_shares(begin_s, until.slow_over_s)
        slow_per_s = traffic.rate(begin_s) * share * (1 - traffic.candidate_error_rate(begin_s)) * slow
        earlier, slowed = arrive(chance, slow_per_s, begin_s, end_s, until.slow)
        stop = self._requests_of_the_struck(chance, begin_s, earlier, share, until.failures, counts)
        if stop < earlier:
            slowed = those_before(chance, slowed, earlier < end_s, (stop - begin_s) / (earlier - begin_s))
        counts.candidate_slow += slowed
        counts.candidate_good += slowed
        self._requests_of_the_others(chance, begin_s, stop, share, until.slow_over_s, counts)
        return stop

    def _requests_of_the_struck(
        self, chance: Random, begin_s: float, end_s: float, share: float, failures_max: float, counts: Counts
    ) -> float:
        traffic, candidates, new_max = self._traffic, share * self._traffic.users, self._new + failures_max
        while True:
            if self._next_session_s <= (self._pages[0][0] if self._pages else math.inf):
                if self._next_session_s >= end_s:
                    return end_s
                self._open_session(chance)
                continue
            at_s, user = self._pages[0]
            if at_s >= end_s:
                return end_s
            self._turn_page(chance, at_s, user)
            if at_s < begin_s:
                continue
            if user >= candidates:
                if self._luck[user] < traffic.stable_error_rate(at_s):
                    counts.stable_failed += 1
                    counts.stable_users.append(user)
                    self._failed.add(user)
            elif self._luck[user] < traffic.candidate_error_rate(at_s):
                counts.candidate_failed += 1
                counts.candidate_users.append(user)
                self._hurt.add(user)
                self._new += user not in self._failed
                self._failed.add(user)
                if self._new >= new_max:
                    return at_s

    def _open_session(self, chance: Random) -> None:
        """Let a struck user come; less often while there is less traffic than at the peak."""
        at_s = self._next_session_s
        self._next_session_s = at_s + chance.expovariate(self._sessions_per_s)
        if chance.random() * self._peak < self._traffic.rate(at_s):
            heapq.heappush(self._pages, (at_s, self._struck[int(chance.random() * len(self._struck))]))

    def _turn_page(self, chance: Random, at_s: float, user: int) -> None:
        """Put the session's next request in the place of this one, or end it."""
        if chance.random() < 1 / PAGES:
            heapq.heappop(self._pages)
        else:
            heapq.heapreplace(self._pages, (at_s + chance.expovariate(1 / GAP_S), user))

    def _requests_of_the_others(
        self, chance: Random, begin_s: float, end_s: float, share: float, slow_over_s: float, counts: Counts
    ) -> None:
        """All good answers but the candidate's slow ones, as many as without people; and who has come for the first time."""
        traffic = self._traffic
        mean = traffic.rate(begin_s) * (end_s - begin_s)
        slow, stable_slow = traffic.slow_shares(begin_s, slow_over_s)
        good = mean * share * (1 - traffic.candidate_error_rate(begin_s))
        stable_good = mean * (1 - share) * (1 - traffic.stable_error_rate(begin_s))
        stable_slowed = poisson(chance, stable_good * stable_slow)
        counts.stable_slow += stable_slowed
        counts.candidate_good += poisson(chance, good * (1 - slow))
        counts.stable_good += stable_slowed + poisson(chance, stable_good * (1 - stable_slow))
        self._come(share, begin_s, end_s)

    def _come(self, share: float, begin_s: float, end_s: float) -> None:
        """Time has passed while the users below ``share`` were the candidate's: they began sessions, or went on with one."""
        sessions_per_s, passed_s = self._traffic.rate(begin_s) / PAGES / self._traffic.users, end_s - begin_s
        reached = self._met[-1].end if self._met else 0.0
        if share > reached:
            self._met.append(_Slice(reached, share, sessions_per_s * (PAGES - 1) * GAP_S))
        for slice_ in self._met:
            if slice_.end <= share:
                went_on = slice_.under_way * -math.expm1(-passed_s / GAP_S)
                slice_.under_way -= went_on
                slice_.come += sessions_per_s * passed_s + went_on
