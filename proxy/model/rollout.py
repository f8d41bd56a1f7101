"""The plan of a rollout, as intended. Position (how far it has got) lives in ``rollout`` and ``store``, never here."""

from __future__ import annotations

from typing import Literal

import msgspec

from proxy import limits

Cause = Literal["connect", "timeout", "reset", "protocol", "status_5xx", "no_endpoint"]

CAUSES: tuple[Cause, ...] = ("connect", "timeout", "reset", "protocol", "status_5xx", "no_endpoint")
"""Every way a version can fail a request, in the order their counts are reported."""


class WeightStep(msgspec.Struct, frozen=True, tag="weight", forbid_unknown_fields=True):
    """Give the candidate ``weight_bp`` (1/100 of a percent; 1..10000) for at least ``for_s`` and ``min_requests`` of its requests."""

    weight_bp: int
    for_s: float = 0.0
    min_requests: int = 0


class GateStep(msgspec.Struct, frozen=True, tag="gate", forbid_unknown_fields=True):
    """Keep the weight of the step before until an operator promotes."""

    gate: Literal["manual"] = "manual"


Step = WeightStep | GateStep


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sequential test that is always on. ``alpha``: false-alarm bound over a whole rollout; ``ratio``: tolerated failure ratio."""

    alpha: float = 0.001
    ratio: float = 1.5
    min_failures: int = 3
    failures: tuple[Cause, ...] = ("status_5xx", "connect", "timeout", "reset", "protocol")
    action: Literal["rollback", "pause"] = "rollback"


class RolloutPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a service moves to a new target. ``deadline_s`` 0 means none; ``drain_s`` is how long a version's tunnels and event streams
    are given to end in when it has lost its traffic."""

    strategy: Literal["canary"] = "canary"
    steps: tuple[Step, ...] = (
        WeightStep(weight_bp=500, for_s=300.0),
        WeightStep(weight_bp=2500, for_s=300.0),
        WeightStep(weight_bp=5000, for_s=300.0),
    )
    guard: Guard = Guard()
    deadline_s: float = 0.0
    on_deadline: Literal["rollback", "pause"] = "rollback"
    drain_s: float = limits.DRAIN_STREAMS_S
