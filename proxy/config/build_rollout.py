"""A rollout's plan into the frozen model, and back into the form of the file; ``build`` does the rest.

What a strategy has no use for is left out of what is shown: the file would be refused with it.
"""

from __future__ import annotations

from typing import Any

from proxy.config import scalars_rollout, schema
from proxy.config.build_shadow import percent
from proxy.config.scalars import shown_duration
from proxy.model.rollout import (
    Check,
    FreezeWindow,
    GateStep,
    Guard,
    Hook,
    HttpQuery,
    PrometheusQuery,
    Rolling,
    RolloutPlan,
    ShadowStep,
    Step,
    WeightStep,
)


def rollout(given: schema.Rollout) -> RolloutPlan:
    """The whole plan. A canary without steps has the default ones; the other strategies have none but those that are given."""
    if given.steps is not None:
        steps = tuple(_step(step) for step in given.steps if step is not None)
    else:
        steps = RolloutPlan().steps if given.strategy == "canary" else ()
    return RolloutPlan(
        strategy=given.strategy,
        steps=steps,
        guard=_guard(given.guard),
        deadline_s=given.deadline,
        on_deadline=given.on_deadline,
        drain_s=given.drain,
        checks=tuple(_check(check) for check in given.checks if check is not None),
        interval_s=given.interval,
        failure_limit=given.failure_limit,
        failure_window_s=given.failure_window,
        hooks=tuple(
            Hook(hook.on, hook.url, hook.timeout, hook.retries, hook.name, hook.token_file) for hook in given.hooks if hook is not None
        ),
        freeze=tuple(FreezeWindow(window.from_, window.to, window.zone) for window in given.freeze if window is not None),
        rolling=Rolling(given.batch, given.min_ready, given.slow_start, given.ready_timeout, given.on_unhealthy),
        keep_old_s=given.keep_old,
        undo_window_s=given.undo_window,
    )


def _guard(given: schema.Guard) -> Guard:
    return Guard(
        alpha=given.alpha,
        ratio=given.ratio,
        min_failures=given.min_failures,
        failures=tuple(cause for cause in given.failures if cause is not None),
        action=given.action,
        slow_over_s=given.slow_over,
        slow_ratio=given.slow_ratio,
        max_errors=given.max_errors,
        max_users_with_errors=given.max_users_with_errors,
    )


def _step(given: schema.Step) -> Step:
    if given.shadow is not None:
        return ShadowStep(given.shadow.percent, given.shadow.for_, given.shadow.min_requests)
    if given.gate is not None:
        gate = given.gate
        return GateStep() if gate.manual else GateStep("remote", gate.url, gate.interval, gate.timeout)
    assert given.weight is not None, "a step has passed its check"
    return WeightStep(weight_bp=given.weight, for_s=given.for_, min_requests=given.min_requests)


def _check(given: schema.Check) -> Check:
    if (metric := given.metric) is not None:
        return Check(
            given.name,
            metric=metric,
            max=None if given.max is None else scalars_rollout.limit(metric, given.max),
            min=None if given.min is None else scalars_rollout.limit(metric, given.min),
            max_ratio=given.max_ratio,
            max_delta=None if given.max_delta is None else scalars_rollout.limit(metric, given.max_delta),
            window_s=given.window,
            dry_run=given.dry_run,
        )
    if (asked := given.prometheus) is not None:
        query = PrometheusQuery(asked.address, asked.query, asked.timeout, asked.token_file)
        return Check(given.name, prometheus=query, max=asked.max, min=asked.min, dry_run=given.dry_run)
    http = given.http
    assert http is not None, "a check has passed its check"
    return Check(
        given.name,
        http=HttpQuery(http.url, http.value, http.timeout, http.token_file),
        max=http.max,
        min=http.min,
        dry_run=given.dry_run,
    )


