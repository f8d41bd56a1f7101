"""The message that goes down: all a worker needs to serve, with its generation. Built by the publisher, compiled by ``routing``."""

from __future__ import annotations

import msgspec

from proxy import limits
from proxy.limits import DRAIN_STREAMS_S
from proxy.model.intent import AccessLog, Listener, Tracing
from proxy.model.route import Route
from proxy.model.service import Ejection, EndpointLimits, Health, OriginTls, Override, Retries, Shadow, Sticky, Timeouts, Version


class ServicePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service under one split.

    ``weights`` stand beside ``versions`` (relative, none negative, one at least above 0). While a rollout runs, ``rollout`` is its
    revision number (0: none), ``stable`` and ``candidate`` name its two versions and only those two have weight. Long-lived connections
    of a version that loses all its weight are closed over ``drain_s`` seconds. ``shadow`` names the version that copies go to.
    ``standby`` are endpoints (version, label) that get no new request: their health is watched, and what they have in flight ends. A
    version may have no other endpoint only while it has no weight, or its requests are answered that none is there. Versions in
    ``knock`` are looked after even without ``health``: an endpoint that takes no connection is not healthy.
    A drawn answer that took more than ``slow_over_s`` is counted as slow; 0: none is.
    """

    name: str
    versions: tuple[Version, ...]
    weights: tuple[float, ...]
    rollout: int = 0
    stable: str = ""
    candidate: str = ""
    sticky: Sticky | None = None
    overrides: tuple[Override, ...] = ()
    timeouts: Timeouts = Timeouts()
    balance: str = "least_requests"
    expose_version: bool = False
    retries: Retries | None = None
    fallback: bool = False
    health: Health | None = None
    ejection: Ejection | None = None
    limits: EndpointLimits | None = None
    tls: OriginTls | None = None
    drain_s: float = DRAIN_STREAMS_S
    shadow: Shadow | None = None
    slow_over_s: float = 0.0
    standby: tuple[tuple[str, str], ...] = ()
    knock: tuple[str, ...] = ()


class RoutePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole table in the making. Generations only grow; a worker serves exactly one and names it in every snapshot.

    ``workers`` is how many share what is limited over all of them.
    ``nameservers`` (``address:port``) are asked for host names of endpoints; none: those of the system. ``comparer`` is the path of the
    unix socket where pairs of answers are compared; empty: nowhere.
    """

    generation: int
    digest: str
    listeners: tuple[Listener, ...]
    services: tuple[ServicePlan, ...]
    routes: tuple[Route, ...]
    snapshot_interval_s: float = limits.SNAPSHOT_SLOW_S
    access_log: AccessLog | None = None
    workers: int = 1
    tracing: Tracing | None = None
    nameservers: tuple[str, ...] = ()
    comparer: str = ""
