"""The rules by which Flagger and Argo Rollouts end a canary, as pure functions: a state and an answer of their metrics in, a state out.

Facts
-----
*Flagger* (github.com/fluxcd/flagger: pkg/controller/scheduler.go, scheduler_metrics.go, pkg/metrics/observers/istio.go;
docs/gitbook/usage/how-it-works.md, metrics.md). Every ``interval`` (60 s unless said, 10 s at least) a tick. Failed checks are counted
over the whole rollout; when a tick finds ``threshold`` of them it rolls back, so one interval after the last. Else it asks the metrics
in their order; the first that fails, has no value (nothing or NaN) or cannot be asked ends the tick and adds one, and the weight stays.
When all hold, the weight grows by ``stepWeight``; when they hold at ``maxWeight``, the candidate is promoted. The first tick, at weight
0, asks nothing. Built in: share of answers that are no 5xx (``min: 99``) and P99 (``max: 500`` ms), over a minute unless said.

*Argo Rollouts* (github.com/argoproj/argo-rollouts: utils/analysis, analysis/analysis.go; docs/features/analysis.md). Steps of a weight
and a pause, a background analysis beside them. A measurement whose ``successCondition`` is false, as it is of NaN, is a failed one;
more than ``failureLimit`` (0) of them abort at once. An empty result is an error (there is no first element), and so is a provider that
does not answer; an error is tried again after 10 s, and the fifth in a row (``consecutiveErrorLimit`` 4) aborts. When the last pause
ends, the candidate is promoted, and an analysis still running counts as passed.

What is not of the rules, and in their favour: weights are in force at once, no pod has to start, no query is slow, and a counter of
failures that has just appeared loses nothing.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from proxy.errors import OperatorError
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.simulation.latency import LATE_S
from proxy.simulation.scraped import Reading

ARGO_RETRY_S: Final = 10.0
"""After a measurement that was an error; fixed in Argo Rollouts."""

Answer = Reading | None | Literal["error"]
"""Of a query: a reading, nothing, or an error."""

Ended = Literal["", "promoted", "rolled_back"]


class Flagger(msgspec.Struct, frozen=True, tag="flagger"):
    """Settings of a Canary's analysis. Weights in basis points; ``success_min`` and ``late_max`` are shares (0..1)."""

    interval_s: float
    threshold: int
    step_bp: int
    most_bp: int
    window_s: float
    success_min: float = 0.99
    late_max: float = 0.01


class FlaggerState(msgspec.Struct, frozen=True):
    """Where a Canary stands."""

    weight_bp: int = 0
    failed: int = 0
    ended: Ended = ""
    why: str = ""


def flagger_tick(rules: Flagger, state: FlaggerState, answer: Answer) -> FlaggerState:
    """One tick, with what the metrics answer over ``rules.window_s``."""
    if state.failed >= rules.threshold:
        return replace(state, weight_bp=0, ended="rolled_back", why=f"{state.failed} failed checks, the last: {state.why}")
    if state.weight_bp == 0:
        return replace(state, weight_bp=min(rules.step_bp, rules.most_bp))
    wrong = _wrong(answer, rules.success_min, rules.late_max)
    if wrong:
        return replace(state, failed=state.failed + 1, why=wrong)
    if state.weight_bp >= rules.most_bp:
        return replace(state, ended="promoted")
    return replace(state, weight_bp=min(state.weight_bp + rules.step_bp, rules.most_bp))


def _wrong(answer: Answer, success_min: float, late_max: float) -> str:
    """Why a check fails; empty when it holds."""
    if answer == "error":
        return "the metrics cannot be asked"
    if answer is None or answer.requests <= 0:
        return "no values found"
    success = 1 - answer.failed / answer.requests
    if success < success_min:
        return f"success rate {100 * success:.2f} %"
    if answer.late / answer.requests > late_max:
        return f"P99 over {LATE_S:g} s"
    return ""


class ArgoMetric(msgspec.Struct, frozen=True):
    """One metric of an AnalysisTemplate; ``last_two``: asked with ``irate``. ``success_min`` or ``late_max`` is its condition.

    ``error_limit`` is ``consecutiveErrorLimit``.
    """

    name: str
    interval_s: float
    window_s: float
    failure_limit: int = 0
    error_limit: int = 4
    initial_delay_s: float = 0.0
    last_two: bool = False
    success_min: float | None = None
    late_max: float | None = None


class Argo(msgspec.Struct, frozen=True, tag="argo"):
    """A Rollout: (weight, pause) steps, a pause of None being until somebody resumes it, and the metrics of its background analysis."""

    steps: tuple[tuple[int, float | None], ...]
    metrics: tuple[ArgoMetric, ...]


