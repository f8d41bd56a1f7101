"""Endpoints of two versions that a rolling rollout is played against: what is in service gets requests, what is replaced comes up."""

from __future__ import annotations

from typing import Any

from proxy.model.position import Phase, Position, Verdict
from proxy.model.rollout import Hook, Rolling, RolloutPlan
from proxy.rollout.events import EndpointLevel, Event, Measured
from proxy.rollout.machine import Effect, step
from proxy.rollout.rolling import in_service
from tests.unit.rollout.positions import APPLIED, NEW, NOW, PASS, heard, kinds, named

HOOK = (Hook("before_step", "http://ops/replace"),)
BATCHES = Rolling(batch=1, min_ready_s=10.0, slow_start_s=0.0, ready_timeout_s=60.0)
PLAN = RolloutPlan(strategy="rolling", steps=(), rolling=BATCHES, drain_s=30.0)


class Fleet:
    """``stable`` and ``candidate`` are labels. ``ill`` and ``busy`` hold (version, label) pairs; all else is healthy and idle."""

    def __init__(self, stable: str = "abc", candidate: str = "abc", plan: RolloutPlan = PLAN, **fields: Any) -> None:
        self.stable, self.candidate = tuple(stable), tuple(candidate)
        self.ill: set[tuple[str, str]] = set()
        self.busy: set[tuple[str, str]] = set()
        self.position: Position = NEW
        self.told: list[str] = []
        self.effects: list[Effect] = []
        self.fewest = len(stable)
        """The fewest endpoints that have ever been in service."""
        self.now = NOW
        self.enter(named(plan=plan, **fields))

    def enter(self, event: Event) -> Position:
        """An event happens."""
        self.position, effects = step(self.position, event, self.now)
        self.told += kinds(effects)
        self.effects += effects
        self.fewest = min(self.fewest, sum(map(len, self.serving())))
        return self.position

    def serving(self) -> tuple[list[str], list[str]]:
        """The labels in service: stable's, and the candidate's."""
        old, new = in_service(self.position, self.stable, self.candidate)
        return (old, [] if not self.position.weight_bp else new)

    def look(self, dt_s: float = 1.0, verdict: Verdict = PASS) -> Position:
        """Time passes, and it is measured."""
        self.now += dt_s
        levels = [
            EndpointLevel(version, label, (version, label) not in self.ill, int((version, label) in self.busy))
            for version, labels in ((self.position.stable, self.stable), (self.position.candidate, self.candidate))
            for label in labels
        ]
        return self.enter(Measured(dt_s, 1, verdict, tuple(levels)))

    def until(self, part: str, dt_s: float = 1.0) -> Position:
        """Look until the batch is at a part."""
        for _ in range(500):
            if self.position.part == part:
                return self.position
            self.look(dt_s)
        raise AssertionError(f"never {part}: {self.position}")

    def batch(self) -> Position:
        """Through a whole batch, hooks answered."""
        moved = self.position.moved
        for _ in range(500):
            if self.position.moved != moved and not self.position.moving:
                return self.position
            self.enter(heard(self.position)) if self.position.asking else self.look()
        raise AssertionError(f"never done: {self.position}")

    def to_the_end(self) -> Position:
        """Until it rests, hooks answered and publications acknowledged."""
        for _ in range(2000):
            if self.position.phase in (Phase.STABLE, Phase.ROLLED_BACK):
                return self.position
            if self.position.asking:
                self.enter(heard(self.position))
            self.enter(APPLIED)
            if self.position.phase not in (Phase.STABLE, Phase.ROLLED_BACK):
                self.look()
        raise AssertionError(f"never at rest: {self.position}")
