"""The proxy's own metrics of a candidate, held against the limits of a check. Pure.

Enough
------
A figure of a few requests is a figure of chance, so there is a least number below which nothing is known (``no_data``):

- *A quantile* needs five answers beyond it: 10 for the median (20 are asked for), 50 for p90, 500 for p99. With fewer, one slow answer
  more or less moves it past its neighbour.
- *A rate* needs so many requests that one failure alone does not break its limit: 100 for 1 %, 20 at least and 500 at most. Over its
  limit it fails with five failures: with fewer, a good version is over it by chance once in a while (one that fails 0.1 % has two
  failures among its first hundred requests in 0.5 % of all steps, and the step so far keeps them). Until then nothing is known. A limit
  of nothing is broken by the first.
- *Requests a second* need a second.

Against stable
--------------
``max_ratio`` and ``max_delta`` compare both versions over the same seconds, and stable needs as many answers as the candidate. A stable
that has not failed in n requests is taken to fail once in n: nothing smaller can be told of it, and a ratio to 0 would condemn a
candidate for its first failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from proxy.analysis.stretches import Side, Stretch
from proxy.model.rollout import Check
from proxy.telemetry.histogram import quantile

_QUANTILES: Final = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}
_Unit = Callable[[float], str]

BEYOND_QUANTILE: Final = 5
"""Answers that have to lie beyond a quantile: their number has a spread of 2.2, so the quantile stays near its place."""

FAILURES_MIN: Final = 5
"""Of a rate that is over its limit: their number has a spread of 2.2, so fewer may be nobody's fault."""

REQUESTS_MIN: Final = 20
"""Of any figure: fewer are an anecdote."""

REQUESTS_ENOUGH: Final = 500
"""Of any rate, however small its limit, as many as a p99 needs: a stable that never fails makes limits of nearly nothing, and would
keep the best candidate from going on. So many good requests rule out 0.6 % (rule of three, 95 %); a failure among them still holds."""

SECONDS_MIN: Final = 1.0


class Measurement(NamedTuple):
    """What a metric came to: as the fields of a ``Result`` after its time."""

    result: Literal["pass", "fail", "no_data"]
    reason: str
    value: float | None = None
    limit: float | None = None
    stable: float | None = None


class _Limit(NamedTuple):
    """A bound of the candidate's value, and where it comes from."""

    bound: float
    upper: bool
    origin: str = ""


def measure(check: Check, stretch: Stretch) -> Measurement:
    """The metric of ``check`` over this stretch, held against all its limits; the first that is broken is the one told."""
    metric = check.metric
    assert metric is not None, "an outside check is not measured here"
    if metric == "shadow_mismatch_rate":
        sides = Side(stretch.compared, stretch.mismatched), None
        return _rate(check, *sides, stretch.seconds, "compared copies")
    if metric == "error_rate":
        return _rate(check, stretch.candidate, stretch.stable, stretch.seconds, "requests")
    if metric == "requests_per_second":
        return _requests_per_second(check, stretch)
    return _latency(check, stretch, _QUANTILES[metric])


def requests_needed(limit: float) -> int:
    """Requests without which a rate says nothing about ``limit`` (0..1)."""
    if limit <= 0:
        return REQUESTS_MIN  # one failure breaks it, however many requests there are
    return min(REQUESTS_ENOUGH, max(REQUESTS_MIN, math.ceil(1 / limit - 1e-9)))


def answers_needed(q: float) -> int:
    """Answers without which the ``q``-quantile is chance."""
    return max(REQUESTS_MIN, math.ceil(BEYOND_QUANTILE / (1 - q) - 1e-9))


# ---- the kinds of metric --------------------------------------------------------------------------------------------------------


def _rate(check: Check, candidate: Side, stable: Side | None, seconds: float, what: str) -> Measurement:
    has = candidate.requests
    of_stable, note = None, ""
    if _compares(check):
        if stable is None or stable.requests < REQUESTS_MIN:
            return _missing(check, "stable", stable.requests if stable else 0, REQUESTS_MIN, seconds, what)
        of_stable = max(stable.failures, 1) / stable.requests
        note = "" if stable.failures else ", one failure where it had none"
    bounds = _limits(check, of_stable, _percent, note)
    needed = max((requests_needed(limit.bound) for limit in bounds if limit.upper), default=REQUESTS_MIN)
    value = candidate.failures / has if has else None
    told = stable.failures / stable.requests if stable and of_stable is not None else None
    for limit in bounds:
        if limit.upper and candidate.failures > limit.bound * max(has, requests_needed(limit.bound)):
            assert value is not None
            said = _broken(check, value, limit, _percent)
            if 0 < limit.bound and candidate.failures < FAILURES_MIN:
                said += f", by {candidate.failures} of {has}: too few to tell chance from fault, {FAILURES_MIN} are needed"
                return Measurement("no_data", said, value, limit.bound, told)
            return Measurement("fail", said, value, limit.bound, told)
    if has < needed or value is None:
        return _missing(check, "the candidate", has, needed, seconds, what)._replace(value=value, stable=told)
    return _held(check, value, bounds, told, _percent)