class MetricState(msgspec.Struct, frozen=True):
    """Of one metric of a run: failed measurements, errors in a row, when the next is due, and why it ended the run, if it did."""

    due_s: float
    failed: int = 0
    errors: int = 0
    why: str = ""


def argo_measured(metric: ArgoMetric, state: MetricState, answer: Answer) -> MetricState:
    """The measurement that was due, with what the metric's query answers. ``why`` is set when the rollout is aborted for it."""
    if answer == "error" or answer is None:
        errors = state.errors + 1
        what = "the provider does not answer" if answer == "error" else "an empty result"
        why = f"{metric.name}: {errors} errors in a row, the last: {what}" if errors > metric.error_limit else ""
        return MetricState(state.due_s + ARGO_RETRY_S, state.failed, errors, why)
    failed = state.failed + (not _succeeds(metric, answer))
    why = f"{metric.name}: {failed} failed measurements" if failed > metric.failure_limit else ""
    return MetricState(state.due_s + metric.interval_s, failed, 0, why)


def _succeeds(metric: ArgoMetric, answer: Reading) -> bool:
    if answer.requests <= 0:
        return False  # NaN
    if metric.success_min is not None:
        return 1 - answer.failed / answer.requests >= metric.success_min
    assert metric.late_max is not None
    return answer.late / answer.requests <= metric.late_max


# ---- settings -------------------------------------------------------------------------------------------------------------------

Policy = Flagger | Argo

POLICIES: Final = ("flagger", "flagger-tuned", "argo", "argo-tuned")
"""The settings there are: as the projects' own documents have them, and tightened to what the tools allow without being noisy."""


def policy(name: str, plan: RolloutPlan) -> Policy:
    """The settings of this name (of ``POLICIES``) for a rollout with the weights and the length of ``plan``. OperatorError: no weights.

    Argo Rollouts takes the plan's steps as they are. Flagger has even steps of whole percents, one an interval: the least with which it
    is not longer than the plan.
    """
    weights = [step for step in plan.steps if isinstance(step, WeightStep)]
    if not weights:
        raise OperatorError(f"the rules of {name} need a plan with weight steps")
    if name.startswith("flagger"):
        tuned = name.endswith("tuned")
        interval_s = 30.0 if tuned else 60.0
        most_bp = max(step.weight_bp for step in weights)
        ticks = max(1.0, sum(step.for_s for step in weights) // interval_s)
        step_bp = 100 * max(1, math.ceil(most_bp / 100 / ticks))
        return Flagger(interval_s, 3 if tuned else 10, step_bp, most_bp, window_s=60.0)
    return Argo(_argo_steps(plan), _ARGO_TUNED if name.endswith("tuned") else _ARGO)


def told(rules: Policy) -> str:
    """The settings in a sentence, in the tool's own words."""
    if isinstance(rules, Flagger):
        weights = f"stepWeight {rules.step_bp / 100:g}, maxWeight {rules.most_bp / 100:g}"
        checks = f"success rate at least {100 * rules.success_min:g} % and P99 at most {LATE_S:g} s over {rules.window_s:g} s"
        return f"interval {rules.interval_s:g} s, threshold {rules.threshold}, {weights}; {checks}"
    metrics = "; ".join(
        f"{metric.name} every {metric.interval_s:g} s over {'the last two readings' if metric.last_two else f'{metric.window_s:g} s'}, "
        f"failureLimit {metric.failure_limit}, consecutiveErrorLimit {metric.error_limit}"
        for metric in rules.metrics
    )
    return f"the plan's weights and times; {metrics}"


_ARGO: Final = (ArgoMetric("success-rate", 300.0, 300.0, failure_limit=3, initial_delay_s=60.0, last_two=True, success_min=0.95),)
_TUNED: Final = ArgoMetric("", 30.0, 60.0, failure_limit=2, error_limit=12, initial_delay_s=60.0)
_ARGO_TUNED: Final = (replace(_TUNED, name="success-rate", success_min=0.99), replace(_TUNED, name="latency-p99", late_max=0.01))


def _argo_steps(plan: RolloutPlan) -> tuple[tuple[int, float | None], ...]:
    steps: list[tuple[int, float | None]] = []
    weight_bp = 0
    for step in plan.steps:
        if isinstance(step, WeightStep):
            weight_bp = step.weight_bp
            steps.append((weight_bp, step.for_s))
        elif isinstance(step, GateStep):
            steps.append((weight_bp, None))
    return tuple(steps)
