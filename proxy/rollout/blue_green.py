"""Blue-green: the candidate gets nothing but overrides, and copies if the plan asks for them, and then everything in one moment.

After the plan's shadow steps and gates comes the *preview*: at no weight at all, until every endpoint of the candidate has been healthy
for one interval of the checks, without a break, and every check passes. Then all workers switch together, behind a barrier. A weight in
such a plan is none. The version before stays warm (``keep_old_s``), and ``undo`` goes back to it the same way.
"""

from __future__ import annotations

from msgspec.structs import replace

from proxy.model.position import WEIGHT_BP_MAX, Phase, Position
from proxy.model.rollout import GateStep, ShadowStep
from proxy.rollout import canary
from proxy.rollout.events import Measured
from proxy.rollout.strategy import Stand
from proxy.rollout.words import duration, listed

IN_BATCHES = False
TOGETHER = True


def next_step(position: Position, step: int) -> Stand:
    """See ``strategy.Strategy``. The preview is the step after the plan's last."""
    plan = position.plan
    while step < len(plan.steps):
        entered = plan.steps[step]
        if isinstance(entered, ShadowStep):
            return Stand(step, Phase.SHADOWING, 0, ("before_step",))
        if isinstance(entered, GateStep):
            return canary.at_gate(entered, step, 0)
        step += 1
    if step == len(plan.steps):
        return Stand(step, Phase.PROGRESSING, 0, ("before_step",))
    return Stand(len(plan.steps) + 1, Phase.PROMOTING, WEIGHT_BP_MAX, ("before_promotion",))


def observe(position: Position, event: Measured) -> Position:
    """See ``strategy.Strategy``. ``coming`` are the endpoints of the candidate that are not healthy now."""
    own = [level for level in event.endpoints if level.version == position.candidate]
    ill = tuple(level.endpoint for level in own if not (level.heard and level.healthy))
    return replace(position, ready_s=position.ready_s + event.dt_s if own and not ill else 0.0, coming=ill)


def is_done(position: Position) -> bool:
    """See ``strategy.Strategy``."""
    if position.step < len(position.plan.steps):
        return canary.is_done(position)
    return position.ready_s > 0 and position.ready_s >= position.plan.interval_s


def done(position: Position) -> str:
    """See ``strategy.Strategy``."""
    if position.step < len(position.plan.steps):
        return canary.done(position)
    return f"{position.candidate} was healthy for {duration(position.ready_s)}"


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """See ``strategy.Strategy``."""
    if position.step < len(position.plan.steps):
        return canary.waiting_for(position, candidate_rps)
    if position.coming:
        return f"{listed(position.coming)} of {position.candidate} to be healthy"
    if not is_done(position):
        return f"{position.candidate} healthy for {duration(int(position.ready_s))} of {duration(position.plan.interval_s)}"
    return ""


def progress(position: Position) -> tuple[int, int]:
    """See ``strategy.Strategy``. The preview is a step."""
    return position.step, len(position.plan.steps) + 1


def looked_at(position: Position) -> tuple[str, ...]:
    """See ``strategy.Strategy``. Stable serves already."""
    return (position.candidate,)


def where(position: Position) -> str:
    """See ``strategy.Strategy``."""
    if position.step < len(position.plan.steps):
        return canary.where(position)
    return f"preview of {position.candidate}: nothing but overrides until it is healthy and every check passes"
