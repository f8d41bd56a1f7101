"""The moves of a rollout: start, advance, pause, resume, cut over, roll back, settle. Each is a new position and its effects.

They know the order of effects, what a record holds and when workers must be told; they do not know when they are allowed, which is the
machine's table.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from proxy.model.position import RESTING, WEIGHT_BP_MAX, Phase, Position, Record
from proxy.model.rollout import GateStep, RolloutPlan
from proxy.rollout import canary, entering, rolling
from proxy.rollout.events import Applied, Ask, Effect, Publish
from proxy.rollout.strategies import strategy_of

Outcome = tuple[Position, tuple[Effect, ...]]

_KINDS: Final = {Phase.PROMOTING: "promoting", Phase.STABLE: "shadowed", Phase.PAUSED: "gate"}


def at_gate(position: Position) -> bool:
    """Whether the present step is a manual gate, whatever else has paused the rollout meanwhile."""
    steps = position.plan.steps
    if position.phase is not Phase.PAUSED or position.asking or position.step >= len(steps) or strategy_of(position).IN_BATCHES:
        return False
    step = steps[position.step]
    return isinstance(step, GateStep) and step.gate == "manual"


def served(position: Position) -> tuple[object, ...]:
    """All of a position that workers' plans are made of: when it changes, workers have to be told."""
    if position.phase in RESTING:
        return (position.stable,)
    return (
        position.stable,
        position.candidate,
        position.rollout,
        position.weight_bp,
        position.slow_over_s,
        position.step if position.phase is Phase.SHADOWING else None,
        position.phase is Phase.PROMOTING,  # nothing falls back on stable any more, and no endpoint stands by
        *rolling.placed(position),
    )


def effects(before: Position, after: Position, records: tuple[Record, ...], asks: tuple[Ask, ...] = ()) -> tuple[Effect, ...]:
    """Records, then the publication if workers are concerned, then what is asked of the world."""
    together = after.phase is Phase.PROMOTING and strategy_of(after).TOGETHER
    told = (Publish(barrier=together),) if served(before) != served(after) else ()
    return (*records, *told, *asks)


def start(
    position: Position,
    now: float,
    *,
    target: str,
    fingerprint: str,
    plan: RolloutPlan,
    why: str,
    by: str,
    forced: bool = False,
    slow_over_s: float = 0.0,
) -> Outcome:
    """Begin a rollout from stable to ``target``. No freeze holds a way back to what was stable before."""
    if target == position.previous:
        plan = replace(plan, freeze=())
    begun = began(position, target=target, fingerprint=fingerprint, plan=plan)
    begun = slow_from(begun, slow_over_s)
    after, asks = entering.enter(begun, 0, now, first=True, forced=forced)
    record = note("started", f"{why}; {where(after)}", position, after, by=by)
    return after, (record, Publish(), *asks)


def began(position: Position, *, target: str, fingerprint: str, plan: RolloutPlan) -> Position:
    """The next rollout, before its first step."""
    return replace(
        position,
        candidate=target,
        target=target,
        fingerprint=fingerprint,
        plan=plan,
        rollout=position.rollout + 1,
        weight_bp=0,
        elapsed_s=0.0,
        guard_floor=0.0,
        slow_over_s=0.0,
        moved=0,
        moving=0,
        part="",
        endpoints=(0, 0),
        shared=0,
        ill_s=0.0,
        forced=False,
        overdue=False,
        warmed_s=0.0,
    )


def slow_from(position: Position, p99_s: float) -> Position:
    """With the bound of slow answers from here on. ``p99_s`` is stable's, 0 when it is not known: then the last one stays."""
    given = position.plan.guard.slow_over_s
    bound = 0.0 if given is None else given or p99_s or position.slow_over_s
    return replace(position, slow_over_s=bound)


def advance(
    position: Position,
    step: int,
    now: float,
    *,
    why: str,
    by: str = "",
    figures: dict[str, Any] | None = None,
    forced: bool = False,
    slow_over_s: float = 0.0,
) -> Outcome:
    """Set out for a step: the next, or past the last for the end of the plan."""
    entered = entering.enter(slow_from(position, slow_over_s), step, now, forced=forced)
    return arrived(position, entered, why=why, by=by, figures=figures)


def arrived(position: Position, entered: entering.Entered, *, why: str, by: str = "", figures: dict[str, Any] | None = None) -> Outcome:
    """The outcome of having gone some way into a step, recorded as what it has come to."""
    after, asks = entered
    kind = _KINDS.get(after.phase, "step")
    if after.phase is Phase.PROGRESSING and after.asking:
        door = entering.door_of(after)
        kind = "gate" if door == entering.GATE else "asking" if asks else "frozen"
    if after.phase is Phase.STABLE:
        after = _settled(after)
    record = note(kind, f"{why}; {where(after)}", position, after, by=by, figures=figures)
    return after, effects(position, after, (record,), asks)


