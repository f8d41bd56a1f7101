"""One rollout, played: the live machine (``rollout.machine.step``) and judge (``analysis.judge.Judge``), on a clock that leaps.

When it looks
-------------
The control loop measures every 0.1 s, and within 20 ms of a candidate's failure. Most of those looks can change nothing, so the clock
leaps to the next that can: the end of the step's time, the deadline, about when a minimum of requests will be reached, the next
interval of the checks, or that failure or slow answer of the candidate which could be the last one needed (``leaps``: exact, not an
approximation). The look that follows one comes ``REPORT_S`` after it, with all that was counted up to then.

Left out: a request takes no time (a version that fails by timing out is met that much later), workers take a decision at once
(milliseconds), and the world around answers well and at once (``outside``).
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.judge import CHECKED, Judge, warming
from proxy.analysis.statistics import SHARE_BP
from proxy.model.position import Finding, Phase, Position, Record, Verdict
from proxy.model.rollout import Cause, RolloutPlan, ShadowStep, Step, WeightStep
from proxy.rollout.events import Applied, Ask, Command, Event, Measured
from proxy.rollout.machine import initial, step, waiting_for
from proxy.rollout.moves import at_gate
from proxy.rollout.strategies import strategy_of
from proxy.simulation import outside
from proxy.simulation.chance import poisson
from proxy.simulation.crowd import flow_of
from proxy.simulation.latency import LATE_S, share_over
from proxy.simulation.leaps import Needed, needed
from proxy.simulation.reported import CANDIDATE, STABLE, Reporter
from proxy.simulation.traffic import Counts, Traffic, Until

REPORT_S: Final = limits.URGENT_SNAPSHOT_GAP_S
"""From a candidate's failure to the judgement of it: no worker waits longer before it reports one."""

_WHATEVER: Final = Needed(math.inf, math.inf)

Gates = Literal["pass", "hold"]
End = Literal["promoted", "rolled_back", "paused", "held", "shadowed"]
ENDS: Final[tuple[End, ...]] = ("promoted", "rolled_back", "paused", "held", "shadowed")


