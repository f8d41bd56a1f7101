"""What the machine does when the configuration names a target: the handlers of ``target_set``, by how a service stands."""

from __future__ import annotations

from msgspec.structs import replace

from proxy.model.position import Phase, Position
from proxy.rollout import moves
from proxy.rollout.events import TargetSet
from proxy.rollout.moves import Outcome


def when_settled(position: Position, event: TargetSet, now: float) -> Outcome:
    """Nothing is being tried: a target that is not stable is, unless it was refused or has had its shadow rollout."""
    target, print_ = _wanted(position, event)
    heard = replace(position, configured=event.target)
    if target == position.stable:
        after = replace(heard, target=target, fingerprint=print_, plan=event.plan)
        if target == position.target:
            return after, ()  # in peace, or its return was what ended the last rollout
        tried = position.candidate or position.target
        after = replace(after, phase=Phase.STABLE, candidate="", step=0, reason="", asking="")
        why = f"{target} is wanted again, and it is stable; {tried} may be tried again when it is named"
        return after, (moves.note("settled", why, position, after, by=event.by),)
    if (target, print_) == (position.target, position.fingerprint):
        return replace(heard, plan=event.plan), ()  # it was tried
    changed = target == position.target
    tried_how = "rolled back" if position.phase is Phase.ROLLED_BACK else "tried"
    why = f"{target} has changed since it was {tried_how}" if changed else f"the target is {target}"
    return moves.start(
        heard, now, target=target, fingerprint=print_, plan=event.plan, why=why, by=event.by, slow_over_s=event.slow_over_s
    )


def when_running(position: Position, event: TargetSet, now: float) -> Outcome:
    """A rollout is under way: it goes on unless another target, or a changed one, is named."""
    target, print_ = _wanted(position, event)
    heard = replace(position, configured=event.target)
    if (target, print_) == (position.target, position.fingerprint):
        return heard, ()
    if target == position.stable:
        heard = replace(heard, target=target, fingerprint=print_)
        if position.phase is Phase.ROLLING_BACK:
            return heard, ()
        return moves.roll_back(heard, why=f"the target is {target} again", by=event.by, kind="abandoned")
    changed = target == position.candidate
    why = f"{target} has changed" if changed else f"the target is {target}"
    begun = moves.start(
        heard, now, target=target, fingerprint=print_, plan=event.plan, why=why, by=event.by, slow_over_s=event.slow_over_s
    )
    return left_for(heard, begun, why=why, by=event.by)


def left_for(position: Position, begun: Outcome, *, why: str, by: str) -> Outcome:
    """Leave the rollout under way for another: one more record, so that the history shows how the first one ended."""
    after, effects = begun
    kind = "rolled_back" if position.phase is Phase.ROLLING_BACK else "abandoned"
    ended = moves.note(kind, f"{why}; {position.candidate} is left", position, after, by=by)
    return after, (ended, *effects)


def _wanted(position: Position, event: TargetSet) -> tuple[str, str]:
    """The target and fingerprint in force: the configuration's, unless an operator's own target still stands."""
    own = position.target
    stands = own != position.configured and event.target == position.configured
    if stands and (not event.versions or own in event.versions):
        return own, event.versions.get(own, position.fingerprint)
    return event.target, event.fingerprint
