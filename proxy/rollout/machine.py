"""The rollout machine: ``step(position, event, now) -> (position, effects)``. Pure: no I/O, no clock, no chance.

Theory of operation
-------------------
A service has one *position*. Events move it: the configuration names a target (``TargetSet``), the control loop has measured
(``Measured``), every worker serves what was asked for (``Applied``), an operator says a verb (``Command``). A move answers with
*effects*: first every ``Record``, for the history, then at most one ``Publish``. The caller keeps the new position and the records
in one transaction and only then publishes; so a decision is never in force before it is remembered, and a crash between the two is
repaired by publishing the stored position at the next start. Nothing else is needed to resume: the two phases that wait for workers
(``promoting``, ``rolling_back``) wait for the ``Applied`` of that publication.

    stable -> progressing <-> paused -> promoting -> stable (the candidate is stable now)
                   any of these -> rolling_back -> rolled_back

``TABLE`` is the whole machine: for each (phase, event) a handler and the phases it may lead to. A pair that is not in it is an
``IllegalTransition``, whose text says what is possible. The diagram in docs/rollouts-machine.md is printed from it (``diagram``).

Rules
-----
- *The plan a rollout began with is its plan.* A reload with the same target and fingerprint changes nothing that is under way.
- *A refused target stays refused* until the configuration names another one, its fingerprint changes, or an operator says so.
- *An operator's target stands* until the configuration's target changes (``configured`` remembers what it last said).
- *The guard is on while the candidate has weight*, paused and promoting included. It is heard before the deadline, and that before
  the steps.
- *Time that a person holds is nobody's*: in ``paused`` neither the step's time and requests nor the deadline's advance.
- *A pause of the guard can be overruled by* ``resume`` and acts again only when the evidence has grown by another 1/alpha since:
  evidence over its value at a stopping time is again a supermartingale from 1, so that second alarm has the same bound.
- A position that changed without a ``Record`` (time passed, a reload that says nothing new) is progress, not a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple, NoReturn

import msgspec
from msgspec.structs import replace

from proxy.errors import OperatorError
from proxy.model.position import Finding, Phase, Position, Record, Verdict
from proxy.model.service import Version
from proxy.rollout import moves
from proxy.rollout.events import (
    VERBS,
    Applied,
    Command,
    Effect,
    Event,
    EventKind,
    Measured,
    Publish,
    TargetSet,
    kind_of,
)
from proxy.rollout.moves import Outcome, strategy_of
from proxy.rollout.words import duration

__all__ = [
    "TABLE",
    "Applied",
    "Command",
    "Effect",
    "Event",
    "EventKind",
    "IllegalTransition",
    "Measured",
    "Publish",
    "Record",
    "TargetSet",
    "Transition",
    "fingerprint",
    "initial",
    "possible",
    "step",
    "waiting_for",
]


class IllegalTransition(OperatorError):
    """The event means nothing where the service stands; the text says what an operator can say now."""


def step(position: Position, event: Event, now: float) -> Outcome:
    """Where ``event`` takes a service, and what must be done about it. ``now`` is Unix time. Raises ``IllegalTransition``."""
    if isinstance(event, Command) and event.verb not in VERBS:
        _refuse(position, f"{event.verb!r} is nothing that can be said to a rollout")
    kind = kind_of(event)
    transition = TABLE.get((position.phase, kind))
    if transition is None:
        said = f"cannot {kind.value}" if kind in VERBS else f"{kind.value} means nothing"
        _refuse(position, f"{said} while it is {position.phase.value}")
    after, effects = transition.handler(position, event, now)
    assert after.phase in transition.to, f"{position.phase} and {kind} lead to {after.phase}, which the table does not say"
    if (after.phase, after.rollout, after.step, after.weight_bp) != (
        position.phase,
        position.rollout,
        position.step,
        position.weight_bp,
    ):
        after = replace(after, since_s=now)
    return after, effects


def initial(service: str, target: str, fingerprint: str) -> Position:
    """A service that nothing is remembered of: its target is stable at once, having nothing to be compared with."""
    return Position(service=service, stable=target, target=target, configured=target, fingerprint=fingerprint)


def fingerprint(version: Version) -> str:
    """16 hex digits that change when the version's endpoints (their order does not matter) or labels do."""
    what = (sorted(endpoint.label for endpoint in version.endpoints), sorted(version.labels))
    return sha256(msgspec.json.encode(what)).hexdigest()[:16]


def possible(phase: Phase) -> list[str]:
    """The verbs that an operator can say in this phase."""
    return [verb.value for verb in VERBS if (phase, verb) in TABLE]


