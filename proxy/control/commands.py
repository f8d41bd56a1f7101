"""From an operator's word to a move that is in effect: names are looked up, the schema guard is asked, the machine decides.

Knows nothing of HTTP or queues; whoever said it is answered by the reply of ``CommandGiven``.
"""

from __future__ import annotations

from msgspec.structs import replace

from proxy import limits
from proxy.clock import Clock
from proxy.control import schema_guard
from proxy.control.decisions import Decisions
from proxy.control.events import CommandGiven, Unable, UnknownName, answer, fail
from proxy.control.ledger import Ledger
from proxy.control.standing import Move, Standing
from proxy.control.undoing import undone_to
from proxy.errors import OperatorError, PlanRefused
from proxy.model.position import Position
from proxy.model.service import Service, Version
from proxy.rollout.events import Command
from proxy.rollout.freeze import frozen_until, told
from proxy.rollout.machine import fingerprint

NAMING = ("start", "switch")
"""Verbs that mean nothing without a version."""

LIVE = ("start", "retry", "promote", "switch", "undo")
"""Verbs that make a version live, or begin to."""


def shares_addresses(service: Service, one: str, other: str) -> bool:
    """Whether two versions have an endpoint in common: then it is the instance that is replaced, and no request can be switched."""
    versions = [service.version(name) for name in (one, other)]
    first, second = ({endpoint.label for endpoint in version.endpoints} if version else set() for version in versions)
    return bool(first & second)


class Commands:
    """What operators say, put into effect one after the other by the control loop."""

    def __init__(self, decisions: Decisions, ledger: Ledger, clock: Clock) -> None:
        self._decisions = decisions
        self._ledger = ledger
        self._clock = clock

    async def obey(self, given: CommandGiven) -> None:
        """Do it, or say why not; either way whoever said it is answered."""
        try:
            await self._decisions.enact([await self._move(given)])
        except OperatorError as error:
            fail(given.reply, error)
        except PlanRefused as refusal:
            fail(given.reply, Unable(f"nothing was changed, for a worker refused it: {refusal}"))
        else:
            answer(given.reply, None)

    async def _move(self, given: CommandGiven) -> Move:
        service, standing = self._meant(given.service)
        version = await self._version(given, service, standing)
        command = Command(
            verb=given.verb,  # type: ignore[arg-type]  # the machine refuses a verb it does not know
            by=given.by,
            to=version.name if version is not None and given.verb in (*NAMING, "undo") else given.to,
            full=given.full,
            reason=given.reason,
            plan=service.rollout,
            fingerprint=fingerprint(version) if version else "",
            force=given.force,
            in_place=version is not None and shares_addresses(service, version.name, standing.position.stable),
        )
        return self._guarded(given, service, version, standing.stepped(command, self._clock.wall()), standing.position)

    def _meant(self, name: str) -> tuple[Service, Standing]:
        intent = self._decisions.intent
        service = intent.service(name)
        if service is None:
            raise UnknownName(f"no service {name!r}; there is {', '.join(s.name for s in intent.services)}")
        standing = self._decisions.standings.get(name)
        if standing is None:
            raise OperatorError(f"service {name} has a fixed traffic split and no rollouts; give it target: instead of traffic:")
        return service, standing

    async def _version(self, given: CommandGiven, service: Service, standing: Standing) -> Version | None:
        """The version that the verb is about; None when it is about none."""
        position = standing.position
        if given.verb == "undo":
            history = await self._ledger.history(service.name, limits.HISTORY_REVISIONS_KEPT)
            return undone_to(service, position, history, given.to)
        if given.verb in NAMING and not given.to:
            raise OperatorError(f"{given.verb} needs the version: to")
        wanted = given.to or (position.candidate if given.verb == "promote" else position.target)
        version = service.version(wanted)
        if version is None and given.verb in (*NAMING, "retry"):
            raise UnknownName(
                f"service {given.service} has no version {wanted!r}; it has {', '.join(v.name for v in service.versions)}"
            )
        return version

    def _guarded(self, given: CommandGiven, service: Service, version: Version | None, move: Move, before: Position) -> Move:
        """The move, unless it makes a version live that does not run on the present schema. What force has overruled is recorded."""
        if given.verb not in LIVE or version is None or version.name == before.stable:
            return move
        why = schema_guard.unfit(service, version)
        if why and not given.force:
            raise schema_guard.refuse(service, given.verb, why)
        plan = before.plan if given.verb == "promote" else service.rollout
        until = frozen_until(plan.freeze, self._clock.wall()) if given.force else None
        frozen = f"frozen until {told(until, plan.freeze)}" if until is not None else ""
        overruled = "; ".join(filter(None, (why, frozen)))
        if not overruled:
            return move
        first, *rest = move.records
        forced = replace(first, reason=f"{first.reason}; forced: {overruled}", figures={**first.figures, "forced": overruled})
        return replace(move, records=(forced, *rest))