def shown_rollout(plan: RolloutPlan) -> dict[str, Any]:
    """In the form of the file."""
    shown: dict[str, Any] = {"strategy": plan.strategy}
    if plan.steps:
        shown["steps"] = [_shown_step(step) for step in plan.steps]
    shown["guard"] = _shown_guard(plan.guard)
    if plan.checks:
        shown["checks"] = [_shown_check(check) for check in plan.checks]
    if plan.checks or plan.strategy == "blue_green":
        shown["interval"] = shown_duration(plan.interval_s)
    if plan.checks:
        shown["failure_limit"] = plan.failure_limit
        shown["failure_window"] = shown_duration(plan.failure_window_s)
    shown |= {
        "deadline": shown_duration(plan.deadline_s),
        "on_deadline": plan.on_deadline,
        "drain": shown_duration(plan.drain_s),
    }
    if plan.hooks:
        shown["hooks"] = [_shown_hook(hook) for hook in plan.hooks]
    if plan.freeze:
        shown["freeze"] = [
            {
                "from": scalars_rollout.shown_weekly(window.start_min),
                "to": scalars_rollout.shown_weekly(window.end_min),
                "zone": window.zone,
            }
            for window in plan.freeze
        ]
    if plan.strategy == "blue_green":
        shown["keep_old"] = shown_duration(plan.keep_old_s)
    if plan.strategy != "shadow":
        shown["undo_window"] = shown_duration(plan.undo_window_s)
    if plan.strategy == "rolling":
        shown |= _shown_rolling(plan.rolling)
    return shown


def _shown_rolling(rolling: Rolling) -> dict[str, Any]:
    return {
        "batch": rolling.batch,
        "min_ready": shown_duration(rolling.min_ready_s),
        "slow_start": shown_duration(rolling.slow_start_s),
        "ready_timeout": shown_duration(rolling.ready_timeout_s),
        "on_unhealthy": rolling.on_unhealthy,
    }


def _shown_guard(guard: Guard) -> dict[str, Any]:
    shown = {
        "alpha": guard.alpha,
        "ratio": guard.ratio,
        "min_failures": guard.min_failures,
        "failures": list(guard.failures),
        "action": guard.action,
        "slow_over": scalars_rollout.shown_slow_over(guard.slow_over_s),
        "max_errors": guard.max_errors,
    }
    if guard.slow_over_s is not None:
        shown["slow_ratio"] = guard.slow_ratio
    if guard.max_users_with_errors:
        shown["max_users_with_errors"] = guard.max_users_with_errors
    return shown


def _shown_step(step: Step) -> dict[str, Any]:
    if isinstance(step, GateStep):
        if step.gate == "manual":
            return {"gate": "manual"}
        return {"gate": {"url": step.url, "interval": shown_duration(step.interval_s), "timeout": shown_duration(step.timeout_s)}}
    lasts = {"for": shown_duration(step.for_s), "min_requests": step.min_requests}
    if isinstance(step, ShadowStep):
        return {"shadow": {"percent": percent(step.percent_bp)} | lasts}
    return {"weight": percent(step.weight_bp)} | lasts


def _shown_check(check: Check) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": check.name}
    bounds = {
        key: scalars_rollout.shown_limit(check.metric, value) for key in ("max", "min") if (value := getattr(check, key)) is not None
    }
    if check.metric is not None:
        shown |= {"metric": check.metric} | bounds
        if check.max_ratio is not None:
            shown["max_ratio"] = check.max_ratio
        if check.max_delta is not None:
            shown["max_delta"] = scalars_rollout.shown_limit(check.metric, check.max_delta)
        shown["window"] = shown_duration(check.window_s)
    elif (asked := check.prometheus) is not None:
        shown["prometheus"] = {"address": asked.address, "query": asked.query} | _shown_asking(asked) | bounds
    elif (http := check.http) is not None:
        value = {"value": http.value} if http.value else {}
        shown["http"] = {"url": http.url} | value | _shown_asking(http) | bounds
    return shown | {"dry_run": check.dry_run}


def _shown_asking(asked: PrometheusQuery | HttpQuery) -> dict[str, Any]:
    token = {"token_file": asked.token_file} if asked.token_file else {}
    return {"timeout": shown_duration(asked.timeout_s)} | token


def _shown_hook(hook: Hook) -> dict[str, Any]:
    named = {key: value for key in ("name", "token_file") if (value := getattr(hook, key))}
    return {"on": hook.on, "url": hook.url, "timeout": shown_duration(hook.timeout_s), "retries": hook.retries} | named
