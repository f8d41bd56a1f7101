"""Checks of a rollout's plan: which key belongs to which strategy, the order of its steps, and what can never come to pass."""

from __future__ import annotations

from typing import Final

from proxy.config import scalars, schema
from proxy.config.check_conditions import check_conditions
from proxy.config.places import KeyPath
from proxy.config.report import Once, Report
from proxy.config.scalars_rollout import WEEK_MIN
from proxy.model.rollout import Strategy

_KINDS: Final = frozenset({"weight", "gate", "shadow"})
_ROLLING_KEYS: Final = ("batch", "min_ready", "slow_start", "ready_timeout", "on_unhealthy")


def check_rollout(report: Report, path: KeyPath, service: schema.Service) -> None:
    """The plan of the service at ``path``."""
    at, plan = (*path, "rollout"), service.rollout
    causes = Once(report, "is given already, at")
    for index, cause in enumerate(plan.guard.failures):
        if cause is not None:
            causes.take(cause, (*at, "guard", "failures", index))
    _guard(report, (*at, "guard"), plan.guard, sticky=report.has((*path, "sticky")))
    if report.whole((*at, "strategy")):
        _keys(report, at, plan.strategy)
        _steps(report, at, plan)
        if plan.strategy == "rolling" and report.whole((*at, "hooks")):
            _replacing(report, at, service)
    check_conditions(report, at, plan)
    _hooks(report, at, plan)
    _freeze(report, at, plan)
    _deadline(report, at, plan)


def _guard(report: Report, at: KeyPath, guard: schema.Guard, *, sticky: bool) -> None:
    if guard.slow_over is None and report.whole((*at, "slow_over")) and report.has((*at, "slow_ratio")):
        report.wrong_key((*at, "slow_ratio"), "means nothing beside slow_over: off; remove it")
    if guard.max_users_with_errors and not sticky:
        words = "needs the service's sticky, which says what makes two requests the same user's; add it, or give max_errors"
        report.wrong_key((*at, "max_users_with_errors"), words)


def _keys(report: Report, at: KeyPath, strategy: Strategy) -> None:
    """Keys that the strategy has no use for."""
    for key in _ROLLING_KEYS:
        if strategy != "rolling" and report.has((*at, key)):
            report.wrong_key((*at, key), f"belongs to strategy: rolling, and this is {strategy}; remove it")
    if strategy != "blue_green" and report.has((*at, "keep_old")):
        report.wrong_key((*at, "keep_old"), f"belongs to strategy: blue_green, and this is {strategy}; remove it")
    if strategy == "shadow" and report.has((*at, "undo_window")):
        report.wrong_key((*at, "undo_window"), "means nothing with strategy: shadow, which promotes nothing; remove it")


