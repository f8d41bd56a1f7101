"""What a new configuration would do to live traffic, if it were put into effect now. Decides and changes nothing.

What has changed is said by ``config.diff``; here it meets what runs: requests a second, rollouts, and whatever a reload would refuse.
What a rollout would make of it is not guessed: the machine is asked, and its answer thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from proxy.config.diff import Changes, RouteChange, ServiceChange, changes, leads_to
from proxy.control.reload import refusals, target_set
from proxy.errors import DownstreamError, OperatorError
from proxy.model.intent import Intent
from proxy.model.plan import RoutePlan, ServicePlan
from proxy.model.position import RESTING, Position, Record
from proxy.model.route import Match, Route
from proxy.rollout.machine import step
from proxy.routing.table import Leg, Table
from proxy.wire.request import Starts, new_table, parse

NOWHERE = "no route (404)"
_UNNAMED_HOST = "any.invalid"  # stands for every host; RFC 6761 keeps it from being anybody's


class RouteEffect(msgspec.Struct, frozen=True):
    """``rps`` are its requests a second now (None: it is not there yet). ``instead``: of a route that goes, who gets its requests then;
    of one that comes, who has them now; empty where a single request cannot stand for it.
    """

    change: RouteChange
    rps: float | None = None
    instead: str = ""


class ServiceEffect(msgspec.Struct, frozen=True):
    """``rps`` are its requests a second now (None: it is not there yet)."""

    change: ServiceChange
    rps: float | None = None


class RolloutEffect(msgspec.Struct, frozen=True):
    """``records`` are what its history would say, ``notes`` what would not happen although it may seem so."""

    service: str
    phase: str
    candidate: str
    records: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()


class Preview(msgspec.Struct, frozen=True):
    """``same``: nothing would change. ``refused``: why a reload would take none of it; empty when it would."""

    same: bool
    refused: tuple[str, ...] = ()
    routes: tuple[RouteEffect, ...] = ()
    services: tuple[ServiceEffect, ...] = ()
    rollouts: tuple[RolloutEffect, ...] = ()
    rest: tuple[dict[str, Any], ...] = ()


def preview(
    old: Intent,
    new: Intent,
    positions: Mapping[str, Position],
    wall: float,
    *,
    route_rps: Mapping[Match, float],
    service_rps: Mapping[str, float],
) -> Preview:
    """``new`` against ``old``, which runs with ``positions``. ``wall`` is Unix time; what has no requests a second may be left out."""
    found = changes(old, new)
    return Preview(
        same=found.none,
        refused=tuple(refusals(positions, old, new, wall)),
        routes=_routes(old, new, found, route_rps),
        services=tuple(
            ServiceEffect(change, None if change.how == "added" else round(service_rps.get(change.service, 0.0), 2))
            for change in found.services
        ),
        rollouts=tuple(
            effect for service in new.services if service.target if (effect := _rollout(old, new, service.name, positions, wall))
        ),
        rest=tuple(msgspec.to_builtins(difference) for difference in found.rest),
    )


def _routes(old: Intent, new: Intent, found: Changes, rps: Mapping[Match, float]) -> tuple[RouteEffect, ...]:
    before = after = None
    effects = []
    for change in found.routes:
        instead = ""
        if change.how == "removed":
            after = after or _Ways(new)
            instead = after.of(change.match)
        elif change.how == "added":
            before = before or _Ways(old)
            instead = before.of(change.match)
        effects.append(RouteEffect(change, None if change.how == "added" else round(rps.get(change.match, 0.0), 2), instead))
    return tuple(effects)


class _Ways:
    """Whom a request would be led to by a configuration."""

    def __init__(self, intent: Intent) -> None:
        services = tuple(ServicePlan(service.name, service.versions, (1.0,) * len(service.versions)) for service in intent.services)
        plan = RoutePlan(0, "", (), services, intent.routes)
        legs: dict[str, list[Leg]] = {service.name: list(service.versions) for service in intent.services}
        self._routes = intent.routes
        self._table: Table[Leg, None] = Table(plan, legs)

    def of(self, match: Match) -> str:
        """In words, for a request that the match would have; empty when none can be made up."""
        head = sample(match)
        if not head:
            return ""
        try:
            way = self._table.match(parse(head, Starts(), new_table()))
        except DownstreamError:
            return ""
        if way is None:
            return NOWHERE
        route: Route = self._routes[self._table.ways.index(way)]
        return f"{route.match.name} ({leads_to(route)})"


def sample(match: Match) -> bytes:
    """The head of a request that matches; empty for a regular expression, of which no example is known."""
    if match.path_regex:
        return b""
    host = match.host or _UNNAMED_HOST
    host = f"any{host[1:]}" if host.startswith("*.") else host
    query = "&".join(f"{name}={value}" for name, value in match.query)
    target = (match.path or match.path_prefix or "/") + (f"?{query}" if query else "")
    lines = [f"{(match.methods or ('GET',))[0]} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in match.headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def _rollout(old: Intent, new: Intent, name: str, positions: Mapping[str, Position], wall: float) -> RolloutEffect | None:
    """What the rollout of a service that has a target would make of it; None when nothing."""
    service, position = new.service(name), positions.get(name)
    assert service is not None, "it is one of the new configuration's"
    if position is None:
        note = f"{service.target} is stable at once, unless the store remembers another position of {name}"
        return RolloutEffect(name, "", "", notes=(note,))
    try:
        _, effects = step(position, target_set(service, "configuration"), wall)
    except OperatorError as error:
        return RolloutEffect(name, position.phase.value, position.candidate, notes=(str(error),))
    records = tuple({"kind": effect.kind, "reason": effect.reason} for effect in effects if isinstance(effect, Record))
    notes: tuple[str, ...] = ()
    known = old.service(name)
    if known is not None and known.rollout != service.rollout and not records:
        running = position.phase not in RESTING
        notes = (
            f"the rollout to {position.candidate} keeps the plan it began with; the new one is for the next"
            if running
            else "the next rollout goes by the new plan; nothing begins now",
        )
    if not records and not notes:
        return None
    return RolloutEffect(name, position.phase.value, position.candidate, records, notes)