def _latency(check: Check, stretch: Stretch, q: float) -> Measurement:
    needed, what = answers_needed(q), "answers"
    has = sum(stretch.candidate.latency.values())
    if has < needed:
        return _missing(check, "the candidate", has, needed, stretch.seconds, what)
    value, of_stable = quantile(stretch.candidate.latency, q), None
    assert value is not None
    if _compares(check):
        has = sum(stretch.stable.latency.values())
        if has < needed:
            return _missing(check, "stable", has, needed, stretch.seconds, what)
        of_stable = quantile(stretch.stable.latency, q)
    return _held(check, value, _limits(check, of_stable, _seconds), of_stable, _seconds)


def _requests_per_second(check: Check, stretch: Stretch) -> Measurement:
    if stretch.seconds < SECONDS_MIN:
        return Measurement("no_data", f"{check.metric} needs {SECONDS_MIN:g} s")
    value, of_stable = stretch.candidate.requests / stretch.seconds, None
    if _compares(check):
        if not stretch.stable.requests:
            return Measurement("no_data", f"{check.metric}: stable had no request in the same seconds", value)
        of_stable = stretch.stable.requests / stretch.seconds
    return _held(check, value, _limits(check, of_stable, plain), of_stable, plain)


# ---- limits ---------------------------------------------------------------------------------------------------------------------


def _compares(check: Check) -> bool:
    return check.max_ratio is not None or check.max_delta is not None


def _limits(check: Check, of_stable: float | None, unit: _Unit, note: str = "") -> list[_Limit]:
    """All limits of a check. ``note`` follows stable's value, where there is something to say of it."""
    limits = []
    if check.max is not None:
        limits.append(_Limit(check.max, True))
    if check.min is not None:
        limits.append(_Limit(check.min, False))
    if of_stable is not None and check.max_ratio is not None:
        limits.append(_Limit(check.max_ratio * of_stable, True, f", {check.max_ratio:g} times stable's {unit(of_stable)}{note}"))
    if of_stable is not None and check.max_delta is not None:
        limits.append(_Limit(of_stable + check.max_delta, True, f", {unit(check.max_delta)} above stable's {unit(of_stable)}{note}"))
    return limits


def _held(check: Check, value: float, bounds: list[_Limit], of_stable: float | None, unit: _Unit) -> Measurement:
    for limit in bounds:
        if (value > limit.bound) if limit.upper else (value < limit.bound):
            return Measurement("fail", _broken(check, value, limit, unit), value, limit.bound, of_stable)
    first = bounds[0].bound if bounds else None
    return Measurement("pass", f"{check.metric} {unit(value)} is within its limits", value, first, of_stable)


def _broken(check: Check, value: float, limit: _Limit, unit: _Unit) -> str:
    return f"{check.metric} {unit(value)} is {'over' if limit.upper else 'under'} {unit(limit.bound)}{limit.origin}"


def _missing(check: Check, whose: str, has: int, needed: int, seconds: float, what: str) -> Measurement:
    """Too few to say anything: how many are missing, and when they will be there at the rate of this stretch."""
    said = f"{check.metric} needs {needed} {what} of {whose} and has {has}"
    rate = has / seconds if seconds > 0 else 0.0
    if not rate:
        return Measurement("no_data", said)
    if check.window_s and rate * check.window_s < needed:
        return Measurement("no_data", f"{said}; at the present rate a window of {check.window_s:g} s has {rate * check.window_s:.0f}")
    return Measurement("no_data", f"{said}; the other {needed - has} in {math.ceil((needed - has) / rate)} s at the present rate")


# ---- units ----------------------------------------------------------------------------------------------------------------------


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def plain(value: float) -> str:
    """A number of no unit for people: 3 digits, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
