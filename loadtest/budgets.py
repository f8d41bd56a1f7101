"""The ratios we want and the ratios we insist on. Only ratios of one run: a machine's speed and noise are in both of its parts."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from loadtest.compare import Result
from loadtest.faults import RigError
from loadtest.report import SUBJECT, ratio

FILE = Path(__file__).with_name("budgets.toml")
KEYS = {"want", "bound", "reason"}


@dataclass(frozen=True)
class Budget:
    """headgate's CPU a request over ``peer``'s: ``want`` is the aim, above ``bound`` a change is refused."""

    scenario: str
    peer: str
    want: float
    bound: float
    reason: str


def parse(text: str) -> list[Budget]:
    """``[scenario.peer]`` tables of want, bound and reason; RigError for anything else."""
    found = []
    for scenario, peers in tomllib.loads(text).items():
        for peer, entry in peers.items():
            if set(entry) != KEYS:
                raise RigError(f"budgets.toml: {scenario}.{peer} has {sorted(entry)}; it needs {sorted(KEYS)}")
            if not 0 < entry["want"] <= entry["bound"]:
                raise RigError(f"budgets.toml: {scenario}.{peer}: 0 < want <= bound does not hold")
            found.append(Budget(scenario, peer, float(entry["want"]), float(entry["bound"]), entry["reason"]))
    return found


@dataclass(frozen=True)
class Outcome:
    """One budget held against one result. ``measured`` is None when the run did not have both sides: that does not hold."""

    budget: Budget
    measured: float | None

    @property
    def holds(self) -> bool:
        """Within the bound."""
        return self.measured is not None and self.measured <= self.budget.bound

    def __str__(self) -> str:
        b = self.budget
        if self.measured is None:
            return f"FAIL {b.scenario}: {SUBJECT}/{b.peer} was not measured"
        word = "FAIL" if not self.holds else "ok" if self.measured <= b.want else "over the aim"
        return f"{word} {b.scenario}: {SUBJECT}/{b.peer} {self.measured:.2f}, aim {b.want:.2f}, bound {b.bound:.2f} ({b.reason})"


def compare(result: Result, budgets: list[Budget]) -> list[Outcome]:
    """Every budget of the result's scenario."""
    return [
        Outcome(
            budget,
            ratio(result, SUBJECT, budget.peer).middle if {SUBJECT, budget.peer} <= set(result.turns) else None,
        )
        for budget in budgets
        if budget.scenario == result.scenario.name
    ]
