"""Shadow: copies only. Shadow steps and gates in the order of the plan, and then everything is as it was; its result is the report.

A weight in such a plan is none: nobody but an override ever meets the candidate. A plan without any step has one that is over at once.
"""

from __future__ import annotations

from proxy.model.position import Phase, Position
from proxy.model.rollout import GateStep, ShadowStep
from proxy.rollout import canary
from proxy.rollout.canary import IN_BATCHES, TOGETHER, looked_at, observe, progress
from proxy.rollout.strategy import Stand

__all__ = [
    "IN_BATCHES",
    "TOGETHER",
    "done",
    "is_done",
    "looked_at",
    "next_step",
    "observe",
    "progress",
    "waiting_for",
    "where",
]


def next_step(position: Position, step: int) -> Stand:
    """See ``strategy.Strategy``."""
    plan = position.plan
    for number in range(step, len(plan.steps)):
        entered = plan.steps[number]
        if isinstance(entered, ShadowStep):
            return Stand(number, Phase.SHADOWING, 0, ("before_step",))
        if isinstance(entered, GateStep):
            return canary.at_gate(entered, number, 0)
    if step == 0:
        return Stand(0, Phase.PROGRESSING, 0)
    return Stand(max(step, len(plan.steps)), Phase.STABLE, 0)


def is_done(position: Position) -> bool:
    """See ``strategy.Strategy``."""
    return position.phase is not Phase.SHADOWING or canary.is_done(position)


def done(position: Position) -> str:
    """See ``strategy.Strategy``."""
    return canary.done(position) if position.phase is Phase.SHADOWING else "nothing to do"


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """See ``strategy.Strategy``."""
    return canary.waiting_for(position, candidate_rps) if position.phase is Phase.SHADOWING else ""


def where(position: Position) -> str:
    """See ``strategy.Strategy``."""
    return canary.where(position) if position.plan.steps else "a plan without steps"
