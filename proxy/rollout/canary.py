"""Canary: weight steps, shadow steps and gates in the order of the plan, then promotion.

A weight step ends when its time has passed *and* its minimum of candidate requests is reached; without a single candidate request it
never ends, because no data is not good data. A shadow step is the same with copies. A manual gate ends only by a person, a remote
one by its URL. Knows nothing of guards, deadlines or commands.
"""

from __future__ import annotations

from proxy.model.position import WEIGHT_BP_MAX, Phase, Position
from proxy.model.rollout import GateStep, ShadowStep, WeightStep
from proxy.model.url import shown
from proxy.rollout.events import Measured
from proxy.rollout.strategy import Stand
from proxy.rollout.words import duration, percent

IN_BATCHES = False
TOGETHER = False


def next_step(position: Position, step: int) -> Stand:
    """See ``strategy.Strategy``. A gate keeps the weight it is entered with; past the last step is promotion."""
    plan = position.plan
    if step >= len(plan.steps):
        return Stand(len(plan.steps), Phase.PROMOTING, WEIGHT_BP_MAX, ("before_promotion",))
    entered = plan.steps[step]
    if isinstance(entered, GateStep):
        return at_gate(entered, step, position.weight_bp)
    if isinstance(entered, ShadowStep):
        return Stand(step, Phase.SHADOWING, 0, ("before_step",))
    return Stand(step, Phase.PROGRESSING, entered.weight_bp, ("before_step",))


def at_gate(gate: GateStep, step: int, weight_bp: int) -> Stand:
    """At a gate: paused until a person promotes, or progressing while its URL is asked. A gate is no step that hooks go before."""
    if gate.gate == "manual":
        return Stand(step, Phase.PAUSED, weight_bp)
    return Stand(step, Phase.PROGRESSING, weight_bp, asks=True)


def observe(position: Position, event: Measured) -> Position:
    """See ``strategy.Strategy``. Endpoints are nothing to it."""
    return position


def is_done(position: Position) -> bool:
    """See ``strategy.Strategy``."""
    step = _counted_step(position)
    return position.step_elapsed_s >= step.for_s and position.step_requests >= max(1, step.min_requests)


def done(position: Position) -> str:
    """See ``strategy.Strategy``."""
    what = "copies answered" if isinstance(_counted_step(position), ShadowStep) else "candidate requests"
    return f"{position.step_requests} {what} in {duration(position.step_elapsed_s)}"


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """See ``strategy.Strategy``. Says how much is missing and, at the present rate, how long that takes."""
    step = _counted_step(position)
    what = "copies answered" if isinstance(step, ShadowStep) else "candidate requests"
    missing = []
    if position.step_requests == 0:
        missing.append(f"no {what} yet")
    elif position.step_requests < step.min_requests:
        reached = f"{position.step_requests} of {step.min_requests} {what}"
        rate = position.step_requests / position.step_elapsed_s if isinstance(step, ShadowStep) else candidate_rps
        if rate:
            left_s = (step.min_requests - position.step_requests) / rate
            reached += f"; {duration(left_s)} at the present rate"
        missing.append(reached)
    if position.step_elapsed_s < step.for_s:
        missing.append(f"{duration(int(position.step_elapsed_s))} of {duration(step.for_s)}")
    return ", and ".join(missing)


def progress(position: Position) -> tuple[int, int]:
    """See ``strategy.Strategy``."""
    return position.step, len(position.plan.steps)


def looked_at(position: Position) -> tuple[str, ...]:
    """See ``strategy.Strategy``. Endpoints are nothing to it."""
    return ()


def where(position: Position) -> str:
    """See ``strategy.Strategy``."""
    number = f"step {position.step + 1} of {len(position.plan.steps)}"
    step = position.plan.steps[position.step]
    if isinstance(step, GateStep):
        return gate(position)
    if isinstance(step, ShadowStep):
        return f"{number}: copies of {percent(step.percent_bp)} to {position.candidate}"
    return f"{number}: {percent(position.weight_bp)} to {position.candidate}"


def gate(position: Position) -> str:
    """The gate a rollout waits at, in words."""
    where = f"after step {position.step}" if position.step else "before the first step"
    step = position.plan.steps[position.step]
    assert isinstance(step, GateStep), "it stands at a gate"
    return f"gate {where}" if step.gate == "manual" else f"gate {where} ({shown(step.url)})"


def _counted_step(position: Position) -> WeightStep | ShadowStep:
    step = position.plan.steps[position.step]
    assert isinstance(step, WeightStep | ShadowStep), "a gate is not progressed through"
    return step
