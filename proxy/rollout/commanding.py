"""What the machine does with an operator's word: the handlers of the verbs. The table says where each is possible."""

from __future__ import annotations

from msgspec.structs import replace

from proxy.model.position import RESTING, Phase, Position
from proxy.model.rollout import RolloutPlan
from proxy.rollout import batches, moves, rolling
from proxy.rollout.events import Command, Publish
from proxy.rollout.freeze import frozen_until, told
from proxy.rollout.moves import Outcome
from proxy.rollout.strategies import strategy_of
from proxy.rollout.targets import left_for
from proxy.rollout.words import listed


class Refused(Exception):
    """Not an error of anybody's: the machine makes an ``IllegalTransition`` of it, with what is possible.

    This position does not allow what its phase does. ``but`` is the verb that is then not possible.
    """

    def __init__(self, why: str, *, but: str = "") -> None:
        super().__init__(why)
        self.but = but


def start(position: Position, event: Command, now: float) -> Outcome:
    """A rollout to a version of the operator's choice; one under way is left for it."""
    plan = _to_a_version(position, event)
    if _running(position) and position.phase is not Phase.ROLLING_BACK and event.to == position.candidate:
        raise Refused(f"a rollout to {event.to} is under way")
    return _begin(position, event, now, plan=plan, why=f"started by {event.by}")


def retry(position: Position, event: Command, now: float) -> Outcome:
    """The target that was rolled back, from the beginning."""
    if position.target == position.stable:
        raise Refused(f"nothing to retry: the target is {position.target}, which is stable", but=event.verb)
    plan = event.plan or position.plan
    forced = _forced(plan, event, now)
    return moves.start(
        position,
        now,
        target=position.target,
        fingerprint=event.fingerprint or position.fingerprint,
        plan=plan,
        why=f"tried again by {event.by}{forced}",
        by=event.by,
        forced=bool(forced),
        slow_over_s=event.slow_over_s,
    )


def promote(position: Position, event: Command, now: float) -> Outcome:
    """A step on, whatever the present one or the door before it still waits for; ``full``: past all that are left."""
    _unless_frozen(position.plan, event, now, "goes a step on")
    forced = _forced(position.plan, event, now)
    strategy = strategy_of(position)
    if event.full and strategy.IN_BATCHES:
        return _promote_all(position, event, forced)
    if event.full:
        last = len(position.plan.steps) + 1
        return moves.advance(position, last, now, why=f"promoted in full by {event.by}{forced}", by=event.by, forced=bool(forced))
    why = f"promoted by {event.by}{forced}"
    if strategy.IN_BATCHES and (position.part or not position.asking):
        return _promote_batch(position, event, why, forced=bool(forced))
    preview = strategy.TOGETHER and position.step >= len(position.plan.steps)
    if preview and position.coming and not event.force:
        raise Refused(
            f"{listed(position.coming)} of {position.candidate} is not known to be healthy, and everything would go there; "
            "promote --full does it all the same",
            but=event.verb,
        )
    if position.asking and not position.asking.endswith("/gate"):
        return moves.pass_door(position, why=why, by=event.by, forced=bool(forced))
    return moves.advance(position, position.step + 1, now, why=why, by=event.by, forced=bool(forced), slow_over_s=event.slow_over_s)


def _promote_batch(position: Position, event: Command, why: str, *, forced: bool) -> Outcome:
    """Of a rolling rollout: the next batch, or past this one's hooks. Whether endpoints are ready is not for a person to say."""
    if position.part in ("", rolling.DUE):
        return batches.next_due(position, why=why, by=event.by, forced=forced)
    if position.part == rolling.HOOK:
        return batches.hooks_passed(position, why=why, by=event.by)
    how = "resume" if position.phase is Phase.PAUSED else "wait for it"
    if not position.shared:
        how += ", or give everything at once with promote --full"
    raise Refused(f"a batch is under way, and is ready when its endpoints are; {how}", but=event.verb)


def _promote_all(position: Position, event: Command, forced: str) -> Outcome:
    if position.shared:
        raise Refused(
            f"{position.shared} of {position.candidate}'s endpoints are addresses of {position.stable}, whose instances have to be "
            "replaced one batch after the other",
            but=event.verb,
        )
    return moves.promote_now(position, why=f"promoted in full by {event.by}{forced}", by=event.by)


def pause(position: Position, event: Command, now: float) -> Outcome:
    """Stay as it is until somebody says otherwise."""
    return moves.pause(position, why=event.reason or f"paused by {event.by}", by=event.by)


