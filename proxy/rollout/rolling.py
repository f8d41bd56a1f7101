"""Rolling: the candidate's endpoints take over from stable's, a batch at a time. Which of them are in service, and with what weight.

Theory of operation
-------------------
Endpoints are *paired*: those that both versions have (an instance that is replaced in its place) with themselves, the others in their
order, and what is left over with nobody. ``moved`` pairs are the candidate's; the next ``moving`` are the batch, and its *part* says
how far it is:

    draining     stable's endpoints of the batch get no new requests; what they have in flight ends, or ``drain_s`` is over
    hook         the ``before_step`` hooks are asked: here the operator's machinery replaces the instances
    ready        the candidate's are waited for: each healthy for ``min_ready_s``, without a break
    slow_start   they are in service, and their share grows in quarters over ``slow_start_s``

An endpoint is in service for one version only, and weight is proportional to the endpoints in service, so each gets what it would get
if there were no versions. No more than ``batch`` are ever out, and never all: an endpoint that alone carries everything is not drained
before its successor is ready. (A single instance that is replaced in its place cannot be replaced without a gap by anybody.)

*The way back* is at once where it can be: stable's own instances run still, or nothing here could bring them back. Where instances
have been replaced in their places and hooks can replace them again, they go back as they came, a batch at a time: giving everything at
once to the few that are left would break what the candidate has not. The candidate keeps its share of what is not back yet, unless no
more than a batch is missing without it: then it gets nothing from the first moment on.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from proxy.model.position import RESTING, WEIGHT_BP_MAX, Phase, Position
from proxy.rollout.events import Measured
from proxy.rollout.strategy import Stand
from proxy.rollout.words import duration, listed, said_of

DRAINING, HOOK, READY, SLOW_START = "draining", "hook", "ready", "slow_start"
DUE = "due"
"""An operator has said that the next batch begins, whatever it waits for."""

_QUARTERS = 4

IN_BATCHES = True
TOGETHER = False


# ---- the face of a strategy -----------------------------------------------------------------------------------------------------


def next_step(position: Position, step: int) -> Stand:
    """See ``strategy.Strategy``. A step is a batch; its hooks are asked when it is drained, not before it begins."""
    if 0 < max(position.endpoints) <= position.moved:
        return Stand(step, Phase.PROMOTING, WEIGHT_BP_MAX, ("before_promotion",))
    return Stand(step, Phase.PROGRESSING, position.weight_bp)


def observe(position: Position, event: Measured) -> Position:
    """See ``strategy.Strategy``. Endpoints are looked at by ``batches``."""
    return position


def is_done(position: Position) -> bool:
    """See ``strategy.Strategy``. Between two batches nothing but a freeze or a judge holds it."""
    return position.part in ("", DUE)


def done(position: Position) -> str:
    """See ``strategy.Strategy``. Batches say it for each of their parts."""
    return f"every endpoint is {position.candidate}'s"


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """See ``strategy.Strategy``."""
    plan, rolling = position.plan, position.plan.rolling
    new = position.stable if position.phase is Phase.ROLLING_BACK else position.candidate
    old = position.candidate if position.phase is Phase.ROLLING_BACK else position.stable
    match position.part:
        case "draining" if not position.leaving:
            return "a look at its endpoints"
        case "draining":
            left_s = max(0.0, plan.drain_s - position.step_elapsed_s)
            return f"{listed(position.leaving)} of {old} to end what it has in flight, at most {duration(left_s)}"
        case "hook":
            return f"the before_step hooks to be asked again for {listed(position.coming)}"
        case "ready" if position.ready_s == 0:
            text = f"{listed(position.coming)} of {new} to be healthy"
            if position.phase is Phase.ROLLING_BACK:
                return text
            return f"{text}, at most {duration(max(0.0, rolling.ready_timeout_s - position.step_elapsed_s))}"
        case "ready":
            left_s = max(0.0, rolling.min_ready_s - position.ready_s)
            return f"{listed(position.coming)} of {new} to stay healthy for {duration(left_s)}"
        case "slow_start":
            left_s = max(0.0, rolling.slow_start_s - position.step_elapsed_s)
            return f"the slow start of {listed(position.coming)}, {duration(left_s)}"
        case _ if position.endpoints == (0, 0):
            return "workers to speak of its endpoints"
        case _:
            return f"{listed(position.coming)} to be healthy" if position.coming else ""


def progress(position: Position) -> tuple[int, int]:
    """See ``strategy.Strategy``. In endpoints that have moved."""
    return position.moved, max(position.endpoints)


def looked_at(position: Position) -> tuple[str, ...]:
    """See ``strategy.Strategy``."""
    return position.stable, position.candidate


def where(position: Position) -> str:
    """See ``strategy.Strategy``."""
    if not position.part or position.part == DUE:
        return (
            f"{position.moved} of {max(position.endpoints)} endpoints are {position.candidate}'s"
            if position.moved
            else "before the first batch"
        )
    first, last = position.moved + 1, position.moved + position.moving
    batch = f"endpoint {first}" if position.moving == 1 else f"endpoints {first} to {last}"
    told = {
        DRAINING: said_of(position.leaving, "gets", "no new requests") if position.leaving else "nothing is drained",
        HOOK: "the before_step hooks are asked",
        READY: said_of(position.coming, "is", "to be healthy"),
        SLOW_START: said_of(position.coming, "is", f"in service, the candidate has {position.weight_bp / 100:g} %"),
    }
    return f"{batch} of {max(position.endpoints)}: {told[position.part]}"


# ---- who is in service ----------------------------------------------------------------------------------------------------------


def pairs(stable: Sequence[str], candidate: Sequence[str]) -> list[tuple[str, str]]:
    """Labels of endpoints, stable's and the candidate's (empty: nobody), in the order in which they are replaced."""
    apart = iter([label for label in stable if label not in candidate])
    matched = [(label, label) if label in stable else (next(apart, ""), label) for label in candidate]
    return [*(pair for pair in matched if pair[0]), *(pair for pair in matched if not pair[0]), *((label, "") for label in apart)]


def in_service(position: Position, stable: Sequence[str], candidate: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels of stable's and of the candidate's endpoints that may be given requests."""
    if position.plan.strategy != "rolling" or position.phase in (*RESTING, Phase.PROMOTING) or _at_once(position):
        return list(stable), list(candidate)
    ordered = pairs(stable, candidate)
    end = position.moved + position.moving
    batch = ordered[position.moved : end]
    old = [label for label, _ in ordered[end:] if label]
    new = [label for _, label in ordered[: position.moved] if label]
    if position.part == SLOW_START:
        new += [label for _, label in batch if label]
    elif not old and not new:  # what alone carries everything is not taken out
        old, new = ([], [label for _, label in batch]) if position.phase is Phase.ROLLING_BACK else ([label for label, _ in batch], [])
    return old, new


