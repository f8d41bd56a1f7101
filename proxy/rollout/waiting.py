"""What a service waits for now, how much of it is missing, and until when: for people. Decides nothing."""

from __future__ import annotations

from proxy.model.position import Phase, Position, Verdict
from proxy.model.url import shown
from proxy.rollout import entering, moves
from proxy.rollout.freeze import frozen_until, told
from proxy.rollout.strategies import strategy_of
from proxy.rollout.words import duration, listed


def waiting_for(
    position: Position,
    candidate_rps: float | None,
    *,
    now: float | None = None,
    verdict: Verdict | None = None,
    asked: str = "",
) -> str:
    """One sentence. ``candidate_rps``: requests/s the candidate gets at present, if known; ``now``: Unix time, for freezes.

    ``verdict`` is the judge's last; ``asked`` is how far the hooks or the gate have answered.
    """
    match position.phase:
        case Phase.STABLE | Phase.ROLLED_BACK if position.asking:
            return f"what the {entering.door_of(position)} hooks say" + (f": {asked}" if asked else "")
        case Phase.STABLE:
            return "another target"
        case Phase.ROLLED_BACK:
            return f"another target, a change of {position.candidate}, or retry"
        case Phase.ROLLING_BACK if position.asking or position.part:
            return _under_way(position, candidate_rps, None, None, asked)
        case Phase.PROMOTING | Phase.ROLLING_BACK:
            return "every worker's acknowledgement"
        case Phase.PAUSED:
            return f"a person: {moves.gate(position) if position.reason == entering.AT_GATE else position.reason}"
        case _:
            return _under_way(position, candidate_rps, now, verdict, asked)


def _under_way(position: Position, candidate_rps: float | None, now: float | None, verdict: Verdict | None, asked: str) -> str:
    until = None if now is None else frozen_until(position.plan.freeze, now)
    freeze = (
        ""
        if now is None or until is None
        else f"the end of the freeze: {told(until, position.plan.freeze)}, in {duration(until - now)}"
    )
    door = entering.door_of(position)
    if door in (entering.START, entering.FREEZE, entering.READY):
        return freeze or "the end of the freeze"
    if door == entering.GATE:
        said = asked or position.reason
        return f"the {moves.gate(position)}" + (f": {said}" if said else "")
    if door:
        names = [hook.name or shown(hook.url) for hook in position.plan.hooks if hook.on == door]
        of = f" for {listed(position.coming or position.leaving)}" if position.part else ""
        return f"the {door} hooks ({listed(names)}){of}" + (f": {asked}" if asked else "")
    missing = strategy_of(position).waiting_for(position, candidate_rps)
    return missing or _judges(verdict) or freeze or "the guard"


def _judges(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    if verdict.figures.get("holding"):
        return "; ".join(verdict.figures["holding"])
    return f"the guard: {verdict.reason}" if verdict.finding == "hold" and verdict.figures.get("candidate_failures") else ""
