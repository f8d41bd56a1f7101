"""The judge of one rollout: guard, budgets and checks on the same counts, and one verdict of them all. Pure; it decides nothing.

What each finding of it does is the machine's: ROLLBACK and PAUSE act, PASS lets a step end, and so does HOLD unless
``figures["holding"]`` names a reason. The strongest finding wins: a rollback, whoever asks for it; the guard's pause; a hold. The
figures are the guard's, and beside them ``checks``, each with its latest result, and ``holding``, every reason why the step cannot end.

*Warming up.* A candidate that has just begun to serve fills its caches. Where stable's p99 says what is slow, nothing is slow in its
first ``limits.WARM_UP_S`` of that; a rule that looks at no answer takes nothing from the bound on false alarms.

*An outage of both.* When stable itself fails a good part of its requests, the candidate's failures say nothing of the candidate, and
its good answers nothing of the next step. The guard is silent then, and the step does not end before stable is well again.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from proxy import limits
from proxy.analysis import guard
from proxy.analysis.checks import Checks, Flow, Observed
from proxy.analysis.metrics import REQUESTS_MIN
from proxy.analysis.stretches import Stretch, Stretches
from proxy.analysis.tally import Tally
from proxy.model.position import WEIGHT_BP_MAX, Finding, Phase, Position, Verdict
from proxy.model.rollout import Check
from proxy.telemetry.snapshot import CellDelta

CHECKED: Final = (Phase.SHADOWING, Phase.PROGRESSING, Phase.PAUSED)
"""Phases in which checks are made: before them there is nothing to check, after them it is decided."""


class Judge:
    """Of the rollout at a position. All times are Unix time."""

    def __init__(self, position: Position, kept: dict[str, Any] | None = None) -> None:
        """``kept`` is what ``to_json`` gave, of whichever rollout. Raises ``msgspec.ValidationError`` on anything else."""
        mine = dict(kept) if kept is not None and kept.get("rollout") == position.rollout else {}
        results, step = mine.pop("checks", None), mine.pop("step", None)
        self.tally = Tally.from_json(mine) if mine else Tally.of(position)
        self.checks = Checks.restored(position.plan, position.rollout, results)
        self.comparison: tuple[int, tuple[str, ...]] | None = None
        """Pairs of answers compared so far, and where they differ; None while nothing is compared."""
        self._stretches = Stretches.of(position)
        if step is not None:
            self._stretches.restore(step)

    def count(self, cell: CellDelta, position: Position, at_s: float) -> None:
        """Add a worker's cell that it sent at ``at_s``."""
        versions = {"stable": position.stable, "candidate": position.candidate}
        if warming(position):
            cell = replace(cell, draw_slow=0, slow_users=[], slow_users_dropped=0)
        self.tally.add(cell, **versions, at_s=at_s)
        self._stretches.count(cell, **versions)

    def compared(self, compared: int, mismatched: int) -> None:
        """So many copies' answers were compared, and so many of them differed."""
        self._stretches.compared(compared, mismatched)

    def enter(self, step: str, now: float) -> bool:
        """The rollout stands in this step; True when it did not before, else nothing happens."""
        entered = self.checks.enter(step, now)
        if entered:
            self._stretches.enter()
        return entered

    def recorded(self, stretch: Stretch) -> None:
        """What the checks stand on, of a stretch that was recorded; what the guard stands on is the tally's."""
        self._stretches.recorded(stretch)

    def observed(self, seconds: float) -> None:
        """So much time has passed, and was observed."""
        self._stretches.observed(seconds)

    def due(self, position: Position, now: float) -> tuple[Check, ...]:
        """Outside checks to ask now."""
        return self.checks.due(now) if self.checks and position.phase in CHECKED else ()

    def add(self, observed: Observed) -> None:
        """What came of one."""
        self.checks.add(observed)

    def fails(self, position: Position, now: float) -> bool:
        """Whether a check rolls back, when those that are due now are made; a tenth of the work of a verdict."""
        if not self.checks or position.phase not in CHECKED:
            return False
        self.checks.look(self._stretches.over, now, flow_of(position))
        return self.checks.fails(now)

    def verdict(self, position: Position, now: float) -> Verdict:
        """What all judges together say of the rollout at ``position``."""
        guarded = guard.judge(position.plan.guard, self.tally, slow_over_s=position.slow_over_s, warming=warming(position))
        if guarded.finding is Finding.PASS and (outage := self._outage()):
            guarded = Verdict(Finding.HOLD, outage, {**guarded.figures, "holding": [outage]})
        if position.phase is Phase.SHADOWING and self.comparison is not None and (why := _differs(*self.comparison)):
            guarded = Verdict(Finding.HOLD, why, {**guarded.figures, "holding": [*guarded.figures["holding"], why]})
        if not self.checks:
            return Verdict(guarded.finding, guarded.reason, {**guarded.figures, "checks": []})
        flow = flow_of(position)
        if position.phase in CHECKED:
            self.checks.look(self._stretches.over, now, flow)
        return _together(guarded, self.checks.judge(now, flow))

    def _outage(self) -> str:
        """Whether stable is in no state to be compared with, and in which; empty when it is well."""
        stable = self._stretches.over(limits.OUTAGE_S).stable
        if stable.requests < REQUESTS_MIN or stable.failures < limits.OUTAGE_RATE * stable.requests:
            return ""
        share = f"{100 * stable.failures / stable.requests:.0f} %"
        return f"stable itself failed {share} of its requests in the last {limits.OUTAGE_S:g} s: nothing can be learnt of the candidate"

    def to_json(self) -> dict[str, Any]:
        """JSON values from which a judge of the same rollout goes on."""
        if not self.checks:
            return self.tally.to_json()
        return {**self.tally.to_json(), "checks": self.checks.to_json(), "step": self._stretches.to_json()}


def _differs(compared: int, paths: tuple[str, ...]) -> str:
    """Why a shadow step does not end by what its copies showed; empty when it may."""
    if not compared:
        return "no pair of answers was compared yet"
    if not paths:
        return ""
    return f"the candidate answers differently: {', '.join(paths)}; mend it, or say in shadow.allow that it is meant"


def warming(position: Position) -> bool:
    """Whether slow answers do not count yet. Whoever says himself what is slow (``slow_over: 500ms``) means the first answer too."""
    return position.plan.guard.slow_over_s == 0 and position.warmed_s < limits.WARM_UP_S


def flow_of(position: Position) -> Flow:
    """Who is given requests where the rollout stands."""
    drawing = position.weight_bp > 0
    return Flow(candidate=drawing, stable=position.weight_bp < WEIGHT_BP_MAX, copies=position.phase is Phase.SHADOWING)


def _together(guarded: Verdict, checked: Verdict) -> Verdict:
    holding = [*guarded.figures["holding"], *checked.figures["holding"]]
    figures = {**guarded.figures, "checks": checked.figures["checks"], "holding": holding}
    for verdict in (guarded, checked):
        if verdict.finding is Finding.ROLLBACK:
            return Verdict(Finding.ROLLBACK, verdict.reason, figures)
    if guarded.finding is Finding.PAUSE:
        return Verdict(Finding.PAUSE, guarded.reason, figures)
    finding = Finding.HOLD if Finding.HOLD in (guarded.finding, checked.finding) else Finding.PASS
    return Verdict(finding, f"{guarded.reason}; {checked.reason}", figures)
