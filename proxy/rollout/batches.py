"""The moves of a rolling rollout through its batches, forward and back: one look at the endpoints, one part further at most.

``rolling`` says what the parts are and who is in service in each. A batch that has begun is finished whatever the clock says; a freeze,
the judges and an endpoint that is ill elsewhere hold the beginning of the next.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from proxy import limits
from proxy.model.position import Phase, Position
from proxy.rollout import entering, moves, rolling
from proxy.rollout.events import Ask, EndpointLevel, Heard, Measured, Publish
from proxy.rollout.moves import Outcome
from proxy.rollout.rolling import DRAINING, DUE, HOOK, READY, SLOW_START
from proxy.rollout.words import duration, listed, said_of

HOOK_POINT: Final = "before_step"

SETTLE_S: Final = 10 * limits.SNAPSHOT_FAST_S
"""How long a drain lasts at least: what workers said of an endpoint before they took it out has been said anew by then."""

ILL_S: Final = 3.0
"""How long an endpoint that was ready has to be ill: a connection that is refused once counts for one second of it."""

HOOK_AGAIN_S: Final = 30.0
"""On the way back a hook that fails is asked again after this long: there is nowhere else to go."""


class _Look:
    """The endpoints as one measurement shows them: labels by version in their order, and what is ill or has something in flight."""

    def __init__(self, position: Position, event: Measured) -> None:
        levels = event.endpoints
        self.stable = [level.endpoint for level in levels if level.version == position.stable]
        self.candidate = [level.endpoint for level in levels if level.version == position.candidate]
        self._levels: dict[tuple[str, str], EndpointLevel] = {(level.version, level.endpoint): level for level in levels}
        self.dt_s = event.dt_s

    def counted(self, position: Position) -> Position:
        shared = len(set(self.stable) & set(self.candidate))
        return replace(position, endpoints=(len(self.stable), len(self.candidate)), shared=shared)

    def ill(self, version: str, labels: list[str] | tuple[str, ...]) -> tuple[str, ...]:
        """Those that workers say are not healthy."""
        levels = [self._levels[version, label] for label in labels if (version, label) in self._levels]
        return tuple(level.endpoint for level in levels if level.heard and not level.healthy)

    def ready(self, version: str, labels: tuple[str, ...]) -> bool:
        """Whether all are known to be healthy."""
        levels = [self._levels.get((version, label)) for label in labels]
        return all(level is not None and level.heard and level.healthy for level in levels)

    def idle(self, version: str, labels: tuple[str, ...]) -> bool:
        """Whether none has anything in flight."""
        return not any(self._levels[version, label].in_flight for label in labels if (version, label) in self._levels)


def look(position: Position, event: Measured, now: float, *, frozen: bool, silent: bool) -> Outcome:
    """Forward. ``frozen``: no batch begins; not ``silent``: the judges let none begin or end. Time is counted already."""
    seen = _Look(position, event)
    if not seen.stable or not seen.candidate:
        return position, ()
    before, position = position, seen.counted(position)
    if position.endpoints != before.endpoints and rolling.weight_bp(position) != position.weight_bp:
        after = replace(position, weight_bp=rolling.weight_bp(position))
        record = moves.note("step", f"the versions have other endpoints; {rolling.where(after)}", before, after)
        return after, moves.effects(before, after, (record,))
    ill = _ill_in_service(position, seen)
    position = replace(position, ill_s=position.ill_s + event.dt_s if ill else 0.0)
    if ill and position.part != DUE:
        if position.ill_s >= ILL_S:
            why = said_of(_of(ill, position.candidate), "is", "not healthy any more")
            return _unhealthy(replace(position, ill_s=0.0), why)
        if not position.part:
            return replace(position, coming=ill), ()
    match position.part:
        case "draining":
            return _drained(position, seen, position.stable)
        case "ready":
            return _readied(position, seen)
        case "slow_start":
            return _slowly(position, seen, held=not silent)
        case _:
            assert position.part != HOOK, "hooks are heard, not looked for"
            return _between(position, seen, now, frozen=frozen, silent=silent)


def look_back(position: Position, event: Measured, now: float) -> Outcome:
    """On the way back. Nothing holds it but the endpoints themselves."""
    seen = _Look(position, event)
    if seen.stable and not seen.candidate:
        return _all_back(position)
    if not seen.stable:
        return position, ()
    position = replace(seen.counted(position), step_elapsed_s=position.step_elapsed_s + event.dt_s)
    match position.part:
        case "draining":
            return _drained(position, seen, position.candidate)
        case "hook" if not position.asking and position.step_elapsed_s >= HOOK_AGAIN_S:
            return _to(position, HOOK, why="the hooks are asked again")
        case "hook":
            return position, ()
        case "ready":
            position = _health(position, seen, position.stable)
            if not _is_ready(position):
                return position, ()
            return _to(position, "", why=said_of(position.coming, "is", f"{position.stable}'s again"), moving=0, step=position.step + 1)
        case _:
            after = rolling.begun(position, seen.stable, seen.candidate)
            return _to(after, DRAINING, before=position, why=f"the way back of {listed(after.leaving or after.coming)}")


def heard(position: Position, event: Heard) -> Outcome:
    """The hooks between draining and ready have answered, forward, back, or while a person holds it."""
    if event.ok:
        return _to(position, READY, why=event.reason, figures=event.figures, kind="hook" if _held(position) else "step")
    if position.phase is Phase.ROLLING_BACK:
        after = replace(position, asking="", step_elapsed_s=0.0)
        why = f"{event.reason}; asked again in {duration(HOOK_AGAIN_S)}"
        return after, (moves.note("hook", why, position, after, figures=event.figures),)
    return moves.roll_back(position, why=event.reason, figures=event.figures)


def next_due(position: Position, *, why: str, by: str, forced: bool) -> Outcome:
    """An operator has the next batch begin at the next look, whatever holds it but a freeze; ``forced``: that too."""
    return _to(replace(position, phase=Phase.PROGRESSING, reason="", forced=forced), DUE, before=position, why=why, by=by)


def hooks_passed(position: Position, *, why: str, by: str) -> Outcome:
    """An operator does not wait for the hooks of this batch."""
    return _to(replace(position, phase=Phase.PROGRESSING, reason=""), READY, before=position, why=why, by=by)


def resumed(position: Position, *, by: str) -> Outcome:
    """A pause is over: what was waited for is waited for anew."""
    after = replace(position, phase=Phase.PROGRESSING, reason="")
    if position.part == READY:
        after = replace(after, step_elapsed_s=0.0, ready_s=0.0)
    record = moves.note("resumed", rolling.where(after), position, after, by=by)
    return after, moves.effects(position, after, (record,), entering.open_question(after))


# ---- parts ----------------------------------------------------------------------------------------------------------------------


def _between(position: Position, seen: _Look, now: float, *, frozen: bool, silent: bool) -> Outcome:
    position = replace(position, coming=())
    if (frozen and not position.forced) or not (silent or position.part == DUE):
        return position, ()
    if position.moved >= max(position.endpoints):
        said = replace(position, part="")
        return moves.advance(said, position.step + 1, now, why=rolling.done(position), forced=position.forced)
    after = rolling.begun(position, seen.stable, seen.candidate)
    old, _ = rolling.in_service(after, seen.stable, seen.candidate)
    ill = seen.ill(position.stable, old)
    if ill and position.part != DUE:
        return replace(position, coming=ill), ()  # it would be out besides the batch
    return _to(after, DRAINING, before=position, why=said_of(after.leaving or after.coming, "is", "replaced"))


def _drained(position: Position, seen: _Look, version: str) -> Outcome:
    if position.leaving:
        over = position.step_elapsed_s >= max(position.plan.drain_s, SETTLE_S)
        idle = position.step_elapsed_s >= SETTLE_S and seen.idle(version, position.leaving)
        if not (idle or over):
            return position, ()
        why = (
            said_of(position.leaving, "has", "nothing in flight any more")
            if idle
            else f"the time of {listed(position.leaving)} to end is over"
        )
    else:
        why = f"nothing is drained for {listed(position.coming)}"
    return _to(position, HOOK if entering.asked(position, HOOK_POINT) else READY, why=why)


def _readied(position: Position, seen: _Look) -> Outcome:
    position = _health(position, seen, position.candidate)
    if _is_ready(position):
        slow = position.coming and position.plan.rolling.slow_start_s > 0 and rolling.weight_bp(_ended(position)) < 10_000
        why = said_of(position.coming, "is", "healthy") if position.coming else said_of(position.leaving, "is", "out")
        return _to(position, SLOW_START, why=why) if slow else _end(position, why)
    timeout_s = position.plan.rolling.ready_timeout_s
    if position.step_elapsed_s >= timeout_s:
        return _unhealthy(position, said_of(_of(position.coming, position.candidate), "was", f"not ready within {duration(timeout_s)}"))
    return position, ()


def _slowly(position: Position, seen: _Look, *, held: bool) -> Outcome:
    if position.step_elapsed_s >= position.plan.rolling.slow_start_s:
        return (position, ()) if held else _end(position, f"the slow start of {listed(position.coming)} is over")
    weight_bp = rolling.weight_bp(position)
    if weight_bp == position.weight_bp:
        return position, ()
    after = replace(position, weight_bp=weight_bp)
    record = moves.note("step", f"{listed(position.coming)} starts slowly; {rolling.where(after)}", position, after)
    return after, moves.effects(position, after, (record,))


def _end(position: Position, why: str) -> Outcome:
    return _to(_ended(position), "", before=position, why=why)


def _ended(position: Position) -> Position:
    return replace(position, moved=position.moved + position.moving, moving=0, part="", step=position.step + 1, forced=False)


def _all_back(position: Position) -> Outcome:
    """The candidate has left the configuration meanwhile: none of its endpoints can be waited for, and nothing is sent there."""
    after = replace(position, moved=0, moving=0, part="", asking="", leaving=(), coming=(), weight_bp=0)
    why = f"{position.candidate} has no endpoint in the configuration any more; everything to {position.stable} at once"
    return after, (moves.note("step", why, position, after), Publish())


def _health(position: Position, seen: _Look, version: str) -> Position:
    well = not position.coming or seen.ready(version, position.coming)
    return replace(position, ready_s=position.ready_s + seen.dt_s if well else 0.0)


def _is_ready(position: Position) -> bool:
    return not position.coming or (position.ready_s > 0 and position.ready_s >= position.plan.rolling.min_ready_s)


def _ill_in_service(position: Position, seen: _Look) -> tuple[str, ...]:
    """Endpoints of the candidate that were ready and are ill again."""
    _, new = rolling.in_service(position, seen.stable, seen.candidate)
    return seen.ill(position.candidate, new)


def _unhealthy(position: Position, why: str) -> Outcome:
    if position.plan.rolling.on_unhealthy == "reverse":
        return moves.roll_back(position, why=why)
    return moves.pause(position, why=why)


def _of(labels: tuple[str, ...], version: str) -> tuple[str, ...]:
    """The labels, the last with its version: ``a, b of v2``."""
    return (*labels[:-1], f"{labels[-1]} of {version}") if labels else ()


def _held(position: Position) -> bool:
    return position.phase is Phase.PAUSED


def _to(
    position: Position,
    part: str,
    *,
    why: str,
    before: Position | None = None,
    by: str = "",
    kind: str = "step",
    figures: dict[str, Any] | None = None,
    **changes: Any,
) -> Outcome:
    """Into a part, with its weight, its record and its question. ``before``: whence, if ``position`` has changed already."""
    before = before or position
    after = replace(position, part=part, step_elapsed_s=0.0, step_requests=0, ready_s=0.0, asking="", **changes)
    if not part:
        after = replace(after, leaving=(), coming=())
    if after.endpoints != (0, 0):
        after = replace(after, weight_bp=rolling.weight_bp(after))
    asks: tuple[Ask, ...] = ()
    if part == HOOK:
        after = replace(after, asking=entering.key(after, HOOK_POINT))
        kind, asks = "asking", entering.open_question(after)
    told = moves.where(after) if after.phase is not Phase.ROLLING_BACK or part else f"back at {after.stable}"
    record = moves.note(kind, f"{why}; {told}" if kind != "hook" else why, before, after, by=by, figures=figures)
    return after, moves.effects(before, after, (record,), asks)
