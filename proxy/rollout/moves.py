"""The moves of a rollout: start, advance, pause, resume, give up, roll back, settle. Each is a new position and its record.

They know the order of effects and what a record holds; they do not know when they are allowed, which is the machine's table.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import GateStep, RolloutPlan
from proxy.rollout import canary
from proxy.rollout.events import Applied, Effect, Publish
from proxy.rollout.strategy import Strategy
from proxy.rollout.words import percent

Outcome = tuple[Position, tuple[Effect, ...]]

STRATEGIES: Final[dict[str, Strategy]] = {"canary": canary}
"""By the name a plan gives; the configuration lets no other through."""

AT_GATE: Final = "gate"
"""The reason of a position that waits at a gate, as the API shows it."""


def strategy_of(position: Position) -> Strategy:
    """The strategy that the rollout began with."""
    return STRATEGIES[position.plan.strategy]


def at_gate(position: Position) -> bool:
    """Whether the present step is a gate, whatever else has paused the rollout meanwhile."""
    steps = position.plan.steps
    return position.phase is Phase.PAUSED and position.step < len(steps) and isinstance(steps[position.step], GateStep)


def start(position: Position, *, target: str, fingerprint: str, plan: RolloutPlan, why: str, by: str) -> tuple[Position, Record]:
    """Begin a rollout from stable to ``target``. The workers have to be told."""
    begun = replace(
        position,
        candidate=target,
        target=target,
        fingerprint=fingerprint,
        plan=plan,
        rollout=position.rollout + 1,
        weight_bp=0,
        elapsed_s=0.0,
        guard_floor=0.0,
    )
    after = enter(begun, 0)
    return after, note("started", f"{why}; {where(after)}", position, after, by=by)


def enter(position: Position, step: int) -> Position:
    """The position at the beginning of a step, as the plan's strategy says."""
    stand = strategy_of(position).next_step(position.plan, step, position.weight_bp)
    return replace(
        position,
        phase=stand.phase,
        step=stand.step,
        weight_bp=stand.weight_bp,
        step_elapsed_s=0.0,
        step_requests=0,
        reason=AT_GATE if stand.phase is Phase.PAUSED else "",
    )


def advance(position: Position, step: int, *, why: str, by: str = "", figures: dict[str, Any] | None = None) -> Outcome:
    """Go to a step (the next, or past the last for promotion) and tell the workers if a weight changed."""
    after = enter(position, step)
    kind = {Phase.PROMOTING: "promoting", Phase.PAUSED: "gate"}.get(after.phase, "step")
    record = note(kind, f"{why}; {where(after)}", position, after, by=by, figures=figures)
    return after, (record, Publish()) if after.weight_bp != position.weight_bp else (record,)


def promote(position: Position, *, why: str, by: str) -> Outcome:
    """Straight to promotion, whatever steps are left."""
    return advance(position, len(position.plan.steps), why=why, by=by)


def pause(position: Position, *, why: str, by: str = "", figures: dict[str, Any] | None = None) -> Outcome:
    """Keep the weight and wait for a person."""
    after = replace(position, phase=Phase.PAUSED, reason=why)
    return after, (note("paused", why, position, after, by=by, figures=figures),)


def resume(position: Position, *, by: str) -> Outcome:
    """Go on where the pause began."""
    after = replace(position, phase=Phase.PROGRESSING, reason="")
    return after, (note("resumed", where(after), position, after, by=by),)


def roll_back(
    position: Position,
    *,
    why: str,
    by: str = "",
    figures: dict[str, Any] | None = None,
    kind: str = "rolling_back",
) -> Outcome:
    """Take all weight from the candidate. ``kind`` is ``abandoned`` when not its failures but another target is the cause."""
    after = replace(position, phase=Phase.ROLLING_BACK, weight_bp=0, reason=why)
    return after, (note(kind, why, position, after, by=by, figures=figures), Publish())


def settle_rolled_back(position: Position, applied: Applied, now: float) -> Outcome:
    """Every worker has taken the candidate out; its target is refused from here on. The reason of the rollback stays."""
    after = replace(position, phase=Phase.ROLLED_BACK)
    why = f"no worker gives {position.candidate} a request any more: {position.reason}"
    record = note("rolled_back", why, position, after, figures=acknowledged(position, applied, now))
    return after, (record, Publish())


def settle_promoted(position: Position, applied: Applied, now: float) -> Outcome:
    """Every worker gives the candidate everything: it is stable now."""
    after = replace(
        position,
        phase=Phase.STABLE,
        stable=position.candidate,
        candidate="",
        step=0,
        weight_bp=0,
        step_elapsed_s=0.0,
        step_requests=0,
        reason="",
    )
    why = f"{position.candidate} is stable; before it was {position.stable}"
    record = note("promoted", why, position, after, figures=acknowledged(position, applied, now))
    return after, (record, Publish())


def acknowledged(position: Position, applied: Applied, now: float) -> dict[str, Any]:
    """Figures of an acknowledgement: how long the workers took, and how long it is since the decision."""
    return {
        **applied.figures,
        "generation": applied.generation,
        "took_s": applied.took_s,
        "since_decision_s": max(0.0, now - position.since_s),
        "elapsed_s": position.elapsed_s,
    }


def note(
    kind: str,
    reason: str,
    before: Position,
    after: Position,
    *,
    by: str = "",
    figures: dict[str, Any] | None = None,
) -> Record:
    """A record with the figures that every record has: which rollout, from what to what, which step, which weights."""
    subject = after if kind == "started" else before
    own = {
        "rollout": subject.rollout,
        "from": subject.stable,
        "to": subject.candidate,
        "step": after.step,
        "weight_bp_before": before.weight_bp,
        "weight_bp": after.weight_bp,
    }
    return Record(kind, reason, {**(figures or {}), **own}, by)


def where(position: Position) -> str:
    """The step a rollout stands at, in words; steps are numbered from 1 for people."""
    if position.phase is Phase.PROMOTING:
        return f"promotion: everything to {position.candidate}"
    if at_gate(position):
        return gate(position)
    return f"step {position.step + 1} of {len(position.plan.steps)}: {percent(position.weight_bp)} to {position.candidate}"


def gate(position: Position) -> str:
    """The gate a rollout waits at, in words."""
    return f"gate after step {position.step}" if position.step else "gate before the first step"
