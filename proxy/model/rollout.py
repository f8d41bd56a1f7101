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


class ShadowStep(msgspec.Struct, frozen=True, tag="shadow", forbid_unknown_fields=True):
    """Send the candidate copies of ``percent_bp`` (1/100 of a percent) of the safe requests; nobody sees its answers.

    It lasts ``for_s`` and ``min_requests`` compared copies at least.
    """

    percent_bp: int
    for_s: float = 0.0
    min_requests: int = 0


class GateStep(msgspec.Struct, frozen=True, tag="gate", forbid_unknown_fields=True):
    """Keep the weight of the step before until an operator promotes (``manual``), or until ``url`` answers 2xx (``remote``).

    A remote gate is asked every ``interval_s``, each time for ``timeout_s`` at most.
    """

    gate: Literal["manual", "remote"] = "manual"
    url: str = ""
    interval_s: float = 10.0
    timeout_s: float = 10.0


Step = WeightStep | GateStep | ShadowStep

HookPoint = Literal["before_rollout", "before_step", "before_promotion", "after_promotion", "after_rollback"]

HOOK_POINTS: tuple[HookPoint, ...] = ("before_rollout", "before_step", "before_promotion", "after_promotion", "after_rollback")
"""When hooks are called. The three ``before_*`` hold the rollout and end it when they fail; the two ``after_*`` are only recorded."""


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A URL that is POSTed to at a point of the rollout and has to answer 2xx within ``timeout_s``; tried 1 + ``retries`` times."""

    on: HookPoint
    url: str
    timeout_s: float = 30.0
    retries: int = 2
    name: str = ""
    token_file: str = ""


class PrometheusQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An instant query of a Prometheus server whose answer is one number. ``token_file`` holds a bearer token; empty: none is sent."""

    address: str
    query: str
    timeout_s: float = 5.0
    token_file: str = ""


class HttpQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A URL that has to answer 2xx; with ``value`` (a JSON path like ``$.orders.rate``) the number there is held against the limits."""

    url: str
    value: str = ""
    timeout_s: float = 5.0
    token_file: str = ""


Metric = Literal["error_rate", "latency_p50", "latency_p90", "latency_p99", "requests_per_second", "shadow_mismatch_rate"]


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One condition that a candidate has to meet at every interval: exactly one of ``metric``, ``prometheus`` and ``http``.

    Limits are in the metric's own unit (a rate 0..1, seconds, requests/s); ``max_ratio`` and ``max_delta`` are against stable over the
    same seconds, and only for a ``metric``. ``window_s`` 0: the step so far. ``dry_run``: recorded, and acts on nothing.
    """

    name: str
    metric: Metric | None = None
    prometheus: PrometheusQuery | None = None
    http: HttpQuery | None = None
    max: float | None = None
    min: float | None = None
    max_ratio: float | None = None
    max_delta: float | None = None
    window_s: float = 0.0
    dry_run: bool = False


class FreezeWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours of every week in which no rollout begins or goes a step on; going back is always possible.

    Minutes since Monday 00:00 in ``zone`` (an IANA name); an end before its start is in the next week.
    """

    start_min: int
    end_min: int
    zone: str = "UTC"


class Guard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sequential test that is always on. ``alpha``: false-alarm bound over a whole rollout, shared among the kinds of event;
    ``ratio``: tolerated failure ratio.

    An answer is slow when it took more than ``slow_over_s``; 0: than stable's p99 before, None: no answer is. ``slow_ratio`` is the
    tolerated ratio of slow answers. The two budgets act without statistics; 0: none.
    """

    alpha: float = 0.001
    ratio: float = 1.5
    min_failures: int = 3
    failures: tuple[Cause, ...] = ("status_5xx", "connect", "timeout", "reset", "protocol")
    action: Literal["rollback", "pause"] = "rollback"
    slow_over_s: float | None = 0.0
    slow_ratio: float = 3.0
    max_errors: int = 0
    max_users_with_errors: int = 0


class Rolling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How endpoints are replaced: ``batch`` at a time, each healthy for ``min_ready_s`` before its share grows over ``slow_start_s``.

    A batch that is not ready within ``ready_timeout_s``, or falls ill again, is unhealthy.
    """

    batch: int = 1
    min_ready_s: float = 10.0
    slow_start_s: float = 30.0
    ready_timeout_s: float = 300.0
    on_unhealthy: Literal["pause", "reverse"] = "pause"


Strategy = Literal["canary", "blue_green", "rolling", "shadow"]
"""canary: steps of weight; blue_green: everything at once; rolling: endpoint by endpoint; shadow: copies only, nothing is promoted."""


class RolloutPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a service moves to a new target. ``deadline_s`` 0 means none; ``drain_s`` is how long a version's tunnels and event streams
    are given to end in when it has lost its traffic.

    Checks are made every ``interval_s``; more than ``failure_limit`` failed ones inside ``failure_window_s`` roll back. The version
    before is kept warm for ``keep_old_s`` after a blue-green switch, and ``undo`` is immediate for ``undo_window_s`` after a promotion.
    """

    strategy: Strategy = "canary"
    steps: tuple[Step, ...] = (
        WeightStep(weight_bp=500, for_s=300.0),
        WeightStep(weight_bp=2500, for_s=300.0),
        WeightStep(weight_bp=5000, for_s=300.0),
    )
    guard: Guard = Guard()
    deadline_s: float = 0.0
    on_deadline: Literal["rollback", "pause"] = "rollback"
    drain_s: float = limits.DRAIN_STREAMS_S
    checks: tuple[Check, ...] = ()
    interval_s: float = 10.0
    failure_limit: int = 2
    failure_window_s: float = 300.0
    hooks: tuple[Hook, ...] = ()
    freeze: tuple[FreezeWindow, ...] = ()
    rolling: Rolling = Rolling()
    keep_old_s: float = 600.0
    undo_window_s: float = 600.0
