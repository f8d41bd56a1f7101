"""What another plan would have decided on the figures that one rollout recorded: the live machine and judge over its series. Pure.

What a replay is, and is not
----------------------------
The recorded counts are fed in stretch by stretch, at the share they were drawn at, and after each the judge of the other plan looks and
the machine steps. So its guard, its budgets, its checks on the proxy's own metrics, their limits, and how long its steps last are
replayed exactly, to the length of a stretch. What cannot be known is what other weights would have shown: from the moment the other
plan would have given the candidate another share than it had, it is judged on traffic that it would not have made. Nor does anybody
know what gates, hooks, copies and outside sources would have said. All of that is in ``caveats``, not in the verdict.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from proxy.analysis.judge import Judge
from proxy.analysis.series import Point, Series
from proxy.model.position import Phase, Position, Record
from proxy.model.rollout import CAUSES, GateStep, RolloutPlan, ShadowStep, WeightStep
from proxy.rollout.events import Applied, Command, Event, Measured
from proxy.rollout.machine import initial, step
from proxy.rollout.words import duration, percent
from proxy.telemetry.snapshot import CellDelta

_ROLLOUT: Final = 1  # of a position that has had none before

End = Literal["promoted", "rolled_back", "paused", "running"]


class Decided(msgspec.Struct, frozen=True):
    """One decision of the other plan, ``after_s`` seconds from the rollout's beginning."""

    after_s: float
    kind: str
    reason: str
    weight_bp: int


class Replay(msgspec.Struct, frozen=True):
    """How it would have ended; ``running``: the recording ends before it does. ``parted_s``: when it would have given another share."""

    end: End
    after_s: float
    reason: str
    step: int
    weight_bp: int
    decisions: tuple[Decided, ...]
    parted_s: float | None
    caveats: tuple[str, ...]


def replay(
    series: Series,
    recorded: RolloutPlan,
    other: RolloutPlan,
    began_s: float,
    *,
    versions: tuple[str, str] = ("stable", "candidate"),
    sticky: bool = False,
) -> Replay:
    """Play ``other`` on what a rollout with the plan ``recorded`` counted. ``began_s`` is when that began (Unix time).

    ``versions`` are the names of stable and candidate, for the reasons. ``sticky``: failures of known users were counted once, which
    limits what other causes can tell.
    """
    plan, caveats = replayable(recorded, other, sticky=sticky)
    return _Replay(plan, began_s, *versions, sticky=sticky).over(series, caveats)


def replayable(recorded: RolloutPlan, other: RolloutPlan, *, sticky: bool = False) -> tuple[RolloutPlan, list[str]]:
    """The part of ``other`` that can be replayed, and a sentence for each thing that cannot."""
    said: list[str] = []
    steps = tuple(entered for entered in other.steps if isinstance(entered, WeightStep))
    if any(isinstance(entered, ShadowStep) for entered in other.steps):
        said.append("its shadow steps are left out: what copies would have shown was not recorded")
    if any(isinstance(entered, GateStep) for entered in other.steps):
        said.append("its gates are passed at once: who would have passed them when is not known")
    if other.strategy != "canary":
        said.append(f"of its strategy ({other.strategy}) only guard and checks are replayed, at the shares that were recorded")
        steps = ()
    outside = [check.name for check in other.checks if check.metric is None or check.metric == "shadow_mismatch_rate"]
    if outside:
        said.append(f"its checks {', '.join(outside)} are left out: what they would have been told was not recorded")
    if other.hooks:
        said.append("its hooks are taken to have answered well")
    if other.freeze:
        said.append("its freeze windows are left out")
    new = [cause for cause in other.guard.failures if cause not in recorded.guard.failures]
    if new and sticky:
        said.append(f"failures by {', '.join(new)} of known users were not counted by the guard then, and are missing")
    others = [cause for cause in CAUSES if cause not in other.guard.failures]
    if other.guard.max_errors and others and sticky:
        said.append(
            f"its max_errors counts failures by {', '.join(others)} too: those of known users were recorded without their cause"
        )
    if other.guard.slow_over_s is not None and other.guard.slow_over_s != recorded.guard.slow_over_s:
        was = "no answer" if recorded.guard.slow_over_s is None else "an answer beyond the bound of then"
        said.append(f"its bound for slow answers is not applied: {was} was counted as slow")
    plan = replace(
        other,
        strategy="canary",
        steps=steps or (WeightStep(weight_bp=1, for_s=float("inf")),),
        checks=tuple(check for check in other.checks if check.name not in outside),
        hooks=(),
        freeze=(),
    )
    return plan, said


