"""The vocabulary of the machine: what may happen to a service (events) and what must be done about it (effects). Plain frozen nouns."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from proxy.model.position import Record, Verdict
from proxy.model.rollout import HookPoint, RolloutPlan


class EventKind(StrEnum):
    """The columns of the machine's table; an operator's verbs are a column each."""

    TARGET_SET = "target_set"
    MEASURED = "measured"
    APPLIED = "applied"
    HEARD = "heard"
    START = "start"
    PROMOTE = "promote"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"
    SWITCH = "switch"
    UNDO = "undo"


VERBS: tuple[EventKind, ...] = (
    EventKind.START,
    EventKind.PROMOTE,
    EventKind.PAUSE,
    EventKind.RESUME,
    EventKind.ABORT,
    EventKind.RETRY,
    EventKind.SWITCH,
    EventKind.UNDO,
)
"""What an operator can say, in the order it is offered."""


class TargetSet(msgspec.Struct, frozen=True):
    """The configuration in force names ``target``; sent at start and after every reload, changed or not.

    ``plan`` is the service's plan as configured now, ``fingerprint`` the target's. ``versions`` maps every configured version to its
    fingerprint: it lets a target that an operator started follow its own version's changes; empty means they are not known.
    ``slow_over_s`` is as in ``Measured``, for the first step of a rollout that begins with this.
    """

    target: str
    fingerprint: str
    plan: RolloutPlan
    by: str = ""
    versions: dict[str, str] = {}
    slow_over_s: float = 0.0


class EndpointLevel(msgspec.Struct, frozen=True):
    """One endpoint (its label) of a version, over all workers: whether each has it in, and what is in flight there.

    Not ``heard``: some worker has not looked at it yet, so it is neither healthy nor ill.
    """

    version: str
    endpoint: str
    healthy: bool
    in_flight: int
    heard: bool = True


class Measured(msgspec.Struct, frozen=True):
    """``dt_s`` seconds were observed since the last of these, in which the split drew ``candidate_requests`` for the candidate.

    In a shadow step those are the copies it has answered. Both are differences, not totals. ``verdict`` is the judge's on everything
    the rollout has counted so far. ``endpoints`` are all of the versions that the strategy looks at, in the configuration's order.
    ``slow_over_s`` is stable's p99 of the last five minutes, 0: not known.
    """

    dt_s: float
    candidate_requests: int
    verdict: Verdict
    endpoints: tuple[EndpointLevel, ...] = ()
    slow_over_s: float = 0.0


class Heard(msgspec.Struct, frozen=True):
    """What came of the ``Ask`` with this ``key``: whether every hook, or the remote gate, answered 2xx, and a sentence about it."""

    key: str
    ok: bool
    reason: str
    figures: dict[str, Any] = {}


class Applied(msgspec.Struct, frozen=True):
    """Every worker serves what the *latest* Publish asked for. An acknowledgement of an earlier one must not be sent.

    ``figures`` (JSON values) are what else is known of it, as of a switch behind a barrier.
    """

    generation: int
    took_s: float
    figures: dict[str, Any] = {}


class Command(msgspec.Struct, frozen=True):
    """An operator's word. ``start`` needs ``to``, and ``plan`` and ``fingerprint`` of that version as configured now.

    ``retry`` takes those two when given, else the ones it was tried with. ``full`` belongs to ``promote``, ``reason`` to ``abort`` and
    ``pause``. ``switch`` needs what ``start`` needs. ``undo`` needs ``to`` (whoever passes it on has found out which version that is)
    and the same of it. ``force`` is recorded: it overrides the schema guard, which whoever passes the command on keeps, and a freeze.
    ``in_place``: ``to`` shares addresses with what is stable, so that only a rolling rollout gets there. ``slow_over_s`` is as in
    ``Measured``, for the first step of a rollout that begins with this.
    """

    verb: Literal["start", "promote", "pause", "resume", "abort", "retry", "switch", "undo"]
    by: str
    to: str = ""
    full: bool = False
    reason: str = ""
    plan: RolloutPlan | None = None
    fingerprint: str = ""
    force: bool = False
    in_place: bool = False
    slow_over_s: float = 0.0


Event = TargetSet | Measured | Applied | Heard | Command


class Publish(msgspec.Struct, frozen=True):
    """What the workers are to serve has changed: build a plan from the new position and publish it, after all records are kept.

    With ``barrier`` every worker holds its new requests until all do, so that no request that starts after another was answered on the
    new plan is answered on the old one.
    """

    barrier: bool = False


class Ask(msgspec.Struct, frozen=True):
    """Call the plan's hooks of ``point``, or the remote gate of the present step, and enter a ``Heard`` with this ``key``.

    It may be asked again after a crash, under the same key; an answer to a key that nothing waits for any more is ignored.
    """

    point: HookPoint | Literal["gate"]
    key: str


Effect = Record | Publish | Ask


_KINDS: Final[dict[type[Event], EventKind]] = {
    TargetSet: EventKind.TARGET_SET,
    Measured: EventKind.MEASURED,
    Applied: EventKind.APPLIED,
    Heard: EventKind.HEARD,
}


def kind_of(event: Event) -> EventKind:
    """The event's column in the table."""
    return EventKind(event.verb) if isinstance(event, Command) else _KINDS[type(event)]