def weight_bp(position: Position) -> int:
    """The candidate's weight, proportional to endpoints in service; ``position.endpoints`` says how many there are."""
    stable, candidate = position.endpoints
    old = max(0, stable - position.moved - position.moving)
    new = float(min(position.moved, candidate))
    if position.part == SLOW_START:
        new += quarters(position) / _QUARTERS * (min(position.moved + position.moving, candidate) - new)
    if position.phase is Phase.ROLLING_BACK:
        if old >= max(1, stable - position.plan.rolling.batch):
            return 0
        if not old and not new:
            return WEIGHT_BP_MAX
    if not new:
        return 0
    return round(WEIGHT_BP_MAX * new / (new + old))


def quarters(position: Position) -> int:
    """How many quarters of its share a batch in slow start has: 1 at first, 4 at the end."""
    slow_s = position.plan.rolling.slow_start_s
    return _QUARTERS if slow_s <= 0 else min(_QUARTERS, 1 + int(_QUARTERS * position.step_elapsed_s / slow_s))


def placed(position: Position) -> tuple[object, ...]:
    """What of the batches workers' plans are made of."""
    return position.moved, position.moving, position.part == SLOW_START


def begun(position: Position, stable: Sequence[str], candidate: Sequence[str]) -> Position:
    """With the next batch of it, forward or back: as many as may be out, and at least one."""
    ordered, back = pairs(stable, candidate), position.phase is Phase.ROLLING_BACK
    old, new = in_service(replace(position, moving=0, part="-"), stable, candidate)
    size = min(position.plan.rolling.batch, max(1, len(old) + len(new) - 1))
    if back:
        size = min(size, position.moved)
        position = replace(position, moved=position.moved - size)
    size = min(size, len(ordered) - position.moved)
    batch = ordered[position.moved : position.moved + size]
    olds, news = tuple(s for s, _ in batch if s), tuple(c for _, c in batch if c)
    leaving, coming = (news, olds) if back else (olds, news)
    alone = not [label for label in (*old, *new) if label not in leaving]
    return replace(position, moving=size, leaving=() if alone else leaving, coming=coming, part=DRAINING)


# ---- the way back ---------------------------------------------------------------------------------------------------------------


def _at_once(position: Position) -> bool:
    return position.phase is Phase.ROLLING_BACK and not position.moved and not position.moving


def way_back(position: Position) -> Position | None:
    """The position from which endpoints go back batch by batch, or None: it goes back at once."""
    can_replace = position.shared > 0 and any(hook.on == "before_step" for hook in position.plan.hooks)
    if position.plan.strategy != "rolling" or not can_replace:
        return None
    back = replace(
        position, phase=Phase.ROLLING_BACK, asking="", step=position.step + 1, step_elapsed_s=0.0, step_requests=0, ready_s=0.0
    )
    match position.part:
        case "hook" | "ready":  # they may have been replaced, and are in nobody's service
            back = replace(back, part=DRAINING, leaving=(), coming=position.leaving or position.coming)
        case "slow_start":
            back = replace(back, part=DRAINING, leaving=position.coming, coming=position.leaving or position.coming)
        case _:
            back = replace(back, part="", moving=0, leaving=(), coming=())
    return replace(back, weight_bp=weight_bp(back)) if back.moved or back.moving else None