def waiting_for(position: Position, candidate_rps: float | None) -> str:
    """What the service waits for now, for people. ``candidate_rps``: requests/s the candidate gets at present, if known."""
    match position.phase:
        case Phase.STABLE:
            return "another target"
        case Phase.ROLLED_BACK:
            return f"another target, a change of {position.candidate}, or retry"
        case Phase.PROMOTING | Phase.ROLLING_BACK:
            return "every worker's acknowledgement"
        case Phase.PAUSED:
            return f"a person: {moves.gate(position) if position.reason == moves.AT_GATE else position.reason}"
        case _:
            return strategy_of(position).waiting_for(position, candidate_rps) or "the guard"


def _refuse(position: Position, text: str, *, but: str = "") -> NoReturn:
    """``but``: the verb that the phase allows and this position does not."""
    verbs = ", ".join(verb for verb in possible(position.phase) if verb != but)
    raise IllegalTransition(f"{position.service}: {text}; possible now: {verbs or 'nothing'}")


# ---- the configuration names a target -------------------------------------------------------------------------------------------


def _wanted(position: Position, event: TargetSet) -> tuple[str, str]:
    """The target and fingerprint in force: the configuration's, unless an operator's own target still stands."""
    own = position.target
    stands = own != position.configured and event.target == position.configured
    if stands and (not event.versions or own in event.versions):
        return own, event.versions.get(own, position.fingerprint)
    return event.target, event.fingerprint


def _target_when_settled(position: Position, event: TargetSet, now: float) -> Outcome:
    target, print_ = _wanted(position, event)
    heard = replace(position, configured=event.target)
    if target == position.stable:
        after = replace(heard, target=target, fingerprint=print_, plan=event.plan)
        if target == position.target:
            return after, ()  # in peace, or its return was what ended the last rollout
        after = replace(after, phase=Phase.STABLE, candidate="", step=0, reason="")
        why = f"{target} is wanted again, and it is stable; {position.candidate} may be tried again when it is named"
        return after, (moves.note("settled", why, position, after, by=event.by),)
    refused = position.phase is Phase.ROLLED_BACK and (target, print_) == (position.target, position.fingerprint)
    if refused:
        return replace(heard, plan=event.plan), ()
    changed = position.phase is Phase.ROLLED_BACK and target == position.target
    why = f"{target} has changed since it was rolled back" if changed else f"the target is {target}"
    after, record = moves.start(heard, target=target, fingerprint=print_, plan=event.plan, why=why, by=event.by)
    return after, (record, Publish())


def _target_when_running(position: Position, event: TargetSet, now: float) -> Outcome:
    target, print_ = _wanted(position, event)
    heard = replace(position, configured=event.target)
    if (target, print_) == (position.target, position.fingerprint):
        return heard, ()
    if target == position.stable:
        heard = replace(heard, target=target, fingerprint=print_)
        if position.phase is Phase.ROLLING_BACK:
            return heard, ()
        return moves.roll_back(heard, why=f"the target is {target} again", by=event.by, kind="abandoned")
    return _abandon_and_start(heard, event, target, print_)


def _abandon_and_start(position: Position, event: TargetSet | Command, target: str, print_: str) -> Outcome:
    """Leave the rollout under way for another: two records, so that the history shows how the first one ended."""
    changed = target == position.candidate and isinstance(event, TargetSet)
    why = f"{target} has changed" if changed else f"the target is {target}"
    plan = event.plan
    assert plan is not None
    after, started = moves.start(position, target=target, fingerprint=print_, plan=plan, why=why, by=event.by)
    kind = "rolled_back" if position.phase is Phase.ROLLING_BACK else "abandoned"
    ended = moves.note(kind, f"{why}; {position.candidate} is left", position, after, by=event.by)
    return after, (ended, started, Publish())


# ---- the control loop has measured ----------------------------------------------------------------------------------------------


def _measured_when_progressing(position: Position, event: Measured, now: float) -> Outcome:
    assert event.dt_s >= 0, "time does not go back"
    assert event.candidate_requests >= 0, "measurements are differences"
    verdict = event.verdict
    after = replace(
        position,
        step_elapsed_s=position.step_elapsed_s + event.dt_s,
        step_requests=position.step_requests + event.candidate_requests,
        elapsed_s=position.elapsed_s + event.dt_s,
    )
    if verdict.finding is Finding.ROLLBACK:
        return moves.roll_back(after, why=verdict.reason, figures=verdict.figures)
    if verdict.finding is Finding.PAUSE and _alarms(position, verdict):
        return _pause_by_guard(after, verdict)
    if position.elapsed_s < position.plan.deadline_s <= after.elapsed_s:
        why = f"not promoted within {duration(position.plan.deadline_s)}"
        if position.plan.on_deadline == "pause":
            return moves.pause(after, why=why, figures=verdict.figures)
        return moves.roll_back(after, why=why, figures=verdict.figures)
    if strategy_of(after).is_done(after) and _silent(verdict):
        why = f"{after.step_requests} candidate requests in {duration(after.step_elapsed_s)}: {verdict.reason}"
        return moves.advance(after, after.step + 1, why=why, figures=verdict.figures)
    return after, ()


