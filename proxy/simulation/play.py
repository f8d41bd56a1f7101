"""One rollout, played: the live machine (``rollout.machine.step``) and guard (``Tally``, ``judge``), on a clock that leaps.

When it looks
-------------
The control loop measures every 0.1 s, and within 20 ms of a candidate's failure. Most of those looks can change nothing, so the clock
leaps to the next that can: the end of the step's time, the deadline, about when a minimum of requests will be reached, or that failure
or slow answer of the candidate which could be the last one needed (``leaps``: exact, not an approximation). The look that follows one
comes ``REPORT_S`` after it, with all that was counted up to then.

Left out: a request takes no time (a version that fails by timing out is met that much later), and workers take a decision at once
(milliseconds).
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, Literal

import msgspec

from proxy import limits
from proxy.analysis.guard import Tally, judge
from proxy.analysis.statistics import SHARE_BP
from proxy.model.position import Finding, Phase, Position, Record
from proxy.model.rollout import Cause, RolloutPlan, WeightStep
from proxy.rollout.machine import Applied, Command, Event, Measured, initial, step, waiting_for
from proxy.rollout.moves import at_gate
from proxy.simulation.crowd import flow_of
from proxy.simulation.latency import LATE_S, share_over
from proxy.simulation.leaps import Needed, needed
from proxy.simulation.traffic import Counts, Traffic, Until
from proxy.telemetry.snapshot import CellDelta

REPORT_S: Final = limits.URGENT_SNAPSHOT_GAP_S
"""From a candidate's failure to the judgement of it: no worker waits longer before it reports one."""

_WHATEVER: Final = Needed(math.inf, math.inf)
_STABLE: Final = "stable"
_CANDIDATE: Final = "candidate"

Gates = Literal["pass", "hold"]
End = Literal["promoted", "rolled_back", "paused", "held"]
ENDS: Final[tuple[End, ...]] = ("promoted", "rolled_back", "paused", "held")


class Ending(msgspec.Struct, frozen=True):
    """How a rollout ended: ``paused`` by guard or deadline, ``held`` at a gate or in a step until the horizon.

    ``by_guard``: the guard ended or paused it. Counts are of the candidate, up to then. ``why``: the reason of a rollback or pause, or
    what a held rollout waits for. ``users`` met the candidate and ``users_hurt`` saw it fail: as many as requests and failures when
    every request is a user of its own. ``late`` answers of the candidate took longer than half a second.
    """

    end: End
    at_s: float
    by_guard: bool
    candidate_requests: int
    candidate_failures: int
    why: str
    users: float = 0.0
    users_hurt: int = 0
    late: int = 0


