"""Checks of a rollout's checks: what each asks, whether it has a limit, in which unit, and whether it could ever act."""

from __future__ import annotations

from proxy.config import scalars, scalars_rollout, schema
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report
from proxy.model.rollout import Metric

_KINDS = ("metric", "prometheus", "http")
_LIMITS = ("max", "min", "max_ratio", "max_delta")


def check_conditions(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    """The checks of the plan at ``at``, and how many of them may fail."""
    names = Once(report, "is the name of another check, at")
    for index, check in enumerate(plan.checks):
        here = (*at, "checks", index)
        if check is None:
            continue
        if check.name and report.whole((*here, "name")):
            names.take(check.name, (*here, "name"))
        _check(report, here, check)
        if check.metric is not None and report.whole((*at, "steps")) and report.whole((*at, "strategy")):
            _measurable(report, (*here, "metric"), check.metric, plan)
    if not report.has((*at, "checks")):
        for key in ("interval", "failure_limit", "failure_window"):
            paces = key == "interval" and plan.strategy == "blue_green"  # there it is also how long health has to be good
            if report.has((*at, key)) and not paces:
                report.wrong_key((*at, key), "means nothing without checks; add some, or remove it")
        return
    _failures(report, at, plan)


def _check(report: Report, here: KeyPath, check: schema.Check) -> None:
    given = [key for key in _KINDS if report.has((*here, key))]
    if len(given) > 1:
        report.wrong_key((*here, given[1]), f"stands beside {given[0]}; one check asks one thing, so make two of them")
        return
    if not given:
        report.wrong(here, "asks nothing; give metric, prometheus or http")
        return
    if not report.whole((*here, given[0])):
        return
    if check.metric is not None:
        _metric(report, here, check, check.metric)
        return
    for key in (*_LIMITS, "window"):
        if report.has((*here, key)):
            report.wrong_key((*here, key), _beside(given[0], key))
    asked, at = check.prometheus or check.http, (*here, given[0])
    if asked is None:
        return
    if isinstance(asked, schema.HttpCheck) and not asked.value:
        for key in ("max", "min"):
            if report.has((*at, key)):
                report.wrong_key((*at, key), "limits nothing: without value the answer is not read; add value: $.PATH")
    elif asked.max is None and asked.min is None:
        report.wrong_key(at, "has no limit; give it max, min or both")
    elif asked.max is not None and asked.min is not None and asked.max < asked.min:
        report.wrong((*at, "max"), f"{asked.max:g} is below min, which is {asked.min:g}; no number keeps within both")


def _measurable(report: Report, at: KeyPath, metric: Metric, plan: schema.Rollout) -> None:
    """Whether the plan ever gives the candidate what the metric is measured on."""
    copies = any(step is not None and step.shadow is not None for step in plan.steps or ())
    if metric == "shadow_mismatch_rate" and not copies:
        report.wrong(at, "is never measured: the plan has no shadow step; add one, or take the check away")
    elif metric != "shadow_mismatch_rate" and plan.strategy in ("blue_green", "shadow"):
        words = f"is never measured: strategy {plan.strategy} gives the candidate no requests of its own; ask prometheus or http"
        report.wrong(at, words)


def _beside(kind: str, key: str) -> str:
    if key in ("max", "min"):
        return f"belongs into {kind}: write {{{kind}: {{..., {key}: ...}}}}"
    if key == "window":
        return f"belongs to a metric; what {kind} looks back over is its own business, so remove it"
    return "compares with stable, which only a metric can; give max or min"


def _metric(report: Report, here: KeyPath, check: schema.Check, metric: Metric) -> None:
    limits: dict[str, float] = {}
    for key in ("max", "min", "max_delta"):
        text = getattr(check, key)
        if text is not None:
            try:
                limits[key] = scalars_rollout.limit(metric, text)
            except ValueError as error:
                report.wrong((*here, key), str(error))
    if not any(report.has((*here, key)) for key in _LIMITS):
        report.wrong_key(here, "has no limit; give it max, min, max_ratio or max_delta")
    if limits.get("max", 0) < limits.get("min", 0) and "max" in limits:
        report.wrong((*here, "max"), f"{check.max} is below min, which is {check.min}; nothing keeps within both")
    for key in ("max_ratio", "max_delta"):
        if report.has((*here, key)) and metric == "requests_per_second":
            report.wrong_key((*here, key), "compares shares of the traffic, which the weights set; give min or max")
        elif report.has((*here, key)) and metric == "shadow_mismatch_rate":
            report.wrong_key((*here, key), "has nothing to compare with, for stable gets no copies; give max")


def _failures(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    """Whether so many failures can come together as it takes."""
    acting = [check for check in plan.checks if check is None or not check.dry_run]
    if not acting or not all(report.whole((*at, key)) for key in ("checks", "interval", "failure_limit", "failure_window")):
        return
    most = int(plan.failure_window / plan.interval) + 1  # of one check, which is what counts
    if most <= plan.failure_limit:
        window, every = scalars.shown_duration(plan.failure_window), scalars.shown_duration(plan.interval)
        words = f"{plan.failure_limit} is never exceeded: a check has {most} results in {window}, one each {every}"
        report.wrong((*at, "failure_limit"), f"{words}; lower it, or make failure_window longer")