def _measured_when_paused(position: Position, event: Measured, now: float) -> Outcome:
    verdict = event.verdict
    if verdict.finding is Finding.ROLLBACK:
        return moves.roll_back(position, why=verdict.reason, figures=verdict.figures)
    if verdict.finding is not Finding.PAUSE:
        return position, ()
    if _alarms(position, verdict):
        return _pause_by_guard(position, verdict)
    # The person who resumes has seen the evidence of that moment, not only that of the pause.
    return replace(position, guard_floor=max(position.guard_floor, verdict.figures.get("log_evidence", 0.0))), ()


def _measured_when_promoting(position: Position, event: Measured, now: float) -> Outcome:
    if event.verdict.finding is Finding.ROLLBACK:
        return moves.roll_back(position, why=event.verdict.reason, figures=event.verdict.figures)
    return position, ()


def _alarms(position: Position, verdict: Verdict) -> bool:
    """Whether a PAUSE says more than the last one did. One that gives no evidence does so once, while progressing."""
    evidence = verdict.figures.get("log_evidence")
    if evidence is None:
        return position.phase is Phase.PROGRESSING
    return bool(evidence >= position.guard_floor + verdict.figures["threshold"])


def _pause_by_guard(position: Position, verdict: Verdict) -> Outcome:
    noted = replace(position, guard_floor=verdict.figures.get("log_evidence", position.guard_floor))
    return moves.pause(noted, why=verdict.reason, figures=verdict.figures)


def _silent(verdict: Verdict) -> bool:
    """Whether the guard lets a step end: nothing against the candidate, or no failure to judge, or a pause that was overruled."""
    if verdict.finding is Finding.HOLD:
        return not verdict.figures.get("candidate_failures", 0)
    return True


# ---- every worker serves what was asked for -------------------------------------------------------------------------------------


def _rollback_applied(position: Position, event: Applied, now: float) -> Outcome:
    return moves.settle_rolled_back(position, event, now)


def _promotion_applied(position: Position, event: Applied, now: float) -> Outcome:
    return moves.settle_promoted(position, event, now)


def _nothing(position: Position, event: Event, now: float) -> Outcome:
    """It happens here and changes nothing: late counts, and acknowledgements of reloads and of steps."""
    return position, ()


# ---- an operator's verbs --------------------------------------------------------------------------------------------------------


def _start(position: Position, event: Command, now: float) -> Outcome:
    if event.to == position.stable:
        _refuse(position, f"{event.to} is stable already")
    assert event.plan is not None, "whoever passes the command on knows the service's plan"
    assert event.fingerprint, "and the version's fingerprint"
    running = position.phase not in (Phase.STABLE, Phase.ROLLED_BACK)
    if running and position.phase is not Phase.ROLLING_BACK and event.to == position.candidate:
        _refuse(position, f"a rollout to {event.to} is under way")
    if running:
        return _abandon_and_start(position, event, event.to, event.fingerprint)
    after, record = moves.start(
        position,
        target=event.to,
        fingerprint=event.fingerprint,
        plan=event.plan,
        why=f"started by {event.by}",
        by=event.by,
    )
    return after, (record, Publish())


def _retry(position: Position, event: Command, now: float) -> Outcome:
    if position.target == position.stable:
        _refuse(position, f"nothing to retry: the target is {position.target}, which is stable", but=event.verb)
    after, record = moves.start(
        position,
        target=position.target,
        fingerprint=event.fingerprint or position.fingerprint,
        plan=event.plan or position.plan,
        why=f"tried again by {event.by}",
        by=event.by,
    )
    return after, (record, Publish())


def _promote(position: Position, event: Command, now: float) -> Outcome:
    if event.full:
        return moves.promote(position, why=f"promoted in full by {event.by}", by=event.by)
    return moves.advance(position, position.step + 1, why=f"promoted by {event.by}", by=event.by)


def _pause(position: Position, event: Command, now: float) -> Outcome:
    return moves.pause(position, why=event.reason or f"paused by {event.by}", by=event.by)


def _resume(position: Position, event: Command, now: float) -> Outcome:
    if moves.at_gate(position):
        _refuse(position, f"it waits at the {moves.gate(position)}, which promote passes", but=event.verb)
    return moves.resume(position, by=event.by)


def _abort(position: Position, event: Command, now: float) -> Outcome:
    return moves.roll_back(position, why=event.reason or f"aborted by {event.by}", by=event.by)


# ---- the table ------------------------------------------------------------------------------------------------------------------


