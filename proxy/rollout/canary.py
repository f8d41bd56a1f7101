"""Canary: weight steps and gates in the order of the plan, then promotion.

A weight step ends when its time has passed *and* its minimum of candidate requests is reached; without a single candidate request it
never ends, because no data is not good data. A gate ends only by a person. Knows nothing of guards, deadlines or commands.
"""

from __future__ import annotations

from proxy.model.position import WEIGHT_BP_MAX, Phase, Position
from proxy.model.rollout import GateStep, RolloutPlan, ShadowStep, WeightStep
from proxy.rollout.strategy import Stand
from proxy.rollout.words import duration


def next_step(plan: RolloutPlan, step: int, weight_bp: int) -> Stand:
    """See ``strategy.Strategy``. A gate keeps the weight it is entered with; past the last step is promotion."""
    if step >= len(plan.steps):
        return Stand(len(plan.steps), Phase.PROMOTING, WEIGHT_BP_MAX)
    entered = plan.steps[step]
    if isinstance(entered, GateStep):
        return Stand(step, Phase.PAUSED, weight_bp)
    if isinstance(entered, ShadowStep):
        return Stand(step, Phase.SHADOWING, 0)
    return Stand(step, Phase.PROGRESSING, entered.weight_bp)


def is_done(position: Position) -> bool:
    """See ``strategy.Strategy``."""
    step = _weight_step(position)
    return position.step_elapsed_s >= step.for_s and position.step_requests >= max(1, step.min_requests)


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """See ``strategy.Strategy``. Says how much is missing and, at the present rate, how long that takes."""
    step = _weight_step(position)
    missing = []
    if position.step_requests == 0:
        missing.append("no candidate requests yet")
    elif position.step_requests < step.min_requests:
        reached = f"{position.step_requests} of {step.min_requests} candidate requests"
        if candidate_rps:
            left_s = (step.min_requests - position.step_requests) / candidate_rps
            reached += f"; {duration(left_s)} at the present rate"
        missing.append(reached)
    if position.step_elapsed_s < step.for_s:
        missing.append(f"{duration(int(position.step_elapsed_s))} of {duration(step.for_s)}")
    return ", and ".join(missing)


def _weight_step(position: Position) -> WeightStep:
    step = position.plan.steps[position.step]
    assert isinstance(step, WeightStep), "only a weight step is progressed through"
    return step
