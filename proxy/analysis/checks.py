"""The checks of a rollout: their results, and what those come to. Pure; asks nobody anything, and knows no step's length or weight.

Theory
------
Every ``interval_s`` each check has one *result*. ``pass`` and ``fail`` are about the candidate; ``no_data`` and ``error`` say that
nothing is known of it, and nobody is judged on that. What they come to:

- more than ``failure_limit`` fails *of one check* inside ``failure_window_s`` roll back;
- unless the latest result of every check is a pass, and was made in the present step, the step cannot end;
- a ``dry_run`` check is recorded and told, and acts on nothing.

Whoever asks the outside world takes what is ``due`` and hands in what came of it (``add``). The proxy's own metrics are read here, from
what was counted (``look``); ``metrics`` says when there is enough of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from proxy import limits
from proxy.analysis.metrics import measure, plain
from proxy.analysis.stretches import Stretch
from proxy.model.position import Finding, Verdict
from proxy.model.rollout import Check, RolloutPlan

ResultKind = Literal["pass", "fail", "no_data", "error"]

RESULTS: tuple[ResultKind, ...] = ("pass", "fail", "no_data", "error")
"""Every result a check can have, in the order metrics show them."""


class Observed(msgspec.Struct, frozen=True):
    """What came of asking for an outside check, named ``check``, at ``at_s`` (Unix time).

    With ``error`` (a sentence) it could not be asked, or the answer not be understood. Else ``value`` is the number it gave, and None
    when there was none (an empty answer of Prometheus, NaN). Of an HTTP check without a JSON path it is 1.0 for 2xx, 0.0 for any other
    status. ``text`` is what was seen beside the value, for people: a status, a warning, why there is none.
    """

    check: str
    at_s: float
    value: float | None = None
    error: str = ""
    text: str = ""


class Flow(NamedTuple):
    """Who is given requests now: whether the split draws any for the candidate and for stable, and whether copies are made.

    A metric of nobody's requests has no result and keeps no step from ending; nor does a comparison with a stable that gets none.
    """

    candidate: bool = True
    stable: bool = True
    copies: bool = False


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One result: when (Unix time), which, the value and the limit it was held against (None: there is none), and a sentence."""

    at_s: float
    result: ResultKind
    reason: str
    value: float | None = None
    limit: float | None = None
    stable: float | None = None


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """One check's memory: the latest results, and when it failed lately (no more of either than is needed)."""

    results: list[Result] = []
    failed_at_s: list[float] = []


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    """As it is stored: which rollout and step the results are of, when that step began, and the memory by name."""

    rollout: int
    step: str
    step_began_s: float
    kept: dict[str, _Kept]


