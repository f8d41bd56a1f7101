"""The proxy's own metrics of a candidate, held against the limits of a check. Pure.

Enough
------
A figure of a few requests is a figure of chance, so there is a least number below which nothing is known (``no_data``):

- *A quantile* needs five answers beyond it: 10 for the median (20 are asked for), 50 for p90, 500 for p99. With fewer, one slow answer
  more or less moves it past its neighbour.
- *A rate* needs so many requests that one failure alone does not break its limit: 100 for 1 %, 20 at least and 500 at most.
- *Requests a second* need a second.

Over a limit
------------
Within its limits a figure passes. Over one it fails only if chance does not explain it: the step so far is looked at a hundred times,
and a version that keeps to a limit is over it now and then. What counts is how many requests are beyond the limit, failed or slower
than it, where so many may be: the rate's limit of them, or a hundredth for a p99. It has to be five at least, and three standard
deviations more than may be (of a Poisson number; against stable, whose own figure is uncertain as well, with its part). In between
nothing is known, which holds the step as a fail does. A rate that may be nothing is broken by the first failure.

When each look over a limit was a fail, 10 to 32 % of versions as good as stable, at 5 requests a second, broke limits like a p99's
``max_ratio: 1.3`` or an error rate's of 1.5 three times running within ten minutes; so none does.

Both alike
----------
A candidate over an absolute limit is not at fault where it is no worse than stable over the same seconds, beyond chance, or stable
is surely over that limit too: whatever strikes both holds, and how much worse than an ill stable it is, is the guard's to say. Without
answers of stable the limit stands alone.

Against stable
--------------
``max_ratio`` and ``max_delta`` compare both versions over the same seconds, and stable needs as many answers as the candidate. A stable
that has not failed in n requests is taken to fail once in n: nothing smaller can be told of it, and a ratio to 0 would condemn a
candidate for its first failure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from proxy.analysis.stretches import Side, Stretch
from proxy.model.rollout import Check
from proxy.telemetry.histogram import BOUNDS_S, bucket, quantile

_Unit = Callable[[float], str]

QUANTILES: Final = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}
"""Which quantile of the candidate's latencies a metric is."""

BEYOND_QUANTILE: Final = 5
"""Answers that have to lie beyond a quantile: their number has a spread of 2.2, so the quantile stays near its place."""

BEYOND_LIMIT: Final = 5
"""Requests that have to be beyond a limit for a fail: their number has a spread of 2.2, so fewer may be nobody's fault."""

DEVIATIONS: Final = 3.0
"""Standard deviations beyond what may be, for a fail: once in 700 looks by chance, and looks at a growing sum are much alike."""

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
    """A bound of the candidate's value, and where it comes from. ``doubt``: how much wider the spread is for stable's part in it."""

    bound: float
    upper: bool
    origin: str = ""
    doubt: float = 1.0


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
    return _latency(check, stretch, QUANTILES[metric])


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
    bounds = _limits(check, of_stable, _percent, note, doubt=1 + has / max(1, stable.requests) if stable else 1.0)
    needed = max((requests_needed(limit.bound) for limit in bounds if limit.upper), default=REQUESTS_MIN)
    value = candidate.failures / has if has else None
    told = stable.failures / stable.requests if stable and of_stable is not None else None
    doubtful = None
    for limit in bounds:
        allowed = limit.bound * max(has, requests_needed(limit.bound))
        if limit.upper and candidate.failures > allowed:
            assert value is not None
            said = _broken(check, value, limit, _percent)
            if limit.bound <= 0 or _surely(candidate.failures, allowed, allowed * limit.doubt):
                if (
                    not limit.origin
                    and stable is not None
                    and not _to_blame(candidate.failures, has, stable.failures, stable.requests, limit.bound)
                ):
                    return _both(said, value, limit.bound, stable.failures / stable.requests, _percent)
                return Measurement("fail", said, value, limit.bound, told)
            doubtful = doubtful or _doubtful(said, candidate.failures, has, what, limit.bound * has, value, limit.bound, told)
    if has < needed or value is None:
        return doubtful or _missing(check, "the candidate", has, needed, seconds, what)._replace(value=value, stable=told)
    return doubtful or _held(check, value, bounds, told, _percent)