class Ending(msgspec.Struct, frozen=True):
    """How a rollout ended: ``paused`` by a judge or the deadline, ``held`` at a gate or in a step until the horizon, ``shadowed`` when
    its plan promotes nothing and is over.

    ``by_guard``: a judge, the guard or a check, ended or paused it. Counts are of the candidate, up to then. ``why``: the reason of a
    rollback or pause, or what a held rollout waits for. ``users`` met the candidate and ``users_hurt`` saw it fail: as many as requests
    and failures when every request is a user of its own. ``late`` answers of the candidate took longer than half a second.
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

    def __init__(
        self, plan: RolloutPlan, traffic: Traffic, chance: Random, *, gates: Gates, cause: Cause, horizon_s: float, endpoints: int
    ) -> None:
        self._traffic = traffic
        self._flow = flow_of(traffic, chance)
        self._chance = chance
        self._gates = gates
        self._horizon_s = horizon_s
        self._report = Reporter(plan, chance, cause)
        self._endpoints = outside.endpoints(plan, endpoints)
        self._asked: list[Ask] = []
        self._checked_s = 0.0  # when checks were last made, or the step began
        self.now = 0.0
        self.position: Position = initial("simulated", STABLE, "")
        self.why = ""
        self.failures = 0
        self.late = 0.0
        plan = replace(plan, freeze=())
        self._hear(Command("start", "simulation", CANDIDATE, plan=plan, fingerprint=CANDIDATE, slow_over_s=traffic.p99_known_s(0.0)))
        self.judge = Judge(self.position)
        self.verdict = Verdict(Finding.HOLD, "")

    def to_its_end(self) -> Ending:
        """Play until the rollout ends, somebody would have to speak, or the horizon."""
        while (end := self._end()) is None:
            if not self._settled():
                self._leap()
        by_guard = end in ("rolled_back", "paused") and self.verdict.finding in (Finding.ROLLBACK, Finding.PAUSE)
        why = self.why
        if end == "held":
            rps = self._traffic.rate(self.now) * self.position.weight_bp / SHARE_BP
            why = waiting_for(self.position, rps, verdict=self.verdict)
        requests, met, hurt = self.judge.tally.candidate_requests, self._flow.met(), self._flow.hurt()
        users, users_hurt = requests if met is None else met, self.failures if hurt is None else hurt
        return Ending(end, self.now, by_guard, requests, self.failures, why, users, users_hurt, round(self.late))

    def _end(self) -> End | None:
        match self.position.phase:
            case Phase.STABLE:
                return "promoted" if self.position.stable == CANDIDATE else "shadowed"
            case Phase.ROLLED_BACK:
                return "rolled_back"
            case Phase.PAUSED if not at_gate(self.position) or self.verdict.finding is Finding.PAUSE:
                return "paused"
            case Phase.SHADOWING | Phase.PROGRESSING | Phase.PAUSED if self.now >= self._horizon_s:
                return "held"
        return None

    def _settled(self) -> bool:
        """What happens without time passing, if anything does: workers acknowledge, the outside answers, a person passes a gate."""
        if self.position.phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
            self._hear(Applied(generation=1, took_s=0.0))
        elif self._asked:
            self._hear(outside.heard(self._asked.pop(0)))
        elif self._gates == "pass" and at_gate(self.position):
            self._hear(Command("promote", "simulation", slow_over_s=self._traffic.p99_known_s(self.now)))
        else:
            return False
        return True

    # ---- letting time pass ------------------------------------------------------------------------------------------------------

    def _leap(self) -> None:
        """Let time pass until the next look that can change something, and look."""
        began = self.now
        if self.judge.enter(str(self.position.step), began):
            self._checked_s = began
        until = min(self._horizon_s, began + self._wait_s())
        slow = self.position.slow_over_s > 0 and not warming(self.position)
        requests, events = 0, None
        while self.now < until:
            if events is None:
                events = needed(self.position.plan.guard, self.judge.tally, self.position.weight_bp, slow=slow)
                if events.decided and self.now > began:
                    break
            then = min(until, self._next_check_s())
            stop, counts = self._pass(self.now, then, events)
            events = events.after(counts)
            if stop < then:
                stop, more = self._pass(stop, stop + REPORT_S, _WHATEVER)
                counts.add(more)
                events = None
            requests += self._count(counts, stop - self.now)
            if self._fails(stop):
                break
        self._look(self.now - began, requests)

    def _next_check_s(self) -> float:
        plan = self.position.plan
        return self._checked_s + plan.interval_s if plan.checks and self.position.phase in CHECKED else math.inf

    def _fails(self, now: float) -> bool:
        """Time has passed until now; make the checks that are due. Whether they roll back."""
        self.now = now
        if now < self._next_check_s():
            return False
        self._checked_s = now
        for result in outside.observed(self.judge.due(self.position, now), self._traffic, now):
            self.judge.add(result)
        return self.judge.fails(self.position, now)

    def _look(self, dt_s: float, requests: int) -> None:
        """The judge judges all that has been counted, and the machine hears of it."""
        if self.position.phase is Phase.SHADOWING:
            requests = self._copies(dt_s)
            self.judge.compared(requests, 0)
        self.verdict = self.judge.verdict(self.position, self.now)
        p99_s = self._traffic.p99_known_s(self.now)
        self._hear(Measured(dt_s, requests, self.verdict, endpoints=self._endpoints, slow_over_s=p99_s))

    def _pass(self, begin_s: float, end_s: float, events: Needed) -> tuple[float, Counts]:
        until = Until(events.failures, events.slow, self.position.slow_over_s)
        return self._flow.pass_time(self._chance, begin_s, end_s, self.position.weight_bp / SHARE_BP, until)

    def _copies(self, dt_s: float) -> int:
        """Of a shadow step, as if every request could be copied."""
        entered = self._entered()
        assert isinstance(entered, ShadowStep), "only a shadow step has copies"
        return poisson(self._chance, self._traffic.rate(self.now) * entered.percent_bp / SHARE_BP * dt_s)

    def _count(self, counts: Counts, seconds: float) -> int:
        """Hand in what was drawn in so many seconds; the candidate's requests of it. No leap goes over a change of rates or latency."""
        median_s = self._traffic.candidate_median_s(self.now)
        self.failures += counts.candidate_failed
        self.late += counts.candidate_good * (share_over(median_s, LATE_S) if median_s else 0.0)
        for cell in self._report.cells(
            counts,
            rollout=self.position.rollout,
            share_bp=self.position.weight_bp,
            candidate_median_s=median_s,
            stable_median_s=self._traffic.stable_latency_s,
        ):
            self.judge.count(cell, self.position, self.now)
        self.judge.observed(seconds)
        return counts.candidate_good + counts.candidate_failed

    # ---- how far ----------------------------------------------------------------------------------------------------------------

    def _wait_s(self) -> float:
        """Seconds until the next look that no event causes."""
        position, plan = self.position, self.position.plan
        waits = math.inf if position.phase is Phase.PAUSED else self._step_ends_in_s()
        waits = min(waits, self._traffic.level_until(self.now) - self.now, self._outage_s())
        if 0 < limits.WARM_UP_S - position.warmed_s:  # from then on answers may be slow
            waits = min(waits, limits.WARM_UP_S - position.warmed_s)
        if position.phase is not Phase.PAUSED and position.elapsed_s < plan.deadline_s:
            waits = min(waits, plan.deadline_s - position.elapsed_s)
        return max(waits, limits.CONTROL_TICK_S)

    def _outage_s(self) -> float:
        """How long a look may be put off around an outage of both versions, of which the judge has a window of its own."""
        outage = self._traffic.outage
        if outage is None or not outage.begin_s - limits.OUTAGE_S <= self.now < outage.end_s + limits.OUTAGE_S:
            return math.inf
        return limits.OUTAGE_S / limits.CHECK_WINDOW_SLOTS

    def _step_ends_in_s(self) -> float:
        """When the present step can end at the earliest, as far as can be said now."""
        position, entered = self.position, self._entered()
        if strategy_of(position).IN_BATCHES:
            return self._part_ends_in_s()
        if not isinstance(entered, WeightStep | ShadowStep) or (isinstance(entered, WeightStep) and not position.weight_bp):
            return max(position.plan.interval_s - position.step_elapsed_s, limits.CONTROL_TICK_S)
        waits = max(entered.for_s - position.step_elapsed_s, self._wait_for_requests_s(entered, max(1, entered.min_requests)))
        if waits <= 0:  # judges hold it: checks until the next interval, the guard for want of failures; looked at 1 % late at most
            waits = min(self._next_check_s() - self.now, max(limits.SNAPSHOT_SLOW_S, position.step_elapsed_s / 100))
        return waits

    def _part_ends_in_s(self) -> float:
        """The same of a rolling rollout, whose batches have parts: the next that time alone ends."""
        position, rolling = self.position, self.position.plan.rolling
        match position.part:
            case "ready":
                return rolling.min_ready_s - position.ready_s
            case "slow_start":
                quarter_s = rolling.slow_start_s / 4
                return quarter_s - position.step_elapsed_s % quarter_s if quarter_s else 0.0
        return max(limits.CONTROL_TICK_S, position.elapsed_s / 1000)  # at once, unless a judge holds it

    def _wait_for_requests_s(self, entered: WeightStep | ShadowStep, wanted: int) -> float:
        """A time in which ``wanted`` requests are hardly reached (four standard deviations), at last a twentieth of the mean gap."""
        missing = wanted - self.position.step_requests
        if missing <= 0:
            return 0.0
        share_bp = entered.percent_bp if isinstance(entered, ShadowStep) else self.position.weight_bp
        rps = self._traffic.rate(self.now) * share_bp / SHARE_BP
        return max(missing - 4 * math.sqrt(missing), 0.05) / rps

    def _entered(self) -> Step | None:
        steps = () if strategy_of(self.position).IN_BATCHES else self.position.plan.steps
        return steps[self.position.step] if self.position.step < len(steps) else None

    def _hear(self, event: Event) -> None:
        self.position, effects = step(self.position, event, self.now)
        for effect in effects:
            if isinstance(effect, Record) and effect.kind in ("rolling_back", "paused"):
                self.why = effect.reason
            elif isinstance(effect, Ask) and not effect.point.startswith("after"):
                self._asked.append(effect)


def play(
    plan: RolloutPlan, traffic: Traffic, chance: Random, *, gates: Gates, cause: Cause, horizon_s: float, endpoints: int = 4
) -> Ending:
    """Play one rollout of ``plan``. ``gates``: passed at once, or held until the horizon. ``cause`` is that of every failure.

    Each version has so many ``endpoints``, for strategies that count them.
    """
    return _Play(plan, traffic, chance, gates=gates, cause=cause, horizon_s=horizon_s, endpoints=endpoints).to_its_end()