class Checks:
    """The checks of one rollout. Bounded: ``limits.CHECK_RESULTS_KEPT`` results of each, and as many fails as it takes to roll back.

    All times are Unix time. Where the clock is put back, what is due is asked at once rather than never.
    """

    def __init__(self, plan: RolloutPlan, rollout: int) -> None:
        self.rollout = rollout
        self._plan = plan
        self._checks = {check.name: check for check in plan.checks}
        self._kept = {name: _Kept() for name in self._checks}
        self._asked_s: dict[str, float] = {}
        self._step = ""
        self._step_began_s = 0.0

    def __bool__(self) -> bool:
        """Whether there is anything to check."""
        return bool(self._checks)

    def enter(self, step: str, now: float) -> bool:
        """Stand in this step; True when it is another than before.

        Then what was found before does not let it end, and every check is due an interval from now.
        """
        if step == self._step:
            return False
        self._step, self._step_began_s = step, now
        self._asked_s = dict.fromkeys(self._checks, now)
        return True

    # ---- from outside -----------------------------------------------------------------------------------------------------------

    def due(self, now: float) -> tuple[Check, ...]:
        """The outside checks to ask now, in the plan's order. They are not due again before another interval is over."""
        chosen = tuple(check for check in self._checks.values() if check.metric is None and self._is_due(check, now))
        for check in chosen:
            self._note_asked(check, now)
        return chosen

    def add(self, observed: Observed) -> None:
        """Take what came of one; of a check that this rollout does not have it is ignored."""
        check = self._checks.get(observed.check)
        if check is not None and check.metric is None:
            self._keep(check, held_against(check, observed))

    # ---- from what was counted --------------------------------------------------------------------------------------------------

    def look(self, over: Callable[[float], Stretch], now: float, flow: Flow) -> None:
        """Read the proxy's own metrics that are due. ``over`` gives what was counted in the last so many seconds (0: in this step)."""
        for check in self._checks.values():
            if check.metric is None or not self._is_due(check, now):
                continue
            self._note_asked(check, now)
            if _applies(check, flow):
                asked = check if flow.stable else replace(check, max_ratio=None, max_delta=None)
                self._keep(check, Result(now, *measure(asked, over(check.window_s))))

    # ---- judging ----------------------------------------------------------------------------------------------------------------

    def judge(self, now: float, flow: Flow) -> Verdict:
        """ROLLBACK after too many fails of a check; HOLD while one has not passed in this step; else PASS.

        ``figures["checks"]`` has every check with its latest result; ``figures["holding"]`` the reasons why the step cannot end.
        """
        failed, holding = [], []
        for check in self._checks.values():
            if check.dry_run:
                continue
            fails = self._fails(check, now)
            if fails > self._plan.failure_limit:
                failed.append(self._failed(check, fails))
            elif _applies(check, flow) and (why := self._holds(check)):
                holding.append(why)
        figures = {"checks": [self._told(check, now) for check in self._checks.values()], "holding": holding}
        if failed:
            return Verdict(Finding.ROLLBACK, "; ".join(failed), figures)
        if holding:
            return Verdict(Finding.HOLD, "; ".join(holding), figures)
        count = sum(not check.dry_run for check in self._checks.values())
        if not count:
            return Verdict(Finding.PASS, "every check is a dry run", figures)
        return Verdict(Finding.PASS, f"{count} check passes" if count == 1 else f"{count} checks pass", figures)

    def fails(self, now: float) -> bool:
        """Whether ``judge`` says ROLLBACK now."""
        return any(not check.dry_run and self._fails(check, now) > self._plan.failure_limit for check in self._checks.values())

    def latest(self, name: str) -> Result | None:
        """The latest result of a check, of whichever step."""
        results = self._kept[name].results
        return results[-1] if results else None

    def history(self, name: str) -> Sequence[Result]:
        """The latest results of a check, oldest first."""
        return tuple(self._kept[name].results)

    # ---- a restart --------------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """JSON values from which ``restore`` brings all results back."""
        out: dict[str, Any] = msgspec.to_builtins(_Saved(self.rollout, self._step, self._step_began_s, self._kept))
        return out

    @classmethod
    def restored(cls, plan: RolloutPlan, rollout: int, data: dict[str, Any] | None) -> Self:
        """The checks of a rollout with what ``to_json`` kept of it. Raises ``msgspec.ValidationError``.

        Each is due an interval after its last result: restarts in a row must not make its fails come faster.
        """
        checks = cls(plan, rollout)
        if data is not None:
            saved = msgspec.convert(data, _Saved)
            if saved.rollout == rollout:
                checks._kept.update((name, kept) for name, kept in saved.kept.items() if name in checks._kept)
                checks._step, checks._step_began_s = saved.step, saved.step_began_s
                checks._asked_s = {
                    name: max([saved.step_began_s, *(r.at_s for r in kept.results[-1:])]) for name, kept in checks._kept.items()
                }
        return checks

    # ---- within -----------------------------------------------------------------------------------------------------------------

    def _is_due(self, check: Check, now: float) -> bool:
        asked_s = self._asked_s.get(check.name)
        return asked_s is None or now < asked_s or now - asked_s >= self._plan.interval_s

    def _note_asked(self, check: Check, now: float) -> None:
        """The next time is whole intervals after the last, however late this one is: looking late must not add up."""
        asked_s, interval_s = self._asked_s.get(check.name, now), self._plan.interval_s
        passed = max(1, math.floor((now - asked_s) / interval_s))
        self._asked_s[check.name] = asked_s + passed * interval_s if now - asked_s >= interval_s else now

    def _keep(self, check: Check, result: Result) -> None:
        kept = self._kept[check.name]
        kept.results.append(result)
        del kept.results[: -limits.CHECK_RESULTS_KEPT]
        if result.result == "fail":
            kept.failed_at_s.append(result.at_s)
            del kept.failed_at_s[: -(self._plan.failure_limit + 1)]

    def _fails(self, check: Check, now: float) -> int:
        return sum(now - at_s <= self._plan.failure_window_s for at_s in self._kept[check.name].failed_at_s)

    def _failed(self, check: Check, fails: int) -> str:
        latest = next(r for r in reversed(self._kept[check.name].results) if r.result == "fail")
        times = "once" if fails == 1 else f"{fails} times"
        return f"check {check.name} failed {times} in {self._plan.failure_window_s:g} s: {latest.reason}"

    def _holds(self, check: Check) -> str:
        """Why this check keeps the step from ending; empty when it does not."""
        latest = self.latest(check.name)
        if latest is None or latest.at_s < self._step_began_s:
            return f"check {check.name} has no result in this step yet"
        return "" if latest.result == "pass" else f"check {check.name}: {latest.reason}"

    def _told(self, check: Check, now: float) -> dict[str, Any]:
        latest = self.latest(check.name)
        return {
            "name": check.name,
            "result": latest.result if latest else "no_data",
            "value": latest.value if latest else None,
            "limit": latest.limit if latest else None,
            "stable": latest.stable if latest else None,
            "reason": latest.reason if latest else "it has no result yet",
            "at_s": latest.at_s if latest else None,
            "fails": self._fails(check, now),
            "failure_limit": self._plan.failure_limit,
            "dry_run": check.dry_run,
        }


def _applies(check: Check, flow: Flow) -> bool:
    """Whether there can be a result now."""
    if check.metric is None:
        return True
    if check.metric == "shadow_mismatch_rate":
        return flow.copies
    alone = check.max is not None or check.min is not None
    return flow.candidate and (flow.stable or alone)


def held_against(check: Check, observed: Observed) -> Result:
    """The result of an outside check."""
    if observed.error:
        return Result(observed.at_s, "error", observed.error)
    value, text = observed.value, observed.text
    if value is None or value != value:
        return Result(observed.at_s, "no_data", text or "the answer held no number")
    if check.http is not None and not check.http.value:
        if value:
            return Result(observed.at_s, "pass", text or "it answered 2xx", value)
        return Result(observed.at_s, "fail", f"it did not answer 2xx, but {text}" if text else "it did not answer 2xx", value, 1.0)
    beside = f" ({text})" if text else ""
    if check.max is not None and value > check.max:
        return Result(observed.at_s, "fail", f"{plain(value)} is over {plain(check.max)}{beside}", value, check.max)
    if check.min is not None and value < check.min:
        return Result(observed.at_s, "fail", f"{plain(value)} is under {plain(check.min)}{beside}", value, check.min)
    limit = check.max if check.max is not None else check.min
    return Result(observed.at_s, "pass", f"{plain(value)} is within its limits{beside}", value, limit)