def resume(position: Position, event: Command, now: float) -> Outcome:
    """Go on where the pause began."""
    if moves.at_gate(position):
        raise Refused(f"it waits at the {moves.gate(position)}, which promote passes", but=event.verb)
    if position.part:
        return batches.resumed(position, by=event.by)
    return moves.resume(position, now, by=event.by)


def abort(position: Position, event: Command, now: float) -> Outcome:
    """Everything back to stable."""
    return moves.roll_back(position, why=event.reason or f"aborted by {event.by}", by=event.by)


def switch(position: Position, event: Command, now: float) -> Outcome:
    """Everything to a version at once and together, whatever is under way."""
    why = f"switched by {event.by}" + (f": {event.reason}" if event.reason else "")
    if event.to == position.stable and _running(position):
        if position.phase is Phase.ROLLING_BACK:
            raise Refused(f"it is going back to {event.to} already", but=event.verb)
        wanted = replace(position, target=event.to, fingerprint=event.fingerprint)
        at_once = "" if position.shared else f"; everything to {event.to} at once"
        return moves.roll_back(wanted, why=why + at_once, by=event.by, barrier=True)
    plan = _to_a_version(position, event)
    _apart(position, event)
    if position.phase is Phase.PROMOTING and event.to == position.candidate:
        raise Refused(f"everything goes to {event.to} already", but=event.verb)
    if event.to != position.previous:
        _unless_frozen(plan, event, now, f"switches to {event.to}")
        why += _forced(plan, event, now)
    return _cut_over(position, event, plan, why)


def undo(position: Position, event: Command, now: float) -> Outcome:
    """Back to what was stable before: at once while the promotion is young, with steps when it is not."""
    plan = _to_a_version(position, event)
    young = now - position.promoted_s <= plan.undo_window_s
    if event.to == position.previous and young and not event.in_place:
        return _cut_over(position, event, plan, f"undone by {event.by}" + (f": {event.reason}" if event.reason else ""))
    return _begin(position, event, now, plan=replace(plan, freeze=()), why=f"undone by {event.by}")


def _running(position: Position) -> bool:
    return position.phase not in RESTING


def _to_a_version(position: Position, event: Command) -> RolloutPlan:
    """The plan that the command brings. Raises ``Refused`` when the version is stable already."""
    if event.to == position.stable:
        raise Refused(f"{event.to} is stable already")
    assert event.plan is not None, "whoever passes the command on knows the service's plan"
    assert event.fingerprint, "and the version's fingerprint"
    return event.plan


def _begin(position: Position, event: Command, now: float, *, plan: RolloutPlan, why: str) -> Outcome:
    forced = _forced(plan, event, now)
    begun = moves.start(
        position,
        now,
        target=event.to,
        fingerprint=event.fingerprint,
        plan=plan,
        why=f"{why}{forced}",
        by=event.by,
        forced=bool(forced),
        slow_over_s=event.slow_over_s,
    )
    return left_for(position, begun, why=f"the target is {event.to}", by=event.by) if _running(position) else begun


def _cut_over(position: Position, event: Command, plan: RolloutPlan, why: str) -> Outcome:
    under_way = _running(position) and position.phase is not Phase.ROLLING_BACK and event.to == position.candidate
    if under_way:
        begun = replace(position, target=event.to, fingerprint=event.fingerprint)
    else:
        begun = moves.began(position, target=event.to, fingerprint=event.fingerprint, plan=plan)
    after, record = moves.cut_over(position, begun, why=why, by=event.by)
    outcome: Outcome = (after, (record, Publish(barrier=True)))
    if _running(position) and not under_way:
        return left_for(position, outcome, why=f"the target is {event.to}", by=event.by)
    return outcome


def _apart(position: Position, event: Command) -> None:
    if event.in_place:
        raise Refused(
            f"{event.to} has addresses of {position.stable}, so no request can be switched between them; "
            "replace the instances with a rolling rollout",
            but=event.verb,
        )


def _forced(plan: RolloutPlan, event: Command, now: float) -> str:
    """What the history says of a freeze that was overruled; empty when none was."""
    until = frozen_until(plan.freeze, now)
    return f", by force, although it is frozen until {told(until, plan.freeze)}" if event.force and until is not None else ""


def _unless_frozen(plan: RolloutPlan, event: Command, now: float, what: str) -> None:
    until = frozen_until(plan.freeze, now)
    if until is not None and not event.force:
        raise Refused(f"frozen until {told(until, plan.freeze)}: nothing {what} before, unless by force", but=event.verb)
