"""One rollout under the rules of another tool: traffic, a scraped metrics server and ``policies`` on one virtual clock.

It walks from event to event: a reading of the counters, a tick or measurement that is due, the end of a pause. Between two of them
nobody looks, so traffic passes in one stretch.
"""

from __future__ import annotations

import math
from random import Random
from typing import Protocol

from proxy.analysis.statistics import SHARE_BP
from proxy.simulation.crowd import flow_of
from proxy.simulation.latency import LATE_S
from proxy.simulation.play import End, Ending, Gates
from proxy.simulation.policies import (
    Answer,
    Argo,
    Ended,
    Flagger,
    FlaggerState,
    MetricState,
    Policy,
    argo_measured,
    flagger_tick,
)
from proxy.simulation.scraped import SCRAPE_S, Reading, Scraped
from proxy.simulation.traffic import Traffic, Until


class _Tool(Protocol):
    """A controller: the candidate's weight, when it next acts, and how it ended if it did."""

    @property
    def weight_bp(self) -> int: ...

    @property
    def due_s(self) -> float: ...

    @property
    def ended(self) -> Ended: ...

    @property
    def why(self) -> str: ...

    def act(self, ask: _Ask) -> None:
        """Do what is due."""


class _Ask(Protocol):
    def __call__(self, window_s: float, *, last_two: bool = False) -> Answer:
        """What the metrics say now over a window."""


class _Flagger:
    """Flagger's ticks. It begins within an interval of the candidate's arrival, as its ticker runs all the time."""

    def __init__(self, rules: Flagger, chance: Random) -> None:
        self._rules = rules
        self._state = FlaggerState()
        self._due_s = chance.random() * rules.interval_s

    @property
    def due_s(self) -> float:
        return self._due_s

    @property
    def weight_bp(self) -> int:
        return self._state.weight_bp

    @property
    def ended(self) -> Ended:
        return self._state.ended

    @property
    def why(self) -> str:
        return self._state.why

    def act(self, ask: _Ask) -> None:
        self._state = flagger_tick(self._rules, self._state, ask(self._rules.window_s))
        self._due_s += self._rules.interval_s


class _Argo:
    """Argo Rollouts' steps, and its background analysis from their beginning on."""

    def __init__(self, rules: Argo, gates: Gates) -> None:
        self._rules = rules
        self._gates = gates
        self._step = -1
        self._step_ends_s = 0.0
        self._metrics = [MetricState(due_s=metric.initial_delay_s) for metric in rules.metrics]
        self._weight_bp = 0
        self._ended: Ended = ""
        self._why = ""

    @property
    def weight_bp(self) -> int:
        return self._weight_bp

    @property
    def ended(self) -> Ended:
        return self._ended

    @property
    def why(self) -> str:
        return self._why

    @property
    def due_s(self) -> float:
        return min(self._step_ends_s, *(state.due_s for state in self._metrics))

    def act(self, ask: _Ask) -> None:
        now = self.due_s
        for index, (metric, state) in enumerate(zip(self._rules.metrics, self._metrics, strict=True)):
            if state.due_s > now:
                continue
            after = argo_measured(metric, state, ask(metric.window_s, last_two=metric.last_two))
            self._metrics[index] = after
            if after.why:
                self._ended, self._why = "rolled_back", after.why
                return
        if self._step_ends_s <= now:
            self._next_step(now)

    def _next_step(self, now: float) -> None:
        self._step += 1
        if self._step >= len(self._rules.steps):
            self._ended = "promoted"
            return
        self._weight_bp, pause_s = self._rules.steps[self._step]
        waits_s = (0.0 if self._gates == "pass" else math.inf) if pause_s is None else pause_s
        self._step_ends_s = now + waits_s


def rehearse(policy: Policy, traffic: Traffic, chance: Random, *, gates: Gates, horizon_s: float) -> Ending:
    """Play one rollout by the rules of ``policy``. ``by_guard`` of the ending: the rules rolled it back."""
    tool: _Tool = _Flagger(policy, chance) if isinstance(policy, Flagger) else _Argo(policy, gates)
    flow = flow_of(traffic, chance)
    metrics = Scraped(traffic.sources_down_s)
    scrape_s = chance.random() * SCRAPE_S
    now, total, late_s = 0.0, Reading(0, 0, 0), (LATE_S if traffic.stable_latency_s else 0.0)
    while not tool.ended and now < horizon_s:
        then = min(scrape_s, tool.due_s, horizon_s)
        if then > now:
            _, counts = flow.pass_time(chance, now, then, tool.weight_bp / SHARE_BP, Until(slow_over_s=late_s))
            came = counts.candidate_good + counts.candidate_failed
            total = Reading(total.requests + came, total.failed + counts.candidate_failed, total.late + counts.candidate_slow)
            now = then
        if now >= horizon_s:
            break
        if scrape_s <= now:
            metrics.read(now, total)
            scrape_s += SCRAPE_S
        if tool.due_s <= now:
            tool.act(_asking(metrics, now))
    end: End = tool.ended or "held"
    met, hurt = flow.met(), flow.hurt()
    return Ending(
        end,
        now,
        end == "rolled_back",
        int(total.requests),
        int(total.failed),
        "" if end == "promoted" else tool.why or "the horizon",
        total.requests if met is None else met,
        int(total.failed) if hurt is None else hurt,
        int(total.late),
    )


def _asking(metrics: Scraped, now: float) -> _Ask:
    def ask(window_s: float, *, last_two: bool = False) -> Answer:
        return "error" if metrics.is_down(now) else metrics.increase(now, window_s, last_two=last_two)

    return ask