def promote_now(position: Position, *, why: str, by: str) -> Outcome:
    """Everything to the candidate, past batches and hooks."""
    after = _everything(position)
    return after, effects(position, after, (note("promoting", f"{why}; {where(after)}", position, after, by=by),))


def pass_door(position: Position, *, why: str, by: str, forced: bool) -> Outcome:
    """Take the step for which it has set out, whatever it waits for at the door."""
    return arrived(position, entering.take(replace(position, forced=forced)), why=why, by=by)


def pause(position: Position, *, why: str, by: str = "", figures: dict[str, Any] | None = None) -> Outcome:
    """Keep the weight and wait for a person."""
    after = replace(position, phase=Phase.PAUSED, reason=why)
    return after, effects(position, after, (note("paused", why, position, after, by=by, figures=figures),))


def resume(position: Position, now: float, *, by: str) -> Outcome:
    """Go on where the pause began."""
    again = replace(position, phase=Phase.PROGRESSING, reason="")
    if entering.door_of(position) == entering.GATE:
        after, asks = again, entering.open_question(again)
    elif position.asking:
        after, asks = entering.go_on(again, now)
    else:
        stand = strategy_of(position).next_step(position, position.step)
        after, asks = replace(again, phase=stand.phase), ()
    return after, effects(position, after, (note("resumed", where(after), position, after, by=by),), asks)


def cut_over(position: Position, begun: Position, *, why: str, by: str) -> tuple[Position, Record]:
    """Everything to the candidate of ``begun``, at once and together. The workers have to be told with a barrier."""
    after = _everything(begun)
    record = note("switching", f"{why}; everything to {after.candidate} at once", position, after, by=by)
    return after, record


def _everything(position: Position) -> Position:
    return replace(
        position,
        phase=Phase.PROMOTING,
        step=len(position.plan.steps),
        weight_bp=WEIGHT_BP_MAX,
        step_elapsed_s=0.0,
        step_requests=0,
        reason="",
        asking="",
        moved=0,
        moving=0,
        part="",
        leaving=(),
        coming=(),
    )


def roll_back(
    position: Position,
    *,
    why: str,
    by: str = "",
    figures: dict[str, Any] | None = None,
    kind: str = "rolling_back",
    barrier: bool = False,
) -> Outcome:
    """Take all weight from the candidate. ``kind`` is ``abandoned`` when not its failures but another target is the cause.

    Instances that were replaced in their places go back a batch at a time.
    """
    back = rolling.way_back(position)
    if back is None:
        nothing = {"moved": 0, "moving": 0, "part": "", "leaving": (), "coming": ()}
        back = replace(position, phase=Phase.ROLLING_BACK, weight_bp=0, asking="", **nothing)
    after = replace(back, reason=why)
    return after, (note(kind, why, position, after, by=by, figures=figures), Publish(barrier))


def settle_rolled_back(position: Position, applied: Applied, now: float) -> Outcome:
    """Every worker has taken the candidate out; its target is refused from here on. The reason of the rollback stays."""
    after = _asking(replace(position, phase=Phase.ROLLED_BACK), position, "after_rollback")
    why = f"no worker gives {position.candidate} a request any more: {position.reason}"
    record = note("rolled_back", why, position, after, figures=acknowledged(position, applied, now))
    return after, (record, Publish(), *entering.open_question(after))


def settle_promoted(position: Position, applied: Applied, now: float) -> Outcome:
    """Every worker gives the candidate everything: it is stable now, and what was before is where an undo goes."""
    after = replace(_settled(position), stable=position.candidate, previous=position.stable, promoted_s=now, phase=Phase.STABLE)
    after = _asking(after, position, "after_promotion")
    why = f"{position.candidate} is stable; before it was {position.stable}"
    record = note("promoted", why, position, after, figures=acknowledged(position, applied, now))
    return after, (record, Publish(), *entering.open_question(after))


def _settled(position: Position) -> Position:
    """Without anything that belongs to a rollout under way."""
    return replace(
        position,
        candidate="",
        step=0,
        weight_bp=0,
        step_elapsed_s=0.0,
        step_requests=0,
        reason="",
        asking="",
        slow_over_s=0.0,
        moved=0,
        moving=0,
        part="",
        leaving=(),
        coming=(),
        ready_s=0.0,
        ill_s=0.0,
        forced=False,
    )


def _asking(after: Position, before: Position, point: str) -> Position:
    """With the hooks that are told of an end still to be heard of; nothing waits for them but the history."""
    return replace(after, asking=entering.key(before, point) if entering.asked(before, point) else "")


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
    subject = after if after.rollout != before.rollout and kind not in ("abandoned", "rolled_back") else before
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
    if position.phase is Phase.STABLE:
        return f"nothing is promoted, {position.stable} stays"
    door = entering.door_of(position)
    if door in (entering.START, entering.FREEZE, entering.READY):
        return "it waits for the freeze to end"
    if door and door != entering.GATE:
        return f"the {door} hooks are asked"
    return strategy_of(position).where(position)


def gate(position: Position) -> str:
    """The gate a rollout waits at, in words."""
    return canary.gate(position)
