"""Endpoints as the machine is told of them: of the versions its strategy goes by, in the configuration's order, over all workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.control import totals
from proxy.model.position import Position
from proxy.model.service import Service
from proxy.rollout.events import EndpointLevel
from proxy.rollout.strategies import strategy_of

Look = Callable[[], Mapping[tuple[str, str, str], totals.EndpointLevel]]
"""``Totals.endpoints``, or what it said of the same report: it adds up every endpoint of every worker."""


def endpoint_levels(service: Service | None, position: Position, look: Look) -> tuple[EndpointLevel, ...]:
    """Those of the versions that the rollout's strategy goes by; nothing is looked up where it goes by none."""
    names = strategy_of(position).looked_at(position)
    if service is None or not names:
        return ()
    levels = look()
    found = []
    for name in names:
        version = service.version(name)
        for endpoint in version.endpoints if version is not None else ():
            level = levels.get((service.name, name, endpoint.label))
            if level is None:
                found.append(EndpointLevel(name, endpoint.label, healthy=False, in_flight=0, heard=False))
            else:
                found.append(EndpointLevel(name, endpoint.label, level.everywhere, level.active, heard=level.asked))
    return tuple(found)
