"""How far a rollout has got: the position that the controller owns, and the verdict that moves it. Frozen; decided in ``rollout``."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from proxy.model.rollout import RolloutPlan

WEIGHT_BP_MAX = 10_000
"""All of a service's traffic, in basis points."""


class Phase(StrEnum):
    """Where a service stands. The contract fixes the names."""

    STABLE = "stable"  # one version carries everything, nothing is being tried
    SHADOWING = "shadowing"  # the candidate sees copies only
    PROGRESSING = "progressing"  # the candidate has weight and steps go on by themselves
    PAUSED = "paused"  # the candidate keeps its weight until somebody says otherwise; the guard stays on
    PROMOTING = "promoting"  # decided and recorded; the workers have not all acknowledged
    ROLLING_BACK = "rolling_back"  # decided and recorded; the workers have not all acknowledged
    ROLLED_BACK = "rolled_back"  # stable carries everything; this target is not tried again by itself


RESTING = (Phase.STABLE, Phase.ROLLED_BACK)
"""Phases in which nothing is being tried: stable carries everything."""


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service's position. ``plan`` is the plan the rollout began with: a reload changes the next rollout, never this one.

    ``weight_bp`` is the candidate's share wanted now. ``step_elapsed_s`` counts only time that was observed, so a restart neither
    skips nor repeats it. ``fingerprint`` identifies the target's endpoints and labels, so a changed one may be tried again.
    ``target`` is what is wanted live; ``configured`` is what the configuration last named, so that an operator's own target stands
    until the configuration names another. ``since_s`` is the Unix time of the last change of phase, step or weight.
    ``guard_floor`` is the log evidence at which the guard last paused: after a resume it pauses again only at a further 1/alpha.
    ``asking`` is the key of the hooks, gate or freeze that it waits for, empty when for none (``rollout.entering`` reads it).
    ``slow_over_s`` is the bound above which an answer is a slow one in this step, fixed when the step began (0: none is). ``previous``
    was stable before, until ``promoted_s`` (Unix time); undo goes there. In a rolling rollout ``moved`` endpoints are the candidate's,
    the next ``moving`` are becoming so (or going back), and ``part`` says how far those are; ``leaving`` and ``coming`` are the labels
    of the endpoints of this batch that go out of service and into it. Of ``endpoints`` (stable's, the candidate's) ``shared`` have the
    same address. ``ready_s`` is for how long what a step waits for has been healthy without a break, ``ill_s`` for how long an endpoint
    of the candidate that is in service already has not been. ``forced``: no freeze holds the way into the present step.
    ``overdue``: the deadline has passed and has had its say. ``warmed_s`` is for how long the candidate has answered anybody in this
    rollout, copies included; it is counted up to ``limits.WARM_UP_S``.
    """

    service: str
    stable: str
    phase: Phase = Phase.STABLE
    candidate: str = ""
    target: str = ""
    fingerprint: str = ""
    rollout: int = 0
    plan: RolloutPlan = RolloutPlan()
    step: int = 0
    weight_bp: int = 0
    step_elapsed_s: float = 0.0
    step_requests: int = 0
    elapsed_s: float = 0.0
    reason: str = ""
    configured: str = ""
    since_s: float = 0.0
    guard_floor: float = 0.0
    asking: str = ""
    slow_over_s: float = 0.0
    previous: str = ""
    moved: int = 0
    moving: int = 0
    part: str = ""
    promoted_s: float = 0.0
    endpoints: tuple[int, int] = (0, 0)
    shared: int = 0
    leaving: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    ready_s: float = 0.0
    ill_s: float = 0.0
    forced: bool = False
    overdue: bool = False
    warmed_s: float = 0.0


class Finding(StrEnum):
    """What a judge says. Only ROLLBACK and PAUSE act; no data is HOLD, which never passes and never fails by itself."""

    PASS = "pass"
    HOLD = "hold"
    PAUSE = "pause"
    ROLLBACK = "rollback"


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding, the sentence that says why, and every figure it stood on (JSON values only).

    The machine reads three of them: ``log_evidence`` with ``threshold`` (a pause is overruled up to there), ``candidate_failures`` (a
    HOLD without any lets a step end) and ``holding`` (names of checks that let no step end, whatever else is found).
    """

    finding: Finding
    reason: str
    figures: dict[str, Any] = {}


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One history entry before it has a number: what happened (``kind``), the sentence why, every figure, and who (empty: headgate)."""

    kind: str
    reason: str
    figures: dict[str, Any] = {}
    by: str = ""


class Decided(msgspec.Struct, frozen=True):
    """What one service's decision leaves to keep: where it stands, history entries in order, and its tally (JSON; None: none)."""

    position: Position
    records: tuple[Record, ...] = ()
    tally_json: dict[str, Any] | None = None


class Revision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kept history entry. ``revision`` grows by one per service, from 1; ``position`` is where the service stood after it."""

    service: str
    revision: int
    at_s: float
    kind: str
    reason: str
    figures: dict[str, Any]
    by: str
    position: Position
