"""Every incident under every policy, with the same plan. Pure: what is compared is ``incidents`` and ``policies``."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from proxy.model.rollout import Cause, RolloutPlan
from proxy.simulation.incidents import INCIDENTS, Incident
from proxy.simulation.play import Ending
from proxy.simulation.policies import POLICIES
from proxy.simulation.report import HEADGATE, Spread, player

COMPARED: Final = (HEADGATE, *POLICIES)
"""Whose rules are compared, in the order they are shown."""

HORIZON_S: Final = 43_200.0
"""Twelve hours: a rollout that is not over by then is still held."""


class Outcome(msgspec.Struct, frozen=True):
    """One policy in one incident. Probabilities are shares of the rollouts (0..1), seconds are of the virtual clock.

    ``rolled_back``: of a candidate that has to go, how often it did; None when it is innocent. ``after_s``: from the onset to that.
    ``hit``: requests that the candidate failed, or answered after half a second where latency is the incident, up to the end.
    ``wrongly``: how often a candidate as good as stable was rolled back (or paused on suspicion) in the same circumstances; ``held``:
    how often such a one was not promoted at the horizon, or left to a person at the deadline. ``why``: a reason of a wrong rollback.
    """

    policy: str
    rolled_back: float | None
    after_s: Spread | None
    hit: Spread | None
    wrongly: float
    held: float
    why: str


class Row(msgspec.Struct, frozen=True):
    """One incident, by its name and in words, and what each policy made of it."""

    incident: str
    words: str
    outcomes: tuple[Outcome, ...]


def compare(
    plan: RolloutPlan,
    *,
    runs: int,
    seed: int,
    policies: Sequence[str] = COMPARED,
    incidents: Sequence[Incident] = INCIDENTS,
    cause: Cause = "status_5xx",
) -> tuple[Row, ...]:
    """Play ``runs`` rollouts (at least 1) of each. Same seed, same rows. Raises ``OperatorError``: the plan has no weight steps."""

    def outcome(incident: Incident, name: str) -> Outcome:
        play_one = player(name, plan, gates="pass", cause=cause, horizon_s=HORIZON_S)

        def series(part: str) -> list[Ending]:
            chance = Random(f"{seed} {incident.name} {name} {part}")
            drawn = [incident.drawn(chance) for _ in range(runs)]
            return [play_one(traffic if part == "candidate" else traffic.equal(), chance) for traffic in drawn]

        equal = series("equal")
        wrong = [ending for ending in equal if ending.end == "rolled_back" or ending.by_guard]
        held = sum(ending.end in ("held", "paused") and not ending.by_guard for ending in equal) / runs
        why = wrong[0].why if wrong else ""
        if incident.innocent:
            return Outcome(name, None, None, None, len(wrong) / runs, held, why)
        endings, onset_s = series("candidate"), incident.traffic.onset_s
        caught = [ending for ending in endings if ending.by_guard and ending.at_s >= onset_s]
        slow = incident.traffic.candidate_latency_s > incident.traffic.stable_latency_s
        return Outcome(
            name,
            len(caught) / runs,
            Spread.of([ending.at_s - onset_s for ending in caught]),
            Spread.of([ending.candidate_failures + (ending.late if slow else 0) for ending in endings]),
            len(wrong) / runs,
            held,
            why,
        )

    return tuple(Row(incident.name, incident.words, tuple(outcome(incident, name) for name in policies)) for incident in incidents)