class _Replay:
    """One replay under way."""

    def __init__(self, plan: RolloutPlan, began_s: float, stable: str, candidate: str, *, sticky: bool) -> None:
        self._began_s = began_s
        self._stable = stable
        self._candidate = candidate
        self._free = plan.steps == (
            WeightStep(weight_bp=1, for_s=float("inf")),
        )  # without steps of its own it has no share to part from
        self._position: Position = initial("replay", stable, "-")
        self._now = began_s
        self._decisions: list[Decided] = []
        self._hear(Command(verb="start", by="replay", to=candidate, plan=plan, fingerprint="-"))
        self._judge = Judge(self._position)
        self._sticky = sticky
        self._errors = 0  # of any cause; what a sticky service's are held against

    def over(self, series: Series, caveats: list[str]) -> Replay:
        """Play it to the end of the series, or to its own."""
        points = _from_its_first_request(series.points)
        parted: float | None = None
        end: End = "running"
        for point in points:
            if (
                parted is None
                and not self._free
                and point.event not in ("rolling_back",)
                and self._position.weight_bp != point.weight_bp
            ):
                parted = max(0.0, self._now - self._began_s)
            self._live(point)
            if (over := self._settled()) is not None:
                end = over
                break
        if parted is not None:
            caveats = [
                *caveats,
                f"from {duration(parted)} on it would have given another share than was recorded: it is judged on that traffic",
            ]
        if points:
            longest = max(point.stretch.seconds for point in points)
            caveats = [*caveats, f"moments are exact to a stretch of the recording, {longest:.1f} s at most"]
        last = self._decisions[-1]
        reason = last.reason if end != "running" else f"the recording ends here, at {_stands(self._position, free=self._free)}"
        return Replay(
            end,
            max(0.0, self._now - self._began_s),
            reason,
            self._position.step,
            self._position.weight_bp,
            tuple(self._decisions),
            parted,
            tuple(caveats),
        )

    def _live(self, point: Point) -> None:
        """Count what a stretch has, look, and step."""
        self._now = point.at_s
        self._judge.enter(f"{self._position.step}", point.at_s - point.stretch.seconds)
        requests = 0
        for share_bp, row in point.rows.items():
            requests += int(row.get("candidate_requests", 0))
            for version, side in ((self._candidate, "candidate"), (self._stable, "stable")):
                cell = _cell(version, side, share_bp, row)
                self._judge.tally.add(cell, stable=self._stable, candidate=self._candidate, at_s=point.at_s)
        if self._sticky:  # the rows have each known user once, and a budget counts every failure
            self._errors += point.stretch.candidate.failures
            self._judge.tally.errors = max(self._errors, self._judge.tally.errors)
        self._judge.recorded(point.stretch)
        verdict = self._judge.verdict(self._position, point.at_s)
        if point.phase == Phase.PAUSED:  # time that a person holds is nobody's
            self._hear(Measured(dt_s=0.0, candidate_requests=0, verdict=verdict))
            return
        left_s, left = point.stretch.seconds, requests
        while True:  # a stretch may be longer than a step
            entered = self._position.plan.steps[self._position.step]
            missing_s = entered.for_s - self._position.step_elapsed_s if isinstance(entered, WeightStep) else 0.0
            piece_s = missing_s if 0.0 < missing_s < left_s else left_s
            part = round(left * piece_s / left_s) if left_s else left
            self._hear(Measured(dt_s=piece_s, candidate_requests=part, verdict=verdict))
            left_s, left = left_s - piece_s, left - part
            if left_s <= 0.0 or self._settled() is not None:
                return

    def _settled(self) -> End | None:
        """Hear the workers; the end, if it is over."""
        while self._position.phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
            self._hear(Applied(generation=1, took_s=0.0))
        ends: dict[Phase, End] = {Phase.STABLE: "promoted", Phase.ROLLED_BACK: "rolled_back", Phase.PAUSED: "paused"}
        return ends.get(self._position.phase)

    def _hear(self, event: Event) -> None:
        self._position, effects = step(self._position, event, self._now)
        for effect in effects:
            if isinstance(effect, Record) and effect.kind != "rolled_back":
                after_s = max(0.0, self._now - self._began_s)
                self._decisions.append(Decided(after_s, effect.kind, effect.reason, self._position.weight_bp))


def _from_its_first_request(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Without what came before the candidate was given any: hooks, copies, freezes."""
    first = next((index for index, point in enumerate(points) if point.weight_bp or point.rows), len(points))
    return points[first:]


def _cell(version: str, side: str, share_bp: int, row: dict[str, object]) -> CellDelta:
    """One side's counts at one share, as a worker would have sent them."""
    failures = row.get(side, {})
    assert isinstance(failures, dict)
    return CellDelta(
        "replay",
        version,
        1,
        rollout=_ROLLOUT,
        candidate_share=share_bp / 10_000,
        draws=_number(row, f"{side}_requests"),
        draw_failures=failures,
        draw_slow=_number(row, f"{side}_slow"),
    )


def _number(row: dict[str, object], key: str) -> int:
    value = row.get(key, 0)
    assert isinstance(value, int)
    return value


def _stands(position: Position, *, free: bool) -> str:
    if free:
        return "no decision against the candidate"
    return f"step {position.step + 1} of {len(position.plan.steps)}, {percent(position.weight_bp)}"