class _Play:
    """A rollout under way."""

    def __init__(self, plan: RolloutPlan, traffic: Traffic, chance: Random, *, gates: Gates, cause: Cause, horizon_s: float) -> None:
        self._traffic = traffic
        self._flow = flow_of(traffic, chance)
        self._chance = chance
        self._gates = gates
        self._cause = cause
        self._horizon_s = horizon_s
        self.now = 0.0
        self.position: Position = initial(_CANDIDATE, _STABLE, "")
        self.why = ""
        self.failures = 0
        self._late = 0.0
        self._hear(Command(verb="start", by="simulation", to=_CANDIDATE, plan=plan, fingerprint=_CANDIDATE))
        self.tally = Tally.of(self.position)
        self.verdict = judge(plan.guard, self.tally)

    def to_its_end(self) -> Ending:
        """Play until the rollout ends, somebody would have to speak, or the horizon."""
        while (end := self._end()) is None:
            if not self._settled():
                self._leap()
        by_guard = end in ("rolled_back", "paused") and self.verdict.finding in (Finding.ROLLBACK, Finding.PAUSE)
        why = waiting_for(self.position, None) if end == "held" else self.why
        requests, met, hurt = self.tally.candidate_requests, self._flow.met(), self._flow.hurt()
        users, users_hurt = requests if met is None else met, self.failures if hurt is None else hurt
        return Ending(end, self.now, by_guard, requests, self.failures, why, users, users_hurt, round(self._late))

    def _end(self) -> End | None:
        match self.position.phase:
            case Phase.STABLE:
                return "promoted"
            case Phase.ROLLED_BACK:
                return "rolled_back"
            case Phase.PAUSED if not at_gate(self.position) or self.verdict.finding is Finding.PAUSE:
                return "paused"
            case Phase.PROGRESSING | Phase.PAUSED if self.now >= self._horizon_s:
                return "held"
        return None

    def _settled(self) -> bool:
        """What happens without time passing, if anything does: workers acknowledge; somebody who waited for it passes a gate."""
        if self.position.phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
            self._hear(Applied(generation=1, took_s=0.0))
        elif self._gates == "pass" and at_gate(self.position):
            self._hear(Command(verb="promote", by="simulation"))
        else:
            return False
        return True

    def _leap(self) -> None:
        """Let time pass until the next look that can change something, and look."""
        share_bp, began = self.position.weight_bp, self.now
        until = min(self._horizon_s, began + self._wait_s())
        stop, counts = self._pass(began, until, share_bp, needed(self.position.plan.guard, self.tally, share_bp))
        drawn = [counts]
        if stop < until:
            stop, more = self._pass(stop, stop + REPORT_S, share_bp, _WHATEVER)
            drawn.append(more)
        requests = sum(counts.candidate_good + counts.candidate_failed for counts in drawn)
        for counts in drawn:
            self._count(counts, share_bp)
        self.now = stop
        self.verdict = judge(self.position.plan.guard, self.tally)
        p99_s = self._traffic.stable_p99_s()
        self._hear(Measured(dt_s=stop - began, candidate_requests=requests, verdict=self.verdict, slow_over_s=p99_s))

    def _pass(self, begin_s: float, end_s: float, share_bp: int, events: Needed) -> tuple[float, Counts]:
        until = Until(events.failures, events.slow, self.position.slow_over_s)
        return self._flow.pass_time(self._chance, begin_s, end_s, share_bp / SHARE_BP, until)

    def _wait_s(self) -> float:
        """Seconds until the next look that a failure does not cause."""
        position, plan = self.position, self.position.plan
        if position.phase is Phase.PAUSED:
            return math.inf
        entered = plan.steps[position.step]
        assert isinstance(entered, WeightStep), "only a weight step is progressed through"
        waits = max(entered.for_s - position.step_elapsed_s, self._wait_for_requests_s(max(1, entered.min_requests)))
        if waits <= 0:  # the guard holds it: too few failures to act on, too much evidence to go on; it is looked at 1 % late at most
            waits = max(limits.SNAPSHOT_SLOW_S, position.step_elapsed_s / 100)
        if self.now < self._traffic.onset_s:
            waits = min(waits, self._traffic.onset_s - self.now)
        if position.elapsed_s < plan.deadline_s:
            waits = min(waits, plan.deadline_s - position.elapsed_s)
        return max(waits, limits.CONTROL_TICK_S)

    def _wait_for_requests_s(self, wanted: int) -> float:
        """A time in which ``wanted`` requests are hardly reached (four standard deviations), at last a twentieth of the mean gap."""
        missing = wanted - self.position.step_requests
        if missing <= 0:
            return 0.0
        rps = self._traffic.rate(self.now) * self.position.weight_bp / SHARE_BP
        waits = max(missing - 4 * math.sqrt(missing), 0.05) / rps
        return min(waits, max(self._traffic.level_until(self.now) - self.now, limits.CONTROL_TICK_S))

    def _count(self, counts: Counts, share_bp: int) -> None:
        self.failures += counts.candidate_failed
        self._late += counts.candidate_good * self._late_share()
        for version, good, failed, slow, users in (
            (_CANDIDATE, counts.candidate_good, counts.candidate_failed, counts.candidate_slow, counts.candidate_users),
            (_STABLE, counts.stable_good, counts.stable_failed, counts.stable_slow, counts.stable_users),
        ):
            cell = CellDelta(
                _CANDIDATE,
                version,
                1,
                rollout=self.position.rollout,
                candidate_share=share_bp / SHARE_BP,
                draws=good + failed,
                draw_failures={self._cause: failed} if failed and not users else {},
                failed_users=[(user, self._cause) for user in users],
                draw_slow=slow,
            )
            self.tally.add(cell, stable=_STABLE, candidate=_CANDIDATE, at_s=self.now)

    def _late_share(self) -> float:
        """Share of the candidate's answers since the last look that took long; no leap goes over the onset."""
        median_s = self._traffic.candidate_median_s(self.now)
        return share_over(median_s, LATE_S) if median_s else 0.0

    def _hear(self, event: Event) -> None:
        self.position, effects = step(self.position, event, self.now)
        for effect in effects:
            if isinstance(effect, Record) and effect.kind in ("rolling_back", "paused"):
                self.why = effect.reason


def play(plan: RolloutPlan, traffic: Traffic, chance: Random, *, gates: Gates, cause: Cause, horizon_s: float) -> Ending:
    """Play one rollout of ``plan``. ``gates``: passed at once, or held until the horizon. ``cause`` is that of every failure."""
    return _Play(plan, traffic, chance, gates=gates, cause=cause, horizon_s=horizon_s).to_its_end()
