"""The ratios we want and the ratios we insist on. Only ratios of one run: a machine's speed and noise are in both of its parts."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from loadtest.compare import Result
from loadtest.faults import RigError
from loadtest.figures import FIGURES, Figure, compared
from loadtest.report import SUBJECT, ratio

FILE = Path(__file__).with_name("budgets.toml")
KEYS = {"want", "bound", "reason"}
MORE = {"subject", "peer", "figure"}


@dataclass(frozen=True)
class Budget:
    """The cost of ``subject`` over that of ``peer``: ``want`` is the aim, above ``bound`` a change is refused.

    ``figure`` is an attribute of ``Turn``; empty for the one that the scenario compares.
    """

    scenario: str
    peer: str
    want: float
    bound: float
    reason: str
    subject: str = SUBJECT
    figure: str = ""


def parse(text: str) -> list[Budget]:
    """``[scenario.peer]`` tables of want, bound and reason, and a subject, peer or figure if they are not the usual ones; RigError for
    anything else."""
    found = []
    for scenario, peers in tomllib.loads(text).items():
        for peer, entry in peers.items():
            if not KEYS <= set(entry) <= KEYS | MORE:
                raise RigError(f"budgets.toml: {scenario}.{peer} has {sorted(entry)}; it needs {sorted(KEYS)}")
            if not 0 < entry["want"] <= entry["bound"]:
                raise RigError(f"budgets.toml: {scenario}.{peer}: 0 < want <= bound does not hold")
            more = {"peer": peer, **{key: entry[key] for key in MORE & set(entry)}}
            found.append(Budget(scenario, want=float(entry["want"]), bound=float(entry["bound"]), reason=entry["reason"], **more))
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
            return f"FAIL {b.scenario}: {b.subject}/{b.peer} was not measured"
        word = "FAIL" if not self.holds else "ok" if self.measured <= b.want else "over the aim"
        what = f"{b.scenario}: {b.figure or 'cost'} {b.subject}/{b.peer}"
        return f"{word} {what} {self.measured:.2f}, aim {b.want:.2f}, bound {b.bound:.2f} ({b.reason})"


def compare(result: Result, budgets: list[Budget], asked: Collection[str] = ()) -> list[Outcome]:
    """Every budget of the result's scenario; only those whose peer was ``asked`` for, if anybody was."""
    outcomes = []
    for budget in budgets:
        if budget.scenario == result.scenario.name and (not asked or budget.peer.partition(",")[0] in asked):
            there = {budget.subject, budget.peer} <= set(result.turns)
            share = ratio(result, budget.subject, budget.peer, figure(result, budget)) if there else None
            outcomes.append(Outcome(budget, share.middle if share is not None else None))
    return outcomes


def figure(result: Result, budget: Budget) -> Figure:
    """What a budget is about; RigError if its scenario does not measure it."""
    kind = result.scenario.kind
    if not budget.figure:
        return compared(kind)
    for each in FIGURES[kind]:
        if each.attribute == budget.figure:
            return each
    raise RigError(
        f"budgets.toml: {budget.scenario}: no figure {budget.figure!r}; it has {', '.join(f.attribute for f in FIGURES[kind])}"
    )