def _steps(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    strategy, steps = plan.strategy, plan.steps
    if strategy == "rolling":
        if report.has((*at, "steps")):
            report.wrong_key((*at, "steps"), "belongs to another strategy: rolling goes on endpoint by endpoint, by batch; remove it")
        return
    if steps is None:
        if strategy == "shadow" and not report.has((*at, "steps")):
            report.wrong_key(at, "has no steps; a shadow rollout needs them, like steps: [{shadow: {percent: 20, for: 10m}}]")
        return
    weight = 0  # of the weight steps so far, the last
    begun = strategy == "blue_green"  # there the candidate can be looked at through overrides from the start
    for index, step in enumerate(steps):
        here = (*at, "steps", index)
        if step is None:
            weight, begun = -1, True  # not known
            continue
        _step(report, here, begun=begun)
        if step.shadow is not None or report.has((*here, "shadow")):
            if weight:
                words = "comes after a weight; copies are for a candidate without traffic of its own, so put it before the first weight"
                report.wrong_key((*here, "shadow"), words)
        elif report.has((*here, "weight")):
            if strategy in _NO_WEIGHTS:
                report.wrong_key((*here, "weight"), _NO_WEIGHTS[strategy])
            elif step.weight is not None and 0 < step.weight < weight:
                words = f"{step.weight / 100:g} is below the {weight / 100:g} before it, which would take users back; weights only grow"
                report.wrong((*here, "weight"), words)
            weight = step.weight or -1
        begun = True
    _whole_plan(report, at, plan)


_NO_WEIGHTS: Final[dict[Strategy, str]] = {
    "blue_green": "belongs to strategy: canary; blue_green gives the candidate everything at once, after its shadow steps and gates",
    "shadow": "belongs to strategy: canary; a shadow rollout gives the candidate copies only",
}


def _whole_plan(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    """What the steps lack together; nothing is said while one of them could not be read."""
    steps = plan.steps or ()
    if not report.whole((*at, "steps")) or not steps:
        return
    kinds = [{*report.names((*at, "steps", index))} & _KINDS for index in range(len(steps))]
    if not all(kinds):
        return  # an empty step may have been meant as any
    if plan.strategy == "canary" and not any("weight" in kind for kind in kinds):
        words = "give the candidate no weight, so nothing would be known of it; add {weight: 5, for: 5m}, or write strategy: shadow"
        report.wrong_key((*at, "steps"), words)
    if plan.strategy == "shadow" and not any(step is not None and step.shadow is not None for step in steps):
        report.wrong_key((*at, "steps"), "copy nothing; add a step like {shadow: {percent: 20, for: 10m}}")


def _step(report: Report, path: KeyPath, *, begun: bool) -> None:
    """One step by itself. ``begun``: something has been, or can be, learnt of the candidate before it."""
    given = [key for key in report.names(path) if key in _KINDS]
    if len(given) > 1:
        second = "gate" if "gate" in given else given[1]
        other = next(key for key in given if key != second)
        keeps = ", which keeps the weight before it" if second == "gate" else ""
        report.wrong_key((*path, second), f"stands beside {other}; make it a step of its own{keeps}")
    elif given == ["gate"]:
        for key in ("for", "min_requests"):
            if report.has((*path, key)):
                report.wrong_key((*path, key), "means nothing in a gate, which waits for an operator; give it to the step before")
        if not begun:
            report.wrong(path, "is a gate before any weight, so nothing could be judged at it; put a weight step first")
    elif given == ["shadow"]:
        for key in ("for", "min_requests"):
            if report.has((*path, key)):
                report.wrong_key((*path, key), f"belongs into shadow: write {{shadow: {{percent: 20, {key}: ...}}}}")
    elif not given:
        report.wrong(path, "has neither weight, gate nor shadow; write {weight: 5, for: 5m} or {gate: manual}")


def _replacing(report: Report, at: KeyPath, service: schema.Service) -> None:
    """Versions on the same addresses are instances replaced in their places, which only a hook can do at the right moment."""
    if any(hook is not None and hook.on == "before_step" for hook in service.rollout.hooks):
        return
    whose: dict[scalars.Address, str] = {}
    for name, version in service.versions.items():
        for endpoint in filter(None, version.endpoints):
            other = whose.setdefault(endpoint, name)
            if other != name:
                words = (
                    f"goes from {other} to {name}, which have an endpoint in common ({endpoint}): its instance has to be replaced "
                    "in the middle of the rollout; give a hook on: before_step that does it"
                )
                report.wrong((*at, "strategy"), words)
                return


def _hooks(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    calls = Once(report, "is called at that point already, at")
    names = Once(report, "is the name of another hook, at")
    for index, hook in enumerate(plan.hooks):
        here = (*at, "hooks", index)
        if hook is None or not report.whole(here):
            continue
        calls.take((hook.on, hook.url), (*here, "url"))
        if hook.name:
            names.take(hook.name, (*here, "name"))
        if hook.on in ("before_promotion", "after_promotion") and plan.strategy == "shadow":
            report.wrong((*here, "on"), "is never called: a shadow rollout promotes nothing; use before_rollout or before_step")


def _freeze(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    windows = Once(report, "is given already, at")
    open_minutes = bytearray(b"\x01" * WEEK_MIN)
    for index, window in enumerate(plan.freeze):
        here = (*at, "freeze", index)
        if window is None or not report.whole(here):
            continue
        if window.from_ == window.to:
            report.wrong((*here, "to"), "is when it begins, so it is either no time or all of it; end it before or after")
            continue
        windows.take((window.from_, window.to, window.zone), here)
        for minute in range(window.from_, window.to + (WEEK_MIN if window.to < window.from_ else 0)):
            open_minutes[minute % WEEK_MIN] = 0
    zones = {window.zone for window in plan.freeze if window is not None}
    if plan.freeze and len(zones) == 1 and not any(open_minutes):
        report.wrong_key((*at, "freeze"), "leaves no minute of the week, so nothing could ever begin; leave some hours out")


def _deadline(report: Report, at: KeyPath, plan: schema.Rollout) -> None:
    if not plan.deadline or not report.whole(at):
        return
    steps = [step for step in plan.steps or () if step is not None]
    shortest_s = sum(step.for_ if step.shadow is None else step.shadow.for_ for step in steps)
    if plan.deadline <= shortest_s:
        longest, deadline = scalars.shown_duration(shortest_s), scalars.shown_duration(plan.deadline)
        report.wrong((*at, "deadline"), f"{deadline} is over before the steps are, which take {longest} at least; allow more")
