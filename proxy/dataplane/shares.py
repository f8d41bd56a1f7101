"""What of the operator's bounds one worker grants: what a configuration says is for the whole proxy, and workers count apart.

Each grants its part rounded up, so that together they may grant a few too many, fewer than there are workers, and never refuse all.
0 bounds nothing and stays 0. Rates are divided by ``rate``, which can grant less than one.
"""

from __future__ import annotations

import msgspec

from proxy.model.intent import Listener
from proxy.model.plan import RoutePlan, ServicePlan


def part(whole: int, workers: int) -> int:
    """One worker's part of a bound."""
    return -(-whole // workers)


def of_one_worker(plan: RoutePlan) -> RoutePlan:
    """The plan with one worker's bounds in the place of those of all workers."""
    workers = plan.workers
    if workers == 1:
        return plan
    return msgspec.structs.replace(
        plan,
        listeners=tuple(_listener(listener, workers) for listener in plan.listeners),
        services=tuple(_service(service, workers) for service in plan.services),
    )


def _listener(listener: Listener, workers: int) -> Listener:
    if not listener.max_connections:
        return listener
    return msgspec.structs.replace(listener, max_connections=part(listener.max_connections, workers))


def _service(service: ServicePlan, workers: int) -> ServicePlan:
    bounds = service.limits
    if bounds is None:
        return service
    own = msgspec.structs.replace(
        bounds,
        max_connections=part(bounds.max_connections, workers),
        max_requests=part(bounds.max_requests, workers),
        queue=part(bounds.queue, workers),
    )
    return msgspec.structs.replace(service, limits=own)
