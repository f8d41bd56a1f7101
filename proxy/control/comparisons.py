"""The comparer as the control loop sees it: a protocol. Knows nothing of processes or sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from proxy.model.position import Phase, Position
from proxy.model.rollout import ShadowStep
from proxy.model.service import Service, Shadow
from proxy.shadow.messages import Rules, Summary


class Comparisons(Protocol):
    """Where pairs are compared. ``path`` is the unix socket that workers send them to; ``summaries`` are the latest, by service."""

    @property
    def path(self) -> str: ...
    @property
    def summaries(self) -> Mapping[str, Summary]: ...

    def use(self, services: dict[str, Rules]) -> None:
        """Compare these services' pairs from now on; with none of them there need be no comparer."""

    async def report(self, service: str) -> dict[str, Any] | None:
        """The report of a service as it stands; None when it is not compared, or the comparer does not answer."""


class Nowhere:
    """Nothing is compared."""

    path = ""
    summaries: Mapping[str, Summary] = {}

    def use(self, services: dict[str, Rules]) -> None:
        """See ``Comparisons``."""

    async def report(self, service: str) -> dict[str, Any] | None:
        """See ``Comparisons``."""
        return None


def shadow_of(service: Service, position: Position | None) -> Shadow | None:
    """Where the service's copies go now: to the candidate in a shadow step, else where the configuration says; None: nowhere.

    A version that has weight of its own as the candidate goes on getting copies only when the configuration says so.
    """
    configured = service.shadow
    if position is None or position.phase is not Phase.SHADOWING:
        return configured if configured is not None and configured.version else None
    step = position.plan.steps[position.step]
    assert isinstance(step, ShadowStep), "a service shadows in a shadow step only"
    return msgspec.structs.replace(configured or Shadow(), version=position.candidate, percent_bp=step.percent_bp)


def rules_of(service: Service, position: Position | None) -> Rules | None:
    """How the service's pairs are compared; None when they are not."""
    shadow = shadow_of(service, position)
    if shadow is None or not shadow.compare:
        return None
    rollout = position.rollout if position is not None and position.phase is Phase.SHADOWING else 0
    return Rules(shadow.version, shadow.noise, shadow.ignore, shadow.allow, rollout)
