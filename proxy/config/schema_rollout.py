"""The shape of a rollout's plan: its strategy, steps, guard, and the hours in which it stands still.

Which key belongs to which strategy, and what else takes two places of the file, is in ``check_rollout``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from proxy import limits
from proxy.config import fields as f
from proxy.config.part import Items, Part
from proxy.config.scalars import shown_duration
from proxy.config.scalars_rollout import shown_slow_over
from proxy.config.schema_check import Check, Hook
from proxy.model.rollout import CAUSES, Cause, FreezeWindow, GateStep, Rolling, RolloutPlan, Strategy
from proxy.model.rollout import Guard as GuardModel

_PLAN: Final = RolloutPlan()
_ROLLING: Final = Rolling()
_MANUAL: Final = "manual"
_GATE: Final = "`manual`, or a mapping with a url,"


class Gate(Part):
    """Keeps the weight of the step before until url answers 2xx; the word `manual` in its place: until an operator promotes."""

    url: f.CalledUrl = Field(description="What is asked, by POST, until it answers 2xx.")
    interval: f.Timeout = Field(
        default=shown_duration(GateStep().interval_s), validate_default=True, description="How long until it is asked again."
    )
    timeout: f.Timeout = Field(
        default=shown_duration(GateStep().timeout_s), validate_default=True, description="How long one answer may take."
    )

    @property
    def manual(self) -> bool:
        """Whether a person opens it."""
        return not self.url


def _gate(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if (word := f.text_of(value, _GATE)) != _MANUAL:
        raise f.refused(f"{word!r} is not allowed; `manual` is, or {{url: URL}} for a gate that a machine opens")
    return Gate.model_construct(url="", interval=0.0, timeout=0.0)


class ShadowStep(Part):
    """Sends the candidate copies of safe requests; nobody gets its answers."""

    percent: f.CopiedPercent = Field(description="The share of the safe requests that is copied, in percent to two decimals.")
    for_: f.Duration = Field(default="0", validate_default=True, alias="for", description="How long the step lasts at least.")
    min_requests: Annotated[int, f.whole(0, 10**9)] = Field(
        default=0, description="How many copies the candidate must have answered in the step at least."
    )


class Step(Part):
    """One step of a rollout: a weight, a gate, or copies (shadow)."""

    weight: f.StepWeight | None = Field(
        default=None, description="The candidate's share in percent of the service's traffic, to two decimals."
    )
    for_: f.Duration = Field(default="0", validate_default=True, alias="for", description="How long the step lasts at least.")
    min_requests: Annotated[int, f.whole(0, 10**9)] = Field(
        default=0, description="How many requests the candidate must have answered in the step at least."
    )
    gate: Annotated[Gate | None, BeforeValidator(_gate)] = Field(
        default=None,
        description="`manual` keeps the weight of the step before until an operator promotes; {url: URL} until that answers 2xx.",
    )
    shadow: ShadowStep | None = Field(default=None, description="Copies of requests before the candidate gets any of its own.")


class Guard(Part):
    """The test that is always on while a candidate has weight: it acts once the candidate has provably failed more than stable."""

    alpha: Annotated[float, f.real(0, 0.5, ends=False)] = Field(
        default=GuardModel().alpha,
        description="How likely a false alarm may be over a whole rollout; 0.001 is one rollout in a thousand.",
    )
    ratio: Annotated[float, f.real(1, 1000)] = Field(
        default=GuardModel().ratio, description="How many times as often as stable the candidate may fail before it counts as worse."
    )
    min_failures: Annotated[int, f.whole(1, 1_000_000)] = Field(
        default=GuardModel().min_failures, description="The fewest failures of the candidate on which the guard acts."
    )
    failures: Items[Annotated[Cause, f.word("a cause of failure")]] = Field(
        default=list(GuardModel().failures), description="What counts as a failure: " + ", ".join(CAUSES) + ".", min_length=1
    )
    action: Annotated[Literal["rollback", "pause"], f.word("rollback or pause")] = Field(
        default=GuardModel().action, description="What the guard does: everything back to stable, or stop and wait for an operator."
    )
    slow_over: f.SlowOver = Field(
        default=shown_slow_over(GuardModel().slow_over_s),
        validate_default=True,
        description="Above what an answer is a slow one: a duration, stable_p99 (stable's own p99 before the step), or off.",
    )
    slow_ratio: Annotated[float, f.real(1, 1000)] = Field(
        default=GuardModel().slow_ratio,
        description="How many times as often as stable the candidate may answer slowly before it counts as worse.",
    )
    max_errors: Annotated[int, f.whole(0, 10**9)] = Field(
        default=GuardModel().max_errors,
        description="How many of its requests the candidate may fail, whatever stable does; 0: any number.",
    )
    max_users_with_errors: Annotated[int, f.whole(0, 10**9)] = Field(
        default=GuardModel().max_users_with_errors,
        description="How many users may meet an error of the candidate, whatever stable does; 0: any number. Needs sticky.",
    )


class Freeze(Part):
    """Hours of every week in which no rollout begins or goes a step on; the way back is never closed."""

    from_: f.Weekly = Field(alias="from", description="When they begin, like Fri 16:00.")
    to: f.Weekly = Field(description="When they end, like Mon 08:00.")
    zone: f.Zone = Field(
        default=FreezeWindow(0, 0).zone, validate_default=True, description="The time zone of both, like Europe/Berlin."
    )


class Rollout(Part):
    """How the service moves to a new target."""

    strategy: Annotated[Strategy, f.word("canary, blue_green, rolling or shadow")] = Field(
        default=_PLAN.strategy,
        description="canary: the share grows step by step; blue_green: all at once, after checks; rolling: endpoint by endpoint; "
        "shadow: copies only, and nothing is promoted.",
    )
    steps: Items[Step] | None = Field(
        default=None,
        description="What the candidate goes through before it becomes stable. Left out: 5, 25 and 50 percent for five minutes each.",
        min_length=1,
        max_length=limits.STEPS_PER_ROLLOUT_MAX,
    )
    guard: Guard = Field(default_factory=Guard, description="The test that takes a bad candidate out.")
    checks: Items[Check] = Field(
        default=[], description="Conditions that the candidate has to meet.", max_length=limits.CHECKS_PER_ROLLOUT_MAX
    )
    interval: f.CheckInterval = Field(
        default=shown_duration(_PLAN.interval_s),
        validate_default=True,
        description="How often the checks are made; blue_green: also how long the candidate must have been healthy.",
    )
    failure_limit: Annotated[int, f.whole(0, 1000)] = Field(
        default=_PLAN.failure_limit, description="How often a check may fail inside failure_window; once more rolls back."
    )
    failure_window: f.FailureWindow = Field(
        default=shown_duration(_PLAN.failure_window_s), validate_default=True, description="How long a failed check counts."
    )
    deadline: f.Duration = Field(default="0", validate_default=True, description="How long the whole rollout may take; 0 is for ever.")
    on_deadline: Annotated[Literal["rollback", "pause"], f.word("rollback or pause")] = Field(
        default=_PLAN.on_deadline, description="What happens when the deadline passes."
    )
    drain: f.DrainTime = Field(
        default=shown_duration(_PLAN.drain_s),
        validate_default=True,
        description="Over which time the tunnels and event streams of a version that has lost its traffic are closed, one by one.",
    )
    hooks: Items[Hook] = Field(
        default=[], description="URLs that are called at points of the rollout.", max_length=limits.HOOKS_PER_ROLLOUT_MAX
    )
    freeze: Items[Freeze] = Field(
        default=[],
        description="Hours of every week in which nothing begins or goes on.",
        max_length=limits.FREEZES_PER_ROLLOUT_MAX,
    )
    keep_old: f.Duration = Field(
        default=shown_duration(_PLAN.keep_old_s),
        validate_default=True,
        description="How long the version before stays warm after a blue_green switch.",
    )
    undo_window: f.Duration = Field(
        default=shown_duration(_PLAN.undo_window_s),
        validate_default=True,
        description="How long after a promotion `undo` goes back at once, without steps.",
    )
    batch: Annotated[int, f.whole(1, limits.ENDPOINTS_PER_VERSION_MAX)] = Field(
        default=_ROLLING.batch, description="rolling: how many endpoints are replaced at a time."
    )
    min_ready: f.Duration = Field(
        default=shown_duration(_ROLLING.min_ready_s),
        validate_default=True,
        description="rolling: how long an endpoint has to have been healthy before the next is replaced.",
    )
    slow_start: f.Duration = Field(
        default=shown_duration(_ROLLING.slow_start_s),
        validate_default=True,
        description="rolling: how long a new endpoint takes to get its full share.",
    )
    ready_timeout: f.Timeout = Field(
        default=shown_duration(_ROLLING.ready_timeout_s),
        validate_default=True,
        description="rolling: how long an endpoint may take to be healthy before it counts as unhealthy.",
    )
    on_unhealthy: Annotated[Literal["pause", "reverse"], f.word("pause or reverse")] = Field(
        default=_ROLLING.on_unhealthy, description="rolling: what happens when a new endpoint is unhealthy."
    )
