"""Endpoints as the machine is told of them: all of stable and of the candidate, in the configuration's order, over all workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.control import totals
from proxy.model.position import Position
from proxy.model.service import Service
from proxy.rollout.events import EndpointLevel

LOOKED_AT = ("rolling", "blue_green")
"""Strategies that go by the health of endpoints; for the others nothing is looked up."""


Look = Callable[[], Mapping[tuple[str, str, str], totals.EndpointLevel]]
"""``Totals.endpoints``, or what it said of the same report: it adds up every endpoint of every worker."""


def endpoint_levels(service: Service | None, position: Position, look: Look) -> tuple[EndpointLevel, ...]:
    """Those of the rollout's two versions; none when its strategy does not ask."""
    if service is None or position.plan.strategy not in LOOKED_AT:
        return ()
    levels = look()
    found = []
    for name in (position.stable, position.candidate):
        version = service.version(name)
        for endpoint in version.endpoints if version is not None else ():
            level = levels.get((service.name, name, endpoint.label))
            if level is None:
                found.append(EndpointLevel(name, endpoint.label, healthy=False, in_flight=0, heard=False))
            else:
                found.append(EndpointLevel(name, endpoint.label, level.everywhere, level.active, heard=level.asked))
    return tuple(found)
