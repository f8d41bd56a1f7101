"""The positions and events that the machine's tests are told with."""

from __future__ import annotations

from typing import Any

from proxy.model.position import Finding, Position, Record, Verdict
from proxy.model.rollout import GateStep, RolloutPlan, WeightStep
from proxy.rollout.machine import Applied, Ask, Command, Effect, Event, Heard, Measured, TargetSet, initial, step

NOW = 1_700_000_000.0
PLAN = RolloutPlan(steps=(WeightStep(500, for_s=10.0, min_requests=5), GateStep(), WeightStep(5000, for_s=10.0)), deadline_s=100.0)
PASS = Verdict(Finding.PASS, "well", {"log_evidence": -1.0, "threshold": 6.9, "candidate_failures": 0})
BAD = Verdict(Finding.ROLLBACK, "too many failures", {"log_evidence": 8.0, "threshold": 6.9, "candidate_failures": 6})
NEW = initial("shop", "v1", "f1")


def named(target: str = "v2", print_: str = "f2", plan: RolloutPlan = PLAN, **fields: Any) -> TargetSet:
    return TargetSet(target, print_, plan, by="git", **fields)


def measured(dt_s: float = 1.0, requests: int = 1, verdict: Verdict = PASS) -> Measured:
    return Measured(dt_s, requests, verdict)


def heard(position: Position, ok: bool = True, reason: str = "hook answered 200") -> Heard:
    """The answer to what the position asks."""
    return Heard(position.asking, ok, reason, {"calls": []})


def said(verb: Any, **fields: Any) -> Command:
    return Command(verb, "ann", **fields)


def after(position: Position, *events: Event) -> Position:
    for event in events:
        position, _ = step(position, event, NOW)
    return position


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    """Effects in a word each: a record's kind, ``publish``, ``publish together`` (with the barrier), ``ask`` and its point."""
    return [_kind(effect) for effect in effects]


def _kind(effect: Effect) -> str:
    if isinstance(effect, Record):
        return effect.kind
    if isinstance(effect, Ask):
        return f"ask {effect.point}"
    return "publish together" if effect.barrier else "publish"


def story(position: Position, *events: Event, now: float = NOW) -> tuple[Position, list[str]]:
    """Where the events lead, and every effect on the way in a word each."""
    told: list[str] = []
    for event in events:
        position, effects = step(position, event, now)
        told += kinds(effects)
    return position, told


APPLIED = Applied(17, 0.01)
RUNNING = after(NEW, named())
GATED = after(RUNNING, measured(10.0, 5))
PAUSED = after(RUNNING, said("pause"))
PROMOTING = after(RUNNING, said("promote", full=True))
ROLLING_BACK = after(RUNNING, measured(verdict=BAD))
ROLLED_BACK = after(ROLLING_BACK, APPLIED)
ABANDONED = after(RUNNING, named("v1", "f1"), APPLIED)
OWN = after(NEW, said("start", to="v3", plan=PLAN, fingerprint="f3"))
