"""The rollout machine: ``step(position, event, now) -> (position, effects)``. Pure: no I/O, no clock, no chance.

Theory of operation
-------------------
A service has one *position*. Events move it: the configuration names a target (``TargetSet``), the control loop has measured
(``Measured``), hooks or a gate have answered (``Heard``), every worker serves what was asked for (``Applied``), an operator says a verb
(``Command``). A move answers with *effects*: first every ``Record``, for the history, then at most one ``Publish``, then what is asked
of the world (``Ask``). The caller keeps the new position and the records in one transaction and only then does the rest; so a decision
is never in force before it is remembered, and a crash between the two is repaired by publishing the stored position at the next start
and asking again what it still waits for (``open_question``). Nothing else is needed to resume: the two phases that wait for workers
(``promoting``, ``rolling_back``) wait for the ``Applied`` of that publication.

    stable -> shadowing, progressing <-> paused -> promoting -> stable (the candidate is stable now)
                   any of these -> rolling_back -> rolled_back

``TABLE`` is the whole machine: for each (phase, event) a handler and the phases it may lead to. A pair that is not in it is an
``IllegalTransition``, whose text says what is possible. The diagram in docs/rollouts-machine.md is printed from it (``diagram``). The
handlers are in files by kind of event: ``targets``, ``measuring``, ``commanding``; what they have in common in ``moves``; the way into
a step (hooks, freezes) in ``entering``; which step comes next in a file for each strategy.

Rules
-----
- *The plan a rollout began with is its plan.* A reload with the same target and fingerprint changes nothing that is under way.
- *A refused target stays refused* until the configuration names another one, its fingerprint changes, or an operator says so. So does
  one that had its shadow rollout.
- *An operator's target stands* until the configuration's target changes (``configured`` remembers what it last said).
- *The guard is on while the candidate has weight*, paused and promoting included. It is heard before the deadline, and that before
  the steps.
- *Time that a person holds is nobody's*: in ``paused`` neither the step's time and requests nor the deadline's advance, nor while a
  freeze is all that a rollout waits for.
- *No freeze and no hook is in the way back*: rollback, abort, undo, and switching to what was stable before.
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
from proxy.model.position import Phase, Position, Record
from proxy.model.service import Version
from proxy.rollout import commanding, measuring, targets
from proxy.rollout.entering import open_question
from proxy.rollout.events import (
    VERBS,
    Applied,
    Ask,
    Command,
    Effect,
    Event,
    EventKind,
    Heard,
    Measured,
    Publish,
    TargetSet,
    kind_of,
)
from proxy.rollout.moves import Outcome
from proxy.rollout.waiting import waiting_for

__all__ = [
    "TABLE",
    "Applied",
    "Ask",
    "Command",
    "Effect",
    "Event",
    "EventKind",
    "Heard",
    "IllegalTransition",
    "Measured",
    "Publish",
    "Record",
    "TargetSet",
    "Transition",
    "fingerprint",
    "initial",
    "open_question",
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
    try:
        after, effects = transition.handler(position, event, now)
    except commanding.Refused as refused:
        _refuse(position, str(refused), but=refused.but)
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


def _refuse(position: Position, text: str, *, but: str = "") -> NoReturn:
    """``but``: the verb that the phase allows and this position does not."""
    verbs = ", ".join(verb for verb in possible(position.phase) if verb != but)
    raise IllegalTransition(f"{position.service}: {text}; possible now: {verbs or 'nothing'}")


# ---- the table ------------------------------------------------------------------------------------------------------------------


class Transition(NamedTuple):
    """What happens at a pair of the table, and every phase it may lead to."""

    handler: Callable[[Position, Any, float], Outcome]
    to: tuple[Phase, ...]


_STABLE, _SHADOWING, _PROGRESSING, _PAUSED = Phase.STABLE, Phase.SHADOWING, Phase.PROGRESSING, Phase.PAUSED
_PROMOTING, _ROLLING_BACK, _ROLLED_BACK = Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK

_FIRST = (_SHADOWING, _PROGRESSING, _PAUSED, _PROMOTING)
"""Whichever the plan's first step is; a plan without steps promotes at once."""

_NEXT = (*_FIRST, _STABLE)
"""Whichever the plan's next step is, or the end of a plan that promotes nothing."""

_HERE: Final = None
"""The phase itself."""

_Row = dict[EventKind, tuple[Callable[[Position, Any, float], Outcome], tuple[Phase | None, ...]]]

