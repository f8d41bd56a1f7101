"""The way into a step: what a rollout waits for between deciding to go there and being there.

Theory of operation
-------------------
A step is entered through *doors*, one after the other; the candidate's weight stays what it was until the last is passed:

    start, before_rollout         of the first step only
    freeze                        of the others
    before_step, before_promotion the hooks that the strategy names for the step
    ready                         a pause or a freeze that began meanwhile is over

``start``, ``freeze`` and ``ready`` are open unless a freeze window says otherwise, and with ``position.forced`` whatever it says: force
holds for all doors of a step, however long the hooks between them take. A hook's door opens when all its hooks have answered well, and
is passed by at once when the plan has none. ``position.asking`` is the key of the door before which a rollout stands:
``<rollout>/<step>/<door>``. A step that is a remote gate ends at a door of its own, ``gate``. Nothing but the position is needed to go
on after a crash: whoever starts up asks again (``open_question``). While a person holds the rollout it goes from hook to hook, so that
no answer is lost, and no further: ``ready`` stays shut until the resume.
"""

from __future__ import annotations

from msgspec.structs import replace

from proxy.model.position import Phase, Position
from proxy.model.rollout import HOOK_POINTS
from proxy.rollout.events import Ask
from proxy.rollout.freeze import frozen_until
from proxy.rollout.strategies import strategy_of
from proxy.rollout.strategy import Stand

Entered = tuple[Position, tuple[Ask, ...]]

START, FREEZE, READY, GATE = "start", "freeze", "ready", "gate"
AT_GATE = "gate"
"""The reason of a position that waits at a manual gate, as the API shows it."""


def key(position: Position, door: str) -> str:
    """What ``position.asking`` is at a door, and what an answer has to name."""
    return f"{position.rollout}/{position.step}/{door}"


def door_of(position: Position) -> str:
    """The door at which the position stands, empty when at none."""
    return position.asking.rpartition("/")[2]


def open_question(position: Position) -> tuple[Ask, ...]:
    """What has to be asked (again) for this position to go on: after a crash, and after a pause."""
    door = door_of(position)
    return (Ask(door, position.asking),) if door == GATE or door in HOOK_POINTS else ()  # type: ignore[arg-type]  # one of the points


def asked(position: Position, point: str) -> bool:
    """Whether the plan has hooks of this point."""
    return any(hook.on == point for hook in position.plan.hooks)


def enter(position: Position, step: int, now: float, *, first: bool = False, forced: bool = False) -> Entered:
    """Set out for a step of the plan's strategy, as far as the doors are open. ``forced``: no freeze holds the way there."""
    stand = strategy_of(position).next_step(position, step)
    before = replace(
        position,
        phase=Phase.PROGRESSING,
        step=stand.step,
        step_elapsed_s=0.0,
        step_requests=0,
        ready_s=0.0,
        reason="",
        asking="",
        coming=(),
        leaving=(),
        forced=forced,
    )
    return _through(before, stand, _doors(stand, first=first), now)


def go_on(position: Position, now: float) -> Entered:
    """Try the door at which the position stands (again): the freeze may be over. A hook there is asked again."""
    stand, doors = _ahead(position)
    return _through(position, stand, doors, now)


def answered(position: Position, now: float) -> Entered:
    """The hooks at the door have answered well: go on through the next."""
    stand, doors = _ahead(position)
    return _through(position, stand, doors[1:], now)


def answered_in_pause(position: Position) -> Entered:
    """The same while a person holds the rollout: it stands at the next hooks, or before the step."""
    _, doors = _ahead(position)
    passed = next(door for door in doors[1:] if door == READY or asked(position, door))
    at_door = replace(position, asking=key(position, passed))
    return at_door, open_question(at_door)


def take(position: Position) -> Entered:
    """Be in the step for which the position has set out, whatever doors were before it."""
    stand = strategy_of(position).next_step(position, position.step)
    inside = replace(
        position,
        phase=stand.phase,
        weight_bp=stand.weight_bp,
        reason=AT_GATE if stand.phase is Phase.PAUSED else "",
        asking=key(position, GATE) if stand.asks else "",
    )
    return inside, open_question(inside)


def _doors(stand: Stand, *, first: bool) -> tuple[str, ...]:
    return (*((START, "before_rollout") if first else (FREEZE,)), *stand.hooks, READY)


def _ahead(position: Position) -> tuple[Stand, tuple[str, ...]]:
    """The doors from the present one on."""
    stand = strategy_of(position).next_step(position, position.step)
    door = door_of(position)
    doors = _doors(stand, first=door in (START, "before_rollout"))
    return stand, doors[doors.index(door) :]


def _through(position: Position, stand: Stand, doors: tuple[str, ...], now: float) -> Entered:
    for door in doors:
        if door in (START, FREEZE, READY):
            heeded = stand.phase is not Phase.STABLE and not position.forced
            holds = heeded and frozen_until(position.plan.freeze, now) is not None
        else:
            holds = asked(position, door)
        if holds:
            at_door = replace(position, asking=key(position, door))
            return at_door, open_question(at_door)
    return take(position)