class Transition(NamedTuple):
    """What happens at a pair of the table, and every phase it may lead to."""

    handler: Callable[[Position, Any, float], Outcome]
    to: tuple[Phase, ...]


_AT_FIRST_STEP = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)  # whichever the plan's first step is

TABLE: Final[dict[tuple[Phase, EventKind], Transition]] = {
    (Phase.STABLE, EventKind.TARGET_SET): Transition(_target_when_settled, (Phase.STABLE, *_AT_FIRST_STEP)),
    (Phase.STABLE, EventKind.MEASURED): Transition(_nothing, (Phase.STABLE,)),
    (Phase.STABLE, EventKind.APPLIED): Transition(_nothing, (Phase.STABLE,)),
    (Phase.STABLE, EventKind.START): Transition(_start, _AT_FIRST_STEP),
    #
    (Phase.PROGRESSING, EventKind.TARGET_SET): Transition(_target_when_running, (*_AT_FIRST_STEP, Phase.ROLLING_BACK)),
    (Phase.PROGRESSING, EventKind.MEASURED): Transition(_measured_when_progressing, (*_AT_FIRST_STEP, Phase.ROLLING_BACK)),
    (Phase.PROGRESSING, EventKind.APPLIED): Transition(_nothing, (Phase.PROGRESSING,)),
    (Phase.PROGRESSING, EventKind.START): Transition(_start, _AT_FIRST_STEP),
    (Phase.PROGRESSING, EventKind.PROMOTE): Transition(_promote, _AT_FIRST_STEP),
    (Phase.PROGRESSING, EventKind.PAUSE): Transition(_pause, (Phase.PAUSED,)),
    (Phase.PROGRESSING, EventKind.ABORT): Transition(_abort, (Phase.ROLLING_BACK,)),
    #
    (Phase.PAUSED, EventKind.TARGET_SET): Transition(_target_when_running, (*_AT_FIRST_STEP, Phase.ROLLING_BACK)),
    (Phase.PAUSED, EventKind.MEASURED): Transition(_measured_when_paused, (Phase.PAUSED, Phase.ROLLING_BACK)),
    (Phase.PAUSED, EventKind.APPLIED): Transition(_nothing, (Phase.PAUSED,)),
    (Phase.PAUSED, EventKind.START): Transition(_start, _AT_FIRST_STEP),
    (Phase.PAUSED, EventKind.PROMOTE): Transition(_promote, _AT_FIRST_STEP),
    (Phase.PAUSED, EventKind.RESUME): Transition(_resume, (Phase.PROGRESSING,)),
    (Phase.PAUSED, EventKind.ABORT): Transition(_abort, (Phase.ROLLING_BACK,)),
    #
    (Phase.PROMOTING, EventKind.TARGET_SET): Transition(_target_when_running, (*_AT_FIRST_STEP, Phase.ROLLING_BACK)),
    (Phase.PROMOTING, EventKind.MEASURED): Transition(_measured_when_promoting, (Phase.PROMOTING, Phase.ROLLING_BACK)),
    (Phase.PROMOTING, EventKind.APPLIED): Transition(_promotion_applied, (Phase.STABLE,)),
    (Phase.PROMOTING, EventKind.START): Transition(_start, _AT_FIRST_STEP),
    (Phase.PROMOTING, EventKind.ABORT): Transition(_abort, (Phase.ROLLING_BACK,)),
    #
    (Phase.ROLLING_BACK, EventKind.TARGET_SET): Transition(_target_when_running, (*_AT_FIRST_STEP, Phase.ROLLING_BACK)),
    (Phase.ROLLING_BACK, EventKind.MEASURED): Transition(_nothing, (Phase.ROLLING_BACK,)),
    (Phase.ROLLING_BACK, EventKind.APPLIED): Transition(_rollback_applied, (Phase.ROLLED_BACK,)),
    (Phase.ROLLING_BACK, EventKind.START): Transition(_start, _AT_FIRST_STEP),
    #
    (Phase.ROLLED_BACK, EventKind.TARGET_SET): Transition(_target_when_settled, (Phase.ROLLED_BACK, Phase.STABLE, *_AT_FIRST_STEP)),
    (Phase.ROLLED_BACK, EventKind.MEASURED): Transition(_nothing, (Phase.ROLLED_BACK,)),
    (Phase.ROLLED_BACK, EventKind.APPLIED): Transition(_nothing, (Phase.ROLLED_BACK,)),
    (Phase.ROLLED_BACK, EventKind.START): Transition(_start, _AT_FIRST_STEP),
    (Phase.ROLLED_BACK, EventKind.RETRY): Transition(_retry, _AT_FIRST_STEP),
}
"""The whole machine. ``shadowing`` has no row yet: no strategy leads to it."""