_AT_REST: Final[_Row] = {
    EventKind.TARGET_SET: (targets.when_settled, (_HERE, _STABLE, *_FIRST)),
    EventKind.MEASURED: (measuring.nothing, (_HERE,)),
    EventKind.APPLIED: (measuring.nothing, (_HERE,)),
    EventKind.HEARD: (measuring.heard_when_resting, (_HERE,)),
    EventKind.START: (commanding.start, _FIRST),
    EventKind.SWITCH: (commanding.switch, (_PROMOTING,)),
    EventKind.UNDO: (commanding.undo, _FIRST),
}

_IN_NEXT: Final[_Row] = {
    EventKind.TARGET_SET: (targets.when_running, (_HERE, *_FIRST, _ROLLING_BACK)),
    EventKind.MEASURED: (measuring.when_progressing, (_HERE, *_NEXT, _ROLLING_BACK)),
    EventKind.APPLIED: (measuring.nothing, (_HERE,)),
    EventKind.HEARD: (measuring.heard_when_progressing, (_HERE, *_NEXT, _ROLLING_BACK)),
    EventKind.START: (commanding.start, _FIRST),
    EventKind.PROMOTE: (commanding.promote, _NEXT),
    EventKind.PAUSE: (commanding.pause, (_PAUSED,)),
    EventKind.ABORT: (commanding.abort, (_ROLLING_BACK,)),
    EventKind.SWITCH: (commanding.switch, (_PROMOTING, _ROLLING_BACK)),
}

_HELD: Final[_Row] = {
    EventKind.TARGET_SET: (targets.when_running, (_HERE, *_FIRST, _ROLLING_BACK)),
    EventKind.MEASURED: (measuring.when_paused, (_HERE, _ROLLING_BACK)),
    EventKind.APPLIED: (measuring.nothing, (_HERE,)),
    EventKind.HEARD: (measuring.heard_when_paused, (_HERE, _ROLLING_BACK)),
    EventKind.START: (commanding.start, _FIRST),
    EventKind.PROMOTE: (commanding.promote, _NEXT),
    EventKind.RESUME: (commanding.resume, _NEXT),
    EventKind.ABORT: (commanding.abort, (_ROLLING_BACK,)),
    EventKind.SWITCH: (commanding.switch, (_PROMOTING, _ROLLING_BACK)),
}

_GOING_ON: Final[_Row] = {
    EventKind.TARGET_SET: (targets.when_running, (_HERE, *_FIRST, _ROLLING_BACK)),
    EventKind.MEASURED: (measuring.when_promoting, (_HERE, _ROLLING_BACK)),
    EventKind.APPLIED: (measuring.promotion_applied, (_STABLE,)),
    EventKind.HEARD: (measuring.nothing, (_HERE,)),
    EventKind.START: (commanding.start, _FIRST),
    EventKind.ABORT: (commanding.abort, (_ROLLING_BACK,)),
    EventKind.SWITCH: (commanding.switch, (_PROMOTING, _ROLLING_BACK)),
}

_GOING_BACK: Final[_Row] = {
    EventKind.TARGET_SET: (targets.when_running, (_HERE, *_FIRST)),
    EventKind.MEASURED: (measuring.when_rolling_back, (_HERE,)),
    EventKind.APPLIED: (measuring.rollback_applied, (_HERE, _ROLLED_BACK)),
    EventKind.HEARD: (measuring.heard_when_rolling_back, (_HERE,)),
    EventKind.START: (commanding.start, _FIRST),
    EventKind.SWITCH: (commanding.switch, (_PROMOTING,)),
}

_ROWS: Final[dict[Phase, _Row]] = {
    _STABLE: _AT_REST,
    _SHADOWING: _IN_NEXT,
    _PROGRESSING: _IN_NEXT,
    _PAUSED: _HELD,
    _PROMOTING: _GOING_ON,
    _ROLLING_BACK: _GOING_BACK,
    _ROLLED_BACK: {**_AT_REST, EventKind.RETRY: (commanding.retry, _FIRST)},
}

TABLE: Final[dict[tuple[Phase, EventKind], Transition]] = {
    (phase, kind): Transition(handler, tuple(dict.fromkeys(phase if to is None else to for to in leads)))
    for phase, row in _ROWS.items()
    for kind, (handler, leads) in row.items()
}
"""The whole machine: a row a phase, a column a kind of event."""