def _latency(check: Check, stretch: Stretch, q: float) -> Measurement:
    needed, what, latency = answers_needed(q), "answers", stretch.candidate.latency
    has = sum(latency.values())
    if has < needed:
        return _missing(check, "the candidate", has, needed, stretch.seconds, what)
    value, of_stable, doubt = quantile(latency, q), None, 1.0
    assert value is not None
    if _compares(check):
        of = sum(stretch.stable.latency.values())
        if of < needed:
            return _missing(check, "stable", of, needed, stretch.seconds, what)
        of_stable, doubt = quantile(stretch.stable.latency, q), 1 + has / of
    bounds = _limits(check, of_stable, _seconds, doubt=doubt)
    doubtful, allowed = None, (1 - q) * has
    for limit in bounds:
        if limit.upper and value > limit.bound:
            said, beyond = _broken(check, value, limit, _seconds), round(_slower(latency, limit.bound))
            if _surely(beyond, allowed, allowed * q * limit.doubt):
                theirs = stretch.stable.latency
                if not limit.origin and not _to_blame(beyond, has, round(_slower(theirs, limit.bound)), sum(theirs.values()), 1 - q):
                    return _both(said, value, limit.bound, quantile(theirs, q) or 0.0, _seconds)
                return Measurement("fail", said, value, limit.bound, of_stable)
            doubtful = doubtful or _doubtful(said, beyond, has, what, allowed, value, limit.bound, of_stable)
    return doubtful or _held(check, value, bounds, of_stable, _seconds)


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


def _limits(check: Check, of_stable: float | None, unit: _Unit, note: str = "", doubt: float = 1.0) -> list[_Limit]:
    """All limits of a check. ``note`` follows stable's value, where there is something to say of it."""
    limits = []
    if check.max is not None:
        limits.append(_Limit(check.max, True))
    if check.min is not None:
        limits.append(_Limit(check.min, False))
    if of_stable is not None and check.max_ratio is not None:
        origin = f", {check.max_ratio:g} times stable's {unit(of_stable)}{note}"
        limits.append(_Limit(check.max_ratio * of_stable, True, origin, doubt))
    if of_stable is not None and check.max_delta is not None:
        origin = f", {unit(check.max_delta)} above stable's {unit(of_stable)}{note}"
        limits.append(_Limit(of_stable + check.max_delta, True, origin, doubt))
    return limits


def _held(check: Check, value: float, bounds: list[_Limit], of_stable: float | None, unit: _Unit) -> Measurement:
    for limit in bounds:
        if (value > limit.bound) if limit.upper else (value < limit.bound):
            return Measurement("fail", _broken(check, value, limit, unit), value, limit.bound, of_stable)
    first = bounds[0].bound if bounds else None
    return Measurement("pass", f"{check.metric} {unit(value)} is within its limits", value, first, of_stable)


def _surely(beyond: int, allowed: float, variance: float) -> bool:
    """Whether chance does not explain that so many requests are beyond a limit."""
    return beyond >= BEYOND_LIMIT and beyond > allowed + DEVIATIONS * math.sqrt(variance)


def _doubtful(
    said: str, beyond: int, has: int, what: str, allowed: float, value: float, bound: float, of_stable: float | None
) -> Measurement:
    told = f"{said}, by {beyond} of {has} {what} where {allowed:.3g} may be: too close to tell chance from fault"
    return Measurement("no_data", told, value, bound, of_stable)


def _to_blame(beyond: int, has: int, of_stable: int, stable_has: int, allowed: float) -> bool:
    """Whether it is the candidate that is beyond a limit: more often than stable over the same seconds, beyond chance, and stable not
    surely beyond it too. ``allowed`` is the share that may be. True without stable's answers: there is nobody to share the blame."""
    if not stable_has:
        return True
    expected, may = of_stable / stable_has * has, allowed * stable_has
    worse = beyond > expected + DEVIATIONS * math.sqrt(expected * (1 + has / stable_has))
    return worse and not _surely(of_stable, may, may)


def _both(said: str, value: float, bound: float, of_stable: float, unit: _Unit) -> Measurement:
    told = (
        f"{said}, and stable's {unit(of_stable)} over the same seconds is no better, as far as can be told: not the candidate's fault"
    )
    return Measurement("no_data", told, value, bound, of_stable)


def _slower(latency: Mapping[int, int], bound_s: float) -> float:
    """How many answers took longer; within the bound's own bucket they lie evenly."""
    index = bucket(bound_s)
    low, high = BOUNDS_S[index - 1] if index else 0.0, BOUNDS_S[index]  # a quantile is over it, so it is within the buckets
    own = latency.get(index, 0) * (high - bound_s) / (high - low)
    return own + sum(count for each, count in latency.items() if each > index)


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
